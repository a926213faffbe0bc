//! The protocol's settings, the values of the nodes, and their world.

use super::{Aggregate, Algorithm, Values};
use rumormill_protocols::sum::averaging::{self, Averaging, Pairing};
use rumormill_protocols::sum::extrema::{self, Extrema};
use rumormill_protocols::sum::plain::{self, Plain};
use rumormill_protocols::sum::push_sum::{self, PushSum};
use rumormill_protocols::sum::{Aggregator, Truth};
use rumormill_sim::World;

/// An operation on the protocol and its settings.
trait Visit {
    /// Its result.
    type Out;
    /// The operation.
    fn visit<A: Aggregator>(self, config: A::Config) -> Self::Out;
}

/// Visits the protocol of the experiment.
fn with<V: Visit>(aggregate: &Aggregate, visit: V) -> V::Out {
    match aggregate.algorithm {
        Algorithm::PushSum => visit.visit::<PushSum>(push_sum(aggregate)),
        Algorithm::Plain => visit.visit::<Plain>(plain()),
        Algorithm::Averaging | Algorithm::Count => visit.visit::<Averaging>(averaging(aggregate)),
        Algorithm::Extrema => visit.visit::<Extrema>(extrema(aggregate)),
    }
}

/// One epoch, longer than the experiment.
fn cycles(aggregate: &Aggregate) -> u32 {
    aggregate.rounds + 10
}

pub(super) fn push_sum(aggregate: &Aggregate) -> push_sum::Config {
    push_sum::Config { period: Aggregate::PERIOD, cycles: cycles(aggregate), ..Default::default() }
}

pub(super) fn plain() -> plain::Config {
    plain::Config { period: Aggregate::PERIOD }
}

pub(super) fn extrema(aggregate: &Aggregate) -> extrema::Config {
    let numbers = aggregate.numbers;
    extrema::Config { period: Aggregate::PERIOD, cycles: cycles(aggregate), numbers, ..Default::default() }
}

pub(super) fn averaging(aggregate: &Aggregate) -> averaging::Config {
    let (pairing, cycles) = (aggregate.pairing, cycles(aggregate));
    let what = match aggregate.leaders {
        Some(leaders) if aggregate.algorithm == Algorithm::Count => averaging::What::Count(leaders),
        _ => averaging::What::Average,
    };
    let remember_periods = match is_synchronous(aggregate) {
        true if aggregate.loss > 0.0 => cycles,
        true => 1, // all is answered in the cycle in which it is asked, and nothing is asked again
        false => averaging::Config::default().remember_periods,
    };
    averaging::Config { period: Aggregate::PERIOD, cycles, pairing, what, remember_periods }
}

/// The values that the nodes are given.
pub(super) fn values(aggregate: &Aggregate) -> Values {
    match aggregate.algorithm {
        Algorithm::Count => Values::Peak, // a count of one leader is an average of 1 and many 0
        Algorithm::Extrema => Values::Uniform, // the number of nodes follows from no value
        _ => aggregate.values,
    }
}

/// True if nodes know their neighbours in a graph only.
fn is_graph(aggregate: &Aggregate) -> bool {
    aggregate.topology.as_ref().is_some_and(|topology| !topology.is_full())
}

/// The settings where nodes know only their neighbours, if they do.
fn fitted<A: Aggregator>(aggregate: &Aggregate, config: A::Config) -> Result<A::Config, String> {
    if is_graph(aggregate) { A::on_graph(&config, aggregate.nodes) } else { Ok(config) }
}

/// The settings of the nodes of a checked experiment.
pub(super) fn checked<A: Aggregator>(aggregate: &Aggregate, config: A::Config) -> A::Config {
    fitted::<A>(aggregate, config).unwrap_or_else(|e| panic!("it was checked: {e}"))
}

/// Refuses what the algorithm cannot do.
pub(super) fn check(aggregate: &Aggregate) -> Result<(), String> {
    with(aggregate, Fits(aggregate)).map_err(|e| format!("--topology: {e}"))
}

struct Fits<'a>(&'a Aggregate);

impl Visit for Fits<'_> {
    type Out = Result<(), String>;
    fn visit<A: Aggregator>(self, config: A::Config) -> Self::Out {
        fitted::<A>(self.0, config).map(drop)
    }
}

/// The settings and values of the nodes that have an effect, as text.
pub(super) fn shown(aggregate: &Aggregate) -> String {
    with(aggregate, Shown(aggregate))
}

struct Shown<'a>(&'a Aggregate);

impl Visit for Shown<'_> {
    type Out = String;
    fn visit<A: Aggregator>(self, config: A::Config) -> String {
        let config = fitted::<A>(self.0, config.clone()).unwrap_or(config);
        // The number of nodes follows from no value.
        let values = (A::truth(&config) != Truth::Count).then(|| values(self.0));
        format!("{} {:?} {values:?}", self.0.algorithm, A::in_effect(&config))
    }
}

pub(super) fn is_synchronous(aggregate: &Aggregate) -> bool {
    aggregate.synchronous
        || aggregate.latency.is_none()
            && matches!(aggregate.algorithm, Algorithm::PushSum | Algorithm::Extrema)
}

/// The world of the nodes.
pub(super) fn world(aggregate: &Aggregate) -> World {
    let mut world = World { loss: aggregate.loss, ..World::default() };
    if is_synchronous(aggregate) {
        // Two perfect matchings a cycle are two sub-cycles.
        let parts = if aggregate.pairing() == Some(Pairing::Matching) { 2 } else { 1 };
        world.synchronous = Some(Aggregate::PERIOD / parts);
    } else if let Some(latency) = aggregate.latency.clone() {
        world.latency = latency;
    }
    world
}
