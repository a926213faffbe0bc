//! What the stories of all aggregators begin with.

use super::{Aggregator, Call, Event};
use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::peers::Peers;
use rumormill_core::rng::mix;
use rumormill_core::time::{Duration, Time};
use rumormill_sim::{Latency, Sim, World};

pub const SECOND: Duration = Duration::from_secs(1);

/// Cycles of one second.
pub fn cycles() -> World {
    World { synchronous: Some(SECOND), ..World::default() }
}

/// Latencies that are short against a second.
pub fn quick() -> World {
    World::default()
}

/// A fifth of all is lost, a tenth comes twice, and all of it in another order than it was sent.
pub fn hostile() -> World {
    let latency = Latency::Exponential { min: Duration::from_millis(1), mean: Duration::from_millis(40) };
    World { latency, loss: 0.2, duplicate: 0.1, ..World::default() }
}

/// `n` nodes that start now, know each other, and have these values.
pub fn start<A: Aggregator>(
    world: World,
    seed: u64,
    n: u64,
    make: impl Fn() -> A,
    value: impl Fn(u64) -> f64,
) -> Sim<A> {
    let mut sim = Sim::new(world, seed);
    for id in 0..n {
        join(&mut sim, id, n, &make, value(id));
    }
    sim
}

/// One more node.
pub fn join<A: Aggregator>(sim: &mut Sim<A>, id: u64, n: u64, make: impl Fn() -> A, value: f64) {
    sim.spawn(NodeId(id), make(), sim.now());
    sim.meet(NodeId(id), Peers::Everyone(n));
    sim.call(NodeId(id), Call::Set(value));
}

/// Lets so many milliseconds pass and returns what was told.
pub fn run<A: Aggregator>(sim: &mut Sim<A>, ms: u64) -> Vec<(Time, NodeId, Event)> {
    let mut told = Vec::new();
    sim.run_for(Duration::from_millis(ms), &mut |at, id, event| told.push((at, id, event)));
    told
}

/// Uniform in [0, 1), a function of `i`.
pub fn unit(i: u64) -> f64 {
    (mix(i) >> 11) as f64 / (1u64 << 53) as f64
}

/// All estimates that there are.
pub fn estimates<A: Aggregator>(sim: &Sim<A>) -> Vec<f64> {
    sim.live_ids().filter_map(|id| sim.node(id).estimate()).collect()
}

/// The variance of these around their mean.
pub fn variance(x: &[f64]) -> f64 {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    mean_square(x, mean)
}

/// The mean squared distance of these from `truth`.
pub fn mean_square(x: &[f64], truth: f64) -> f64 {
    x.iter().map(|v| (v - truth) * (v - truth)).sum::<f64>() / x.len() as f64
}

/// The greatest relative distance of these from `truth`.
pub fn worst(x: &[f64], truth: f64) -> f64 {
    x.iter().map(|v| libm::fabs(v / truth - 1.0)).fold(0.0, f64::max)
}
