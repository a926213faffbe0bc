//! One run. After each round it reads the estimates of all nodes, or of a sample in a large cluster.

use super::{Aggregate, Algorithm, Values, settings};
use crate::topology::Known;
use rumormill_core::identity::NodeId;
use rumormill_core::peers::{ImplicitPeers, Peers};
use rumormill_core::rng::mix;
use rumormill_core::time::Time;
use rumormill_protocols::sum::averaging::Averaging;
use rumormill_protocols::sum::extrema::Extrema;
use rumormill_protocols::sum::plain::Plain;
use rumormill_protocols::sum::push_sum::PushSum;
use rumormill_protocols::sum::{Aggregator, Call};
use rumormill_sim::{Busy, Sim};
use std::sync::Arc;

/// Number of nodes that are read after each round; at the end all are read.
const SAMPLE_MAX: u64 = 65_536;
/// A factor counts while the mean squared relative error is above this: below it floating point numbers end.
const SQUARES_MIN: f64 = 1e-24;

/// Progress of a run.
#[derive(Copy, Clone, Debug)]
pub struct Progress {
    /// Number of the run, from 0.
    pub run: usize,
    /// Number of runs.
    pub runs: usize,
    /// Number of rounds that are over.
    pub round: u32,
    /// Number of rounds.
    pub rounds: u32,
}

/// The outcome of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct RunResult {
    pub truth: f64,
    /// The final estimates of all nodes.
    pub mean: f64,
    /// The standard deviation of the final estimates.
    pub spread: f64,
    /// The root of the mean squared relative error, after each round.
    pub curve: Vec<f64>,
    /// The largest relative error, after each round.
    pub worst: Vec<f64>,
    /// The mean of the ratios of the potential from one round to the next.
    pub potential_factor: Option<f64>,
    pub messages: u64,
    pub bytes: u64,
    pub events: u64,
    pub digest: u64,
    pub busy: Busy,
}

impl RunResult {
    /// Factor of the mean squared error per round: from round `settled` on, while the error falls.
    pub fn factor(&self, settled: usize) -> Option<f64> {
        let squares: Vec<f64> = self.curve.iter().skip(settled - 1).map(|error| error * error).collect();
        let falls = squares.windows(2).take_while(|pair| pair[1] > SQUARES_MIN && pair[1] < pair[0]).count();
        (falls >= 3).then(|| libm::pow(squares[falls] / squares[0], 1.0 / falls as f64))
    }
}

/// The reading of an aggregator's state.
struct Reading {
    truth: f64,
    /// Whether the error of the inverse of the estimate is followed.
    inverse: bool,
}

/// Runs once. `progress` gets the number of each round.
pub(super) fn run(aggregate: &Aggregate, seed: u64, progress: &mut dyn FnMut(u32)) -> RunResult {
    let n = aggregate.nodes as f64;
    let values = settings::values(aggregate);
    let value = |id: u64| match values {
        Values::Uniform => (mix(mix(seed) ^ id) >> 11) as f64 / (1u64 << 53) as f64,
        Values::Peak => f64::from(u8::from(id == 0)),
    };
    let mean = (0..aggregate.nodes).map(value).sum::<f64>() / n;
    match aggregate.algorithm {
        Algorithm::PushSum => {
            let config = settings::checked::<PushSum>(aggregate, settings::push_sum(aggregate));
            let off = |node: &PushSum, truth: f64| {
                let mass = node.mass();
                Some(mass.powers[0] - mass.one * truth)
            };
            let reading = Reading { truth: mean, inverse: false };
            drive(aggregate, seed, &|| PushSum::new(config.clone()), &value, &reading, &off, progress)
        }
        Algorithm::Plain => {
            let config = Arc::new(settings::checked::<Plain>(aggregate, settings::plain()));
            let reading = Reading { truth: mean, inverse: false };
            drive(aggregate, seed, &|| Plain::new(config.clone()), &value, &reading, &|_, _| None, progress)
        }
        Algorithm::Averaging | Algorithm::Count => {
            let config = Arc::new(settings::checked::<Averaging>(aggregate, settings::averaging(aggregate)));
            // A count of one leader is read as the inverse of its average.
            let counts = aggregate.algorithm == Algorithm::Count;
            let truth = if counts && aggregate.leaders.is_some() { n } else { mean };
            let reading = Reading { truth, inverse: counts && aggregate.leaders.is_none() };
            drive(
                aggregate,
                seed,
                &|| Averaging::new(config.clone()),
                &value,
                &reading,
                &|_, _| None,
                progress,
            )
        }
        Algorithm::Extrema => {
            let config = settings::checked::<Extrema>(aggregate, settings::extrema(aggregate));
            let reading = Reading { truth: n, inverse: false };
            drive(aggregate, seed, &|| Extrema::new(config.clone()), &value, &reading, &|_, _| None, progress)
        }
    }
}

