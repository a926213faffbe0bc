//! A plan does what it says, when it says it.

use crate::everything::Gossips;
use crate::toy::*;
use rumormill_core::NodeId;
use rumormill_core::time::{Duration, Time};
use rumormill_sim::plan::{Bounds, Plan, Runner, Weights};
use rumormill_sim::{Clock, Sim, World};

/// Ten gossiping nodes and a plan, from its text.
struct Story {
    sim: Sim<Toy>,
    runner: Runner<Toy, Gossips>,
    seen: Seen,
}

impl Story {
    fn new(plan: &str) -> Story {
        Story::in_world(World::default(), plan)
    }

    fn in_world(world: World, plan: &str) -> Story {
        let plan: Plan = toml::from_str(plan).expect("a plan");
        let mut sim = Sim::new(world, 1);
        let mut runner = Runner::new(&plan, 1, Gossips).expect("a sound plan");
        (0..10).for_each(|id| runner.spawn(&mut sim, NodeId(id), Time::ZERO));
        Story { sim, runner, seen: vec![] }
    }

    fn until(&mut self, ms: u64) -> &mut Story {
        let seen = &mut self.seen;
        self.runner.run_until(&mut self.sim, at_ms(ms), &mut |at, id, event| seen.push((at, id, event)));
        self
    }

    fn up(&self) -> usize {
        self.sim.live_ids().count()
    }

    /// Whether a ping gets through from the first to the second, by datagram.
    fn reaches(&mut self, from: u64, to: u64) -> bool {
        self.sim.call(NodeId(from), Call::Say(NodeId(to), Say::Ping(77)));
        let mut reached = false;
        let until = self.sim.now() + ms(5);
        self.runner.run_until(&mut self.sim, until, &mut |_, id, event| {
            reached |= id == NodeId(to) && event == Event::Pinged(NodeId(from), 77);
        });
        reached
    }
}

#[test]
fn the_crashed_come_back_after_their_time_with_what_they_kept_unless_they_are_wiped() {
    let mut story = Story::new(
        r#"
        [[step]]
        at = "10s"
        do = "crash"
        who = 3
        for = "5s"
        [[step]]
        at = "10s"
        do = "crash"
        who = 4
        for = "5s"
        wipe = true
        "#,
    );
    story.sim.call(A, Call::Spread(1));
    story.until(9_999);
    assert_eq!((knowing(&story.sim, 1), story.up()), (10, 10));
    story.until(10_000);
    assert_eq!(story.up(), 8);
    story.until(15_000);
    story.sim.run_for(Duration::from_nanos(1), &mut |_, _, _| {});
    assert_eq!(story.up(), 10);
    assert_eq!((knowing(&story.sim, 1), story.sim.node(NodeId(4)).known.len()), (9, 0));
    let greeted = story.seen.iter().filter(|s| matches!(s.2, Event::Drawn(..))).count();
    story.until(16_000);
    let after = story.seen.iter().filter(|s| matches!(s.2, Event::Drawn(..))).count();
    assert!(after <= 2 && greeted <= 2, "who starts again is greeted");
}

#[test]
fn a_share_of_the_nodes_is_drawn_from_those_that_are_up() {
    let mut story = Story::new(
        r#"
        [[step]]
        at = "1s"
        do = "crash"
        who = "50%"
        [[step]]
        at = "2s"
        do = "crash"
        who = "3 nodes"
        [[step]]
        at = "3s"
        do = "restart"
        who = "6 nodes"
        [[step]]
        at = "4s"
        do = "restart"
        who = "all"
        "#,
    );
    let ups: Vec<usize> = (1..5).map(|s| story.until(s * 1_000 + 1).up()).collect();
    assert_eq!(ups, [5, 2, 8, 10]);
    let (done, _) = story.runner.take_done();
    let count: Vec<usize> = done.iter().map(|done| done.who.len()).collect();
    assert_eq!(count, [5, 3, 6, 2]);
}

#[test]
fn new_nodes_start_and_leavers_end_after_their_goodbye() {
    let mut story = Story::new(
        r#"
        [[step]]
        at = "1s"
        do = "restart"
        who = "10..13"
        [[step]]
        at = "2s"
        do = "leave"
        who = 10
        "#,
    );
    assert_eq!(story.until(1_001).up(), 13);
    assert_eq!(story.until(2_999).up(), 13);
    assert!(story.seen.iter().any(|s| s.1 == NodeId(10) && matches!(s.2, Event::Drawn(..))), "it is told");
    assert_eq!(story.until(3_000).up(), 12);
}

