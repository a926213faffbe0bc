//! The aggregators' experiment: every node has a value, and all compute an aggregate of the values, by the real protocols on the simulator.
//!
//! | file | what it does |
//! | --- | --- |
//! | `mod` | the experiment, and its outcome |
//! | `run` | one run, which reads the estimates after each round |

mod run;

use crate::plot::{Draw, Plot};
use crate::stats::Samples;
use crate::theory::aggregate as theory;
use crate::threads::Threads;
use rumormill_core::rng::mix;
use rumormill_core::time::Duration;
use rumormill_protocols::sum::averaging::Pairing;
use rumormill_protocols::sum::extrema;
use rumormill_sim::{Busy, Latency};
pub use run::Progress;
use run::RunResult;
use serde::Serialize;
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
            threads: Threads::default(),
        }
    }
}

/// The outcome: means over the runs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Number of nodes.
    pub nodes: u64,
    /// The protocol.
    pub algorithm: String,
    /// Number of runs.
    pub runs: usize,
    /// The seed.
    pub seed: u64,
    /// The true aggregate.
    pub truth: f64,
    /// The nodes' final estimate, on average over nodes and runs.
    pub estimate: f64,
    /// The standard deviation over the runs of the mean estimate of a run.
    pub estimate_sd: f64,
    /// Factor of the mean squared error per round: a geometric mean over the rounds in which floating point numbers can show it, from the second round
    /// on, for push-sum from the fifth. For count it is that of the average that is inverted; `None` for extrema.
    pub factor_per_round: Option<f64>,
    /// Push-sum: mean factor of the potential per round.
    pub potential_factor: Option<f64>,
    /// The largest final relative error of any node; the mean over the runs.
    pub max_relative_error: f64,
    /// Difference between the mean of all final estimates and the truth, as a share of the truth: mass lost or made; the largest of all runs.
    pub mass_error: f64,
    /// The standard deviation of this difference over the runs; 0 of a single run.
    pub mass_error_sd: f64,
    /// The standard deviation of the final estimates of all nodes, as a share of the truth.
    pub spread: f64,
    /// The round in which all nodes are first within a thousandth of the truth; the mean over the runs, `None` unless all runs reached it.
    pub rounds_to_thousandth: Option<f64>,
    /// Datagrams sent per node and round.
    pub messages: f64,
    /// Bytes of datagrams, headers included, sent per node and round.
    pub bytes: f64,
    /// The standard errors of these means; 0 of a single run.
    pub standard_error: StandardErrors,
    /// The root of the mean squared relative error after 1, 2, ... rounds.
    pub curve: Vec<f64>,
    /// The largest relative error after 1, 2, ... rounds; infinite while a node cannot divide yet.
    pub worst: Vec<f64>,
    /// Inputs that nodes handled, in all runs.
    pub events: u64,
    /// A sum over all deliveries of a hash of time, sender, receiver and content, in hexadecimal.
    pub digest: String,
    /// CPU time of the threads, if it was measured.
    #[serde(skip)]
    pub busy: Busy,
}

/// Standard errors of an outcome's means.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StandardErrors {
    /// Of the estimate.
    pub estimate: f64,
    /// Of the standard deviation over the runs, if they are about normal.
    pub estimate_sd: f64,
    /// Of the factor.
    pub factor_per_round: f64,
    /// Of the potential's factor.
    pub potential_factor: f64,
    /// Of the largest error.
    pub max_relative_error: f64,
    /// Of the rounds to a thousandth.
    pub rounds_to_thousandth: f64,
    /// Of the spread.
    pub spread: f64,
}

