//! What is told, in which order, and that it is all.

use super::*;
use rumormill_core::protocol::Output;

#[test]
fn all_are_told_everything_in_the_order_of_its_origin_though_a_fifth_of_all_datagrams_is_lost() {
    for seed in SEEDS {
        let mut story = Story::of(30, lossy(0.2), seed, Config::default());
        for _ in 0..40 {
            [0, 7, 19].into_iter().for_each(|by| story.say(by));
            story.run(SECOND / 20);
        }
        story.run(20 * SECOND);
        let all: Vec<u64> = (1..=40).collect();
        for to in 0..30 {
            for by in [0, 7, 19] {
                assert_eq!(story.seqs(to, source(by)), all, "{by} to {to}");
                assert!(story.gaps(to, source(by)).is_empty());
            }
        }
        assert!(story.agree());
        let total = story.total();
        say(&format!("{total:?}"));
        assert!(total.news_repaired > 0, "nothing was missed, so this shows nothing");
        assert!(story.sim.total().timers_max <= 4, "one timer of each kind");
    }
}

#[test]
fn when_a_partition_heals_both_sides_catch_up() {
    for seed in SEEDS {
        let mut story = Story::of(20, World { wire: true, ..World::default() }, seed, Config::default());
        story.sim.partition(|a, b| (a.0 < 8) != (b.0 < 8));
        for _ in 0..25 {
            story.say(1);
            story.say(12);
            story.run(SECOND / 5);
        }
        story.run(30 * SECOND);
        assert_eq!((story.deliveries(3), story.deliveries(15)), (25, 25));
        story.sim.heal();
        story.run(20 * SECOND);
        let all: Vec<u64> = (1..=25).collect();
        for to in 0..20 {
            assert_eq!(story.seqs(to, source(1)), all, "1 to {to}");
            assert_eq!(story.seqs(to, source(12)), all, "12 to {to}");
        }
        assert!(story.agree());
        assert_eq!(story.total().gaps, 0);
    }
}

#[test]
fn an_unordered_event_does_not_wait_and_an_ordered_one_does() {
    let mut node = Events::new(Config::default(), life(1));
    node.joined = true;
    let mut rng = Rng::seeded(1);
    let mut told = Vec::new();
    for (seq, flags) in [(2, Flags::UNORDERED), (3, Flags::NONE), (2, Flags::UNORDERED), (1, Flags::NONE)] {
        let id = EventId { source: source(0), seq };
        let item = Item { id, flags, name: text("test"), payload: text("x") };
        let mut out = |output| {
            if let Output::Event(Event::Delivered(item)) = output {
                told.push((seq, item.id.seq));
            }
        };
        let (now, wall, me, peers) = (Time(1), Wall(0), NodeId(9), &Peers::default());
        let mut cx = Cx { now, wall, me, peers, rng: &mut rng, room: 1 << 20, out: &mut out };
        node.handle(&mut cx, Input::Message(NodeId(0), Message::Push { item, turn: 0 }));
    }
    assert_eq!(told, [(2, 2), (1, 1), (1, 3)]);
}

#[test]
fn of_a_name_that_coalesces_only_the_latest_is_told_to_who_was_away() {
    let mut story = Story::of(10, lossy(0.1), 5, Config::default());
    story.sim.partition(|a, b| a.0 == 9 || b.0 == 9);
    for round in 0..20 {
        story.publish(0, Publish { name: text("load"), coalesce: true, ..event(round) });
        if round % 5 == 0 {
            story.publish(0, event(100 + round));
        }
        story.run(SECOND / 4);
    }
    story.run(10 * SECOND);
    let away = story.node(9).window_events();
    assert_eq!(away, 0);
    story.sim.heal();
    story.run(20 * SECOND);
    let there = story.seqs(1, source(0));
    say(&format!("who is there was told {there:?}"));
    assert!(there.len() > 15 && there.is_sorted(), "who is there is told each as it comes");
    assert!([2, 8, 14, 20, 24].iter().all(|seq| there.contains(seq)));
    assert_eq!(story.seqs(9, source(0)), [2, 8, 14, 20, 24], "the four that do not coalesce, and the latest");
    assert!(story.gaps(9, source(0)).is_empty());
    assert!(story.agree());
}

