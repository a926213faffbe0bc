//! The protocols by name, and how a stack is put together from them.

use super::agent::AgentPart;
use super::anti_entropy::AntiEntropyPart;
use super::latest::LatestPart;
use super::output::{Outcome, Output};
use super::part::{On, Part};
use super::swim::SwimPart;
use super::{Scenario, drive, settings};
use rumormill_sim::plan::Plan;
use serde::Serialize;
use std::ops::Range;

/// A stack that there is.
#[derive(Clone, Debug, Serialize)]
pub struct StackInfo {
    /// As it is written.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Its calls, with what they ask.
    pub calls: Vec<(&'static str, &'static str)>,
    /// Its checks, with what they want.
    pub checks: Vec<(&'static str, &'static str)>,
}

/// Something to be done with a part, whichever it is.
trait Visit {
    type Out;
    fn visit<P: Part>(self, part: P) -> Self::Out;
}

/// All stacks, with what each knows.
pub fn stacks() -> Vec<StackInfo> {
    let nothing = Default::default();
    let info = |(name, about): &(&'static str, &'static str)| {
        with_stack(name, &nothing, 2, Describe { name, about }).expect("each name in the list is known")
    };
    STACKS.iter().map(info).collect()
}

struct Describe {
    name: &'static str,
    about: &'static str,
}

impl Visit for Describe {
    type Out = StackInfo;
    fn visit<P: Part>(self, part: P) -> StackInfo {
        StackInfo { name: self.name, about: self.about, calls: part.calls(), checks: part.checks() }
    }
}

struct CheckPlan<'a>(&'a Scenario, &'a Plan);

impl Visit for CheckPlan<'_> {
    type Out = Result<(), String>;
    fn visit<P: Part>(self, part: P) -> Self::Out {
        drive::check(self.0, part, self.1)
    }
}

/// Says what is wrong with what a scenario asks of its stack.
pub(super) fn check(scenario: &Scenario, plan: &Plan) -> Result<(), String> {
    with(scenario, CheckPlan(scenario, plan))?
}

struct Memory<'a>(&'a Scenario);

impl Visit for Memory<'_> {
    type Out = u64;
    fn visit<P: Part>(self, part: P) -> u64 {
        drive::memory_bytes(self.0, &part)
    }
}

/// Bytes that a run takes, about.
pub(super) fn memory_bytes(scenario: &Scenario) -> Result<u64, String> {
    with(scenario, Memory(scenario))
}

struct Run<'a> {
    scenario: &'a Scenario,
    runs: Range<u32>,
    replay: &'a dyn Fn(u32) -> String,
    output: &'a mut dyn Output,
}

impl Visit for Run<'_> {
    type Out = Result<Outcome, String>;
    fn visit<P: Part>(self, part: P) -> Self::Out {
        drive::run(self.scenario, part, self.runs, self.replay, self.output)
    }
}

/// Runs a scenario.
pub(super) fn run(
    scenario: &Scenario,
    runs: Range<u32>,
    replay: &dyn Fn(u32) -> String,
    output: &mut dyn Output,
) -> Result<Outcome, String> {
    with(scenario, Run { scenario, runs, replay, output })?
}

/// A protocol's settings, by its name.
type Settings = std::collections::BTreeMap<String, toml::Table>;

fn with<V: Visit>(scenario: &Scenario, visit: V) -> Result<V::Out, String> {
    let known: Vec<&str> = match scenario.stack.as_str() {
        "agent" => vec!["swim", "latest"],
        stack => stack.split_whitespace().filter(|word| *word != "on").collect(),
    };
    if let Some(name) = scenario.settings.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!(
            "[settings.{name}]: that is not in the stack {:?}, which has {}",
            scenario.stack,
            known.join(" and ")
        ));
    }
    with_stack(&scenario.stack, &scenario.settings, scenario.nodes, visit)
}

/// What there is, for messages and lists. Each but SWIM and the agent also goes on SWIM, whose view then tells it who is there; alone, all know of the
/// nodes of the beginning.
const STACKS: [(&str, &str); 16] = [
    ("swim", "membership: SWIM with Lifeguard"),
    ("agent", "all that an agent runs: membership, vitals, events, queries, keys and bans"),
    ("latest on swim", "newest-wins records in the spare room of SWIM's datagrams"),
    ("anti-entropy", "stores of keys that become equal by pairs, with death certificates"),
    ("rumor", "rumor mongering: blind or feedback, coin or counter, push, pull or push-pull"),
    ("push-then-pull", "pushes first, pulls then"),
    ("median-counter", "the median-counter algorithm"),
    ("infect-and-die", "each passes an update on once, to a fixed number"),
    ("flood", "along all edges of a random graph"),
    ("tree", "down a spanning tree"),
    ("direct-mail", "the publisher tells everybody"),
    ("push-sum", "averages, sums, counts and quantiles by push-sum"),
    ("averaging", "averages and counts by push-pull averaging"),
    ("plain-averaging", "averages by push-pull as in the lectures, with nothing against loss"),
    ("extrema", "size, sum, minimum and maximum by extrema propagation"),
    ("threshold", "whether the average is above a threshold"),
];

fn with_stack<V: Visit>(name: &str, knobs: &Settings, nodes: u64, visit: V) -> Result<V::Out, String> {
    let empty = toml::Table::new();
    let of = |name: &str| knobs.get(name).unwrap_or(&empty);
    let swim = || SwimPart::new(of("swim"));
    let words: Vec<&str> = name.split_whitespace().collect();
    let (upper, on_swim) = match words[..] {
        ["swim"] => return Ok(visit.visit(swim()?)),
        ["agent"] => return Ok(visit.visit(AgentPart::new(of("swim"), of("latest"))?)),
        [upper] if upper != "latest" => (upper, false),
        [upper, "on", "swim"] if upper != "agent" => (upper, true),
        _ => return Err(no_stack(name)),
    };
    macro_rules! place {
        ($part:expr) => {{
            let upper = $part?;
            if on_swim { visit.visit(On { upper, lower: swim()? }) } else { visit.visit(upper) }
        }};
    }
    let table = of(upper);
    Ok(match upper {
        "latest" => place!(LatestPart::new(table)),
        "anti-entropy" => place!(AntiEntropyPart::new(table, nodes)),
        "rumor" => place!(settings::rumor(table, nodes)),
        "push-then-pull" => place!(settings::push_then_pull(table, nodes)),
        "median-counter" => place!(settings::median_counter(table, nodes)),
        "infect-and-die" => place!(settings::infect_and_die(table, nodes)),
        "flood" => place!(settings::flood(table, nodes)),
        "tree" => place!(settings::tree(table, nodes)),
        "direct-mail" => place!(settings::direct_mail(table, nodes)),
        "push-sum" => place!(settings::push_sum(table, nodes)),
        "averaging" => place!(settings::averaging(table, nodes)),
        "plain-averaging" => place!(settings::plain(table, nodes)),
        "extrema" => place!(settings::extrema(table, nodes)),
        "threshold" => place!(settings::threshold(table, nodes)),
        _ => return Err(no_stack(name)),
    })
}

fn no_stack(name: &str) -> String {
    let known: Vec<&str> = STACKS.iter().map(|(name, _)| *name).collect();
    format!("no stack is called {name:?}: there are {}, and each but agent on swim", known.join(", "))
}
