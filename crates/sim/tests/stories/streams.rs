//! Streams: reliable, in order, and honest about what they could not do.

use crate::toy::*;
use rumormill_core::protocol::Loss;
use rumormill_core::time::Duration;
use rumormill_sim::{Latency, Sim, World};

/// Every note has its own send time, so that it does not share a flush with another.
fn send_ten(sim: &mut Sim<Toy>) -> Seen {
    let mut seen = vec![];
    for n in 0..10 {
        sim.call(A, Call::Stream(B, note(3_000, n)));
        seen.extend(run(sim, 1));
    }
    seen.extend(run(sim, 60_000));
    seen
}

#[test]
fn a_stream_loses_nothing_and_keeps_its_order_whatever_the_loss() {
    let latency = Latency::Exponential { min: ms(1), mean: ms(50) };
    for seed in 0..20 {
        let mut sim = sim(World { latency: latency.clone(), loss: 0.3, ..World::default() }, seed, 2);
        let seen = send_ten(&mut sim);
        let expected: Vec<_> = (0..10).map(|n| Event::Noted(A, n)).collect();
        assert_eq!(of(&seen, B), expected.iter().collect::<Vec<_>>(), "seed {seed}");
        assert!(sim.counters(A).retransmissions > 0, "seed {seed}");
    }
}

#[test]
fn a_lost_segment_costs_a_retransmission() {
    let mut one = sim(World { stream_loss: Some(0.5), ..ten_ms() }, 3, 2);
    one.call(A, Call::Stream(B, note(1, 1)));
    let seen = run(&mut one, 10_000);
    let retransmissions = one.counters(A).retransmissions;
    assert_eq!(seen[0].0, at_ms(10 + 200 * retransmissions));
}

#[test]
fn a_stream_that_gets_nothing_through_times_out() {
    let mut sim = sim(World { stream_loss: Some(1.0), ..ten_ms() }, 3, 2);
    sim.call(A, Call::Stream(B, note(1, 1)));
    sim.call(A, Call::Say(B, note(1, 2)));
    let seen = run(&mut sim, 10_000);
    assert_eq!(of(&seen, B), [&Event::Noted(A, 2)], "datagrams have a loss of their own");
    assert_eq!(of(&seen, A), [&Event::Lost(B, Loss::TimedOut)]);
}

#[test]
fn a_message_too_large_for_a_datagram_takes_the_stream() {
    let mut sim = sim(World { loss: 1.0, stream_loss: Some(0.0), ..ten_ms() }, 3, 2);
    sim.call(A, Call::Say(B, note(60_000, 1)));
    assert_eq!(of(&run(&mut sim, 100), B), [&Event::Noted(A, 1)]);
    assert_eq!((sim.counters(A).stream_messages_sent, sim.counters(B).stream_messages_received), (1, 1));
    assert_eq!(sim.counters(A).stream_bytes_sent, sim.counters(B).stream_bytes_received);
}

#[test]
fn a_crashed_peer_refuses_after_a_round_trip() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.crash(B);
    sim.call(A, Call::Stream(B, note(1, 1)));
    assert_eq!(run(&mut sim, 100), [(at_ms(20), A, Event::Lost(B, Loss::Refused))]);
}

#[test]
fn a_peer_that_restarts_meanwhile_resets() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.call(A, Call::Stream(B, note(1, 1)));
    run(&mut sim, 5);
    sim.restart(B, Toy::default());
    let seen = run(&mut sim, 100);
    assert_eq!(seen, [(at_ms(5), B, Event::Started), (at_ms(20), A, Event::Lost(B, Loss::Reset))]);
}

#[test]
fn a_stream_over_a_partition_times_out_after_one_to_three_seconds() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.partition(|from, _| from == B); // streams need both directions
    sim.call(A, Call::Stream(B, note(1, 1)));
    let seen = run(&mut sim, 5_000);
    let [(at, A, Event::Lost(B, Loss::TimedOut))] = seen[..] else { panic!("{seen:?}") };
    assert!((at_ms(1_000)..=at_ms(3_000)).contains(&at), "{at:?}");
}

#[test]
fn a_sender_that_restarted_is_not_told_what_its_earlier_life_lost() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.crash(B);
    sim.call(A, Call::Stream(B, note(1, 1)));
    run(&mut sim, 1);
    sim.restart(A, Toy::default());
    assert_eq!(of(&run(&mut sim, 1_000), A), [&Event::Started]);
}

#[test]
fn who_watches_a_connection_hears_of_the_crash_and_of_the_cut() {
    let mut sim = sim(ten_ms(), 1, 3);
    sim.call(A, Call::Watch(B, true));
    sim.call(A, Call::Watch(C, true));
    sim.call(C, Call::Watch(B, true));
    sim.call(C, Call::Watch(B, false));
    assert!(run(&mut sim, 100).is_empty());
    sim.crash(B);
    assert_eq!(run(&mut sim, 100), [(at_ms(110), A, Event::Lost(B, Loss::Reset))]);

    sim.partition(|a, b| (a == C) != (b == C));
    run(&mut sim, 500);
    sim.heal();
    assert!(run(&mut sim, 5_000).is_empty(), "healed before anybody noticed");
    sim.partition(|a, b| (a == C) != (b == C));
    assert_eq!(of(&run(&mut sim, 5_000), A), [&Event::Lost(C, Loss::TimedOut)]);
}

#[test]
fn who_asks_to_watch_a_peer_that_is_down_is_refused() {
    let mut sim = sim(ten_ms(), 1, 2);
    sim.crash(B);
    sim.call(A, Call::Watch(B, true));
    assert_eq!(run(&mut sim, 100), [(at_ms(20), A, Event::Lost(B, Loss::Refused))]);
}

#[test]
fn streams_to_many_peers_are_forgotten_when_they_are_empty() {
    // Only that nothing breaks when the list of streams is pruned: order is what counts.
    let latency = Latency::Uniform(Duration::from_millis(1), Duration::from_millis(400));
    let mut sim = sim(World { latency, ..World::default() }, 5, 300);
    for n in 0..3 {
        for peer in 1..300 {
            sim.call(A, Call::Stream(rumormill_core::NodeId(peer), note(1, n)));
        }
        run(&mut sim, 100);
    }
    run(&mut sim, 10_000);
    assert_eq!(sim.total().stream_messages_received, 897);
}