/// Bytes of a node in the simulator, allocations included.
pub(super) fn bytes_per_node(aggregate: &Aggregate) -> u64 {
    let bytes = match aggregate.algorithm {
        Algorithm::PushSum => Sim::<PushSum>::node_bytes(2),
        // Answers are remembered for a while (measured over ten rounds).
        Algorithm::Averaging | Algorithm::Count => Sim::<Averaging>::node_bytes(2) + 512,
        Algorithm::Plain => Sim::<Plain>::node_bytes(2),
        Algorithm::Extrema => Sim::<Extrema>::node_bytes(2) + aggregate.numbers * 4 * 2,
    };
    bytes as u64
}

fn drive<A>(
    aggregate: &Aggregate,
    seed: u64,
    make: &dyn Fn() -> A,
    value: &dyn Fn(u64) -> f64,
    reading: &Reading,
    off: &dyn Fn(&A, f64) -> Option<f64>,
    progress: &mut dyn FnMut(u32),
) -> RunResult
where
    A: Aggregator<Message: Send, Timer: Send> + Send,
{
    let mut sim = aggregate.threads.sim(settings::world(aggregate), seed, aggregate.nodes);
    let view = View::new(aggregate, seed);
    for id in 0..aggregate.nodes {
        sim.spawn(NodeId(id), make(), Time::ZERO);
        sim.meet(NodeId(id), view.peers(aggregate, seed, id));
        sim.call(NodeId(id), Call::Set(value(id)));
    }
    let mut result = RunResult { truth: reading.truth, ..RunResult::default() };
    let stride = aggregate.nodes.div_ceil(SAMPLE_MAX);
    let (mut potential, mut ratios, mut before) = (0.0, 0u32, None);
    for round in 1..=aggregate.rounds {
        // Just before the next round begins, where rounds begin at multiples of their length.
        sim.run_until(Time::ZERO + Aggregate::PERIOD * round, &mut |_, _, _| {});
        let (mut squares, mut worst, mut count) = (0.0, 0.0f64, 0u64);
        for id in (0..aggregate.nodes).step_by(stride as usize) {
            let estimate = sim.node(NodeId(id)).estimate().unwrap_or(0.0);
            let error = estimate / reading.truth - 1.0;
            squares += error * error;
            let shown = if reading.inverse { reading.truth / estimate - 1.0 } else { error };
            worst = worst.max(shown.abs());
            count += 1;
        }
        result.curve.push(libm::sqrt(squares / count as f64));
        result.worst.push(worst);
        let now: f64 = (0..aggregate.nodes)
            .step_by(stride as usize)
            .filter_map(|id| off(sim.node(NodeId(id)), reading.truth))
            .map(|off| off * off)
            .sum();
        if let Some(before) = before.replace(now)
            && before > SQUARES_MIN
            && round > 2
        {
            potential += now / before;
            ratios += 1;
        }
        progress(round);
    }
    result.potential_factor = (ratios > 0).then(|| potential / f64::from(ratios));
    finish(&sim, reading, &mut result);
    result
}

/// What nodes know of each other.
enum View {
    Known(Known),
    /// So many random others.
    Some(u32),
}

impl View {
    fn new(aggregate: &Aggregate, seed: u64) -> View {
        match aggregate.neighbours {
            // `Aggregate::check` allows no more than 32 bits.
            Some(known) if aggregate.topology.is_none() => View::Some(known as u32),
            _ => View::Known(
                Known::new(aggregate.topology.as_ref(), aggregate.nodes, seed)
                    .unwrap_or_else(|e| panic!("it was checked: {e}")),
            ),
        }
    }

    fn peers(&self, aggregate: &Aggregate, seed: u64, me: u64) -> Peers {
        match self {
            View::Known(known) => known.peers(NodeId(me)),
            View::Some(known) => {
                let nodes = aggregate.nodes as u32;
                Peers::Implicit(ImplicitPeers::new(me as u32, nodes, *known, mix(seed) as u32))
            }
        }
    }
}

/// The final shares of all nodes.
fn finish<A: Aggregator>(sim: &Sim<A>, reading: &Reading, result: &mut RunResult) {
    let all = || sim.live_ids().filter_map(|id| sim.node(id).estimate());
    let count = all().count() as f64;
    result.mean = all().sum::<f64>() / count;
    result.spread = libm::sqrt(all().map(|x| (x - result.mean) * (x - result.mean)).sum::<f64>() / count);
    let error = |x: f64| if reading.inverse { reading.truth / x - 1.0 } else { x / reading.truth - 1.0 };
    let worst = all().map(|x| error(x).abs()).fold(0.0, f64::max);
    if let Some(last) = result.worst.last_mut() {
        *last = worst;
    }
    if reading.inverse {
        (result.mean, result.truth) = (1.0 / result.mean, 1.0 / reading.truth);
        result.spread = result.spread / reading.truth * result.truth;
    }
    let total = sim.total();
    result.messages = total.datagrams_sent + total.stream_messages_sent;
    result.bytes = total.bytes_sent();
    result.events = total.inputs;
    result.digest = sim.digest();
    result.busy = sim.busy();
}
