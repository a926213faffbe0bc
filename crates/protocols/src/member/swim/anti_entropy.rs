//! Anti-entropy, and joining, which is the same: only what differs travels, in pages that the receiver asks for.
//!
//! Each ack carries the root hash of its sender. Where it differs, the news may still be on its way: the peer is
//! pinged again a little later. If neither root has moved meanwhile no news is coming, and if they move and differ for as long as
//! news takes they will go on so: then an exchange runs over the stream:
//!
//! ```text
//! opener                          peer
//!   Sums (256 bucket sums)  ->          who am I, per bucket
//!                           <-  Stamps  (id, hash) of the buckets that differ, one page, which may end inside a bucket
//!   Give (what it lacks)    ->
//!   Want (ids, a page)      ->
//!                           <-  Give    cards, or why they are dead
//! ```
//!
//! A node that joins knows only itself: all buckets differ, and it asks for everybody. Others may join meanwhile, and news of them goes to those who are
//! known already; so it looks at its peer once more, a little later. Equal peers exchange nothing.

use super::card::Path;
use super::message::{Id, PAGE_BYTES_MAX, Stamp};
use super::probe::Kind;
use super::table::{BUCKETS, bucket, card_hash};
use super::*;
use alloc::vec::Vec;
use core::array;
use rumormill_core::time::Duration;
use rumormill_core::wire;

/// Ids asked for at once: their cards fill a page or two.
const WANT_IDS_MAX: usize = 100;
/// Stamps in one page: at most 16 bytes each. A bucket with more, as ids made on purpose can fill it, takes several pages.
const STAMPS_MAX: usize = PAGE_BYTES_MAX / 16;
/// Peers waiting for an exchange.
const WAITING_MAX: usize = 16;
/// Rounds of gossip between two looks at a peer whose root differs (our guess: while there is news, most rounds move one of the two roots).
const DOUBT_ROUNDS: u32 = 1;
/// One who has joined looks at its contact again after so many times `push_delay` (our guess: by then the contact has heard of those who joined
/// with it, and most have heard of it).
const CONTACT_PUSHES: u32 = 5;
/// An exchange that is silent for so long is given up (our guess: a TCP connect with two retransmissions).
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Where a page of stamps begins: a bucket, and in it above which id.
type Start = (u16, Option<NodeId>);

/// The exchange that this node has opened, at most one, and who waits.
#[derive(Default)]
pub(super) struct State {
    open: Option<Open>,
    waiting: VecDeque<NodeId>,
    doubt: Option<Doubt>,
    /// Whether a [`Timer::Doubt`] is in flight.
    looking: bool,
}

/// A peer whose root differs from mine.
struct Doubt {
    peer: NodeId,
    since: Time,
    /// Mine and the peer's, when I last looked.
    roots: (u64, u64),
    /// Pinged since then, without an answer so far.
    asked: bool,
    /// I have just joined by it: if it differs it knows of others who have, and there is nothing to wait for.
    is_contact: bool,
}

struct Open {
    peer: NodeId,
    live_at_open: usize,
    learned: usize,
    wants: VecDeque<NodeId>,
    /// The page of stamps that was asked for last.
    page: Start,
    /// The one to ask for next.
    next: Option<Start>,
    active: Time,
}

impl State {
    /// Whether what comes from `peer` is worth spreading: one who knows little learns what everybody else knows.
    pub(super) fn shares_what_it_learns(&mut self, peer: NodeId) -> bool {
        match &mut self.open {
            Some(open) if open.peer == peer => {
                open.learned += 1;
                open.learned <= open.live_at_open
            }
            _ => true,
        }
    }
}

/// Ids in order, each with the head of its hash.
struct Listed(Vec<(NodeId, u32)>);

