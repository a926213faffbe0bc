//! What members say of themselves: the newest card of an id wins.

use super::news::{Label, mark};
use super::record::{CONTACT_BYTES_MAX, Card, NAME_BYTES_MAX, TAGS_BYTES_MAX, Tags};
use super::table::{self, Row};
use super::*;
use core::cmp::Ordering;
use rumormill_core::payload::Payload;
use rumormill_core::record::Record;

/// Members in the table at once, the departed included; more are refused and counted (our guess: a hundred times the largest
/// cluster that is known to gossip its whole membership).
const MEMBERS_MAX: usize = 1_000_000;

/// How an item of news came in.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Path {
    /// Gossiped.
    News,
    /// In an exchange, where even old verdicts come to light.
    Exchange,
}

impl<K: Keys> Swim<K> {
    /// A card arrived. It is verified once, when it is news. Returns what its bringer should hear.
    pub(super) fn take_card(
        &mut self,
        cx: Ctx<K>,
        from: NodeId,
        record: Record<Card>,
        path: Path,
    ) -> Option<News> {
        let card = record.value();
        if card.id == cx.me {
            return self.take_own_card(cx, &record);
        }
        if self.banned.contains(&card.id) {
            self.counters.news_shunned += 1;
            return None;
        }
        let Some(row) = self.member_table.get(card.id) else {
            if self.tombstones.covers(card) {
                return self.refuse_covered(from, card, path);
            }
            let room = self.member_table.len() < MEMBERS_MAX;
            if !card.left && room && self.believes(&record) {
                self.counters.news_heard += 1;
                self.admit(cx, from, record, path);
            }
            return None;
        };
        match card.version().cmp(&row.card.value().version()) {
            Ordering::Greater => {
                if self.believes(&record) {
                    self.counters.news_heard += 1;
                    self.renew(cx, from, record, path);
                }
                None
            }
            // A ban alone kept it out, and it has been lifted.
            Ordering::Equal if row.status == Status::Failed && self.departed.verdict(card.id).is_none() => {
                if self.believes(&record) {
                    self.counters.news_heard += 1;
                    self.renew(cx, from, record, path);
                }
                None
            }
            Ordering::Equal if row.is_live() || card.left => {
                self.counters.news_stale += 1;
                None
            }
            // It is held to be alive by one who has not heard, or has forgotten, that it departed.
            Ordering::Equal | Ordering::Less => {
                self.counters.news_stale += 1;
                let worth_it = path == Path::Exchange || from == card.id;
                self.what_i_hold(cx.me, card.id).filter(|_| worth_it)
            }
        }
    }

    /// Whether a card is within bounds and by its owner.
    fn believes(&mut self, record: &Record<Card>) -> bool {
        let card = record.value();
        let bounded = card.name.len() <= NAME_BYTES_MAX
            && card.contact.len() <= CONTACT_BYTES_MAX
            && match &card.tags {
                Tags::Inline(bytes) => bytes.len() <= TAGS_BYTES_MAX,
                Tags::Hashed(_, len) => *len as usize <= TAGS_BYTES_MAX,
            };
        let believes = bounded && record.is_by(card.id, &self.keys);
        self.counters.records_forged += u64::from(!believes);
        believes
    }

    /// A member that was unknown.
    fn admit(&mut self, cx: Ctx<K>, from: NodeId, record: Record<Card>, path: Path) {
        let id = record.value().id;
        self.live += 1;
        self.probe_order.insert(id, cx.rng);
        let row = Row::new(record.clone(), cx.now);
        self.sums.add(id, row.hash);
        self.member_table.insert(row, mark(&record));
        cx.emit(Event::Contact(id, record.value().life, record.value().contact.clone()));
        cx.emit(Event::Up(id));
        self.note_copy(cx, record.value());
        self.heed_order(cx, id);
        self.spread_card(cx, from, record, path);
    }

