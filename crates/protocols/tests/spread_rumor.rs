//! Rumor mongering against the tables of Demers 1987 and what follows from its rules at n = 1,000.
//!
//! Golden values: the paper's tables 1 to 3 as far as they were printed, refined by an independent simulation of the same rules with a
//! thousand runs and more. Each is held within four standard errors of our own runs, plus its rounding.

mod common;

use common::*;
use rumormill_core::drive::Limits;
use rumormill_core::identity::Life;
use rumormill_core::payload::Payload;
use rumormill_core::peers::Peers;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time};
use rumormill_core::{Cx, Input, NodeId, Output, Protocol, Wall};
use rumormill_protocols::kit::peer_selection::PeerSelection;
use rumormill_protocols::spread::rumor::{Config, Credit, Direction, Message, Removal, Rumor, Timer};
use rumormill_protocols::spread::{Call, Event, PAYLOAD_BYTES_MAX, Spreader, UpdateId};
use rumormill_sim::{Sim, World};
use std::collections::BTreeMap;
use std::sync::Arc;

const N: u64 = 1_000;
use Direction::{Pull, Push, PushPull};
use Removal::{Coin, Counter};

/// Over seeds 0..runs: residue, updates sent per node, the same with both directions of each contact, last arrival.
#[derive(Default)]
struct Rows {
    residue: Vec<f64>,
    traffic: Vec<f64>,
    both_ways: Vec<f64>,
    t_last: Vec<f64>,
}

fn run(runs: u64, config: Config) -> Rows {
    let config = Arc::new(config);
    let mut rows = Rows::default();
    for seed in 0..runs {
        let mut sim = everyone(cycles(), seed, N, || Rumor::new(config.clone(), Life::default()));
        let outcome = spread(&mut sim, 300);
        assert_eq!(outcome.removed, outcome.reached, "seed {seed}: it ends");
        let counters = counters(&sim);
        rows.residue.push(1.0 - outcome.reached as f64 / N as f64);
        rows.traffic.push(counters.updates_sent as f64 / N as f64);
        rows.both_ways.push((counters.updates_sent + counters.updates_spared) as f64 / N as f64);
        rows.t_last.push(outcome.t_last);
    }
    rows
}

fn limited(config: Config, hunt: u32) -> Config {
    Config { connection_limit: Some(1), hunt, ..config }
}

#[test]
fn table_1_push_with_feedback_and_counters() {
    for (k, residue, traffic, t_last) in [
        (1, 0.1745, 1.745, 16.85),
        (2, 0.0369, 3.30, 16.97),
        (3, 0.01073, 4.53, 17.3),
        (5, 0.0012, 6.68, 17.73),
    ] {
        let rows = run(30, Config::demers(Push, true, Counter(k)));
        expect(&format!("residue at k = {k}"), &rows.residue, residue, residue * 0.01);
        expect(&format!("traffic at k = {k}"), &rows.traffic, traffic, 0.005);
        expect(&format!("t_last at k = {k}"), &rows.t_last, t_last, 0.05);
    }
}

#[test]
fn table_2_push_blind_with_coins() {
    for (k, residue, traffic, t_last) in
        [(1, 0.960, 0.040, 39.0), (2, 0.204, 1.59, 32.7), (3, 0.0604, 2.82, 31.6), (5, 0.0070, 4.965, 32.5)]
    {
        let rows = run(30, Config::demers(Push, false, Coin(k)));
        expect(&format!("residue at k = {k}"), &rows.residue, residue, residue * 0.01);
        expect(&format!("traffic at k = {k}"), &rows.traffic, traffic, 0.005);
        expect(&format!("t_last at k = {k}"), &rows.t_last, t_last, 0.1);
    }
}

