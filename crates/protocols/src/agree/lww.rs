//! Last-writer-wins records: each member's newest value, at every member, as old as the budget makes it.
//!
//! **Problem.** Every member wants to know a little about every other (its load, its memory), nobody wants to pay for it.
//!
//! **Idea.** A record has one owner, who alone writes it; of two, the newer wins, so a merge needs no history. Records
//! travel only in what datagrams of other protocols have to spare: half of the ration is fresh news, which spreads like a
//! rumor, half is drawn at random, which repairs what the rumor missed.
//!
//! **Papers.** Demers et al. 1987 (section 1.5, recent updates before full comparison); van Renesse et al. 2003 (Astrolabe's rows).
//!
//! **Cost.** At most `budget_bytes_per_s`, whatever n: so the larger the cluster, the less often a new value is worth putting
//! ([`Lww::put_interval`]). State: the latest record of each live member.

use crate::catalog::Catalogued;
use crate::kit::id_hash::IdHash;
use crate::kit::retransmit_queue::{Keyed, RetransmitQueue};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::observe::{Figure, Moment, Observe};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{self, Change, Cx, Input, Lane, Protocol};
use rumormill_core::record::checksum;
use rumormill_core::rng::mix;
use rumormill_core::time::{Duration, Time, Wall};
use rumormill_core::wire::{self, Item};

/// Longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 512;
/// How often a fresh record is passed on by each who hears it (our guess: two would reach most, the random half the rest).
const FRESH_SENDS: u32 = 3;
/// What a frame takes besides its records.
const FRAME_OVERHEAD_BYTES: usize = 6;
/// Records drawn for the random half of one frame, at most.
const DRAWS_MAX: usize = 16;

/// Settings.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// What this protocol adds to what the node sends, in bytes per second (our guess: a hundredth of a slow uplink).
    pub budget_bytes_per_s: u32,
    /// A new value is not worth putting more often than this (our guess: as often as a person looks).
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Owners that are remembered at most.
    pub owners_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config { budget_bytes_per_s: 2048, period: Duration::from_secs(5), owners_max: 100_000 }
    }
}

/// What is asked of it.
#[derive(Clone, Debug)]
pub enum Call {
    /// This is my newest value (at most [`VALUE_BYTES_MAX`] bytes; a longer one is ignored and counted).
    Put(Payload),
    /// This is my newest value, for whoever asks this node: it does not travel.
    Keep(Payload),
    /// From now on `budget_bytes_per_s` is this.
    Ration(u32),
}

/// What travels.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub struct Message(#[cbor(n(0), with = "rumormill_core::wire::list")] pub Vec<Record>);

/// It asks for no reminders.
#[derive(Clone, Debug)]
pub enum Timer {}

/// What it tells.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Event {
    /// There is a newer value of this member.
    Heard(NodeId),
}

/// One member's latest word.
#[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
pub struct Record {
    /// Whose.
    #[n(0)]
    pub owner: NodeId,
    /// The owner's epoch and counter: the greater is the newer.
    #[n(1)]
    pub version: Version,
    /// When it was written, by the owner's clock.
    #[n(2)]
    pub written: Wall,
    /// Guards the value in every memory that it passes through.
    #[n(3)]
    pub sum: u64,
    /// The value.
    #[n(4)]
    pub value: Payload,
}

/// What orders the records of one owner.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, CborLen)]
pub struct Version {
    /// Starts of the owner.
    #[n(0)]
    pub epoch: u64,
    /// Values since its start.
    #[n(1)]
    pub counter: u64,
}

impl Item for Record {
    // Of an honest record the time of writing and the checksum alone take that much.
    const BYTES_MIN: usize = 16;
}

impl Keyed for Record {
    type Key = NodeId;
    fn key(&self) -> NodeId {
        self.owner
    }
    fn about(owner: NodeId) -> NodeId {
        owner
    }
}

impl Record {
    /// A record with its checksum.
    pub fn new(owner: NodeId, version: Version, written: Wall, value: Payload) -> Record {
        let mut record = Record { owner, version, written, sum: 0, value };
        record.sum = record.sum_of();
        record
    }

    fn sum_of(&self) -> u64 {
        let tag = checksum(&self.value) ^ self.owner.0.rotate_left(17) ^ self.version.epoch.rotate_left(31);
        tag ^ self.version.counter.rotate_left(47) ^ self.written.0
    }

