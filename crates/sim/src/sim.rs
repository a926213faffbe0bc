//! The loop: one instant after the other, one node after the other.

use crate::clock::Clock;
use crate::counters::Counters;
use crate::hands::{Handed, Hands};
use crate::network::{FIRST, Network, Seat, TIMER_OF_CYCLE};
use crate::node::{Entry, Node, Port, What};
use crate::queue::{Class, Key};
use crate::world::World;
use rumormill_core::drive::{Driver, Scratch};
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::{Input, Protocol};
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Duration, Time};
use std::mem;

/// Sub-steps at one `now`: protocols that answer each other for longer than this without letting time pass never end.
pub const SUBSTEPS_MAX: u32 = 10_000;

/// A simulation of nodes that run `P`.
pub struct Sim<P: Protocol> {
    pub(crate) network: Network<P>,
    pub(crate) nodes: Vec<Node<P>>,
    seed: u64,
    scratch: Scratch<P>,
    batch: Vec<(u32, Key, Entry<P>)>,
    step: u64,
    substeps: u32,
}

/// What a seed is for: each use draws from a source of its own.
#[derive(Copy, Clone)]
enum Use {
    Protocol = 1,
    Network = 2,
    Clock = 3,
}

impl<P: Protocol> Sim<P> {
    /// An empty simulation. What happens in it follows from `world`, `seed` and the calls below.
    ///
    /// # Panics
    /// If [`World::check`] refuses `world`.
    pub fn new(world: World, seed: u64) -> Self {
        if let Err(e) = world.check() {
            panic!("no such world: {e}");
        }
        Sim {
            network: Network::new(world),
            nodes: Vec::new(),
            seed,
            scratch: Scratch::default(),
            batch: Vec::new(),
            step: 0,
            substeps: 0,
        }
    }

    /// Adds a node that starts at `at`, or now if that has passed. Until then it is down. Its randomness follows from the seed
    /// and its id alone.
    ///
    /// # Panics
    /// If there was a node of this id before: see [`Sim::restart`].
    pub fn spawn(&mut self, id: NodeId, node: P, at: Time) {
        let slot = u32::try_from(self.nodes.len()).expect("at most 2^32 nodes");
        assert!(self.network.index.insert(id, slot).is_none(), "{id} exists: restart it");
        self.network.seats.push(Seat { id, life: 0, up: false });
        let world = &self.network.world;
        let mut clock_rng = Rng::seeded(self.derive(id, 0, Use::Clock));
        let offset_ms_max = u64::try_from(world.clock_offset_max.as_millis()).unwrap_or(u64::MAX >> 2);
        let clock = Clock::drawn(&mut clock_rng, offset_ms_max, world.clock_drift_ppm_max);
        let chance = Rng::seeded(self.derive(id, 0, Use::Network));
        let driver = Driver::new(node, id, self.derive(id, 0, Use::Protocol), &world.limits);
        self.nodes.push(Node { driver, port: Port::new(id, slot, chance, clock), turn: (0, 0) });
        let at = at.max(self.network.now);
        self.network.push(at, FIRST, slot, 0, What::Start);
    }

    /// Puts a new protocol in the place of a node that is down.
    pub(crate) fn replace(&mut self, slot: u32, node: P) {
        let Seat { id, life, .. } = self.network.seats[slot as usize];
        let seed = self.derive(id, life, Use::Protocol);
        self.nodes[slot as usize].driver = Driver::new(node, id, seed, &self.network.world.limits);
        self.network.push(self.network.now, FIRST, slot, life, What::Start);
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
        let life = self.network.seats[slot as usize].life;
        self.substeps = 0; // this is the caller's doing
        self.network.push(self.network.now, FIRST, slot, life, What::Call(call));
    }

    /// Lets everything happen that is due up to and at `until`, and ends at that time. Each event that a node emits is handed to
    /// `observe` with its time and the node.
    pub fn run_until<F>(&mut self, until: Time, observe: &mut F)
    where
        F: FnMut(Time, NodeId, P::Event) + ?Sized,
    {
        self.substeps = 0;
        while self.next_at().is_some_and(|at| at <= until) {
            self.step(observe);
        }
        self.network.now = self.network.now.max(until);
    }

    /// [`Sim::run_until`] so long from now.
    pub fn run_for<F>(&mut self, duration: Duration, observe: &mut F)
    where
        F: FnMut(Time, NodeId, P::Event) + ?Sized,
    {
        self.run_until(self.network.now + duration, observe);
    }

