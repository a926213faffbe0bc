//! A simulation as its caller holds it: nodes, time, counters, and the digest of the run.

use crate::clock::Clock;
use crate::counters::Counters;
use crate::entry::{CALLER, Entry, FIRST, What};
use crate::executor::{Busy, Executor};
use crate::host::Host;
use crate::local::Local;
use crate::network::Network;
use crate::node::{Node, Port};
use crate::partition::Partition;
use crate::queue::Queue;
use crate::shared::{Seat, Shared};
use crate::wheel::Wheel;
use crate::world::World;
use rumormill_core::drive::Driver;
use rumormill_core::identity::NodeId;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::Protocol;
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Duration, Time, Wall};
use std::collections::BinaryHeap;

/// Upper bound on the length of a window, whatever the least latency.
const WINDOW_MAX: Duration = Duration::from_secs(1);

/// The engine of a simulation. The run is the same with any of these settings.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Engine {
    /// Number of partitions, each with a queue of its own, so that each can have a thread ([`Sim::threads`]).
    pub partitions: usize,
    /// Expected number of nodes, to share them out evenly; more may come.
    pub nodes: usize,
    /// Takes single instants from a binary heap instead of windows from a timing wheel: slow and plain, an oracle for tests of the
    /// wheel.
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
    pub(crate) executor: Executor<P>,
    pub(crate) now: Time,
    seed: u64,
    /// Number of entries that the caller has set.
    sequence: u64,
}

/// The use of a seed: each use has a random source of its own.
#[derive(Copy, Clone)]
enum Use {
    Protocol = 1,
    Network = 2,
    Clock = 3,
    TieBreak = 4,
}

impl<P: Protocol> Sim<P> {
    /// An empty simulation. What happens in it follows from `world`, `seed` and the calls below.
    ///
    /// # Panics
    /// If [`World::check`] refuses `world`.
    pub fn new(world: World, seed: u64) -> Self {
        Sim::with_engine(world, seed, Engine::default())
    }

