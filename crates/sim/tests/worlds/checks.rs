//! Checks see what goes wrong when it does, and a failure is shrunk to what it takes.

use crate::everything::Gossips;
use crate::toy::*;
use rumormill_core::NodeId;
use rumormill_core::time::{Duration, Time};
use rumormill_sim::check::{Checks, Found, From};
use rumormill_sim::plan::{Action, Bounds, Plan, Runner, Weights, Who};
use rumormill_sim::shrink::shrink;
use rumormill_sim::{Sim, World};

fn s(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn crash(who: &str, at: u64, lasting: u64) -> Plan {
    let text = format!("[[step]]\nat = \"{at}s\"\ndo = \"crash\"\nwho = {who}\nfor = \"{lasting}s\"");
    toml::from_str(&text).expect("a plan")
}

/// Ten gossiping nodes for a minute; what is counted is all that they tell.
fn run_checked(
    plan: &Plan,
    seed: u64,
    mut checks: Checks<Toy, usize>,
) -> (Result<(), Found>, Checks<Toy, usize>) {
    let mut sim = Sim::new(World::default(), seed);
    let mut runner = Runner::new(plan, seed, Gossips).expect("a sound plan");
    (0..10).for_each(|id| runner.spawn(&mut sim, NodeId(id), Time::ZERO));
    sim.call(A, Call::Spread(1));
    let result = checks.run(&mut sim, &mut runner, Time::ZERO + s(60), &mut 0, |seen, _, _, _| *seen += 1);
    (result, checks)
}

fn all_up(sim: &Sim<Toy>) -> Result<(), String> {
    match sim.live_ids().count() {
        10 => Ok(()),
        up => Err(format!("{up} of 10 are up")),
    }
}

#[test]
fn what_always_holds_is_missed_as_soon_as_it_does_not() {
    let checks = || {
        Checks::every(ms(100))
            .always("all up", |sim, _: &usize| sim.now() == Time::ZERO || all_up(sim).is_ok())
    };
    assert_eq!(run_checked(&Plan::default(), 1, checks()).0, Ok(()));
    let found = run_checked(&crash("3", 10, 5), 1, checks()).0.unwrap_err();
    assert_eq!((found.check.as_str(), found.at), ("all up", Time::ZERO + s(10)));
}

#[test]
fn what_holds_in_time_is_asked_from_the_last_fault_on() {
    let up = |within| {
        Checks::every(ms(100))
            .eventually_within("up again", within, From::LastFault, |sim, _: &usize| all_up(sim))
    };
    assert_eq!(run_checked(&crash("3", 10, 5), 1, up(s(6))).0, Ok(()));
    // The crash starts the clock anew, and so does its end: only what stays down is too late.
    let stays = crash("3", 10, 5);
    let stays = Plan {
        steps: stays
            .steps
            .into_iter()
            .map(|step| rumormill_sim::plan::Step { lasting: None, ..step })
            .collect(),
    };
    let found = run_checked(&stays, 1, up(s(6))).0.unwrap_err();
    assert_eq!(found.at, Time::ZERO + s(16));
    assert!(found.why.contains("9 of 10 are up"), "{}", found.why);
    let late = run_checked(&stays, 1, up(s(600))).0.unwrap_err();
    assert!(late.at == Time::ZERO + s(60) && late.why.contains("before its time was up"), "{}", late.why);
}

#[test]
fn what_holds_in_time_may_be_asked_from_a_time_on() {
    let told = |from, within| {
        Checks::every(ms(100))
            .eventually_within("all know", within, From::Time(from), |sim, _: &usize| knowing(sim, 1) == 10)
    };
    assert_eq!(run_checked(&Plan::default(), 1, told(Time::ZERO, s(20))).0, Ok(()));
    let found = run_checked(&Plan::default(), 1, told(Time::ZERO, ms(100))).0.unwrap_err();
    assert_eq!(found.at, at_ms(100));
    assert_eq!(run_checked(&Plan::default(), 1, told(Time::ZERO + s(20), ms(0))).0, Ok(()));
}

#[test]
fn what_holds_finally_is_asked_at_the_end_alone() {
    let checks = || Checks::every(ms(100)).finally("all up", |sim, _: &usize| all_up(sim));
    assert_eq!(run_checked(&crash("3", 10, 5), 1, checks()).0, Ok(()), "it is up again");
    let found = run_checked(&crash("3", 58, 5), 1, checks()).0.unwrap_err();
    assert_eq!((found.check.as_str(), found.at), ("all up", Time::ZERO + s(60)));
}

#[test]
fn what_happens_sometimes_is_remembered() {
    let checks = Checks::every(ms(100))
        .sometimes("one is down", |sim, _: &usize| sim.live_ids().count() < 10 && sim.now() > at_ms(500))
        .sometimes("all are down", |sim, _: &usize| sim.live_ids().count() == 0)
        .sometimes("much was told", |_, told: &usize| *told > 15);
    let (result, checks) = run_checked(&crash("3", 10, 5), 1, checks);
    assert_eq!(result, Ok(()));
    let held: Vec<(String, bool)> = checks.sometimes_held().into_iter().collect();
    let expected = [("all are down", false), ("much was told", true), ("one is down", true)];
    assert_eq!(held, expected.map(|(name, held)| (name.to_owned(), held)));
}

#[test]
fn a_failure_is_shrunk_and_says_how_to_see_it_again() {
    let weights = Weights { freeze: 2.0, ..Weights::default() };
    let plan = Plan::random(11, &Bounds { steps: 30, weights, ..Bounds::default() });
    let seed = 5;
    let run = |plan: &Plan| {
        let checks = Checks::every(ms(100))
            .always("seven up", |sim, _: &usize| sim.now() < at_ms(500) || sim.live_ids().count() >= 8);
        run_checked(plan, seed, checks).0
    };
    let found = run(&plan).expect_err("the plan is wild enough");
    let shrunk = shrink(&plan, 400, |plan| run(plan).is_err());
    assert!(run(&shrunk.plan).is_err());
    assert!(shrunk.plan.steps.len() <= 2, "{:?}", shrunk.plan);
    let is_crash = |action: &Action| matches!(action, Action::Crash { wipe: false, .. });
    assert!(shrunk.plan.steps.iter().all(|step| is_crash(&step.action)), "{:?}", shrunk.plan);
    let whom: u64 = shrunk
        .plan
        .steps
        .iter()
        .map(|step| match &step.action {
            Action::Crash { who: Who::Count(n), .. } => *n,
            Action::Crash { who: Who::Ids(ids), .. } => ids.len(),
            _ => 10,
        })
        .sum();
    assert_eq!(whom, 3, "{:?}", shrunk.plan);

    let failure = found.with(seed, shrunk.plan.clone(), World::default());
    let text = toml::to_string(&failure.plan).unwrap();
    let report = failure.report(&text, "rumormill sim run story.toml --seed 5");
    for part in ["seven up", "seed: 5", "do = \"crash\"", "rumormill sim run story.toml --seed 5"] {
        assert!(report.contains(part), "{report}");
    }
    assert_eq!(toml::from_str::<Plan>(&text).unwrap(), failure.plan, "what is printed can be read back");
}
