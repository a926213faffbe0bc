//! The other spreaders against their golden values.

mod common;

use common::*;
use rumormill_core::NodeId;
use rumormill_core::identity::Life;
use rumormill_core::payload::Payload;
use rumormill_core::peers::Peers;
use rumormill_core::time::Duration;
use rumormill_protocols::spread::direct_mail::{self, DirectMail};
use rumormill_protocols::spread::flood::{self, Flood};
use rumormill_protocols::spread::infect_and_die::{self, InfectAndDie};
use rumormill_protocols::spread::median_counter::{self, MedianCounter};
use rumormill_protocols::spread::push_then_pull::{self, PushThenPull};
use rumormill_protocols::spread::tree::{self, Tree};
use rumormill_protocols::spread::{Call, Event};
use rumormill_sim::World;
use std::collections::BTreeSet;
use std::sync::Arc;

/// π = 1 - e^(-fπ); all of them with chance e^(-e^(-(f - ln n))).
#[test]
fn infect_and_die_reaches_the_share_and_is_atomic_as_often_as_theory_says() {
    let run = |n: u64, fanout: u32, runs: u64| {
        let config = Arc::new(infect_and_die::Config { fanout, ..Default::default() });
        let reached = |seed| {
            let mut sim = everyone(cycles(), seed, n, || InfectAndDie::new(config.clone(), Life::default()));
            let outcome = spread(&mut sim, 1);
            assert_eq!(counters(&sim).updates_sent, outcome.reached * u64::from(fanout));
            outcome.reached as f64 / n as f64
        };
        (0..runs).map(reached).collect::<Vec<f64>>()
    };
    // Of those that take off at all: with a small fanout one in e^2 dies at once.
    for (fanout, share) in [(2, 0.7968), (3, 0.9405), (4, 0.9802), (5, 0.9930)] {
        let taken_off: Vec<f64> = run(10_000, fanout, 4).into_iter().filter(|share| *share > 0.1).collect();
        expect(&format!("share at f = {fanout}"), &taken_off, share, 0.0005);
    }
    for (fanout, atomic) in [(6, 0.083), (8, 0.722), (10, 0.957)] {
        let whole: Vec<f64> =
            run(1_000, fanout, 60).into_iter().map(|s| f64::from(u8::from(s == 1.0))).collect();
        expect(&format!("atomic at f = {fanout}"), &whole, atomic, 0.01);
    }
}

#[test]
fn push_then_pull_takes_two_messages_per_node_whatever_their_number() {
    let run = |n: u64, more: i64, runs: u64| {
        let rounds = ((n as f64).log2().round() as i64 + more) as u32;
        let config = Arc::new(push_then_pull::Config {
            push_rounds: (more != 0).then_some(rounds),
            period: CYCLE,
            jitter: JITTER,
            ..Default::default()
        });
        let mut rows = [const { Vec::new() }; 5];
        for seed in 0..runs {
            let mut sim = everyone(cycles(), seed, n, || PushThenPull::new(config.clone(), Life::default()));
            let outcome = spread(&mut sim, rounds + 20);
            assert_eq!(outcome.reached, n, "seed {seed}: pull ends when everybody has it");
            let answers: u64 = sim.ids().map(|id| sim.node(id).answers_sent()).sum();
            let counters = counters(&sim);
            let messages = [counters.updates_sent - answers, counters.asks_sent, answers];
            let values = messages.into_iter().chain([messages.iter().sum()]).map(|m| m as f64 / n as f64);
            rows.iter_mut().zip(values.chain([outcome.t_last])).for_each(|(row, value)| row.push(value));
        }
        rows
    };
    for (n, golden, runs) in
        [(1_000, [0.83, 0.67, 0.44, 1.93, 13.7], 16), (10_000, [0.68, 0.83, 0.51, 2.02, 17.2], 2)]
    {
        let rows = run(n, 0, runs);
        let what = ["pushes", "requests", "answers", "messages", "t_last"];
        for ((what, values), golden) in what.into_iter().zip(&rows).zip(golden) {
            expect(&format!("{what} at n = {n}"), values, golden, if what == "t_last" { 0.3 } else { 0.01 });
        }
        assert!(mean(&rows[3]).0 <= 2.6, "the paper's 2.6");
    }
    for (more, messages) in [(-2, 2.98), (1, 1.95), (2, 2.38)] {
        expect(&format!("messages at R = log2 n + {more}"), &run(1_000, more, 12)[3], messages, 0.015);
    }
}