/// Time that extrema propagation takes for a round.
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
        if self.synchronous && self.latency.is_some() {
            return Err("--synchronous rounds have no --latency: give one of them".into());
        }
        if !(0.0..1.0).contains(&self.loss) {
            return Err(format!("--loss {} is no part of all: give 0 or more, and less than 1", self.loss));
        }
        if self.neighbours.is_some_and(|known| known == 0 || known >= self.nodes) {
            return Err(
                "--neighbours is how many others a node knows: give 1 or more, and fewer than --nodes".into(),
            );
        }
        if self.neighbours.is_some() && self.pairing == Pairing::Matching {
            return Err(
                "--pairing matching pairs all nodes, so that all must know all: leave --neighbours out"
                    .into(),
            );
        }
        if self.leaders.is_some_and(|leaders| !(leaders > 0.0 && leaders <= 30.0)) {
            return Err("--leaders is a mean number of counts: give more than 0, and 30 at most".into());
        }
        if self.leaders.is_some() && self.algorithm != Algorithm::Count {
            return Err("--leaders are for --algorithm count".into());
        }
        if self.algorithm == Algorithm::Extrema && !NUMBERS.contains(&self.numbers) {
            return Err(format!("--numbers {}: give {} to {}", self.numbers, NUMBERS.start(), NUMBERS.end()));
        }
        Ok(())
    }

    /// Bytes of memory that a run needs, about.
    pub fn memory_bytes(&self) -> u64 {
        self.nodes * run::bytes_per_node(self)
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
        Ok(self.outcome(&all))
    }

    fn outcome(&self, all: &[RunResult]) -> Outcome {
        let over = |of: &dyn Fn(&RunResult) -> Option<f64>| all.iter().filter_map(of).collect::<Samples>();
        let estimates = over(&|told| Some(told.mean));
        let off = over(&|told| Some(told.mean / told.truth - 1.0));
        let settled = match self.algorithm {
            Algorithm::Averaging | Algorithm::Plain | Algorithm::Count => Some(2),
            Algorithm::PushSum => Some(5),
            Algorithm::Extrema => None,
        };
        let factors = over(&|told| told.factor(settled?));
        let potentials = over(&|told| told.potential_factor);
        let worst = over(&|told| told.worst.last().copied());
        let spread = over(&|told| Some(told.spread / told.truth));
        let thousandth = over(&|told| told.worst.iter().position(|w| *w < 1e-3).map(|at| at as f64 + 1.0));
        let node_rounds = self.nodes as f64 * f64::from(self.rounds) * self.runs as f64;
        let mean_curve = |of: &dyn Fn(&RunResult) -> &Vec<f64>| -> Vec<f64> {
            (0..self.rounds as usize)
                .map(|at| all.iter().filter_map(|told| of(told).get(at)).sum::<f64>() / all.len() as f64)
                .collect()
        };
        let some = |samples: &Samples| (samples.count() > 0).then(|| samples.estimate().mean);
        let (estimate, runs) = (estimates.estimate(), self.runs as f64);
        Outcome {
            nodes: self.nodes,
            algorithm: self.algorithm.to_string(),
            runs: self.runs,
            seed: self.seed,
            truth: all.iter().map(|told| told.truth).sum::<f64>() / runs,
            estimate: estimate.mean,
            estimate_sd: estimates.standard_deviation(),
            factor_per_round: some(&factors),
            potential_factor: some(&potentials),
            max_relative_error: worst.estimate().mean,
            mass_error: all.iter().map(|told| (told.mean / told.truth - 1.0).abs()).fold(0.0, f64::max),
            mass_error_sd: off.standard_deviation(),
            spread: spread.estimate().mean,
            rounds_to_thousandth: some(&thousandth).filter(|_| thousandth.count() == self.runs as u64),
            messages: all.iter().map(|told| told.messages as f64).sum::<f64>() / node_rounds,
            bytes: all.iter().map(|told| told.bytes as f64).sum::<f64>() / node_rounds,
            standard_error: StandardErrors {
                estimate: estimate.standard_error,
                estimate_sd: estimates.standard_deviation() / libm::sqrt(2.0 * (runs - 1.0).max(1.0)),
                factor_per_round: factors.estimate().standard_error,
                potential_factor: potentials.estimate().standard_error,
                max_relative_error: worst.estimate().standard_error,
                rounds_to_thousandth: thousandth.estimate().standard_error,
                spread: spread.estimate().standard_error,
            },
            curve: mean_curve(&|told| &told.curve),
            worst: mean_curve(&|told| &told.worst),
            events: all.iter().map(|told| told.events).sum(),
            digest: format!("{:016x}", all.iter().fold(0u64, |sum, told| sum.wrapping_add(told.digest))),
            busy: Busy {
                sum: all.iter().map(|told| told.busy.sum).sum(),
                longest: all.iter().map(|told| told.busy.longest).sum(),
            },
        }
    }

    /// Factor of the mean squared error per round by theory; `None` if there is no formula for it.
    pub fn theory(&self) -> Option<f64> {
        let averaging = matches!(self.algorithm, Algorithm::Averaging | Algorithm::Count);
        match self.pairing {
            _ if self.loss > 0.0 || self.neighbours.is_some() => None,
            _ if self.algorithm == Algorithm::PushSum => Some(theory::push_sum_factor(self.nodes as f64)),
            Pairing::Cyclic if averaging => Some(theory::averaging_factor_sequential()),
            Pairing::Poisson if averaging => Some(theory::averaging_factor_random()),
            Pairing::Matching if averaging => Some(theory::averaging_factor_matching()),
            _ => None,
        }
    }

    /// The picture of an outcome: the error over the rounds, and theory over it.
    pub fn plot(&self, outcome: &Outcome) -> Plot {
        let title = format!("{}: {} nodes, {} runs", self.algorithm, self.nodes, self.runs);
        let mut plot = Plot::new(title, "rounds", "relative error").log_y();
        let points = |curve: &[f64]| -> Vec<(f64, f64)> {
            curve.iter().enumerate().map(|(at, error)| (at as f64 + 1.0, *error)).collect()
        };
        plot.add("largest of all nodes", Draw::Line(points(&outcome.worst)));
        plot.add("root mean square", Draw::Line(points(&outcome.curve)));
        if let (Some(factor), Some(first)) = (self.theory(), outcome.curve.get(1)) {
            let law = (0..outcome.curve.len()).map(|at| first * libm::pow(factor, (at as f64 - 1.0) / 2.0));
            plot.add("theory", Draw::Dashed(points(&law.collect::<Vec<f64>>())));
        }
        plot
    }
}
