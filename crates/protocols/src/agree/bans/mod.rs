//! Who is kept out of the cluster, known to all of it.
//!
//! **Problem.** Whoever holds the cluster's key is a member. One that misbehaves, or was broken into, is to be kept out at once and by
//! everybody, also by who is away now and by who joins later; and let in again when that is over.
//!
//! **Idea.** A [`Ban`] is one member's signed word about an id; of two the greater (version, ban before lift, giver) counts, so all come to the same
//! whatever the order. A new one is pushed on at first receipt to ln(n) + 2 peers (infect and die: Kermarrec, Massoulié, Ganesh 2003) and to the
//! one that it is about; behind that, members that have any compare sums with a random peer once a period (anti-entropy: Demers 1987, section 1.3).
//! What a ban does is not this protocol's business: it tells the application and whoever is composed with it.
//!
//! **Cost.** While there is no ban, three sums after a start, so that a newcomer does not wait until another member picks it. With b bans one sum of twelve
//! bytes a period per member, in a datagram of its own; where sums differ 30·b bytes each way, and what is missing. State: [`Config::bans_max`] records of at most 700 bytes.
//!
//! A ban acts on an identity. Whoever has the key can make another one: to keep a *machine* out, the key must change as well.

mod catalogued;
mod message;
mod observe;

pub use message::{Ban, BanVersion, Kept, Message, NAME_BYTES_MAX, REASON_BYTES_MAX, Signed};
pub use observe::BANS;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use rumormill_core::identity::{Keys, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{Cx, Input, Protocol};
use rumormill_core::record::{Record, checksum};
use rumormill_core::time::Duration;
use rumormill_core::wire;

/// How much, and how often.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Words kept, bans and lifted ones; beyond it the oldest lifted one makes room, and without one more are refused (our guess: a list that
    /// a person still reads).
    pub bans_max: usize,
    /// Time between two comparisons (corrosion and gossipsub compare each second; this is rarer, for bans are rare: our guess).
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Each is shorter by a random part below one in so many (our guess).
    pub jitter_part: u32,
    /// Comparisons after a start, also of a member that knows no ban (our guess: so many are hardly all lost).
    pub first_comparisons: u32,
    /// Bytes of one message of records (our guess: a quarter of the largest).
    pub give_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            bans_max: 256,
            period: Duration::from_secs(5),
            jitter_part: 4,
            first_comparisons: 3,
            give_bytes_max: 16 * 1024,
        }
    }
}

/// What is asked of it.
#[derive(Clone, Debug)]
pub enum Call {
    /// Keep this id out, or let it in again; [`Event::Refused`] follows if that cannot be, else [`Event::Changed`].
    Say {
        /// Whom.
        id: NodeId,
        /// Let it in again.
        lifted: bool,
        /// Why: at most [`REASON_BYTES_MAX`] bytes.
        reason: Payload,
        /// The name it has, if it is known: at most [`NAME_BYTES_MAX`] bytes. Without one, that of the word before holds.
        name: Option<Payload>,
    },
}

/// What it wants to be reminded of: to compare.
#[derive(Clone, Debug)]
pub struct Timer;

/// What it tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// From now on this counts for its id.
    Changed(Ban),
    /// It is not said: about myself, too long a reason, or too many bans.
    Refused(NodeId, Refusal),
}

/// Why a ban is not said.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A node does not keep itself out.
    Myself,
    /// The reason is too long.
    TooLong,
    /// [`Config::bans_max`] ids are kept out already.
    TooMany,
    /// There is nothing to lift.
    Unknown,
}

/// What it counts.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each name is its own sentence
pub struct Counters {
    pub heard: u64,
    pub stale: u64,
    pub forged: u64,
    pub shed: u64,
}

/// Who is kept out.
pub struct Bans<K> {
    config: Config,
    keys: K,
    known: BTreeMap<NodeId, Record<Ban>>,
    sum: u64,
    armed: bool,
    /// Comparisons since the start.
    compared: u32,
    /// What is counted.
    pub counters: Counters,
}

