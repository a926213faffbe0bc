//! Stories on the simulator.

mod agreement;
mod costs;
mod deletion;
mod hostile;
mod rounds;

use super::*;
use alloc::vec::Vec;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::Output;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time, Wall};
use rumormill_sim::{Sim, World};

const SECOND: Duration = Duration::from_secs(1);

const DIRECTIONS: [Direction; 3] = [Direction::Push, Direction::Pull, Direction::PushPull];
const COMPARISONS: [Compare; 5] = [
    Compare::Full,
    Compare::Checksum,
    Compare::Recent(Duration::from_secs(20)),
    Compare::PeelBack,
    Compare::Merkle,
];

fn bytes(text: &str) -> Payload {
    Payload::from(text.as_bytes())
}

fn numbered(n: usize) -> Payload {
    Payload::from(&(n as u32).to_be_bytes()[..])
}

/// `n` nodes that know each other, all of them set alike.
fn everyone(world: World, seed: u64, n: u64, config: &Config) -> Sim<AntiEntropy> {
    let mut sim = Sim::new(world, seed);
    let config = Arc::new(config.clone());
    for id in (0..n).map(NodeId) {
        sim.spawn(id, AntiEntropy::new(config.clone()), Time::ZERO);
        sim.meet(id, Peers::Everyone(n));
    }
    sim
}

fn put(sim: &mut Sim<AntiEntropy>, id: u64, key: &str, value: &str) {
    sim.call(NodeId(id), Call::Put { key: bytes(key), value: bytes(value) });
}

fn run(sim: &mut Sim<AntiEntropy>, time: Duration) {
    sim.run_for(time, &mut |_, _, _| {});
}

/// What a node has, as text.
fn texts(sim: &Sim<AntiEntropy>, id: u64) -> Vec<(&str, &str)> {
    let mut all: Vec<_> = sim
        .node(NodeId(id))
        .iter()
        .map(|(key, value)| (core::str::from_utf8(key).unwrap(), core::str::from_utf8(value).unwrap()))
        .collect();
    all.sort_unstable();
    all
}

fn total(sim: &Sim<AntiEntropy>) -> Counters {
    let mut total = Counters::default();
    sim.ids().for_each(|id| total += sim.node(id).counters());
    total
}

/// One node without a world.
fn alone(config: Config) -> AntiEntropy {
    AntiEntropy::new(config)
}

/// Hands one input to it, at so many milliseconds of both its clocks, and returns what follows. Its id is 1, and it knows a hundred others.
fn hand(node: &mut AntiEntropy, ms: u64, input: Input<AntiEntropy>) -> Vec<Output<AntiEntropy>> {
    hand_to(node, NodeId(1), &Peers::Everyone(100), ms, input)
}

fn hand_to(
    node: &mut AntiEntropy,
    me: NodeId,
    peers: &Peers,
    ms: u64,
    input: Input<AntiEntropy>,
) -> Vec<Output<AntiEntropy>> {
    let (mut outputs, mut rng) = (Vec::new(), Rng::seeded(ms));
    let mut out = |output| outputs.push(output);
    let (now, wall) = (Time(ms * 1_000_000), Wall(ms));
    let mut cx = Cx { now, wall, me, peers, rng: &mut rng, room: usize::MAX, out: &mut out };
    node.handle(&mut cx, input);
    outputs
}