impl Listed {
    /// Of one that is listed more than once the last counts.
    fn of(stamps: impl Iterator<Item = (NodeId, u32)>) -> Listed {
        let mut list: Vec<_> = stamps.collect();
        list.sort_by_key(|(id, _)| *id);
        list.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                *kept = *next;
            }
            is_same
        });
        Listed(list)
    }

    fn has(&self, id: NodeId) -> bool {
        self.0.binary_search_by_key(&id, |(id, _)| *id).is_ok()
    }

    /// The ids here that `other` does not list, or with another hash.
    fn which_differ_from(&self, other: &Listed) -> impl Iterator<Item = NodeId> {
        let mut others = other.0.iter().peekable();
        let differs = move |mine: &&(NodeId, u32)| {
            while others.next_if(|theirs| theirs.0 < mine.0).is_some() {}
            others.peek() != Some(mine)
        };
        self.0.iter().filter(differs).map(|(id, _)| *id)
    }
}

impl<K: Keys> Swim<K> {
    /// A peer's root hash, `theirs`, differs from mine.
    pub(super) fn on_other_root(&mut self, cx: Ctx<K>, peer: NodeId, kind: Kind, theirs: u64) {
        let roots = (self.sums.root, theirs);
        let (time_of_news, is_live) = (self.time_of_news(), self.is_live(peer));
        match &mut self.anti_entropy.doubt {
            Some(doubt) if doubt.peer == peer && kind == Kind::Doubt => {
                if doubt.is_contact || doubt.roots == roots || cx.now.since(doubt.since) >= time_of_news {
                    self.anti_entropy.doubt = None;
                    self.open_exchange(cx, peer);
                } else {
                    (doubt.roots, doubt.asked) = (roots, false);
                }
            }
            None if self.anti_entropy.open.is_none() && is_live => {
                self.anti_entropy.doubt =
                    Some(Doubt { peer, since: cx.now, roots, asked: false, is_contact: false });
                self.look_again_later(cx, self.config.gossip_interval * DOUBT_ROUNDS);
            }
            _ => {}
        }
    }

    /// What is news takes about log n rounds, to the base of one and the fanout, to reach everybody; two more for stragglers.
    fn time_of_news(&self) -> Duration {
        let base = libm::log(1.0 + self.config.gossip_fanout as f64);
        let rounds = 2 + libm::ceil(libm::log(self.live_len() as f64 + 1.0) / base) as u32;
        self.config.gossip_interval * rounds
    }

    fn look_again_later(&mut self, cx: Ctx<K>, later: Duration) {
        if !self.anti_entropy.looking {
            self.anti_entropy.looking = true;
            cx.after(later, Timer::Doubt);
        }
    }

    /// Does the root still differ?
    pub(super) fn on_doubt(&mut self, cx: Ctx<K>) {
        self.anti_entropy.looking = false;
        let Some(doubt) = &mut self.anti_entropy.doubt else { return };
        let (peer, answered) = (doubt.peer, !doubt.asked);
        doubt.asked = true;
        if answered && self.is_live(peer) && self.probe(cx, peer, Kind::Doubt) {
            self.look_again_later(cx, self.config.gossip_interval * DOUBT_ROUNDS);
        } else {
            self.anti_entropy.doubt = None;
        }
    }

    /// The peer that differed agrees by now.
    pub(super) fn on_same_root(&mut self, peer: NodeId) {
        if self.anti_entropy.doubt.as_ref().is_some_and(|doubt| doubt.peer == peer) {
            self.anti_entropy.doubt = None;
        }
    }

    /// Compares notes with `peer`, now or when the exchange that is under way has ended.
    pub(super) fn open_exchange(&mut self, cx: Ctx<K>, peer: NodeId) {
        if peer == cx.me || self.anti_entropy.open.as_ref().is_some_and(|open| open.peer == peer) {
            return;
        }
        if self.anti_entropy.open.is_some() {
            if self.anti_entropy.waiting.len() < WAITING_MAX && !self.anti_entropy.waiting.contains(&peer) {
                self.anti_entropy.waiting.push_back(peer);
            }
            return;
        }
        self.counters.exchanges_opened += 1;
        self.anti_entropy.open = Some(Open {
            peer,
            live_at_open: self.live_len(),
            learned: 0,
            wants: VecDeque::new(),
            page: (0, None),
            next: None,
            active: cx.now,
        });
        self.ask_for_stamps(cx, peer, (0, None));
    }

    fn ask_for_stamps(&mut self, cx: Ctx<K>, peer: NodeId, (from_bucket, after): Start) {
        cx.stream(peer, Message::Sums { sums: self.sums.buckets.to_vec(), from_bucket, after });
    }

