//! The outcome of an aggregation: its runs one by one, their means and percentiles.

use super::model::Theory;
use super::run::RunResult;
use super::{Aggregate, Algorithm};
use crate::stats::{Percentiles, Samples};
use rumormill_sim::Busy;
use serde::Serialize;

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
    /// Difference between the mean of all final estimates and the truth, as a share of the truth: mass lost or made; the largest of all runs. `None` for
    /// extrema, which has no mass.
    pub mass_error: Option<f64>,
    /// The standard deviation of this difference over the runs; 0 of a single run.
    pub mass_error_sd: Option<f64>,
    /// The standard deviation of the final estimates of all nodes, as a share of the truth.
    pub spread: f64,
    /// The round in which all nodes are first within a thousandth of the truth; the mean over the runs, `None` unless all runs reached it.
    pub rounds_to_thousandth: Option<f64>,
    /// Datagrams sent per node and round.
    pub messages: f64,
    /// Bytes of datagrams, headers included, sent per node and round.
    pub bytes: f64,
    /// Percentiles over the runs.
    pub percentiles: RunPercentiles,
    /// Factor of the mean squared error per round by theory, or the reason why there is none.
    pub theory: Theory,
    /// Each run.
    pub per_run: Vec<Run>,
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

/// Percentiles over the runs.
#[derive(Copy, Clone, Debug, Default, Serialize)]
pub struct RunPercentiles {
    /// Of the estimate.
    pub estimate: Percentiles,
    /// Of the largest relative error.
    pub max_relative_error: Percentiles,
    /// Of the mass lost or made; `None` for extrema.
    pub mass_error: Option<Percentiles>,
    /// Of the factor per round, over the runs that have one; `None` if no run has.
    pub factor_per_round: Option<Percentiles>,
    /// Of the rounds to a thousandth, over the runs that reached it; `None` if no run did.
    pub rounds_to_thousandth: Option<Percentiles>,
}

impl RunPercentiles {
    fn of(runs: &[Run]) -> RunPercentiles {
        let over = |of: fn(&Run) -> f64| Percentiles::of(runs.iter().map(of));
        let some = |of: fn(&Run) -> Option<f64>| {
            let known: Vec<f64> = runs.iter().filter_map(of).collect();
            (!known.is_empty()).then(|| Percentiles::of(known))
        };
        RunPercentiles {
            estimate: over(|run| run.estimate),
            max_relative_error: over(|run| run.max_relative_error),
            mass_error: some(|run| run.mass_error),
            factor_per_round: some(|run| run.factor_per_round),
            rounds_to_thousandth: some(|run| run.rounds_to_thousandth),
        }
    }
}

/// One run. The fields are those of the [`Outcome`].
#[derive(Clone, Debug, Default, Serialize)]
pub struct Run {
    /// Its number, from 0.
    pub run: usize,
    /// The true aggregate.
    pub truth: f64,
    /// The mean of the nodes' final estimates.
    pub estimate: f64,
    /// Factor of the mean squared error per round.
    pub factor_per_round: Option<f64>,
    /// The largest final relative error of any node.
    pub max_relative_error: f64,
    /// Mass lost or made, as a share of the truth.
    pub mass_error: Option<f64>,
    /// The standard deviation of the final estimates, as a share of the truth.
    pub spread: f64,
    /// The round in which all nodes are first within a thousandth of the truth.
    pub rounds_to_thousandth: Option<f64>,
    /// Datagrams sent per node and round.
    pub messages: f64,
    /// Bytes of datagrams per node and round.
    pub bytes: f64,
    /// Its digest.
    pub digest: String,
}

impl Run {
    fn new(run: usize, aggregate: &Aggregate, told: &RunResult) -> Run {
        let node_rounds = aggregate.nodes as f64 * f64::from(aggregate.rounds);
        Run {
            run,
            truth: told.truth,
            estimate: told.mean,
            factor_per_round: settled(aggregate.algorithm).and_then(|settled| told.factor(settled)),
            max_relative_error: told.worst.last().copied().unwrap_or(0.0),
            mass_error: mass_off(aggregate, told).map(f64::abs),
            spread: told.spread / told.truth,
            rounds_to_thousandth: told.worst.iter().position(|w| *w < 1e-3).map(|at| at as f64 + 1.0),
            messages: told.messages as f64 / node_rounds,
            bytes: told.bytes as f64 / node_rounds,
            digest: format!("{:016x}", told.digest),
        }
    }
}

