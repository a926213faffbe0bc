//! Lines: throughput, waiting, tail drop, as computed by hand.

use crate::toy::*;
use rumormill_core::NodeId;
use rumormill_core::time::{Duration, Time};
use rumormill_sim::bandwidth::Line;
use rumormill_sim::{Sim, World};

/// What one note of 1,000 bytes takes as a datagram, with everything around it.
fn note_bytes() -> u64 {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.call(A, Call::Say(B, note(1_000, 0)));
    run(&mut sim, 1);
    sim.total().datagram_bytes_sent
}

fn world(line: Line) -> World {
    World { lines: vec![line], ..ten_ms() }
}

fn send(sim: &mut Sim<Toy>, from: NodeId, to: NodeId, count: u8) {
    (0..count).for_each(|n| sim.call(from, Call::Say(to, note(1_000, n))));
}

fn times_at(seen: &Seen, id: NodeId) -> Vec<Time> {
    seen.iter()
        .filter(|(_, who, event)| *who == id && matches!(event, Event::Noted(..)))
        .map(|s| s.0)
        .collect()
}

#[test]
fn what_leaves_at_once_arrives_at_the_pace_of_the_uplink() {
    let line = Line { up_bytes_per_s: 100_000, down_bytes_per_s: 0, ..Line::default() };
    let mut sim = sim(world(line), 1, 2);
    let start = sim.now();
    send(&mut sim, A, B, 20);
    let seen = run(&mut sim, 1_000);
    let each = Duration::from_nanos(note_bytes() * 10_000);
    let expected: Vec<Time> = (1..=20).map(|n| start + ms(10) + each * n).collect();
    assert_eq!(times_at(&seen, B), expected);
}

#[test]
fn what_comes_from_many_arrives_at_the_pace_of_the_downlink() {
    let line = Line { up_bytes_per_s: 0, down_bytes_per_s: 100_000, ..Line::default() };
    let mut sim = sim(world(line), 1, 11);
    let start = sim.now();
    (1..11).for_each(|from| send(&mut sim, NodeId(from), A, 2));
    let seen = run(&mut sim, 1_000);
    let each = Duration::from_nanos(note_bytes() * 10_000);
    let expected: Vec<Time> = (1..=20).map(|n| start + ms(10) + each * n).collect();
    assert_eq!(times_at(&seen, A), expected);
}

#[test]
fn what_does_not_fit_the_queue_is_dropped_and_counted_where_the_line_is() {
    let bytes = note_bytes();
    let line = |up, down| Line {
        up_bytes_per_s: up,
        down_bytes_per_s: down,
        queue_bytes: 5 * bytes,
        ..Line::default()
    };
    let mut up = sim(world(line(100_000, 0)), 1, 2);
    send(&mut up, A, B, 20);
    assert_eq!(times_at(&run(&mut up, 1_000), B).len(), 5);
    assert_eq!((up.counters(A).dropped.congested, up.counters(B).dropped.congested), (15, 0));
    let mut down = sim(world(line(0, 100_000)), 1, 2);
    send(&mut down, A, B, 20);
    assert_eq!(times_at(&run(&mut down, 1_000), B).len(), 5);
    assert_eq!((down.counters(A).dropped.congested, down.counters(B).dropped.congested), (0, 15));
    assert_eq!(down.total().dropped.total(), 15);
}

#[test]
fn a_line_that_is_offered_twice_what_it_carries_carries_all_it_can() {
    let bytes = note_bytes();
    let line =
        Line { up_bytes_per_s: 100 * bytes, down_bytes_per_s: 0, queue_bytes: 10 * bytes, ..Line::default() };
    let mut sim = sim(world(line), 1, 2);
    let mut seen = vec![];
    for _ in 0..400 {
        send(&mut sim, A, B, 1);
        seen.extend(run(&mut sim, 5));
    }
    // Two seconds at 100 a second; those in the queue at the end are still to come.
    let arrived = times_at(&seen, B).len();
    assert!((195..=200).contains(&arrived), "{arrived}");
    let dropped = sim.counters(A).dropped.congested;
    assert!((188..=200).contains(&dropped), "{dropped}");
}

#[test]
fn a_stream_waits_where_a_datagram_is_dropped() {
    let line = Line { up_bytes_per_s: 100_000, queue_bytes: 1, down_bytes_per_s: 0, ..Line::default() };
    let mut sim = sim(world(line), 1, 2);
    (0..20).for_each(|n| sim.call(A, Call::Stream(B, note(1_000, n))));
    let seen = run(&mut sim, 2_000);
    let expected: Vec<Event> = (0..20).map(|n| Event::Noted(A, n)).collect();
    assert_eq!(of(&seen, B), expected.iter().collect::<Vec<_>>());
    let last = times_at(&seen, B)[19].as_secs_f64();
    assert!(last > 0.21, "20 kB at 100 kB/s and 10 ms take longer than {last} s");
    assert_eq!(sim.total().dropped.total(), 0);
}

#[test]
fn only_those_with_a_line_wait() {
    let line = Line { ids: Some("0".parse().unwrap()), up_bytes_per_s: 100_000, ..Line::default() };
    let mut sim = sim(world(line), 1, 3);
    send(&mut sim, B, C, 5);
    send(&mut sim, A, C, 5);
    let seen = run(&mut sim, 1_000);
    let from = |id| {
        let of = |event: &Event| matches!(event, Event::Noted(from, _) if *from == id);
        seen.iter().filter(|(_, _, event)| of(event)).map(|s| s.0).collect::<Vec<_>>()
    };
    assert!(from(B).iter().all(|at| *at == from(B)[0]));
    assert!(from(A).windows(2).all(|pair| pair[0] < pair[1]));
}
