//! What is kept for one node.

use crate::clock::Clock;
use crate::content::Content;
use crate::counters::Counters;
use crate::gear::{Gear, Stage};
use crate::network::{ARRIVAL, TIMER_OF_CYCLE};
use crate::queue::Class;
use crate::world::World;
use rumormill_core::drive::Driver;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::{Loss, Protocol};
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Time, Wall};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Something that is due at a node.
pub(crate) struct Entry<P: Protocol> {
    pub time: Time,
    /// How many its source had set before it.
    pub sequence: u64,
    pub slot: u32,
    /// The node that set it, or [`CALLER`].
    pub source: u32,
    /// Meant for this life of the node; datagrams are meant for any.
    pub life: u32,
    pub class: Class,
    pub what: What<P>,
}

impl<P: Protocol> Entry<P> {
    /// What a node gets in this order. It depends on neither the queue nor on who ran first.
    pub fn order(&self, lots: u64) -> Order {
        (self.time, self.class, self.rank(lots), self.source, self.sequence)
    }

    /// Orders what is due at one node, at one time and of one class.
    fn rank(&self, lots: u64) -> u64 {
        match &self.what {
            What::Timer(deadline, _) if self.class == TIMER_OF_CYCLE => deadline.0,
            _ if self.source == CALLER => 0,
            // What comes from several at one instant comes in another order at each: nobody is always the first.
            _ if self.class == ARRIVAL => {
                mix(mix(lots ^ self.time.0) ^ (u64::from(self.source) << 32 | u64::from(self.slot)))
            }
            _ => self.source.into(),
        }
    }
}

/// Whose turn it is: the smallest.
pub(crate) type Order = (Time, Class, u64, u32, u64);

/// The source of what no node has set.
pub(crate) const CALLER: u32 = u32::MAX;

pub(crate) enum What<P: Protocol> {
    Start,
    Call(P::Call),
    Packet(Packet<P::Message>),
    /// With its deadline, which may be earlier than when it fires.
    Timer(Time, P::Timer),
    Lost(NodeId, Loss),
    /// A watched connection was cut a while ago: it is lost if it still is.
    Silent(NodeId),
    /// The node in that slot, in that life, watches its connection to here, or no longer.
    Watched(u32, u32, bool),
    /// A watched connection broke.
    Broken(NodeId, Loss),
}

impl<P: Protocol> What<P> {
    /// The packet that this is.
    pub fn packet(&mut self) -> Option<&mut Packet<P::Message>> {
        match self {
            What::Packet(packet) => Some(packet),
            _ => None,
        }
    }
}

/// A datagram, or a message on a stream.
pub(crate) struct Packet<M> {
    pub stream: bool,
    pub content: Content<M>,
    pub from: u32,
    pub from_life: u32,
    pub bytes: u32,
    /// How many messages there are in it.
    pub messages: u16,
    pub stage: Stage,
}

#[repr(align(64))]
pub(crate) struct Node<P: Protocol> {
    pub driver: Driver<P>,
    pub port: Port<P>,
}

/// All of a node but its driver.
pub(crate) struct Port<P: Protocol> {
    pub id: NodeId,
    pub slot: u32,
    /// As its seat says, so that nothing that reaches it needs a look there.
    pub life: u32,
    pub up: bool,
    pub blocked: bool,
    pub frozen: bool,
    /// Timers in flight.
    pub timers: u32,
    /// How much it has set and sent.
    pub sequence: u64,
    /// What decides the fate of what it sends.
    pub chance: Rng,
    /// None: it is right.
    clock: Option<Box<Clock>>,
    pub hot: Hot,
    pub gear: Option<Box<Gear<P>>>,
    rare: Option<Box<Rare<P>>>,
}

/// What nearly every node counts, in few bytes: what becomes too much is carried over to the rare counters.
#[derive(Copy, Clone, Default)]
pub(crate) struct Hot {
    pub datagram_bytes_sent: u64,
    pub datagram_bytes_received: u64,
    pub inputs: u32,
    pub datagrams_sent: u32,
    pub datagrams_received: u32,
    pub timers_max: u32,
}

/// What most nodes never need.
pub(crate) struct Rare<P: Protocol> {
    pub counters: Counters,
    pub inbox: Waiting<Entry<P>>,
    pub outbox: Waiting<Departure<P::Message>>,
    /// Timers that fell due while it was frozen, in the order in which they did.
    pub overdue: Vec<Entry<P>>,
    pub tails: Tails,
    /// Whose connections it watches,
    pub watching: BTreeSet<NodeId>,
    /// and who, in which life, watches its own.
    pub watchers: BTreeMap<u32, u32>,
}

/// What a blocked node wants to send.
pub(crate) struct Departure<M> {
    pub to: NodeId,
    pub content: Content<M>,
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

/// A clock that is off; most are not, and take no room.
fn unless_right(clock: Clock) -> Option<Box<Clock>> {
    (clock != Clock::default()).then(|| Box::new(clock))
}

impl<P: Protocol> Port<P> {
    pub fn new(id: NodeId, slot: u32, chance: Rng, clock: Clock, gear: Option<Box<Gear<P>>>) -> Self {
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
            gear,
            rare: None,
        }
    }

    pub fn set_clock(&mut self, clock: Clock) {
        self.clock = unless_right(clock);
    }

    /// What its clock shows at `now`.
    pub fn wall(&self, now: Time) -> Wall {
        self.clock.as_ref().map_or_else(|| Clock::default().wall(now), |clock| clock.wall(now))
    }

    /// Carries over what the hot counters will soon have no room for.
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

    /// What is rare, if there is any of it.
    pub fn rare_if_any(&self) -> Option<&Rare<P>> {
        self.rare.as_deref()
    }

    /// The counters of what does not happen all the time.
    pub fn count(&mut self) -> &mut Counters {
        &mut self.rare().counters
    }

    /// What it sent, received and lost.
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
    use rumormill_core::protocol::{self, Cx, Input};

    struct Mute;
    #[derive(Clone, Debug, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
    struct Nothing;
    impl protocol::Message for Nothing {
        fn lanes() -> Vec<&'static str> {
            vec!["nothing"]
        }
    }
    impl Protocol for Mute {
        type Call = ();
        type Message = Nothing;
        type Timer = ();
        type Event = ();
        fn handle(&mut self, _: &mut Cx<'_, Self>, _: Input<Self>) {}
    }

    #[test]
    fn what_the_hot_counters_have_no_room_for_is_carried_over() {
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
