//! Bans on the simulator: who knows of them, and what counts.

use super::*;
use alloc::vec;
use rumormill_core::Time;
use rumormill_core::identity::Unsigned;
use rumormill_core::peers::Peers;
use rumormill_sim::{Sim, World};

const SECOND: Duration = Duration::from_secs(1);

type Story = Sim<Bans<Unsigned>>;

fn new() -> Bans<Unsigned> {
    Bans::new(Config::default(), Unsigned)
}

fn story(n: u64, world: World, seed: u64) -> Story {
    extern crate std;
    std::println!("seed {seed}");
    let mut sim = Sim::new(World { wire: true, ..world }, seed);
    (0..n).for_each(|id| sim.spawn(NodeId(id), new(), Time::ZERO));
    (0..n).for_each(|id| sim.meet(NodeId(id), Peers::Everyone(n)));
    run(&mut sim, SECOND);
    sim
}

fn run(sim: &mut Story, time: Duration) -> Vec<(NodeId, Event)> {
    let mut told = vec![];
    sim.run_for(time, &mut |_, me, event| told.push((me, event)));
    told
}

fn say(by: u64, sim: &mut Story, id: u64, lifted: bool) {
    let reason = Payload::from(&b"so that it is told"[..]);
    sim.call(NodeId(by), Call::Say { id: NodeId(id), lifted, reason, name: None });
}

fn know(sim: &Story, id: u64) -> usize {
    sim.ids().filter(|at| sim.node(*at).of(NodeId(id)).is_some()).count()
}

#[test]
fn a_ban_is_known_to_all_at_once_and_to_who_was_missed_or_away_after_a_comparison() {
    for seed in [1, 2, 3] {
        let mut sim = story(60, World::default(), seed);
        say(0, &mut sim, 7, false);
        run(&mut sim, SECOND);
        assert!(know(&sim, 7) >= 55, "{} of 60 within a second", know(&sim, 7));
        sim.spawn(NodeId(60), new(), sim.now());
        (0..60).for_each(|id| sim.meet(NodeId(id), Peers::Everyone(61)));
        run(&mut sim, SECOND * 60);
        assert_eq!(know(&sim, 7), 61, "and the one that joined since");
    }
}

#[test]
fn a_newcomer_whom_nobody_picks_asks_for_the_bans_by_itself() {
    for seed in 1..=20 {
        let mut sim = story(10, World { loss: 0.05, ..World::default() }, seed);
        say(0, &mut sim, 77, false);
        run(&mut sim, SECOND * 30);
        sim.spawn(NodeId(10), new(), sim.now());
        run(&mut sim, SECOND * 30); // it waits until it knows a member
        sim.meet(NodeId(10), Peers::listed((0..10).map(NodeId)));
        run(&mut sim, SECOND * 16);
        assert!(sim.node(NodeId(10)).of(NodeId(77)).is_some(), "seed {seed}");
    }
}

#[test]
fn a_ban_survives_a_third_of_all_packets_lost() {
    let mut sim = story(40, World { loss: 0.33, duplicate: 0.1, ..World::default() }, 4);
    say(3, &mut sim, 900, false);
    run(&mut sim, SECOND * 120);
    assert_eq!(know(&sim, 900), 40, "also of one that nobody knows");
}

#[test]
fn the_later_word_counts_everywhere_whoever_hears_it_first() {
    let mut sim = story(30, World::default(), 5);
    say(0, &mut sim, 7, false);
    run(&mut sim, SECOND * 30);
    say(1, &mut sim, 7, true);
    run(&mut sim, SECOND * 60);
    assert_eq!(know(&sim, 7), 0);
    say(2, &mut sim, 7, false);
    say(3, &mut sim, 8, false);
    run(&mut sim, SECOND * 60);
    assert_eq!((know(&sim, 7), know(&sim, 8)), (30, 30));
    let sums: alloc::collections::BTreeSet<u64> = sim.ids().map(|id| sim.node(id).sum).collect();
    assert_eq!(sums.len(), 1);
}