#[test]
fn the_median_counter_informs_all_and_then_falls_silent() {
    let run = |n: u64, runs: u64| {
        let config = Arc::new(median_counter::Config { period: CYCLE, jitter: JITTER, ..Default::default() });
        let mut rows = [const { Vec::new() }; 3];
        for seed in 0..runs {
            let mut sim = everyone(cycles(), seed, n, || MedianCounter::new(config.clone(), Life::default()));
            let outcome = spread(&mut sim, 100);
            assert_eq!((outcome.reached, outcome.removed), (n, n), "seed {seed}: no residue, and an end");
            let counters = counters(&sim);
            let transmissions = counters.updates_sent + counters.updates_spared;
            // The last round is that in which the last one finds that it is over.
            let values = [outcome.t_last, outcome.quiet - 1.0, transmissions as f64 / n as f64];
            rows.iter_mut().zip(values).for_each(|(row, value)| row.push(value));
        }
        rows
    };
    let [t_last, quiet, transmissions] = run(10_000, 4);
    expect("t_last", &t_last, 11.6, 0.05);
    expect("quiet", &quiet, 17.2, 0.3);
    expect("transmissions", &transmissions, 14.5, 0.05);
    // With a maximum of 2 at n = 1,000 it could take dozens of rounds to fall silent: the age of an update ends that.
    let [_, quiet, _] = run(1_000, 30);
    let age_rounds_max = 2.0 * 10.0 + 8.0;
    assert!(quiet.iter().all(|rounds| *rounds <= age_rounds_max), "{quiet:?}");
}

#[test]
fn a_flood_takes_exactly_what_its_graph_has_edges_for() {
    for n in [2, 3, 1_000] {
        let config = Arc::new(flood::Config { degree: 6, ..Default::default() });
        let mut sim = everyone(World::default(), 1, n, || Flood::new(config.clone(), Life::default()));
        let outcome = spread(&mut sim, 10);
        assert_eq!(outcome.reached, n);
        // Each node sends over all its edges but the one that brought it: 2E - (n - 1).
        let mut edges = 0;
        let graph = rumormill_protocols::kit::random_graph::RandomGraph::new(n, 6, 0);
        (0..n).for_each(|id| graph.neighbours(id, |_| edges += 1));
        assert_eq!(counters(&sim).updates_sent, edges - (n - 1));
        assert!(outcome.t_last < 0.010, "at most 1 ms per hop, log_5 1000 is 4.3: {outcome:?}");
    }
}

#[test]
fn a_flood_over_a_listed_view_goes_round_a_ring_and_stops_at_its_hops() {
    for (hops_max, reached) in [(64, 20), (3, 9)] {
        let config = Arc::new(flood::Config { hops_max, ..Default::default() });
        let mut sim = everyone(World::default(), 1, 20, || Flood::new(config.clone(), Life::default()));
        for id in 0..20 {
            let beside = vec![NodeId((id + 1) % 20), NodeId((id + 19) % 20)];
            sim.meet(NodeId(id), Peers::listed(beside));
        }
        assert_eq!(spread(&mut sim, 10).reached, reached, "both ways from node 0, {hops_max} hops passed on");
    }
}

#[test]
fn a_tree_takes_n_minus_1_messages_and_is_as_deep_as_its_arity_says() {
    for (n, arity, depth) in [(1_000, 4, 5.0), (1_000, 2, 9.0), (5, 1, 4.0), (1, 4, 0.0)] {
        let config = Arc::new(tree::Config { arity, ..Default::default() });
        let hop = rumormill_sim::Latency::Constant(Duration::from_millis(1));
        let world = World { latency: hop, ..World::default() };
        let mut sim = everyone(world, 1, n, || Tree::new(config.clone(), Life::default()));
        let outcome = spread(&mut sim, 10);
        assert_eq!((outcome.reached, counters(&sim).updates_sent), (n, n - 1));
        assert_eq!(outcome.t_last * 1e3, depth, "n = {n}, k = {arity}");
    }
}

