//! One update spreads from one node to all, by the real protocols, on the simulator: the experiment behind most of the papers' tables.
//!
//! | file | what it does |
//! | --- | --- |
//! | `mod` | the experiment, and its outcome |
//! | `strategy` | the protocol and its settings |
//! | `run` | one run, observed by the events of the nodes |

mod run;
mod strategy;

use crate::plot::{Draw, Plot};
use crate::stats::{Estimate, Samples};
use crate::theory;
use crate::threads::Threads;
use rumormill_core::rng::mix;
use rumormill_core::time::Duration;
use rumormill_protocols::kit::peer_selection::PeerSelection;
use rumormill_sim::{Busy, Latency};
pub use run::Progress;
pub(crate) use run::RunResult;
use serde::Serialize;
pub use strategy::{Counting, Removal, Strategy};

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

/// The outcome: means over the runs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Number of nodes.
    pub nodes: u64,
    /// The strategy.
    pub strategy: String,
    /// Number of runs.
    pub runs: usize,
    /// The seed.
    pub seed: u64,
    /// Share of the nodes that the update never reached.
    pub residue: f64,
    /// Times that the update was sent, per node: the traffic m of Demers 1987. As there, a push-pull contact of two nodes that know the update counts in both
    /// directions, though this protocol saves the second.
    pub traffic: f64,
    /// Times that sending the update was saved, per node.
    pub spared: f64,
    /// The round in which a node first heard the update, on average over the nodes that it reached.
    pub t_avg: f64,
    /// The round in which the last of these nodes heard it.
    pub t_last: f64,
    /// The same round in the slowest run.
    pub t_last_max: f64,
    /// The last round in which a node heard the update or still passed it on; for a strategy without end, the round in which all know.
    pub rounds: f64,
    /// Messages of every kind that were sent, per node: updates, requests, answers, refusals.
    pub messages: f64,
    /// Bytes of datagrams that were sent, per node, headers included.
    pub bytes: f64,
    /// Share of the runs that reached all nodes.
    pub all_reached: f64,
    /// Share of contacts that were accepted; 1 without a connection limit.
    pub accepted: f64,
    /// The standard errors of these means; 0 of a single run.
    pub standard_error: StandardErrors,
    /// Share of the nodes that know the update after 0, 1, ... rounds.
    pub curve: Vec<f64>,
    /// Inputs that nodes handled, in all runs.
    pub events: u64,
    /// Number of runs that were broken off at the upper bound on rounds.
    pub broken_off: usize,
    /// A sum over all deliveries of a hash of time, sender, receiver and content, in hexadecimal.
    pub digest: String,
    /// CPU time of the threads, if it was measured.
    #[serde(skip)]
    pub busy: Busy,
}

/// Standard errors of an outcome's means.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StandardErrors {
    /// Of the residue.
    pub residue: f64,
    /// Of the traffic.
    pub traffic: f64,
    /// Of t_avg.
    pub t_avg: f64,
    /// Of t_last.
    pub t_last: f64,
    /// Of the rounds.
    pub rounds: f64,
    /// Of the messages.
    pub messages: f64,
    /// Of the share of runs that reached all nodes.
    pub all_reached: f64,
    /// Of the accepted share.
    pub accepted: f64,
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
            return Err(format!("--loss {} is no part of all: give 0 or more, and less than 1", self.loss));
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
        if self.hunt > 0 && self.connection_limit.is_none() {
            return Err("--hunt tries refused contacts elsewhere, and without --connection-limit none is refused: give both".into());
        }
        self.threads.check()?;
        self.strategy.check(self)
    }

    /// Bytes of memory that a run needs, about: the state of all nodes, the simulator's own, and the messages in flight.
    pub fn memory_bytes(&self) -> u64 {
        self.nodes * strategy::node_bytes(self) as u64
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
        let mut all = Sums::default();
        for r in 0..self.runs {
            let result = strategy::run(self, mix(self.seed ^ mix(r as u64)), &mut |round, reached| {
                progress(&Progress { run: r, runs: self.runs, round, reached, nodes: self.nodes });
            });
            all.add(self.nodes, &result);
        }
        Ok(all.outcome(self))
    }

    /// The curve by the mean field: the share that knows after 0, 1, ... rounds; `None` if there is no formula for it.
    pub fn theory(&self, rounds: usize) -> Option<Vec<f64>> {
        use theory::{anti_entropy, epidemic};
        let n = self.nodes as f64;
        if self.connection_limit.is_some() || !matches!(self.choice, PeerSelection::Uniform) {
            return None;
        }
        let direction = match self.strategy {
            Strategy::Push if self.removal == Removal::None => {
                return Some(epidemic::push_curve(
                    n,
                    f64::from(self.fanout.unwrap_or(1)),
                    self.loss,
                    0.0,
                    rounds,
                ));
            }
            Strategy::Push
                if self.removal.has_feedback() && self.loss == 0.0 && self.fanout.unwrap_or(1) == 1 =>
            {
                let stages = epidemic::susceptible_infective_removed(n, f64::from(self.k), rounds, 50);
                return Some(stages.iter().map(|stage| 1.0 - stage.susceptible).collect());
            }
            _ if !self.strategy.never_ends(self) => return None,
            Strategy::AntiEntropyPush => anti_entropy::Direction::Push,
            Strategy::Pull | Strategy::AntiEntropyPull => anti_entropy::Direction::Pull,
            Strategy::PushPull | Strategy::AntiEntropy => anti_entropy::Direction::PushPull,
            _ => return None,
        };
        let clean = self.loss == 0.0 && self.fanout.unwrap_or(1) == 1;
        clean.then(|| anti_entropy::curve(direction, n).iter().map(|p| 1.0 - p).collect())
    }

    /// The picture of an outcome: its curve, and theory over it.
    pub fn plot(&self, outcome: &Outcome) -> Plot {
        let mut plot = Plot::new(
            format!("{}: {} nodes, {} runs", self.strategy, self.nodes, self.runs),
            "rounds",
            "part of the nodes that knows",
        );
        let points = |curve: &[f64]| curve.iter().enumerate().map(|(t, x)| (t as f64, *x)).collect();
        plot.add("simulated", Draw::Line(points(&outcome.curve)));
        if let Some(theory) = self.theory(outcome.curve.len()) {
            plot.add("mean field", Draw::Dashed(points(&theory)));
        }
        plot
    }
}

