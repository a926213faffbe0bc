//! Push-sum: averages, sums, counts, moments and quantiles by halving what one has and sending the other half away.
//!
//! **Problem.** Each node has a value; all want to know what they come to, with one small message per node and cycle.
//!
//! **Idea.** A node holds mass: so much of "one node", so much of "value". Each cycle it keeps half of everything and sends half
//! to a node drawn at random. Nothing is made or lost, and everywhere the proportions converge to those of the whole: value over
//! ones is the average. One node in the cluster also holds the root's mass, 1: ones over root is the count, value over root the sum. Powers of
//! the value give its moments, and a histogram of it (`kit::sketch`) its quantiles.
//!
//! **Paper.** Kempe, Dobra, Gehrke 2003 (Gossip-based computation of aggregate information); Masson, Rim, Lee 2019 for the
//! quantiles. Each cycle about halves the squared error: the expected potential drops by 1/2 - 1/4n where the target is drawn among all n
//! nodes, the sender included, as here (the paper states 1/2 - 1/2n).
//!
//! **Cost.** One message per node and cycle, of at most 70 bytes; with quantiles, of at most [`SKETCH_BUCKETS_MAX`] buckets of six bytes more. Nothing
//! is answered but a message from a past epoch.
//!
//! **Loss.** A message that is lost takes ones and values away together, one that is doubled brings them twice. Averages, moments and
//! quantiles then are of weights that are no longer all equal: unbiased where many values of one kind meet (standard deviation 0.17 % of
//! the mean at n = 10^4 and a loss of 20 %), badly off where a few nodes hold most of the sum. Count and sum divide by the mass of a single
//! root: if its first message is lost, so is half of that, and they are twice too large. Where messages are lost, take `averaging` or
//! `extrema` for these.
//!
//! **Ours.** Epochs (`kit::epochs`), so that crashes and changed values count from the next one on; the paper computes once. A node that
//! joins late takes part with no mass: it learns the result and changes nothing. The root is another node in each epoch, found by hashing
//! its number with the ids, so that a dead root spoils one count and no more.

use super::{Aggregator, Call, Event, Standing, Truth};
use crate::catalog::Catalogued;
use crate::kit::epochs::{Epochs, Heard, PERIOD_MIN, Stamp};
use crate::kit::sketch::{BUCKET_BYTES, Sketch};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::{self, Cx, Input, Lane, Protocol};
use rumormill_core::rng::mix;
use rumormill_core::time::Duration;

/// Powers of the value whose mass is carried.
pub const POWERS: usize = 3;
/// Buckets of a sketch: as many as fit one datagram together with the rest.
pub const SKETCH_BUCKETS_MAX: usize = 192;
const _: () = assert!(SKETCH_BUCKETS_MAX * BUCKET_BYTES <= 1_200, "a message fits a datagram");
/// A part of a root, or of a node, smaller than this is none: what is divided by it would say nothing (our guess).
const PART_MIN: f64 = 1e-18;

/// What [`Aggregator::estimate`] is of. The others can be read beside it.
#[derive(Copy, Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Read {
    /// The average.
    Average,
    /// The sum.
    Sum,
    /// How many nodes have a value.
    Count,
    /// The average of this one of [`Config::powers`].
    Moment(usize),
    /// The value below which this part of all values lies, with 5 % error if [`Config::quantile_error`] says nothing else.
    Quantile(f64),
}

/// Relative error of a quantile that is read without [`Config::quantile_error`] (our guess).
const QUANTILE_ERROR: f64 = 0.05;

/// Settings.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Length of a cycle.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Cycles of an epoch.
    pub cycles: u32,
    /// Which powers of the value are averaged. The first has to be 1 for average and sum. A power too large for a float counts as 0.
    pub powers: [u8; POWERS],
    /// Relative error of quantiles; without it there are no quantiles. 5 % covers values from 1 to 2 * 10^8 in [`SKETCH_BUCKETS_MAX`] buckets, 1 % from 1 to 46.
    pub quantile_error: Option<f64>,
    /// What the estimate is of.
    pub read: Read,
}

impl Default for Config {
    /// Cycles of a second (our guess). 40 of them: a relative error of 10^-3 takes 31 at n = 10^5 (measured, `epidemics.md` 2.9), and 3.3
    /// more for each factor of 10. Mean, variance and skewness.
    fn default() -> Self {
        Config {
            period: Duration::from_secs(1),
            cycles: 40,
            powers: [1, 2, 3],
            quantile_error: None,
            read: Read::Average,
        }
    }
}

/// What a node holds, and what it gives away.
#[derive(Copy, Clone, Debug, Default, PartialEq, Encode, Decode, CborLen)]
pub struct Mass {
    /// Of nodes that have a value: 1 each at first. The weight of the paper.
    #[n(0)]
    pub one: f64,
    /// Of the root: 1 at one node at first. The weight of the paper for sums.
    #[n(1)]
    pub root: f64,
    /// Of each power of the values.
    #[n(2)]
    pub powers: [f64; POWERS],
}

