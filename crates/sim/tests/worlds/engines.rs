//! However a simulation is run, the same comes out: wheel or heap, one partition or four, with threads or without, in one piece or in many.

use crate::everything::{Gossips, crowded};
use crate::toy::*;
use rumormill_core::NodeId;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time};
use rumormill_sim::plan::{Bounds, Plan, Runner, Weights};
use rumormill_sim::{Counters, Engine, Latency, Sim, World};

const NODES: u64 = 24;
const END_MS: u64 = 12_000;

/// A way to run it.
#[derive(Copy, Clone, Debug)]
struct Way {
    engine: Engine,
    threads: bool,
    /// It runs in pieces of up to so many milliseconds.
    piece_ms: u64,
}

const ORACLE: Way =
    Way { engine: Engine { partitions: 1, nodes: 24, oracle: true }, threads: false, piece_ms: END_MS };

fn ways() -> Vec<Way> {
    let wheel = |partitions, threads, piece_ms| Way {
        engine: Engine { partitions, nodes: 24, oracle: false },
        threads,
        piece_ms,
    };
    vec![
        wheel(1, false, END_MS),
        wheel(1, false, 3),
        wheel(2, false, END_MS),
        wheel(4, false, 50),
        wheel(2, true, END_MS),
        wheel(4, true, 500),
        Way { engine: Engine { partitions: 3, nodes: 7, oracle: true }, threads: true, piece_ms: 200 },
    ]
}

#[derive(PartialEq, Debug)]
struct Outcome {
    digest: u64,
    seen: Seen,
    counters: Vec<Counters>,
    pending: usize,
}

/// Rumours, streams and watches under a random plan of faults.
fn outcome(world: World, seed: u64, way: Way) -> Outcome {
    let slow = if world.service.is_some() { 1.0 } else { 0.0 };
    let bounds = Bounds {
        nodes: NODES,
        until: Duration::from_millis(END_MS * 3 / 4),
        steps: 12,
        weights: Weights { slow, ..Weights::default() },
        ..Bounds::default()
    };
    let plan = Plan::random(seed, &bounds);
    let mut sim: Sim<Toy> = Sim::with_engine(world, seed, way.engine);
    if way.threads {
        sim = sim.threads();
    }
    let mut runner = Runner::new(&plan, seed, Gossips).expect("a sound plan");
    (0..NODES).for_each(|id| runner.spawn(&mut sim, NodeId(id), Time::ZERO));
    let (mut script, mut pieces) = (Rng::seeded(seed ^ 0xca11), Rng::seeded(way.piece_ms));
    let mut seen = Seen::new();
    let mut next_call = Time::ZERO;
    while sim.now() < at_ms(END_MS) {
        if sim.now() == next_call {
            call_something(&mut sim, &mut script);
            next_call = next_call + ms(100);
        }
        let until = (sim.now() + Duration::from_nanos(1) + pieces.within(ms(way.piece_ms))).min(next_call);
        runner.run_until(&mut sim, until, &mut |at, id, event| seen.push((at, id, event)));
    }
    let counters = (0..NODES).map(|id| sim.counters(NodeId(id))).collect();
    Outcome { digest: sim.digest(), seen, counters, pending: sim.pending() }
}

fn call_something(sim: &mut Sim<Toy>, rng: &mut Rng) {
    let mut node = || NodeId(rng.below(NODES as usize + 1) as u64);
    let (who, peer) = (node(), node());
    if who.0 == NODES {
        return; // nobody has that id: it is there to be sent to
    }
    let call = match rng.below(7) {
        0 => Call::Spread(rng.next() % 50),
        1 => Call::Stream(peer, note(rng.below(40_000), 1)),
        2 => Call::Watch(peer, true),
        3 => Call::Watch(peer, false),
        4 => Call::Say(peer, Say::Countdown(20)),
        5 => Call::Remind(Duration::from_micros(rng.below(3_000) as u64), 5),
        _ => Call::Say(peer, Say::Ping(1)),
    };
    sim.call(who, call);
}

