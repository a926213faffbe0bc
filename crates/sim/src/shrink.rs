//! Shrinks a failing plan as long as it fails: first to fewer steps, then to simpler ones.
//!
//! Delta debugging removes steps (Zeller and Hildebrandt 2002, ddmin); then each remaining step is simplified: fewer nodes, a shorter
//! time, a rounder begin. The same plan and the same answers give the same result.

use crate::ids::Ids;
use crate::plan::{Action, Kind, Plan, Step, Who};
use rumormill_core::time::Duration;

/// Result of shrinking a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Shrunk {
    /// The smallest plan that was found to fail.
    pub plan: Plan,
    /// Number of plans that were tried.
    pub tries: usize,
    /// Whether the search ended at the limit of tries, and not because no smaller plan fails.
    pub stopped: bool,
}

/// Shrinks `plan`, which fails. `fails` runs a plan, and is called at most `tries_max` times.
pub fn shrink(plan: &Plan, tries_max: usize, fails: impl FnMut(&Plan) -> bool) -> Shrunk {
    let mut search = Search { best: plan.clone().pin(), tries: 0, tries_max, fails };
    loop {
        let before = search.best.clone();
        search.fewer_steps();
        search.simpler_steps();
        if search.best == before || search.is_over() {
            let Search { best, tries, tries_max, .. } = search;
            return Shrunk { plan: best, tries, stopped: tries >= tries_max };
        }
    }
}

struct Search<F> {
    best: Plan,
    tries: usize,
    tries_max: usize,
    fails: F,
}

impl<F: FnMut(&Plan) -> bool> Search<F> {
    fn is_over(&self) -> bool {
        self.tries >= self.tries_max
    }

    /// Replaces the best plan by `steps` if they fail, too.
    fn takes(&mut self, steps: Vec<Step>) -> bool {
        let plan = Plan { steps };
        if self.is_over() || plan == self.best || plan.check().is_err() {
            return false;
        }
        self.tries += 1;
        let failed = (self.fails)(&plan);
        if failed {
            self.best = plan;
        }
        failed
    }

    /// Removes parts as large as possible: halves, quarters, down to single steps.
    fn fewer_steps(&mut self) {
        if self.best.steps.is_empty() || self.takes(Vec::new()) {
            return;
        }
        let mut parts = 2;
        while self.best.steps.len() >= 2 && !self.is_over() {
            let len = self.best.steps.len();
            let size = len.div_ceil(parts);
            let mut at = 0;
            let mut smaller = false;
            while at < self.best.steps.len() && !self.is_over() {
                let mut steps = self.best.steps.clone();
                steps.drain(at..(at + size).min(steps.len()));
                if self.takes(steps) {
                    smaller = true; // the following steps have moved up to `at`
                } else {
                    at += size;
                }
            }
            if smaller {
                parts = (parts - 1).max(2);
            } else if size == 1 {
                return;
            } else {
                parts = (parts * 2).min(len);
            }
        }
    }

    fn simpler_steps(&mut self) {
        let mut at = 0;
        while at < self.best.steps.len() && !self.is_over() {
            // Repeats a simplification as long as the plan fails: halves become quarters.
            while let Some(step) = self.first_taken(at) {
                self.best.steps[at] = step;
            }
            at += 1;
        }
    }

    fn first_taken(&mut self, at: usize) -> Option<Step> {
        let step = self.best.steps[at].clone();
        simpler(&step).into_iter().find(|simpler| {
            let mut steps = self.best.steps.clone();
            steps[at] = simpler.clone();
            self.takes(steps)
        })
    }
}

/// Steps that are simpler than `step`, the simplest first.
fn simpler(step: &Step) -> Vec<Step> {
    let mut all = Vec::new();
    let mut add = |change: &dyn Fn(&mut Step)| {
        let mut simpler = step.clone();
        change(&mut simpler);
        if simpler != *step {
            all.push(simpler);
        }
    };
    for who in step.action.clone().who_mut().map(|who| fewer(who)).unwrap_or_default() {
        add(&|step| {
            if let Some(place) = step.action.who_mut() {
                place.clone_from(&who);
            }
        });
    }
    if let Action::Partition(partition) = &step.action
        && let Kind::Pair { from, to } | Kind::OneWay { from, to } = &partition.kind
    {
        let both = matches!(partition.kind, Kind::Pair { .. });
        let kind =
            |from: Who, to: Who| if both { Kind::Pair { from, to } } else { Kind::OneWay { from, to } };
        let mut kinds: Vec<Kind> = fewer(from).into_iter().map(|from| kind(from, to.clone())).collect();
        kinds.extend(fewer(to).into_iter().map(|to| kind(from.clone(), to)));
        for kind in kinds {
            add(&|step| {
                if let Action::Partition(partition) = &mut step.action {
                    partition.kind = kind.clone();
                }
            });
        }
    }
    add(&|step| match &mut step.action {
        Action::Crash { wipe, .. } => *wipe = false,
        Action::Partition(partition) => partition.flapping = None,
        Action::Loss { bursts, .. } => *bursts = None,
        Action::Clock { drift_ppm, .. } => *drift_ppm = 0,
        Action::Slow { factor, .. } if *factor > 2.0 => *factor = (*factor / 2.0).round(),
        _ => {}
    });
    if let Some(lasting) = step.lasting {
        for shorter in [lasting / 2, rounder(lasting)] {
            if shorter > Duration::from_millis(1) && shorter < lasting {
                add(&|step| step.lasting = Some(shorter));
            }
        }
    }
    let round = rounder(step.at);
    if round < step.at {
        add(&|step| step.at = round);
    }
    all
}