impl Mass {
    fn is_zero(&self) -> bool {
        *self == Mass::default()
    }

    fn is_finite(&self) -> bool {
        let weights = self.one.is_finite() && self.root.is_finite() && self.one >= 0.0 && self.root >= 0.0;
        weights && self.powers.iter().all(|x| x.is_finite())
    }

    fn halve(&mut self) -> Mass {
        self.one /= 2.0;
        self.root /= 2.0;
        self.powers.iter_mut().for_each(|x| *x /= 2.0);
        *self
    }

    fn add(&mut self, other: &Mass) {
        self.one += other.one;
        self.root += other.root;
        self.powers.iter_mut().zip(other.powers).for_each(|(x, y)| *x += y);
    }
}

/// Half of what its sender had; of no mass at all, if it only tells in which epoch the sender is.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub struct Message {
    /// Where the sender stands.
    #[n(0)]
    pub stamp: Stamp,
    /// The mass.
    #[n(1)]
    pub mass: Mass,
    /// The mass of the histogram's buckets.
    #[n(2)]
    pub sketch: Payload,
}

const _: () = assert!(size_of::<Message>() <= 64 && size_of::<PushSum>() <= 512);

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("push-sum")];
}

/// What it asks to be reminded of: one at a time.
#[derive(Clone, Debug)]
pub enum Timer {
    /// The next cycle.
    Cycle,
}

/// The state machine.
pub struct PushSum {
    config: Config,
    epochs: Epochs,
    mass: Mass,
    standing: Standing,
    refused: u32,
    sketch: Option<Box<Sketch>>,
}

impl Protocol for PushSum {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => self.on_start(cx),
            Input::Call(Call::Set(value)) => self.on_set(cx, value),
            Input::Message(from, message) => self.on_message(cx, from, message),
            Input::Timer(Timer::Cycle) => self.on_cycle(cx),
            Input::Spare(..) | Input::Shed(..) | Input::Lost(..) | Input::Peer(_) => {}
        }
    }
}

impl Aggregator for PushSum {
    fn estimate(&self) -> Option<f64> {
        match self.config.read {
            Read::Average => self.moment(0),
            Read::Sum => self.sum(),
            Read::Count => self.count(),
            Read::Moment(which) => self.moment(which),
            Read::Quantile(q) => self.quantile(q),
        }
    }

    fn settled(&self) -> Option<f64> {
        self.standing.settled
    }

    fn epoch(&self) -> u32 {
        self.standing.epoch
    }

    fn truth(config: &Config) -> Truth {
        match config.read {
            Read::Average => Truth::Moment(config.powers[0]),
            Read::Sum => Truth::Sum,
            Read::Count => Truth::Count,
            Read::Moment(which) => Truth::Moment(config.powers.get(which).copied().unwrap_or(1)),
            Read::Quantile(part) => Truth::Quantile(part),
        }
    }

    fn paced(period: Duration) -> Config {
        Config { period, ..Config::default() }
    }

    const ERROR: f64 = 1e-3;
}

impl PushSum {
    /// Without peers and without a value yet.
    pub fn new(mut config: Config) -> PushSum {
        if matches!(config.read, Read::Quantile(_)) {
            config.quantile_error.get_or_insert(QUANTILE_ERROR);
        }
        config.period = config.period.max(PERIOD_MIN);
        PushSum {
            epochs: Epochs::new(config.period, config.cycles),
            mass: Mass::default(),
            standing: Standing::NONE,
            refused: 0,
            sketch: config.quantile_error.map(|error| Box::new(Sketch::new(error, SKETCH_BUCKETS_MAX))),
            config,
        }
    }

    /// What this node holds now.
    pub fn mass(&self) -> Mass {
        self.mass
    }

    /// The average of the value to the power `config.powers[which]`.
    pub fn moment(&self, which: usize) -> Option<f64> {
        part(*self.mass.powers.get(which)?, self.mass.one)
    }

    /// The sum of all values; `None` before mass of the root came here.
    pub fn sum(&self) -> Option<f64> {
        part(self.mass.powers[0], self.mass.root)
    }

    /// How many nodes have a value; `None` before mass of the root came here.
    pub fn count(&self) -> Option<f64> {
        part(self.mass.one, self.mass.root)
    }