#[test]
fn table_3_pull_with_feedback_and_counters() {
    for (k, residue, traffic, t_last) in
        [(1, 0.0316, 2.70, 17.55), (2, 0.00058, 4.49, 15.2), (3, 4e-6, 6.09, 13.97)]
    {
        let rows = run(30, Config::demers(Pull, true, Counter(k)));
        expect(&format!("residue at k = {k}"), &rows.residue, residue, residue * 0.02 + 1e-5);
        expect(&format!("traffic at k = {k}"), &rows.traffic, traffic, 0.005);
        expect(&format!("t_last at k = {k}"), &rows.t_last, t_last, 0.05);
    }
}

/// The fixed point s = e^(-(k+1)(1-s)) of the paper's equations, which its own tables miss.
#[test]
fn counting_plainly_leaves_the_residue_of_the_equations() {
    for (k, residue, traffic) in [(1, 0.203, 1.59), (2, 0.0595, 2.82), (3, 0.0198, 3.92)] {
        let rows = run(30, Config::demers(Push, true, Counter(k)).plain());
        expect(&format!("counter, residue at k = {k}"), &rows.residue, residue, residue * 0.01);
        expect(&format!("counter, traffic at k = {k}"), &rows.traffic, traffic, 0.005);
    }

    let coin = run(30, Config::demers(Push, true, Coin(2)).plain());
    expect("coin, residue at k = 2", &coin.residue, 0.060, 0.001);
    expect("coin, t_last at k = 2", &coin.t_last, 21.7, 0.05);
    // The credit of the cycle alone, without setting counters back, lies between the equations and table 1.
    let credit = Config { credit: Credit::StartOfCycle, ..Config::demers(Push, true, Counter(2)).plain() };
    expect("start of cycle, residue at k = 2", &run(30, credit).residue, 0.048, 0.0005);
    // Blind needs one more than feedback for the same residue (section 1.4).
    expect(
        "blind, residue at k = 3",
        &run(30, Config::demers(Push, false, Counter(3))).residue,
        0.0595,
        0.003,
    );
    expect(
        "pull, residue at k = 1",
        &run(30, Config::demers(Pull, true, Counter(1)).plain()).residue,
        0.071,
        0.0005,
    );
}

#[test]
fn push_pull_with_and_without_minimization() {
    // At k = 1 ours leaves a twentieth less than the reference, where pushes and answers of a cycle are mixed: here all pushes arrive
    // before any answer, so that useless contacts fall on fewer nodes.
    let rows = run(30, Config::demers(PushPull, true, Counter(1)).plain());
    expect("residue at k = 1", &rows.residue, 0.069, 0.069 * 0.08);
    expect("traffic at k = 1", &rows.both_ways, 2.46, 2.46 * 0.02);
    expect("t_last at k = 1", &rows.t_last, 10.8, 0.05);
    let rows = run(30, Config::demers(PushPull, true, Counter(2)).plain());
    expect("residue at k = 2", &rows.residue, 0.0156, 0.00005);
    expect("traffic at k = 2", &rows.both_ways, 3.60, 0.02);
    expect("t_last at k = 2", &rows.t_last, 10.4, 0.05);
    let rows = run(30, Config { minimization: true, ..Config::demers(PushPull, true, Counter(2)).plain() });
    expect("minimized, residue at k = 2", &rows.residue, 0.0110, 0.0001);
    expect("minimized, traffic at k = 2", &rows.both_ways, 3.84, 0.02);
}

#[test]
fn a_connection_limit_helps_push_and_harms_pull() {
    let rows = run(30, limited(Config::demers(Push, true, Counter(1)).plain(), 0));
    expect("push, residue at k = 1", &rows.residue, 0.143, 0.0005);
    // s = e^(-m / (1 - 1/e)) would be 0.066: the paper's estimate holds for the end alone.
    let rows = run(30, limited(Config::demers(Push, true, Counter(2)).plain(), 0));
    expect("push, residue at k = 2", &rows.residue, 0.026, 0.0005);
    let rows = run(30, limited(Config::demers(Pull, true, Counter(1)).plain(), 0));
    expect("pull, residue at k = 1", &rows.residue, 0.161, 0.0005);
    let rows = run(30, limited(Config::demers(Pull, true, Counter(2)).plain(), 0));
    expect("pull, residue at k = 2", &rows.residue, 0.032, 0.0005);
}

