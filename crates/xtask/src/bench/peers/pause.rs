//! Members marked as failed while a tenth of the members is stopped and continued again and again, with or without packet loss. A never-stopped member that a
//! never-stopped one marks as failed is a false death; the deaths of the stopped ones are told apart.

use super::Bench;
use super::cluster::Cluster;
use super::lines::What;
use super::net::Fault;
use super::plan::Row;
use super::record::Change;
use crate::bench::sides::{Side, Vitals};
use anyhow::{Context, Result};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::SplitMix64;
use rustix::process::Signal;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// One in so many is paused again and again (issue).
const ONE_IN: usize = 10;
/// How long it is stopped at least and at most, in milliseconds, drawn each time (our guess: some too short for a death, some long enough).
const STOPPED_MS: (u64, u64) = (2_000, 16_000);
/// How long it runs in between, in milliseconds.
const RUNS_MS: u64 = 1_000;
/// What was decided in the last moment is still heard for so long.
const REST: Duration = Duration::from_secs(2);

/// Measures one cluster.
pub fn run(bench: &mut Bench, row: Row, side: &Side, n: usize, trial: usize) -> Result<()> {
    let cluster = Cluster::start(side, n, Vitals::On, &bench.place.base, bench.place.net.is_some())?;
    cluster.converge()?;
    let loss_percent = row.loss_percent();
    if loss_percent > 0 {
        let net = bench.place.net.as_ref().context("losing packets needs root")?;
        net.set(Fault { loss_percent, cut: None })?;
    }
    let since = cluster.observer.record().changes.len();
    let mut draw = SplitMix64::seed_from_u64(bench.plan.seed ^ (n * 1_000 + trial) as u64);
    let stopped: Vec<usize> = (1..=(n / ONE_IN).max(1)).collect();
    let stops = again_and_again(&cluster, &stopped, bench.plan.pause, &mut draw)?;
    std::thread::sleep(REST);
    if let Some(net) = &bench.place.net {
        net.set(Fault::default())?;
    }
    let deaths = Deaths::of(&cluster.observer.record().changes[since..], &stopped);
    let per_observer = deaths.of_stopped as f64 / (n - stopped.len()) as f64;
    let figures = json!({
        "seconds": bench.plan.pause.as_secs_f64(), "stopped": stopped.len(), "stops": stops, "loss_percent": loss_percent,
        "false_members": deaths.false_members, "false_reports": deaths.false_reports, "stopped_deaths": per_observer,
    });
    bench.note(row, side, n, trial, figures);
    bench.complain(&cluster);
    Ok(())
}

/// Stops and continues these members, each by a clock of its own; returns how often one was stopped.
fn again_and_again(
    cluster: &Cluster,
    members: &[usize],
    length: Duration,
    draw: &mut SplitMix64,
) -> Result<usize> {
    let (start, mut stops) = (Instant::now(), 0);
    let mut plans: Vec<(Instant, bool)> = members.iter().map(|_| (start, false)).collect();
    while start.elapsed() < length {
        for (nth, (next, is_stopped)) in members.iter().zip(&mut plans) {
            if *next > Instant::now() {
                continue;
            }
            let (least, most) = STOPPED_MS;
            let (signal, ms) = match *is_stopped {
                true => (Signal::CONT, RUNS_MS),
                false => (Signal::STOP, least + draw.next_u64() % (most - least)),
            };
            cluster.signal(*nth, signal)?;
            stops += usize::from(!*is_stopped);
            *is_stopped = !*is_stopped;
            *next += Duration::from_millis(ms);
        }
        let next = plans.iter().map(|(next, _)| *next).min().unwrap_or(start);
        let left = length.saturating_sub(start.elapsed());
        std::thread::sleep(next.saturating_duration_since(Instant::now()).min(left));
    }
    members.iter().try_for_each(|nth| cluster.signal(*nth, Signal::CONT))?;
    Ok(stops)
}

/// What never-stopped members said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Deaths {
    /// Never-stopped members that any of them marked as failed.
    false_members: usize,
    /// How often one of them marked a never-stopped one as failed.
    false_reports: usize,
    /// How often one of them marked a stopped one as failed.
    of_stopped: usize,
}

impl Deaths {
    fn of(changes: &[Change], stopped: &[usize]) -> Deaths {
        let by_healthy = changes.iter().filter(|c| c.what == What::Failed && !stopped.contains(&c.by));
        let (about_stopped, about_healthy): (Vec<&Change>, Vec<&Change>) =
            by_healthy.partition(|change| stopped.contains(&change.whom));
        let members: BTreeSet<usize> = about_healthy.iter().map(|change| change.whom).collect();
        Deaths {
            false_members: members.len(),
            false_reports: about_healthy.len(),
            of_stopped: about_stopped.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_never_stopped_members_say_counts() {
        let says = |by, whom, what| Change { at: Instant::now(), by, whom, what };
        let changes = [
            says(5, 1, What::Failed),
            says(5, 1, What::Up),
            says(6, 1, What::Failed),
            says(1, 5, What::Failed), // it was stopped itself
            says(5, 6, What::Failed),
            says(7, 6, What::Failed),
            says(7, 6, What::Left),
        ];
        let expected = Deaths { false_members: 1, false_reports: 2, of_stopped: 2 };
        assert_eq!(Deaths::of(&changes, &[1]), expected);
    }
}
