//! The state of one node: its driver, its port to the network, and its queues while it is paused.

use crate::clock::Clock;
use crate::counters::Counters;
use crate::entry::{Departure, Entry};
use crate::host::Host;
use crate::world::World;
use rumormill_core::drive::Driver;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Protocol;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Time, Wall};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[repr(align(64))]
pub(crate) struct Node<P: Protocol> {
    pub driver: Driver<P>,
    pub port: Port<P>,
}

/// All state of a node except its driver.
pub(crate) struct Port<P: Protocol> {
    pub id: NodeId,
    pub slot: u32,
    /// A copy of its seat's `life`, so that a delivery does not read the seat.
    pub life: u32,
    pub up: bool,
    pub blocked: bool,
    pub frozen: bool,
    /// Timers in flight.
    pub timers: u32,
    /// Number of entries that it has set.
    pub sequence: u64,
    /// Random source for latency and loss of what it sends.
    pub chance: Rng,
    /// `None`: the clock is right.
    clock: Option<Box<Clock>>,
    pub hot: Hot,
    pub host: Option<Box<Host<P>>>,
    rare: Option<Box<Rare<P>>>,
}

/// Counters that nearly every node uses, in few bytes; before one overflows it is carried over to the rare counters.
#[derive(Copy, Clone, Default)]
pub(crate) struct Hot {
    pub datagram_bytes_sent: u64,
    pub datagram_bytes_received: u64,
    pub inputs: u32,
    pub datagrams_sent: u32,
    pub datagrams_received: u32,
    pub timers_max: u32,
}

/// State that most nodes never need.
pub(crate) struct Rare<P: Protocol> {
    pub counters: Counters,
    pub inbox: Waiting<Entry<P>>,
    pub outbox: Waiting<Departure<P::Message>>,
    /// Timers that expired while the node was frozen, in the order of their expiry.
    pub overdue: Vec<Entry<P>>,
    pub tails: Tails,
    /// Peers to which this node watches its connection.
    pub watching: BTreeSet<NodeId>,
    /// Slots of the nodes that watch their connection to this node, with their lives.
    pub watchers: BTreeMap<u32, u32>,
}

/// Packets that wait while a node is blocked or frozen, bounded in bytes.
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
    /// Adds an item that takes no room in a socket buffer.
    pub fn add(&mut self, item: T) {
        self.items.push_back(item);
    }

    /// Adds `item`, or returns it because the buffer is full.
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

    /// Takes out all items, the oldest first.
    pub fn take(&mut self) -> VecDeque<T> {
        std::mem::take(self).items
    }
}

/// Arrival time of the last message on each stream, so that the next one does not overtake it.
pub(crate) struct Tails {
    arrivals: BTreeMap<u32, Time>,
    prune_at: usize,
}

impl Tails {
    const PRUNE_AT_MIN: usize = 64;

    pub fn new() -> Tails {
        Tails { arrivals: BTreeMap::new(), prune_at: Tails::PRUNE_AT_MIN }
    }

    /// Arrival time of a message that leaves now and would arrive at `at`, behind those before it.
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

/// Most clocks are right, and take no room.
fn unless_right(clock: Clock) -> Option<Box<Clock>> {
    (clock != Clock::default()).then(|| Box::new(clock))
}

impl<P: Protocol> Port<P> {
    pub fn new(id: NodeId, slot: u32, chance: Rng, clock: Clock, host: Option<Box<Host<P>>>) -> Self {
        Port {
            id,
            slot,
            life: 0,
            up: false,
            blocked: false,
            frozen: false,
            timers: 0,
            sequence: 0,
            chance,
            clock: unless_right(clock),
            hot: Hot::default(),
            host,
            rare: None,
        }
    }

    pub fn set_clock(&mut self, clock: Clock) {
        self.clock = unless_right(clock);
    }

    /// The time that its wall clock shows at `now`.
    pub fn wall(&self, now: Time) -> Wall {
        self.clock.as_ref().map_or_else(|| Clock::default().wall(now), |clock| clock.wall(now))
    }

    /// Carries the hot counters over before one of them overflows.
    #[inline]
    pub fn carry(&mut self) {
        let Hot { inputs, datagrams_sent, datagrams_received, .. } = self.hot;
        if (inputs | datagrams_sent | datagrams_received) >> (u32::BITS - 1) != 0 {
            self.carry_over();
        }
    }

    #[cold]
    fn carry_over(&mut self) {
        let Hot { inputs, datagrams_sent, datagrams_received, .. } = self.hot;
        let counters = self.count();
        counters.inputs += u64::from(inputs);
        counters.datagrams_sent += u64::from(datagrams_sent);
        counters.datagrams_received += u64::from(datagrams_received);
        self.hot = Hot { inputs: 0, datagrams_sent: 0, datagrams_received: 0, ..self.hot };
    }

    pub fn rare(&mut self) -> &mut Rare<P> {
        self.rare.get_or_insert_with(|| {
            Box::new(Rare {
                counters: Counters::default(),
                inbox: Waiting::default(),
                outbox: Waiting::default(),
                overdue: Vec::new(),
                tails: Tails::new(),
                watching: BTreeSet::new(),
                watchers: BTreeMap::new(),
            })
        })
    }

    /// The rare state, if there is any.
    pub fn rare_if_any(&self) -> Option<&Rare<P>> {
        self.rare.as_deref()
    }

    /// The counters of rare happenings.
    pub fn count(&mut self) -> &mut Counters {
        &mut self.rare().counters
    }

    /// All counters of the node.
    pub fn counters(&self) -> Counters {
        let rare = self.rare.as_ref().map(|rare| rare.counters).unwrap_or_default();
        let Hot {
            inputs,
            datagrams_sent,
            datagram_bytes_sent,
            datagrams_received,
            datagram_bytes_received,
            timers_max,
        } = self.hot;
        Counters {
            inputs: rare.inputs + u64::from(inputs),
            datagrams_sent: rare.datagrams_sent + u64::from(datagrams_sent),
            datagram_bytes_sent,
            datagrams_received: rare.datagrams_received + u64::from(datagrams_received),
            datagram_bytes_received,
            timers_max: timers_max.into(),
            ..rare
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::protocol::{self, Cx, Input, Lane};

    struct Mute;
    #[derive(Clone, Debug, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
    struct Nothing;
    impl protocol::Message for Nothing {
        const LANES: &'static [Lane] = &[Lane::new("nothing")];
    }
    impl Protocol for Mute {
        type Call = ();
        type Message = Nothing;
        type Timer = ();
        type Event = ();
        const FILLS: bool = false;
        fn handle(&mut self, _: &mut Cx<'_, Self>, _: Input<Self>) {}
    }

    #[test]
    fn hot_counters_are_carried_over_before_they_overflow() {
        let mut port: Port<Mute> = Port::new(NodeId(1), 0, Rng::seeded(1), Clock::default(), None);
        for _ in 0..5 {
            port.hot.inputs += 1 << 31;
            port.hot.datagrams_sent += 7;
            port.carry();
        }
        let counters = port.counters();
        assert_eq!((counters.inputs, counters.datagrams_sent), (5 << 31, 35));
    }
}
