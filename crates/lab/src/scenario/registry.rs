//! The protocols by name, and the stacks made of them.

use super::agent::AgentPart;
use super::aggregator::AggregatorPart;
use super::anti_entropy::AntiEntropyPart;
use super::detector::DetectorPart;
use super::erased::{Detecting, Erased, One, Shape, Two, fits};
use super::lww::LwwPart;
use super::output::{Outcome, Output};
use super::part::{On, Part};
use super::spreader::SpreaderPart;
use super::swim::SwimPart;
use super::{Scenario, drive};
use crate::topology::Known;
use rumormill_core::identity::Unsigned;
use rumormill_protocols::agree::anti_entropy::AntiEntropy;
use rumormill_protocols::agree::lww::Lww;
use rumormill_protocols::catalog::Catalogued;
use rumormill_protocols::detect::phi::Phi;
use rumormill_protocols::member::swim::Swim;
use rumormill_protocols::{detect, spread, sum};
use rumormill_sim::plan::Plan;
use serde::Serialize;
use std::ops::Range;

/// A stack, for lists.
#[derive(Clone, Debug, Serialize)]
pub struct StackInfo {
    /// Its name in a file.
    pub name: String,
    /// Its description.
    pub about: &'static str,
    /// Its calls, with their meaning.
    pub calls: Vec<(&'static str, &'static str)>,
    /// Its checks, with their meaning.
    pub checks: Vec<(&'static str, &'static str)>,
}

/// An operation on any part.
trait Visit {
    type Out;
    fn visit<P: Part>(self, part: P) -> Self::Out;
}

/// All stacks, with their calls and checks.
pub fn stacks() -> Vec<StackInfo> {
    let (nothing, pair) = (Default::default(), Known::everyone(2));
    let info = |(name, about): (String, &'static str)| {
        with_stack(&name, &nothing, &pair, Describe { name: name.clone(), about })
            .expect("each name in the list is known")
    };
    all().into_iter().map(info).collect()
}

struct Describe {
    name: String,
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

/// Refuses a scenario that does not fit its stack.
pub(super) fn check(scenario: &Scenario, plan: &Plan) -> Result<(), String> {
    if let Some(own) = scenario.own.get(&scenario.stack) {
        return own.check(scenario, plan);
    }
    with(scenario, CheckPlan(scenario, plan))?
}

struct Memory<'a>(&'a Scenario);

impl Visit for Memory<'_> {
    type Out = u64;
    fn visit<P: Part>(self, part: P) -> u64 {
        drive::memory_bytes(self.0, &part)
    }
}

/// Bytes of memory that a run needs, about.
pub(super) fn memory_bytes(scenario: &Scenario) -> Result<u64, String> {
    if let Some(own) = scenario.own.get(&scenario.stack) {
        return own.memory_bytes(scenario);
    }
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
    if let Some(own) = scenario.own.get(&scenario.stack) {
        return own.run(scenario, runs, replay, output);
    }
    with(scenario, Run { scenario, runs, replay, output })?
}

/// The settings of a protocol, by its name.
type Settings = std::collections::BTreeMap<String, toml::Table>;

fn with<V: Visit>(scenario: &Scenario, visit: V) -> Result<V::Out, String> {
    let known: Vec<&str> = match scenario.stack.as_str() {
        "agent" => vec![Member::NAME, Lww::NAME, Phi::NAME],
        stack => stack.split_whitespace().filter(|word| *word != "on").collect(),
    };
    if let Some(name) = scenario.settings.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!(
            "[settings.{name}]: that is not in the stack {:?}, which has {}",
            scenario.stack,
            known.join(" and ")
        ));
    }
    let visited = with_stack(&scenario.stack, &scenario.settings, &peers_of(scenario)?, visit);
    let own: Vec<&str> = scenario.own.names().collect();
    visited.map_err(|why| match why == no_stack(&scenario.stack) && !own.is_empty() {
        true => format!("{why}; of this program {}", own.join(", ")),
        false => why,
    })
}

/// The peers of the nodes. A random graph follows from the scenario's seed, so that it is the same in all its runs.
fn peers_of(scenario: &Scenario) -> Result<Known, String> {
    let finds = |word: &str| word == Member::NAME || word == "agent";
    if scenario.topology.is_some() && scenario.stack.split_whitespace().any(finds) {
        return Err(format!(
            "topology: in the stack {:?} membership finds the peers, so nodes are given none; a topology is for stacks that draw from peers that they are \
             given: {}",
            scenario.stack,
            drawing().join(", ")
        ));
    }
    Known::new(scenario.topology.as_ref(), scenario.nodes, scenario.seed)
}

/// The stacks that run on a graph.
fn drawing() -> Vec<&'static str> {
    let families = [spread::each(|| Draws), sum::each(|| Draws), detect::each(|| Draws)];
    draws::<AntiEntropy>().into_iter().chain(families.into_iter().flatten().flatten()).collect()
}

fn draws<P: Catalogued>() -> Option<&'static str> {
    P::on_graph(&P::Config::default(), 2).is_ok().then_some(P::NAME)
}

struct Draws;

impl spread::Visit for Draws {
    type Out = Option<&'static str>;
    fn visit<P: spread::Spreader>(self) -> Self::Out {
        draws::<P>()
    }
}