fn worlds() -> Vec<(&'static str, World)> {
    let lossy = World { loss: 0.1, duplicate: 0.1, stream_loss: Some(0.05), ..World::default() };
    let tail = Latency::Exponential { min: ms(1), mean: ms(30) };
    vec![
        ("quiet", World::default()),
        ("lossy", lossy.clone()),
        ("long-tailed", World { latency: tail, ..lossy.clone() }),
        ("narrow", World { limits: budget(3_000), ..lossy.clone() }),
        ("encoded", World { wire: true, corruption: 0.02, ..lossy.clone() }),
        ("crowded", crowded()),
        ("synchronous", World { synchronous: Some(ms(500)), ..lossy }),
    ]
}

#[test]
fn every_way_to_run_it_comes_to_the_same_as_the_oracle() {
    for (name, world) in worlds() {
        for seed in 0..3 {
            let truth = outcome(world.clone(), seed, ORACLE);
            assert!(truth.seen.len() > 100, "{name}, seed {seed}: {} events", truth.seen.len());
            for way in ways() {
                let found = outcome(world.clone(), seed, way);
                let differ = truth.seen.iter().zip(&found.seen).position(|(a, b)| a != b);
                assert_eq!(differ, None, "{name}, seed {seed}, {way:?}: {:?}", {
                    let at = differ.unwrap_or_default();
                    (&truth.seen[at], &found.seen[at])
                });
                assert_eq!(truth, found, "{name}, seed {seed}, {way:?}");
            }
        }
    }
}

/// Thousands of things in one window, so that the wheel keeps them by region: [`NODES`] never have so many.
#[test]
fn a_crowd_in_one_window_comes_to_the_same_as_the_oracle() {
    let nodes = 9_000;
    let crowd = |world: &World, way: Way| {
        let mut sim: Sim<Toy> =
            Sim::with_engine(world.clone(), 5, Engine { nodes: nodes as usize, ..way.engine });
        if way.threads {
            sim = sim.threads();
        }
        (0..nodes).for_each(|id| sim.spawn(NodeId(id), Toy::default(), Time::ZERO));
        let mut rng = Rng::seeded(7);
        for id in 0..nodes {
            let mut peer = || NodeId(rng.below(nodes as usize) as u64);
            sim.call(NodeId(id), Call::Say(peer(), Say::Countdown(6)));
            sim.call(NodeId(id), Call::Say(peer(), Say::Ping(id)));
            sim.call(NodeId(id), Call::Remind(Duration::from_millis(500), id));
        }
        let mut seen = Seen::new();
        let mut pieces = Rng::seeded(way.piece_ms);
        while sim.now() < at_ms(END_MS) {
            let until =
                (sim.now() + Duration::from_nanos(1) + pieces.within(ms(way.piece_ms))).min(at_ms(END_MS));
            sim.run_until(until, &mut |at, id, event| seen.push((at, id, event)));
        }
        let counters = (0..nodes).map(|id| sim.counters(NodeId(id))).collect();
        Outcome { digest: sim.digest(), seen, counters, pending: sim.pending() }
    };
    let wide = Latency::Uniform(ms(200), ms(300));
    let lossy = World { loss: 0.05, duplicate: 0.05, latency: wide, ..World::default() };
    for world in [World { synchronous: Some(ms(500)), ..lossy.clone() }, lossy] {
        let truth = crowd(&world, ORACLE);
        assert!(truth.counters.iter().map(|counters| counters.inputs).sum::<u64>() > 10 * nodes);
        for way in ways().into_iter().filter(|way| way.piece_ms > 100 || way.engine.partitions == 4) {
            let found = crowd(&world, way);
            assert!(truth == found, "{world:?}, {way:?}: {} and {}", truth.digest, found.digest);
        }
    }
}

#[test]
fn a_panic_in_one_partition_ends_the_run_with_it() {
    let result = std::panic::catch_unwind(|| {
        let engine = Engine { partitions: 2, nodes: 4, oracle: false };
        let world = World { synchronous: Some(ms(100)), ..World::default() };
        let mut sim: Sim<Toy> = Sim::with_engine(world, 1, engine).threads();
        (0..4).for_each(|id| sim.spawn(NodeId(id), Toy::default(), Time::ZERO));
        // Two nodes that answer each other without letting time pass.
        sim.call(NodeId(3), Call::Say(NodeId(0), Say::Countdown(u64::MAX)));
        run(&mut sim, 1_000);
    });
    let panic = result.expect_err("it cannot end well");
    let text = panic.downcast_ref::<String>().expect("it says why");
    assert!(text.contains("answer each other without end"), "{text}");
}
