//! Blocked and frozen nodes.

use crate::toy::*;
use rumormill_sim::World;

#[test]
fn a_blocked_node_runs_its_timers_while_what_it_sends_and_gets_waits() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.block(A);
    sim.call(A, Call::Remind(ms(50), 9));
    sim.call(A, Call::Say(B, Say::Ping(1)));
    sim.call(A, Call::Say(B, note(1, 2)));
    sim.call(B, Call::Say(A, note(1, 3)));
    run(&mut sim, 1);
    sim.call(B, Call::Stream(A, note(1, 4)));
    let seen = run(&mut sim, 99);
    assert_eq!(seen, [(at_ms(50), A, Event::Reminded(9))]);
    assert_eq!(sim.counters(A).datagrams_sent, 0);

    sim.unblock(A);
    let seen = run(&mut sim, 100);
    assert_eq!(
        seen,
        [
            (at_ms(100), A, Event::Noted(B, 3)),
            (at_ms(100), A, Event::Noted(B, 4)),
            (at_ms(110), B, Event::Pinged(A, 1)),
            (at_ms(110), B, Event::Noted(A, 2)),
            (at_ms(120), A, Event::Echoed(B, 1)),
        ]
    );
}

#[test]
fn a_frozen_node_hears_what_waited_before_its_overdue_timers() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.call(A, Call::Remind(ms(20), 2));
    sim.call(A, Call::Remind(ms(10), 1));
    run(&mut sim, 0);
    sim.freeze(A);
    sim.call(A, Call::Spread(5));
    assert!(run(&mut sim, 100).is_empty());
    sim.call(B, Call::Say(A, note(1, 7)));
    sim.call(B, Call::Say(A, note(1, 8)));
    assert!(run(&mut sim, 100).is_empty());
    assert!(sim.is_up(A), "a frozen node is not down");

    sim.thaw(A);
    let seen = run(&mut sim, 0);
    assert_eq!(
        of(&seen, A),
        [&Event::Noted(B, 7), &Event::Noted(B, 8), &Event::Reminded(1), &Event::Reminded(2)]
    );
    assert!(seen.iter().all(|(at, ..)| *at == at_ms(200)));
    assert!(sim.node(A).known.contains(&5), "calls waited, too");
}

#[test]
fn a_node_frozen_again_at_once_has_heard_nothing() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.call(A, Call::Remind(ms(10), 1));
    run(&mut sim, 0);
    sim.freeze(A);
    sim.call(B, Call::Say(A, note(1, 7)));
    run(&mut sim, 100);
    sim.thaw(A);
    sim.freeze(A);
    assert!(run(&mut sim, 100).is_empty());
    sim.thaw(A);
    assert_eq!(of(&run(&mut sim, 0), A), [&Event::Noted(B, 7), &Event::Reminded(1)]);
}

#[test]
fn what_does_not_fit_the_buffer_of_a_frozen_node_is_dropped_and_counted() {
    let mut sim = sim(World { datagram_buffer_bytes: 10_000, ..ten_ms() }, 1, 2);
    sim.freeze(A);
    for n in 0..20 {
        sim.call(B, Call::Say(A, note(1_000, n)));
        run(&mut sim, 20);
    }
    let counters = sim.counters(A);
    assert_eq!(counters.dropped.overflowed, 11, "a datagram is 1,000 bytes and what is around them");
    sim.thaw(A);
    let noted: Vec<_> = (0..9).map(|n| Event::Noted(B, n)).collect();
    assert_eq!(of(&run(&mut sim, 0), A), noted.iter().collect::<Vec<_>>(), "the first ones fit");
}

#[test]
fn what_does_not_fit_the_buffer_of_a_blocked_node_is_dropped_and_counted_both_ways() {
    let world = World { datagram_buffer_bytes: 10_000, stream_buffer_bytes: 10_000, ..ten_ms() };
    let mut sim = sim(world, 1, 2);
    sim.block(A);
    for n in 0..20 {
        sim.call(A, Call::Say(B, note(1_000, n)));
        run(&mut sim, 20);
    }
    assert_eq!(sim.counters(A).dropped.overflowed, 11);
    sim.call(B, Call::Stream(A, note(9_000, 1)));
    sim.call(B, Call::Stream(A, note(9_000, 2)));
    let seen = run(&mut sim, 5_000);
    assert_eq!(of(&seen, B), [&Event::Lost(A, rumormill_core::Loss::TimedOut)]);
    sim.unblock(A);
    let seen = run(&mut sim, 100);
    assert_eq!(of(&seen, B).len(), 9);
    assert_eq!(of(&seen, A), [&Event::Noted(B, 1)]);
}

#[test]
fn a_node_that_crashes_while_it_stands_still_takes_with_it_what_waited() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.block(A);
    sim.call(A, Call::Say(B, note(1, 1)));
    sim.call(B, Call::Say(A, note(1, 2)));
    run(&mut sim, 100);
    sim.crash(A);
    sim.restart(A, Toy::default());
    sim.unblock(A);
    let seen = run(&mut sim, 100);
    assert_eq!(seen, [(at_ms(100), A, Event::Started)]);
    assert_eq!(sim.counters(A).dropped.crashed, 1);
}

#[test]
fn what_arrives_at_the_instant_of_a_timer_comes_before_it() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.call(A, Call::Remind(ms(10), 1));
    sim.call(A, Call::Remind(ms(10), 2));
    sim.call(B, Call::Say(A, note(1, 7)));
    let seen = run(&mut sim, 100);
    assert_eq!(of(&seen, A), [&Event::Noted(B, 7), &Event::Reminded(1), &Event::Reminded(2)]);
}
