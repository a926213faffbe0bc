//! Who is forgotten stays forgotten until it speaks for itself.

use super::*;

/// What keeps members from hearing of a crash and of the order to forget.
#[derive(Copy, Clone, Debug)]
enum Apart {
    /// The network between them and the others is cut: they fail the others, and the crashed one too.
    Cut,
    /// Their processes stand still: they wake up with the list of before.
    Stopped,
}

impl Story {
    fn part(&mut self, how: Apart, ids: core::ops::Range<u64>) {
        match how {
            Apart::Cut => self.sim.partition(move |a, b| ids.contains(&a.0) != ids.contains(&b.0)),
            Apart::Stopped => ids.for_each(|id| self.sim.freeze(NodeId(id))),
        }
    }

    fn rejoin(&mut self, how: Apart, ids: core::ops::Range<u64>) {
        match how {
            Apart::Cut => self.sim.heal(),
            Apart::Stopped => ids.for_each(|id| self.sim.thaw(NodeId(id))),
        }
    }

    /// Runs until `by` lists `id` as `status`.
    fn until(&mut self, by: u64, id: u64, status: Option<Status>) {
        let held = (0..1_200).any(|_| {
            self.run(SECOND / 10);
            self.status(by, id) == status
        });
        assert!(held, "{by} does not list {id} as {status:?}, but as {:?}", self.status(by, id));
    }

    fn forget(&mut self, at: u64, id: u64) {
        self.until(at, id, Some(Status::Failed));
        self.sim.call(NodeId(at), Call::Forget(NodeId(id)));
        self.until(at, id, None);
    }

    /// How often the others were told that `id` is up, or that it failed.
    fn alarms(&self, id: u64) -> usize {
        self.count(|e| [Event::Up(NodeId(id)), Event::Failed(NodeId(id))].contains(e))
    }

    fn is_gone_everywhere(&mut self, id: u64, seconds: u32) -> bool {
        (0..seconds).any(|_| {
            self.run(SECOND);
            let live: Vec<u64> = self.sim.live_ids().map(|id| id.0).collect();
            live.iter().all(|by| self.status(*by, id).is_none()) && self.agree(1)
        })
    }
}

#[test]
fn one_that_was_forgotten_does_not_come_back_from_those_that_were_cut_off() {
    for (n, apart) in [(3, 2..3), (8, 5..8), (50, 40..50), (50, 20..50)] {
        for (how, is_noticed) in [(Apart::Cut, false), (Apart::Cut, true), (Apart::Stopped, false)] {
            let story = format!("{n} members, {apart:?} {how:?}, noticed: {is_noticed}");
            let told = forgotten_beyond_a_cut(n, apart.clone(), how, is_noticed, &story);
            assert!(told.iter().all(|(_, event)| *event != Event::Up(NodeId(1))), "{story}: it came back");
            // Whoever listed it as alive until then may notice that it failed, and no one else.
            let again = told.iter().filter(|(by, event)| {
                *event == Event::Failed(NodeId(1)) && (is_noticed || !apart.contains(&by.0))
            });
            assert_eq!(again.count(), 0, "{story}: it failed again");
        }
    }
}

/// Member 1 crashes and is forgotten at 0 while `apart` are apart, whether or not those notice the crash by themselves. What all told after they are back.
fn forgotten_beyond_a_cut(
    n: u64,
    apart: core::ops::Range<u64>,
    how: Apart,
    is_noticed: bool,
    name: &str,
) -> Vec<(NodeId, Event)> {
    let mut story = Story::of(n, World::default());
    story.part(how, apart.clone());
    story.sim.crash(NodeId(1));
    story.forget(0, 1);
    if is_noticed {
        apart.clone().for_each(|i| story.until(i, 1, Some(Status::Failed)));
    }
    // Those that the order found in the middle of a suspicion of their own may fail the member a little later.
    for by in (0..n).filter(|by| *by != 1 && !apart.contains(by)) {
        if story.status(by, 1).is_some() {
            story.until(by, 1, None);
        }
    }
    story.run(2 * SECOND);
    story.told.clear();
    story.rejoin(how, apart);
    assert!(story.is_gone_everywhere(1, 180), "{name}: it is still listed");
    story.run(30 * SECOND);
    story.told.into_iter().map(|(_, by, event)| (by, event)).collect()
}

