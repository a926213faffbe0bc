//! The runs of one scenario on one stack.

use super::Scenario;
use super::checks::{self, Observed};
use super::nodes::NodesOf;
use super::output::{self, Done, Event, FailureReport, Outcome, Output, Progress, Sample, Silent};
use super::part::{CallOf, CallRecord, EventOf, Part, SimView, Since, View};
use rumormill_core::identity::NodeId;
use rumormill_core::peers::Peers;
use rumormill_core::rng::mix;
use rumormill_core::time::{Duration, Time};
use rumormill_sim::check::Found;
use rumormill_sim::plan::{Actor, History, Plan, Runner};
use rumormill_sim::shrink::shrink;
use rumormill_sim::{Counters, Sim};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

/// Makes the nodes, and records their calls.
struct Recorder<P> {
    part: Rc<P>,
    called: Vec<CallRecord>,
}

impl<P: Part> Actor<P::Node> for Recorder<P> {
    fn make(&mut self, id: NodeId, life: u32, kept: Option<&P::Node>) -> P::Node {
        self.part.make(id, life, kept)
    }

    fn peers(&mut self, id: NodeId) -> Option<Peers> {
        self.part.peers(id)
    }

    fn first_calls(&mut self, id: NodeId, life: u32) -> Vec<CallOf<P>> {
        self.part.first_calls(id, life)
    }

    fn call(&self, id: NodeId, call: &str, with: &str) -> Result<CallOf<P>, String> {
        self.part.call(id, call, with)
    }

    fn called(&mut self, id: NodeId, at: Time, call: &str, with: &str) {
        self.called.push(CallRecord { id, at, call: call.into(), with: with.into() });
    }
}

