//! SWIM's and Lifeguard's experiments: first detection, load per member, false deaths under pauses, partitions that heal.
//!
//! Each run builds a cluster by joining, waits until all views agree, and then carries the [`Experiment`] out in this order: members pause or stop
//! again and again, the cluster is cut and heals, members crash. Figures are means over the runs.

mod cluster;
mod failures;
mod flags;
mod run;

use crate::stats::quantile;
pub use cluster::{Cluster, Node, card_for};
use rumormill_core::rng::mix;
use rumormill_core::time::Duration;
use rumormill_protocols::member::swim::Config;
use serde::Serialize;

/// The experiment: the cluster, its faults, and the number of runs.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Number of members.
    pub nodes: usize,
    /// The seed, from which the seed of each run is made.
    pub seed: u64,
    /// Number of runs.
    pub runs: usize,
    /// Share of datagrams that are lost.
    pub loss: f64,
    /// Number of members that crash, all at the start of one period.
    pub kill: usize,
    /// Members whose sends and receives queue for a time, again and again, while their timers run (Dadgar 2018, section V-A).
    pub pause: Option<Stall>,
    /// Members that stand still for a time, again and again.
    pub stop: Option<Stall>,
    /// The share of the members that is cut off from the rest, and the length of the cut.
    pub partition: Option<(f64, Duration)>,
    /// Time for which the cluster is watched (with pauses: paused); by default 30 periods, 60 with pauses.
    pub time: Option<Duration>,
    /// Lifeguard's three parts.
    pub lifeguard: bool,
    /// Whether a failed probe suspects a member before marking it as failed.
    pub suspicion: bool,
    /// Whether members probe by turns, each another member.
    pub turns: bool,
    /// Synchronous rounds in place of latencies.
    pub synchronous: bool,
    /// SWIM's other settings.
    pub config: Config,
}

impl Default for Experiment {
    fn default() -> Self {
        Experiment {
            nodes: 100,
            seed: 1,
            runs: 1,
            loss: 0.0,
            kill: 0,
            pause: None,
            stop: None,
            partition: None,
            time: None,
            lifeguard: true,
            suspicion: true,
            turns: true,
            synchronous: false,
            config: Config::lan(),
        }
    }
}

/// Repeated stalls of a share of the members, with a time of running between two stalls.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Stall {
    /// The share of the members, always the same ones.
    pub fraction: f64,
    /// Shortest stall.
    pub min: Duration,
    /// Longest stall.
    pub max: Duration,
    /// Time between two stalls.
    pub run: Duration,
}

/// The outcome: means over the runs, unless stated otherwise.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Number of members.
    pub nodes: usize,
    /// The seed.
    pub seed: u64,
    /// Number of runs.
    pub runs: usize,
    /// Seconds of one protocol period.
    pub period_s: f64,
    /// Seconds from the first start until all views agreed.
    pub joined_s: f64,
    /// The period, counted from 1 at the crash, whose probe of the crashed member first fails.
    pub first_detection_periods: Option<f64>,
    /// The greatest such period of all runs.
    pub first_detection_periods_max: Option<u64>,
    /// Periods from the crash until all live members have marked the crashed one as failed.
    pub all_know_periods: Option<f64>,
    /// The median of these over all crashes.
    pub all_know_periods_median: Option<f64>,
    /// Their 99th percentile.
    pub all_know_periods_p99: Option<f64>,
    /// Their greatest.
    pub all_know_periods_max: Option<f64>,
    /// Periods from a crash of several members until all live members have marked the last of them as failed: the median over the runs.
    pub last_known_periods_median: Option<f64>,
    /// Datagrams sent by a member in a period, after the cluster has converged, all kinds included.
    pub messages_per_node_period: f64,
    /// Bytes sent by a member in a second, datagrams and streams, with all headers.
    pub bytes_per_node_s: f64,
    /// Times that a member which was never stalled marked another such member as failed: once for each incarnation of that member, however many
    /// observers did.
    pub false_deaths: f64,
    /// The sum of `false_deaths` over all runs.
    pub false_deaths_total: u64,
    /// The same, with each observer counted.
    pub false_death_events: f64,
    /// `failed` events about a running member, at an observer that neither the partition nor a stall ever separated from it: raw
    /// events of all runs, from the first start on.
    pub never_separated_failed: u64,
    /// Seconds from the healing of the partition until no observer marked a running member as failed any more.
    pub stale_failed_s: Option<f64>,
    /// The greatest of these in all runs.
    pub stale_failed_s_max: Option<f64>,
    /// Seconds from the healing of the partition until all views agreed again.
    pub remerged_s: Option<f64>,
    /// The greatest of these in all runs.
    pub remerged_s_max: Option<f64>,
    /// Whether at the end of every run each live member's view was the true set of live members.
    pub converged: bool,
    /// A sum over all deliveries of a hash of time, sender, receiver and content, in hexadecimal.
    pub digest: String,
}

