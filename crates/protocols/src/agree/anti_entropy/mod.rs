//! Anti-entropy: nodes compare their stores in pairs, again and again, until all of them are equal.
//!
//! **Problem.** A store is kept at many nodes, and written at any of them. Whatever else passes updates on loses some: messages are lost,
//! machines are away for weeks, lists of members are incomplete. All stores are to become equal nevertheless.
//!
//! **Idea.** In each period a node contacts a random peer, and the two *resolve their differences*: of two versions of a key the newer
//! one wins at both (push-pull), or only what is newer at the one who calls (push) or is called (pull) travels. This is the simple
//! epidemic: an update reaches everybody with certainty. Much of the art is to find the differences without sending everything
//! ([`Compare`]): checksums, lists of recent updates, peeling back from the newest, a tree of checksums. What is deleted leaves a *death
//! certificate*, or it would come back from whoever has not heard of it.
//!
//! **Paper.** Demers et al. 1987, section 1.3 (anti-entropy), section 1.4 (connection limit, hunting), section 2 (death certificates: dormant
//! ones at retention sites, activation stamps), section 3 (whom to contact). The tree is Merkle's (1987), as in Dynamo (DeCandia 2007).
//!
//! **Cost.** log2 n + ln n periods until an update is at all n nodes by push, about log3 n + log2 ln n by push-pull. Each period one contact per
//! node: the whole store ([`Compare::Full`]), or one checksum where the stores are equal, and else the store (`Checksum`), the recent
//! updates (`Recent`), the newest ones (`PeelBack`), or some hundred bytes per level of the tree and difference (`Merkle`). A node that
//! pushes and has nothing is silent.
//!
//! **In this cycle.** The paper's figures come from a world of cycles in which all contacts see the stores as they were when the cycle
//! began. Here a cycle is one instant, so what came at this very `now` was news at its beginning and is not passed on at this `now`
//! (a rule of every page, in all comparisons alike). On a real clock hardly anything falls on one instant, and what does
//! is passed on in the next period.
//!
//! **Timestamps** are hybrid ([`crate::kit::hybrid_clock`]): a write that has seen another is newer than it whatever the clocks say. A stamp that is
//! ahead of this node's clock by more than [`Config::skew_max`] is refused and counted, not cut: a cut one would differ from node to node,
//! and one that is believed would win until its time has come. So a node whose clock is far ahead writes for itself alone until the
//! others' clocks are near, and harms nobody.
//!
//! **Ours.** Push-pull sends the store of the one who calls, and of the other only what is newer there. No conversation has a state: each
//! message says all that its answer needs, so that a lost one ends it, and the next period begins anew; one that came to no end because
//! of [`Config::answers_max`] is gone on with where it stopped. Retention sites keep dormant certificates by themselves, without a timer:
//! they look at their age whenever they are awake.

mod catalogued;
mod compare_full;
mod compare_merkle;
mod compare_peel;
mod compare_sum;
mod config;
mod death;
mod entry;
mod message;
mod store;
#[cfg(test)]
mod tests;

use crate::kit::hybrid_clock::{self, HybridClock, Timestamp};
use crate::kit::peer_selection::PeerSelection;
use crate::kit::rate_limit::RateLimit;
use alloc::sync::Arc;
pub use config::{Certificates, Compare, Config, Direction, KEY_BYTES_MAX, PAGE_BYTES_MAX, VALUE_BYTES_MAX};
use core::cmp::Ordering;
use death::{DormantCertificates, Fate};
pub use entry::{Entries, Entry, SITES_MAX};
pub use message::{Message, Peel, Peeled, Span, Then, Turn, Way};
use rumormill_core::counters;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{Cx, Input, Protocol};
use store::Store;

/// What is asked of it.
#[derive(Clone, Debug)]
pub enum Call {
    /// This key has this value from now on. Keys have 1 to [`KEY_BYTES_MAX`] bytes; what does not fit is ignored and counted.
    Put {
        /// The key.
        key: Payload,
        /// The value.
        value: Payload,
    },
    /// This key has no value any more.
    Delete {
        /// The key.
        key: Payload,
    },
}

/// What it asks to be reminded of. At most one is in flight.
#[derive(Clone, Debug)]
pub enum Timer {
    /// A period begins.
    Round,
}

