//! What is kept for one node.

use crate::clock::Clock;
use crate::counters::Counters;
use crate::network::Content;
use crate::world::World;
use rumormill_core::drive::Driver;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::{Loss, Protocol};
use rumormill_core::rng::Rng;
use rumormill_core::time::Time;
use std::collections::{BTreeMap, VecDeque};

/// Something that is due at a node.
pub(crate) struct Entry<P: Protocol> {
    pub slot: u32,
    /// Meant for this life of the node; datagrams are meant for any.
    pub life: u32,
    pub what: What<P>,
}

pub(crate) enum What<P: Protocol> {
    Start,
    Call(P::Call),
    Datagram(Packet<P::Message>),
    Stream(Packet<P::Message>),
    /// With its deadline, which may be earlier than when it fires.
    Timer(Time, P::Timer),
    Lost(NodeId, Loss),
    /// A watched connection was cut a while ago: it is lost if it still is.
    Silent(NodeId),
}

pub(crate) struct Packet<M> {
    pub from: u32,
    pub from_life: u32,
    pub content: Content<M>,
    pub bytes: usize,
}

pub(crate) struct Node<P: Protocol> {
    pub driver: Driver<P>,
    pub port: Port<P>,
    /// The last step in which something was due here, and its place among the nodes of that step.
    pub turn: (u64, u32),
}

/// All of a node but its driver.
pub(crate) struct Port<P: Protocol> {
    pub id: NodeId,
    pub slot: u32,
    /// What decides the fate of what it sends.
    pub chance: Rng,
    pub clock: Clock,
    pub counters: Counters,
    pub blocked: bool,
    pub frozen: bool,
    pub inbox: Waiting<Entry<P>>,
    pub outbox: Waiting<Departure<P::Message>>,
    /// Timers that fell due while it was frozen, in the order in which they did.
    pub overdue: Vec<Entry<P>>,
    pub tails: Tails,
    pub timers: u64,
    pub watched: usize,
}

/// What a blocked node wants to send.
pub(crate) struct Departure<M> {
    pub to: NodeId,
    pub messages: Vec<M>,
    pub bytes: usize,
    pub stream: bool,
}

/// What waits for a node that is blocked or frozen, bounded in bytes.
pub(crate) struct Waiting<T> {
    items: VecDeque<T>,
    datagram_bytes: usize,
    stream_bytes: usize,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Waiting { items: VecDeque::new(), datagram_bytes: 0, stream_bytes: 0 }
    }
}

impl<T> Waiting<T> {
    /// Adds what takes no room in a socket's buffer.
    pub fn add(&mut self, item: T) {
        self.items.push_back(item);
    }

    /// Adds `item`, or gives it back because the buffer is full.
    pub fn add_bytes(&mut self, item: T, bytes: usize, stream: bool, world: &World) -> Result<(), T> {
        let (used, max) = match stream {
            true => (&mut self.stream_bytes, world.stream_buffer_bytes),
            false => (&mut self.datagram_bytes, world.datagram_buffer_bytes),
        };
        if *used + bytes > max {
            return Err(item);
        }
        *used += bytes;
        self.items.push_back(item);
        Ok(())
    }

    /// Takes everything out, the oldest first.
    pub fn take(&mut self) -> VecDeque<T> {
        std::mem::take(self).items
    }
}

/// When the last message of each stream that is on its way arrives, so that the next one does not overtake it.
pub(crate) struct Tails {
    arrivals: BTreeMap<u32, Time>,
    prune_at: usize,
}

impl Tails {
    const PRUNE_AT_MIN: usize = 64;

    pub fn new() -> Tails {
        Tails { arrivals: BTreeMap::new(), prune_at: Tails::PRUNE_AT_MIN }
    }

    /// When a message that left now and takes until `at` arrives behind those before it.
    pub fn after(&mut self, to: u32, at: Time, now: Time) -> Time {
        if self.arrivals.len() >= self.prune_at {
            self.arrivals.retain(|_, last| *last > now);
            self.prune_at = (2 * self.arrivals.len()).max(Tails::PRUNE_AT_MIN);
        }
        let last = self.arrivals.entry(to).or_default();
        *last = at.max(*last);
        *last
    }
}

impl<P: Protocol> Port<P> {
    pub fn new(id: NodeId, slot: u32, chance: Rng, clock: Clock) -> Self {
        Port {
            id,
            slot,
            chance,
            clock,
            counters: Counters::default(),
            blocked: false,
            frozen: false,
            inbox: Waiting::default(),
            outbox: Waiting::default(),
            overdue: Vec::new(),
            tails: Tails::new(),
            timers: 0,
            watched: 0,
        }
    }
}
