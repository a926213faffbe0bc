//! One harness for all spreaders: they are asked and tell the same.
#![allow(dead_code)] // each test file uses a part of it

use rumormill_core::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::peers::Peers;
use rumormill_core::time::{Duration, Time};
use rumormill_protocols::spread::{Call, Counters, Event, Spreader};
use rumormill_sim::{Latency, Sim, World};

/// A cycle of the synchronous world, and a period of those who live in it.
pub const CYCLE: Duration = Duration::from_secs(1);
/// What a period of theirs is shorter by at most, so that who comes first differs from cycle to cycle.
pub const JITTER: Duration = Duration::from_millis(100);

/// A world of cycles.
pub fn cycles() -> World {
    World { synchronous: Some(CYCLE), ..World::default() }
}

/// A bad network: 1 to 50 ms, so that messages overtake each other, and one in five comes twice.
pub fn rough(loss: f64) -> World {
    let latency = Latency::Uniform(Duration::from_millis(1), Duration::from_millis(50));
    World { latency, loss, duplicate: 0.2, ..World::default() }
}

/// What became of one update.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How many have it, its publisher included.
    pub reached: u64,
    /// How many of them no longer pass it on.
    pub removed: u64,
    /// Cycles (seconds) until the last had it, of those who got it.
    pub t_last: f64,
    /// When everybody who had it had fallen silent.
    pub quiet: f64,
}

/// `n` nodes that know each other.
pub fn everyone<P: Spreader>(world: World, seed: u64, n: u64, node: impl Fn() -> P) -> Sim<P> {
    let mut sim = Sim::new(world, seed);
    for id in 0..n {
        sim.spawn(NodeId(id), node(), Time::ZERO);
        sim.meet(NodeId(id), Peers::Everyone(n));
    }
    sim
}

/// Publishes one update at node 0 and runs cycle by cycle until nobody passes it on, nothing is to come, or `cycles_max` are over.
pub fn spread<P: Spreader>(sim: &mut Sim<P>, cycles_max: u32) -> Outcome {
    sim.call(NodeId(0), Call::Publish(Payload::EMPTY));
    let begin = sim.now();
    let mut outcome = Outcome::default();
    for cycle in 0..=cycles_max {
        let until = begin + CYCLE * cycle;
        sim.run_until(until, &mut |at: Time, _, event| match event {
            Event::Delivered { .. } => {
                outcome.reached += 1;
                outcome.t_last = at.since(begin).as_secs_f64();
            }
            Event::Removed(_) => outcome.removed += 1,
        });
        outcome.quiet = until.since(begin).as_secs_f64();
        // In the world of cycles nothing is on its way between two of them.
        let silent = outcome.removed == outcome.reached && sim.world().synchronous.is_some();
        if silent || sim.next_at().is_none() {
            break;
        }
    }
    outcome
}

/// What all nodes counted together.
pub fn counters<P: Spreader>(sim: &Sim<P>) -> Counters {
    let mut total = Counters::default();
    sim.ids().for_each(|id| total += sim.node(id).counters());
    total
}

/// Mean and standard error.
pub fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (variance / n).sqrt())
}

/// Holds the mean of `values`, one for each seed from 0 on, against a golden value that is known as well as `rounding`.
#[track_caller]
pub fn expect(what: &str, values: &[f64], golden: f64, rounding: f64) {
    let (mean, error) = mean(values);
    println!("{what}: {mean:.5} +- {error:.5}, golden {golden}");
    assert!(
        (mean - golden).abs() <= 4.0 * error + rounding,
        "{what}: {mean:.5} +- {error:.5} over seeds 0..{}, golden {golden} +- {rounding}",
        values.len()
    );
}
