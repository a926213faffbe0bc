//! Threshold-crossing alarms: every node knows whether the average of all values is high or low, for next to nothing while that is clear.
//!
//! **Problem.** Tell every node, once, when the cluster's load rises above 80 % and when it has fallen below 60 % again; and say nothing in
//! between. Nobody needs to know the load itself.
//!
//! **Idea.** Each node has an amount, at first its value; a value that changes changes the amount as much. If all amounts are on the calm side of
//! a threshold, so is their average: then there is nothing to say, however much the values move on that side. A node whose amount is not averages it
//! with a random peer, and both have half of the sum; so what one has too much of is soon spread over as many as it takes. If it cannot be
//! spread, all amounts end up beyond the threshold. Whom it asks is drawn at random, so what these had is a fair sample of all: when its mean is
//! significantly beyond the threshold (`kit::t_test`), the node raises the alarm. The alarm has a number, odd for "above", and spreads as a rumor. From then on the calm side is
//! that of the lower threshold.
//!
//! **Papers.** Wuhib, Dam, Stadler 2010 (A gossiping protocol for detecting global threshold crossings, TG-GAP): alarms with hysteresis whose cost
//! vanishes while the aggregate is far from the threshold. That the average cannot cross while no amount does: Sharfman, Schuster,
//! Keren 2006 (geometric monitoring), for a linear function.
//!
//! **Cost.** Nothing while all amounts are on the calm side but one timer per epoch. An amount that is M times as far beyond the threshold as the average is
//! before it costs 3 to 4 M messages, once. Near the threshold and while an alarm spreads, a question and an answer per node and cycle, of at most
//! 50 bytes each.
//!
//! **Ours.** All but the question. TG-GAP runs push-synopses with snapshots; here amounts move between two nodes exactly once
//! (`kit::ledger`), so that loss falsifies nothing, and there is no estimate to keep fresh. What is lost with a node that crashes is
//! repaired at the next epoch, when every amount is its node's value again.

mod message;

pub use message::Message;

use super::{Aggregator, Call, Event, Truth};
use crate::catalog::Catalogued;
use crate::kit::epochs::{Epochs, Heard, PERIOD_MIN, Stamp, millis};
use crate::kit::ledger::{Asked, Counters, Ledger};
use crate::kit::t_test::TTest;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::protocol::{self, Change, Cx, Input, Lane, Protocol};
use rumormill_core::time::Duration;

/// An unanswered question is asked again so many times a cycle.
const ASKS_PER_PERIOD: u32 = 8;
/// For so many periods an answer is remembered, and what it answers asked again.
const REMEMBER_PERIODS: u32 = 3;

/// Settings.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Length of a cycle of those that have something to say.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Cycles of an epoch: after so many, what was lost with crashed nodes is repaired.
    pub cycles: u32,
    /// An average above this raises the alarm.
    pub upper: f64,
    /// An average below this ends it. Not above `upper`.
    pub lower: f64,
    /// So many nodes have to be asked before an alarm, or its end.
    pub witnesses_min: u32,
    /// How significant the mean of what they had must be, in standard deviations of a normal distribution.
    pub sigmas: f64,
    /// A new alarm is told on until so many have known it already.
    pub told_max: u32,
}

impl Default for Config {
    /// For shares in percent: between 45 and 55 (our guess).
    fn default() -> Config {
        Config::between(45.0, 55.0)
    }
}

impl Config {
    /// Alarms between these thresholds. Cycles of a second, epochs of ten minutes, at least 8 witnesses: all our guess. 6 sigmas: were the
    /// amounts normal, a false alarm in 10^9 tests; none in 10^6 contacts with the average at the threshold and every value redrawn each second. Told until 6 have known it: of a rumor told with feedback and a counter
    /// few would miss it (Demers 1987, table 1: k = 5 leaves 1 in 800), and those that do and are restless ask somebody in the next cycle.
    pub fn between(lower: f64, upper: f64) -> Config {
        let period = Duration::from_secs(1);
        Config { period, cycles: 600, upper, lower, witnesses_min: 8, sigmas: 6.0, told_max: 6 }
    }
}

const _: () = assert!(size_of::<Message>() <= 64 && size_of::<Threshold>() <= 512);

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("threshold")];
}

