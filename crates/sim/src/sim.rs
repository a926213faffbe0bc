//! What the caller holds: nodes, time, and what has been counted.

use crate::clock::Clock;
use crate::counters::Counters;
use crate::gear::Gear;
use crate::network::{FIRST, Local, Network, Seat, Shared};
use crate::node::{CALLER, Entry, Node, Port, What};
use crate::part::Part;
use crate::queue::Queue;
use crate::wheel::Wheel;
use crate::windows::{self, Busy};
use crate::world::World;
use rumormill_core::drive::Driver;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Protocol;
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Duration, Time};
use std::collections::BinaryHeap;

/// Sub-steps at one `now`: protocols that answer each other for longer than this without letting time pass never end.
pub const SUBSTEPS_MAX: u32 = 10_000;
/// A window is at most so long, whatever the least latency.
const WINDOW_MAX: Duration = Duration::from_secs(1);

/// How a simulation is run. Changes nothing of what comes out.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Engine {
    /// Nodes are kept in so many partitions, each with a queue of its own, so that each can have a thread ([`Sim::threads`]).
    pub partitions: usize,
    /// How many nodes there will be, to share them out evenly; more may come.
    pub nodes: usize,
    /// One instant after the other from a binary heap, in place of whole windows from a timing wheel: slow and plain, to hold the
    /// other against.
    pub oracle: bool,
}

impl Default for Engine {
    /// One partition on a timing wheel.
    fn default() -> Self {
        Engine { partitions: 1, nodes: 0, oracle: false }
    }
}

/// A simulation of nodes that run `P`.
pub struct Sim<P: Protocol> {
    pub(crate) shared: Shared,
    pub(crate) parts: Vec<Part<P>>,
    pub(crate) now: Time,
    /// Nanoseconds of a window.
    pub(crate) window: u64,
    pub(crate) run: windows::Run<P>,
    pub(crate) meter: Option<fn() -> u64>,
    pub(crate) busy: Busy,
    seed: u64,
    /// How much the caller has set.
    sequence: u64,
}

/// What a seed is for: each use draws from a source of its own.
#[derive(Copy, Clone)]
enum Use {
    Protocol = 1,
    Network = 2,
    Clock = 3,
    Lots = 4,
}

impl<P: Protocol> Sim<P> {
    /// An empty simulation. What happens in it follows from `world`, `seed` and the calls below.
    ///
    /// # Panics
    /// If [`World::check`] refuses `world`.
    pub fn new(world: World, seed: u64) -> Self {
        Sim::with_engine(world, seed, Engine::default())
    }

