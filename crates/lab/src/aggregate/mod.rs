//! The aggregators' experiment: every node has a value, and all compute an aggregate of the values, by the real protocols on the simulator.
//!
//! | file | what it does |
//! | --- | --- |
//! | `mod` | the experiment |
//! | `settings` | the protocol's settings, the values and the world |
//! | `flags` | the flags, and all that a run follows from |
//! | `run` | one run, which reads the estimates after each round |
//! | `outcome` | the runs, their means and percentiles |
//! | `model` | theory for the model that is run |
//! | `picture` | error and theory in one picture |

mod flags;
mod model;
mod outcome;
mod picture;
mod run;
mod settings;

use crate::threads::Threads;
use crate::topology::Topology;
pub use model::Theory;
pub use outcome::{Outcome, Run, RunPercentiles, StandardErrors};
use rumormill_core::rng::mix;
use rumormill_core::time::Duration;
use rumormill_protocols::sum::averaging::Pairing;
use rumormill_protocols::sum::extrema;
use rumormill_sim::Latency;
pub use run::Progress;
use std::fmt;
use std::str::FromStr;

/// The protocol, and the aggregate that it computes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Push-sum: the average.
    PushSum,
    /// Push-pull averaging: the average.
    Averaging,
    /// Push-pull averaging without protection from loss and overlap, as `PeerSim` has it: the average, or near it.
    Plain,
    /// Push-pull averaging of one 1 and many 0: the number of nodes.
    Count,
    /// Extrema propagation: the number of nodes.
    Extrema,
}

const ALGORITHMS: [(&str, Algorithm); 5] = [
    ("push-sum", Algorithm::PushSum),
    ("averaging", Algorithm::Averaging),
    ("plain-averaging", Algorithm::Plain),
    ("count", Algorithm::Count),
    ("extrema", Algorithm::Extrema),
];

impl FromStr for Algorithm {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = ALGORITHMS.iter().find(|(name, _)| *name == text);
        known.map(|(_, algorithm)| *algorithm).ok_or_else(|| {
            let names: Vec<&str> = Algorithm::names().collect();
            format!("there is no algorithm {text:?}: it is one of {}", names.join(", "))
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ALGORITHMS.iter().find(|(_, algorithm)| algorithm == self).map_or("", |(name, _)| name);
        f.pad(name)
    }
}

impl Algorithm {
    /// All algorithms.
    pub fn all() -> Vec<Algorithm> {
        ALGORITHMS.map(|(_, algorithm)| algorithm).into()
    }

    /// All algorithms, by name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALGORITHMS.iter().map(|(name, _)| *name)
    }
}

/// The values that the nodes have.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Uniform in [0, 1).
    Uniform,
    /// 1 at the first node, 0 at all others.
    Peak,
}

/// The values by name.
static VALUES: [(&str, Values); 2] = [("uniform", Values::Uniform), ("peak", Values::Peak)];

/// The pairings by name.
static PAIRINGS: [(&str, Pairing); 4] = [
    ("steady", Pairing::Steady),
    ("cyclic", Pairing::Cyclic),
    ("poisson", Pairing::Poisson),
    ("matching", Pairing::Matching),
];

/// The experiment: the cluster, the network, and the number of runs.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// Number of nodes.
    pub nodes: u64,
    /// The protocol.
    pub algorithm: Algorithm,
    /// Push-sum and averaging: the values of the nodes.
    pub values: Values,
    /// Averaging and count: the time and the partner of a node's exchanges.
    pub pairing: Pairing,
    /// Count: mean number of nodes that lead a count of their own, a Poisson number; `None`: the first node alone leads.
    pub leaders: Option<f64>,
    /// Extrema: number of minima.
    pub numbers: usize,
    /// Number of rounds, all in one epoch.
    pub rounds: u32,
    /// Share of datagrams that are lost.
    pub loss: f64,
    /// Number of runs.
    pub runs: usize,
    /// The seed, from which the seed of each run is made.
    pub seed: u64,
    /// Latencies. `None`: synchronous rounds for push-sum and extrema; for averaging and count, whose exchanges must not overlap, 0.2 to 1 ms against
    /// rounds of [`Aggregate::PERIOD`].
    pub latency: Option<Latency>,
    /// Synchronous rounds for averaging and count, too: in a round all ask before any is answered.
    pub synchronous: bool,
    /// Number of random others that each node knows; `None`: all others.
    pub neighbours: Option<u64>,
    /// The graph of neighbours, in place of [`Aggregate::neighbours`]. A random graph is drawn anew for each run.
    pub topology: Option<Topology>,
    /// The threads of the simulation.
    pub threads: Threads,
}