/// Sums over the runs.
#[derive(Default)]
struct Sums {
    residue: Samples,
    traffic: Samples,
    spared: Samples,
    t_avg: Samples,
    t_last: Samples,
    rounds: Samples,
    messages: Samples,
    bytes: Samples,
    all_reached: Samples,
    accepted: Samples,
    /// Informed nodes after each round, summed over the runs, with the number of these runs; a run that is over keeps its last value.
    curve: Vec<f64>,
    ended: f64,
    events: u64,
    broken_off: usize,
    digest: u64,
    busy: Busy,
}

impl Sums {
    fn add(&mut self, nodes: u64, result: &RunResult) {
        let n = nodes as f64;
        self.residue.add((nodes - result.reached) as f64 / n);
        self.traffic.add((result.updates + result.spared) as f64 / n);
        self.spared.add(result.spared as f64 / n);
        self.t_avg.add(result.rounds_sum / (result.reached.max(1)) as f64);
        self.t_last.add(result.last);
        self.rounds.add(result.rounds);
        self.messages.add(result.messages as f64 / n);
        self.bytes.add(result.bytes as f64 / n);
        self.all_reached.add(if result.reached == nodes { 1.0 } else { 0.0 });
        let tried = (result.contacts + result.refused).max(1);
        self.accepted.add(1.0 - result.refused as f64 / tried as f64);
        // A shorter run keeps its last value while a longer one goes on.
        let end = result.curve.last().copied().unwrap_or(0) as f64 / n;
        while self.curve.len() < result.curve.len() {
            self.curve.push(self.ended);
        }
        for (at, sum) in self.curve.iter_mut().enumerate() {
            *sum += result.curve.get(at).map_or(end, |reached| *reached as f64 / n);
        }
        self.ended += end;
        self.events += result.events;
        self.broken_off += usize::from(result.broken_off);
        self.digest = self.digest.wrapping_add(result.digest);
        self.busy.sum += result.busy.sum;
        self.busy.longest += result.busy.longest;
    }

    fn outcome(&self, epidemic: &Epidemic) -> Outcome {
        let all = |samples: &Samples| -> Estimate { samples.estimate() };
        Outcome {
            nodes: epidemic.nodes,
            strategy: epidemic.strategy.to_string(),
            runs: epidemic.runs,
            seed: epidemic.seed,
            residue: all(&self.residue).mean,
            traffic: all(&self.traffic).mean,
            spared: all(&self.spared).mean,
            t_avg: all(&self.t_avg).mean,
            t_last: all(&self.t_last).mean,
            t_last_max: all(&self.t_last).max,
            rounds: all(&self.rounds).mean,
            messages: all(&self.messages).mean,
            bytes: all(&self.bytes).mean,
            all_reached: all(&self.all_reached).mean,
            accepted: all(&self.accepted).mean,
            standard_error: StandardErrors {
                residue: all(&self.residue).standard_error,
                traffic: all(&self.traffic).standard_error,
                t_avg: all(&self.t_avg).standard_error,
                t_last: all(&self.t_last).standard_error,
                rounds: all(&self.rounds).standard_error,
                messages: all(&self.messages).standard_error,
                all_reached: all(&self.all_reached).standard_error,
                accepted: all(&self.accepted).standard_error,
            },
            curve: self.curve.iter().map(|sum| sum / epidemic.runs as f64).collect(),
            events: self.events,
            broken_off: self.broken_off,
            digest: format!("{:016x}", self.digest),
            busy: self.busy,
        }
    }
}
