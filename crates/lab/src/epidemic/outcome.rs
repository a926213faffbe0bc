//! The outcome of an epidemic: its runs one by one, their means and percentiles.

use super::model::Theory;
use super::run::RunResult;
use super::{Epidemic, TAKEN_OFF};
use crate::stats::{Percentiles, Samples};
use rumormill_sim::Busy;
use serde::Serialize;

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
    /// Percentiles over the runs.
    pub percentiles: RunPercentiles,
    /// Number of runs whose update died out before it took off: it ended at less than [`TAKEN_OFF`] of the nodes.
    pub extinct: usize,
    /// Means over the other runs; `None` if there are none.
    pub taken_off: Option<TakenOff>,
    /// Share of the nodes that know the update after 0, 1, ... rounds.
    pub curve: Vec<f64>,
    /// Theory for the same rounds, or the reason why there is none.
    pub theory: Theory,
    /// Each run.
    pub per_run: Vec<Run>,
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

/// Percentiles over the runs.
#[derive(Copy, Clone, Debug, Default, Serialize)]
pub struct RunPercentiles {
    /// Of the residue.
    pub residue: Percentiles,
    /// Of the traffic.
    pub traffic: Percentiles,
    /// Of t_avg.
    pub t_avg: Percentiles,
    /// Of t_last.
    pub t_last: Percentiles,
    /// Of the rounds.
    pub rounds: Percentiles,
    /// Of the messages.
    pub messages: Percentiles,
}

/// Means over the runs that took off.
#[derive(Copy, Clone, Debug, Default, Serialize)]
pub struct TakenOff {
    /// Number of these runs.
    pub runs: u64,
    /// Share of the nodes that the update never reached.
    pub residue: f64,
    /// Its standard error.
    pub residue_error: f64,
    /// The round in which the last node heard it.
    pub t_last: f64,
}

/// One run. The fields are those of the [`Outcome`].
#[derive(Clone, Debug, Default, Serialize)]
pub struct Run {
    /// Its number, from 0.
    pub run: usize,
    /// Number of nodes that heard the update, the first included.
    pub reached: u64,
    /// Share of the nodes that did not.
    pub residue: f64,
    /// Updates sent or saved per node.
    pub traffic: f64,
    /// Updates saved per node.
    pub spared: f64,
    /// Mean round of the first hearing.
    pub t_avg: f64,
    /// Round of the last first hearing.
    pub t_last: f64,
    /// The last round with an interest in the update.
    pub rounds: f64,
    /// Messages per node.
    pub messages: f64,
    /// Bytes per node.
    pub bytes: f64,
    /// Share of contacts that were accepted.
    pub accepted: f64,
    /// Whether the update died out before it took off.
    pub extinct: bool,
    /// Whether the run was broken off at the upper bound on rounds.
    pub broken_off: bool,
    /// Its digest.
    pub digest: String,
}

impl Run {
    fn new(run: usize, nodes: u64, result: &RunResult) -> Run {
        let n = nodes as f64;
        let tried = (result.contacts + result.refused).max(1);
        Run {
            run,
            reached: result.reached,
            residue: (nodes - result.reached) as f64 / n,
            traffic: (result.updates + result.spared) as f64 / n,
            spared: result.spared as f64 / n,
            t_avg: result.rounds_sum / (result.reached.max(1)) as f64,
            t_last: result.last,
            rounds: result.rounds,
            messages: result.messages as f64 / n,
            bytes: result.bytes as f64 / n,
            accepted: 1.0 - result.refused as f64 / tried as f64,
            extinct: !result.broken_off && (result.reached as f64) < TAKEN_OFF * n,
            broken_off: result.broken_off,
            digest: format!("{:016x}", result.digest),
        }
    }
}

impl Outcome {
    /// The runs as CSV, a line each.
    pub fn csv(&self) -> String {
        let head = "run,reached,residue,traffic,spared,t_avg,t_last,rounds,messages,bytes,accepted,extinct,broken_off,digest\n";
        let lines = self.per_run.iter().map(|run| {
            format!(
                "{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
                run.run,
                run.reached,
                run.residue,
                run.traffic,
                run.spared,
                run.t_avg,
                run.t_last,
                run.rounds,
                run.messages,
                run.bytes,
                run.accepted,
                run.extinct,
                run.broken_off,
                run.digest
            )
        });
        std::iter::once(head.to_owned()).chain(lines).collect()
    }
}

