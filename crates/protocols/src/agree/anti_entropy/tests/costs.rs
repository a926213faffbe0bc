//! What a comparison costs when stores are equal, and when they differ by one entry in ten thousand.

use super::*;
use rumormill_core::wire;

const ENTRIES: usize = 10_000;
const NOW_MS: u64 = 40_000;

/// What two nodes say to each other in one contact.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
struct Cost {
    entries: usize,
    messages: usize,
    bytes: usize,
}

/// Both have `ENTRIES`, written in the first ten seconds. What was written since only one of them has.
fn stores(compare: Compare, direction: Direction) -> [AntiEntropy; 2] {
    let config = Config { compare, direction, answers_max: u32::MAX, ..Config::default() };
    let mut clock = HybridClock::default();
    let entries: Vec<Entry> = (0..ENTRIES)
        .map(|n| Entry::value_of(numbered(n), clock.next(Wall(n as u64), NodeId(5)), numbered(n)))
        .collect();
    [0, 1].map(|_| {
        let mut node = AntiEntropy::new(config.clone());
        entries.iter().for_each(|entry| node.store.put(entry.clone(), Time::ZERO));
        node
    })
}

/// One contact, after which the stores are equal.
fn talk(nodes: &mut [AntiEntropy; 2]) -> Cost {
    let cost = exchange(nodes, NOW_MS);
    assert_eq!(nodes[0].checksum(), nodes[1].checksum());
    cost
}

/// The first contacts the second; they talk until nobody has anything to say. Nothing is lost.
fn exchange([first, second]: &mut [AntiEntropy; 2], ms: u64) -> Cost {
    let mut cost = Cost::default();
    let mut waiting = hand_to(first, NodeId(0), &Peers::Everyone(2), ms, Input::Timer(Timer::Round));
    let mut to_second = true;
    while !waiting.is_empty() {
        let mut next = Vec::new();
        for output in waiting {
            let Output::Send(to, _, message) = output else { continue };
            assert_eq!(to, NodeId(u64::from(to_second)));
            cost.messages += 1;
            cost.entries += message.entries_len();
            cost.bytes += wire::len(&message);
            let (from, node): (_, &mut AntiEntropy) =
                if to_second { (NodeId(0), &mut *second) } else { (NodeId(1), &mut *first) };
            next.extend(hand_to(node, to, &Peers::Everyone(2), ms, Input::Message(from, message)));
        }
        waiting = next;
        to_second = !to_second;
    }
    cost
}

/// What it costs if equal, and if the one that gives has one entry more.
fn costs(compare: Compare, direction: Direction) -> (Cost, Cost) {
    let mut nodes = stores(compare, direction);
    let equal = talk(&mut nodes);
    let stamp = Timestamp { wall: Wall(35_000), counter: 0, node: NodeId(5) };
    let newest = Entry::value_of(bytes("newest"), stamp, bytes("value"));
    let giver = usize::from(direction == Direction::Pull);
    nodes[giver].store.put(newest, Time::ZERO);
    (equal, talk(&mut nodes))
}

#[test]
fn everything_travels_and_with_checksums_only_if_something_differs() {
    for direction in DIRECTIONS {
        let (equal, differ) = costs(Compare::Full, direction);
        assert_eq!(equal.entries, ENTRIES, "{direction:?}");
        assert_eq!(differ.entries, ENTRIES + 1, "{direction:?}");
        let (equal, differ) = costs(Compare::Checksum, direction);
        assert_eq!((equal.entries, equal.messages), (0, 1), "{direction:?}");
        assert!(equal.bytes < 20, "{direction:?}: {equal:?}");
        assert_eq!(differ.entries, ENTRIES + 1, "{direction:?}");
    }
}

#[test]
fn recent_updates_and_peeling_back_cost_what_is_new() {
    for direction in DIRECTIONS {
        let (equal, differ) = costs(COMPARISONS[2], direction);
        assert_eq!((equal.entries, equal.messages), (0, 1), "{direction:?}");
        assert_eq!(differ.entries, 1, "{direction:?}");
        assert!(equal.bytes < 20 && differ.bytes < 80, "{direction:?}: {equal:?} {differ:?}");
        let (equal, differ) = costs(Compare::PeelBack, direction);
        assert_eq!((equal.entries, equal.messages), (0, 1), "{direction:?}");
        assert!(differ.entries <= 4 && differ.messages <= 3, "{direction:?}: {differ:?}");
        assert!(equal.bytes < 20 && differ.bytes < 250, "{direction:?}: {equal:?} {differ:?}");
    }
}