    fn is_intact(&self) -> bool {
        self.sum == self.sum_of()
    }
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("vitals")];
    /// The newer wins, whatever the order.
    fn replayable(&self) -> bool {
        true
    }
}

/// The record of a member, and when it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its record.
    pub record: Record,
    /// When it came, by this node's clock.
    pub heard: Time,
}

/// What is counted; all only go up.
#[derive(Copy, Clone, Debug, Default)]
#[allow(missing_docs)] // each name is its own sentence
pub struct Counters {
    pub records_sent: u64,
    pub records_heard: u64,
    pub records_stale: u64,
    pub records_corrupt: u64,
    pub values_refused: u64,
}

/// The state machine.
pub struct Lww {
    config: Config,
    life: Life,
    counter: u64,
    mine: Option<Record>,
    /// My newest value, with when it was written and put, whether or not it travels.
    kept: Option<(Payload, Wall, Time)>,
    /// How many peers there were when they last changed.
    peers: usize,
    /// The newest record of each peer.
    known: BTreeMap<NodeId, Received>,
    fresh: RetransmitQueue<Record>,
    tokens: f64,
    filled: Time,
    counters: Counters,
}

impl Protocol for Lww {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = true;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Call(Call::Put(value)) => self.on_put(cx, value),
            Input::Call(Call::Keep(value)) => self.on_keep(cx, value),
            Input::Call(Call::Ration(bytes_per_s)) => self.config.budget_bytes_per_s = bytes_per_s,
            Input::Message(_, Message(records)) => self.on_records(cx, records),
            Input::Spare(peer, bytes) => self.on_spare(cx, peer, bytes),
            Input::Peer(change) => self.on_peer(cx, change),
            Input::Timer(timer) => match timer {},
            Input::Start | Input::Shed(..) | Input::Lost(..) => {}
        }
    }
}

impl Observe for Lww {
    fn figures(&self, _: &Moment, each: &mut dyn FnMut(Figure<'_>)) {
        let help = "How often new vitals are written at this cluster size";
        each(Figure::gauge("vitals_interval_seconds", help, self.put_interval().as_secs_f64()));
    }
}

impl Lww {
    /// Knows nobody yet. `life` is the owner's, so that a restart is newer than all it said before.
    pub fn new(config: Config, life: Life) -> Lww {
        Lww {
            fresh: RetransmitQueue::new(config.owners_max, IdHash::default()),
            config,
            life,
            counter: 0,
            mine: None,
            kept: None,
            peers: 0,
            known: BTreeMap::new(),
            tokens: 0.0,
            filled: Time::ZERO,
            counters: Counters::default(),
        }
    }

    /// The latest word of a member, if any has come.
    pub fn get(&self, owner: NodeId) -> Option<&Received> {
        self.known.get(&owner)
    }