/// A single node, half as many nodes, and each half of a list.
fn fewer(who: &Who) -> Vec<Who> {
    match who {
        Who::All => vec![Who::Count(1), Who::Share(0.5)],
        Who::Share(share) if *share > 0.01 => vec![Who::Count(1), Who::Share(share / 2.0)],
        Who::Share(_) => vec![Who::Count(1)],
        Who::Count(count) if *count > 2 => vec![Who::Count(1), Who::Count(count / 2), Who::Count(count - 1)],
        Who::Count(2) => vec![Who::Count(1)],
        Who::Count(_) => vec![],
        Who::Ids(ids) if ids.len() > 1 => {
            let half = ids.len().div_ceil(2);
            let parts: [Ids; 2] = [ids.first(half), ids.without_first(half)];
            parts.into_iter().map(Who::Ids).collect()
        }
        Who::Ids(_) => vec![],
    }
}

/// The time, rounded down to the smallest unit of which it is no multiple.
fn rounder(duration: Duration) -> Duration {
    let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let units = [1_000, 1_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];
    let unit = units.into_iter().find(|unit| ns % unit != 0);
    unit.map_or(duration, |unit| Duration::from_nanos(ns / unit * unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Bounds;

    fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// Fails if node 3 is among the crashed, for at least two seconds, and there is a partition at any time.
    fn fails(plan: &Plan) -> bool {
        let crash = plan.steps.iter().any(|step| match &step.action {
            Action::Crash { who: Who::Ids(ids), .. } => {
                ids.contains(rumormill_core::NodeId(3)) && step.lasting.is_some_and(|d| d >= s(2))
            }
            _ => false,
        });
        crash && plan.steps.iter().any(|step| step.action.name() == "partition")
    }

    fn failing(seed: u64) -> Plan {
        let mut plan = Plan::random(seed, &Bounds { steps: 40, ..Bounds::default() });
        let who = Who::Ids(Ids::range(0..10));
        let crash = Step::new(Duration::from_millis(12_345), Action::Crash { who, wipe: true }).lasting(s(9));
        plan.steps.insert(17, crash);
        plan
    }

    #[test]
    fn what_does_not_matter_is_left_out() {
        for seed in 0..20 {
            let plan = failing(seed);
            assert!(fails(&plan), "seed {seed}");
            let shrunk = shrink(&plan, 2_000, fails);
            assert!(fails(&shrunk.plan) && !shrunk.stopped);
            assert_eq!(shrunk.plan.steps.len(), 2, "seed {seed}: {:?}", shrunk.plan);
            let crash = shrunk.plan.steps.iter().find(|step| step.action.name() == "crash").unwrap();
            assert_eq!(crash.action, Action::Crash { who: Who::Ids(Ids::of([3])), wipe: false });
            assert!(crash.lasting.is_some_and(|d| d >= s(2) && d < s(5)), "{crash:?}");
            assert_eq!(crash.at.subsec_nanos(), 0, "{crash:?}");
            assert_eq!(shrink(&plan, 2_000, fails), shrunk, "the same again");
        }
    }

    #[test]
    fn it_asks_no_more_than_it_may() {
        let mut asked = 0;
        let shrunk = shrink(&failing(1), 7, |plan| {
            asked += 1;
            fails(plan)
        });
        assert_eq!((asked, shrunk.tries, shrunk.stopped), (7, 7, true));
        assert!(fails(&shrunk.plan));
    }

    #[test]
    fn a_failure_that_needs_no_plan_needs_one_try() {
        let shrunk = shrink(&failing(2), 100, |_| true);
        assert_eq!((shrunk.plan, shrunk.tries), (Plan::default(), 1));
    }

    #[test]
    fn steps_keep_what_they_draw_when_others_go() {
        let plan = failing(3);
        let shrunk = shrink(&plan, 1_000, fails);
        let draws: Vec<u64> = shrunk.plan.steps.iter().filter_map(|step| step.draw).collect();
        assert!(draws.contains(&17), "{draws:?}");
    }
}