    /// A peer wants to know where we differ.
    pub(super) fn on_sums(&mut self, cx: Ctx<K>, from: NodeId, sums: Vec<u64>, (first, after): Start) {
        let differs: [bool; BUCKETS] =
            array::from_fn(|b| b >= first as usize && sums.get(b) != Some(&self.sums.buckets[b]));
        let is_meant = |id: NodeId, b: usize| {
            let was_shown = b == first as usize && after.is_some_and(|after| id <= after);
            differs[b] && !was_shown
        };
        // What the page holds is counted first, since it may be a small part of what differs.
        let mut counts = [0; BUCKETS];
        self.hashes(cx.me).for_each(|(id, _)| counts[bucket(id)] += usize::from(is_meant(id, bucket(id))));
        let (mut buckets, mut len, mut next) = (Vec::new(), 0, None);
        let mut places = [None; BUCKETS];
        for b in (0..BUCKETS).filter(|b| differs[*b]) {
            if len > 0 && len + counts[b] > STAMPS_MAX {
                next = Some(b as u16);
                break;
            }
            buckets.push(b as u8);
            places[b] = Some(len);
            len += counts[b];
        }
        let mut stamps = alloc::vec![Stamp { id: NodeId(0), hash: 0 }; len];
        self.hashes(cx.me).for_each(|(id, hash)| {
            let b = bucket(id);
            if let Some(place) = places[b].as_mut().filter(|_| is_meant(id, b)) {
                stamps[*place] = Stamp { id, hash: (hash >> 32) as u32 };
                *place += 1;
            }
        });
        let mut more = None;
        if len > STAMPS_MAX {
            stamps.sort_unstable_by_key(|stamp| stamp.id);
            stamps.truncate(STAMPS_MAX);
            more = stamps.last().map(|stamp| stamp.id);
        }
        cx.stream(from, Message::Stamps { buckets: buckets.as_slice().into(), stamps, next, more });
    }

    /// What the root hash is made of: live members with the hash of the card, this node included, and orders to forget one.
    pub(super) fn hashes(&self, me: NodeId) -> impl Iterator<Item = (NodeId, u64)> {
        let mine = self.mine.card.value();
        let others = self.member_table.iter().filter(|row| row.is_live()).map(|row| (row.id, row.hash));
        let me = core::iter::once((me, card_hash(mine))).filter(|_| !mine.left);
        me.chain(others).chain(self.tombstones.hashes())
    }

    /// Where we differ: I give what the peer lacks, and note what I want.
    pub(super) fn on_stamps(
        &mut self,
        cx: Ctx<K>,
        from: NodeId,
        buckets: &[u8],
        stamps: Vec<Stamp>,
        next: Option<u16>,
        more: Option<NodeId>,
    ) {
        let Some(open) = self.anti_entropy.open.as_mut().filter(|open| open.peer == from) else { return };
        open.active = cx.now;
        let (page, last) = (open.page, buckets.last().copied());
        let rest = last.filter(|_| more.is_some()).map(|b| (u16::from(b), more));
        // A peer that leads backwards leads nowhere.
        open.next = rest.or(next.map(|b| (b, None))).filter(|next| *next > page);
        let mut is_listed = [false; BUCKETS];
        buckets.iter().for_each(|b| is_listed[usize::from(*b)] = true);
        let is_on_page = |id: NodeId| {
            let b = bucket(id);
            let is_before = b == usize::from(page.0) && page.1.is_some_and(|after| id <= after);
            let is_behind = last.map(usize::from) == Some(b) && more.is_some_and(|last| id > last);
            is_listed[b] && !is_before && !is_behind
        };
        let theirs = Listed::of(stamps.iter().map(|stamp| (stamp.id, stamp.hash)));
        let on_page = self.hashes(cx.me).filter(|(id, _)| is_on_page(*id));
        let mine = Listed::of(on_page.map(|(id, hash)| (id, (hash >> 32) as u32)));
        let wants: Vec<NodeId> =
            theirs.which_differ_from(&mine).filter(|id| *id != cx.me && !self.banned.contains(id)).collect();
        // They lack what I hold alive and they do not list, and they have not heard that whom they list has departed.
        let gives = mine
            .which_differ_from(&theirs)
            .chain(wants.iter().copied().filter(|id| !mine.has(*id)))
            .filter_map(|id| self.what_counts(cx.me, id))
            .collect();
        self.give(cx, from, gives, false);
        let open = self.anti_entropy.open.as_mut().expect("it was open above");
        open.wants.extend(wants);
        self.go_on(cx);
    }