impl<K: Keys> Bans<K> {
    /// Nobody is kept out. `keys` sign what this node says.
    pub fn new(config: Config, keys: K) -> Bans<K> {
        Bans {
            config,
            keys,
            known: BTreeMap::new(),
            sum: 0,
            armed: false,
            compared: 0,
            counters: Counters::default(),
        }
    }

    /// Takes in what was kept at an earlier start: what is not signed by its giver counts for nothing.
    pub fn recall(&mut self, kept: Kept) {
        for Signed(record) in kept.bans {
            if self.known.len() < self.config.bans_max && self.is_news(&record) && self.trusts(&record) {
                self.put(record);
            }
        }
    }

    /// What is to be kept for the next start.
    pub fn kept(&self) -> Kept {
        Kept { bans: self.known.values().cloned().map(Signed).collect() }
    }

    /// Every word that counts, by id; the lifted ones too.
    pub fn iter(&self) -> impl Iterator<Item = &Ban> {
        self.known.values().map(Record::value)
    }

    /// The ban of this id, if it is kept out.
    pub fn of(&self, id: NodeId) -> Option<&Ban> {
        self.known.get(&id).map(Record::value).filter(|ban| !ban.lifted)
    }

    fn is_news(&self, record: &Record<Ban>) -> bool {
        let held = self.known.get(&record.value().id);
        held.is_none_or(|held| held.value().rank() < record.value().rank())
    }

    fn trusts(&mut self, record: &Record<Ban>) -> bool {
        let trusts = record.value().is_sound() && record.is_by(record.value().by, &self.keys);
        self.counters.forged += u64::from(!trusts);
        trusts
    }

    fn put(&mut self, record: Record<Ban>) {
        let hash = |record: &Record<Ban>| {
            let ban = record.value();
            let words = [ban.id.0, ban.version, ban.by.0, u64::from(ban.lifted)];
            checksum(words.map(u64::to_be_bytes).as_flattened())
        };
        self.sum ^= hash(&record);
        if let Some(before) = self.known.insert(record.value().id, record) {
            self.sum ^= hash(&before);
        }
    }

    /// Whether there is room for a word about `id`; makes some if that can be.
    fn has_room(&mut self, id: NodeId) -> bool {
        if self.known.contains_key(&id) || self.known.len() < self.config.bans_max {
            return true;
        }
        let lifted = self.known.values().map(Record::value).filter(|ban| ban.lifted);
        let Some(oldest) = lifted.min_by_key(|ban| ban.version).map(|ban| ban.id) else { return false };
        self.known.remove(&oldest);
        let kept = core::mem::take(&mut self.known);
        self.sum = 0;
        kept.into_values().for_each(|record| self.put(record));
        true
    }

    fn on_say(&mut self, cx: &mut Cx<'_, Self>, said: Ban) {
        let Ban { id, lifted, .. } = said;
        let held = self.known.get(&id).map(Record::value);
        let version = held.map_or(0, |held| held.version.saturating_add(1)).max(cx.wall.0);
        let name = said.name.clone().or_else(|| held.and_then(|held| held.name.clone()));
        let ban = Ban { version, name, ..said };
        let refusal = if id == cx.me {
            Some(Refusal::Myself)
        } else if !ban.is_sound() {
            Some(Refusal::TooLong)
        } else if lifted && held.is_none_or(|held| held.lifted) {
            Some(Refusal::Unknown)
        } else if !self.has_room(id) {
            Some(Refusal::TooMany)
        } else {
            None
        };
        match refusal {
            Some(why) => cx.emit(Event::Refused(id, why)),
            None => self.take(cx, cx.me, Record::signed(ban, &self.keys)),
        }
    }

