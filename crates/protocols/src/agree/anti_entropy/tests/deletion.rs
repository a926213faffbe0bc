//! What is deleted stays deleted (section 2).

use super::*;
use alloc::vec;

const HOUR: Duration = Duration::from_secs(3_600);

fn config(direction: Direction, certificates: Option<Certificates>) -> Config {
    Config { direction, compare: Compare::Checksum, period: 60 * SECOND, certificates, ..Config::default() }
}

fn some(sites: usize) -> Option<Certificates> {
    Some(Certificates { active: HOUR, dormant: 100 * HOUR, sites, dormant_max: 100 })
}

/// Node 0 has written, all have it; node 9 is away while node 3 deletes it, and comes back after `away`.
fn deleted_while_one_was_away(config: &Config, away: Duration) -> Sim<AntiEntropy> {
    let mut sim = everyone(World::default(), 3, 10, config);
    put(&mut sim, 0, "k", "v");
    run(&mut sim, HOUR / 2);
    assert!((0..10).all(|id| texts(&sim, id) == [("k", "v")]));
    sim.partition(|a, b| a != b && (a == NodeId(9) || b == NodeId(9)));
    sim.call(NodeId(3), Call::Delete { key: bytes("k") });
    run(&mut sim, HOUR / 2);
    if config.certificates.is_some() {
        assert!((0..9).all(|id| texts(&sim, id).is_empty() && sim.node(NodeId(id)).len() == 1));
    }
    run(&mut sim, away);
    sim.heal();
    run(&mut sim, HOUR / 2);
    sim
}

#[test]
fn without_certificates_what_was_deleted_comes_back() {
    for direction in DIRECTIONS {
        let sim = deleted_while_one_was_away(&config(direction, None), Duration::ZERO);
        assert!((0..10).all(|id| texts(&sim, id) == [("k", "v")]), "{direction:?}");
    }
}

#[test]
fn a_certificate_deletes_it_at_the_one_that_was_away() {
    for direction in DIRECTIONS {
        let mut sim = deleted_while_one_was_away(&config(direction, some(0)), HOUR / 4);
        assert!((0..10).all(|id| texts(&sim, id).is_empty()), "{direction:?}");
        // After its time everybody has forgotten the certificate too, and nobody brings it back.
        run(&mut sim, 2 * HOUR);
        assert!((0..10).all(|id| sim.node(NodeId(id)).is_empty()), "{direction:?}");
        assert_eq!(total(&sim).awakened, 0);
    }
}

#[test]
fn who_was_away_for_longer_than_certificates_last_brings_it_back_unless_some_sleep_on() {
    for direction in DIRECTIONS {
        let sim = deleted_while_one_was_away(&config(direction, some(0)), 10 * HOUR);
        assert!((0..10).all(|id| texts(&sim, id) == [("k", "v")]), "{direction:?}: no retention sites");

        let mut sim = deleted_while_one_was_away(&config(direction, some(3)), 10 * HOUR);
        assert!((0..10).all(|id| texts(&sim, id).is_empty()), "{direction:?}");
        let awakened = total(&sim).awakened;
        assert!((1..=3).contains(&awakened), "{direction:?}: {awakened} certificates awakened");
        // They fall asleep again at their sites, and are forgotten in the end.
        run(&mut sim, 2 * HOUR);
        let dormant =
            |sim: &Sim<AntiEntropy>| (0..10).map(|id| sim.node(NodeId(id)).dormant_len()).sum::<usize>();
        assert!((0..10).all(|id| sim.node(NodeId(id)).is_empty()), "{direction:?}");
        assert_eq!(dormant(&sim), 3, "{direction:?}");
        run(&mut sim, 200 * HOUR);
        if direction != Direction::Push {
            assert_eq!(dormant(&sim), 0, "{direction:?}");
        }
    }
}

#[test]
fn a_certificate_that_awakes_does_not_kill_what_was_written_since() {
    let config = config(Direction::PushPull, some(16)); // all but the one who deletes it, but for a small chance
    let mut sim = everyone(World::default(), 4, 10, &config);
    put(&mut sim, 0, "k", "old");
    run(&mut sim, HOUR / 2);
    sim.partition(|a, b| a != b && (a == NodeId(9) || b == NodeId(9)));
    sim.call(NodeId(3), Call::Delete { key: bytes("k") });
    run(&mut sim, 2 * HOUR); // it is dormant now
    assert_eq!((sim.node(NodeId(5)).len(), sim.node(NodeId(5)).dormant_len()), (0, 1));
    // Node 5 is cut off as well; among the others the key has a value again.
    sim.partition(|a, b| a != b && [a, b].iter().any(|id| [5, 9].contains(&id.0)));
    put(&mut sim, 0, "k", "new");
    run(&mut sim, HOUR / 2);
    assert_eq!(texts(&sim, 4), [("k", "new")]);
    // Now 5 and 9 meet: the old value awakens the certificate of 5.
    sim.partition(|a, b| [5, 9].contains(&a.0) != [5, 9].contains(&b.0));
    run(&mut sim, HOUR / 2);
    assert_eq!(sim.node(NodeId(5)).counters().awakened, 1);
    assert!(texts(&sim, 9).is_empty() && sim.node(NodeId(9)).len() == 1);
    sim.heal();
    run(&mut sim, HOUR / 2);
    (0..10).for_each(|id| assert_eq!(texts(&sim, id), [("k", "new")], "node {id}"));
    assert!((0..10).all(|id| sim.node(NodeId(id)).dormant_len() == 0), "a newer value ends a certificate");
}

