//! What messages cost their receiver.

use crate::toy::*;
use rumormill_core::NodeId;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time};
use rumormill_sim::World;
use rumormill_sim::service::{Service, Slow};

fn world(inbox_messages_max: u32, slow: Vec<Slow>) -> World {
    World { service: Some(Service { time: ms(2), exponential: false, inbox_messages_max, slow }), ..ten_ms() }
}

fn pinged(seen: &Seen, id: NodeId) -> Vec<(Time, u64)> {
    let of = |event: &Event| if let Event::Pinged(_, n) = event { Some(*n) } else { None };
    seen.iter().filter(|s| s.1 == id).filter_map(|s| of(&s.2).map(|n| (s.0, n))).collect()
}

#[test]
fn messages_are_worked_on_one_after_the_other() {
    let mut sim = sim(world(100, vec![]), 1, 4);
    (1..4).for_each(|from| sim.call(NodeId(from), Call::Say(A, Say::Ping(from))));
    let seen = run(&mut sim, 100);
    let times: Vec<Time> = pinged(&seen, A).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [at_ms(12), at_ms(14), at_ms(16)]);
}

#[test]
fn a_datagram_of_many_messages_takes_the_time_of_all() {
    let mut sim = sim(world(100, vec![]), 1, 2);
    (0..5).for_each(|n| sim.call(A, Call::Say(B, Say::Ping(n))));
    let seen = run(&mut sim, 100);
    assert_eq!(sim.counters(A).datagrams_sent, 1);
    assert!(pinged(&seen, B).iter().all(|(at, _)| *at == at_ms(20)), "{seen:?}");
}

#[test]
fn timers_do_not_wait_for_messages() {
    let mut sim = sim(world(100, vec![]), 1, 2);
    (0..50).for_each(|n| sim.call(A, Call::Say(B, Say::Ping(n))));
    sim.call(B, Call::Remind(ms(15), 7));
    let seen = run(&mut sim, 1_000);
    assert!(seen.contains(&(at_ms(15), B, Event::Reminded(7))));
    assert_eq!(pinged(&seen, B).len(), 50);
}

#[test]
fn a_slow_node_needs_longer_from_the_start_or_from_now_on() {
    let slow = vec![Slow { ids: Some("1".parse().unwrap()), share: 0.0, factor: 10.0 }];
    let mut sim = sim(world(100, slow), 1, 3);
    [B, C].into_iter().for_each(|to| sim.call(A, Call::Say(to, Say::Ping(1))));
    let seen = run(&mut sim, 100);
    assert_eq!((pinged(&seen, B)[0].0, pinged(&seen, C)[0].0), (at_ms(30), at_ms(12)));
    sim.set_slowness(B, 0.5);
    sim.set_slowness(C, 4.0);
    [B, C].into_iter().for_each(|to| sim.call(A, Call::Say(to, Say::Ping(2))));
    let seen = run(&mut sim, 100);
    assert_eq!((pinged(&seen, B)[0].0, pinged(&seen, C)[0].0), (at_ms(120), at_ms(118)));
}

#[test]
fn what_finds_the_inbox_full_is_dropped_and_counted() {
    let mut sim = sim(world(3, vec![]), 1, 11);
    (1..11).for_each(|from| sim.call(NodeId(from), Call::Say(A, Say::Ping(from))));
    let seen = run(&mut sim, 100);
    assert_eq!(pinged(&seen, A).len(), 3);
    assert_eq!(sim.counters(A).dropped.overloaded, 7);
    sim.call(B, Call::Say(A, Say::Ping(99)));
    assert_eq!(pinged(&run(&mut sim, 100), A).len(), 1, "later there is room again");
}

#[test]
fn what_is_being_worked_on_ends_with_the_process() {
    let mut sim = sim(world(100, vec![]), 1, 5);
    [A, C, NodeId(3)].into_iter().for_each(|from| sim.call(from, Call::Say(B, Say::Ping(1))));
    run(&mut sim, 11);
    sim.restart(B, Toy::default());
    let seen = run(&mut sim, 100);
    assert_eq!(pinged(&seen, B).len(), 0);
    assert_eq!(sim.counters(B).dropped.crashed, 3, "one in work, two that waited");
    sim.call(A, Call::Say(B, Say::Ping(9)));
    let start = sim.now();
    assert_eq!(pinged(&run(&mut sim, 100), B), [(start + ms(12), 9)], "its processor is free again");
}

#[test]
fn what_waits_is_worked_on_at_the_pace_of_then() {
    let mut sim = sim(world(100, vec![]), 1, 5);
    sim.set_slowness(B, 50.0);
    [A, C, NodeId(3)].into_iter().for_each(|from| sim.call(from, Call::Say(B, Say::Ping(1))));
    let mut seen = run(&mut sim, 50);
    sim.set_slowness(B, 1.0);
    seen.extend(run(&mut sim, 200));
    let times: Vec<Time> = pinged(&seen, B).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [at_ms(110), at_ms(112), at_ms(114)], "the first was begun slowly");
}

#[test]
fn a_node_that_stands_still_does_not_work() {
    let mut sim = sim(world(100, vec![]), 1, 5);
    [A, C, NodeId(3)].into_iter().for_each(|from| sim.call(from, Call::Say(B, Say::Ping(1))));
    let mut seen = run(&mut sim, 11);
    sim.freeze(B);
    seen.extend(run(&mut sim, 89));
    assert_eq!(pinged(&seen, B), []);
    sim.thaw(B);
    seen.extend(run(&mut sim, 100));
    let times: Vec<Time> = pinged(&seen, B).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [at_ms(100), at_ms(102), at_ms(104)]);
}

/// An M/M/1 queue at load 0.8: the mean time in the system is 1/(mu - lambda), five service times (Kleinrock 1975, section 3.2).
#[test]
fn a_random_load_waits_as_long_as_the_theory_says() {
    let service = Service { time: ms(2), exponential: true, inbox_messages_max: 100_000, slow: vec![] };
    let mut sim = sim(World { service: Some(service), ..ten_ms() }, 5, 2);
    let mut rng = Rng::seeded(8);
    let (mut sent, mut sum_ms, n) = (vec![], 0.0, 100_000);
    for k in 0..n {
        sim.run_for(
            Duration::from_micros(2_500).mul_f64(-libm::log(1.0 - rng.unit())),
            &mut |at: Time, _, event| {
                if let Event::Noted(_, k) = event {
                    sum_ms += at.since(sent[usize::from(k)]).as_secs_f64() * 1e3;
                }
            },
        );
        // A note tells one byte of its number: no more than 256 of them are on their way.
        if sent.len() < 256 {
            sent.push(sim.now());
        }
        sent[k % 256] = sim.now();
        sim.call(A, Call::Say(B, note(1, k as u8)));
    }
    let mean_ms = sum_ms / n as f64 - 10.0;
    assert!((mean_ms / 10.0 - 1.0).abs() < 0.1, "{mean_ms} ms in the system");
}
