//! Floods, and what is too much.

use super::*;

#[test]
fn one_that_floods_sheds_its_own_and_who_was_away_is_told_the_gap() {
    for seed in SEEDS {
        let config = Config { window_bytes_max: 256 * 1024, gap_wait: SECOND, ..Config::default() };
        let mut story = Story::of(10, World::default(), seed, config);
        story.sim.partition(|a, b| a.0 == 9 || b.0 == 9);
        (1..9).for_each(|by| story.say(by));
        let filler = Payload::from(&[7; 200][..]);
        for ticket in 0..2_000 {
            story.publish(0, Publish { payload: filler.clone(), ..event(1_000 + ticket) });
            if ticket % 10 == 9 {
                story.run(SECOND / 20);
            }
        }
        (1..9).for_each(|by| story.say(by));
        story.run(5 * SECOND);
        for to in 0..9 {
            let node = story.node(to);
            assert!(node.window_bytes() <= 256 * 1024 && node.counters().shed_window > 1_000);
            assert_eq!(story.seqs(to, source(5)), [1, 2], "the others are not starved");
            assert!(node.get(EventId { source: source(5), seq: 1 }).is_some(), "nor shed");
        }
        assert_eq!(story.seqs(3, source(0)), (1..=2_000).collect::<Vec<_>>(), "who keeps up misses nothing");
        story.sim.heal();
        story.run(30 * SECOND);
        let gaps = story.gaps(9, source(0));
        let seqs = story.seqs(9, source(0));
        say(&format!("gaps {gaps:?}, then {} events", seqs.len()));
        assert!(!seqs.is_empty() && seqs.is_sorted());
        let lost: u64 = gaps.iter().map(Span::len).sum();
        assert_eq!(lost + seqs.len() as u64, 2_000, "each is told, or told of");
        assert_eq!(gaps.first().map(|gap| gap.from), Some(1));
        (1..9).for_each(|by| assert_eq!(story.seqs(9, source(by)), [1, 2], "all of {by}"));
    }
}

#[test]
fn a_full_queue_refuses_and_takes_again_when_it_was_told_how_far_the_first_came() {
    let config = Config { queue_max: 10, ..Config::default() };
    let mut story = Story::of(5, World::default(), 3, config);
    (0..15).for_each(|_| story.say(0));
    story.run(SECOND / 10);
    let count = |story: &Story, wanted: fn(&Event) -> bool| story.told(0).filter(|e| wanted(e)).count();
    let refused = |e: &Event| matches!(e, Event::Refused { why: Refusal::QueueFull, .. });
    assert_eq!(count(&story, |e| matches!(e, Event::Queued { .. })), 10);
    assert_eq!(count(&story, refused), 5);
    story.run(3 * SECOND);
    assert_eq!(count(&story, |e| matches!(e, Event::Covered { held: 4, asked: 4, .. })), 10);
    story.say(0);
    story.run(SECOND / 10);
    assert_eq!(count(&story, |e| matches!(e, Event::Queued { .. })), 11);
}

#[test]
fn a_gap_with_too_much_behind_it_is_given_up() {
    let config = Config { holdback_max: 8, ..Config::default() };
    let mut story = Story::of(4, World::default(), 3, config);
    story.sim.partition(|a, b| a.0 == 3 || b.0 == 3);
    story.say(0);
    story.run(SECOND / 100);
    story.sim.crash(NodeId(0));
    story.sim.crash(NodeId(1)); // now only 2 may have the first
    story.sim.crash(NodeId(2));
    story.sim.heal();
    story.run(SECOND);
    // Somebody who has the later ones comes back: a life that never saw the first.
    let mut other = Events::new(Config::default(), life(1));
    let mut out = |_| {};
    let mut rng = Rng::seeded(1);
    let (now, wall, me, peers) = (Time(1), Wall(0), NodeId(1), &Peers::Everyone(4));
    let mut cx = Cx { now, wall, me, peers, rng: &mut rng, room: 1 << 20, out: &mut out };
    other.handle(&mut cx, Input::Peer(Change::All));
    for seq in 2..=20 {
        let id = EventId { source: source(0), seq };
        let item = Item { id, flags: Flags::NONE, name: text("test"), payload: text("x") };
        other.handle(&mut cx, Input::Message(NodeId(0), Message::Push { item, turn: 0 }));
    }
    story.sim.restart(NodeId(1), other);
    story.sim.meet(NodeId(1), Peers::Everyone(4));
    story.run(20 * SECOND);
    assert_eq!(story.gaps(3, source(0)), [Span { from: 1, to: 1 }]);
    assert_eq!(story.seqs(3, source(0)), (2..=20).collect::<Vec<_>>());
    assert_eq!(story.node(3).counters().shed_holdback, 1);
}

#[test]
fn the_number_of_lives_and_of_sources_is_bounded() {
    let config = Config { sources_max: 8, ..Config::default() };
    let mut node = Events::new(config, life(1));
    node.joined = true;
    let mut rng = Rng::seeded(1);
    let mut out = |_| {};
    let (now, wall, me, peers) = (Time(1), Wall(0), NodeId(99), &Peers::default());
    let mut cx = Cx { now, wall, me, peers, rng: &mut rng, room: 1 << 20, out: &mut out };
    let mut push = |node: &mut Events, origin: u64, epoch: u64| {
        let id = EventId { source: Source { origin: NodeId(origin), epoch }, seq: 1 };
        let item = Item { id, flags: Flags::NONE, name: text("test"), payload: text("x") };
        node.handle(&mut cx, Input::Message(NodeId(1), Message::Push { item, turn: 0 }));
    };
    (1..=9).for_each(|epoch| push(&mut node, 1, epoch));
    assert_eq!(node.window_events(), EPOCHS_MAX);
    push(&mut node, 1, 2);
    assert_eq!(node.counters().refused_sources, 1, "of a life that was forgotten");
    (2..=9).for_each(|origin| push(&mut node, origin, 1));
    assert_eq!(node.window_events(), 8);
    assert_eq!(node.counters().refused_sources, 1 + 4);
    assert_eq!(node.counters().shed_lives, 5);
}

#[test]
fn what_the_budget_does_not_let_out_is_counted_and_repaired() {
    let limits = rumormill_core::drive::Limits { budget_bytes_per_s: 30_000, ..Default::default() };
    let mut story = Story::of(10, World { limits, ..World::default() }, 5, Config::default());
    let filler = Payload::from(&[7; 900][..]);
    for ticket in 0..100 {
        story.publish(ticket % 2, Publish { payload: filler.clone(), ..event(ticket) });
    }
    story.run(120 * SECOND);
    let (sim, total) = (story.sim.total(), story.total());
    say(&format!("{} messages shed; {total:?}", sim.shed));
    assert!(sim.shed > 0 && total.shed_pushes + total.shed_talk == sim.shed);
    for to in 0..10 {
        assert_eq!(story.seqs(to, source(0)), (1..=50).collect::<Vec<_>>(), "to {to}");
        assert_eq!(story.seqs(to, source(1)), (1..=50).collect::<Vec<_>>(), "to {to}");
    }
    assert_eq!(total.gaps, 0);
}
