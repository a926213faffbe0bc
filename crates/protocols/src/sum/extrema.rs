//! Extrema propagation: how many nodes there are, or what their values add up to, by the smallest of many random numbers; and the least
//! and the greatest value with its owner.
//!
//! **Problem.** The size of a network that loses, doubles and reorders messages, where a sum would need each node to count exactly once.
//!
//! **Idea.** A minimum does not care how often it is told. Each node draws K numbers from the exponential distribution; the smallest
//! of n such numbers is exponential with n times the rate, so the K minima over all nodes tell n. With a rate equal to the node's
//! value they tell the sum of the values.
//!
//! **Paper.** Baquero, Almeida, Menezes 2009 (Fast estimation of aggregates in unstructured networks; Extrema propagation, 2012).
//! The estimate (K - 1) / (sum of the minima) is unbiased, its relative standard deviation 1 / sqrt(K - 2): 10 % with K = 100.
//!
//! **Cost.** 4 K bytes and at most 60 more per message. At most one question and the answers to those of others per node and cycle while there
//! is news, which is for about the logarithm of n cycles; then none. Only who knows less is answered in full.
//!
//! **Ours.** Push-pull with random peers in place of broadcast to all neighbours. A node that was told nothing new in
//! [`Config::quiet_after`] answers in a row is silent until it is. Epochs (`kit::epochs`), so that who is gone no longer counts from the next one on; a
//! node that joins late learns and passes on, and adds its own numbers in the next.

use super::{Aggregator, Call, Event, Standing, Truth};
use crate::catalog::Catalogued;
use crate::kit::epochs::{Epochs, Heard, PERIOD_MIN, Stamp};
use alloc::sync::Arc;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{self, Cx, Input, Lane, Protocol};
use rumormill_core::rng::Rng;
use rumormill_core::time::Duration;

/// Most numbers of a node, for a relative standard deviation of 3 %. Up to about 300 fit one datagram; with more, a message takes the
/// stream.
pub const NUMBERS_MAX: usize = 1_000;
/// Fewest numbers of a node that have a standard deviation.
pub const NUMBERS_MIN: usize = 3;

/// What [`Aggregator::estimate`] is of. Minimum and maximum can be read beside the others.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum What {
    /// How many nodes there are, with a value or without.
    Size,
    /// The sum of all values. One that is not positive counts for nothing.
    Sum,
    /// The least value. No numbers are drawn.
    Minimum,
    /// The greatest value. No numbers are drawn.
    Maximum,
}

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
    /// What the estimate is of.
    pub what: What,
    /// K, between [`NUMBERS_MIN`] and [`NUMBERS_MAX`]; the same at all nodes.
    pub numbers: usize,
    /// After so many answers in a row without news a node is silent.
    pub quiet_after: u32,
}

impl Default for Config {
    /// Cycles of a second, 30 in an epoch (our guess, as long as the other aggregators take). 100 numbers, for 10 %. Silent after 5
    /// (our guess; of 5,000 nodes none then is left behind, tested).
    fn default() -> Self {
        Config { period: Duration::from_secs(1), cycles: 30, what: What::Size, numbers: 100, quiet_after: 5 }
    }
}

/// A value and who has it; of equal values, the one with the smallest id.
#[derive(Copy, Clone, Debug, PartialEq, Encode, Decode, CborLen)]
pub struct Extreme {
    /// The value.
    #[n(0)]
    pub value: f64,
    /// Who has it.
    #[n(1)]
    pub owner: NodeId,
}

impl Extreme {
    const NO_LEAST: Extreme = Extreme { value: f64::INFINITY, owner: NodeId(u64::MAX) };
    const NO_GREATEST: Extreme = Extreme { value: f64::NEG_INFINITY, owner: NodeId(u64::MAX) };

    fn known(self) -> Option<Extreme> {
        self.value.is_finite().then_some(self)
    }

    /// Takes `other` in if it comes before, and returns whether it did.
    fn take(&mut self, other: Extreme, before: impl Fn(f64, f64) -> bool) -> bool {
        let ties = other.value == self.value && other.owner < self.owner;
        let taken = before(other.value, self.value) || ties;
        if taken {
            *self = other;
        }
        taken
    }
}

/// What is known: the smallest of each number, the least and the greatest value.
#[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
pub struct Knowledge {
    /// K floats of four bytes, the highest byte first; empty where nothing is known.
    #[n(0)]
    numbers: Payload,
    #[n(1)]
    least: Extreme,
    #[n(2)]
    greatest: Extreme,
}

impl Knowledge {
    const NONE: Knowledge =
        Knowledge { numbers: Payload::EMPTY, least: Extreme::NO_LEAST, greatest: Extreme::NO_GREATEST };

    /// Whether this could have been written by a node with so many numbers.
    fn is_sound(&self, numbers: usize) -> bool {
        let sized = self.numbers.is_empty() || self.numbers.len() == 4 * numbers;
        let ordered = !self.least.value.is_nan() && !self.greatest.value.is_nan();
        sized && ordered && floats(&self.numbers).all(|x| x >= 0.0)
    }