/// What it asks to be reminded of: one of each at a time, and of the ends of two epochs.
#[derive(Clone, Debug)]
pub enum Timer {
    /// The next exchange; none while all is calm.
    Cycle,
    /// To ask again what was not answered.
    Ask,
    /// The end of this epoch; stale in any other.
    End(u32),
}

/// What an answer says.
#[derive(Copy, Clone, Debug)]
struct Answer {
    amount: f64,
    had: f64,
}

/// The state machine.
pub struct Threshold {
    config: Config,
    epochs: Epochs,
    epoch: u32,
    value: Option<f64>,
    /// What this node has of the sum of all values; `None` before it has a value.
    amount: Option<f64>,
    /// How often the average has crossed: odd while it is above.
    crossings: u32,
    /// How often the last crossing has still to be told to one who knows it.
    untold: u32,
    /// What those had that this node asked, since the epoch began or the average last crossed.
    evidence: TTest,
    cycling: bool,
    asking: bool,
    /// The epoch for whose end a timer was last set.
    ends: u32,
    ledger: Ledger<Answer>,
}

impl Protocol for Threshold {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => self.on_start(cx),
            Input::Call(Call::Set(value)) => self.on_set(cx, value),
            Input::Message(from, Message::Ask { stamp, number, have, opened_ms, crossings }) => {
                self.on_ask(cx, from, stamp, (number, opened_ms), have, crossings);
            }
            Input::Message(_, Message::Moved { stamp, number, amount, had, crossings }) => {
                self.on_moved(cx, stamp, number, Answer { amount, had }, crossings);
            }
            Input::Message(_, Message::Refused { stamp, number, crossings }) => {
                self.on_refused(cx, stamp, number, crossings);
            }
            Input::Timer(Timer::Cycle) => self.on_cycle(cx),
            Input::Timer(Timer::Ask) => self.on_ask_again(cx),
            Input::Timer(Timer::End(epoch)) => self.on_end(cx, epoch),
            Input::Peer(Change::Down(peer)) => self.ledger.gone(peer),
            Input::Spare(..) | Input::Shed(..) | Input::Lost(..) | Input::Peer(_) => {}
        }
    }
}

impl Aggregator for Threshold {
    /// What this node has: on the same side of the thresholds as the average, once it is clear which that is; not the average itself.
    fn estimate(&self) -> Option<f64> {
        self.amount
    }

    /// Epochs here end without a result.
    fn settled(&self) -> Option<f64> {
        None
    }

    fn epoch(&self) -> u32 {
        self.epoch
    }

    fn truth(config: &Config) -> Truth {
        Truth::Between(config.lower, config.upper)
    }

    fn paced(period: Duration) -> Config {
        Config { period, ..Config::default() }
    }

    const ERROR: f64 = 0.0; // an alarm is right or wrong
}

impl Threshold {
    /// Below, without peers and without a value yet.
    ///
    /// # Panics
    /// If the lower threshold is above the upper one, or one of them is not a number.
    pub fn new(mut config: Config) -> Threshold {
        config.period = config.period.max(PERIOD_MIN);
        assert!(config.lower <= config.upper, "thresholds from {} to {}", config.lower, config.upper);
        Threshold {
            epochs: Epochs::new(config.period, config.cycles),
            epoch: 0,
            value: None,
            amount: None,
            crossings: 0,
            untold: 0,
            evidence: TTest::default(),
            cycling: false,
            asking: false,
            ends: 0,
            ledger: Ledger::new(millis(config.period * REMEMBER_PERIODS), millis(config.period / 2)),
            config,
        }
    }

    /// Whether the average is above: since it was last above the upper threshold, it has not been below the lower one.
    pub fn is_above(&self) -> bool {
        self.crossings % 2 == 1
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        self.ledger.counters()
    }

    /// Whether this amount contradicts what holds.
    fn is_beyond(&self, amount: f64) -> bool {
        if self.is_above() { amount < self.config.lower } else { amount > self.config.upper }
    }

    /// Whether there is something to say.
    fn is_restless(&self) -> bool {
        self.amount.is_some_and(|amount| self.untold > 0 || self.is_beyond(amount))
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        // The first epoch begins at once: a silent node has no cycle to begin it in.
        if self.epochs.turn(cx.now) {
            self.begin(cx);
        }
    }