    /// From now on this counts, and is passed on.
    fn take(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, record: Record<Ban>) {
        let ban = record.value().clone();
        self.put(record.clone());
        let give = |record: &Record<Ban>| Message::Give(alloc::vec![Signed(record.clone())]);
        if ban.id != cx.me {
            cx.send(ban.id, give(&record)); // it should know why nobody answers
        }
        let fanout = libm::ceil(libm::log(cx.peers.nodes() as f64)) as usize + 2;
        for _ in 0..fanout {
            match cx.peers.pick(cx.me, cx.rng) {
                Some(peer) if peer != from && peer != cx.me => cx.send(peer, give(&record)),
                _ => {}
            }
        }
        cx.emit(Event::Changed(ban));
        self.arm(cx);
    }

    fn arm(&mut self, cx: &mut Cx<'_, Self>) {
        if !self.armed && (!self.known.is_empty() || self.compared < self.config.first_comparisons) {
            self.armed = true;
            let spread = self.config.period / self.config.jitter_part.max(1);
            let sooner = cx.rng.within(spread);
            cx.after(self.config.period - sooner, Timer);
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Self>) {
        self.armed = false;
        if let Some(peer) = cx.peers.pick(cx.me, cx.rng).filter(|peer| *peer != cx.me) {
            cx.send(peer, Message::Sum(self.sum));
            self.compared = self.compared.saturating_add(1);
        }
        self.arm(cx);
    }

    fn say_what_i_have(&self, cx: &mut Cx<'_, Self>, to: NodeId, answers: bool) {
        let known = self.iter().map(BanVersion::of).collect();
        cx.send(to, Message::Have { known, answers });
    }

    /// A peer tells what it has: it is given what it lacks, and told what is here if it has more.
    fn on_have(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, known: Vec<BanVersion>, answers: bool) {
        let theirs: BTreeMap<NodeId, _> = known.iter().map(|known| (known.id, known.rank())).collect();
        let (mut page, mut bytes) = (Vec::new(), 0);
        let lacking = |record: &&Record<Ban>| theirs.get(&record.value().id) < Some(&record.value().rank());
        for record in self.known.values().filter(lacking).filter(|record| record.is_intact()) {
            let signed = Signed(record.clone());
            let size = wire::len(&signed);
            if bytes + size > self.config.give_bytes_max && !page.is_empty() {
                cx.send(from, Message::Give(core::mem::take(&mut page)));
                bytes = 0;
            }
            bytes += size;
            page.push(signed);
        }
        if !page.is_empty() {
            cx.send(from, Message::Give(page));
        }
        let is_more = |known: &BanVersion| {
            self.known.get(&known.id).is_none_or(|record| record.value().rank() < known.rank())
        };
        if !answers && known.iter().any(is_more) {
            self.say_what_i_have(cx, from, true);
        }
    }

    fn on_give(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, given: Vec<Signed>) {
        for Signed(record) in given {
            if !self.is_news(&record) {
                self.counters.stale += 1;
            } else if !self.trusts(&record) {
                // counted there
            } else if !self.has_room(record.value().id) {
                self.counters.shed += 1;
            } else {
                self.counters.heard += 1;
                self.take(cx, from, record);
            }
        }
    }
}

impl<K: Keys> Protocol for Bans<K> {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => {
                self.iter()
                    .cloned()
                    .collect::<Vec<_>>()
                    .into_iter()
                    .for_each(|ban| cx.emit(Event::Changed(ban)));
                self.arm(cx);
            }
            Input::Call(Call::Say { id, lifted, reason, name }) => {
                let by = cx.me;
                self.on_say(cx, Ban { id, version: 0, lifted, by, reason, name });
            }
            Input::Message(from, Message::Sum(sum)) if sum != self.sum => {
                self.say_what_i_have(cx, from, false)
            }
            Input::Message(_, Message::Sum(_)) => {}
            Input::Message(from, Message::Have { known, answers }) => self.on_have(cx, from, known, answers),
            Input::Message(from, Message::Give(given)) => self.on_give(cx, from, given),
            Input::Timer(Timer) => self.on_timer(cx),
            // What was shed or lost is found by the next comparison.
            Input::Spare(..) | Input::Shed(..) | Input::Lost(..) | Input::Peer(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
