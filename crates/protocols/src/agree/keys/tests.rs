//! Orders on the simulator, with an application that carries them out at once.

use super::*;
use alloc::format;
use alloc::vec;
use rumormill_core::Time;
use rumormill_core::wire;
use rumormill_sim::{Sim, World};

const SECOND: Duration = Duration::from_secs(1);

struct Story {
    sim: Sim<Keys>,
    /// Who was told of which order, as often as it was.
    ordered: Vec<(u64, Order)>,
    reported: Vec<(u64, u64, Option<Report>)>,
}

impl Story {
    fn of(n: u64, world: World, seed: u64) -> Story {
        extern crate std;
        std::println!("seed {seed}");
        let mut sim = Sim::new(World { wire: true, ..world }, seed);
        (0..n).for_each(|id| sim.spawn(NodeId(id), Keys::new(Config::default()), Time::ZERO));
        sim.run_for(SECOND, &mut |_, _, _| ());
        Story { sim, ordered: vec![], reported: vec![] }
    }

    fn ask(&mut self, of: impl IntoIterator<Item = u64>, order: Order) {
        let of = of.into_iter().map(NodeId).collect();
        self.sim.call(NodeId(0), Call::Ask { ticket: 7, of, order });
    }

    /// Runs, and reports 5 ms after each order at the earliest.
    fn run(&mut self, time: Duration) {
        let step = Duration::from_millis(5);
        for _ in 0..time.as_millis() / step.as_millis() {
            let (mut calls, reported) = (vec![], &mut self.reported);
            self.sim.run_for(step, &mut |_, me, event| match event {
                Event::Ordered { by, serial, order } => calls.push((me, by, serial, order)),
                Event::Reported { ticket, by, report } => reported.push((ticket, by.0, report)),
            });
            for (me, to, serial, order) in calls {
                self.ordered.push((me.0, order));
                let report = Report::new(&[me.0, 1], Kept::File, "", "");
                self.sim.call(me, Call::Report { to, serial, report });
            }
        }
    }

    fn answered(&self) -> usize {
        self.reported.iter().filter(|(.., report)| report.is_some()).count()
    }
}

#[test]
fn each_that_is_asked_reports_once_though_a_fifth_of_all_packets_is_lost_and_some_come_twice() {
    for seed in [1, 2, 3] {
        let mut story = Story::of(50, World { loss: 0.2, duplicate: 0.1, ..World::default() }, seed);
        story.ask(1..50, Order::Use(9));
        story.run(10 * SECOND);
        assert_eq!(story.reported.len(), 49, "each once");
        assert!(story.answered() >= 47, "{} answered", story.answered());
        assert!(story.ordered.len() <= 49, "an order that comes again is not carried out again");
        for (ticket, by, report) in &story.reported {
            assert_eq!(*ticket, 7);
            let keys: Option<Vec<u64>> = report.as_ref().map(|report| report.keys().collect());
            assert!(keys.is_none_or(|keys| keys == [*by, 1]));
        }
    }
}

#[test]
fn one_that_is_gone_is_told_as_silent_after_five_tries() {
    let mut story = Story::of(3, World::default(), 4);
    story.sim.crash(NodeId(2));
    story.ask(1..3, Order::List);
    story.run(7 * SECOND);
    assert_eq!(story.reported.len(), 1);
    assert_eq!(story.sim.node(NodeId(0)).asked(), 1);
    story.run(SECOND);
    assert_eq!(story.reported[1], (7, 2, None));
    assert_eq!(story.sim.node(NodeId(0)).asked(), 0, "nothing is kept");
}

#[test]
fn a_hundred_are_asked_at_one_time_and_all_in_the_end() {
    let mut story = Story::of(300, World::default(), 5);
    (101..200).for_each(|id| story.sim.crash(NodeId(id)));
    story.ask(1..300, Order::List);
    let mut most = 0;
    for _ in 0..40 {
        story.run(SECOND / 2);
        most = most.max(story.sim.node(NodeId(0)).asked());
    }
    assert!(most <= 100, "{most} at one time");
    assert_eq!((story.reported.len(), story.answered()), (299, 200));
}

#[test]
fn a_report_that_nobody_asked_for_is_passed_over() {
    let mut story = Story::of(2, World::default(), 6);
    let report = Report::new(&[], Kept::Nowhere, "no", "");
    story.sim.call(NodeId(1), Call::Report { to: NodeId(0), serial: 1, report });
    story.run(SECOND);
    assert!(story.reported.is_empty());
}

#[test]
fn a_key_is_shown_by_nothing_that_carries_it() {
    let order = Order::Install(Secret([0xab; SECRET_BYTES]));
    let granted = GrantedKeys { keys: vec![Secret([0xab; SECRET_BYTES])] };
    let message = Message::Order { serial: 1, order: order.clone() };
    let event = Event::Ordered { by: NodeId(1), serial: 1, order: order.clone() };
    let shown = format!("{order:?}{message:?}{event:?}{granted:?}");
    assert!(!shown.contains("171") && !shown.to_lowercase().contains("abab"), "{shown}");
}

#[test]
fn a_text_is_cut_between_two_letters() {
    let long = "ä".repeat(TEXT_BYTES_MAX);
    let report = Report::new(&[1], Kept::Nowhere, &long, "");
    assert_eq!(report.refusal().map(str::len), Some(TEXT_BYTES_MAX));
    assert!(wire::len(&report) <= TEXT_BYTES_MAX + 40);
    assert_eq!((report.note(), report.keys().count()), (None, 1));
}