#[test]
fn every_publisher_is_the_root_of_its_own_tree_over_a_listed_view() {
    let ids: Vec<NodeId> = [3, 8, 9, 20, 21, 40, 77].map(NodeId).to_vec();
    for publisher in &ids {
        let mut sim = rumormill_sim::Sim::new(World::default(), 1);
        for id in &ids {
            sim.spawn(
                *id,
                Tree::new(tree::Config { arity: 2, ..Default::default() }, Life::default()),
                sim.now(),
            );
            // Views come in any order, with or without their owner.
            let mut view = ids.clone();
            view.rotate_left(id.0 as usize % 7);
            view.retain(|peer| peer != id || id.0 % 2 == 0);
            sim.meet(*id, Peers::listed(view));
        }
        sim.call(*publisher, Call::Publish(Payload::EMPTY));
        let mut reached = BTreeSet::new();
        sim.run_for(Duration::from_secs(1), &mut |_, id, event| {
            if let Event::Delivered { .. } = event {
                assert!(reached.insert(id));
            }
        });
        assert_eq!((reached.len(), counters(&sim).updates_sent), (7, 6), "from {publisher}");
    }
}

/// Its failure mode.
#[test]
fn a_dead_inner_node_cuts_its_whole_subtree_off_and_nobody_notices() {
    let (n, arity) = (1_000u64, 2u64);
    for dead in [1, 2, 7, 100, 600] {
        let config = Arc::new(tree::Config { arity: arity as u32, ..Default::default() });
        let mut sim = everyone(World::default(), 1, n, || Tree::new(config.clone(), Life::default()));
        sim.run_for(Duration::from_millis(1), &mut |_, _, _| {});
        sim.crash(NodeId(dead));
        // Node 0 publishes, so places are ids: below p are pk + 1 to pk + k, and so on.
        let (mut subtree, mut level) = (0, dead..dead + 1);
        while level.start < n {
            subtree += level.end.min(n) - level.start;
            level = level.start * arity + 1..(level.end - 1) * arity + arity + 1;
        }
        assert_eq!(spread(&mut sim, 10).reached, n - subtree, "{dead} is dead, {subtree} are below it");
    }
}

#[test]
fn mail_goes_to_everybody_on_the_list_once_and_what_is_lost_stays_lost() {
    let n = 1_000;
    let mut residue = Vec::new();
    for seed in 0..20 {
        let world = World { loss: 0.1, ..World::default() };
        let mut sim =
            everyone(world, seed, n, || DirectMail::new(direct_mail::Config::default(), Life::default()));
        let outcome = spread(&mut sim, 10);
        assert_eq!(counters(&sim).updates_sent, n - 1, "seed {seed}");
        assert_eq!(outcome.removed, outcome.reached);
        residue.push(1.0 - outcome.reached as f64 / n as f64);
    }
    expect("residue", &residue, 0.1 * 0.999, 0.0);
}

#[test]
fn mail_is_paced_in_messages_and_bytes_and_its_queue_is_bounded() {
    let config = direct_mail::Config {
        mails_per_period_max: 10,
        bytes_per_period_max: 2_000,
        period: Duration::from_millis(100),
        outgoing_max: 3,
        ..Default::default()
    };
    for (payload, mails_per_period) in [(10, 10), (500, 4), (3_000, 1)] {
        let world = World { synchronous: Some(Duration::from_millis(100)), ..World::default() };
        let mut sim = everyone(world, 1, 31, || DirectMail::new(config.clone(), Life::default()));
        for _ in 0..5 {
            sim.call(NodeId(0), Call::Publish(Payload::from(&vec![1; payload][..])));
        }
        let (mut before, mut removed, mut at_last) = (0, 0, 0);
        for period in 0..200 {
            sim.run_for(Duration::from_millis(100), &mut |_, id, event| {
                removed += u32::from(id == NodeId(0) && matches!(event, Event::Removed(_)));
            });
            let sent = counters(&sim).updates_sent;
            assert!(
                sent - before <= if period == 0 { 2 } else { 1 } * mails_per_period,
                "{sent} after {period}"
            );
            (before, at_last) = (sent, if sent > before { period } else { at_last });
        }
        // Of five updates two were given up, the oldest after its first batch.
        assert_eq!((counters(&sim).overflowed, removed), (2, 5));
        assert!((3 * 30..=3 * 30 + 2 * mails_per_period).contains(&before), "{before}");
        assert!(at_last as u64 >= 90 / mails_per_period - 2, "{payload} bytes: done after {at_last} periods");
    }
}
