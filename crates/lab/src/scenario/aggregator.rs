//! Any aggregator in scenarios: all share calls and events.

use super::part::{self, CallOf, CallRecord, Check, Line, Names, Part, View};
use super::settings;
use crate::topology::Known;
use rumormill_core::identity::NodeId;
use rumormill_core::peers::Peers;
use rumormill_core::rng::mix;
use rumormill_core::time::Time;
use rumormill_protocols::sum::{Aggregator, Call, Event, Truth};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::Table;

/// The initial values of the nodes.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Values {
    /// The node's id plus one.
    Index,
    /// Uniform between 0 and 100, drawn by the node's id.
    #[default]
    Uniform,
    /// One at every node.
    Ones,
    /// The number of nodes at node 0, and nothing elsewhere.
    Peak,
}

/// Memory of an aggregator: remembered answers, sketches, vectors (our guess).
const HEAP_BYTES: u64 = 1_024;

/// An aggregator.
pub struct AggregatorPart<N: Aggregator> {
    known: Known,
    world: Truths,
    config: Arc<N::Config>,
}

/// The initial values, and the true aggregate.
#[derive(Copy, Clone)]
struct Truths {
    nodes: u64,
    values: Values,
    of: Truth,
}

/// The values that were set, and the results that were told.
#[derive(Debug, Default)]
pub struct Seen {
    set: BTreeMap<NodeId, (Time, f64)>,
    crossed: BTreeMap<NodeId, (Time, bool)>,
    estimates: u64,
    crossings: u64,
}

impl Truths {
    fn first_value(self, id: NodeId) -> f64 {
        match self.values {
            Values::Index => id.0 as f64 + 1.0,
            Values::Uniform => (mix(id.0) >> 11) as f64 / (1u64 << 53) as f64 * 100.0,
            Values::Ones => 1.0,
            Values::Peak if id.0 == 0 => self.nodes as f64,
            Values::Peak => 0.0,
        }
    }

    /// The true aggregate of the live nodes.
    fn truth<N>(self, view: &dyn View<N>, seen: &Seen) -> f64 {
        let value = |id: NodeId| match seen.set.get(&id) {
            Some((at, value)) if view.since(id) <= *at => *value,
            _ => self.first_value(id),
        };
        self.of.of(view.live().map(value).collect())
    }
}

impl<N: Aggregator> AggregatorPart<N> {
    /// For nodes with these settings that know these peers; `values` are the initial values.
    pub(super) fn new(table: &Table, known: &Known) -> Result<AggregatorPart<N>, String> {
        let mut table = table.clone();
        let values = settings::take(N::NAME, &mut table, "values")?.unwrap_or_default();
        let config = settings::read_for::<N>(&table, known)?;
        let world = Truths { nodes: known.nodes(), values, of: N::truth(&config) };
        Ok(AggregatorPart { known: known.clone(), world, config: Arc::new(config) })
    }

    /// The results of the live nodes: that of the last epoch, else the present estimate.
    fn results<'a>(view: &'a dyn View<N>) -> impl Iterator<Item = (NodeId, Option<f64>)> + 'a {
        view.live().map(|id| (id, view.node(id).settled().or_else(|| view.node(id).estimate())))
    }
}

fn error(estimate: f64, truth: f64) -> f64 {
    let off = (estimate - truth).abs();
    if truth == 0.0 { off } else { off / truth.abs() }
}

impl<N: Aggregator> Part for AggregatorPart<N> {
    type Node = N;
    type Seen = Seen;

    fn make(&self, id: NodeId, life: u32, _: Option<&N>) -> N {
        N::start(&self.config, id, part::life(id, life))
    }

    fn peers(&self, id: NodeId) -> Option<Peers> {
        Some(self.known.peers(id))
    }

    fn first_calls(&self, id: NodeId, _: u32) -> Vec<Call> {
        vec![Call::Set(self.world.first_value(id))]
    }

    fn calls(&self) -> Names {
        vec![("set", "this number is my value from now on")]
    }