/// What it tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// There is a newer version of a key.
    Changed {
        /// The key.
        key: Payload,
        /// Its value; `None` if it was deleted.
        value: Option<Payload>,
        /// When that was written.
        stamp: Timestamp,
        /// Who told it; this node itself if it was written here.
        from: NodeId,
    },
}

counters! {
    /// What is counted; all only go up.
    pub struct Counters {
        /// Contacts begun, refused ones included.
        contacts,
        /// Contacts of this node that were refused for the connection limit.
        refused,
        /// Comparisons that found equal checksums here.
        agreed,
        /// Entries sent, whatever became of them.
        entries_sent,
        /// Entries that came and were newer.
        entries_new,
        /// Entries that came and were not.
        entries_useless,
        /// Messages not answered, because there were too many in a period.
        unanswered,
        /// Keys, values and messages that are against the rules.
        rejected,
        /// Entries not stored, and dormant certificates dropped, because there were too many.
        overflowed,
        /// Entries with a stamp from too far in the future.
        ahead,
        /// Certificates that came after their time.
        expired,
        /// Dormant certificates awakened.
        awakened,
        /// Messages that the budget did not let out.
        shed,
        /// Hints that something did not arrive.
        lost,
    }
}

/// The state machine.
pub struct AntiEntropy {
    config: Arc<Config>,
    store: Store,
    dormant: DormantCertificates,
    clock: HybridClock,
    /// Whom this node contacted last, and after which key that conversation had to go on.
    contact: NodeId,
    resume: Payload,
    armed: bool,
    /// Contacts that may still be accepted, and tries elsewhere for those that are refused, in this period.
    open: u32,
    hunts_left: u32,
    answers: RateLimit,
    connections: RateLimit,
    counters: Counters,
}

// With one entry of 24 bytes, shared by all, a node of a laboratory takes less than 400 bytes.
const _: () = assert!(size_of::<Message>() <= 64 && size_of::<AntiEntropy>() <= 320);

impl Protocol for AntiEntropy {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        self.counters.overflowed += self.dormant.sweep(&mut self.store, &self.config, cx.wall, cx.me);
        match input {
            Input::Start => self.on_start(cx),
            Input::Call(Call::Put { key, value }) => self.on_put(cx, key, value),
            Input::Call(Call::Delete { key }) => self.on_delete(cx, key),
            Input::Message(from, Message::Page { entries, span, way }) => {
                self.on_page(cx, from, entries, span, way)
            }
            Input::Message(from, Message::Ask { span, way }) => self.on_ask(cx, from, span, way),
            Input::Message(from, Message::Sum { sum, then, way }) => self.on_sum(cx, from, sum, then, way),
            Input::Message(from, Message::Recent { entries, sum, way, after, answers }) => {
                self.on_recent(cx, from, entries, sum, way, after, answers)
            }
            Input::Message(from, Message::Peeled(page)) => self.on_peeled(cx, from, *page),
            Input::Message(from, Message::Peel(question)) => self.on_peel(cx, from, *question),
            Input::Message(from, Message::Tree { depth, prefix, sums, way }) => {
                self.on_tree(cx, from, depth, prefix, &sums, way)
            }
            Input::Message(from, Message::Connect) => self.on_connect(cx, from),
            Input::Message(from, Message::Accept) => self.on_accept(cx, from),
            Input::Message(_, Message::Refuse) => self.on_refuse(cx),
            Input::Timer(Timer::Round) => self.on_round(cx),
            Input::Shed(..) => self.counters.shed += 1,
            Input::Lost(..) => self.counters.lost += 1,
            Input::Spare(..) | Input::Peer(_) => {}
        }
    }
}

impl AntiEntropy {
    /// Knows nobody and nothing yet. Many nodes may share one `config`.
    pub fn new(config: impl Into<Arc<Config>>) -> AntiEntropy {
        let config = config.into();
        AntiEntropy {
            store: Store::new(config.compare),
            config,
            dormant: DormantCertificates::default(),
            clock: HybridClock::default(),
            contact: NodeId::default(),
            resume: Payload::EMPTY,
            armed: false,
            open: 0,
            hunts_left: 0,
            answers: RateLimit::default(),
            connections: RateLimit::default(),
            counters: Counters::default(),
        }
    }

    /// The value of a key, if it has one here.
    pub fn get(&self, key: &[u8]) -> Option<&Payload> {
        self.entry(key).and_then(Entry::value)
    }

    /// What is known of a key: its value or the certificate of its death.
    pub fn entry(&self, key: &[u8]) -> Option<&Entry> {
        self.store.get(key).map(|slot| &slot.entry)
    }

