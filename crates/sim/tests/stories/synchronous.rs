//! The synchronous world: cycles, and sub-steps within them.

use crate::toy::*;
use rumormill_core::{NodeId, Time};
use rumormill_sim::World;

fn cycles() -> World {
    World { synchronous: Some(ms(1_000)), ..World::default() }
}

#[test]
fn a_ping_and_its_echo_take_no_time() {
    let mut sim = sim(cycles(), 1, 2);
    sim.call(A, Call::Say(B, Say::Ping(1)));
    let seen = run(&mut sim, 0);
    assert_eq!(seen, [(Time::ZERO, B, Event::Pinged(A, 1)), (Time::ZERO, A, Event::Echoed(B, 1))]);
}

#[test]
fn a_nodes_timers_fire_at_the_end_of_their_cycle_in_the_order_of_their_deadlines() {
    let mut sim = sim(cycles(), 1, 3);
    sim.call(A, Call::Remind(ms(1_000), 10));
    sim.call(A, Call::Remind(ms(700), 7));
    sim.call(B, Call::Remind(ms(300), 3));
    sim.call(C, Call::Remind(ms(300), 4));
    sim.call(B, Call::Remind(ms(1_001), 11));
    let seen = run(&mut sim, 2_000);
    let second = at_ms(1_000);
    assert_eq!(
        seen,
        [
            (second, A, Event::Reminded(7)),
            (second, A, Event::Reminded(10)),
            (second, B, Event::Reminded(3)),
            (second, C, Event::Reminded(4)),
            (at_ms(2_000), B, Event::Reminded(11)),
        ]
    );
}

#[test]
fn all_timers_come_before_the_messages_they_send_and_these_before_the_replies() {
    let mut sim = gossips(cycles(), 3, 2);
    sim.call(A, Call::Spread(1));
    sim.call(B, Call::Spread(2));
    sim.call(A, Call::Remind(ms(900), 5));
    sim.call(B, Call::Remind(ms(900), 6));
    let seen = run(&mut sim, 1_000);
    let (reminders, heard): (Vec<_>, Vec<_>) = seen
        .iter()
        .filter(|(_, _, event)| *event != Event::Started)
        .partition(|(_, _, event)| matches!(event, Event::Reminded(_)));
    assert_eq!((reminders.len(), heard.len()), (2, 2), "{seen:?}");
    let last_reminder = seen.iter().rposition(|(_, _, e)| matches!(e, Event::Reminded(_))).unwrap();
    let first_heard = seen.iter().position(|(_, _, e)| matches!(e, Event::Heard(_))).unwrap();
    assert!(last_reminder < first_heard, "{seen:?}");
}

#[test]
fn a_conversation_goes_on_until_nobody_answers() {
    let mut sim = sim(cycles(), 1, 2);
    sim.call(A, Call::Say(B, Say::Countdown(100)));
    let seen = run(&mut sim, 0);
    assert_eq!(seen.len(), 101);
    assert_eq!(sim.now(), Time::ZERO);
}

#[test]
#[should_panic(expected = "without end")]
fn a_conversation_without_end_is_a_bug() {
    let mut sim = sim(cycles(), 1, 2);
    sim.call(A, Call::Say(B, Say::Countdown(u64::MAX)));
    run(&mut sim, 0);
}

#[test]
fn messages_of_a_cycle_are_lost_by_chance_and_its_streams_are_not() {
    let mut sim = sim(World { loss: 0.3, ..cycles() }, 1, 1_001);
    for id in 1..=1_000 {
        sim.call(A, Call::Say(NodeId(id), note(1, 1)));
        sim.call(A, Call::Stream(NodeId(id), note(1, 2)));
    }
    run(&mut sim, 0);
    let total = sim.total();
    assert_eq!(total.stream_messages_received, 1_000);
    assert!((640..760).contains(&total.datagrams_received), "{total:?}");
}

#[test]
fn what_the_caller_does_between_two_boundaries_happens_at_the_next() {
    let mut sim = sim(cycles(), 1, 1);
    run(&mut sim, 1_500);
    sim.spawn(B, Toy::default(), sim.now());
    sim.call(A, Call::Say(B, note(1, 1)));
    sim.call(A, Call::Remind(ms(0), 1));
    let seen = run(&mut sim, 1_000);
    let boundary = at_ms(2_000);
    assert_eq!(
        seen,
        [(boundary, B, Event::Started), (boundary, A, Event::Reminded(1)), (boundary, B, Event::Noted(A, 1)),]
    );
}

#[test]
fn after_a_stall_what_waited_comes_before_overdue_timers_here_too() {
    let mut sim = sim(cycles(), 1, 2);
    sim.call(A, Call::Remind(ms(1_000), 1));
    run(&mut sim, 0);
    sim.freeze(A);
    run(&mut sim, 3_000);
    sim.call(B, Call::Say(A, note(1, 7)));
    run(&mut sim, 500);
    sim.thaw(A);
    let seen = run(&mut sim, 500);
    assert_eq!(seen, [(at_ms(4_000), A, Event::Noted(B, 7)), (at_ms(4_000), A, Event::Reminded(1))]);
}

#[test]
fn a_rumour_spreads_one_hop_a_cycle() {
    let mut sim = gossips(cycles(), 9, 100);
    sim.call(A, Call::Spread(1));
    let mut known = vec![];
    for _ in 0..30 {
        run(&mut sim, 1_000);
        known.push(knowing(&sim, 1));
    }
    assert!(known.windows(2).all(|w| w[1] <= 2 * w[0]), "each tells one: {known:?}");
    assert_eq!(known.last(), Some(&100));
    let mut again = gossips(cycles(), 9, 100);
    again.call(A, Call::Spread(1));
    run(&mut again, 30_000);
    assert_eq!(again.digest(), sim.digest());
}