    /// The value below which a part `q` of all values lies, with the relative error [`Config::quantile_error`].
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.sketch.as_ref()?.quantile(q)
    }

    /// Messages that were not what this protocol writes.
    pub fn refused(&self) -> u32 {
        self.refused
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        let phase = cx.rng.within(self.config.period);
        cx.after(phase, Timer::Cycle);
    }

    fn on_set(&mut self, cx: &mut Cx<'_, Self>, value: f64) {
        if self.standing.set(value, &self.epochs, cx.now) {
            self.fill(cx);
        }
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, message: Message) {
        match self.epochs.hear(cx.now, message.stamp) {
            Heard::Past | Heard::Young => {
                if !message.mass.is_zero() {
                    let stamp = self.epochs.stamp(cx.now);
                    cx.send(from, Message { stamp, mass: Mass::default(), sketch: Payload::EMPTY });
                }
                return;
            }
            Heard::Ahead { late } => self.begin(cx, late),
            Heard::Level => {}
        }
        let absorbs = |sketch: &mut Box<Sketch>| message.sketch.is_empty() || sketch.absorb(&message.sketch);
        if !message.mass.is_finite() || !self.sketch.as_mut().is_none_or(absorbs) {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        if !message.mass.is_zero() {
            self.standing.fresh = false;
            self.mass.add(&message.mass);
        }
    }

    fn on_cycle(&mut self, cx: &mut Cx<'_, Self>) {
        cx.after(self.config.period, Timer::Cycle);
        if self.epochs.turn(cx.now) {
            self.begin(cx, false);
        }
        if self.mass.is_zero() {
            return;
        }
        // The paper draws among all nodes, the sender included: then it keeps both halves.
        let others = cx.peers.nodes().saturating_sub(1);
        if cx.rng.below(others as usize + 1) == 0 {
            return;
        }
        let Some(peer) = cx.peers.pick(cx.me, cx.rng) else { return };
        self.standing.fresh = false;
        let sketch = self.sketch.as_mut().map_or(Payload::EMPTY, |sketch| sketch.take_half());
        cx.send(peer, Message { stamp: self.epochs.stamp(cx.now), mass: self.mass.halve(), sketch });
    }

    /// Tells the result of the epoch that ends, and takes part in the one that `epochs` is in.
    fn begin(&mut self, cx: &mut Cx<'_, Self>, late: bool) {
        let estimate = self.estimate();
        if let Some(result) = self.standing.begin(&self.epochs, late, estimate) {
            cx.emit(result);
        }
        self.fill(cx);
    }

    /// The mass that a node has at the beginning of an epoch.
    fn fill(&mut self, cx: &Cx<'_, Self>) {
        self.mass = Mass::default();
        if let Some(sketch) = &mut self.sketch {
            sketch.clear();
        }
        if self.standing.late {
            return;
        }
        self.mass.root = if is_root(cx.peers, cx.me, self.standing.epoch) { 1.0 } else { 0.0 };
        let Some(value) = self.standing.value else { return };
        self.mass.one = 1.0;
        let power = |n: &u8| libm::pow(value, f64::from(*n));
        self.mass.powers =
            self.config.powers.each_ref().map(power).map(|x| if x.is_finite() { x } else { 0.0 });
        if let Some(sketch) = &mut self.sketch {
            sketch.add(value, 1.0);
        }
    }
}

fn part(of: f64, weight: f64) -> Option<f64> {
    (weight > PART_MIN).then(|| of / weight)
}

/// Whether `me` is the one of all that the hash of this epoch falls on. All agree on it that know of the same nodes.
fn is_root(peers: &Peers, me: NodeId, epoch: u32) -> bool {
    let lot = |id: &NodeId| (mix(u64::from(epoch) ^ mix(id.0)), id.0);
    match peers {
        Peers::Everyone(n) => *n > 0 && mix(u64::from(epoch)) % n == me.0,
        _ => peers.iter().all(|peer| lot(&peer) <= lot(&me)),
    }
}

impl Catalogued for PushSum {
    type Config = Config;
    const NAME: &'static str = "push-sum";
    const ABOUT: &'static str = "averages, sums, counts and quantiles by push-sum";
    const PAPER: &'static str = "Kempe, Dobra, Gehrke 2003; quantiles by DDSketch (Masson 2019)";
    const COST: &'static str = "one message";

    fn start(config: &Arc<Config>, _: NodeId, _: Life) -> PushSum {
        PushSum::new(Config::clone(config))
    }

    fn on_graph(config: &Config, _: u64) -> Result<Config, String> {
        match config.read {
            Read::Sum | Read::Count => Err(
                "a sum or a count needs one root that all nodes agree on, and on a graph none knows all: read an average, a moment or a quantile".into(),
            ),
            Read::Average | Read::Moment(_) | Read::Quantile(_) => Ok(config.clone()),
        }
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let stamp = Stamp::SAMPLE;
        let mass = Mass { one: 0.5, root: 0.015_625, powers: [21.0, 882.0, 37_044.0] };
        let mut sketch = Sketch::new(0.05, SKETCH_BUCKETS_MAX);
        [-3.0, 0.0, 0.5, 42.0, 1e6].iter().for_each(|value| sketch.add(*value, 1.0));
        alloc::vec![
            ("mass", Message { stamp, mass, sketch: Payload::EMPTY }),
            ("sketch", Message { stamp, mass, sketch: sketch.take_half() }),
            ("no-mass", Message { stamp, mass: Mass::default(), sketch: Payload::EMPTY }),
        ]
    }
}

#[cfg(test)]
mod tests;
