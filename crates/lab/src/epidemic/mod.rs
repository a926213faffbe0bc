//! One update spreads from one node to all, by the real protocols, on the simulator: the experiment behind most of the papers' tables.
//!
//! | file | what it does |
//! | --- | --- |
//! | `mod` | the experiment |
//! | `strategy` | the protocol and its settings |
//! | `names` | the names of strategies and rules |
//! | `flags` | the flags, and all that a run follows from |
//! | `run` | one run, observed by the events of the nodes |
//! | `outcome` | the runs, their means and percentiles |
//! | `model` | theory for the model that is run |
//! | `picture` | curve and theory in one picture |

mod flags;
mod model;
mod names;
mod outcome;
mod picture;
mod run;
mod strategy;

use crate::threads::Threads;
use crate::topology::Topology;
pub use model::Theory;
pub use names::{Counting, Removal, Strategy};
use outcome::Runs;
pub use outcome::{Outcome, Run, RunPercentiles, StandardErrors, TakenOff};
use rumormill_core::rng::mix;
use rumormill_core::time::Duration;
use rumormill_protocols::kit::peer_selection::PeerSelection;
use rumormill_sim::Latency;
pub use run::Progress;

/// An update that ends at less than this share of the nodes has not taken off (our guess: one that takes off reaches most of them).
pub const TAKEN_OFF: f64 = 0.1;

/// The experiment: the cluster, the strategy, and the number of runs.
#[derive(Clone, Debug)]
pub struct Epidemic {
    /// Number of nodes.
    pub nodes: u64,
    /// The strategy by which the update spreads.
    pub strategy: Strategy,
    /// Rumor mongering: the rule by which a node loses interest.
    pub removal: Removal,
    /// Rumor mongering: number of useless contacts, or one chance in this number, that ends the interest.
    pub k: u32,
    /// Number of nodes that a node contacts per round, or in all for infect-and-die; for a flood the neighbours of a node, for a tree its children. `None`:
    /// the protocol's default, 1 for rumors.
    pub fanout: Option<u32>,
    /// Number of contacts that a node takes in a round.
    pub connection_limit: Option<u32>,
    /// Number of other nodes that a refused contact tries.
    pub hunt: u32,
    /// Rumor mongering, push-pull: in a contact of two that know the update, only the smaller counter goes up.
    pub minimization: bool,
    /// Rumor mongering: the rule by which contacts count as useful.
    pub counting: Counting,
    /// The choice of the node to contact.
    pub choice: PeerSelection,
    /// The graph of neighbours; `None`: everyone knows everyone. A random graph is drawn anew for each run.
    pub topology: Option<Topology>,
    /// Push-then-pull: the round in which pushing ends; `None`: log2 of the number of nodes.
    pub switch: Option<u32>,
    /// Size of the update in bytes.
    pub bytes: usize,
    /// Share of datagrams that are lost.
    pub loss: f64,
    /// Number of runs.
    pub runs: usize,
    /// The seed, from which the seed of each run is made.
    pub seed: u64,
    /// Latencies in place of synchronous rounds; rounds then take [`Epidemic::PERIOD`] and begin at each node at a time of its own. `None` for a protocol
    /// that passes on at once (infect-and-die, flood, tree): a hop takes a round.
    pub latency: Option<Latency>,
    /// Upper bound on the rounds of a run; a longer run is broken off.
    pub rounds_max: u32,
    /// The threads of the simulation.
    pub threads: Threads,
}

impl Default for Epidemic {
    /// Push with feedback and counters, as in the first table of Demers 1987.
    fn default() -> Self {
        Epidemic {
            nodes: 1_000,
            strategy: Strategy::Push,
            removal: Removal::FeedbackCounter,
            k: 1,
            fanout: None,
            connection_limit: None,
            hunt: 0,
            minimization: false,
            counting: Counting::Tables,
            choice: PeerSelection::Uniform,
            topology: None,
            switch: None,
            bytes: 0,
            loss: 0.0,
            runs: 1,
            seed: 1,
            latency: None,
            rounds_max: 2_000,
            threads: Threads::default(),
        }
    }
}

impl Epidemic {
    /// A round: the period of a node's contacts. Its length means nothing in the synchronous world.
    pub const PERIOD: Duration = Duration::from_secs(1);

    /// Refuses an experiment that is not sound.
    ///
    /// # Errors
    /// Names the flag, and a value that would do.
    pub fn check(&self) -> Result<(), String> {
        if self.nodes < 2 {
            return Err("an epidemic needs at least 2 nodes: give --nodes 2 or more".into());
        }
        if self.nodes > u64::from(u32::MAX) {
            return Err(format!("--nodes {}: the simulator has ids for {} at most", self.nodes, u32::MAX));
        }
        if self.runs == 0 {
            return Err("no runs: give --runs 1 or more".into());
        }
        if !(0.0..1.0).contains(&self.loss) {
            return Err(crate::flags::loss_refused(self.loss));
        }
        if self.rounds_max == 0 {
            return Err("--rounds-max 0 runs nothing: give --rounds-max 1 or more".into());
        }
        if self.bytes > 60_000 {
            return Err(format!("--bytes {}: an update has 60,000 at most", self.bytes));
        }
        if self.k == 0 && self.removal != Removal::None {
            return Err("--k 0 would lose interest before the first contact: give --k 1 or more".into());
        }
        if self.fanout == Some(0) {
            return Err("--fanout 0 tells nobody: give --fanout 1 or more".into());
        }
        if self.connection_limit == Some(0) {
            return Err(
                "--connection-limit 0 takes no contact at all: give 1 or more, or leave it out".into()
            );
        }
        self.threads.check()?;
        if let Some(topology) = &self.topology {
            topology.check(self.nodes)?;
        }
        strategy::check(self)
    }

    /// Refuses the first of these flags that has no effect in this experiment.
    ///
    /// # Errors
    /// Names the flag, why it has no effect, and what would give it one.
    pub fn check_flags(&self, given: &[&str]) -> Result<(), String> {
        crate::flags::check(self, given)
    }

    /// Bytes of memory that a run needs, about: the state of all nodes, the simulator's own, and the messages in flight.
    pub fn memory_bytes(&self) -> u64 {
        let edges = self.topology.as_ref().map_or(0, |topology| topology.node_bytes(self.nodes));
        self.nodes * (strategy::node_bytes(self) as u64 + edges)
    }

    /// Refuses an experiment that needs more memory than is `available`, in bytes.
    ///
    /// # Errors
    /// Names both figures.
    pub fn check_memory(&self, available: u64) -> Result<(), String> {
        crate::memory::check(self.nodes, self.memory_bytes(), available)
    }

    /// Runs the experiment. `progress` is called after each round of each run.
    ///
    /// # Errors
    /// As [`Epidemic::check`].
    pub fn run(&self, progress: &mut dyn FnMut(&Progress)) -> Result<Outcome, String> {
        self.check()?;
        let mut all = Runs::default();
        for r in 0..self.runs {
            let result = strategy::run(self, mix(self.seed ^ mix(r as u64)), &mut |round, reached| {
                progress(&Progress { run: r, runs: self.runs, round, reached, nodes: self.nodes });
            });
            all.add(self.nodes, &result);
        }
        Ok(all.outcome(self))
    }
}
