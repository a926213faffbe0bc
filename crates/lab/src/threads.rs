//! The number of threads of a simulation. The outcome does not depend on it.

use rumormill_core::protocol::Protocol;
use rumormill_sim::{Engine, Sim, World};

/// The threads of a simulation.
#[derive(Copy, Clone, Debug)]
pub struct Threads {
    /// Number of threads, each with its share of the nodes; at least one.
    pub count: usize,
    /// A clock of the thread's CPU time, in nanoseconds; `None`: the load of the threads is not measured.
    pub meter: Option<fn() -> u64>,
}

impl Default for Threads {
    fn default() -> Self {
        Threads { count: 1, meter: None }
    }
}

impl Threads {
    /// Refuses a number of threads that is not sound.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.count {
            1..=256 => Ok(()),
            count => Err(format!("--threads {count}: give 1 to 256")),
        }
    }

    /// An empty simulation for this number of nodes.
    pub(crate) fn sim<P>(&self, world: World, seed: u64, nodes: u64) -> Sim<P>
    where
        P: Protocol + Send,
        P::Call: Send,
        P::Message: Send,
        P::Timer: Send,
        P::Event: Send,
    {
        let engine = Engine { partitions: self.count, nodes: nodes as usize, ..Engine::default() };
        let mut sim = Sim::with_engine(world, seed, engine);
        if let Some(meter) = self.meter {
            sim.meter(meter);
        }
        if self.count > 1 { sim.threads() } else { sim }
    }
}
