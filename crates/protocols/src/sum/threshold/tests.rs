use super::*;
use crate::sum::testing::*;
use alloc::vec::Vec;
use rumormill_core::peers::Peers;
use rumormill_sim::{Sim, World};

const N: u64 = 500;

/// 500 nodes with values uniform within 0.3 of `mean`, thresholds 0.6 and 0.8.
fn loaded(world: World, seed: u64, mean: f64) -> Sim<Threshold> {
    start(world, seed, N, || Threshold::new(Config::between(0.6, 0.8)), value(seed, mean))
}

fn value(seed: u64, mean: f64) -> impl Fn(u64) -> f64 {
    move |id| mean + 0.6 * (unit(seed << 32 | id) - 0.5)
}

fn load(sim: &mut Sim<Threshold>, seed: u64, mean: f64) {
    (0..N).for_each(|id| sim.call(NodeId(id), Call::Set(value(seed, mean)(id))));
}

fn sent(sim: &Sim<Threshold>) -> u64 {
    sim.total().datagrams_sent
}

/// Checks that each of these nodes was told this once, and nothing else; returns when the last of them was, in milliseconds.
fn told_once(
    told: &[(rumormill_core::time::Time, NodeId, Event)],
    ids: core::ops::Range<u64>,
    high: bool,
) -> u64 {
    let mut who: Vec<u64> = told.iter().map(|(_, id, _)| id.0).collect();
    who.sort_unstable();
    assert_eq!(who, ids.collect::<Vec<_>>());
    for (_, id, event) in told {
        assert!(matches!(event, Event::Crossed { above, .. } if *above == high), "{id}: {event:?}");
    }
    told.iter().map(|(at, ..)| at.0 / 1_000_000).max().unwrap()
}

#[test]
fn each_crossing_is_told_once_to_everyone_and_the_band_between_is_silent() {
    for (seed, world) in [(1, quick()), (2, hostile()), (3, cycles()), (4, World { wire: true, ..quick() })] {
        let mut sim = loaded(world, seed, 0.3);
        assert_eq!(run(&mut sim, 60_000), []);
        load(&mut sim, seed + 10, 0.7);
        assert_eq!(run(&mut sim, 60_000), [], "seed {seed}: between the thresholds, from below");
        load(&mut sim, seed + 20, 0.9);
        let last = told_once(&run(&mut sim, 60_000), 0..N, true);
        assert!(last < 120_000 + 40_000, "seed {seed}: {last}");
        load(&mut sim, seed + 30, 0.7);
        assert_eq!(run(&mut sim, 60_000), [], "seed {seed}: between the thresholds, from above");
        load(&mut sim, seed + 40, 0.5);
        let last = told_once(&run(&mut sim, 60_000), 0..N, false);
        assert!(last < 240_000 + 40_000, "seed {seed}: {last}");
        assert!(sim.ids().all(|id| !sim.node(id).is_above()));
        assert!(sim.total().datagram_bytes_sent <= (94 + 50) * sent(&sim) && sim.total().timers_max <= 3);
    }
}

#[test]
fn far_from_the_threshold_nothing_is_said_however_much_the_values_move() {
    let mut sim = loaded(quick(), 5, 0.3);
    let mut seed = 100;
    for _ in 0..60 {
        seed += 1;
        load(&mut sim, seed, 0.3);
        run(&mut sim, 1_000);
    }
    let far = sent(&sim);
    assert_eq!(far, 0, "0.6 is the most a node can have");
    for _ in 0..60 {
        seed += 1;
        load(&mut sim, seed, 0.6);
        assert_eq!(run(&mut sim, 1_000), []);
    }
    let nearer = sent(&sim) - far;
    for _ in 0..60 {
        seed += 1;
        load(&mut sim, seed, 0.75);
        assert_eq!(run(&mut sim, 1_000), []);
    }
    let near = sent(&sim) - far - nearer;
    assert!(nearer < N * 60 * 2 && near > 3 * nearer / 2 && near < N * 60 * 2, "{nearer} {near}");
    // And when it really is above, that is found although the values never rest.
    let mut told = Vec::new();
    for _ in 0..200 {
        seed += 1;
        load(&mut sim, seed, 0.9);
        told.extend(run(&mut sim, 1_000));
    }
    told_once(&told, 0..N, true);
}

#[test]
fn one_that_is_far_beyond_is_spread_over_as_many_as_it_takes() {
    let mut sim = loaded(quick(), 6, 0.3);
    run(&mut sim, 5_000);
    let before = sent(&sim);
    // It has 50 more; all together may have 0.5 more each, which is 250.
    sim.call(NodeId(7), Call::Set(50.3));
    assert_eq!(run(&mut sim, 60_000), []);
    let spread = sent(&sim) - before;
    assert!((150..1_500).contains(&spread), "{spread}");
    run(&mut sim, 60_000);
    assert_eq!(sent(&sim) - before, spread);
}

#[test]
fn the_amounts_add_up_to_the_values_under_loss_duplicates_and_reordering() {
    let mut sim = loaded(hostile(), 7, 0.9);
    for seed in 0..20 {
        load(&mut sim, 200 + seed, if seed % 2 == 0 { 0.5 } else { 0.9 });
        run(&mut sim, 20_000);
    }
    load(&mut sim, 300, 0.7);
    run(&mut sim, 60_000);
    let values: f64 = (0..N).map(value(300, 0.7)).sum();
    let amounts: f64 = estimates(&sim).iter().sum();
    let doubtful: u32 = sim.ids().map(|id| sim.node(id).counters().doubtful).sum();
    assert!(
        sent(&sim) > 20 * N && (amounts - values).abs() < 1e-9 && doubtful == 0,
        "{amounts}, not {values}"
    );
}

#[test]
fn an_average_close_above_the_threshold_is_found_too() {
    let mut sim = loaded(quick(), 8, 0.3);
    run(&mut sim, 10_000);
    load(&mut sim, 9, 0.82);
    let average = (0..N).map(value(9, 0.82)).sum::<f64>() / N as f64;
    assert!(average > 0.805, "{average}");
    let last = told_once(&run(&mut sim, 100_000), 0..N, true);
    assert!(last < 60_000, "{last}");
}

#[test]
fn what_a_crash_takes_along_is_repaired_in_the_next_epoch() {
    let config = Config { cycles: 100, ..Config::between(0.6, 0.8) };
    let of = |id: u64| if id == 0 { 300.0 } else { 0.3 };
    let mut sim = start(quick(), 10, N, || Threshold::new(config.clone()), of);
    told_once(&run(&mut sim, 40_000), 0..N, true);
    sim.crash(NodeId(0));
    assert_eq!(run(&mut sim, 50_000), [], "what it had is with the others");
    let last = told_once(&run(&mut sim, 60_000), 1..N, false);
    assert!(last < 140_000, "{last}");
}

#[test]
fn who_joins_learns_on_which_side_the_average_is_when_it_has_to() {
    let mut sim = loaded(quick(), 11, 0.9);
    told_once(&run(&mut sim, 40_000), 0..N, true);
    let make = || Threshold::new(Config::between(0.6, 0.8));
    (0..N).for_each(|id| sim.meet(NodeId(id), Peers::Everyone(N + 1)));
    join(&mut sim, N, N + 1, make, 0.95);
    told_once(&run(&mut sim, 10_000), N..N + 1, true);
    assert!(sim.node(NodeId(N)).is_above());
}