/// Cuts that end before anybody is failed: the one that missed the order lists the member as failed, and nothing else differs.
#[test]
fn an_order_that_was_missed_is_got_by_an_exchange_though_the_departed_are_in_no_root() {
    let mut story = Story::of(6, World::default());
    story.sim.crash(NodeId(1));
    (0..6).filter(|i| *i != 1).for_each(|i| story.until(i, 1, Some(Status::Failed)));
    story.run(10 * SECOND);
    story.part(Apart::Stopped, 5..6);
    story.forget(0, 1);
    story.run(SECOND * 3 / 2);
    story.told.clear();
    story.rejoin(Apart::Stopped, 5..6);
    assert!(story.is_gone_everywhere(1, 60));
    assert_eq!(story.alarms(1), 0);
    assert_eq!(story.count(|e| matches!(e, Event::Failed(_))), 0, "nobody else was failed");
    // A member that joins later is told of the order, and of nobody that is not there.
    let now = story.sim.now();
    story.sim.spawn(NodeId(60), node(60, 1), now);
    story.sim.call(NodeId(60), Call::Join(NodeId(5)));
    assert!(story.agree(10));
    assert_eq!(story.sim.node(NodeId(60)).tombstones_len(), (1, 0));
}

#[test]
fn one_that_was_stopped_and_forgotten_returns_in_the_same_life() {
    for (n, id) in [(3, 2), (5, 3), (20, 7)] {
        let mut story = Story::of(n, World::default());
        story.part(Apart::Stopped, id..id + 1);
        story.forget(0, id);
        (0..n).filter(|i| *i != id).for_each(|i| story.until(i, id, None));
        story.run(30 * SECOND);
        story.told.clear();
        story.rejoin(Apart::Stopped, id..id + 1);
        story.run(5 * SECOND);
        assert!(story.agree(20), "of {n}");
        let card = story.sim.node(NodeId(0)).member(NodeId(id)).unwrap().card;
        assert_eq!((card.life.epoch, card.incarnation > 0), (1, true));
        let others = n as usize - 1;
        assert_eq!(story.count(|e| *e == Event::Up(NodeId(id))), others, "each of the others once");
        assert!((0..n).all(|i| story.sim.node(NodeId(i)).tombstones_len() == (0, 0)), "no tombstone is left");
        assert_eq!(story.sim.node(NodeId(id)).health(), 0, "it was away: its probes are as good as ever");
    }
}

#[test]
fn one_that_was_cut_off_and_forgotten_by_all_returns_in_the_same_life() {
    let mut story = Story::of(7, World::default());
    story.part(Apart::Cut, 3..4);
    story.forget(0, 3);
    (0..7).filter(|i| *i != 3).for_each(|i| story.until(i, 3, None));
    story.run(60 * SECOND);
    story.sim.heal();
    assert!(story.agree(300));
    assert_eq!(story.status(6, 3), Some(Status::Alive));
}

#[test]
fn two_sides_that_forgot_each_other_meet_again_at_a_join() {
    let mut story = Story::of(2, World::default());
    story.part(Apart::Cut, 1..2);
    story.forget(0, 1);
    story.forget(1, 0);
    story.run(10 * SECOND);
    story.sim.heal();
    story.run(10 * SECOND);
    assert_eq!(story.sim.node(NodeId(0)).live_len(), 1, "neither knows the other");
    story.sim.call(NodeId(1), Call::Join(NodeId(0)));
    assert!(story.agree(20));
}

#[test]
fn a_live_member_that_one_side_forgot_is_up_again_after_the_healing_and_was_never_failed_beyond_it() {
    let mut story = Story::of(10, World::default());
    story.part(Apart::Cut, 0..3);
    story.forget(0, 7);
    story.run(5 * SECOND);
    story.told.clear();
    story.sim.heal();
    assert!(story.agree(120));
    assert!((0..10).all(|i| story.status(i, 7) == Some(Status::Alive)));
    assert_eq!(
        story.count(|e| *e == Event::Failed(NodeId(7))),
        0,
        "an order is not the last word on the living"
    );
}

#[test]
fn forgotten_twice_it_stays_away_from_one_that_missed_both() {
    let mut story = Story::of(6, World::default());
    story.part(Apart::Stopped, 5..6);
    story.part(Apart::Stopped, 2..3);
    story.forget(0, 2);
    story.run(10 * SECOND);
    story.rejoin(Apart::Stopped, 2..3);
    story.until(0, 2, Some(Status::Alive));
    story.run(10 * SECOND);
    story.sim.crash(NodeId(2));
    story.forget(1, 2);
    story.run(10 * SECOND);
    story.told.clear();
    story.rejoin(Apart::Stopped, 5..6);
    assert!(story.is_gone_everywhere(2, 180));
    assert_eq!(story.count(|e| *e == Event::Up(NodeId(2))), 0);
}

#[test]
fn a_later_life_of_a_forgotten_member_is_always_admitted() {
    let mut story = Story::of(6, World::default());
    for epoch in 2..4 {
        story.sim.crash(NodeId(2));
        story.forget(0, 2);
        story.run(10 * SECOND);
        story.sim.restart(NodeId(2), node(2, epoch));
        story.sim.call(NodeId(2), Call::Join(NodeId(4)));
        assert!(story.agree(10), "epoch {epoch}");
    }
}

