//! Events at a steady rate from one agent, and what became of them.
//!
//! Each event is due at its time whatever became of those before it, and its latency counts from then: an agent that makes its publisher wait gains nothing.

use super::super::stats::quantile;
use super::cluster::{Cluster, Publisher};
use super::payload::payload;
use super::record::{Odd, Record};
use anyhow::Result;
use std::time::{Duration, Instant};

/// Those that became due within this are handed over together, by either side's publisher (our guess: below what is felt).
const TICK: Duration = Duration::from_millis(5);
/// Events handed over at once at most.
const BATCH: usize = 512;
/// So long after the end it is given up to hand over the rest: it would come too late.
const LATE_MAX: Duration = Duration::from_secs(10);

/// Events that were published.
pub struct Load {
    /// When the first was due.
    pub start: Instant,
    /// When the last was due, and a little: at the end of the time that the rate was to hold.
    pub end: Instant,
    /// How long it took to hand them over, in seconds.
    pub took_s: f64,
    /// How many were offered.
    pub offered: usize,
    /// How many the agent took.
    pub taken: usize,
    rate: f64,
}

/// What became of them by some moment.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// Of all (event, agent) pairs, how many came.
    pub delivered: f64,
    /// Seconds in which that share of all pairs came; none if not so many did.
    pub p50_s: Option<f64>,
    /// The same.
    pub p99_s: Option<f64>,
    /// What was odd.
    pub odd: Odd,
}

/// Publishes `rate` events a second for `seconds`.
pub fn run(cluster: &Cluster, publisher: &mut Publisher, rate: f64, seconds: f64, seed: u64) -> Result<Load> {
    let offered = (rate * seconds).round().max(1.0) as usize;
    let payloads: Vec<_> = (0..offered as u64).map(|index| payload(seed, index)).collect();
    cluster.observer.record().expect(seed, offered);
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(seconds);
    let (mut next, mut taken) = (0, 0);
    while next < offered && Instant::now() < end + LATE_MAX {
        let due = ((start.elapsed().as_secs_f64() * rate) as usize + 1).min(offered);
        if due > next {
            let until = due.min(next + BATCH);
            taken += publisher.publish(payloads[next..until].iter().map(|payload| &payload[..]))?;
            next = until;
        } else {
            let wait = Duration::from_secs_f64(next as f64 / rate).saturating_sub(start.elapsed());
            std::thread::sleep(wait.max(TICK));
        }
    }
    Ok(Load { start, end, took_s: start.elapsed().as_secs_f64(), offered, taken, rate })
}

impl Load {
    /// Waits until all that was taken came, or until so long after the end; then tells what came by then.
    pub fn outcome(&self, cluster: &Cluster, drain: Duration) -> Outcome {
        let deadline = self.end + drain;
        let left = deadline.saturating_duration_since(Instant::now());
        let due = self.taken * cluster.n();
        cluster.observer.wait(left, |record| (record.delivered() >= due).then_some(()));
        outcome(&cluster.observer.record(), self.start, self.rate, self.offered, deadline)
    }
}

fn outcome(record: &Record, start: Instant, rate: f64, offered: usize, deadline: Instant) -> Outcome {
    let (mut latencies, mut pairs) = (Vec::new(), 0);
    for index in 0..offered {
        let due = start + Duration::from_secs_f64(index as f64 / rate);
        let came = record.came(index);
        pairs += came.len();
        let in_time = came.iter().flatten().filter(|at| **at <= deadline);
        latencies.extend(in_time.map(|at| at.saturating_duration_since(due).as_secs_f64()));
    }
    let delivered = latencies.len() as f64 / pairs as f64;
    latencies.resize(pairs, f64::INFINITY); // what did not come took for ever
    let share = |q: f64| quantile(&mut latencies.clone(), q).filter(|latency| latency.is_finite());
    Outcome { delivered, p50_s: share(0.5), p99_s: share(0.99), odd: record.odd() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_counts_from_when_an_event_was_due_and_what_never_came_is_no_latency() {
        let (mut record, start) = (Record::new(2), Instant::now());
        record.expect(1, 2);
        let at = |ms| start + Duration::from_millis(ms);
        record.told(0, &payload(1, 0), at(50));
        record.told(1, &payload(1, 0), at(100));
        record.told(0, &payload(1, 1), at(1_100)); // due at 1.0
        let found = outcome(&record, start, 1.0, 2, at(5_000));
        assert_eq!((found.delivered, found.p50_s, found.p99_s), (0.75, Some(0.1), None));
        let early = outcome(&record, start, 1.0, 2, at(99));
        assert_eq!(early.delivered, 0.25, "what comes after the deadline does not count");
    }
}
