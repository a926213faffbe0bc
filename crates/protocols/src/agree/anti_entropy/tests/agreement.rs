//! Stores become equal, whatever they were, over a network that loses, doubles and reorders.

use super::*;
use alloc::collections::BTreeMap;
use rumormill_core::rng::Rng;
use rumormill_core::time::Wall;
use rumormill_sim::Latency;

/// One in ten is lost and one in ten comes twice; messages overtake each other; clocks differ by a second.
fn rough() -> World {
    World {
        latency: Latency::Uniform(Duration::from_millis(1), Duration::from_millis(80)),
        loss: 0.1,
        duplicate: 0.1,
        wire: true,
        clock_offset_max: Duration::from_millis(500),
        ..World::default()
    }
}

/// Writes and deletes at random nodes that do not know each other yet; returns what has to be left: the newest of each key.
fn write_apart(sim: &mut Sim<AntiEntropy>, rng: &mut Rng, n: u64) -> BTreeMap<Payload, Option<Payload>> {
    let mut newest: BTreeMap<Payload, (Timestamp, Option<Payload>)> = BTreeMap::new();
    for step in 0..40 * n as usize {
        let (id, key) = (NodeId(rng.below(n as usize) as u64), numbered(rng.below(150)));
        sim.call(
            id,
            match rng.chance(0.8) {
                true => Call::Put { key, value: numbered(step) },
                false => Call::Delete { key },
            },
        );
        sim.run_for(Duration::from_millis(10), &mut |_, _, Event::Changed { key, value, stamp, .. }| {
            let slot = newest.entry(key).or_default();
            *slot = slot.clone().max((stamp, value));
        });
    }
    newest.into_iter().map(|(key, (_, value))| (key, value)).collect()
}

fn become_equal(seed: u64, config: &Config) {
    let n = 8;
    let mut rng = Rng::seeded(seed);
    let mut sim = Sim::new(rough(), seed);
    for id in (0..n).map(NodeId) {
        sim.spawn(id, AntiEntropy::new(config.clone()), Time::ZERO);
    }
    let expected = write_apart(&mut sim, &mut rng, n);
    let different = (1..n).filter(|id| sim.node(NodeId(*id)).checksum() != sim.node(NodeId(0)).checksum());
    assert_eq!(different.count() as u64, n - 1, "seed {seed}: they begin with different stores");
    (0..n).for_each(|id| sim.meet(NodeId(id), Peers::Everyone(n)));
    let what = alloc::format!("seed {seed}, {:?} {:?}", config.compare, config.direction);
    let equal = |sim: &Sim<AntiEntropy>| {
        (1..n).all(|id| sim.node(NodeId(id)).checksum() == sim.node(NodeId(0)).checksum())
    };
    while !equal(&sim) {
        run(&mut sim, SECOND);
        assert!(sim.now() < Time::ZERO + 400 * SECOND, "{what}: still not equal");
    }
    for id in (0..n).map(NodeId) {
        let node = sim.node(id);
        assert_eq!(node.len(), expected.len(), "{what}, node {id}");
        expected
            .iter()
            .for_each(|(key, value)| assert_eq!(node.get(key), value.as_ref(), "{what}, node {id}"));
        let counters = node.counters();
        assert_eq!((counters.rejected, counters.overflowed, counters.ahead), (0, 0, 0), "{what}");
    }
}

#[test]
fn all_stores_become_equal_by_every_comparison_in_every_direction() {
    for compare in COMPARISONS {
        for direction in DIRECTIONS {
            for seed in 0..2 {
                let config = Config { direction, compare, period: SECOND, ..Config::default() };
                become_equal(seed, &config);
            }
        }
    }
}

#[test]
fn small_pages_and_few_answers_bring_everything_all_the_same() {
    for compare in COMPARISONS {
        for direction in DIRECTIONS {
            let config = Config {
                direction,
                compare,
                period: SECOND,
                page_bytes_max: 300, // some six entries
                answers_max: 12,
                leaf_entries: 2,
                peel_entries: 1,
                peel_pages_max: 1,
                ..Config::default()
            };
            become_equal(7, &config);
        }
    }
}

#[test]
fn nodes_set_differently_come_to_agree() {
    let n = 10;
    for seed in 0..4 {
        let mut sim = Sim::new(rough(), seed);
        for id in 0..n {
            let compare = COMPARISONS[id as usize % COMPARISONS.len()];
            let direction = DIRECTIONS[(id + seed) as usize % DIRECTIONS.len()];
            let config = Config { direction, compare, period: SECOND, ..Config::default() };
            sim.spawn(NodeId(id), AntiEntropy::new(config), Time::ZERO);
        }
        let expected = write_apart(&mut sim, &mut Rng::seeded(seed), n);
        (0..n).for_each(|id| sim.meet(NodeId(id), Peers::Everyone(n)));
        run(&mut sim, 60 * SECOND);
        for id in (0..n).map(NodeId) {
            let node = sim.node(id);
            assert!(
                expected.iter().all(|(key, value)| node.get(key) == value.as_ref()),
                "seed {seed}, node {id}"
            );
        }
    }
}