    /// [`Sim::new`], run by this engine.
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
        let slots = u32::try_from(engine.nodes.div_ceil(engine.partitions).max(1)).unwrap_or(u32::MAX);
        let tie_break = mix(seed ^ (Use::TieBreak as u64) << 56);
        let partitions = (0..engine.partitions).map(|at| {
            let first = at as u32 * slots;
            let queue = match engine.oracle {
                true => Queue::Heap(BinaryHeap::new(), tie_break),
                false => Queue::Wheel(Wheel::new(window, first)),
            };
            Partition::new(first, Local::new(queue, at, engine.partitions))
        });
        let shared = Shared::new(world, slots, engine.partitions, tie_break);
        let executor = Executor::new(shared, partitions.collect(), window);
        Sim { executor, now: Time::ZERO, seed, sequence: 0 }
    }

    /// Adds a node that starts at `at`, or now if that has passed. Until then it is down. Its randomness follows from the seed
    /// and its id alone.
    ///
    /// # Panics
    /// If there was a node of this id before: see [`Sim::restart`].
    pub fn spawn(&mut self, id: NodeId, node: P, at: Time) {
        let Some(slot) = self.executor.shared.seat(id) else { panic!("{id} exists: restart it") };
        let world = &self.executor.shared.world;
        let mut clock_rng = Rng::seeded(self.derive(id, 0, Use::Clock));
        let offset_ms_max = u64::try_from(world.clock_offset_max.as_millis()).unwrap_or(u64::MAX >> 2);
        let clock = Clock::drawn(&mut clock_rng, offset_ms_max, world.clock_drift_ppm_max);
        let chance = Rng::seeded(self.derive(id, 0, Use::Network));
        let host = Host::of(world, id);
        let driver = Driver::new(node, id, self.derive(id, 0, Use::Protocol), &world.limits);
        let node = Node { driver, port: Port::new(id, slot, chance, clock, host) };
        self.partition_of(slot).nodes.push(node);
        self.set(at.max(self.now), FIRST, slot, What::Start);
    }

    /// Gives a node that is down a new protocol, and starts it.
    pub(crate) fn replace(&mut self, slot: u32, node: P) {
        let Seat { id, life } = self.executor.shared.seats[slot as usize];
        let seed = self.derive(id, life, Use::Protocol);
        let driver = Driver::new(node, id, seed, &self.executor.shared.world.limits);
        self.node_at(slot).driver = driver;
        self.set(self.now, FIRST, slot, What::Start);
    }

    fn derive(&self, id: NodeId, life: u32, what: Use) -> u64 {
        mix(mix(mix(self.seed ^ (what as u64) << 56) ^ id.0) ^ u64::from(life))
    }

    /// Calls a node. The next run hands the call in at this `now` (in the synchronous world: at the next boundary of a cycle), before
    /// anything else that is due then. A node that is down then does not get it.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn call(&mut self, id: NodeId, call: P::Call) {
        let slot = self.slot(id);
        self.set(self.now, FIRST, slot, What::Call(call));
    }

    /// Gives a node these peers in place of those before, as [`Sim::call`] hands in a call: for protocols without a membership beneath.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn meet(&mut self, id: NodeId, peers: Peers) {
        let slot = self.slot(id);
        self.set(self.now, FIRST, slot, What::Meet(peers));
    }

    /// Sets an entry of the caller for a node in its present life.
    pub(crate) fn set(&mut self, at: Time, class: u8, slot: u32, what: What<P>) {
        let life = self.executor.shared.seats[slot as usize].life;
        self.set_for(at, class, slot, life, what);
    }

    /// Sets an entry of the caller for a node in that life of it.
    pub(crate) fn set_for(&mut self, at: Time, class: u8, slot: u32, life: u32, what: What<P>) {
        let time = self.executor.shared.instant(at);
        let entry = Entry { time, sequence: self.sequence, slot, source: CALLER, life, class, what };
        self.sequence += 1;
        self.partition_of(slot).local.queue.push(entry);
    }

    /// Acts on a node and its network, from outside of a run.
    pub(crate) fn with_port<R>(
        &mut self,
        slot: u32,
        act: impl FnOnce(&mut Port<P>, &mut Network<'_, P>) -> R,
    ) -> R {
        let Executor { shared, partitions, .. } = &mut self.executor;
        let Partition { nodes, first, local, .. } = &mut partitions[shared.partition(slot)];
        let node = &mut nodes[(slot - *first) as usize];
        let result = act(&mut node.port, &mut Network { shared, local, now: self.now });
        self.executor.exchange();
        result
    }

    /// Runs everything that is due up to and at `until`, and ends at that time. `observe` gets each event that a node emits, with its time
    /// and the node, in the order of time.
    pub fn run_until<F>(&mut self, until: Time, observe: &mut F)
    where
        F: FnMut(Time, NodeId, P::Event) + ?Sized,
    {
        self.executor.run(until, &mut |at, id, event| observe(at, id, event));
        self.now = self.now.max(until);
    }

    /// [`Sim::run_until`] this long from now.
    pub fn run_for<F>(&mut self, duration: Duration, observe: &mut F)
    where
        F: FnMut(Time, NodeId, P::Event) + ?Sized,
    {
        self.run_until(self.now + duration, observe);
    }

    /// From now on `meter` is read before and after each partition's share of each window, on the thread that runs it; [`Sim::busy`] is the
    /// sum. Meant for a clock of the thread's CPU time, which this crate does not know.
    pub fn meter(&mut self, meter: fn() -> u64) {
        self.executor.meter = Some(meter);
    }

    /// The time that the partitions took, in the units of [`Sim::meter`].
    pub fn busy(&self) -> Busy {
        self.executor.busy
    }

    /// The simulated time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Bytes per node, with one timer and so many messages in flight, besides what its protocol allocates: for an estimate before a run.
    pub const fn node_bytes(messages: usize) -> usize {
        // A quarter more: not all chunks are full, they grow by doubling, and the nodes' places are listed (measured, up to a million).
        size_of::<Node<P>>() + size_of::<Seat>() + 8 + (1 + messages) * size_of::<Option<Entry<P>>>() * 5 / 4
    }

    /// Whether there is, or was, a node of this id.
    pub fn has(&self, id: NodeId) -> bool {
        self.executor.shared.slot(id).is_some()
    }

    /// When the next entry is due; `None` if there is none.
    pub fn next_at(&self) -> Option<Time> {
        self.executor.partitions.iter().filter_map(|partition| partition.local.queue.next_at()).min()
    }

    /// The world of this simulation.
    pub fn world(&self) -> &World {
        &self.executor.shared.world
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
        self.executor.shared.seats.iter().map(|seat| seat.id)
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

    /// The time that this node's wall clock shows.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn wall(&self, id: NodeId) -> Wall {
        self.node_of(id).port.wall(self.now())
    }

    /// The counters of this node.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn counters(&self, id: NodeId) -> Counters {
        self.node_of(id).port.counters()
    }

    /// The counters of all nodes together.
    pub fn total(&self) -> Counters {
        let mut total = Counters::default();
        self.nodes().for_each(|node| total += node.port.counters());
        total
    }

    /// Number of entries in flight or set for later: messages, timers, notices.
    pub fn pending(&self) -> usize {
        self.executor.partitions.iter().map(|partition| partition.local.queue.len()).sum()
    }

    /// The sum over all deliveries so far of a hash of time, sender, receiver and size; the hash of a node's first delivery and of one in
    /// 64 includes the content. The same run has the same digest, another run has another.
    pub fn digest(&self) -> u64 {
        self.executor.partitions.iter().fold(0, |sum, partition| sum.wrapping_add(partition.local.digest))
    }

    pub(crate) fn slot(&self, id: NodeId) -> u32 {
        match self.executor.shared.slot(id) {
            Some(slot) => slot,
            None => panic!("there is no node {id}: spawn it first"),
        }
    }

    fn partition_of(&mut self, slot: u32) -> &mut Partition<P> {
        let Executor { shared, partitions, .. } = &mut self.executor;
        &mut partitions[shared.partition(slot)]
    }

    fn nodes(&self) -> impl Iterator<Item = &Node<P>> {
        self.executor.partitions.iter().flat_map(|partition| &partition.nodes)
    }

    fn node_of(&self, id: NodeId) -> &Node<P> {
        let slot = self.slot(id);
        self.executor.partitions[self.executor.shared.partition(slot)].node(slot)
    }

    pub(crate) fn node_at(&mut self, slot: u32) -> &mut Node<P> {
        self.partition_of(slot).node_mut(slot)
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node<P> {
        self.node_at(self.slot(id))
    }
}

impl<P> Sim<P>
where
    P: Protocol + Send,
    P::Call: Send,
    P::Message: Send,
    P::Timer: Send,
    P::Event: Send,
{
    /// From now on each partition runs on a thread of its own.
    #[must_use]
    pub fn threads(mut self) -> Self {
        self.executor.use_threads();
        self
    }
}