    /// Asks for the next page, of cards or of stamps, or ends the exchange.
    fn go_on(&mut self, cx: Ctx<K>) {
        let Some(open) = &mut self.anti_entropy.open else { return };
        let peer = open.peer;
        if !open.wants.is_empty() {
            let page = open.wants.len().min(WANT_IDS_MAX);
            let ids = open.wants.drain(..page).map(Id).collect();
            cx.stream(peer, Message::Want(ids));
        } else if let Some(next) = open.next.take() {
            open.page = next;
            self.ask_for_stamps(cx, peer, next);
        } else {
            let has_joined = open.learned >= open.live_at_open;
            self.close_exchange(cx);
            if has_joined {
                self.look_again_at_contact(cx, peer);
            }
        }
    }

    /// Others may have joined by `peer` while I did, and nobody who told the news of them knew me.
    fn look_again_at_contact(&mut self, cx: Ctx<K>, peer: NodeId) {
        let roots = (self.sums.root, 0);
        self.anti_entropy.doubt = Some(Doubt { peer, since: cx.now, roots, asked: false, is_contact: true });
        self.look_again_later(cx, self.config.push_delay * CONTACT_PUSHES);
    }

    fn close_exchange(&mut self, cx: Ctx<K>) {
        self.anti_entropy.open = None;
        if let Some(peer) = self.anti_entropy.waiting.pop_front() {
            self.open_exchange(cx, peer);
        }
    }

    /// A peer wants what I hold about these.
    pub(super) fn on_want(&mut self, cx: Ctx<K>, from: NodeId, ids: Vec<Id>) {
        let news =
            ids.into_iter().take(WANT_IDS_MAX).filter_map(|Id(id)| self.what_counts(cx.me, id)).collect();
        self.give(cx, from, news, true);
    }

    /// Gives in messages of at most a page each; the last one says so, if it is an answer.
    fn give(&mut self, cx: Ctx<K>, to: NodeId, news: Vec<News>, answer: bool) {
        self.counters.exchange_records_sent += news.len() as u64;
        let (mut page, mut bytes) = (Vec::new(), 0);
        for item in news {
            if !self.is_intact(&item) {
                continue;
            }
            let len = wire::len(&item);
            if bytes + len > PAGE_BYTES_MAX && !page.is_empty() {
                let news = Batch::shared(core::mem::take(&mut page));
                cx.stream(to, Message::Give { news, done: false });
                bytes = 0;
            }
            bytes += len;
            page.push(item);
        }
        if answer || !page.is_empty() {
            cx.stream(to, Message::Give { news: Batch::shared(page), done: answer });
        }
    }

    /// What a peer holds.
    pub(super) fn on_give(&mut self, cx: Ctx<K>, from: NodeId, news: Batch, done: bool) {
        let take = |item: &News| self.take(cx, from, item.clone(), Path::Exchange);
        let answers = news.iter().filter_map(take).collect();
        self.give(cx, from, answers, false);
        if let Some(open) = self.anti_entropy.open.as_mut().filter(|open| open.peer == from) {
            open.active = cx.now;
            if done {
                self.go_on(cx);
            }
        }
    }

    /// Gives up an exchange that has fallen silent.
    pub(super) fn tend_exchange(&mut self, cx: Ctx<K>) {
        if self.anti_entropy.open.as_ref().is_some_and(|open| cx.now.since(open.active) > SILENCE_MAX) {
            self.close_exchange(cx);
        }
    }

    /// A peer cannot be reached: an exchange with it need not wait for its time-out.
    pub(super) fn abandon_exchange(&mut self, cx: Ctx<K>, peer: NodeId) {
        if self.anti_entropy.open.as_ref().is_some_and(|open| open.peer == peer) {
            self.close_exchange(cx);
        }
    }
}