#[test]
fn hunting_finds_those_whom_the_limit_would_leave_alone() {
    let rows = run(12, limited(Config::demers(Push, true, Counter(2)).plain(), 200));
    expect("residue at k = 2", &rows.residue, 0.0147, 0.0005);
}

/// Everything that is new goes to everybody, or nearly so, on a network that loses a tenth and doubles a fifth.
#[test]
fn on_a_bad_network_with_real_clocks_nearly_everybody_hears_each_update_once() {
    let (n, updates) = (200, 20);
    let config = Arc::new(Config::default());
    let mut missed = 0;
    for seed in 0..10 {
        let mut sim = everyone(rough(0.1), seed, n, || Rumor::new(config.clone(), Life::default()));
        let mut heard: BTreeMap<(NodeId, UpdateId), u32> = BTreeMap::new();
        for i in 0..updates {
            sim.call(NodeId(i * 7 % n), Call::Publish(Payload::from(&[i as u8; 100][..])));
            sim.run_for(Duration::from_millis(100), &mut |_, id, event| count(&mut heard, id, event));
        }
        sim.run_for(Duration::from_secs(20), &mut |_, id, event| count(&mut heard, id, event));
        assert!(heard.values().all(|times| *times == 1), "seed {seed}");
        missed += n * updates - heard.len() as u64;
        assert_eq!(sim.next_at(), None, "seed {seed}: it falls silent");
        assert!(sim.total().timers_max <= 1);
    }
    println!("{missed} of {} were missed", 10 * n * updates);
    // Table 1 has 0.12 % with nothing lost; here each arrival is told at once as well.
    assert!(missed <= 10 * n * updates / 300, "{missed} of {} were missed", 10 * n * updates);
}

fn count(heard: &mut BTreeMap<(NodeId, UpdateId), u32>, id: NodeId, event: Event) {
    if let Event::Delivered { update, .. } = event {
        *heard.entry((id, update.id)).or_default() += 1;
    }
}

#[test]
fn payloads_up_to_64_kib_spread_and_larger_ones_do_not() {
    let n = 30;
    let mut sim = everyone(World::default(), 5, n, || Rumor::new(Config::default(), Life::default()));
    let bytes = vec![7; PAYLOAD_BYTES_MAX + 1];
    sim.call(NodeId(3), Call::Publish(Payload::from(&bytes[1..])));
    sim.call(NodeId(4), Call::Publish(Payload::from(&bytes[..])));
    let mut reached = 0;
    sim.run_for(Duration::from_secs(30), &mut |_, _, event| {
        if let Event::Delivered { update, .. } = event {
            assert_eq!((update.payload.len(), update.id.origin), (PAYLOAD_BYTES_MAX, NodeId(3)));
            reached += 1;
        }
    });
    assert_eq!(reached, n);
    assert_eq!(sim.node(NodeId(4)).counters().rejected, 1);
    assert!(sim.total().stream_messages_sent > n);
}

#[test]
fn what_the_budget_sheds_does_not_count_as_told() {
    // Blind, twice each: with nothing shed each node sends exactly two. One that may send only 200 bytes a second sends them all the same.
    let limits = Limits { budget_bytes_per_s: 400, ..Limits::default() };
    let config = Config { on_arrival: false, ..Config::demers(Push, false, Counter(2)) };
    let mut sim =
        everyone(World { limits, ..World::default() }, 1, 2, || Rumor::new(config.clone(), Life::default()));
    for _ in 0..8 {
        sim.call(NodeId(0), Call::Publish(Payload::from(&[1; 100][..])));
    }
    let mut delivered = 0;
    sim.run_for(Duration::from_secs(60), &mut |_, id, event| {
        delivered += u32::from(id == NodeId(1) && matches!(event, Event::Delivered { .. }));
    });
    let counters = sim.node(NodeId(0)).counters();
    assert!(counters.shed > 0, "{counters:?}");
    assert_eq!(delivered, 8);
    let sent = sim.counters(NodeId(0)).datagrams_sent;
    assert!(
        counters.updates_sent >= 16 && counters.updates_sent <= 8 * sent,
        "{counters:?}, {sent} datagrams"
    );
    assert_eq!(sim.node(NodeId(0)).hot_len(), 0, "it ends");
}