#[test]
fn a_later_crash_is_not_undone_by_an_earlier_one() {
    let mut story = Story::new(
        r#"
        [[step]]
        at = "1s"
        do = "crash"
        who = 3
        for = "2s"
        [[step]]
        at = "2s"
        do = "restart"
        who = 3
        [[step]]
        at = "2500ms"
        do = "crash"
        who = 3
        for = "2s"
        "#,
    );
    let ups: Vec<usize> =
        [1_100, 2_100, 2_600, 3_100, 4_400, 4_600].map(|at| story.until(at).up()).into_iter().collect();
    assert_eq!(ups, [9, 10, 9, 9, 9, 10]);
}

#[test]
fn partitions_hold_beside_each_other_and_end_on_their_own() {
    let mut story = Story::new(
        r#"
        [[step]]
        at = "1s"
        do = "partition"
        kind = "split"
        who = "0..5"
        for = "10s"
        [[step]]
        at = "2s"
        do = "partition"
        kind = "one-way"
        from = 1
        to = 0
        for = "2s"
        "#,
    );
    story.until(1_500);
    assert!(!story.reaches(1, 6) && story.reaches(1, 0));
    story.until(2_500);
    assert!(!story.reaches(1, 6) && !story.reaches(1, 0) && story.reaches(0, 1));
    story.until(4_500);
    assert!(!story.reaches(1, 6) && story.reaches(1, 0));
    story.until(11_500);
    assert!(story.reaches(1, 6));
}

#[test]
fn a_partition_comes_and_goes_and_is_over_in_the_end() {
    let mut story = Story::new(
        r#"
        [[step]]
        at = "1s"
        do = "partition"
        kind = "isolate"
        who = 0
        for = "5s"
        cut = "1s"
        whole = "500ms"
        "#,
    );
    // Cut at 1, 2.5, 4, 5.5; whole at 2, 3.5, 5, and from 6 on.
    let times = [1_100, 2_100, 2_600, 3_600, 4_100, 5_100, 5_600, 6_100, 7_600];
    let reached = times.map(|at| story.until(at).reaches(1, 0));
    assert_eq!(reached, [false, true, false, true, false, true, false, true, true]);
}

#[test]
fn a_swizzle_isolates_each_in_the_first_half_and_frees_each_in_the_second() {
    let mut story = Story::new(
        r#"
        [[step]]
        at = "10s"
        do = "partition"
        kind = "swizzle"
        who = "0..5"
        for = "10s"
        "#,
    );
    story.until(30_000);
    let (done, _) = story.runner.take_done();
    let times = |what: &str| -> Vec<u64> {
        done.iter().filter(|done| done.what == what).map(|done| done.at_ns / 1_000_000).collect()
    };
    let (cut, freed) = (times("isolate"), times("un-partition"));
    assert_eq!((cut.len(), freed.len()), (5, 5));
    assert!(cut.iter().all(|at| (10_000..15_000).contains(at)), "{cut:?}");
    assert!(freed.iter().all(|at| (15_000..20_000).contains(at)), "{freed:?}");
    let order = |what: &str| -> Vec<u64> {
        done.iter().filter(|done| done.what == what).map(|done| done.who[0]).collect()
    };
    assert_ne!(order("isolate"), order("un-partition"), "in another order");
}

#[test]
fn stalls_end_when_the_plan_says() {
    let mut story = Story::new(
        r#"
        [[step]]
        at = "1s"
        do = "freeze"
        who = 0
        for = "1s"
        [[step]]
        at = "1s"
        do = "block"
        who = 1
        [[step]]
        at = "3s"
        do = "unblock"
        who = "all"
        "#,
    );
    story.until(1_500);
    assert!(!story.reaches(2, 0) && !story.reaches(2, 1));
    story.until(2_500);
    assert!(story.reaches(2, 0) && !story.reaches(2, 1));
    story.until(3_500);
    assert!(story.reaches(2, 1));
}

#[test]
fn the_history_tells_who_was_down_stood_still_or_was_cut_off_and_until_when() {
    let mut story = Story::new(
        r#"
        [[step]]
        at = "10s"
        do = "crash"
        who = 3
        for = "5s"
        [[step]]
        at = "20s"
        do = "freeze"
        who = 4
        for = "2s"
        [[step]]
        at = "21s"
        do = "block"
        who = 4
        for = "3s"
        [[step]]
        at = "30s"
        do = "partition"
        kind = "pair"
        from = 1
        to = 2
        for = "9s"
        cut = "1s"
        whole = "4s"
        [[step]]
        at = "50s"
        do = "partition"
        kind = "isolate"
        who = 5
        [[step]]
        at = "55s"
        do = "heal"
        "#,
    );
    story.until(60_000);
    let history = story.runner.history();
    let parted = |a, b, at: u64| history.last_parted(NodeId(a), NodeId(b), at_ms(at * 1_000));
    assert_eq!(
        (parted(3, 0, 9), parted(3, 0, 12), parted(0, 3, 60)),
        (None, Some(at_ms(12_000)), Some(at_ms(15_000)))
    );
    assert_eq!(parted(4, 0, 49), Some(at_ms(24_000)), "both stalls count");
    assert_eq!((parted(1, 2, 33), parted(1, 2, 38)), (Some(at_ms(31_000)), Some(at_ms(36_000))), "it flaps");
    assert_eq!((parted(5, 6, 60), parted(1, 6, 60)), (Some(at_ms(55_000)), None));
}