/// The runs so far.
#[derive(Default)]
pub(super) struct Runs {
    all: Vec<Run>,
    /// Share of informed nodes after each round, summed over the runs; a run that is over keeps its last value.
    curve: Vec<f64>,
    ended: f64,
    events: u64,
    digest: u64,
    busy: Busy,
}

impl Runs {
    pub fn add(&mut self, nodes: u64, result: &RunResult) {
        let n = nodes as f64;
        self.all.push(Run::new(self.all.len(), nodes, result));
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
        self.digest = self.digest.wrapping_add(result.digest);
        self.busy.sum += result.busy.sum;
        self.busy.longest += result.busy.longest;
    }

    fn over(&self, of: fn(&Run) -> f64) -> Samples {
        self.all.iter().map(of).collect()
    }

    fn mean(&self, of: fn(&Run) -> f64) -> f64 {
        self.over(of).estimate().mean
    }

    fn error(&self, of: fn(&Run) -> f64) -> f64 {
        self.over(of).estimate().standard_error
    }

    fn percentiles(&self, of: fn(&Run) -> f64) -> Percentiles {
        Percentiles::of(self.all.iter().map(of))
    }

    fn standard_errors(&self) -> StandardErrors {
        StandardErrors {
            residue: self.error(|run| run.residue),
            traffic: self.error(|run| run.traffic),
            t_avg: self.error(|run| run.t_avg),
            t_last: self.error(|run| run.t_last),
            rounds: self.error(|run| run.rounds),
            messages: self.error(|run| run.messages),
            all_reached: self.error(all_reached),
            accepted: self.error(|run| run.accepted),
        }
    }

    fn run_percentiles(&self) -> RunPercentiles {
        RunPercentiles {
            residue: self.percentiles(|run| run.residue),
            traffic: self.percentiles(|run| run.traffic),
            t_avg: self.percentiles(|run| run.t_avg),
            t_last: self.percentiles(|run| run.t_last),
            rounds: self.percentiles(|run| run.rounds),
            messages: self.percentiles(|run| run.messages),
        }
    }

    fn taken_off(&self) -> Option<TakenOff> {
        let others = || self.all.iter().filter(|run| !run.extinct);
        let residue = others().map(|run| run.residue).collect::<Samples>().estimate();
        let t_last = others().map(|run| run.t_last).collect::<Samples>().estimate().mean;
        let (runs, residue_error) = (residue.count, residue.standard_error);
        (runs > 0).then_some(TakenOff { runs, residue: residue.mean, residue_error, t_last })
    }

    pub fn outcome(self, epidemic: &Epidemic) -> Outcome {
        let curve: Vec<f64> = self.curve.iter().map(|sum| sum / epidemic.runs as f64).collect();
        Outcome {
            nodes: epidemic.nodes,
            strategy: epidemic.strategy.to_string(),
            runs: epidemic.runs,
            seed: epidemic.seed,
            residue: self.mean(|run| run.residue),
            traffic: self.mean(|run| run.traffic),
            spared: self.mean(|run| run.spared),
            t_avg: self.mean(|run| run.t_avg),
            t_last: self.mean(|run| run.t_last),
            t_last_max: self.over(|run| run.t_last).estimate().max,
            rounds: self.mean(|run| run.rounds),
            messages: self.mean(|run| run.messages),
            bytes: self.mean(|run| run.bytes),
            all_reached: self.mean(all_reached),
            accepted: self.mean(|run| run.accepted),
            standard_error: self.standard_errors(),
            percentiles: self.run_percentiles(),
            extinct: self.all.iter().filter(|run| run.extinct).count(),
            taken_off: self.taken_off(),
            theory: epidemic.theory(curve.len().saturating_sub(1)),
            curve,
            events: self.events,
            broken_off: self.all.iter().filter(|run| run.broken_off).count(),
            digest: format!("{:016x}", self.digest),
            busy: self.busy,
            per_run: self.all,
        }
    }
}

fn all_reached(run: &Run) -> f64 {
    if run.residue == 0.0 { 1.0 } else { 0.0 }
}