#[test]
fn the_next_contact_begins_with_the_first_update_that_was_shed() {
    let config =
        Config { on_arrival: false, contact_bytes_max: 250, ..Config::demers(Push, false, Counter(3)) };
    let (mut node, mut rng) = (Rumor::new(config, Life::default()), Rng::seeded(1));
    let mut handle = |now, input| {
        let mut sent = Vec::new();
        let mut out = |output: Output<Rumor>| {
            if let Output::Send(_, _, message) = output {
                sent.push(message);
            }
        };
        let (me, peers, wall, room) = (NodeId(0), &Peers::Everyone(2), Wall(0), usize::MAX);
        node.handle(&mut Cx { now: Time(now), wall, me, peers, rng: &mut rng, room, out: &mut out }, input);
        sent
    };
    let names = |sent: &[Message]| -> Vec<u8> {
        let name = |message: &Message| match message {
            Message::Update { update, .. } => update.payload[0],
            other => panic!("{other:?}"),
        };
        sent.iter().map(name).collect()
    };
    for name in 1..=3 {
        handle(0, Input::Call(Call::Publish(Payload::from(&[name; 100][..]))));
    }
    let sent = handle(1, Input::Timer(Timer::Round));
    assert_eq!(names(&sent), [1, 2], "a contact takes two");
    handle(1, Input::Shed(NodeId(1), sent[0].clone()));
    let sent = handle(2, Input::Timer(Timer::Round));
    assert_eq!(names(&sent), [1, 2], "the first was shed, the second left");
    sent.into_iter().for_each(|message| drop(handle(2, Input::Shed(NodeId(1), message))));
    assert_eq!(names(&handle(3, Input::Timer(Timer::Round))), [1, 2], "both were shed");
    assert_eq!(names(&handle(4, Input::Timer(Timer::Round))), [3, 1], "nothing was shed");
}

#[test]
fn among_dead_peers_a_rumor_ends() {
    let mut sim = everyone(World::default(), 1, 50, || Rumor::new(Config::default(), Life::default()));
    (1..50).for_each(|id| sim.crash(NodeId(id)));
    for payload in [&[1; 10][..], &[1; 60_000]] {
        sim.call(NodeId(0), Call::Publish(Payload::from(payload)));
        sim.run_for(Duration::from_secs(30), &mut |_, _, _| {});
        assert_eq!(sim.next_at(), None);
    }
    let counters = sim.node(NodeId(0)).counters();
    let contacts_max = u64::from(Config::default().contacts_max);
    assert!((contacts_max..=2 * contacts_max + 2).contains(&counters.updates_sent), "{counters:?}");
    assert_eq!(counters.lost, counters.updates_sent / 2, "each stream message was refused: {counters:?}");
}

#[test]
fn half_of_them_dead_the_other_half_still_hears() {
    let n = 200;
    let mut reached = 0;
    for seed in 0..10 {
        let mut sim = everyone(World::default(), seed, n, || Rumor::new(Config::default(), Life::default()));
        sim.run_for(Duration::from_millis(1), &mut |_, _, _| {});
        (n / 2..n).for_each(|id| sim.crash(NodeId(id)));
        reached += spread(&mut sim, 60).reached;
    }
    assert!(reached >= 10 * n / 2 * 98 / 100, "{reached} of {}", 10 * n / 2);
}