    fn call(&self, _: NodeId, call: &str, with: &str) -> Result<CallOf<Self>, String> {
        match (call, with.parse::<f64>()) {
            ("set", Ok(value)) if value.is_finite() => Ok(Call::Set(value)),
            ("set", _) => Err(format!("set to {with:?}: give a number, like `with = \"42\"`")),
            _ => Err(super::unknown("call", call, &self.calls())),
        }
    }

    fn see(&self, seen: &mut Seen, at: Time, id: NodeId, event: &Event) {
        match event {
            Event::Estimate { .. } => seen.estimates += 1,
            Event::Crossed { above, .. } => {
                seen.crossings += 1;
                seen.crossed.insert(id, (at, *above));
            }
        }
    }

    fn see_call(&self, seen: &mut Seen, call: &CallRecord) {
        if let ("set", Ok(value)) = (call.call.as_str(), call.with.parse()) {
            seen.set.insert(call.id, (call.at, value));
        }
    }

    fn tell(event: &Event) -> Line {
        match event {
            Event::Estimate { epoch, estimate } => {
                Line::of("estimate", Some(format!("{estimate} in epoch {epoch}")))
            }
            Event::Crossed { above, estimate } => {
                Line::of(if *above { "above" } else { "below" }, Some(estimate.to_string()))
            }
        }
    }

    fn measure(&self, view: &dyn View<N>, seen: &Seen) -> Vec<(&'static str, f64)> {
        let truth = self.world.truth(view, seen);
        let (mut n, mut sum, mut worst) = (0u64, 0.0, 0.0f64);
        for estimate in Self::results(view).filter_map(|(_, estimate)| estimate) {
            (n, sum, worst) = (n + 1, sum + estimate, worst.max(error(estimate, truth)));
        }
        vec![
            ("truth", truth),
            ("estimate_mean", if n > 0 { sum / n as f64 } else { 0.0 }),
            ("relative_error_max", worst),
            ("with_estimate", n as f64),
            ("estimates", seen.estimates as f64),
            ("crossings", seen.crossings as f64),
        ]
    }

    fn checks(&self) -> Names {
        match self.world.of {
            Truth::Between(..) => {
                vec![("alarm_right", "each live node says above or below where the average clearly is")]
            }
            _ => vec![(
                "near",
                "each live node's result is off by this part at most, at its last epoch's end: near(0.05)",
            )],
        }
    }

    fn check(&self, name: &str, with: Option<&str>) -> Result<Check<Self>, String> {
        let known = self.checks();
        let world = self.world;
        match (name, world.of) {
            ("alarm_right", Truth::Between(lower, upper)) => {
                Ok(Box::new(move |view, seen| alarm_right(view, seen, world.truth(view, seen), lower, upper)))
            }
            ("near", truth) if !matches!(truth, Truth::Between(..)) => {
                let most = with.and_then(|with| with.parse::<f64>().ok()).filter(|most| *most >= 0.0);
                let most = most.ok_or("near what? Write near(0.05): off by 5 % at most")?;
                Ok(Box::new(move |view, seen| near(view, world.truth(view, seen), most)))
            }
            _ => Err(super::unknown("check", name, &known)),
        }
    }

    fn heap_bytes(&self, _: u64) -> u64 {
        HEAP_BYTES
    }
}

fn near<N: Aggregator>(view: &dyn View<N>, truth: f64, most: f64) -> Result<(), String> {
    for (id, estimate) in AggregatorPart::results(view) {
        match estimate {
            None => return Err(format!("node {} has no result yet", id.0)),
            Some(estimate) if error(estimate, truth) > most => {
                return Err(format!("node {} has {estimate:.6}, and {truth:.6} is right", id.0));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn alarm_right<N>(
    view: &dyn View<N>,
    seen: &Seen,
    average: f64,
    lower: f64,
    upper: f64,
) -> Result<(), String> {
    if (lower..=upper).contains(&average) {
        return Ok(()); // either will do
    }
    let right = average > upper;
    for id in view.live() {
        let told = seen.crossed.get(&id).filter(|(at, _)| view.since(id) <= *at);
        if told.is_some_and(|(_, above)| *above) != right {
            let says = if right { "below" } else { "above" };
            return Err(format!("node {} says {says}, and the average is {average:.6}", id.0));
        }
    }
    Ok(())
}