fn value(ms: u64) -> Entry {
    Entry::value_of(bytes("k"), Timestamp { wall: Wall(ms), counter: 0, node: NodeId(7) }, bytes("v"))
}

fn death(ms: u64, sites: Vec<NodeId>) -> Entry {
    Entry::death_of(bytes("k"), Timestamp { wall: Wall(ms), counter: 0, node: NodeId(7) }, sites)
}

fn told(entry: Entry) -> Input<AntiEntropy> {
    Input::Message(NodeId(7), Message::Page { entries: Entries::One(entry), span: None, way: Way::Give })
}

#[test]
fn a_certificate_after_its_time_still_kills_and_lies_down_where_it_belongs() {
    let minutes = |m: u64| m * 60_000;
    for (sites, dormant) in [(vec![NodeId(1)], 1), (vec![NodeId(2)], 0)] {
        let mut node = alone(config(Direction::PushPull, some(1)));
        hand(&mut node, minutes(200), told(value(minutes(50))));
        let outputs = hand(&mut node, minutes(200), told(death(minutes(100), sites)));
        let told_of = |output: &Output<AntiEntropy>| {
            matches!(output, Output::Event(Event::Changed { value: None, .. }))
        };
        assert_eq!(outputs.iter().filter(|output| told_of(output)).count(), 1);
        assert!(node.is_empty() && node.counters().expired == 1);
        assert_eq!(node.dormant_len(), dormant);
    }
}

#[test]
fn deletes_of_what_is_not_here_yet_are_kept_all_the_same() {
    let mut node = alone(config(Direction::Push, some(1)));
    hand(&mut node, 1_000, Input::Call(Call::Delete { key: bytes("k") }));
    let certificate = node.entry(b"k").unwrap();
    assert_eq!((certificate.value(), certificate.sites().len()), (None, 1));
    hand(&mut node, 2_000, told(value(999)));
    assert_eq!(node.get(b"k"), None);
    hand(&mut node, 3_000, told(value(1_001)));
    assert_eq!(node.get(b"k"), Some(&bytes("v")));
}

#[test]
fn dormant_certificates_are_bounded_and_the_first_to_end_goes_first() {
    let mut node = alone(config(Direction::PushPull, some(1)));
    let minutes = |m: u64| m * 60_000;
    for n in 0..300 {
        let key = numbered(n as usize);
        let stamp = Timestamp { wall: Wall(n), counter: 0, node: NodeId(7) };
        hand(&mut node, n, told(Entry::death_of(key, stamp, vec![NodeId(1)])));
    }
    assert_eq!((node.len(), node.dormant_len()), (300, 0));
    hand(&mut node, minutes(61), Input::Timer(Timer::Round));
    assert_eq!((node.len(), node.dormant_len(), node.counters().overflowed), (0, 100, 200));
    let last = Timestamp { wall: Wall(1), counter: 0, node: NodeId(7) };
    hand(&mut node, minutes(62), told(Entry::value_of(numbered(299), last, bytes("v"))));
    assert_eq!((node.counters().awakened, node.dormant_len()), (1, 99));
    hand(&mut node, minutes(62), told(Entry::value_of(numbered(0), last, bytes("v"))));
    assert_eq!(node.get(&numbered(0)), Some(&bytes("v")), "that certificate had to go");
}

#[test]
fn sites_are_different_peers_and_as_many_as_there_are() {
    for peers in [0, 1, 2, 3, 4, 100] {
        let mut node = AntiEntropy::new(config(Direction::PushPull, some(4)));
        let delete = Input::Call(Call::Delete { key: bytes("k") });
        hand_to(&mut node, NodeId(1), &Peers::Everyone(peers), 1, delete);
        let mut sites = node.entry(b"k").unwrap().sites().to_vec();
        let drawn = sites.len();
        sites.sort_unstable();
        sites.dedup();
        assert_eq!(sites.len(), drawn, "each once");
        match peers {
            0 | 1 => assert_eq!(sites, [NodeId(1)], "itself, where there is nobody else"),
            // It may happen that one of few is not drawn.
            _ => assert!(
                drawn <= 4.min(peers as usize) && drawn >= 1 && (peers < 100 || drawn == 4),
                "{drawn} of {peers}"
            ),
        }
    }
}