#[test]
fn too_much_at_once_drops_what_was_told_most_and_a_contact_takes_only_so_much() {
    let config = Config {
        hot_max: 16,
        hot_bytes_max: 4_000,
        contact_bytes_max: 1_000,
        known_max: 32,
        on_arrival: false,
        ..Config::default()
    };
    let mut sim = everyone(World::default(), 1, 20, || Rumor::new(config.clone(), Life::default()));
    let mut newest_at = 0;
    for i in 0..500u32 {
        let payload = vec![0; i as usize % 400];
        sim.call(NodeId(0), Call::Publish(Payload::from(&payload[..])));
        let mut last = Vec::new();
        sim.run_for(Duration::from_millis(10), &mut |_, id, event| {
            if let Event::Delivered { update, .. } = event
                && id == NodeId(0)
            {
                last.push(update.id.seq);
            }
        });
        newest_at = newest_at.max(last.into_iter().max().unwrap_or(0));
        for id in sim.ids() {
            assert!(sim.node(id).hot_len() <= 16 && sim.node(id).known_len() <= 32);
        }
    }
    assert_eq!(newest_at, 500);
    let total = counters(&sim);
    assert!(total.overflowed > 400, "{total:?}");
    // 0.2 s less a tenth of jitter, 5 s, 20 nodes, at most 1,400 bytes of payloads and 16 small updates in a contact.
    let periods = 5.0 / 0.18 * 20.0;
    let bytes = sim.total().bytes_sent() as f64;
    assert!(
        bytes < periods * 3_500.0 + total.feedback_sent as f64 * 150.0,
        "{bytes} bytes in {periods} contacts"
    );
    sim.run_for(Duration::from_secs(60), &mut |_, _, _| {});
    assert_eq!(sim.next_at(), None, "with ids long forgotten it falls silent all the same");
}

#[test]
fn a_view_is_followed_and_a_new_life_is_not_taken_for_the_old_one() {
    let config = Arc::new(Config::default());
    let mut sim: Sim<Rumor> = Sim::new(World::default(), 3);
    for id in 0..3 {
        sim.spawn(NodeId(id), Rumor::new(config.clone(), Life::default()), Time::ZERO);
        sim.meet(NodeId(id), Peers::listed([NodeId((id + 1) % 3)]));
    }
    let mut heard = Vec::new();
    sim.call(NodeId(0), Call::Publish(Payload::from(&b"one"[..])));
    sim.run_for(Duration::from_secs(20), &mut |_, id, event| heard.push((id, event)));
    let delivered = |heard: &[(NodeId, Event)]| {
        heard.iter().filter(|(_, event)| matches!(event, Event::Delivered { .. })).count()
    };
    assert_eq!(delivered(&heard), 3, "round the ring");
    sim.meet(NodeId(1), Peers::default());
    sim.crash(NodeId(0));
    sim.run_for(Duration::from_secs(1), &mut |_, _, _| {});
    sim.restart(NodeId(0), Rumor::new(config, Life { epoch: 1, session: 7 }));
    sim.meet(NodeId(0), Peers::listed([NodeId(1)]));
    sim.call(NodeId(0), Call::Publish(Payload::from(&b"two"[..])));
    heard.clear();
    sim.run_for(Duration::from_secs(20), &mut |_, id, event| heard.push((id, event)));
    assert_eq!(delivered(&heard), 2, "the second has nobody left to tell: {heard:?}");
}

/// Demers 1987, section 3: most conversations stay near, everybody hears all the same, later.
#[test]
fn near_contacts_are_slower_and_reach_as_many() {
    let far = Config::demers(PushPull, true, Counter(4));
    let near = Config { choice: PeerSelection::ring(N, 1.5), ..far.clone() };
    let (far, near) = (run(6, far), run(6, near));
    let ((far_last, _), (near_last, _)) = (mean(&far.t_last), mean(&near.t_last));
    assert!(mean(&near.residue).0 < 0.002, "{:?}", near.residue);
    assert!(near_last > far_last + 2.0 && near_last < far_last * 4.0, "{far_last} and {near_last} cycles");
}