#[test]
fn a_forgotten_member_whose_data_was_restored_from_before_learns_that_a_later_life_was_known() {
    let mut story = Story::of(4, World::default());
    story.sim.restart(NodeId(2), node(2, 5));
    story.sim.call(NodeId(2), Call::Join(NodeId(0)));
    assert!(story.agree(10));
    story.sim.crash(NodeId(2));
    story.forget(0, 2);
    story.run(10 * SECOND);
    story.told.clear();
    story.sim.restart(NodeId(2), node(2, 3));
    story.sim.call(NodeId(2), Call::Join(NodeId(0)));
    story.run(10 * SECOND);
    let superseded = story.count(|e| matches!(e, Event::Superseded(life) if life.epoch == 5));
    assert!(superseded > 0, "so that it makes itself a new identity");
}

/// Members that remember the departed for a minute.
fn short_memories(n: u64) -> Story {
    let config = Config { departed_for: 60 * SECOND, ..Config::lan() };
    let mut story = Story { sim: Sim::new(World::default(), 5), told: Vec::new() };
    (0..n).for_each(|i| story.sim.spawn(NodeId(i), Swim::new(config.clone(), me(i, 1), Summed), Time::ZERO));
    story.run(SECOND);
    (1..n).for_each(|i| story.sim.call(NodeId(i), Call::Join(NodeId(0))));
    assert!(story.agree(10));
    story.run(5 * SECOND);
    story
}

#[test]
fn what_aged_out_does_not_come_back_from_one_that_slept_through_it_and_returns_when_it_lives() {
    for lives in [false, true] {
        let mut story = short_memories(5);
        story.part(Apart::Stopped, 4..5);
        match lives {
            true => story.part(Apart::Stopped, 1..2),
            false => story.sim.crash(NodeId(1)),
        }
        story.until(0, 1, Some(Status::Failed));
        (0..4).filter(|i| *i != 1).for_each(|i| story.until(i, 1, None));
        story.run(5 * SECOND);
        story.told.clear();
        story.rejoin(Apart::Stopped, 4..5);
        if lives {
            story.run(3 * SECOND);
            story.rejoin(Apart::Stopped, 1..2);
            assert!(story.agree(60));
            assert_eq!(story.status(0, 1), Some(Status::Alive));
        } else {
            assert!(story.agree(180), "whoever slept fails it as well");
            story.run(60 * SECOND);
            assert_eq!(story.count(|e| *e == Event::Up(NodeId(1))), 0);
            assert_eq!(story.status(0, 1), None);
        }
    }
}

#[test]
fn one_that_left_and_was_forgotten_is_never_said_to_have_failed() {
    let mut story = Story::of(6, World::default());
    story.part(Apart::Stopped, 5..6);
    story.sim.call(NodeId(1), Call::Leave);
    story.run(3 * SECOND);
    story.sim.crash(NodeId(1));
    story.sim.call(NodeId(0), Call::Forget(NodeId(1)));
    story.until(0, 1, None);
    story.run(5 * SECOND);
    story.told.clear();
    story.rejoin(Apart::Stopped, 5..6);
    assert!(story.is_gone_everywhere(1, 60));
    assert_eq!(story.alarms(1), 0);
}

/// An order about `id`, told to `node` by another; what it answered.
fn order(node: &mut Node, id: u64, incarnation: u64, written: u64) {
    let order = Accusation {
        accuser: NodeId(9),
        accused: NodeId(id),
        epoch: 1,
        incarnation,
        charge: Charge::Forget,
        written: Wall(written),
        evidence: Evidence::default(),
    };
    let news = alloc::vec![News::Accusation(Record::signed(order, &Summed))];
    let (mut rng, me) = (Rng::seeded(1), node.me().id);
    let mut cx = Cx {
        now: Time(5),
        wall: Wall(5),
        me,
        peers: &Peers::default(),
        rng: &mut rng,
        room: 0,
        out: &mut |_| {},
    };
    node.handle(&mut cx, Input::Message(NodeId(9), Message::News(news.into())));
}

#[test]
fn the_orders_that_are_kept_are_bounded_and_the_same_whatever_their_order_of_arrival() {
    let (mut forth, mut back) = (node(1, 1), node(1, 1));
    let root = forth.root();
    let tell = |node: &mut Node, i: u64| order(node, 100 + i % 2_500, i / 2_500, 1_000 + i);
    (0..3_000).for_each(|i| tell(&mut forth, i));
    (0..3_000).rev().for_each(|i| tell(&mut back, i));
    assert_eq!(forth.tombstones_len(), (512, 0));
    assert!(forth.counters().tombstones_shed > 0);
    assert_ne!(forth.root(), root);
    assert_eq!(forth.root(), back.root(), "both keep those that were written last");
    let hashes = forth.hashes(NodeId(1)).map(|(_, hash)| hash);
    assert_eq!(forth.root(), hashes.fold(0, u64::wrapping_add));
}