    /// A newer card of a member in the table.
    fn renew(&mut self, cx: Ctx<K>, from: NodeId, record: Record<Card>, path: Path) {
        let id = record.value().id;
        let row = self.member_table.get_mut(id).expect("it was found by the caller");
        let (old, was) = (core::mem::replace(&mut row.card, record.clone()), row.status);
        let (old, new) = (old.value(), record.value());
        if row.is_live() {
            self.sums.subtract(id, row.hash);
            self.live -= 1;
        }
        row.hash = table::card_hash(new);
        row.status = if new.left { Status::Left } else { Status::Alive };
        if row.status != was {
            row.since = cx.now;
        }
        if new.life != old.life {
            (row.srtt_us, row.rttvar_us, row.stream_only) = (0, 0, false);
        }
        let hash = row.hash;
        self.member_table.set_mark(id, if new.left { 0 } else { mark(&record) });
        self.cases.close(id);
        let is_elsewhere = (&old.contact, old.life) != (&new.contact, new.life);
        if is_elsewhere || matches!(was, Status::Failed | Status::Left) {
            cx.emit(Event::Contact(id, new.life, new.contact.clone()));
        }
        if new.left {
            self.departed.leave(id, cx.now);
            if was != Status::Left {
                cx.emit(Event::Left(id));
                self.note_own_word(cx, new, VerdictKind::Left);
            }
        } else {
            self.live += 1;
            self.sums.add(id, hash);
            let restarted = new.life != old.life;
            let was_accused = was == Status::Suspect || self.departed.verdict(id).is_some();
            match was {
                Status::Failed | Status::Left => {
                    self.departed.remove(id);
                    self.probe_order.insert(id, cx.rng);
                    cx.emit(Event::Up(id));
                    if from == id && !restarted {
                        self.open_exchange(cx, id); // a partition has healed: the rest of its side is behind it
                    }
                }
                Status::Suspect => cx.emit(Event::Refuted(id)),
                Status::Alive => cx.emit(Event::Changed(id)),
            }
            if restarted {
                self.note_own_word(cx, new, VerdictKind::Restarted);
            } else if was_accused {
                self.note_own_word(cx, new, VerdictKind::Refuted);
            }
            self.note_copy(cx, new);
        }
        self.spread_card(cx, from, record.clone(), path);
        self.heed_order(cx, id);
    }

    fn spread_card(&mut self, cx: Ctx<K>, from: NodeId, record: Record<Card>, path: Path) {
        let card = record.value();
        cx.emit(Event::Heard(card.id, cx.wall.since(card.written)));
        self.want_tags(cx, from, card);
        if path == Path::News || self.anti_entropy.shares_what_it_learns(from) {
            self.spread(cx, News::Card(record));
        }
    }

    fn note_own_word(&mut self, cx: Ctx<K>, card: &Card, what: VerdictKind) {
        self.note(Verdict {
            accused: card.id,
            by: card.id,
            what,
            written: card.written,
            heard: cx.now,
            incarnation: card.incarnation,
            evidence: None,
        });
    }

    /// A member that gave way to a copy of itself says so on its new card: both ids get it into their history.
    fn note_copy(&mut self, cx: Ctx<K>, card: &Card) {
        for accused in card.copied_from.into_iter().chain(card.copied_from.map(|_| card.id)) {
            let known = self
                .verdicts
                .iter()
                .any(|v| v.accused == accused && v.by == card.id && v.what == VerdictKind::Copied);
            if !known {
                self.note(Verdict {
                    accused,
                    by: card.id,
                    what: VerdictKind::Copied,
                    written: card.written,
                    heard: cx.now,
                    incarnation: card.incarnation,
                    evidence: None,
                });
            }
        }
    }