/// The outcome of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunOutcome {
    joined_s: f64,
    first_detections: Vec<u64>,
    all_know: Vec<f64>,
    messages_per_node_period: f64,
    bytes_per_node_s: f64,
    false_deaths: u64,
    false_death_events: u64,
    never_separated_failed: u64,
    stale_failed_s: Option<f64>,
    remerged_s: Option<f64>,
    converged: bool,
    digest: u64,
}

impl Experiment {
    /// Refuses an experiment that is not sound: says what is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.nodes < 2 {
            return Err("a cluster needs at least 2 nodes: give --nodes 2 or more".into());
        }
        if self.runs == 0 {
            return Err("no runs: give --runs 1 or more".into());
        }
        if !(0.0..1.0).contains(&self.loss) {
            return Err(crate::flags::loss_refused(self.loss));
        }
        if self.kill + 2 > self.nodes {
            return Err(format!(
                "--kill {} leaves fewer than 2 of {} nodes: kill fewer",
                self.kill, self.nodes
            ));
        }
        for stall in self.pause.iter().chain(&self.stop) {
            if !(0.0..=1.0).contains(&stall.fraction) || stall.min > stall.max || stall.max.is_zero() {
                return Err("a pause needs FRACTION between 0 and 1 and MIN_S <= MAX_S, MAX_S above 0".into());
            }
        }
        if let Some((fraction, _)) = self.partition
            && !(0.0..=1.0).contains(&fraction)
        {
            return Err(format!("--partition {fraction}: the fraction lies between 0 and 1"));
        }
        // About 64 bytes a row, as much again in tables, in each of n views.
        let bytes = (self.nodes as u64).pow(2) * 160;
        if bytes > 16 << 30 {
            return Err(format!(
                "{} nodes that each know all others need about {} GiB: use fewer nodes",
                self.nodes,
                bytes >> 30
            ));
        }
        Ok(())
    }

    /// Refuses the first of these flags that has no effect in this experiment.
    ///
    /// # Errors
    /// Names the flag, why it has no effect, and what would give it one.
    pub fn check_flags(&self, given: &[&str]) -> Result<(), String> {
        crate::flags::check(self, given)
    }

    /// Runs the experiment. `progress` gets the number of finished runs.
    ///
    /// # Errors
    /// As [`Experiment::check`].
    pub fn run(&self, mut progress: impl FnMut(usize)) -> Result<Outcome, String> {
        self.check()?;
        let mut runs = Vec::with_capacity(self.runs);
        for r in 0..self.runs {
            runs.push(run::run(self, mix(self.seed ^ mix(r as u64))));
            progress(r + 1);
        }
        Ok(self.summary(&runs))
    }

    fn summary(&self, runs: &[RunOutcome]) -> Outcome {
        let n = runs.len() as f64;
        let mean = |of: &dyn Fn(&RunOutcome) -> f64| runs.iter().map(of).sum::<f64>() / n;
        let first: Vec<u64> = runs.iter().flat_map(|run| run.first_detections.iter().copied()).collect();
        let sorted = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all
        };
        let all_know = sorted(runs.iter().flat_map(|run| run.all_know.iter().copied()).collect());
        let last_known =
            sorted(runs.iter().filter_map(|run| run.all_know.iter().copied().reduce(f64::max)).collect());
        let mean_of = |all: &[f64]| (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64);
        // A cluster that did not heal has no time for it, and has not converged either.
        let of_all = |of: &dyn Fn(&RunOutcome) -> Option<f64>| {
            let all: Vec<f64> = runs.iter().filter_map(of).collect();
            if all.len() == runs.len() { all } else { Vec::new() }
        };
        let most_of = |all: &[f64]| all.iter().copied().reduce(f64::max);
        let (remerged, stale) = (of_all(&|run| run.remerged_s), of_all(&|run| run.stale_failed_s));
        Outcome {
            nodes: self.nodes,
            seed: self.seed,
            runs: self.runs,
            period_s: self.config.period.as_secs_f64(),
            joined_s: mean(&|run| run.joined_s),
            first_detection_periods: mean_of(&first.iter().map(|&p| p as f64).collect::<Vec<_>>()),
            first_detection_periods_max: first.iter().copied().max(),
            all_know_periods: mean_of(&all_know),
            all_know_periods_median: quantile(&all_know, 0.5),
            all_know_periods_p99: quantile(&all_know, 0.99),
            all_know_periods_max: most_of(&all_know),
            last_known_periods_median: quantile(&last_known, 0.5),
            messages_per_node_period: mean(&|run| run.messages_per_node_period),
            bytes_per_node_s: mean(&|run| run.bytes_per_node_s),
            false_deaths: mean(&|run| run.false_deaths as f64),
            false_deaths_total: runs.iter().map(|run| run.false_deaths).sum(),
            false_death_events: mean(&|run| run.false_death_events as f64),
            never_separated_failed: runs.iter().map(|run| run.never_separated_failed).sum(),
            stale_failed_s: mean_of(&stale),
            stale_failed_s_max: most_of(&stale),
            remerged_s: mean_of(&remerged),
            remerged_s_max: most_of(&remerged),
            converged: runs.iter().all(|run| run.converged),
            digest: format!("{:016x}", runs.iter().fold(0u64, |sum, run| sum.wrapping_add(run.digest))),
        }
    }
}