#[test]
fn a_conversation_that_was_broken_off_is_gone_on_with() {
    // 400 pages, ten of which are answered in a period: only if each conversation begins where the last one stopped is there an end.
    for direction in DIRECTIONS {
        let config = Config {
            direction,
            compare: Compare::Full,
            period: SECOND,
            page_bytes_max: 100,
            answers_max: 10,
            ..Config::default()
        };
        let mut sim = everyone(World::default(), 5, 2, &config);
        for n in 0..800 {
            sim.call(NodeId(0), Call::Put { key: numbered(n), value: numbered(n) });
        }
        run(&mut sim, 300 * SECOND);
        assert_eq!(sim.node(NodeId(1)).len(), 800, "{direction:?}");
        assert!(total(&sim).unanswered > 0);
    }
}

#[test]
fn a_write_that_has_seen_another_wins_whatever_the_clocks_say() {
    let world = World { clock_offset_max: Duration::from_secs(30), ..World::default() };
    let config = Config { period: SECOND, ..Config::default() };
    for seed in 0..8 {
        let mut sim = everyone(world.clone(), seed, 5, &config);
        for step in 0..10 {
            put(&mut sim, (seed + 3 * step) % 5, "k", &alloc::format!("{step}"));
            run(&mut sim, 20 * SECOND);
            let expected = alloc::format!("{step}");
            for id in 0..5 {
                assert_eq!(texts(&sim, id), [("k", &*expected)], "seed {seed}, node {id}");
            }
        }
    }
}

#[test]
fn a_stamp_from_the_future_is_not_taken_until_its_time_is_near() {
    let mut node = alone(Config { skew_max: 10 * SECOND, ..Config::default() });
    let entry = |ms, value| {
        let stamp = Timestamp { wall: Wall(ms), counter: 0, node: NodeId(7) };
        Message::Page {
            entries: Entries::One(Entry::value_of(bytes("k"), stamp, bytes(value))),
            span: None,
            way: Way::Give,
        }
    };
    hand(&mut node, 1_000_000, Input::Message(NodeId(7), entry(999_000, "true clock")));
    hand(&mut node, 1_000_001, Input::Message(NodeId(7), entry(1_060_000, "ahead")));
    assert_eq!((node.get(b"k"), node.counters().ahead), (Some(&bytes("true clock")), 1));
    // What is written here is not taken along by it.
    hand(&mut node, 1_000_002, Input::Call(Call::Put { key: bytes("k"), value: bytes("later") }));
    assert_eq!(node.entry(b"k").unwrap().stamp().wall, Wall(1_000_002));
    hand(&mut node, 1_050_000, Input::Message(NodeId(7), entry(1_060_000, "ahead")));
    assert_eq!(node.get(b"k"), Some(&bytes("ahead")));
    // Within the bound it is: a write here is later than what it has seen.
    hand(&mut node, 1_050_001, Input::Call(Call::Put { key: bytes("k"), value: bytes("last") }));
    assert_eq!(node.get(b"k"), Some(&bytes("last")));
}

#[test]
fn a_full_store_takes_newer_values_of_its_keys_and_no_others() {
    let config = Config { entries_max: 3, value_bytes_max: 10, period: SECOND, ..Config::default() };
    let mut sim = everyone(World::default(), 2, 2, &config);
    for (key, value) in
        [("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("a", "2"), ("", "1"), ("b", "much too long")]
    {
        put(&mut sim, 0, key, value);
        run(&mut sim, SECOND);
    }
    assert_eq!(texts(&sim, 0), [("a", "2"), ("b", "1"), ("c", "1")]);
    let counters = sim.node(NodeId(0)).counters();
    assert_eq!((counters.overflowed, counters.rejected), (1, 2));
    run(&mut sim, 10 * SECOND);
    assert_eq!(texts(&sim, 1), texts(&sim, 0));
}

#[test]
fn who_pushes_and_has_nothing_is_silent_and_sets_no_timer() {
    for compare in COMPARISONS {
        let config = Config { compare, ..Config::demers(Direction::Push) };
        let mut sim = everyone(World::default(), 1, 4, &config);
        run(&mut sim, SECOND);
        assert_eq!(sim.next_at(), None, "{compare:?}");
    }
    // With something to say it sends one message in a period, and the one who knows already answers nothing.
    let mut sim = everyone(World::default(), 1, 2, &Config::demers(Direction::Push));
    put(&mut sim, 0, "k", "v");
    run(&mut sim, 100 * SECOND);
    let (first, second) = (sim.counters(NodeId(0)), sim.counters(NodeId(1)));
    assert!((95..=106).contains(&first.datagrams_sent), "{}", first.datagrams_sent);
    assert_eq!(first.datagrams_sent, sim.node(NodeId(0)).counters().contacts);
    assert_eq!(second.datagrams_sent, sim.node(NodeId(1)).counters().contacts);
    assert_eq!((first.stream_messages_sent, first.timers_max), (0, 1));
}