    /// [`Sim::new`], run in a way of one's choice.
    ///
    /// # Panics
    /// If [`World::check`] refuses `world`, or without partitions.
    pub fn with_engine(world: World, seed: u64, engine: Engine) -> Self {
        if let Err(e) = world.check() {
            panic!("no such world: {e}");
        }
        assert!(engine.partitions > 0, "a simulation needs at least one partition");
        let window = world.synchronous.unwrap_or_else(|| world.latency.floor().min(WINDOW_MAX));
        let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX).max(1);
        let window = 1 << window.ilog2(); // so that finding the slot of a time is a shift
        let chunk = u32::try_from(engine.nodes.div_ceil(engine.partitions).max(1)).unwrap_or(u32::MAX);
        let lots = mix(seed ^ (Use::Lots as u64) << 56);
        let parts = (0..engine.partitions).map(|at| {
            let first = at as u32 * chunk;
            let queue = match engine.oracle {
                true => Queue::Heap(BinaryHeap::new(), lots),
                false => Queue::Wheel(Wheel::new(window, first)),
            };
            Part::new(first, Local::new(queue, at, engine.partitions))
        });
        Sim {
            parts: parts.collect(),
            shared: Shared::new(world, chunk, engine.partitions, lots),
            now: Time::ZERO,
            window,
            run: windows::one_by_one,
            meter: None,
            busy: Busy::default(),
            seed,
            sequence: 0,
        }
    }

    /// Adds a node that starts at `at`, or now if that has passed. Until then it is down. Its randomness follows from the seed
    /// and its id alone.
    ///
    /// # Panics
    /// If there was a node of this id before: see [`Sim::restart`].
    pub fn spawn(&mut self, id: NodeId, node: P, at: Time) {
        let Some(slot) = self.shared.seat(id) else { panic!("{id} exists: restart it") };
        let world = &self.shared.world;
        let mut clock_rng = Rng::seeded(self.derive(id, 0, Use::Clock));
        let offset_ms_max = u64::try_from(world.clock_offset_max.as_millis()).unwrap_or(u64::MAX >> 2);
        let clock = Clock::drawn(&mut clock_rng, offset_ms_max, world.clock_drift_ppm_max);
        let chance = Rng::seeded(self.derive(id, 0, Use::Network));
        let gear = Gear::of(world, id);
        let driver = Driver::new(node, id, self.derive(id, 0, Use::Protocol), &world.limits);
        let part = &mut self.parts[self.shared.partition(slot)];
        part.nodes.push(Node { driver, port: Port::new(id, slot, chance, clock, gear) });
        self.set(at.max(self.now), FIRST, slot, What::Start);
    }

    /// Puts a new protocol in the place of a node that is down.
    pub(crate) fn replace(&mut self, slot: u32, node: P) {
        let Seat { id, life } = self.shared.seats[slot as usize];
        let seed = self.derive(id, life, Use::Protocol);
        let driver = Driver::new(node, id, seed, &self.shared.world.limits);
        self.node_at(slot).driver = driver;
        self.set(self.now, FIRST, slot, What::Start);
    }

    fn derive(&self, id: NodeId, life: u32, what: Use) -> u64 {
        mix(mix(mix(self.seed ^ (what as u64) << 56) ^ id.0) ^ u64::from(life))
    }

    /// Asks something of a node. It is handed in, at this `now` (in the synchronous world: at the next boundary of a cycle), by the
    /// next run, before anything else that is due then. A node that is down then does not hear it.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn call(&mut self, id: NodeId, call: P::Call) {
        let slot = self.slot(id);
        self.set(self.now, FIRST, slot, What::Call(call));
    }

    /// The caller sets something for a node in its present life.
    pub(crate) fn set(&mut self, at: Time, class: u8, slot: u32, what: What<P>) {
        let life = self.shared.seats[slot as usize].life;
        self.set_for(at, class, slot, life, what);
    }

    /// The caller sets something for a node in that life of it.
    pub(crate) fn set_for(&mut self, at: Time, class: u8, slot: u32, life: u32, what: What<P>) {
        let time = self.shared.instant(at);
        let entry = Entry { time, sequence: self.sequence, slot, source: CALLER, life, class, what };
        self.sequence += 1;
        self.parts[self.shared.partition(slot)].local.queue.push(entry);
    }

    /// Lets the caller act on a node with the network around it.
    pub(crate) fn with_port<R>(
        &mut self,
        slot: u32,
        act: impl FnOnce(&mut Port<P>, &mut Network<'_, P>) -> R,
    ) -> R {
        let part = &mut self.parts[self.shared.partition(slot)];
        let node = &mut part.nodes[(slot - part.first) as usize];
        let mut network = Network { shared: &self.shared, local: &mut part.local, now: self.now };
        let result = act(&mut node.port, &mut network);
        windows::exchange(&mut self.parts);
        result
    }

    /// Lets everything happen that is due up to and at `until`, and ends at that time. Each event that a node emits is handed to
    /// `observe` with its time and the node, in the order of time.
    pub fn run_until<F>(&mut self, until: Time, observe: &mut F)
    where
        F: FnMut(Time, NodeId, P::Event) + ?Sized,
    {
        (self.run)(self, until, &mut |at, id, event| observe(at, id, event));
        self.now = self.now.max(until);
    }

    /// [`Sim::run_until`] so long from now.
    pub fn run_for<F>(&mut self, duration: Duration, observe: &mut F)
    where
        F: FnMut(Time, NodeId, P::Event) + ?Sized,
    {
        self.run_until(self.now + duration, observe);
    }

    /// From now on `meter` is read before and after each partition's part of each window, on the thread that runs it: what it adds up to
    /// is told by [`Sim::busy`]. Meant for a clock of the thread's CPU time, which this crate does not know.
    pub fn meter(&mut self, meter: fn() -> u64) {
        self.meter = Some(meter);
    }

    /// How busy the partitions were, in the units of [`Sim::meter`].
    pub fn busy(&self) -> Busy {
        self.busy
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// When the next thing is due; `None` if nothing is to come.
    pub fn next_at(&self) -> Option<Time> {
        self.parts.iter().filter_map(|part| part.local.queue.next_at()).min()
    }

    /// What the world is like.
    pub fn world(&self) -> &World {
        &self.shared.world
    }

    /// The protocol of a node; of one that is down, as it was when it went down.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn node(&self, id: NodeId) -> &P {
        &self.node_of(id).driver.node
    }

    /// All nodes, in the order in which they were spawned.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.shared.seats.iter().map(|seat| seat.id)
    }

    /// The nodes that have started and are not crashed, blocked and frozen ones included, in the order in which they were spawned.
    pub fn live_ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes().filter(|node| node.port.up).map(|node| node.port.id)
    }

    /// Whether this node has started and is not crashed.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn is_up(&self, id: NodeId) -> bool {
        self.node_of(id).port.up
    }

    /// What this node sent, received and lost.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn counters(&self, id: NodeId) -> Counters {
        self.node_of(id).port.counters()
    }

    /// What all nodes together sent, received and lost.
    pub fn total(&self) -> Counters {
        let mut total = Counters::default();
        self.nodes().for_each(|node| total += node.port.counters());
        total
    }

    /// How much is on its way or set for later: messages, timers, notices.
    pub fn pending(&self) -> usize {
        self.parts.iter().map(|part| part.local.queue.len()).sum()
    }

    /// The sum over all deliveries so far of a hash of time, sender, receiver and size, and of a node's first and of one in 64 of
    /// the content, too: the same for
    /// the same run, another for any other.
    pub fn digest(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.wrapping_add(part.local.digest))
    }

    pub(crate) fn slot(&self, id: NodeId) -> u32 {
        match self.shared.slot(id) {
            Some(slot) => slot,
            None => panic!("there is no node {id}: spawn it first"),
        }
    }

    fn nodes(&self) -> impl Iterator<Item = &Node<P>> {
        self.parts.iter().flat_map(|part| &part.nodes)
    }

    fn node_of(&self, id: NodeId) -> &Node<P> {
        let slot = self.slot(id);
        let part = &self.parts[self.shared.partition(slot)];
        &part.nodes[(slot - part.first) as usize]
    }

    pub(crate) fn node_at(&mut self, slot: u32) -> &mut Node<P> {
        self.parts[self.shared.partition(slot)].node(slot)
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node<P> {
        self.node_at(self.slot(id))
    }
}
