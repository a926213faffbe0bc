//! Loss, duplicates, corruption, budgets and counting.

use crate::toy::*;
use rumormill_core::{NodeId, Time};
use rumormill_sim::{Sim, World};

/// Sends `n` notes from one node to the other, each in a datagram of its own.
fn send(world: World, seed: u64, n: u64) -> Sim<Toy> {
    let mut sim = sim(world, seed, 2);
    for i in 0..n {
        sim.call(A, Call::Say(B, note(100, i as u8)));
        run(&mut sim, 1);
    }
    run(&mut sim, 1_000);
    sim
}

/// Whether `hits` of `n` trials is within four standard deviations of a probability of `p`.
fn plausible(hits: u64, n: u64, p: f64) -> bool {
    let deviation = (n as f64 * p * (1.0 - p)).sqrt();
    (hits as f64 - n as f64 * p).abs() <= 4.0 * deviation
}

#[test]
fn as_many_datagrams_are_lost_as_the_world_says() {
    for (seed, loss) in [(1, 0.01), (2, 0.05), (3, 0.3)] {
        let sim = send(World { loss, ..ten_ms() }, seed, 10_000);
        let total = sim.total();
        assert!(plausible(total.dropped.lost, 10_000, loss), "seed {seed}: {total:?}");
        assert_eq!(total.datagrams_sent, total.datagrams_received + total.dropped.lost);
        assert_eq!(total.dropped.total(), total.dropped.lost);
    }
    let none = send(World { loss: 1.0, ..ten_ms() }, 4, 100);
    assert_eq!(none.total().datagrams_received, 0);
}

#[test]
fn some_datagrams_arrive_twice() {
    let total = send(World { duplicate: 0.2, ..ten_ms() }, 1, 5_000).total();
    assert!(plausible(total.duplicated, 5_000, 0.2), "{total:?}");
    assert_eq!(total.datagrams_received, 5_000 + total.duplicated);
}

#[test]
fn what_was_corrupted_is_counted_and_dropped_where_it_cannot_be_decoded() {
    let total = send(World { wire: true, corruption: 0.5, ..ten_ms() }, 1, 5_000).total();
    assert!(plausible(total.corrupted, 5_000, 0.5), "{total:?}");
    assert!(total.dropped.undecodable > 0 && total.dropped.undecodable <= total.corrupted, "{total:?}");
    assert_eq!(total.datagrams_received + total.dropped.undecodable, 5_000);
}

#[test]
fn bytes_are_counted_with_what_is_around_them() {
    let sim = send(ten_ms(), 1, 10);
    let counters = sim.counters(A);
    let content = rumormill_core::wire::len(&note(100, 0)) as u64;
    assert_eq!(counters.datagram_bytes_sent, 10 * (content + 94));
    assert_eq!(counters.bytes_sent(), sim.counters(B).datagram_bytes_received);
    assert_eq!(counters.inputs, 11, "its start and ten calls");
}

#[test]
fn what_is_said_to_one_peer_at_one_instant_shares_a_datagram() {
    let mut sim = sim(ten_ms(), 1, 2);
    for n in 0..10 {
        sim.call(A, Call::Say(B, note(100, n)));
    }
    let seen = run(&mut sim, 20);
    assert_eq!(of(&seen, B).len(), 10);
    assert_eq!(sim.counters(A).datagrams_sent, 1);
}

#[test]
fn replies_to_what_arrives_at_one_instant_share_a_datagram() {
    let mut sim = sim(ten_ms(), 1, 1_000);
    (1..1_000).for_each(|id| sim.call(NodeId(id), Call::Say(A, Say::Ping(id))));
    sim.call(B, Call::Say(A, Say::Ping(0)));
    run(&mut sim, 20);
    assert_eq!(sim.counters(A).datagrams_sent, 999, "one to each, though one asked twice");
    assert_eq!(sim.counters(A).inputs, 1_001);
}

#[test]
fn a_budget_sheds_what_is_too_much_and_says_so() {
    let mut sim = sim(World { limits: budget(10_000), ..ten_ms() }, 1, 50);
    for id in 1..50 {
        sim.call(A, Call::Say(NodeId(id), note(1_000, 1)));
    }
    let seen = run(&mut sim, 100);
    let counters = sim.counters(A);
    assert!(counters.datagram_bytes_sent <= 10_000 && counters.datagrams_sent > 0, "{counters:?}");
    assert_eq!(counters.shed + counters.datagrams_sent, 49);
    assert!(counters.shed_bytes > counters.shed * 1_000);
    assert_eq!(of(&seen, A).iter().filter(|event| ***event == Event::Shed).count() as u64, counters.shed);
}

#[test]
fn what_a_node_says_in_answer_to_shedding_never_leaves_later_or_in_another_nodes_name() {
    let mut sim = Sim::new(World { limits: budget(3_000), ..ten_ms() }, 1);
    sim.spawn(A, Toy { apologies: 8, ..Toy::default() }, Time::ZERO);
    (1..10).for_each(|id| sim.spawn(NodeId(id), Toy::default(), Time::ZERO));
    run(&mut sim, 0);
    for id in 1..10 {
        sim.call(A, Call::Say(NodeId(id), note(1_000, 1)));
    }
    // Seven notes are shed, then the apologies for them, then the apology for those: the instant is over, and so is this.
    let apology = |e: &Event| matches!(e, Event::Noted(_, 99));
    assert!(!run(&mut sim, 2_000).iter().any(|(_, _, e)| apology(e)));
    assert!(sim.counters(A).shed >= 14);
    sim.call(B, Call::Say(C, note(1, 2)));
    assert_eq!(run(&mut sim, 100).len(), 1, "what others send is theirs");
    sim.call(A, Call::Draw);
    assert!(!run(&mut sim, 100).iter().any(|(_, _, e)| apology(e)), "what was shed is gone");
}

#[test]
fn timers_in_flight_are_counted_at_their_most() {
    let mut sim = sim(ten_ms(), 1, 1);
    (0..5).for_each(|n| sim.call(A, Call::Remind(ms(n + 1), n)));
    run(&mut sim, 10);
    sim.call(A, Call::Remind(ms(1), 9));
    run(&mut sim, 10);
    assert_eq!(sim.counters(A).timers_max, 5);
    assert_eq!(sim.pending(), 0);
}