impl sum::Visit for Draws {
    type Out = Option<&'static str>;
    fn visit<P: sum::Aggregator>(self) -> Self::Out {
        draws::<P>()
    }
}

impl detect::Visit for Draws {
    type Out = Option<&'static str>;
    fn visit<P: detect::Detector>(self) -> Self::Out {
        draws::<P>()
    }
}

/// The stacks, for messages and lists. Each but SWIM and the agent also runs on SWIM, the view of which then gives it its peers; alone, all nodes know
/// those of the beginning.
fn all() -> Vec<(String, &'static str)> {
    let line = |about: (&'static str, &'static str)| (about.0.to_owned(), about.1);
    let on_swim = (format!("{} on {}", Lww::NAME, Member::NAME), Lww::ABOUT);
    let agent = ("agent", "all that an agent runs: membership, vitals, events, queries, keys and bans");
    let first = [
        line((Member::NAME, Member::ABOUT)),
        line(agent),
        on_swim,
        line((AntiEntropy::NAME, AntiEntropy::ABOUT)),
    ];
    let families = [spread::each(|| About), sum::each(|| About), detect::each(|| About)];
    first.into_iter().chain(families.into_iter().flatten().map(line)).collect()
}

struct About;

impl spread::Visit for About {
    type Out = (&'static str, &'static str);
    fn visit<P: spread::Spreader>(self) -> Self::Out {
        (P::NAME, P::ABOUT)
    }
}

impl sum::Visit for About {
    type Out = (&'static str, &'static str);
    fn visit<P: sum::Aggregator>(self) -> Self::Out {
        (P::NAME, P::ABOUT)
    }
}

impl detect::Visit for About {
    type Out = (&'static str, &'static str);
    fn visit<P: detect::Detector>(self) -> Self::Out {
        (P::NAME, P::ABOUT)
    }
}

type Member = Swim<Unsigned>;

/// A protocol's place: alone, or on SWIM.
struct Place<'a, V> {
    table: &'a toml::Table,
    known: &'a Known,
    on: Option<Box<SwimPart>>,
    visit: V,
}

impl<V: Visit> Place<'_, V> {
    fn put<P: Part>(self, upper: P) -> V::Out {
        if fits::<P, One>() {
            self.place(Erased::<One>::new(upper))
        } else if fits::<P, Two>() {
            self.place(Erased::<Two>::new(upper))
        } else {
            self.place(Erased::<Detecting>::new(upper))
        }
    }

    fn place<S: Shape>(self, upper: Erased<S>) -> V::Out {
        match self.on {
            Some(lower) => self.visit.visit(On { upper, lower: *lower }),
            None => self.visit.visit(upper),
        }
    }
}

impl<V: Visit> spread::Visit for Place<'_, V> {
    type Out = Result<V::Out, String>;
    fn visit<P: spread::Spreader>(self) -> Self::Out {
        let part = SpreaderPart::<P>::new(self.table, self.known)?;
        Ok(self.put(part))
    }
}

impl<V: Visit> sum::Visit for Place<'_, V> {
    type Out = Result<V::Out, String>;
    fn visit<P: sum::Aggregator>(self) -> Self::Out {
        let part = AggregatorPart::<P>::new(self.table, self.known)?;
        Ok(self.put(part))
    }
}

impl<V: Visit> detect::Visit for Place<'_, V> {
    type Out = Result<V::Out, String>;
    fn visit<P: detect::Detector>(self) -> Self::Out {
        let part = DetectorPart::<P>::new(self.table, self.known)?;
        Ok(self.put(part))
    }
}

fn with_stack<V: Visit>(name: &str, knobs: &Settings, known: &Known, visit: V) -> Result<V::Out, String> {
    let (empty, nodes) = (toml::Table::new(), known.nodes());
    let of = |name: &str| knobs.get(name).unwrap_or(&empty);
    let swim = || SwimPart::new(of(Member::NAME), nodes);
    let words: Vec<&str> = name.split_whitespace().collect();
    let (upper, on) = match words[..] {
        [Member::NAME] => return Ok(visit.visit(swim()?)),
        ["agent"] => {
            let phi = knobs.get(Phi::NAME);
            return Ok(visit.visit(AgentPart::new(of(Member::NAME), of(Lww::NAME), phi, nodes)?));
        }
        [upper] if upper != Lww::NAME => (upper, None),
        [upper, "on", Member::NAME] if upper != "agent" => (upper, Some(Box::new(swim()?))),
        _ => return Err(no_stack(name)),
    };
    let place = Place { table: of(upper), known, on, visit };
    match upper {
        Lww::NAME => {
            let part = LwwPart::new(place.table, nodes)?;
            return Ok(place.put(part));
        }
        AntiEntropy::NAME => {
            let part = AntiEntropyPart::new(place.table, known)?;
            return Ok(place.put(part));
        }
        _ => {}
    }
    spread::named(upper, place)
        .or_else(|place| sum::named(upper, place))
        .or_else(|place| detect::named(upper, place))
        .unwrap_or_else(|_| Err(no_stack(name)))
}

fn no_stack(name: &str) -> String {
    let known: Vec<String> = all().into_iter().map(|(name, _)| name).collect();
    format!("no stack is called {name:?}: there are {}, and each but agent on swim", known.join(", "))
}
