//! Crashes, restarts and partitions.

use crate::toy::*;
use rumormill_core::protocol::Loss;
use rumormill_core::{NodeId, Time};
use rumormill_sim::{Sim, World};

#[test]
fn a_partition_stops_a_rumour_and_healing_lets_it_go_on() {
    let mut sim = gossips(World::default(), 1, 20);
    sim.partition(|a, b| (a.0 < 10) != (b.0 < 10));
    sim.call(A, Call::Spread(7));
    run(&mut sim, 60_000);
    assert_eq!(knowing(&sim, 7), 10);
    assert!(sim.total().dropped.partitioned > 0);
    sim.heal();
    run(&mut sim, 60_000);
    assert_eq!(knowing(&sim, 7), 20);
}

#[test]
fn a_partition_may_cut_one_way_alone() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.partition(|from, to| (from, to) == (B, A));
    sim.call(A, Call::Say(B, Say::Ping(1)));
    sim.call(B, Call::Say(A, Say::Ping(2)));
    let seen = run(&mut sim, 100);
    assert_eq!(seen, [(at_ms(10), B, Event::Pinged(A, 1))]);
    assert_eq!(sim.counters(B).dropped.partitioned, 2, "its ping and its echo");
}

#[test]
fn what_left_before_a_partition_arrives() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.call(A, Call::Say(B, note(1, 5)));
    run(&mut sim, 5);
    sim.partition(|_, _| true);
    assert_eq!(run(&mut sim, 5), [(at_ms(10), B, Event::Noted(A, 5))]);
}

#[test]
fn a_firewall_stops_datagrams_and_lets_streams_through() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.partition_datagrams(|_, _| true);
    sim.call(A, Call::Say(B, note(1, 1)));
    sim.call(A, Call::Stream(B, note(1, 2)));
    assert_eq!(of(&run(&mut sim, 100), B), [&Event::Noted(A, 2)]);
    sim.heal();
    sim.call(A, Call::Say(B, note(1, 3)));
    assert_eq!(of(&run(&mut sim, 100), B), [&Event::Noted(A, 3)]);
}

#[test]
fn a_crashed_node_is_silent_and_a_restarted_one_knows_nothing() {
    let mut sim = gossips(ten_ms(), 2, 3);
    sim.call(A, Call::Spread(7));
    run(&mut sim, 20_000);
    assert_eq!(knowing(&sim, 7), 3);

    sim.call(B, Call::Remind(ms(5_000), 1));
    run(&mut sim, 0);
    sim.crash(B);
    assert_eq!(sim.live_ids().collect::<Vec<_>>(), [A, C]);
    let sent = sim.counters(B).datagrams_sent;
    let seen = run(&mut sim, 20_000);
    assert!(of(&seen, B).is_empty(), "its timer died with it: {seen:?}");
    assert_eq!(sim.counters(B).datagrams_sent, sent);
    assert!(sim.counters(B).dropped.crashed > 0);

    sim.restart(B, Toy::default());
    assert!(!sim.node(B).known.contains(&7));
    let seen = run(&mut sim, 20_000);
    assert_eq!(of(&seen, B), [&Event::Started, &Event::Heard(7)]);
    assert_eq!(sim.live_ids().collect::<Vec<_>>(), [A, B, C]);
}

#[test]
fn each_life_draws_other_random_numbers() {
    let mut sim = sim(ten_ms(), 2, 1);
    let mut drawn = vec![];
    for _ in 0..3 {
        sim.call(A, Call::Draw);
        run(&mut sim, 0);
        sim.restart(A, Toy::default());
        sim.call(A, Call::Draw);
        drawn.extend(run(&mut sim, 0).into_iter().filter_map(|(_, _, event)| match event {
            Event::Drawn(n, _) => Some(n),
            _ => None,
        }));
    }
    drawn.dedup();
    assert_eq!(drawn.len(), 3, "{drawn:?}");
}

#[test]
fn a_node_that_starts_later_is_down_until_then() {
    let mut sim = sim(ten_ms(), 1, 1);
    sim.spawn(B, Toy::default(), at_ms(100));
    sim.call(A, Call::Say(B, note(1, 1)));
    assert!(run(&mut sim, 99).is_empty());
    assert!(!sim.is_up(B));
    sim.call(A, Call::Say(B, note(1, 2)));
    let seen = run(&mut sim, 50);
    assert_eq!(seen, [(at_ms(100), B, Event::Started), (at_ms(109), B, Event::Noted(A, 2))]);
}

#[test]
fn who_sends_to_an_id_that_nobody_has_is_told() {
    let mut sim = sim(ten_ms(), 1, 1);
    sim.call(A, Call::Say(NodeId(77), note(1, 1)));
    assert_eq!(of(&run(&mut sim, 10), A), [&Event::Lost(NodeId(77), Loss::Unknown)]);
    assert_eq!(sim.counters(A).dropped.unknown, 1);
}

#[test]
#[should_panic(expected = "restart it")]
fn an_id_is_spawned_once() {
    let mut sim = Sim::new(ten_ms(), 1);
    sim.spawn(A, Toy::default(), Time::ZERO);
    sim.spawn(A, Toy::default(), Time::ZERO);
}
