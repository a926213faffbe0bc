//! All of it at once: the same seed is still the same run.

use crate::toy::*;
use rumormill_core::NodeId;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time};
use rumormill_sim::bandwidth::Line;
use rumormill_sim::loss::{Bursts, OneWay, Reorder};
use rumormill_sim::plan::{Bounds, Plan, Runner, Weights};
use rumormill_sim::service::{Service, Slow};
use rumormill_sim::{Counters, Latency, Sim, World};

const NODES: u64 = 24;

/// A world in which everything is switched on.
pub fn crowded() -> World {
    World {
        latency: Latency::planet(),
        loss: 0.02,
        bursts: Some(Bursts::of(0.05, 4.0)),
        one_way: vec![OneWay { from: "0..5".parse().unwrap(), to: "5..9".parse().unwrap(), loss: 0.3 }],
        reorder: Some(Reorder { share: 0.1, extra: ms(50) }),
        duplicate: 0.05,
        lines: vec![
            Line { weight: 1.0, up_bytes_per_s: 20_000, down_bytes_per_s: 30_000, ..Line::default() },
            Line { weight: 3.0, ..Line::default() },
        ],
        service: Some(Service {
            time: Duration::from_micros(500),
            exponential: true,
            inbox_messages_max: 20,
            slow: vec![Slow { ids: None, share: 0.2, factor: 20.0 }],
        }),
        clock_offset_max: ms(100),
        ..World::default()
    }
}

struct Outcome {
    digest: u64,
    total: Counters,
    events: usize,
}

fn outcome(world: World, seed: u64, pieces: u64) -> Outcome {
    let bounds = Bounds {
        nodes: NODES,
        until: Duration::from_secs(20),
        steps: 15,
        weights: Weights { slow: 1.0, ..Weights::default() },
        ..Bounds::default()
    };
    let plan = Plan::random(seed, &bounds);
    let mut sim: Sim<Toy> = Sim::new(world, seed);
    let mut runner = Runner::new(&plan, seed, Gossips).expect("a sound plan");
    (0..NODES).for_each(|id| runner.spawn(&mut sim, NodeId(id), Time::ZERO));
    sim.call(A, Call::Spread(1));
    let mut events = 0;
    let mut rng = Rng::seeded(pieces);
    while sim.now() < at_ms(25_000) {
        let until = match pieces {
            1 => at_ms(25_000),
            _ => (sim.now() + rng.within(ms(40))).min(at_ms(25_000)),
        };
        runner.run_until(&mut sim, until, &mut |_, _, _| events += 1);
    }
    Outcome { digest: sim.digest(), total: sim.total(), events }
}

/// Makes gossiping toys that forget nothing that they kept.
pub struct Gossips;

impl rumormill_sim::plan::Actor<Toy> for Gossips {
    fn make(&mut self, id: NodeId, _: u32, kept: Option<&Toy>) -> Toy {
        let peers = (0..NODES).filter(|peer| *peer != id.0).map(NodeId).collect();
        let known = kept.map(|toy| toy.known.clone()).unwrap_or_default();
        Toy { peers, period: Some(ms(500)), known, ..Toy::default() }
    }

    fn first_calls(&mut self, _: NodeId, life: u32) -> Vec<Call> {
        if life > 0 { vec![Call::Draw] } else { vec![] }
    }

    fn call(&self, _: NodeId, call: &str, with: &str) -> Result<Call, String> {
        match (call, with.parse()) {
            ("spread", Ok(rumour)) => Ok(Call::Spread(rumour)),
            ("leave", _) => Ok(Call::Draw),
            _ => Err(format!("no call {call} with {with:?}: there are leave, and spread with a number")),
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run_in_a_crowded_world() {
    for seed in 0..5 {
        let (a, b) = (outcome(crowded(), seed, 1), outcome(crowded(), seed, 1));
        assert_eq!((a.digest, a.total, a.events), (b.digest, b.total, b.events), "seed {seed}");
        assert_ne!(a.digest, outcome(crowded(), seed + 100, 1).digest);
    }
}

#[test]
fn it_does_not_matter_in_which_pieces_it_runs() {
    for seed in 0..5 {
        let (a, b) = (outcome(crowded(), seed, 1), outcome(crowded(), seed, 7));
        assert_eq!((a.digest, a.total, a.events), (b.digest, b.total, b.events), "seed {seed}");
    }
}

#[test]
fn encoding_for_real_changes_nothing_in_a_crowded_world() {
    let (typed, wire) = (outcome(crowded(), 3, 1), outcome(World { wire: true, ..crowded() }, 3, 1));
    assert_eq!((typed.digest, typed.total, typed.events), (wire.digest, wire.total, wire.events));
}

#[test]
fn a_crowded_world_does_all_that_it_says() {
    let mut total = Counters::default();
    (0..10).for_each(|seed| total += outcome(crowded(), seed, 1).total);
    let dropped = total.dropped;
    assert!(dropped.lost > 0 && dropped.swallowed > 0 && dropped.crashed > 0, "{dropped:?}");
    assert!(dropped.partitioned > 0 && total.duplicated > 0, "{dropped:?}");
}

#[test]
fn a_seed_keeps_its_digest_when_the_simulator_is_rebuilt() {
    // A commit that must change one of these changes nothing else, and says why.
    let golden =
        [(0, 0x9e0a_3f28_6492_e782, 63), (1, 0x85eb_5aad_244d_547a, 56), (2, 0x6602_fcce_3982_be16, 57)];
    for (seed, digest, events) in golden {
        let outcome = outcome(crowded(), seed, 1);
        assert_eq!((outcome.digest, outcome.events), (digest, events), "seed {seed}");
    }
}