    /// All keys with their values, in an order that is the same everywhere.
    pub fn iter(&self) -> impl Iterator<Item = (&Payload, &Payload)> {
        self.store.slots().iter().filter_map(|slot| Some((slot.entry.key(), slot.entry.value()?)))
    }

    /// How many keys are stored, those that are known to be dead included.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// How many dormant certificates are kept.
    pub fn dormant_len(&self) -> usize {
        self.dormant.len()
    }

    /// The sum over all that is stored, dormant certificates excluded: equal at nodes that have come to agree.
    pub fn checksum(&self) -> u64 {
        self.store.sum()
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        if self.config.pulls() && !self.armed {
            self.arm(cx);
        }
    }

    fn on_put(&mut self, cx: &mut Cx<'_, Self>, key: Payload, value: Payload) {
        let stamp = self.clock.next(cx.wall, cx.me);
        self.write(cx, Entry::value_of(key, stamp, value));
    }

    fn on_delete(&mut self, cx: &mut Cx<'_, Self>, key: Payload) {
        let stamp = self.clock.next(cx.wall, cx.me);
        let Some(certificates) = &self.config.certificates else {
            if self.store.remove(&key).is_some() {
                cx.emit(Event::Changed { key, value: None, stamp, from: cx.me });
            }
            return;
        };
        let peers = cx.peers;
        let sites =
            death::draw_sites(certificates, cx.me, || PeerSelection::Uniform.pick(peers, cx.me, cx.rng));
        self.write(cx, Entry::death_of(key, stamp, sites));
    }

    fn on_connect(&mut self, cx: &mut Cx<'_, Self>, from: NodeId) {
        let limit = self.config.connection_limit.unwrap_or(u32::MAX);
        let free = self.connections.take(cx.now, self.config.period, limit);
        cx.send(from, if free { Message::Accept } else { Message::Refuse });
    }

    fn on_accept(&mut self, cx: &mut Cx<'_, Self>, from: NodeId) {
        if self.open > 0 {
            self.open -= 1;
            self.converse(cx, from);
        }
    }

    fn on_refuse(&mut self, cx: &mut Cx<'_, Self>) {
        if self.open == 0 {
            return;
        }
        self.open -= 1;
        self.counters.refused += 1;
        if self.hunts_left > 0 {
            self.hunts_left -= 1;
            self.begin(cx);
        }
    }

    fn on_round(&mut self, cx: &mut Cx<'_, Self>) {
        if !self.config.pulls() && self.store.is_empty() {
            self.armed = false;
            return;
        }
        (self.open, self.hunts_left) = (0, self.config.hunt);
        self.begin(cx);
        let early = cx.rng.within(self.config.jitter.min(self.config.period));
        cx.after(self.config.period - early, Timer::Round);
    }

    /// The first period of a node is shorter by a random part: the phase of its clock.
    fn arm(&mut self, cx: &mut Cx<'_, Self>) {
        self.armed = true;
        let phase = cx.rng.within(self.config.period);
        cx.after(self.config.period - phase, Timer::Round);
    }

    /// One contact with somebody: at once, or first asking whether it may be.
    fn begin(&mut self, cx: &mut Cx<'_, Self>) {
        let Some(peer) = self.config.choice.pick(cx.peers, cx.me, cx.rng) else { return };
        self.counters.contacts += 1;
        if self.config.connection_limit.is_some() {
            self.open += 1;
            cx.send(peer, Message::Connect);
        } else {
            self.converse(cx, peer);
        }
    }

    fn converse(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId) {
        self.contact = peer;
        let way = match self.config.direction {
            Direction::Push if self.store.is_empty() => return,
            Direction::Push => Way::Give,
            Direction::Pull => Way::Take,
            Direction::PushPull => Way::Both,
        };
        match self.config.compare {
            Compare::Full => self.open_pages(cx, peer, way),
            Compare::Checksum => self.send_sum(cx, peer, Then::Pages(self.resume.clone()), way),
            Compare::Recent(_) => self.open_recent(cx, peer, way),
            Compare::PeelBack => self.send_sum(cx, peer, Then::Peel, way),
            Compare::Merkle => self.send_sum(cx, peer, Then::Merkle, way),
        }
    }