#[test]
fn a_tree_costs_some_sums_for_each_level_wherever_the_difference_is() {
    for direction in DIRECTIONS {
        let (equal, differ) = costs(Compare::Merkle, direction);
        assert_eq!((equal.entries, equal.messages), (0, 1), "{direction:?}");
        assert!(equal.bytes < 20, "{direction:?}: {equal:?}");
        assert!(differ.entries <= 16 && differ.messages <= 6, "{direction:?}: {differ:?}");
        assert!(differ.bytes < 1_000, "{direction:?}: {differ:?}");

        // The oldest one is as cheap to find; peeling back would bring everything.
        let mut nodes = stores(Compare::Merkle, direction);
        let taker = usize::from(direction != Direction::Pull);
        nodes[taker].store.remove(&numbered(0));
        let oldest = talk(&mut nodes);
        assert!(oldest.bytes < 1_000, "{direction:?}: {oldest:?}");
        let mut nodes = stores(Compare::PeelBack, direction);
        nodes[taker].store.remove(&numbered(0));
        assert!(talk(&mut nodes).entries >= ENTRIES, "{direction:?}");
    }
}

#[test]
fn a_tree_finds_many_differences_and_whole_stores() {
    for direction in DIRECTIONS {
        let mut nodes = stores(Compare::Merkle, direction);
        let taker = usize::from(direction != Direction::Pull);
        (0..ENTRIES).step_by(100).for_each(|n| drop(nodes[taker].store.remove(&numbered(n))));
        let some = talk(&mut nodes);
        assert!(some.bytes < 100_000, "{direction:?}: {some:?}");
        (0..ENTRIES).for_each(|n| drop(nodes[taker].store.remove(&numbered(n))));
        let all = talk(&mut nodes);
        assert_eq!(all.entries, ENTRIES, "{direction:?}");
        assert!(all.messages < 64, "{direction:?}: {all:?}");
    }
}

#[test]
fn with_few_answers_in_a_period_a_tree_repairs_some_of_many_differences_in_each() {
    for direction in DIRECTIONS {
        let config = Config { compare: Compare::Merkle, direction, ..Config::default() };
        let mut nodes = stores(Compare::Merkle, direction);
        nodes.iter_mut().for_each(|node| node.config = Arc::new(config.clone()));
        let taker = usize::from(direction != Direction::Pull);
        (0..ENTRIES).step_by(50).for_each(|n| drop(nodes[taker].store.remove(&numbered(n))));
        let mut periods = 0;
        while nodes[0].checksum() != nodes[1].checksum() {
            let cost = exchange(&mut nodes, NOW_MS + 20_000 * periods);
            assert!(cost.messages <= 129 && cost.bytes < 100_000, "{direction:?}: {cost:?}");
            periods += 1;
            assert!(periods < 60, "{direction:?}: still not equal");
        }
        assert!(periods > 2, "{direction:?}: 200 differences are more than one period's answers find");
    }
}

#[test]
fn in_push_pull_each_side_sends_only_what_is_newer_there() {
    for compare in COMPARISONS {
        let mut nodes = stores(compare, Direction::PushPull);
        for (id, node) in nodes.iter_mut().enumerate() {
            let stamp = |n: u64| Timestamp { wall: Wall(35_000 + n), counter: 0, node: NodeId(id as u64) };
            for n in 0..5 {
                let n = 10 * n + 1_000 * id as u64;
                node.store.put(Entry::value_of(numbered(n as usize), stamp(n), bytes("new")), Time::ZERO);
            }
        }
        let cost = talk(&mut nodes);
        let max = if matches!(compare, Compare::Full | Compare::Checksum) { ENTRIES + 5 } else { 200 };
        assert!(cost.entries <= max, "{compare:?}: {cost:?}");
    }
}

#[test]
fn a_node_with_one_key_takes_less_than_400_bytes() {
    let mut node = AntiEntropy::new(Config::demers(Direction::Push));
    let entry = Entry::value_of(bytes("k"), Timestamp::ZERO, bytes("v"));
    node.store.put(entry, Time::ZERO);
    let bytes = size_of::<AntiEntropy>() + node.store.allocated_bytes() + node.dormant.allocated_bytes();
    assert!(bytes < 400, "{bytes}");
}