    /// Lets the next thing happen: all that is due at one instant, or in the synchronous world one sub-step of it. Returns when
    /// that was, or `None` if nothing is to come.
    pub fn step<F>(&mut self, observe: &mut F) -> Option<Time>
    where
        F: FnMut(Time, NodeId, P::Event) + ?Sized,
    {
        let (time, class) = self.network.queue.peek()?;
        assert!(time >= self.network.now, "time goes on");
        self.substeps = if time > self.network.now { 0 } else { self.substeps + 1 };
        assert!(self.substeps < SUBSTEPS_MAX, "at {time:?} the nodes answer each other without end");
        self.network.now = time;
        self.step += 1;
        let mut batch = mem::take(&mut self.batch);
        self.take_due(&mut batch, time, class);
        let mut entries = batch.drain(..).map(|(_, _, entry)| entry).peekable();
        while let Some(slot) = entries.peek().map(|entry| entry.slot) {
            self.run_node(slot, std::iter::from_fn(|| entries.next_if(|entry| entry.slot == slot)), observe);
        }
        drop(entries);
        self.batch = batch;
        Some(time)
    }

    /// Takes out what is due now, all that one node gets side by side, the nodes in the order of the first that each gets.
    fn take_due(&mut self, batch: &mut Vec<(u32, Key, Entry<P>)>, time: Time, class: Class) {
        let synchronous = self.network.world.synchronous.is_some();
        let is_due = |(t, c): (Time, Class)| t == time && (c == class || !synchronous);
        while self.network.queue.peek().is_some_and(is_due) {
            let (key, entry) = self.network.queue.pop().expect("it was there a moment ago");
            batch.push((0, key, entry));
        }
        if batch.len() == 1 {
            return;
        }
        if class == TIMER_OF_CYCLE {
            batch.sort_by_key(|(_, key, entry)| {
                let deadline = match entry.what {
                    What::Timer(deadline, _) => deadline,
                    _ => time,
                };
                (deadline, self.network.seats[entry.slot as usize].id, key.sequence)
            });
        }
        let mut turns = 0;
        for (turn, _, entry) in batch.iter_mut() {
            let node = &mut self.nodes[entry.slot as usize];
            if node.turn.0 != self.step {
                node.turn = (self.step, turns);
                turns += 1;
            }
            *turn = node.turn.1;
        }
        batch.sort_by_key(|(turn, ..)| *turn); // stable: what one node gets keeps its order
    }

    /// Hands all that is due at one node to its driver, and flushes it once.
    fn run_node<F>(&mut self, slot: u32, entries: impl Iterator<Item = Entry<P>>, observe: &mut F)
    where
        F: FnMut(Time, NodeId, P::Event) + ?Sized,
    {
        let now = self.network.now;
        let limits = self.network.world.limits;
        let Node { driver, port, .. } = &mut self.nodes[slot as usize];
        let wall = port.clock.wall(now);
        let scratch = &mut self.scratch;
        let mut hands = Hands { port, network: &mut self.network, observe };
        let mut inputs = 0;
        for entry in entries {
            match hands.take(entry) {
                None => {}
                Some(Handed::One(input)) => {
                    inputs += 1;
                    driver.input(scratch, &mut hands, now, wall, input);
                }
                Some(Handed::Messages(from, mut messages)) => {
                    for message in messages.drain(..) {
                        inputs += 1;
                        driver.input(scratch, &mut hands, now, wall, Input::Message(from, message));
                    }
                    hands.network.recycle(messages);
                }
            }
        }
        if inputs > 0 {
            driver.flush(scratch, &mut hands, now, wall, &limits);
            hands.port.counters.inputs += inputs;
        }
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.network.now
    }

    /// When the next thing is due; `None` if nothing is to come.
    pub fn next_at(&self) -> Option<Time> {
        self.network.queue.peek().map(|(time, _)| time)
    }

    /// What the world is like.
    pub fn world(&self) -> &World {
        &self.network.world
    }

    /// The protocol of a node; of one that is down, as it was when it went down.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn node(&self, id: NodeId) -> &P {
        &self.nodes[self.slot(id) as usize].driver.node
    }

    /// All nodes, in the order in which they were spawned.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.network.seats.iter().map(|seat| seat.id)
    }

    /// The nodes that have started and are not crashed, blocked and frozen ones included, in the order in which they were spawned.
    pub fn live_ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.network.seats.iter().filter(|seat| seat.up).map(|seat| seat.id)
    }

    /// Whether this node has started and is not crashed.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn is_up(&self, id: NodeId) -> bool {
        self.network.seats[self.slot(id) as usize].up
    }

    /// What this node sent, received and lost.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn counters(&self, id: NodeId) -> Counters {
        self.nodes[self.slot(id) as usize].port.counters
    }

    /// What all nodes together sent, received and lost.
    pub fn total(&self) -> Counters {
        let mut total = Counters::default();
        self.nodes.iter().for_each(|node| total += node.port.counters);
        total
    }

    /// How much is on its way or set for later: messages, timers, notices.
    pub fn pending(&self) -> usize {
        self.network.queue.len()
    }

    /// The sum over all deliveries so far of a hash of time, sender, receiver and content: the same for the same run, another for
    /// any other.
    pub fn digest(&self) -> u64 {
        self.network.digest
    }

    pub(crate) fn slot(&self, id: NodeId) -> u32 {
        match self.network.index.get(&id) {
            Some(&slot) => slot,
            None => panic!("there is no node {id}: spawn it first"),
        }
    }
}
