//! The life of a cluster: it forms, tells single events, one leaves, one is killed, one is cut off. One trial of five rows.

use super::cluster::{Cluster, Heard};
use super::lines::What;
use super::net::Fault;
use super::plan::Row;
use super::{Bench, load};
use crate::bench::sides::{Side, Vitals};
use crate::bench::stats::quantile;
use anyhow::{Context, Result};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::SplitMix64;
use rustix::process::Signal;
use serde_json::json;
use std::time::{Duration, Instant};

/// A cluster is left alone for this long after its forming, and after each event, so that nothing of the last thing disturbs the next (our guess).
const PAUSE: Duration = Duration::from_millis(500);
/// The clock by which the benchmark itself asks is shifted by up to so much, lest it falls into step with the agents' own.
const SHIFT_MS: u64 = 200;
/// An event that is not everywhere by then did not come (as in the figures of serf that we know).
const EVENT_MAX: Duration = Duration::from_secs(12);
/// One that left is known to have left by then.
const LEAVE_MAX: Duration = Duration::from_secs(30);
/// One that died is known to be dead by then.
const DEATH_MAX: Duration = Duration::from_secs(90);

/// Measures one, and notes a figure for each row that is wanted.
pub fn run(bench: &mut Bench, side: &Side, n: usize, trial: usize) -> Result<()> {
    let mut draw = SplitMix64::seed_from_u64(bench.plan.seed ^ (n * 1_000 + trial) as u64);
    let mut cluster = Cluster::start(side, n, Vitals::On, &bench.place.base, bench.place.net.is_some())?;
    let join = cluster.converge();
    bench.note(Row::Join, side, n, trial, json!({"join_s": join.as_ref().ok()}));
    join?; // what never forms has no other row
    std::thread::sleep(PAUSE);
    if bench.plan.has(Row::Event) {
        events(bench, &cluster, trial, &mut draw)?;
    }
    for (row, what) in [(Row::Leave, What::Left), (Row::Kill, What::Failed), (Row::Cut, What::Failed)] {
        if bench.plan.has(row) {
            let heard = gone(bench, &mut cluster, row, what, &mut draw)?;
            let name = row.name();
            let figures = json!({format!("{name}_first_s"): heard.first_s, format!("{name}_all_s"): heard.all_s, "never": heard.never});
            bench.note(row, side, n, trial, figures);
            std::thread::sleep(PAUSE);
        }
    }
    bench.complain(&cluster);
    Ok(())
}

fn events(bench: &mut Bench, cluster: &Cluster, trial: usize, draw: &mut SplitMix64) -> Result<()> {
    cluster.listen()?;
    let mut publisher = cluster.publisher()?;
    for _ in 0..bench.plan.events_each() {
        std::thread::sleep(PAUSE + Duration::from_millis(draw.next_u64() % SHIFT_MS));
        let load = load::run(cluster, &mut publisher, 1.0, 1.0, draw.next_u64())?;
        let outcome = load.outcome(cluster, EVENT_MAX);
        let record = cluster.observer.record();
        let came = record.came(0).iter();
        let mut latencies: Vec<f64> = came
            .map(|at| at.map_or(f64::INFINITY, |at| at.saturating_duration_since(load.start).as_secs_f64()))
            .collect();
        drop(record);
        let mut share = |q: f64| quantile(&mut latencies, q).filter(|latency| latency.is_finite());
        let (p50, p99, all) = (share(0.5), share(0.99), share(1.0));
        let figures = json!({"event_p50_s": p50, "event_p99_s": p99, "event_all_s": all, "delivered": outcome.delivered});
        bench.note(Row::Event, &cluster.side, cluster.n(), trial, figures);
    }
    Ok(())
}

/// Makes one that is drawn go away, in this way, and waits until the others know.
fn gone(bench: &Bench, cluster: &mut Cluster, row: Row, what: What, draw: &mut SplitMix64) -> Result<Heard> {
    let others: Vec<usize> = cluster.running().into_iter().filter(|nth| *nth != 0).collect();
    let victim = others[draw.next_u64() as usize % others.len()];
    std::thread::sleep(Duration::from_millis(draw.next_u64() % SHIFT_MS));
    let since = cluster.observer.record().changes.len();
    let start = Instant::now();
    match row {
        Row::Leave => cluster.end(victim, Signal::INT)?,
        Row::Kill => cluster.end(victim, Signal::KILL)?,
        _ => {
            let net = bench.place.net.as_ref().context("cutting one off needs root")?;
            net.set(Fault { cut: Some(victim), ..Fault::default() })?;
        }
    }
    let timeout = if row == Row::Leave { LEAVE_MAX } else { DEATH_MAX };
    let heard = cluster.heard(start, since, what, victim, timeout);
    if row == Row::Cut {
        bench.place.net.as_ref().context("it was there")?.set(Fault::default())?;
    }
    Ok(heard)
}