    /// Takes `other` in. Returns whether this changed anything, and whether there is now more here than there.
    fn merge(&mut self, other: &Knowledge) -> (bool, bool) {
        let mut news = self.least.take(other.least, |a, b| a < b);
        news |= self.greatest.take(other.greatest, |a, b| a > b);
        if self.numbers.is_empty() && !other.numbers.is_empty() {
            self.numbers = other.numbers.clone();
            news = true;
        } else if floats(&self.numbers).zip(floats(&other.numbers)).any(|(mine, theirs)| theirs < mine) {
            let both = floats(&self.numbers).zip(floats(&other.numbers));
            let bytes: Vec<u8> = both.flat_map(|(mine, theirs)| mine.min(theirs).to_be_bytes()).collect();
            self.numbers = Payload::from(&bytes[..]);
            news = true;
        }
        (news, *self != *other)
    }
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.chunks_exact(4).map(|four| f32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

/// What is known to its sender.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub struct Message {
    /// Where the sender stands.
    #[n(0)]
    pub stamp: Stamp,
    /// What it knows of this epoch.
    #[n(1)]
    pub knowledge: Knowledge,
    /// Not to be answered.
    #[n(2)]
    pub answer: bool,
}

const _: () = assert!(size_of::<Message>() <= 64 && size_of::<Extrema>() <= 512);

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("extrema")];
    /// A minimum does not care how often it is told.
    fn replayable(&self) -> bool {
        true
    }
}

/// What it asks to be reminded of: the next cycle, and the end of this epoch and perhaps of the one before, so three at most.
#[derive(Clone, Debug)]
pub enum Timer {
    /// The next contact; none while this node is silent.
    Cycle,
    /// The end of this epoch, for who is silent; stale in any other.
    End(u32),
}

/// The state machine.
pub struct Extrema {
    config: Config,
    epochs: Epochs,
    standing: Standing,
    knowledge: Knowledge,
    /// Whether a timer for the next cycle runs; if not, this node is silent.
    cycling: bool,
    /// Answers without news since the last news.
    idle: u32,
    /// The epoch for whose end a timer was last set.
    ends: u32,
    refused: u32,
}

impl Protocol for Extrema {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => self.wake(cx),
            Input::Call(Call::Set(value)) => self.on_set(cx, value),
            Input::Message(from, message) => self.on_message(cx, from, message),
            Input::Timer(Timer::Cycle) => self.on_cycle(cx),
            Input::Timer(Timer::End(epoch)) => self.on_end(cx, epoch),
            Input::Spare(..) | Input::Shed(..) | Input::Lost(..) | Input::Peer(_) => {}
        }
    }
}

impl Aggregator for Extrema {
    fn estimate(&self) -> Option<f64> {
        match self.config.what {
            What::Size | What::Sum => {
                let sum: f64 = floats(&self.knowledge.numbers).map(f64::from).sum();
                (sum > 0.0 && sum.is_finite()).then(|| (self.config.numbers - 1) as f64 / sum)
            }
            What::Minimum => self.minimum().map(|least| least.value),
            What::Maximum => self.maximum().map(|greatest| greatest.value),
        }
    }

    fn settled(&self) -> Option<f64> {
        self.standing.settled
    }

    fn epoch(&self) -> u32 {
        self.standing.epoch
    }

    fn truth(config: &Config) -> Truth {
        match config.what {
            What::Size => Truth::Count,
            What::Sum => Truth::Sum,
            What::Minimum => Truth::Minimum,
            What::Maximum => Truth::Maximum,
        }
    }

    fn paced(period: Duration) -> Config {
        Config { period, ..Config::default() }
    }

    const ERROR: f64 = 0.41; // four standard deviations with 100 numbers
}

impl Extrema {
    /// Without peers and without a value yet.
    pub fn new(mut config: Config) -> Extrema {
        config.period = config.period.max(PERIOD_MIN);
        config.numbers = config.numbers.clamp(NUMBERS_MIN, NUMBERS_MAX);
        Extrema {
            epochs: Epochs::new(config.period, config.cycles),
            standing: Standing::NONE,
            knowledge: Knowledge::NONE,
            cycling: false,
            idle: 0,
            ends: 0,
            refused: 0,
            config,
        }
    }

    /// The least value that this node has heard of in this epoch.
    pub fn minimum(&self) -> Option<Extreme> {
        self.knowledge.least.known()
    }

    /// The greatest value that this node has heard of in this epoch.
    pub fn maximum(&self) -> Option<Extreme> {
        self.knowledge.greatest.known()
    }

    /// Messages that were not what this protocol writes.
    pub fn refused(&self) -> u32 {
        self.refused
    }

    /// Sets the timer for the next contact, unless it runs.
    fn wake(&mut self, cx: &mut Cx<'_, Self>) {
        self.idle = 0;
        if !self.cycling {
            self.cycling = true;
            let phase = cx.rng.within(self.config.period);
            cx.after(phase, Timer::Cycle);
        }
    }