/// The outcome of one run.
struct Run {
    total: Counters,
    figures: Vec<(&'static str, f64)>,
    sometimes: BTreeMap<String, bool>,
    digest: u64,
    found: Option<Found>,
}

/// The place of a run among all.
#[derive(Copy, Clone)]
struct Place {
    run: u32,
    runs: u32,
    seed: u64,
    /// Number of inputs in earlier runs.
    events: u64,
    shrinking: Option<usize>,
}

/// Refuses a plan or checks that this stack cannot run.
pub(super) fn check<P: Part>(scenario: &Scenario, part: P, plan: &Plan) -> Result<(), String> {
    checks::build(&part, &scenario.checks, scenario.check_every)?;
    let recorder = Recorder { part: Rc::new(part), called: Vec::new() };
    Runner::new(plan, 0, recorder).map(drop)
}

/// Bytes of memory that a run needs, about.
pub(super) fn memory_bytes<P: Part>(scenario: &Scenario, part: &P) -> u64 {
    let node = Sim::<P::Node>::node_bytes(1) as u64 + part.heap_bytes(scenario.nodes);
    let edges = scenario.topology.as_ref().map_or(0, |topology| topology.node_bytes(scenario.nodes));
    (node + edges).saturating_mul(scenario.nodes)
}

/// Runs all runs, or until one fails.
pub(super) fn run<P: Part>(
    scenario: &Scenario,
    part: P,
    runs: Range<u32>,
    replay: &dyn Fn(u32) -> String,
    output: &mut dyn Output,
) -> Result<Outcome, String> {
    let part = Rc::new(part);
    let mut total = Counters::default();
    let mut digest = 0u64;
    let mut figures: BTreeMap<&'static str, f64> = BTreeMap::new();
    let mut sometimes: BTreeMap<String, bool> = BTreeMap::new();
    let mut failure = None;
    let mut ended = 0;
    let all = runs.len() as u32;
    for run in runs {
        let seed = scenario.run_seed(run);
        let plan = scenario.plan(seed)?;
        let place = Place { run, runs: all, seed, events: total.inputs, shrinking: None };
        let one = one_run(scenario, &part, &plan, place, output)?;
        total += one.total;
        digest = mix(digest ^ one.digest);
        one.figures.into_iter().for_each(|(name, figure)| *figures.entry(name).or_default() += figure);
        for (name, held) in one.sometimes {
            *sometimes.entry(name).or_default() |= held;
        }
        ended += 1;
        if let Some(found) = one.found {
            let place = Place { events: total.inputs, ..place };
            failure = Some(report(scenario, &part, plan, found, place, replay, output));
            break;
        }
    }
    figures.values_mut().for_each(|figure| *figure /= f64::from(ended.max(1)));
    let ok = failure.is_none() && sometimes.values().all(|held| *held);
    Ok(Outcome {
        name: scenario.name.clone(),
        stack: scenario.stack.clone(),
        nodes: scenario.nodes,
        seed: scenario.seed,
        runs: ended,
        time_s: scenario.time.as_secs_f64(),
        events: total.inputs,
        datagrams_sent: total.datagrams_sent,
        bytes_sent: total.bytes_sent(),
        dropped: output::causes(&total),
        figures,
        checks: scenario.checks.len(),
        sometimes,
        failure,
        ok,
        digest: format!("{digest:016x}"),
    })
}

/// Shrinks the plan of a failing run, and records what its replay needs.
fn report<P: Part>(
    scenario: &Scenario,
    part: &Rc<P>,
    plan: Plan,
    found: Found,
    place: Place,
    replay: &dyn Fn(u32) -> String,
    output: &mut dyn Output,
) -> FailureReport {
    let mut tries = 0;
    let mut smallest = found.clone();
    let shrunk = shrink(&plan, scenario.shrink_tries, |plan| {
        tries += 1;
        let place = Place { shrinking: Some(tries), ..place };
        output.progress(&progress(scenario, place, Time::ZERO, 0));
        let again = one_run(scenario, part, plan, place, &mut Silent);
        match again.ok().and_then(|run| run.found).filter(|again| again.check == found.check) {
            Some(again) => {
                smallest = again;
                true
            }
            None => false,
        }
    });
    let text = toml::to_string(&shrunk.plan).unwrap_or_else(|e| format!("# cannot be written: {e}\n"));
    let replay = replay(place.run);
    let steps = (plan.steps.len(), shrunk.plan.steps.len());
    let failure = smallest.with(place.seed, shrunk.plan, scenario.world.clone());
    FailureReport {
        check: found.check,
        why: found.why,
        run: place.run,
        run_seed: place.seed,
        at_s: found.at.as_secs_f64(),
        steps,
        report: failure.report(&text, &replay),
        plan: text,
        replay,
    }
}

fn progress(scenario: &Scenario, place: Place, now: Time, events: u64) -> Progress {
    Progress {
        run: place.run,
        runs: place.runs,
        t_s: now.as_secs_f64(),
        time_s: scenario.time.as_secs_f64(),
        events: place.events + events,
        shrinking: place.shrinking,
    }
}

fn one_run<P: Part>(
    scenario: &Scenario,
    part: &Rc<P>,
    plan: &Plan,
    place: Place,
    output: &mut dyn Output,
) -> Result<Run, String> {
    let mut checks = checks::build(&**part, &scenario.checks, scenario.check_every)?;
    let mut runner = Runner::new(plan, place.seed, Recorder { part: part.clone(), called: Vec::new() })?;
    let mut sim: Sim<P::Node> = scenario.threads.sim(scenario.world.clone(), place.seed, scenario.nodes);
    let mut observed =
        Observed::<P> { seen: P::Seen::default(), since: Since::default(), history: History::default() };
    spawn(scenario, &mut sim, &mut runner, &mut observed.since);
    let end = Time::ZERO + scenario.time;
    let (mut next_check, mut next_sample) = (checks.next_at(Time::ZERO), Time::ZERO + scenario.sample);
    let mut next_look = output.next_look(Time::ZERO);
    let tell = output.wants_events();
    let (mut found, mut figures) = (None, Vec::new());
    while sim.now() < end {
        let until = next_check.min(next_sample).min(next_look).min(end);
        {
            let seen = &mut observed.seen;
            let output = &mut *output;
            runner.run_until(&mut sim, until, &mut |at: Time, id: NodeId, event: EventOf<P>| {
                part.see(seen, at, id, &event);
                if tell {
                    let (run, t_s, line) = (place.run, at.as_secs_f64(), P::tell(&event));
                    output.event(&Event { run, t_s, node: id.0, line });
                }
            });
        }
        note(&mut runner, &mut observed, part, place.run, output);
        if until >= next_look {
            output.look(place.run, &NodesOf::<P>(observed.view(&sim)))?;
            next_look = output.next_look(until);
        }
        if until >= next_sample || until >= end {
            figures = sample(&sim, part, &observed, place.run, output);
            let events = figures.iter().find(|(name, _)| *name == "events").map_or(0.0, |(_, n)| *n);
            output.progress(&progress(scenario, place, until, events as u64));
            next_sample = until + scenario.sample;
        }
        if until >= next_check || until >= end {
            let last = runner.last_at();
            let Observed { seen, since, history } = &mut observed;
            part.look(seen, &SimView { sim: &sim, since, history });
            let asked = match until >= end {
                true => checks.end(&sim, &observed, last),
                false => checks.ask(&sim, &observed, last),
            };
            next_check = checks.next_at(until);
            if let Err(e) = asked {
                found = Some(e);
                break;
            }
        }
    }
    let (total, digest) = (sim.total(), sim.digest());
    Ok(Run { total, figures, sometimes: checks.sometimes_held(), digest, found })
}

/// Starts the nodes evenly within the time for it.
fn spawn<P: Part>(
    scenario: &Scenario,
    sim: &mut Sim<P::Node>,
    runner: &mut Runner<P::Node, Recorder<P>>,
    since: &mut Since,
) {
    let within_ns = scenario.start_within.as_nanos();
    for id in 0..scenario.nodes {
        let after = within_ns * u128::from(id) / u128::from(scenario.nodes);
        let at = Time::ZERO + Duration::from_nanos(u64::try_from(after).unwrap_or(u64::MAX));
        if at > Time::ZERO {
            since.first.insert(NodeId(id), at);
        }
        runner.spawn(sim, NodeId(id), at);
    }
}

/// Writes the actions of the plan to the output.
fn note<P: Part>(
    runner: &mut Runner<P::Node, Recorder<P>>,
    observed: &mut Observed<P>,
    part: &Rc<P>,
    run: u32,
    output: &mut dyn Output,
) {
    for call in std::mem::take(&mut runner.actor().called) {
        part.see_call(&mut observed.seen, &call);
    }
    let (done, forgotten) = runner.take_done();
    if !done.is_empty() || forgotten > 0 {
        observed.history = runner.history().clone();
    }
    for done in done {
        let at = Time(done.at_ns);
        if matches!(done.what.as_str(), "restart" | "un-crash") {
            observed.since.restarted.extend(done.who.iter().map(|id| (NodeId(*id), at)));
        }
        output.done(&Done { run, t_s: at.as_secs_f64(), done: done.what, who: done.who });
    }
}

fn sample<P: Part>(
    sim: &Sim<P::Node>,
    part: &Rc<P>,
    observed: &Observed<P>,
    run: u32,
    output: &mut dyn Output,
) -> Vec<(&'static str, f64)> {
    let view = observed.view(sim);
    let mut figures = output::figures(view.live().count(), sim.pending(), &sim.total());
    figures.extend(part.measure(&view, &observed.seen));
    output.sample(&Sample { run, t_s: sim.now().as_secs_f64(), figures: figures.clone() });
    figures
}
