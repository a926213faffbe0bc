//! A run is a function of its world, its seed and its calls.

use crate::toy::*;
use rumormill_core::NodeId;
use rumormill_sim::{Counters, World};

fn spread(world: World, seed: u64) -> (u64, Counters, usize) {
    let mut sim = gossips(world, seed, 40);
    sim.call(A, Call::Spread(7));
    run(&mut sim, 9_500);
    sim.crash(C);
    sim.block(B);
    run(&mut sim, 2_000);
    sim.unblock(B);
    run(&mut sim, 2_000);
    (sim.digest(), sim.total(), knowing(&sim, 7))
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_or_loss_another() {
    let world = World { loss: 0.1, duplicate: 0.05, ..World::default() };
    let first = spread(world.clone(), 1);
    assert_eq!(first, spread(world.clone(), 1));
    assert!(first.1.datagrams_received > 100, "{:?}", first.1);
    assert_ne!(first.0, spread(world.clone(), 2).0);
    assert_ne!(first.0, spread(World { loss: 0.11, ..world }, 1).0);
}

#[test]
fn encoding_for_real_changes_nothing_but_the_time_it_takes() {
    let world = World { loss: 0.1, duplicate: 0.05, ..World::default() };
    assert_eq!(spread(World { wire: true, ..world.clone() }, 5), spread(world, 5));
}

#[test]
fn the_digest_depends_on_what_is_said_and_not_only_on_how_much() {
    let digest = |n: u64| {
        let mut sim = sim(ten_ms(), 1, 2);
        sim.call(A, Call::Say(B, Say::Rumour(n)));
        run(&mut sim, 20);
        sim.digest()
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn one_node_more_leaves_the_others_their_random_numbers() {
    let drawn = |n: u64| {
        let mut sim = sim(World::default(), 3, n);
        sim.call(A, Call::Draw);
        sim.call(B, Call::Draw);
        run(&mut sim, 1)
    };
    assert_eq!(drawn(2), drawn(3));
    let [(_, _, Event::Drawn(a, _)), (_, _, Event::Drawn(b, _))] = &drawn(2)[..] else {
        panic!("two nodes drew");
    };
    assert_ne!(a, b);
}

#[test]
fn running_in_small_steps_is_the_same_as_running_at_once() {
    let mut whole = gossips(World::default(), 8, 20);
    let mut parts = gossips(World::default(), 8, 20);
    whole.call(A, Call::Spread(1));
    parts.call(A, Call::Spread(1));
    let at_once = run(&mut whole, 10_000);
    let in_steps: Seen = (0..1_000).flat_map(|_| run(&mut parts, 10)).collect();
    assert_eq!(at_once, in_steps);
    assert_eq!(whole.digest(), parts.digest());
    assert_eq!(whole.now(), parts.now());
}

#[test]
fn clocks_are_off_as_far_as_the_world_lets_them() {
    let world = World { clock_offset_max: ms(5_000), ..World::default() };
    let mut off = sim(world, 4, 50);
    (0..50).for_each(|id| off.call(NodeId(id), Call::Draw));
    let walls: Vec<u64> = run(&mut off, 0)
        .into_iter()
        .map(|(_, _, event)| match event {
            Event::Drawn(_, wall) => wall.0,
            other => panic!("{other:?}"),
        })
        .collect();
    let (first, last) = (walls.iter().min().unwrap(), walls.iter().max().unwrap());
    assert!((5_000..=10_000).contains(&(last - first)), "{}", last - first);
}
