//! The extent of a run: its time and its nodes. A fault or a call after the end never happens, a check whose time is not over by then is not decided, and more
//! nodes than there are cannot be drawn; a scenario with any of these would hold without having tested it.

use super::checks::Written;
use super::{Call, Scenario};
use rumormill_core::time::Duration;
use rumormill_core::time::text::show;
use rumormill_core::words::count;
use rumormill_sim::plan::{Action, LINGER, Plan, Step, Who};

/// A time that the file gives.
struct Moment {
    /// Its place in the file.
    name: String,
    at: Duration,
}

/// Refuses times after the end of a run, and nodes beyond those that there are.
pub(super) fn check(scenario: &Scenario, plan: &Plan) -> Result<(), String> {
    moments(scenario).try_for_each(|moment| by_the_end(&moment.name, moment.at, scenario.time))?;
    check_windows(scenario)?;
    check_nodes(scenario, plan)
}

/// Upper bound on the samples of a run, on the times that its checks run, and on those that a statement is asked (our guess: a run with more does not end
/// while somebody waits for it).
const REPEATED_MAX: u64 = 10_000_000;

/// Refuses a time between two repetitions that is 0, or so short that a run has too many of them.
pub(super) fn pace(name: &str, every: Duration, time: Duration) -> Result<(), String> {
    if every.is_zero() {
        return Err(format!("{name} is 0s: give a time above 0"));
    }
    let shortest_us = time.as_nanos().div_ceil(u128::from(REPEATED_MAX)).div_ceil(1_000);
    let shortest = Duration::from_micros(u64::try_from(shortest_us).unwrap_or(u64::MAX));
    if every >= shortest {
        return Ok(());
    }
    let (every, shortest) = (show(every), show(shortest));
    Err(format!(
        "{name} is {every}, more than {REPEATED_MAX} times in the {} of a run: give {shortest} or more",
        show(time)
    ))
}

/// Refuses a time after the end of a run.
pub(super) fn by_the_end(name: &str, at: Duration, time: Duration) -> Result<(), String> {
    if at <= time {
        return Ok(());
    }
    let (at, end) = (show(at), show(time));
    Err(format!(
        "{name} is {at}, after the end of the run at {end}: write an earlier time, or time = \"{at}\" or more"
    ))
}

fn moments(scenario: &Scenario) -> impl Iterator<Item = Moment> {
    let moment = |name: String, at| Moment { name, at };
    let start = moment("start_within".into(), scenario.start_within);
    let steps = scenario.steps.iter().enumerate().flat_map(move |(n, step)| {
        let name = format!("step {} of the plan ({})", n + 1, step.action.name());
        let end = step.lasting.map(|_| moment(format!("{name}: the end of `for`"), step.end()));
        [moment(format!("{name}: at"), step.at)].into_iter().chain(end)
    });
    let calls = scenario.calls.iter().enumerate().flat_map(move |(n, call)| {
        let name = format!("call {} ({})", n + 1, call.call);
        let last = match call.until {
            Some(_) => "until",
            None => "its last time, by `every` and `times`,",
        };
        [moment(format!("{name}: at"), call.at), moment(format!("{name}: {last}"), end_of(call))]
    });
    let random = scenario.random.iter().map(move |bounds| moment("[random]: until".into(), bounds.until));
    let churn = scenario.churn.iter().map(move |churn| moment("[[churn]]: until".into(), churn.until));
    [start].into_iter().chain(steps).chain(calls).chain(random).chain(churn)
}

/// The time of the last of the calls.
fn end_of(call: &Call) -> Duration {
    let repeated = u32::try_from(call.times.saturating_sub(1)).unwrap_or(u32::MAX);
    let last = || call.at.saturating_add(call.every.unwrap_or_default().saturating_mul(repeated));
    call.until.unwrap_or_else(last)
}

/// The latest time at which a fault of the plan begins or ends, or a node is called, whatever is drawn.
fn last_action(scenario: &Scenario) -> Duration {
    let lingering = |step: &Step| match step.action {
        Action::Leave { .. } => LINGER,
        _ => Duration::ZERO,
    };
    let steps = scenario.steps.iter().map(|step| step.end().saturating_add(lingering(step)));
    let churn = scenario.churn.iter().map(|churn| match churn.leave {
        true => churn.until.saturating_add(LINGER),
        false => churn.until,
    });
    let random = scenario.random.iter().map(|bounds| bounds.until);
    steps.chain(scenario.calls.iter().map(end_of)).chain(random).chain(churn).max().unwrap_or_default()
}

/// Refuses checks whose time is not over at the end of a run.
fn check_windows(scenario: &Scenario) -> Result<(), String> {
    let last = last_action(scenario);
    for text in &scenario.checks {
        let Some((from, within)) = Written::parse(text)?.window(last) else { continue };
        let end = from.saturating_add(within);
        if end <= scenario.time {
            continue;
        }
        let shorter = match scenario.time.saturating_sub(from) {
            Duration::ZERO => String::new(),
            left => format!("at most `within {}`, or ", show(left)),
        };
        let with = if from == last && !from.is_zero() { ", with the last fault or call," } else { "" };
        let (from, end, over) = (show(from), show(end), show(scenario.time));
        return Err(format!(
            "{text:?}: its time begins at {from}{with} and is over at {end}, after the end of the run at {over}: \
             write {shorter}time = \"{end}\" or more"
        ));
    }
    Ok(())
}

/// Refuses nodes that never exist.
fn check_nodes(scenario: &Scenario, plan: &Plan) -> Result<(), String> {
    if let Some(bounds) = scenario.random.as_ref().filter(|bounds| bounds.nodes > scenario.nodes) {
        let (more, nodes) = (bounds.nodes, scenario.nodes);
        return Err(format!(
            "[random]: nodes is {more}, and there are {nodes}: write nodes = {nodes} or fewer"
        ));
    }
    let restarts = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Restart { who } => who.ids()?.last(),
        _ => None,
    });
    // A newcomer knows all nodes of the beginning; in a graph it has no edge.
    let newcomers = restarts.map(|id| id.0 + 1).max().filter(|_| scenario.topology.is_none());
    let nodes = newcomers.unwrap_or(0).max(scenario.nodes);
    for step in &plan.steps {
        let refused = |why: String| format!("{} of {why}", step.action.name());
        step.action.whom().into_iter().try_for_each(|who| check_who(who, nodes).map_err(refused))?;
        if matches!(step.action, Action::Slow { .. }) && scenario.world.service.is_none() {
            return Err("a message costs nothing here, so nobody can be slow: give [world.service]".into());
        }
    }
    Ok(())
}

fn check_who(who: &Who, nodes: u64) -> Result<(), String> {
    let last = who.ids().and_then(|ids| ids.last());
    let is_nobody = match who {
        Who::All => false,
        Who::Ids(_) => last.is_none(),
        Who::Share(share) => *share <= 0.0,
        Who::Count(number) => *number == 0,
    };
    match (who, last) {
        _ if is_nobody => {
            Err(format!("{:?}: that is nobody; write \"1 node\" or more, ids, or \"all\"", who.to_string()))
        }
        (_, Some(id)) if id.0 >= nodes => Err(format!("node {}: there are nodes 0 to {}", id.0, nodes - 1)),
        (Who::Count(more), _) if *more > nodes => {
            let (more, all) = (count(*more, "node"), count(nodes, "node"));
            Err(format!("{more}: there are {nodes}, so write \"{all}\" or fewer, or \"all\""))
        }
        _ => Ok(()),
    }
}
