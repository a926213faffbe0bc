//! The highest rate of one sender at which 99.9 % of all deliveries are made within 10 s of its end. Each step has a fresh cluster: what an
//! overload leaves behind would be charged to the next.

use super::cluster::Cluster;
use super::plan::Row;
use super::search::Search;
use super::{Bench, load};
use crate::bench::procfs;
use crate::bench::sides::{Side, Vitals};
use anyhow::Result;
use serde_json::json;
use std::time::Duration;

/// What must come, of all (event, agent) pairs (issue).
const DELIVERED_MIN: f64 = 0.999;
/// By then (issue).
const DRAIN: Duration = Duration::from_secs(10);
/// Of ours it is wanted besides that the 99th percentile stays below this (issue); serf's steps are not held to it.
const OUR_P99_MAX_S: f64 = 1.0;
/// How often what came is read, on both sides: so much a latency may be too long.
const READ_EVERY: Duration = Duration::from_millis(50);
/// Until the cluster is quiet after its forming (our guess).
const QUIET: Duration = Duration::from_secs(1);

/// Where a search begins: at what serf was found to hold, and at what is wanted of us.
fn guess(side: &Side, row: Row) -> u32 {
    match (side, row) {
        (Side::Serf(_), Row::Rate10s) => 50,
        (Side::Serf(_), _) => 20,
        (Side::Rumormill(_), Row::Rate10s) => 1_500,
        (Side::Rumormill(_), _) => 600,
    }
}

/// Searches for both sides in turns, step by step.
pub fn run(bench: &mut Bench, row: Row, seconds: f64, n: usize, trial: usize) -> Result<()> {
    let sides = bench.sides.clone();
    let tries = bench.plan.rate_tries;
    let mut searches: Vec<(Side, Search, Option<f64>)> =
        sides.into_iter().map(|side| (side.clone(), Search::new(guess(&side, row), tries), None)).collect();
    while searches.iter().any(|(_, search, _)| search.next().is_some()) {
        for (side, search, held_p99_s) in &mut searches {
            let Some(rate) = search.next() else { continue };
            let (held, p99_s) = step(bench, row, side, n, trial, rate, seconds)?;
            search.tell(held);
            if held && search.held() == Some(rate) {
                *held_p99_s = p99_s;
            }
        }
    }
    for (side, search, held_p99_s) in &searches {
        let is_bounded = search.is_bounded();
        let figures = json!({"held_per_s": search.held(), "held_p99_s": held_p99_s, "is_bounded": is_bounded, "seconds": seconds});
        bench.note(row, side, n, trial, figures);
    }
    Ok(())
}

fn step(
    bench: &mut Bench,
    row: Row,
    side: &Side,
    n: usize,
    trial: usize,
    rate: u32,
    seconds: f64,
) -> Result<(bool, Option<f64>)> {
    let cluster = Cluster::start(side, n, Vitals::On, &bench.place.base, bench.place.net.is_some())?;
    cluster.converge()?;
    cluster.listen()?;
    let mut publisher = cluster.publisher()?;
    std::thread::sleep(QUIET);
    cluster.observer.pause(READ_EVERY);
    let seed = bench.plan.seed ^ u64::from(rate);
    let before_s = (cpu_s(&[std::process::id()])?, cpu_s(&cluster.pids())?);
    let load = load::run(&cluster, &mut publisher, f64::from(rate), seconds, seed)?;
    let outcome = load.outcome(&cluster, DRAIN);
    let is_quick = matches!(side, Side::Serf(_)) || outcome.p99_s.is_some_and(|p99| p99 < OUR_P99_MAX_S);
    let held = outcome.delivered >= DELIVERED_MIN && is_quick;
    let observer_percent =
        (cpu_s(&[std::process::id()])? - before_s.0) / load.start.elapsed().as_secs_f64() * 100.0;
    let cpu_us =
        (cpu_s(&cluster.pids())? - before_s.1) * 1e6 / cluster.observer.record().delivered().max(1) as f64;
    bench.note_step(
        row,
        side,
        n,
        trial,
        json!({
            "per_s": rate, "seconds": seconds, "held": held, "offered": load.offered, "taken": load.taken,
            "took_s": load.took_s, "delivered": outcome.delivered, "p50_s": outcome.p50_s, "p99_s": outcome.p99_s,
            "duplicates": outcome.odd.duplicates, "lost": outcome.odd.lost,
            "observer_cpu_percent": observer_percent, "cpu_us_per_delivery": cpu_us,
        }),
    );
    bench.complain(&cluster);
    Ok((held, outcome.p99_s))
}

/// CPU seconds of these processes together.
fn cpu_s(pids: &[u32]) -> Result<f64> {
    pids.iter().map(|pid| procfs::cpu_s(*pid)).sum()
}