    fn on_set(&mut self, cx: &mut Cx<'_, Self>, value: f64) {
        if self.standing.set(value, &self.epochs, cx.now) {
            self.fill(cx);
        }
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, message: Message) {
        if !message.knowledge.is_sound(self.config.numbers) {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        let more = match self.epochs.hear(cx.now, message.stamp) {
            Heard::Past | Heard::Young => true,
            heard => {
                if let Heard::Ahead { late } = heard {
                    self.begin(cx, late);
                }
                self.standing.fresh = false;
                let (news, more) = self.knowledge.merge(&message.knowledge);
                if news {
                    self.wake(cx);
                } else if message.answer {
                    self.idle += 1; // what is lost is no answer, so that loss silences nobody
                }
                more
            }
        };
        if !message.answer {
            let knowledge = if more { self.knowledge.clone() } else { Knowledge::NONE };
            cx.send(from, Message { stamp: self.epochs.stamp(cx.now), knowledge, answer: true });
        }
    }

    fn on_cycle(&mut self, cx: &mut Cx<'_, Self>) {
        if self.epochs.turn(cx.now) {
            self.begin(cx, false);
        }
        if self.idle >= self.config.quiet_after {
            self.cycling = false;
            return self.await_end(cx);
        }
        cx.after(self.config.period, Timer::Cycle);
        if self.knowledge == Knowledge::NONE {
            return;
        }
        let Some(peer) = cx.peers.pick(cx.me, cx.rng) else { return };
        self.standing.fresh = false;
        let (stamp, knowledge) = (self.epochs.stamp(cx.now), self.knowledge.clone());
        cx.send(peer, Message { stamp, knowledge, answer: false });
    }

    fn on_end(&mut self, cx: &mut Cx<'_, Self>, epoch: u32) {
        if epoch != self.standing.epoch || self.cycling {
            return; // who is not silent sees the end by itself
        }
        if self.epochs.turn(cx.now) {
            self.begin(cx, false);
        } else {
            self.ends = 0;
            self.await_end(cx);
        }
    }

    /// Sets the timer for the end of this epoch, once.
    fn await_end(&mut self, cx: &mut Cx<'_, Self>) {
        if self.ends != self.standing.epoch {
            self.ends = self.standing.epoch;
            cx.after(self.epochs.left(cx.now), Timer::End(self.standing.epoch));
        }
    }

    /// Tells the result of the epoch that ends, and takes part in the one that `epochs` is in.
    fn begin(&mut self, cx: &mut Cx<'_, Self>, late: bool) {
        let estimate = self.estimate();
        if let Some(result) = self.standing.begin(&self.epochs, late, estimate) {
            cx.emit(result);
        }
        self.fill(cx);
        self.wake(cx);
    }

    /// What a node knows at the beginning of an epoch.
    fn fill(&mut self, cx: &mut Cx<'_, Self>) {
        self.knowledge = Knowledge::NONE;
        if self.standing.late {
            return;
        }
        if let Some(value) = self.standing.value {
            let mine = Extreme { value, owner: cx.me };
            (self.knowledge.least, self.knowledge.greatest) = (mine, mine);
        }
        let rate = match self.config.what {
            What::Size => 1.0,
            What::Sum => self.standing.value.unwrap_or(0.0),
            What::Minimum | What::Maximum => 0.0,
        };
        if rate > 0.0 {
            self.knowledge.numbers = draw(cx.rng, self.config.numbers, rate);
        }
    }
}

/// So many numbers from the exponential distribution with this rate.
fn draw(rng: &mut Rng, numbers: usize, rate: f64) -> Payload {
    let one = |_| (-libm::log(1.0 - rng.unit()) / rate) as f32;
    let bytes: Vec<u8> = (0..numbers).map(one).flat_map(f32::to_be_bytes).collect();
    Payload::from(&bytes[..])
}

impl Catalogued for Extrema {
    type Config = Config;
    const NAME: &'static str = "extrema";
    const ABOUT: &'static str = "size, sum, minimum and maximum by extrema propagation";
    const PAPER: &'static str = "Baquero, Almeida, Menezes 2009";
    const COST: &'static str = "one question, one answer while there is news";

    fn start(config: &Arc<Config>, _: NodeId, _: Life) -> Extrema {
        Extrema::new(Config::clone(config))
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let extreme = |value| Extreme { value, owner: NodeId(300) };
        let message = |numbers: &[f32], least, greatest, answer| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_be_bytes()).collect();
            let numbers = Payload::from(&bytes[..]);
            let knowledge = Knowledge { numbers, least: extreme(least), greatest: extreme(greatest) };
            Message { stamp: Stamp::SAMPLE, knowledge, answer }
        };
        let most = [0.25, 1e-6, 3.5, f32::INFINITY, 0.0];
        alloc::vec![
            ("knowledge", message(&most, -1.5, 99.0, false)),
            ("nothing", message(&[], f64::INFINITY, f64::NEG_INFINITY, true)),
        ]
    }
}

#[cfg(test)]
mod tests;
