//! One run.

use super::cluster::Cluster;
use super::{Experiment, RunOutcome, Stall};
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Duration, Time};
use rumormill_protocols::member::swim::Event;
use std::collections::{BTreeMap, BTreeSet};

/// Upper bound on the time to form the cluster.
const JOIN_LIMIT: Duration = Duration::from_secs(120);
/// Upper bound on the time until all views agree after a fault.
const AGREE_LIMIT: Duration = Duration::from_secs(600);
/// Time for the effects of a fault to end before the load is measured.
const QUIET: Duration = Duration::from_secs(10);

/// One run of `experiment`.
pub(super) fn run(experiment: &Experiment, seed: u64) -> RunOutcome {
    let mut cluster = Cluster::new(experiment, seed);
    let period = cluster.config.period;
    let mut outcome = RunOutcome::default();
    let joined = cluster.converge(JOIN_LIMIT);
    outcome.joined_s = joined.unwrap_or(cluster.sim.now()).as_secs_f64();
    if experiment.kill == 0 {
        cluster.run_for(QUIET);
    }
    run_to_boundary(&mut cluster);
    cluster.count_anew();
    let (before, start) = (cluster.sim.total(), cluster.sim.now());

    let stalls = experiment.pause.is_some() || experiment.stop.is_some();
    let time = experiment.time.unwrap_or(period * if stalls { 60 } else { 30 });
    if stalls {
        stall(&mut cluster, experiment, time);
    }
    if let Some((fraction, cut_for)) = experiment.partition {
        outcome.remerged_s = partition(&mut cluster, fraction, cut_for);
    }
    if experiment.kill > 0 {
        kill(&mut cluster, experiment.kill, &mut outcome);
    }
    if let Some(rest) = (start + time).since(cluster.sim.now()).checked_sub(Duration::ZERO)
        && (experiment.kill == 0 || experiment.time.is_some())
    {
        cluster.run_for(rest);
    }

    let (after, end) = (cluster.sim.total(), cluster.sim.now());
    let node_seconds = end.since(start).as_secs_f64().max(f64::MIN_POSITIVE) * experiment.nodes as f64;
    let datagrams = (after.datagrams_sent - before.datagrams_sent) as f64;
    outcome.messages_per_node_period = datagrams / node_seconds * period.as_secs_f64();
    outcome.bytes_per_node_s = (after.bytes_sent() - before.bytes_sent()) as f64 / node_seconds;
    outcome.converged = joined.is_some() && cluster.agree(AGREE_LIMIT).is_some();
    cluster.note_false_deaths();
    outcome.false_deaths = cluster.false_deaths.len() as u64;
    outcome.false_death_events = cluster.false_death_events();
    outcome.never_separated_failed = cluster.failures.never_separated();
    outcome.stale_failed_s = cluster.failures.stale_s();
    outcome.digest = cluster.sim.digest();
    outcome
}

/// Periods begin at multiples of their length; this stops just before one, so that the next action is at its start.
fn run_to_boundary(cluster: &mut Cluster) {
    let period = cluster.config.period.as_nanos() as u64;
    let now = cluster.sim.now().0;
    cluster.run_for(Duration::from_nanos(period - 1 - now % period));
}