    /// My newest value, with when it was written, by the wall clock and by the monotonic one.
    pub fn mine(&self) -> Option<(&Payload, Wall, Time)> {
        self.kept.as_ref().map(|(value, written, put)| (value, *written, *put))
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How often a new value is worth putting at this size of cluster: as often as half of the budget passes everybody's
    /// record on `FRESH_SENDS` times.
    pub fn put_interval(&self) -> Duration {
        let record_bytes = self.mine.as_ref().map_or(128, wire::len) as f64;
        let n = self.peers as f64 + 1.0;
        let seconds = n * record_bytes * f64::from(FRESH_SENDS) * 2.0
            / f64::from(self.config.budget_bytes_per_s.max(1));
        self.config.period.max(Duration::from_secs_f64(seconds))
    }

    fn on_put(&mut self, cx: &mut Cx<'_, Self>, value: Payload) {
        if value.len() > VALUE_BYTES_MAX {
            self.counters.values_refused += 1;
            return;
        }
        self.on_keep(cx, value.clone());
        self.counter += 1;
        let version = Version { epoch: self.life.epoch, counter: self.counter };
        let record = Record::new(cx.me, version, cx.wall, value);
        self.mine = Some(record.clone());
        self.pass_on(record);
    }

    fn on_keep(&mut self, cx: &mut Cx<'_, Self>, value: Payload) {
        self.kept = Some((value, cx.wall, cx.now));
    }

    fn pass_on(&mut self, record: Record) {
        let bytes = wire::len(&record);
        self.fresh.put(record, bytes);
    }

    /// Records are kept of peers alone.
    fn on_peer(&mut self, cx: &mut Cx<'_, Self>, change: Change) {
        self.peers = cx.peers.len();
        match change {
            Change::Up(_) => {}
            Change::Down(peer) => self.forget(peer),
            Change::All => {
                let gone: Vec<NodeId> =
                    self.known.keys().copied().filter(|id| !cx.peers.contains(*id)).collect();
                gone.into_iter().for_each(|peer| self.forget(peer));
            }
        }
    }

    fn forget(&mut self, peer: NodeId) {
        if self.known.remove(&peer).is_some() {
            self.fresh.remove(peer);
        }
    }

    fn may_know(&self, cx: &Cx<'_, Self>, owner: NodeId) -> bool {
        owner != cx.me && cx.peers.contains(owner) && self.known.len() < self.config.owners_max
    }

    fn on_records(&mut self, cx: &mut Cx<'_, Self>, records: Vec<Record>) {
        for record in records {
            // One shorter than an honest one can be would be refused by whoever it is passed on to.
            let honest = wire::len(&record) >= Record::BYTES_MIN && record.value.len() <= VALUE_BYTES_MAX;
            if !honest || !record.is_intact() {
                self.counters.records_corrupt += 1;
                continue;
            }
            let is_newer = match self.known.get(&record.owner) {
                Some(known) => record.version > known.record.version,
                None => self.may_know(cx, record.owner),
            };
            if !is_newer {
                self.counters.records_stale += 1;
                continue;
            }
            self.counters.records_heard += 1;
            self.known.insert(record.owner, Received { record: record.clone(), heard: cx.now });
            cx.emit(Event::Heard(record.owner));
            self.pass_on(record);
        }
    }

    /// A datagram leaves: a fixed ration of it, half of that fresh, as far as the budget goes.
    fn on_spare(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, bytes: usize) {
        let rate = f64::from(self.config.budget_bytes_per_s);
        let earned = cx.now.since(self.filled).as_secs_f64() * rate;
        self.tokens = (self.tokens + earned).min(rate);
        self.filled = cx.now;
        let ration = (rate / 2.0).min(self.tokens) as usize;
        let room = ration.min(bytes).saturating_sub(FRAME_OVERHEAD_BYTES);
        let mut records: Vec<Record> = Vec::new();
        let mut used = 0;
        self.fresh.take(room / 2, FRESH_SENDS, DRAWS_MAX, |record| {
            used += wire::len(&record);
            if record.owner != peer {
                records.push(record);
            }
        });
        for _ in 0..DRAWS_MAX.min(cx.peers.len() + 1) {
            let drawn = match cx.rng.below(cx.peers.len() + 1).checked_sub(1) {
                None => self.mine.as_ref(),
                Some(at) => cx.peers.get(at).and_then(|peer| self.get(peer)).map(|known| &known.record),
            };
            let Some(record) = drawn.filter(|drawn| drawn.owner != peer) else { continue };
            let len = wire::len(record);
            if used + len <= room && !records.iter().any(|have| have.owner == record.owner) {
                used += len;
                records.push(record.clone());
            }
        }
        let before = records.len();
        records.retain(Record::is_intact);
        self.counters.records_corrupt += (before - records.len()) as u64;
        if !records.is_empty() {
            self.counters.records_sent += records.len() as u64;
            let message = Message(records);
            self.tokens -= wire::len(&message) as f64;
            cx.send(peer, message);
        }
    }
}
impl Catalogued for Lww {
    type Config = Config;
    const NAME: &'static str = "latest";
    const ABOUT: &'static str = "newest-wins records in the spare room of datagrams";
    const PAPER: &'static str = "Demers 1987, anti-entropy by recent updates; newest-wins registers";
    const COST: &'static str = "a fixed ration of each datagram that leaves anyway";

    fn start(config: &Arc<Config>, _: NodeId, life: Life) -> Lww {
        Lww::new(Config::clone(config), life)
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let record = |owner: u64, value: &[u8]| Record {
            owner: NodeId(owner),
            version: Version { epoch: 3, counter: 17 },
            written: Wall(1_763_800_000_000),
            sum: mix(owner),
            value: Payload::from(value),
        };
        alloc::vec![
            ("one", Message(alloc::vec![record(1, &[0x83, 1, 2, 3])])),
            ("three", Message((1..=3).map(|owner| record(owner, &[owner as u8; 60])).collect())),
            ("empty", Message(Vec::new())),
        ]
    }
}
