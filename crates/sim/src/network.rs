//! What becomes of a datagram, of a stream message, of a broken connection.
//!
//! A partition is looked up when something leaves, a crash when it arrives. All chance is drawn from the sender's own source
//! (the receiver's, for what it sends back), so that one node more does not reshuffle what happens to the others.

use crate::node::{Departure, Entry, Packet, Port, What};
use crate::queue::{Class, Queue};
use crate::world::{LATENCY_MIN, World};
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::{Loss, Protocol};
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Duration, Time};
use rumormill_core::wire;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What the caller starts, and what waited for a node that stood still.
pub(crate) const FIRST: Class = 0;
/// Timers of the synchronous world: all of them before any message.
pub(crate) const TIMER_OF_CYCLE: Class = 1;
/// What arrives.
pub(crate) const ARRIVAL: Class = 2;
/// Timers of the other world.
pub(crate) const TIMER: Class = 3;

/// A lost segment delays its stream by so much (Linux, `TCP_RTO_MIN`; ours: without backing off).
const RETRANSMISSION: Duration = Duration::from_millis(200);
/// After so many retransmissions a stream gives up (Linux, `tcp_retries2`).
const RETRANSMISSIONS_MAX: u32 = 15;
/// What one segment carries: an Ethernet frame less IPv4 and TCP headers with timestamps.
const SEGMENT_BYTES: usize = 1_448;
/// A sender waits so long before it takes a stream for broken when nothing comes back (our guess).
const STREAM_TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3));
/// What a stream message may have on top of [`wire::STREAM_MESSAGE_BYTES_MAX`]: the protocols' own envelopes.
const STREAM_ENVELOPE_BYTES_MAX: usize = 1_024;
/// Connections that one node may ask to be told of.
const WATCHED_MAX: usize = 65_536;
/// Emptied vectors kept for the next datagrams.
const POOL_MAX: usize = 4_096;

/// Whether what the first sends does not reach the second.
pub(crate) type Cut = Box<dyn Fn(NodeId, NodeId) -> bool + Send>;

/// Messages on their way: as they are, or as bytes.
pub(crate) enum Content<M> {
    Typed(Vec<M>),
    Bytes { bytes: Vec<u8>, corrupt: bool },
}

impl<M> Content<M> {
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Content::Bytes { corrupt: true, .. })
    }
}

/// Who sits where. A seat is never given away.
pub(crate) struct Seat {
    pub id: NodeId,
    /// How often it has crashed: what was meant for an earlier life is dropped.
    pub life: u32,
    pub up: bool,
}

pub(crate) struct Network<P: Protocol> {
    pub world: World,
    pub now: Time,
    pub queue: Queue<Entry<P>>,
    pub seats: Vec<Seat>,
    pub index: hashbrown::HashMap<NodeId, u32, foldhash::fast::FixedState>,
    pub cut: Option<Cut>,
    pub cut_datagrams: Option<Cut>,
    pub digest: u64,
    /// Who wants to be told when the connection to this peer breaks.
    pub watchers: BTreeMap<NodeId, BTreeSet<u32>>,
    pool: Vec<Vec<P::Message>>,
    bytes: Vec<u8>,
}