/// Members stall again and again, for `time` in all.
fn stall(cluster: &mut Cluster, experiment: &Experiment, time: Duration) {
    #[derive(Copy, Clone, PartialEq)]
    enum How {
        Pause,
        Stop,
    }
    let mut turns: Vec<(Time, NodeId, How, Stall, bool)> = Vec::new(); // next turn, who, how, stalled now
    for (how, stall) in [(How::Pause, experiment.pause), (How::Stop, experiment.stop)] {
        let Some(stall) = stall else { continue };
        for id in cluster.draw(stall.fraction) {
            cluster.stalled.insert(id);
            cluster.failures.break_down([id]);
            let first = cluster.sim.now() + cluster.rng.within(stall.run);
            turns.push((first, id, how, stall, false));
        }
    }
    let end = cluster.sim.now() + time;
    while let Some(turn) = turns.iter_mut().filter(|turn| turn.0 < end).min_by_key(|turn| (turn.0, turn.1)) {
        let (at, id, how, stall, stalled) = *turn;
        let next = if stalled { stall.run } else { stall.min + cluster.rng.within(stall.max - stall.min) };
        (turn.0, turn.4) = (at + next, !stalled);
        cluster.run_for(at.since(cluster.sim.now()));
        match (how, stalled) {
            (How::Pause, false) => cluster.sim.block(id),
            (How::Pause, true) => cluster.sim.unblock(id),
            (How::Stop, false) => cluster.sim.freeze(id),
            (How::Stop, true) => cluster.sim.thaw(id),
        }
        cluster.note_false_deaths();
    }
    cluster.run_for(end.since(cluster.sim.now()));
    for (_, id, how, _, stalled) in turns {
        match (how, stalled) {
            (How::Pause, true) => cluster.sim.unblock(id),
            (How::Stop, true) => cluster.sim.thaw(id),
            (_, false) => {}
        }
    }
}

/// A share of the members is cut off for a while; returns the seconds from the healing until the views agree.
fn partition(cluster: &mut Cluster, fraction: f64, cut_for: Duration) -> Option<f64> {
    let apart: BTreeSet<NodeId> = cluster.draw(fraction).into_iter().collect();
    cluster.failures.cut(&apart);
    cluster.sim.partition(move |a, b| apart.contains(&a) != apart.contains(&b));
    cluster.run_for(cut_for);
    cluster.sim.heal();
    // Failures that the two sides reported during the cut are no false deaths: no member could know better.
    cluster.count_anew();
    let healed = cluster.sim.now();
    cluster.failures.heal(healed);
    cluster.agree(AGREE_LIMIT).map(|at| at.since(healed).as_secs_f64())
}

/// Members crash at the start of a period; waits until all others know.
fn kill(cluster: &mut Cluster, count: usize, outcome: &mut RunOutcome) {
    run_to_boundary(cluster);
    let crash = cluster.sim.now() + Duration::from_nanos(1);
    let period = cluster.config.period;
    let mut victims: Vec<NodeId> = cluster.draw(1.0);
    victims.truncate(count);
    cluster.failures.break_down(victims.iter().copied());
    victims.iter().for_each(|id| cluster.sim.crash(*id));
    cluster.note_false_deaths();
    cluster.agree(AGREE_LIMIT);
    let live = cluster.sim.live_ids().count();
    for (first_probe, knew, last) in detections(cluster, &victims).into_values() {
        if let Some(started) = first_probe {
            let whole = started.since(crash).as_nanos() / period.as_nanos();
            outcome.first_detections.push(whole as u64 + 1);
        }
        if knew >= live {
            outcome.all_know.push(last.since(crash).as_secs_f64() / period.as_secs_f64());
        }
    }
}

/// For each crashed member: the start of the first probe that failed, the number of members that marked it as failed, and the time of the last of them.
fn detections(cluster: &Cluster, victims: &[NodeId]) -> BTreeMap<NodeId, (Option<Time>, usize, Time)> {
    let mut all: BTreeMap<_, _> = victims.iter().map(|id| (*id, (None, 0, Time::ZERO))).collect();
    for seen in &cluster.seen {
        match seen.what {
            Event::ProbeFailed { target, started } => {
                if let Some((first, ..)) = all.get_mut(&target) {
                    *first = Some(first.map_or(started, |first: Time| first.min(started)));
                }
            }
            Event::Failed(id) => {
                if let Some((_, knew, last)) = all.get_mut(&id) {
                    (*knew, *last) = (*knew + 1, seen.at.max(*last));
                }
            }
            _ => {}
        }
    }
    all
}
