//! Who joins, and who comes back.

use super::*;

fn join(story: &mut Story, id: u64, n: u64, config: Config) {
    let now = story.sim.now();
    story.sim.spawn(NodeId(id), Events::new(config, life(1)), now);
    story.sim.call(NodeId(id), Call::Join { peer: NodeId(id % 10), seeks: true });
    let mut tries = 0;
    while !story.node(id).is_joined() {
        story.run(SECOND / 100);
        tries += 1;
        assert!(tries < 1_000, "{id} has no baseline");
    }
    let all: Vec<NodeId> = story.sim.ids().collect();
    all.into_iter().for_each(|other| story.sim.meet(other, Peers::Everyone(n)));
}

#[test]
fn who_joins_is_told_nothing_from_before_but_can_give_it_and_with_replay_it_is_told_all() {
    for seed in SEEDS {
        let mut story = Story::of(10, lossy(0.05), seed, Config::default());
        for round in 0..30 {
            story.say(round % 3);
            story.run(SECOND / 50);
        }
        story.publish(1, Publish { unordered: true, ..event(200) });
        story.run(5 * SECOND);
        join(&mut story, 10, 12, Config::default());
        join(&mut story, 11, 12, Config { replay: true, ..Config::default() });
        story.run(10 * SECOND);
        assert_eq!(story.deliveries(10), 0);
        assert_eq!(story.node(10).window_events(), 31);
        assert_eq!(story.deliveries(11), 31);
        let first: Vec<u64> = (1..=10).collect();
        assert_eq!(story.seqs(11, source(0)), first);
        (0..12).for_each(|by| story.say(by));
        story.run(10 * SECOND);
        assert_eq!((story.deliveries(10), story.deliveries(11)), (12, 43));
        assert_eq!(story.seqs(10, source(0)), [11]);
        assert!(story.agree());
        assert_eq!(story.total().gaps, 0);
    }
}

#[test]
fn who_restarts_with_its_positions_is_told_what_it_missed_and_nothing_twice() {
    for seed in SEEDS {
        let mut story = Story::of(10, lossy(0.1), seed, Config::default());
        for round in 0..40u64 {
            let unordered = round % 4 == 0;
            story.publish(round % 5, Publish { unordered, ..event(round) });
            story.run(SECOND / 50);
            if round % 10 == 9 {
                story.run(SECOND / 2); // what it has just published is with somebody
                let positions = story.node(4).positions();
                let mut bytes = Vec::new();
                rumormill_core::wire::put(&positions, &mut bytes);
                say(&format!("{} bytes of positions", bytes.len()));
                let positions: Positions = rumormill_core::wire::decode(&bytes).unwrap();
                story.sim.crash(NodeId(4));
                (0..4).for_each(|by| story.publish(by, event(100 + round)));
                story.run(SECOND);
                let node = Events::resume(story.config.clone(), life(2 + round / 10), &positions);
                story.sim.restart(NodeId(4), node);
                story.sim.meet(NodeId(4), Peers::Everyone(10));
            }
        }
        story.run(20 * SECOND);
        for by in 0..4 {
            let mut seqs = story.seqs(4, source(by));
            let delivered = seqs.len();
            seqs.sort_unstable();
            seqs.dedup();
            assert_eq!(delivered, seqs.len(), "{by}: told twice");
            assert_eq!(seqs, (1..=12).collect::<Vec<_>>(), "{by}: all of them");
            assert!(story.gaps(4, source(by)).is_empty());
        }
        // Its own go on under higher epochs.
        let mut lives: Vec<(u64, u64)> = Vec::new();
        for event in story.told(7) {
            if let Event::Delivered(item) = event
                && item.id.source.origin == NodeId(4)
            {
                lives.push((item.id.source.epoch, item.id.seq));
            }
        }
        lives.sort_unstable();
        let expected: Vec<(u64, u64)> = (1..=4).flat_map(|epoch| [(epoch, 1), (epoch, 2)]).collect();
        assert_eq!(lives, expected);
        assert_eq!(story.total().rejected, 0);
    }
}

#[test]
fn who_joins_amid_traffic_is_told_all_from_some_point_on() {
    for seed in SEEDS {
        let mut story = Story::of(10, lossy(0.1), seed, Config::default());
        for round in 0..200 {
            story.say(round % 4);
            story.run(SECOND / 50);
            if round == 99 {
                join(&mut story, 10, 11, Config::default());
            }
        }
        story.run(20 * SECOND);
        for by in 0..4 {
            let seqs = story.seqs(10, source(by));
            let first = seqs.first().copied().unwrap_or(51);
            say(&format!("{by}: from {first} on"));
            assert_eq!(seqs, (first..=50).collect::<Vec<_>>(), "{by}");
            assert!((20..=40).contains(&first), "25 of each were before: {first}");
            assert!(story.gaps(10, source(by)).is_empty());
        }
        assert!(story.agree());
    }
}

#[test]
fn what_is_kept_on_disk_is_held_again_is_given_to_who_lacks_it_and_is_told_nowhere_twice() {
    for seed in SEEDS {
        let mut story = Story::of(5, lossy(0.1), seed, Config::default());
        for round in 0..10 {
            story.publish(2, Publish { unordered: round % 3 == 0, ..event(round) });
            story.run(SECOND / 50);
        }
        story.run(5 * SECOND);
        let mut kept: Vec<Item> = Vec::new();
        for event in story.told(2) {
            if let Event::Delivered(item) = event {
                kept.push(item.clone());
            }
        }
        let positions = story.node(2).positions();
        // The last one reaches the disk, and nobody.
        story.sim.partition(|a, b| a.0 == 2 || b.0 == 2);
        story.say(2);
        story.run(SECOND / 10);
        let last = EventId { source: source(2), seq: 11 };
        kept.push(story.node(2).get(last).unwrap().clone());
        // All crash, and one alone remembers.
        (0..5).for_each(|id| story.sim.crash(NodeId(id)));
        story.run(SECOND);
        story.sim.heal();
        story.told.clear();
        let replay: Arc<Config> = Arc::new(Config { replay: true, ..Config::default() });
        for id in 0..5 {
            let node = match id {
                2 => Events::resume(story.config.clone(), life(2), &positions),
                _ => Events::new(replay.clone(), life(2)),
            };
            story.sim.restart(NodeId(id), node);
            story.sim.meet(NodeId(id), Peers::Everyone(5));
        }
        kept.reverse(); // the order does not matter
        story.sim.call(NodeId(2), Call::Keep(kept));
        story.run(20 * SECOND);
        assert_eq!(story.seqs(2, source(2)), [11], "seed {seed}: the others it was told before");
        for to in [0, 1, 3, 4] {
            let mut seqs = story.seqs(to, source(2));
            seqs.sort_unstable();
            assert_eq!(seqs, (1..=11).collect::<Vec<_>>(), "seed {seed}: to {to}");
        }
        assert_eq!(story.total().gaps, 0);
        story.sim.call(NodeId(2), Call::Ask { ticket: 77, id: last });
        story.run(3 * SECOND);
        let is_answer =
            |event: &Event| matches!(event, Event::Covered { ticket: 77, held: 1.., asked: 4, .. });
        assert!(story.told(2).any(is_answer));
        assert!(story.agree());
    }
}