impl<P: Protocol> Network<P> {
    pub fn new(world: World) -> Self {
        Network {
            world,
            now: Time::ZERO,
            queue: Queue::default(),
            seats: Vec::new(),
            index: hashbrown::HashMap::default(),
            cut: None,
            cut_datagrams: None,
            digest: 0,
            watchers: BTreeMap::new(),
            pool: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// The first instant from `at` on at which anything can happen.
    pub fn instant(&self, at: Time) -> Time {
        match self.world.synchronous {
            None => at,
            Some(cycle) => {
                let cycle = u64::try_from(cycle.as_nanos()).unwrap_or(u64::MAX);
                Time(at.0.div_ceil(cycle).saturating_mul(cycle))
            }
        }
    }

    /// Puts an entry into the queue.
    pub fn push(&mut self, at: Time, class: Class, slot: u32, life: u32, what: What<P>) {
        let at = self.instant(at);
        self.queue.push(at, class, Entry { slot, life, what });
    }

    /// Hands a timer back at `at`.
    pub fn timer(&mut self, slot: u32, at: Time, timer: P::Timer) {
        let life = self.seats[slot as usize].life;
        self.push(at, self.timer_class(), slot, life, What::Timer(at, timer));
    }

    pub fn timer_class(&self) -> Class {
        if self.world.synchronous.is_some() { TIMER_OF_CYCLE } else { TIMER }
    }

    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.as_ref().is_some_and(|cut| cut(from, to))
    }

    /// Whether a connection between the two is cut: it needs both directions.
    pub fn is_cut_either_way(&self, a: NodeId, b: NodeId) -> bool {
        self.is_cut(a, b) || self.is_cut(b, a)
    }

    /// Something leaves, and is counted.
    pub fn depart(&mut self, port: &mut Port<P>, departure: Departure<P::Message>) {
        let Departure { to, messages, bytes, stream } = departure;
        let counters = &mut port.counters;
        if stream {
            counters.stream_messages_sent += 1;
            counters.stream_bytes_sent += bytes as u64;
            self.stream(port, to, messages, bytes);
        } else {
            counters.datagrams_sent += 1;
            counters.datagram_bytes_sent += bytes as u64;
            self.datagram(port, to, messages, bytes);
        }
    }

    fn datagram(&mut self, port: &mut Port<P>, to: NodeId, messages: Vec<P::Message>, bytes: usize) {
        let Some(&slot) = self.index.get(&to) else {
            return self.unknown(port, to);
        };
        if self.is_cut(port.id, to) || self.cut_datagrams.as_ref().is_some_and(|cut| cut(port.id, to)) {
            port.counters.dropped.partitioned += 1;
            return self.recycle(messages);
        }
        if happens(&mut port.chance, self.world.loss) {
            port.counters.dropped.lost += 1;
            return self.recycle(messages);
        }
        if happens(&mut port.chance, self.world.duplicate) {
            port.counters.duplicated += 1;
            self.datagram_arrives(port, slot, messages.clone(), bytes);
        }
        self.datagram_arrives(port, slot, messages, bytes);
    }

    fn datagram_arrives(&mut self, port: &mut Port<P>, slot: u32, messages: Vec<P::Message>, bytes: usize) {
        let at = self.now + self.latency(port);
        let mut content = self.pack(messages, bytes - self.world.limits.datagram_overhead_bytes);
        if let Content::Bytes { bytes, corrupt } = &mut content
            && happens(&mut port.chance, self.world.corruption)
        {
            let bit = port.chance.below(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            *corrupt = true;
        }
        let packet = Packet { from: port.slot, from_life: 0, content, bytes };
        self.push(at, ARRIVAL, slot, 0, What::Datagram(packet));
    }

    fn stream(&mut self, port: &mut Port<P>, to: NodeId, messages: Vec<P::Message>, bytes: usize) {
        let content_bytes = bytes - self.world.limits.stream_overhead_bytes;
        assert!(
            content_bytes <= wire::STREAM_MESSAGE_BYTES_MAX + STREAM_ENVELOPE_BYTES_MAX,
            "a stream message of {content_bytes} bytes: its protocol must page it"
        );
        let Some(&slot) = self.index.get(&to) else {
            return self.unknown(port, to);
        };
        if self.is_cut_either_way(port.id, to) {
            port.counters.dropped.partitioned += 1;
            return self.time_out(port, to);
        }
        let Some(delay) = self.stream_delay(port, bytes) else {
            port.counters.dropped.lost += 1;
            return self.time_out(port, to);
        };
        let at = port.tails.after(slot, self.now + delay, self.now);
        let content = self.pack(messages, content_bytes);
        let from_life = self.seats[port.slot as usize].life;
        let life = self.seats[slot as usize].life;
        self.push(
            at,
            ARRIVAL,
            slot,
            life,
            What::Stream(Packet { from: port.slot, from_life, content, bytes }),
        );
    }

    /// How long a message takes over the stream, with the retransmissions of its segments; `None` if it gives up.
    fn stream_delay(&mut self, port: &mut Port<P>, bytes: usize) -> Option<Duration> {
        let loss = self.world.stream_loss();
        if self.world.synchronous.is_some() {
            return Some(Duration::ZERO);
        }
        let mut retransmissions = 0;
        let mut missing = if loss > 0.0 { bytes.div_ceil(SEGMENT_BYTES) } else { 0 };
        loop {
            missing = (0..missing).filter(|_| port.chance.chance(loss)).count();
            if missing == 0 {
                break;
            }
            retransmissions += 1;
            if retransmissions > RETRANSMISSIONS_MAX {
                return None;
            }
        }
        port.counters.retransmissions += u64::from(retransmissions);
        Some(self.latency(port) + RETRANSMISSION * retransmissions)
    }

    /// How long what this node sends takes now.
    pub fn latency(&self, port: &mut Port<P>) -> Duration {
        match self.world.synchronous {
            Some(_) => Duration::ZERO,
            None => self.world.latency.draw(&mut port.chance),
        }
    }

    fn unknown(&mut self, port: &mut Port<P>, to: NodeId) {
        port.counters.dropped.unknown += 1;
        let delay = if self.world.synchronous.is_some() { Duration::ZERO } else { LATENCY_MIN };
        self.tell_lost(port.slot, to, Loss::Unknown, delay);
    }

    pub fn time_out(&mut self, port: &mut Port<P>, peer: NodeId) {
        let delay = timeout(&mut port.chance);
        self.tell_lost(port.slot, peer, Loss::TimedOut, delay);
    }

    fn tell_lost(&mut self, slot: u32, peer: NodeId, loss: Loss, delay: Duration) {
        let life = self.seats[slot as usize].life;
        self.push(self.now + delay, ARRIVAL, slot, life, What::Lost(peer, loss));
    }

    /// The node at `port` tells the sender of a stream message, as far as it can be reached, that it did not take it.
    pub fn bounce(&mut self, port: &mut Port<P>, to: u32, to_life: u32, loss: Loss) {
        let (loss, delay) = if self.is_cut_either_way(port.id, self.seats[to as usize].id) {
            (Loss::TimedOut, timeout(&mut port.chance))
        } else {
            (loss, self.latency(port))
        };
        self.push(self.now + delay, ARRIVAL, to, to_life, What::Lost(port.id, loss));
    }

    /// A node wants to be told, or no longer, when its connection to `peer` breaks.
    pub fn watch(&mut self, port: &mut Port<P>, peer: NodeId, on: bool) {
        if !on {
            if let Some(watchers) = self.watchers.get_mut(&peer)
                && watchers.remove(&port.slot)
            {
                port.watched -= 1;
            }
            return;
        }
        if self.watchers.entry(peer).or_default().insert(port.slot) {
            port.watched += 1;
            assert!(port.watched <= WATCHED_MAX, "{} watches more than {WATCHED_MAX} connections", port.id);
        }
        let Some(&slot) = self.index.get(&peer) else {
            return self.tell_lost(port.slot, peer, Loss::Unknown, Duration::ZERO);
        };
        if self.is_cut_either_way(port.id, peer) {
            let life = self.seats[port.slot as usize].life;
            let delay = timeout(&mut port.chance);
            self.push(self.now + delay, ARRIVAL, port.slot, life, What::Silent(peer));
        } else if !self.seats[slot as usize].up {
            let delay = self.latency(port) + self.latency(port);
            self.tell_lost(port.slot, peer, Loss::Refused, delay);
        }
    }

    /// A node that went down wants to be told of nothing.
    pub fn forget_watches(&mut self, port: &mut Port<P>) {
        if mem::take(&mut port.watched) > 0 {
            self.watchers.retain(|_, watchers| {
                watchers.remove(&port.slot);
                !watchers.is_empty()
            });
        }
    }

    /// Whether this watched connection is still wanted and still cut.
    pub fn is_silent(&self, watcher: u32, peer: NodeId) -> bool {
        let wanted = self.watchers.get(&peer).is_some_and(|watchers| watchers.contains(&watcher));
        wanted && self.is_cut_either_way(self.seats[watcher as usize].id, peer)
    }

    fn pack(&mut self, messages: Vec<P::Message>, content_bytes: usize) -> Content<P::Message> {
        if !self.world.wire {
            return Content::Typed(messages);
        }
        let mut bytes = Vec::with_capacity(content_bytes);
        messages.iter().for_each(|message| wire::put(message, &mut bytes));
        assert_eq!(bytes.len(), content_bytes, "messages take as many bytes as they said: {messages:?}");
        self.recycle(messages);
        Content::Bytes { bytes, corrupt: false }
    }

    /// The messages in `content`, if they can be read; adds the delivery to the digest.
    pub fn unpack(
        &mut self,
        content: Content<P::Message>,
        from: NodeId,
        to: NodeId,
    ) -> Option<Vec<P::Message>> {
        let seed = mix(mix(mix(self.now.0) ^ from.0) ^ to.0);
        match content {
            Content::Typed(messages) => {
                self.bytes.clear();
                messages.iter().for_each(|message| wire::put(message, &mut self.bytes));
                self.digest = self.digest.wrapping_add(xxh3_64_with_seed(&self.bytes, seed));
                Some(messages)
            }
            Content::Bytes { bytes, corrupt } => {
                let mut messages = self.pool.pop().unwrap_or_default();
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    match wire::get(&mut rest) {
                        Ok(message) => messages.push(message),
                        Err(_) if corrupt => {
                            self.recycle(messages);
                            return None;
                        }
                        Err(e) => panic!("{from} wrote what {to} cannot read: {e}"),
                    }
                }
                self.digest = self.digest.wrapping_add(xxh3_64_with_seed(&bytes, seed));
                Some(messages)
            }
        }
    }

    /// A vector for the messages of a datagram.
    pub fn vector(&mut self) -> Vec<P::Message> {
        self.pool.pop().unwrap_or_default()
    }

    /// Takes a vector back.
    pub fn recycle(&mut self, mut messages: Vec<P::Message>) {
        messages.clear();
        if self.pool.len() < POOL_MAX {
            self.pool.push(messages);
        }
    }
}

/// True with probability `p`; draws only if there is something to decide, so that what is not used changes nothing.
fn happens(rng: &mut Rng, p: f64) -> bool {
    p > 0.0 && rng.chance(p)
}

/// How long a sender waits for an answer that does not come.
pub(crate) fn timeout(rng: &mut Rng) -> Duration {
    let (min, max) = STREAM_TIMEOUT;
    min + rng.within(max - min)
}