impl Outcome {
    /// The runs as CSV, a line each; what a run has not is empty.
    pub fn csv(&self) -> String {
        let head = "run,truth,estimate,factor_per_round,max_relative_error,mass_error,spread,rounds_to_thousandth,messages,bytes,digest\n";
        let some = |figure: Option<f64>| figure.map_or_else(String::new, |figure| figure.to_string());
        let lines = self.per_run.iter().map(|run| {
            format!(
                "{},{},{},{},{},{},{},{},{},{},{}\n",
                run.run,
                run.truth,
                run.estimate,
                some(run.factor_per_round),
                run.max_relative_error,
                some(run.mass_error),
                run.spread,
                some(run.rounds_to_thousandth),
                run.messages,
                run.bytes,
                run.digest
            )
        });
        std::iter::once(head.to_owned()).chain(lines).collect()
    }
}

/// Mass made, as a share of the truth, lost if negative; `None` for extrema: the mean of its estimates keeps no sum.
fn mass_off(aggregate: &Aggregate, told: &RunResult) -> Option<f64> {
    (aggregate.algorithm != Algorithm::Extrema).then(|| told.mean / told.truth - 1.0)
}

/// The round from which on the error falls by a steady factor; `None` for extrema, whose error does not fall with the rounds.
fn settled(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::Averaging | Algorithm::Plain | Algorithm::Count => Some(2),
        Algorithm::PushSum => Some(5),
        Algorithm::Extrema => None,
    }
}

/// The outcome of these runs.
pub(super) fn over(aggregate: &Aggregate, all: &[RunResult]) -> Outcome {
    let over = |of: &dyn Fn(&RunResult) -> Option<f64>| all.iter().filter_map(of).collect::<Samples>();
    let estimates = over(&|told| Some(told.mean));
    let mass_off = |told: &RunResult| mass_off(aggregate, told);
    let off = over(&mass_off);
    let settled = settled(aggregate.algorithm);
    let factors = over(&|told| told.factor(settled?));
    let potentials = over(&|told| told.potential_factor);
    let worst = over(&|told| told.worst.last().copied());
    let spread = over(&|told| Some(told.spread / told.truth));
    let thousandth = over(&|told| told.worst.iter().position(|w| *w < 1e-3).map(|at| at as f64 + 1.0));
    let node_rounds = aggregate.nodes as f64 * f64::from(aggregate.rounds) * aggregate.runs as f64;
    let mean_curve = |of: &dyn Fn(&RunResult) -> &Vec<f64>| -> Vec<f64> {
        (0..aggregate.rounds as usize)
            .map(|at| all.iter().filter_map(|told| of(told).get(at)).sum::<f64>() / all.len() as f64)
            .collect()
    };
    let some = |samples: &Samples| (samples.count() > 0).then(|| samples.estimate().mean);
    let (estimate, runs) = (estimates.estimate(), aggregate.runs as f64);
    let per_run: Vec<Run> = all.iter().enumerate().map(|(at, told)| Run::new(at, aggregate, told)).collect();
    Outcome {
        nodes: aggregate.nodes,
        algorithm: aggregate.algorithm.to_string(),
        runs: aggregate.runs,
        seed: aggregate.seed,
        truth: all.iter().map(|told| told.truth).sum::<f64>() / runs,
        estimate: estimate.mean,
        estimate_sd: estimates.standard_deviation(),
        factor_per_round: some(&factors),
        potential_factor: some(&potentials),
        max_relative_error: worst.estimate().mean,
        mass_error: all.iter().filter_map(mass_off).map(f64::abs).reduce(f64::max),
        mass_error_sd: (off.count() > 0).then(|| off.standard_deviation()),
        spread: spread.estimate().mean,
        rounds_to_thousandth: some(&thousandth).filter(|_| thousandth.count() == aggregate.runs as u64),
        messages: all.iter().map(|told| told.messages as f64).sum::<f64>() / node_rounds,
        bytes: all.iter().map(|told| told.bytes as f64).sum::<f64>() / node_rounds,
        percentiles: RunPercentiles::of(&per_run),
        theory: aggregate.theory(),
        per_run,
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