    fn on_set(&mut self, cx: &mut Cx<'_, Self>, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.amount = Some(match (self.amount, self.value) {
            (Some(amount), Some(before)) => amount + (value - before),
            _ => value,
        });
        self.value = Some(value);
        self.wake(cx);
    }

    fn on_ask(
        &mut self,
        cx: &mut Cx<'_, Self>,
        from: NodeId,
        stamp: Stamp,
        (number, opened_ms): (u32, u32),
        have: f64,
        crossings: u32,
    ) {
        let level = self.follow(cx, stamp);
        let (now, knew) = (self.epochs.stamp(cx.now), self.crossings);
        let mine = self.amount.filter(|_| level && have.is_finite());
        let asked = mine.map(|mine| (mine, self.ledger.asked(from, number, opened_ms, now.age_ms)));
        let answer = match asked {
            Some((_, Asked::Again(answer))) => Some(answer),
            Some((had, Asked::New)) => {
                let answer = Answer { amount: (have - had) / 2.0, had };
                self.amount = Some(had + answer.amount);
                self.ledger.answered(from, number, opened_ms, answer);
                Some(answer)
            }
            Some((_, Asked::Full)) => return self.learn(cx, crossings),
            Some((_, Asked::TooOld)) | None => None,
        };
        self.learn(cx, crossings);
        cx.send(
            from,
            match answer {
                Some(Answer { amount, had }) => {
                    Message::Moved { stamp: now, number, amount, had, crossings: knew }
                }
                None => Message::Refused { stamp: now, number, crossings: knew },
            },
        );
        self.wake(cx);
    }

    fn on_moved(&mut self, cx: &mut Cx<'_, Self>, stamp: Stamp, number: u32, answer: Answer, crossings: u32) {
        self.follow(cx, stamp);
        let sound = answer.amount.is_finite() && answer.had.is_finite();
        if stamp.epoch == self.epoch
            && sound
            && let Some(mine) = self.amount
            && self.ledger.settle(number)
        {
            self.amount = Some(mine - answer.amount);
            self.untold = self.untold.saturating_sub(u32::from(crossings >= self.crossings));
            if crossings == self.crossings {
                self.witness(cx, answer.had);
            }
        }
        self.learn(cx, crossings);
        self.wake(cx);
    }

    fn on_refused(&mut self, cx: &mut Cx<'_, Self>, stamp: Stamp, number: u32, crossings: u32) {
        if self.follow(cx, stamp) {
            self.ledger.refused(number, self.epochs.age_ms(cx.now));
        }
        self.learn(cx, crossings);
    }

    fn on_cycle(&mut self, cx: &mut Cx<'_, Self>) {
        self.cycling = false;
        if self.epochs.turn(cx.now) {
            self.begin(cx);
        }
        if self.ledger.is_open() && !self.asking {
            self.ask_again(cx);
        }
        if !self.is_restless() {
            if self.ledger.is_open() {
                self.cycle(cx, self.config.period);
            }
            return;
        }
        self.cycle(cx, self.config.period);
        let Some(have) = self.amount else { return };
        let Some(peer) = cx.peers.pick(cx.me, cx.rng) else { return };
        let stamp = self.epochs.stamp(cx.now);
        if let Some(number) = self.ledger.open(peer, stamp.age_ms) {
            let (opened_ms, crossings) = (stamp.age_ms, self.crossings);
            cx.send(peer, Message::Ask { stamp, number, have, opened_ms, crossings });
        }
    }

    fn on_ask_again(&mut self, cx: &mut Cx<'_, Self>) {
        self.asking = false;
        self.ask_again(cx);
    }

    fn on_end(&mut self, cx: &mut Cx<'_, Self>, epoch: u32) {
        if epoch != self.epoch {
            return;
        }
        if self.epochs.turn(cx.now) {
            self.begin(cx);
        } else {
            self.ends = 0;
            self.await_end(cx);
        }
    }

    /// Asks again what has been open for half a cycle or more.
    fn ask_again(&mut self, cx: &mut Cx<'_, Self>) {
        let Some(have) = self.amount else { return };
        let (stamp, crossings) = (self.epochs.stamp(cx.now), self.crossings);
        self.ledger.ask_again(stamp.age_ms, |peer, number, opened_ms| {
            cx.send(peer, Message::Ask { stamp, number, have, opened_ms, crossings });
        });
        if self.ledger.is_open() {
            self.asking = true;
            cx.after(self.config.period / ASKS_PER_PERIOD, Timer::Ask);
        }
    }

    /// Adds what one had that was asked, and calls it a crossing if that is significant.
    fn witness(&mut self, cx: &mut Cx<'_, Self>, had: f64) {
        self.evidence.add(had);
        let (witnesses_min, sigmas) = (self.config.witnesses_min as usize, self.config.sigmas);
        let crossed = if self.is_above() {
            self.evidence.is_below(self.config.lower, witnesses_min, sigmas)
        } else {
            self.evidence.is_above(self.config.upper, witnesses_min, sigmas)
        };
        if crossed {
            self.cross(cx, self.crossings + 1);
        }
    }

    /// Takes over a crossing that another knows of.
    fn learn(&mut self, cx: &mut Cx<'_, Self>, crossings: u32) {
        if crossings > self.crossings {
            self.cross(cx, crossings);
            self.wake(cx);
        }
    }

    fn cross(&mut self, cx: &mut Cx<'_, Self>, crossings: u32) {
        let was = self.is_above();
        (self.crossings, self.untold) = (crossings, self.config.told_max);
        self.evidence.clear();
        if self.is_above() != was {
            let above = self.is_above();
            let at = if above { self.config.upper } else { self.config.lower };
            cx.emit(Event::Crossed { above, estimate: self.amount.unwrap_or(at) });
        }
    }

    /// Sets the timer for the next exchange if there is something to say, unless it runs.
    fn wake(&mut self, cx: &mut Cx<'_, Self>) {
        if self.epoch > 0 && !self.cycling && self.is_restless() {
            let phase = cx.rng.within(self.config.period);
            self.cycle(cx, phase);
        }
    }

    fn cycle(&mut self, cx: &mut Cx<'_, Self>, after: Duration) {
        self.cycling = true;
        cx.after(after, Timer::Cycle);
    }

    /// Sets the timer for the end of this epoch, once.
    fn await_end(&mut self, cx: &mut Cx<'_, Self>) {
        if self.ends != self.epoch {
            self.ends = self.epoch;
            cx.after(self.epochs.left(cx.now), Timer::End(self.epoch));
        }
    }

    /// Follows the epoch of another, and returns whether both are in the same one now.
    fn follow(&mut self, cx: &mut Cx<'_, Self>, stamp: Stamp) -> bool {
        match self.epochs.hear(cx.now, stamp) {
            Heard::Past | Heard::Young => false,
            Heard::Level => true,
            Heard::Ahead { .. } => {
                // Who comes late adds its value to the sum like any change: that needs no time to converge.
                if self.epoch != self.epochs.number() {
                    self.begin(cx);
                }
                true
            }
        }
    }

    /// Begins the epoch that `epochs` is in: every amount is its node's value again.
    fn begin(&mut self, cx: &mut Cx<'_, Self>) {
        self.epoch = self.epochs.number();
        self.amount = self.value;
        self.evidence.clear();
        self.ledger.clear(cx.rng.next() as u32);
        self.await_end(cx);
        self.wake(cx);
    }
}

impl Catalogued for Threshold {
    type Config = Config;
    const NAME: &'static str = "threshold";
    const ABOUT: &'static str = "whether the average is above a threshold";
    const PAPER: &'static str = "Wuhib, Dam, Stadler 2010 (TG-GAP); Sharfman, Schuster, Keren 2006";
    const COST: &'static str = "none far from the threshold, near it as averaging";

    fn start(config: &Arc<Config>, _: NodeId, _: Life) -> Threshold {
        Threshold::new(Config::clone(config))
    }

    fn check(config: &Config) -> Result<(), String> {
        let Config { lower, upper, .. } = *config;
        if lower <= upper {
            return Ok(());
        }
        Err(format!("lower is {lower} and upper {upper}: give two numbers, the lower one first"))
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let (stamp, number, crossings) = (Stamp::SAMPLE, 70_000, 3);
        alloc::vec![
            ("ask", Message::Ask { stamp, number, have: 42.5, opened_ms: 15_000, crossings }),
            ("moved", Message::Moved { stamp, number, amount: -0.25, had: 43.0, crossings }),
            ("refused", Message::Refused { stamp, number, crossings }),
        ]
    }
}

#[cfg(test)]
mod tests;