    /// Sends an answer, as far as there may be more of them in this period.
    fn answer(&mut self, cx: &mut Cx<'_, Self>, to: NodeId, message: Message) {
        if self.answers.take(cx.now, self.config.period, self.config.answers_max) {
            self.say(cx, to, message);
        } else {
            self.counters.unanswered += 1;
        }
    }

    fn say(&mut self, cx: &mut Cx<'_, Self>, to: NodeId, message: Message) {
        self.counters.entries_sent += message.entries_len() as u64;
        cx.send(to, message);
    }

    /// What was written here.
    fn write(&mut self, cx: &mut Cx<'_, Self>, entry: Entry) {
        if !self.is_allowed(&entry) {
            self.counters.rejected += 1;
            return;
        }
        self.dormant.remove(entry.key());
        self.keep(cx, cx.me, entry);
    }

    fn is_allowed(&self, entry: &Entry) -> bool {
        let value_bytes_max = self.config.value_bytes_max.min(VALUE_BYTES_MAX);
        (1..=KEY_BYTES_MAX).contains(&entry.key().len())
            && entry.value().is_none_or(|value| value.len() <= value_bytes_max)
            && entry.sites().len() <= SITES_MAX
    }

    /// What somebody has told: takes each entry that is newer than what is here.
    fn take_all(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, entries: &Entries) {
        for entry in entries.as_slice() {
            self.take(cx, from, entry);
        }
    }

    fn take(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, entry: &Entry) {
        if !self.is_allowed(entry) {
            self.counters.rejected += 1;
            return;
        }
        if hybrid_clock::is_ahead(entry.activated(), cx.wall, self.config.skew_max) {
            self.counters.ahead += 1;
            return;
        }
        self.clock.heard(entry.activated());
        let known = self.store.get(entry.key()).map(|slot| &slot.entry);
        if known.is_some_and(|known| known.age_order(entry) != Ordering::Less) {
            self.counters.entries_useless += 1;
            return;
        }
        if let Some(certificate) = self.dormant.get(entry.key()) {
            let outlives = entry.stamp() > certificate.stamp();
            if entry.value().is_some() && !outlives {
                return self.awaken(cx, entry.key());
            }
            if outlives || entry.age_order(certificate) == Ordering::Greater {
                self.dormant.remove(entry.key());
            }
        }
        if entry.value().is_none() && death::fate(entry, &self.config, cx.wall, cx.me) != Fate::Active {
            return self.take_late(cx, from, entry);
        }
        self.keep(cx, from, entry.clone());
    }

    /// A certificate that has had its time: it still kills what is older, and lies down at its retention sites.
    fn take_late(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, entry: &Entry) {
        self.counters.expired += 1;
        if self.store.remove(entry.key()).is_some_and(|killed| killed.value().is_some()) {
            self.counters.entries_new += 1;
            cx.emit(changed(entry, from));
        }
        if death::fate(entry, &self.config, cx.wall, cx.me) == Fate::Dormant {
            self.counters.overflowed += u64::from(self.dormant.lay(entry.clone(), &self.config));
        }
    }

    /// A value came that is dead and forgotten, but not here: all are to be told once more.
    fn awaken(&mut self, cx: &mut Cx<'_, Self>, key: &Payload) {
        if self.store.len() >= self.config.entries_max {
            self.counters.overflowed += 1; // the value is not taken either, and the certificate sleeps on
            return;
        }
        let Some(certificate) = self.dormant.remove(key) else { return };
        self.counters.awakened += 1;
        let awake = certificate.awakened(self.clock.next(cx.wall, cx.me));
        self.place(cx, awake);
    }

    /// Stores an entry that is newer than what is here.
    fn keep(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, entry: Entry) {
        let known = self.store.get(entry.key()).map(|slot| slot.entry.stamp());
        if known.is_none() && self.store.len() >= self.config.entries_max {
            self.counters.overflowed += 1;
            return;
        }
        self.counters.entries_new += u64::from(from != cx.me);
        if known != Some(entry.stamp()) {
            cx.emit(changed(&entry, from));
        }
        self.place(cx, entry);
    }

    fn place(&mut self, cx: &mut Cx<'_, Self>, entry: Entry) {
        self.dormant.note(&entry, &self.config);
        self.store.put(entry, cx.now);
        if !self.armed {
            self.arm(cx);
        }
    }
}

fn changed(entry: &Entry, from: NodeId) -> Event {
    Event::Changed { key: entry.key().clone(), value: entry.value().cloned(), stamp: entry.stamp(), from }
}