#[test]
fn who_is_banned_cannot_lift_it_and_what_is_not_signed_or_too_long_counts_for_nothing() {
    let mut sim = story(3, World::default(), 6);
    say(0, &mut sim, 2, false);
    run(&mut sim, SECOND);
    say(2, &mut sim, 2, true);
    let told = run(&mut sim, SECOND * 30);
    assert!(told.contains(&(NodeId(2), Event::Refused(NodeId(2), Refusal::Myself))), "{told:?}");
    let own = Ban {
        id: NodeId(2),
        version: u64::MAX,
        lifted: true,
        by: NodeId(2),
        reason: Payload::default(),
        name: None,
    };
    assert!(!own.is_sound());
    let long = Ban { by: NodeId(1), reason: Payload::from(&[b'x'; REASON_BYTES_MAX + 1][..]), ..own.clone() };
    assert!(!long.is_sound());
    let named = |name: &[u8]| Ban { by: NodeId(1), name: Some(Payload::from(name)), ..own.clone() };
    assert!(named(&[b'x'; NAME_BYTES_MAX]).is_sound());
    assert!(!named(&[b'x'; NAME_BYTES_MAX + 1]).is_sound() && !named(&[0xff]).is_sound());
    assert_eq!(know(&sim, 2), 3);
}

#[test]
fn there_are_so_many_and_no_more_and_lifted_ones_make_room() {
    let mut sim = story(1, World::default(), 7);
    let max = Config::default().bans_max as u64;
    (0..max).for_each(|id| say(0, &mut sim, 1_000 + id, false));
    run(&mut sim, SECOND);
    say(0, &mut sim, 5_000, false);
    let told = run(&mut sim, SECOND);
    assert_eq!(told, [(NodeId(0), Event::Refused(NodeId(5_000), Refusal::TooMany))]);
    say(0, &mut sim, 1_003, true);
    say(0, &mut sim, 5_000, false);
    run(&mut sim, SECOND);
    let node = sim.node(NodeId(0));
    assert!(node.of(NodeId(5_000)).is_some() && node.of(NodeId(1_003)).is_none());
    assert_eq!(node.iter().count() as u64, max);
    say(0, &mut sim, 9_999, true);
    let told = run(&mut sim, SECOND);
    assert_eq!(told, [(NodeId(0), Event::Refused(NodeId(9_999), Refusal::Unknown))]);
}

#[test]
fn what_was_kept_is_known_after_a_start_and_costs_three_sums_where_there_is_nothing() {
    let mut sim = story(2, World::default(), 8);
    run(&mut sim, SECOND * 600);
    let sent = [0, 1].map(|id| sim.counters(NodeId(id)).datagrams_sent);
    assert_eq!(sent, [3, 3], "no message without a ban but for the first comparisons");
    say(0, &mut sim, 77, false);
    run(&mut sim, SECOND);
    let mut again = new();
    again.recall(sim.node(NodeId(0)).kept());
    assert_eq!(again.of(NodeId(77)), sim.node(NodeId(0)).of(NodeId(77)));
    assert_eq!(again.sum, sim.node(NodeId(0)).sum);
}

/// A member of an earlier version sends no name and skips the one that it gets.
#[test]
fn a_ban_without_a_name_reads_as_before_and_one_with_a_name_keeps_it_over_the_next_word() {
    #[derive(minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
    struct Before {
        #[n(0)]
        id: NodeId,
        #[n(1)]
        version: u64,
        #[n(2)]
        lifted: bool,
        #[n(3)]
        by: NodeId,
        #[n(4)]
        reason: Payload,
    }
    let bytes = |value: &dyn Fn(&mut alloc::vec::Vec<u8>)| {
        let mut bytes = vec![];
        value(&mut bytes);
        bytes
    };
    let before =
        Before { id: NodeId(7), version: 1, lifted: false, by: NodeId(1), reason: Payload::default() };
    let read: Ban = wire::decode(&bytes(&|out| wire::put(&before, out))).unwrap();
    assert_eq!((read.name(), read.version), (None, 1));
    let named = Ban { name: Some(Payload::from(&b"web"[..])), ..read };
    let read: Before = wire::decode(&bytes(&|out| wire::put(&named, out))).unwrap();
    assert_eq!(read.version, 1);

    let mut sim = story(2, World::default(), 9);
    let name = Some(Payload::from(&b"web"[..]));
    // Without a reason an unsigned ban would be shorter than any that is signed, and be refused.
    let reason = Payload::from(&b"so that it is told"[..]);
    sim.call(NodeId(0), Call::Say { id: NodeId(7), lifted: false, reason, name });
    run(&mut sim, SECOND);
    say(1, &mut sim, 7, true);
    say(1, &mut sim, 7, false);
    run(&mut sim, SECOND);
    let names = [0, 1]
        .map(|at| sim.node(NodeId(at)).of(NodeId(7)).and_then(Ban::name).map(alloc::string::String::from));
    assert_eq!(names, [Some("web".into()), Some("web".into())]);
}