#[test]
fn a_gap_that_nobody_can_fill_is_told_and_what_waited_for_it_after_it() {
    let mut story =
        Story::of(10, World::default(), 6, Config { gap_patience: 10 * SECOND, ..Config::default() });
    // The origin's first event reaches nobody, then the second one reaches somebody before the origin is gone.
    story.sim.partition(|a, b| a.0 == 0 || b.0 == 0);
    story.say(0);
    story.run(5 * SECOND);
    story.sim.heal();
    story.sim.partition(|a, b| b.0 == 0 && a.0 != 0); // it can push, and nobody can ask it
    story.say(0);
    story.run(SECOND / 50);
    story.sim.crash(NodeId(0));
    story.run(SECOND);
    let waiting = (1..10).filter(|to| story.node(*to).window_events() == 1).count();
    say(&format!("{waiting} members have the second"));
    let first = EventId { source: source(0), seq: 1 };
    assert!(waiting > 0 && story.node(1).get(first).is_none());
    assert!((1..10).all(|to| story.deliveries(to) == 0), "all wait for the first");
    story.run(30 * SECOND);
    for to in 1..10 {
        assert_eq!(story.gaps(to, source(0)), [Span { from: 1, to: 1 }], "to {to}");
        assert_eq!(story.seqs(to, source(0)), [2], "to {to}");
    }
    assert!(story.agree());
}

#[test]
fn coverage_is_what_members_say_and_a_publisher_that_is_cut_off_reads_zero() {
    let covered = |story: &Story, by: u64| -> Vec<(u32, u32)> {
        let covered = |event: &Event| match event {
            Event::Covered { held, asked, .. } => Some((*held, *asked)),
            _ => None,
        };
        story.told(by).filter_map(covered).collect()
    };
    for seed in SEEDS {
        let mut story = Story::of(20, World::default(), seed, Config::default());
        story.say(3);
        story.run(3 * SECOND);
        assert_eq!(covered(&story, 3), [(5, 5)]);
        story.sim.partition(|a, b| a.0 == 3 || b.0 == 3);
        story.say(3);
        story.run(3 * SECOND);
        assert_eq!(covered(&story, 3)[1], (0, 5));
    }
    let mut alone = Story::of(2, World::default(), 9, Config::default());
    alone.sim.meet(NodeId(0), Peers::default());
    alone.say(0);
    alone.run(3 * SECOND);
    assert_eq!(covered(&alone, 0), [(0, 0)]);
    assert_eq!(alone.seqs(0, source(0)), [1], "it hears itself");
}

#[test]
fn the_largest_payload_travels_over_streams_about_once_to_each() {
    let n = 20;
    let mut story = Story::of(n, World { wire: true, ..World::default() }, 8, Config::default());
    let bytes: Vec<u8> = (0..PAYLOAD_BYTES_MAX).map(|i| (i * 31 / 8) as u8).collect();
    let name = Payload::from(&[b'n'; NAME_BYTES_MAX][..]);
    let before = story.sim.total();
    story.publish(0, Publish { name, payload: Payload::from(&bytes[..]), ..event(1) });
    story.run(10 * SECOND);
    for to in 0..n {
        let whole = story.told(to).any(|event| match event {
            Event::Delivered(item) => item.payload[..] == bytes[..],
            _ => false,
        });
        assert!(whole, "to {to}");
    }
    let sent = story.sim.total().stream_bytes_sent - before.stream_bytes_sent;
    let copies = sent as f64 / PAYLOAD_BYTES_MAX as f64 / (n - 1) as f64;
    say(&format!("{copies:.2} copies per node"));
    assert!(copies < 1.6, "{copies}");
    let refused = PAYLOAD_BYTES_MAX + 1;
    story.publish(0, Publish { payload: Payload::from(&vec![0; refused][..]), ..event(2) });
    story.run(SECOND);
    assert!(story.told(0).any(|event| *event == Event::Refused { ticket: 2, why: Refusal::TooLarge }));
}