#[test]
fn a_time_of_loss_ends_in_what_was_before() {
    let mut story = Story::in_world(
        World { loss: 0.01, ..World::default() },
        r#"
        [[step]]
        at = "1s"
        do = "loss"
        loss = 0.5
        for = "4s"
        [[step]]
        at = "2s"
        do = "loss"
        bursts = { to_bad = 0.1, to_good = 0.1 }
        for = "1s"
        "#,
    );
    let mut at = |ms| {
        let world = story.until(ms).sim.world();
        (world.loss, world.bursts.is_some())
    };
    assert_eq!([at(500), at(1_500), at(2_500)], [(0.01, false), (0.5, false), (0.0, true)]);
    assert_eq!([at(3_500), at(5_500)], [(0.5, false), (0.01, false)]);
}

#[test]
fn clocks_are_set_and_set_right() {
    let mut story = Story::new(
        r#"
        [[step]]
        at = "1s"
        do = "clock"
        who = 0
        offset_ms = -5000
        for = "1s"
        "#,
    );
    let mut shown = |at| {
        story.until(at).sim.call(A, Call::Draw);
        story.until(at + 1).seen.iter().rev().find_map(|s| match s.2 {
            Event::Drawn(_, wall) => Some(wall),
            _ => None,
        })
    };
    let off = Clock { offset_ms: -5_000, drift_ppm: 0 };
    assert_eq!(shown(1_500), Some(off.wall(at_ms(1_500))));
    assert_eq!(shown(2_500), Some(Clock::default().wall(at_ms(2_500))));
}

#[test]
fn a_plan_that_asks_for_what_is_not_there_is_refused() {
    let plan: Plan =
        toml::from_str("[[step]]\nat = \"1s\"\ndo = \"call\"\nwho = 0\ncall = \"sing\"").unwrap();
    let e = Runner::<Toy, _>::new(&plan, 1, Gossips).err().expect("there is no such call");
    assert!(e.contains("step 1") && e.contains("there are leave"), "{e}");
}

#[test]
fn after_any_random_plan_a_rumour_still_reaches_all() {
    for seed in 0..40 {
        let weights = Weights { leave: 1.0, ..Weights::default() };
        let plan = Plan::random(seed, &Bounds { steps: 15, weights, ..Bounds::default() });
        let mut sim = Sim::new(World::default(), seed);
        let mut runner = Runner::new(&plan, seed, Gossips).expect("a sound plan");
        (0..10).for_each(|id| runner.spawn(&mut sim, NodeId(id), Time::ZERO));
        runner.run_until(&mut sim, at_ms(60_001), &mut |_, _, _| {});
        assert_eq!(sim.live_ids().count(), 10, "seed {seed}: all are back: {plan:?}");
        sim.call(A, Call::Spread(5));
        runner.run_until(&mut sim, at_ms(75_000), &mut |_, _, _| {});
        assert_eq!(knowing(&sim, 5), 10, "seed {seed}: nothing is left of the faults: {plan:?}");
    }
}

#[test]
fn leaving_a_pinned_step_out_changes_no_other_choice() {
    let plan = Plan::random(7, &Bounds { steps: 12, ..Bounds::default() }).pin();
    let who = |plan: &Plan| {
        let mut sim = Sim::new(World::default(), 1);
        let mut runner = Runner::new(plan, 1, Gossips).expect("a sound plan");
        (0..10).for_each(|id| runner.spawn(&mut sim, NodeId(id), Time::ZERO));
        runner.run_until(&mut sim, at_ms(70_000), &mut |_, _, _| {});
        runner.take_done().0.into_iter().filter(|done| done.what == "clock").collect::<Vec<_>>()
    };
    let clocks = who(&plan);
    let mut rest = plan.clone();
    rest.steps.retain(|step| step.action.name() == "clock");
    assert!(!clocks.is_empty() && rest.steps.len() < plan.steps.len());
    assert_eq!(who(&rest), clocks);
}