    /// Somebody relays what I am said to say of myself.
    fn take_own_card(&mut self, cx: Ctx<K>, record: &Record<Card>) -> Option<News> {
        let (theirs, mine) = (record.value(), self.mine.card.value());
        match theirs.life.cmp(&mine.life) {
            // An earlier life of mine, or a copy of me that will give way as soon as it hears this.
            Ordering::Less => {
                let mine = self.mine.card.clone();
                if theirs.life.epoch == mine.value().life.epoch {
                    self.note_own_word(cx, mine.value(), VerdictKind::Copied);
                }
                Some(News::Card(mine))
            }
            // The same life with a higher incarnation: my own past, from before a memory that I lost.
            Ordering::Equal if theirs.incarnation > mine.incarnation && record.is_by(cx.me, &self.keys) => {
                let above = theirs.incarnation;
                self.say_of_myself(cx, |card| card.incarnation = above + 1);
                self.spread(cx, News::Card(self.mine.card.clone()));
                None
            }
            Ordering::Equal => None,
            Ordering::Greater => {
                if record.is_by(cx.me, &self.keys) {
                    cx.emit(Event::Superseded(theirs.life));
                }
                None
            }
        }
    }

    /// Writes and signs my card anew.
    pub(super) fn say_of_myself(&mut self, cx: Ctx<K>, change: impl FnOnce(&mut Card)) {
        let mut card = self.mine.card.value().clone();
        self.sums.subtract(card.id, table::card_hash(&card));
        card.written = cx.wall;
        change(&mut card);
        if !card.left {
            self.sums.add(card.id, table::card_hash(&card));
        }
        self.mine.card = Record::signed(card, &self.keys);
    }

    /// My last word about `id`: its card, or why it is dead.
    pub(super) fn what_i_hold(&self, me: NodeId, id: NodeId) -> Option<News> {
        if id == me {
            return Some(News::Card(self.mine.card.clone()));
        }
        let Some(row) = self.member_table.get(id) else { return self.epitaph(id) };
        match row.status {
            Status::Failed => self.departed.verdict(id).cloned().map(News::Accusation),
            Status::Alive | Status::Suspect | Status::Left => Some(News::Card(row.card.clone())),
        }
    }

    /// I am reached elsewhere.
    pub(super) fn on_set_contact(&mut self, cx: Ctx<K>, contact: Payload) {
        if contact.len() > CONTACT_BYTES_MAX {
            self.counters.requests_refused += 1;
            return;
        }
        self.say_of_myself(cx, |card| {
            card.incarnation += 1;
            card.contact = contact;
        });
        self.spread(cx, News::Card(self.mine.card.clone()));
        cx.emit(Event::Changed(cx.me));
    }

    /// New tags of mine.
    pub(super) fn on_set_tags(&mut self, cx: Ctx<K>, tags: Payload) {
        if tags.len() > TAGS_BYTES_MAX {
            self.counters.requests_refused += 1;
            return;
        }
        let on_card = table::tags_on_card(&tags);
        self.mine.tags = tags;
        self.say_of_myself(cx, |card| {
            card.incarnation += 1;
            card.tags = on_card;
        });
        self.spread(cx, News::Card(self.mine.card.clone()));
        cx.emit(Event::Changed(cx.me));
    }

    /// A list of news arrived by gossip, or as an answer.
    pub(super) fn on_news(&mut self, cx: Ctx<K>, from: NodeId, news: Batch) {
        for (label, item) in news.labelled() {
            if self.holds(label, item) {
                self.counters.news_stale += 1;
            } else if let Some(answer) = self.take(cx, from, item.clone(), Path::News) {
                self.tell(cx, from, answer);
            }
        }
    }

    /// Whether this is the card of a live member that is here already, as nine of ten cards are: each travels to each member about ten times.
    fn holds(&self, label: Label, item: &News) -> bool {
        matches!(item, News::Card(_)) && self.member_table.mark(label.about) == Some(label.mark)
    }

    /// One item of news. Returns what its bringer should hear.
    pub(super) fn take(&mut self, cx: Ctx<K>, from: NodeId, item: News, path: Path) -> Option<News> {
        match item {
            News::Card(record) => self.take_card(cx, from, record, path),
            News::Accusation(record) => self.take_accusation(cx, from, record, path),
        }
    }
}