impl Default for Aggregate {
    /// Averages of a thousand nodes for thirty rounds, each node beginning one exchange a round.
    fn default() -> Self {
        Aggregate {
            nodes: 1_000,
            algorithm: Algorithm::Averaging,
            values: Values::Uniform,
            pairing: Pairing::Cyclic,
            leaders: None,
            numbers: 100,
            rounds: 30,
            loss: 0.0,
            runs: 1,
            seed: 1,
            latency: None,
            synchronous: false,
            neighbours: None,
            topology: None,
            threads: Threads::default(),
        }
    }
}

/// Numbers of minima that extrema propagation can keep.
const NUMBERS: std::ops::RangeInclusive<usize> = extrema::NUMBERS_MIN..=extrema::NUMBERS_MAX;

impl Aggregate {
    /// A round.
    pub const PERIOD: Duration = Duration::from_secs(1);

    /// Refuses an experiment that is not sound.
    ///
    /// # Errors
    /// Names the flag, and a value that would do.
    pub fn check(&self) -> Result<(), String> {
        if self.nodes < 2 {
            return Err("an aggregate needs at least 2 nodes: give --nodes 2 or more".into());
        }
        if self.nodes > u64::from(u32::MAX) {
            return Err(format!("--nodes {}: the simulator has ids for {} at most", self.nodes, u32::MAX));
        }
        if self.runs == 0 || self.rounds == 0 {
            return Err("nothing to do: give --runs and --rounds 1 or more".into());
        }
        self.threads.check()?;
        if !(0.0..1.0).contains(&self.loss) {
            return Err(crate::flags::loss_refused(self.loss));
        }
        if self.neighbours.is_some_and(|known| known == 0 || known >= self.nodes) {
            return Err(
                "--neighbours is how many others a node knows: give 1 or more, and fewer than --nodes".into(),
            );
        }
        if self.neighbours.is_some() && self.pairing() == Some(Pairing::Matching) {
            return Err(
                "--pairing matching pairs all nodes, so that all must know all: leave --neighbours out"
                    .into(),
            );
        }
        if self.leaders.is_some_and(|leaders| !(leaders > 0.0 && leaders <= 30.0)) {
            return Err("--leaders is a mean number of counts: give more than 0, and 30 at most".into());
        }
        if self.algorithm == Algorithm::Extrema && !NUMBERS.contains(&self.numbers) {
            return Err(format!("--numbers {}: give {} to {}", self.numbers, NUMBERS.start(), NUMBERS.end()));
        }
        if let Some(topology) = &self.topology {
            topology.check(self.nodes)?;
        }
        settings::check(self)
    }

    /// Refuses the first of these flags that has no effect in this experiment.
    ///
    /// # Errors
    /// Names the flag, why it has no effect, and what would give it one.
    pub fn check_flags(&self, given: &[&str]) -> Result<(), String> {
        crate::flags::check(self, given)
    }

    /// The pairing, where the algorithm has one.
    fn pairing(&self) -> Option<Pairing> {
        matches!(self.algorithm, Algorithm::Averaging | Algorithm::Count).then_some(self.pairing)
    }

    /// Bytes of memory that a run needs, about.
    pub fn memory_bytes(&self) -> u64 {
        let edges = self.topology.as_ref().map_or(0, |topology| topology.node_bytes(self.nodes));
        self.nodes * (run::bytes_per_node(self) + edges)
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
    /// As [`Aggregate::check`].
    pub fn run(&self, progress: &mut dyn FnMut(&Progress)) -> Result<Outcome, String> {
        self.check()?;
        let mut all = Vec::with_capacity(self.runs);
        for r in 0..self.runs {
            all.push(run::run(self, mix(self.seed ^ mix(r as u64)), &mut |round| {
                progress(&Progress { run: r, runs: self.runs, round, rounds: self.rounds });
            }));
        }
        Ok(outcome::over(self, &all))
    }
}
