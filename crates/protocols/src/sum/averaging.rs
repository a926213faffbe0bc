//! Push-pull averaging in epochs, with no mass lost: averages, and how many nodes there are.
//!
//! **Problem.** Each node has a value; all want their average, exactly, over a network that loses messages.
//!
//! **Idea.** Two nodes that meet both take the average of what they have. The sum stays, the variance falls by a constant factor a
//! cycle. Where one node has 1 and all others 0, the average is 1/n, which counts the nodes.
//!
//! **Paper.** Jelasity, Montresor, Babaoglu 2005 (Gossip-based aggregation in large dynamic networks). The variance falls per cycle to
//! 1/(2 sqrt e) = 0.303 where each node begins one exchange a cycle, to 1/e = 0.368 where they begin at random times, to 1/4 with two
//! perfect matchings a cycle. From there, too: counting by a peak, several leaders and their trimmed mean, epochs of 30 cycles.
//!
//! **Cost.** A question and an answer per node and cycle, of at most 45 bytes each; when counting, up to 16 bytes more for each leader. A question
//! that is not answered within a cycle is asked again every eighth of one, for as long as the answer would be remembered.
//!
//! **Ours.** In the paper a lost answer loses mass: one node has taken the average, the other has not (from a peak, at a loss of 5 %,
//! the result is off by a standard deviation of 16 %). Here who is asked says how much has moved, and that amount moves exactly once at both ends
//! (`kit::ledger`). Amounts are added to whatever a node has when it hears them, so that exchanges may overlap: there is no lock,
//! nobody is refused, nothing can deadlock. Where many overlap, as in the synchronous world, in which all ask before any is answered, the
//! variance falls to 0.49 a cycle instead. Epochs are by time, not by counting cycles (`kit::epochs`). A node that joins late refuses to take part
//! until the next epoch.

mod catalogued;
mod shares;

pub use shares::{LEADERS_MAX, Share, Shares};

use self::shares::trimmed_mean_of_counts;
use super::{Aggregator, Call, Event, Standing, Truth};
use crate::kit::epochs::{Epochs, Heard, PERIOD_MIN, Stamp, millis};
use crate::kit::ledger::{Asked, Counters, Ledger};
use crate::kit::matching;
use crate::kit::row::Row;
use alloc::boxed::Box;
use alloc::sync::Arc;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::{self, Change, Cx, Input, Lane, Protocol};
use rumormill_core::rng::mix;
use rumormill_core::time::{Duration, Time};

/// An unanswered question is asked again so many times a cycle.
const ASKS_PER_PERIOD: u32 = 8;

/// When a node begins an exchange, and with whom.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Pairing {
    /// Once in each cycle with a random peer, always at the same phase, as the paper's protocol does it. The variance falls to 0.295 a cycle (ours,
    /// measured): each begins when its last exchange is longest ago, which the paper's model leaves out.
    Steady,
    /// Once in each cycle with a random peer, at a time drawn anew in each: the paper's SEQ.
    Cyclic,
    /// At random times, once a cycle on average, with a random peer: the paper's RAND.
    Poisson,
    /// Twice a cycle with the node that the cycle's random perfect matching gives it; one of the two begins: the paper's PM. Needs nodes
    /// that start together, and all know of the same peers; where they do not, it is merely another random pairing.
    Matching,
}

/// What is averaged.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum What {
    /// The values.
    Average,
    /// Nothing but nodes: the estimate is how many there are. Each epoch has so many leaders, a Poisson number with this mean; each
    /// leads a count of its own, and the estimate is the mean of these without the highest and the lowest third.
    Count(f64),
}

/// Settings.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Length of a cycle. Where it is not much longer than a round trip, exchanges overlap.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Cycles of an epoch.
    pub cycles: u32,
    /// When to begin an exchange, and with whom.
    pub pairing: Pairing,
    /// What is averaged. As text: `leaders`, the mean of a count's leaders, or nothing for the average.
    #[cfg_attr(feature = "serde", serde(rename = "leaders", with = "leaders"))]
    pub what: What,
    /// An answer is remembered for so many periods, and what it answers asked again for as long. Each takes 32 bytes, and there is one
    /// a period on average. In the synchronous world, where nothing can be asked again within a cycle, a loss that matters asks for as many as
    /// [`Config::cycles`].
    pub remember_periods: u32,
}

impl Default for Config {
    /// Cycles of a second (our guess), 30 in an epoch (the paper's gamma), and the pairing of the paper's protocol. Three periods: an
    /// exchange is asked for 17 times, so that at a loss of 20 % one in thirty million stays in doubt.
    fn default() -> Self {
        Config {
            period: Duration::from_secs(1),
            cycles: 30,
            pairing: Pairing::Steady,
            what: What::Average,
            remember_periods: 3,
        }
    }
}

impl Config {
    fn period(&self) -> Duration {
        self.period.max(PERIOD_MIN)
    }
}

#[cfg(feature = "serde")]
mod leaders {
    use super::What;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(what: &What, serializer: S) -> Result<S::Ok, S::Error> {
        match what {
            What::Average => serializer.serialize_none(),
            What::Count(leaders) => leaders.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<What, D::Error> {
        let leaders = Option::<f64>::deserialize(deserializer)?;
        Ok(leaders.map_or(What::Average, What::Count))
    }
}

/// What travels.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Message {
    /// This is what I have; take half of the difference.
    #[n(0)]
    Ask {
        /// Where the sender stands.
        #[n(0)]
        stamp: Stamp,
        /// The exchange, as its sender counts them.
        #[n(1)]
        number: u32,
        /// What the sender has now.
        #[n(2)]
        have: Shares,
        /// How old the epoch was there when the exchange was opened, in milliseconds.
        #[n(3)]
        opened_ms: u32,
    },
    /// So much moved from you to me.
    #[n(1)]
    Moved {
        /// Where the sender stands.
        #[n(0)]
        stamp: Stamp,
        /// The exchange.
        #[n(1)]
        number: u32,
        /// How much; the same, however often this is asked.
        #[n(2)]
        amount: Shares,
    },
    /// Nothing moved in this exchange, and nothing will: I do not take part, or you are too late.
    #[n(2)]
    Refused {
        /// Where the sender stands.
        #[n(0)]
        stamp: Stamp,
        /// The exchange.
        #[n(1)]
        number: u32,
    },
}

const _: () = assert!(size_of::<Message>() <= 40 && size_of::<Averaging>() <= 304);

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("averaging")];
}

/// What it asks to be reminded of: one of each at a time.
#[derive(Clone, Debug)]
pub enum Timer {
    /// The next exchange.
    Cycle,
    /// To ask again what was not answered.
    Ask,
}

/// The state machine.
pub struct Averaging {
    config: Arc<Config>,
    epochs: Epochs,
    standing: Standing,
    /// When the cycle began that the next exchange belongs to.
    cycle_began: Time,
    /// What this node has now; `None` if it does not take part in this epoch.
    shares: Option<Shares>,
    asking: bool,
    ledger: Ledger<Shares>,
}

impl Protocol for Averaging {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => self.on_start(cx),
            Input::Call(Call::Set(value)) => self.on_set(cx, value),
            Input::Message(from, Message::Ask { stamp, opened_ms, number, have }) => {
                self.on_ask(cx, from, stamp, (number, opened_ms), have);
            }
            Input::Message(_, Message::Moved { stamp, number, amount }) => {
                self.on_moved(cx, stamp, number, amount);
            }
            Input::Message(_, Message::Refused { stamp, number }) => self.on_refused(cx, stamp, number),
            Input::Timer(Timer::Cycle) => self.on_cycle(cx),
            Input::Timer(Timer::Ask) => self.on_ask_again(cx),
            Input::Peer(Change::Down(peer)) => self.ledger.gone(peer),
            Input::Spare(..) | Input::Shed(..) | Input::Lost(..) | Input::Peer(_) => {}
        }
    }
}

impl Aggregator for Averaging {
    fn estimate(&self) -> Option<f64> {
        match self.shares.as_ref()? {
            Shares::One(x) => Some(*x),
            Shares::Many(shares) => trimmed_mean_of_counts(shares),
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
            What::Average => Truth::Moment(1),
            What::Count(_) => Truth::Count,
        }
    }

    fn paced(period: Duration) -> Config {
        Config { period, ..Config::default() }
    }

    const ERROR: f64 = 1e-3;
}

impl Averaging {
    /// Without peers and without a value yet. Many nodes may share one `config`.
    pub fn new(config: impl Into<Arc<Config>>) -> Averaging {
        let config = config.into();
        let period = config.period();
        let epochs = Epochs::new(period, config.cycles);
        Averaging {
            standing: Standing::NONE,
            cycle_began: Time::ZERO,
            shares: None,
            asking: false,
            ledger: Ledger::new(millis(period * config.remember_periods), millis(period / 2)),
            epochs,
            config,
        }
    }

    /// What this node has now, if it takes part in this epoch. Over all nodes its sum never changes, but for answers on their way.
    pub fn shares(&self) -> Option<&Shares> {
        self.shares.as_ref()
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        self.ledger.counters()
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        let phase = match self.config.pairing {
            Pairing::Matching => self.config.period() / 2, // in step with all that start now
            Pairing::Steady | Pairing::Cyclic | Pairing::Poisson => cx.rng.within(self.config.period()),
        };
        self.cycle_began = cx.now;
        cx.after(phase, Timer::Cycle);
    }

    fn on_set(&mut self, cx: &mut Cx<'_, Self>, value: f64) {
        let enters = self.standing.set(value, &self.epochs, cx.now);
        if enters && self.config.what == What::Average {
            self.shares = Some(Shares::One(value));
        }
    }

    fn on_ask(
        &mut self,
        cx: &mut Cx<'_, Self>,
        from: NodeId,
        stamp: Stamp,
        (number, opened_ms): (u32, u32),
        have: Shares,
    ) {
        let level = self.follow(cx, stamp);
        let now = self.epochs.stamp(cx.now);
        let Some(mine) = self.shares.as_mut().filter(|mine| level && mine.is_like(&have) && have.is_sound())
        else {
            return cx.send(from, Message::Refused { stamp: now, number });
        };
        let amount = match self.ledger.asked(from, number, opened_ms, now.age_ms) {
            Asked::Again(amount) => amount,
            Asked::New => {
                let amount = have.half_of_difference(mine);
                mine.add(1.0, &amount);
                self.standing.fresh = false;
                self.ledger.answered(from, number, opened_ms, amount.clone());
                amount
            }
            Asked::TooOld => return cx.send(from, Message::Refused { stamp: now, number }),
            Asked::Full => return,
        };
        cx.send(from, Message::Moved { stamp: now, number, amount });
    }

    fn on_moved(&mut self, cx: &mut Cx<'_, Self>, stamp: Stamp, number: u32, amount: Shares) {
        self.follow(cx, stamp);
        if stamp.epoch != self.standing.epoch {
            return; // the numbers of this epoch are others
        }
        if let Some(mine) = self.shares.as_mut().filter(|mine| mine.is_like(&amount) && amount.is_sound())
            && self.ledger.settle(number)
        {
            mine.add(-1.0, &amount);
        }
    }

    fn on_refused(&mut self, cx: &mut Cx<'_, Self>, stamp: Stamp, number: u32) {
        if self.follow(cx, stamp) {
            self.ledger.refused(number, self.epochs.age_ms(cx.now));
        }
    }

    fn on_cycle(&mut self, cx: &mut Cx<'_, Self>) {
        let next = match self.config.pairing {
            Pairing::Steady => self.config.period(),
            Pairing::Cyclic => {
                let stalled = cx.now.since(self.cycle_began) > 2 * self.config.period();
                self.cycle_began = if stalled { cx.now } else { self.cycle_began + self.config.period() };
                (self.cycle_began + cx.rng.within(self.config.period())).since(cx.now)
            }
            Pairing::Poisson => self.config.period().mul_f64(-libm::log(1.0 - cx.rng.unit())),
            Pairing::Matching => self.config.period() / 2,
        };
        cx.after(next, Timer::Cycle);
        if self.epochs.turn(cx.now) {
            self.begin(cx, false);
        }
        if self.ledger.is_open() && !self.asking {
            self.ask_again(cx);
        }
        let Some(have) = &self.shares else { return };
        let stamp = self.epochs.stamp(cx.now);
        let Some(peer) = self.partner(cx, stamp) else { return };
        if let Some(number) = self.ledger.open(peer, stamp.age_ms) {
            self.standing.fresh = false;
            cx.send(peer, Message::Ask { stamp, number, have: have.clone(), opened_ms: stamp.age_ms });
            // The next cycle asks again what this one leaves open, unless that is too long to wait.
            if 2 * next > 3 * self.config.period() && !self.asking {
                self.asking = true;
                cx.after(self.config.period(), Timer::Ask);
            }
        }
    }

    fn on_ask_again(&mut self, cx: &mut Cx<'_, Self>) {
        self.asking = false;
        if self.ledger.is_open() {
            self.ask_again(cx);
        }
    }

    /// Asks again what has been open for half a cycle or more. Unless messages are lost, that is nothing, and no timer runs for it.
    fn ask_again(&mut self, cx: &mut Cx<'_, Self>) {
        let Some(have) = &self.shares else { return };
        let stamp = self.epochs.stamp(cx.now);
        self.ledger.ask_again(stamp.age_ms, |peer, number, opened_ms| {
            cx.send(peer, Message::Ask { stamp, number, have: have.clone(), opened_ms });
        });
        if self.ledger.is_open() {
            self.asking = true;
            cx.after(self.config.period() / ASKS_PER_PERIOD, Timer::Ask);
        }
    }

    /// Whom to exchange with now.
    fn partner(&self, cx: &mut Cx<'_, Self>, stamp: Stamp) -> Option<NodeId> {
        if self.config.pairing != Pairing::Matching {
            return cx.peers.pick(cx.me, cx.rng);
        }
        let half_ms = (self.config.period().as_millis() as u64 / 2).max(1);
        let round = (u64::from(stamp.age_ms) + half_ms / 2) / half_ms;
        let key = mix(u64::from(stamp.epoch) << 32 | round);
        let first = |(place, speaks_first): (u64, bool)| speaks_first.then_some(place);
        let row = Row { peers: cx.peers, me: cx.me };
        let place = matching::partner(key, row.nodes() as u64, row.place(cx.me) as u64).and_then(first)?;
        row.at(place as usize)
    }

    /// Follows the epoch of another, and returns whether it is the one this node took part in already, or begins now with a
    /// share.
    fn follow(&mut self, cx: &mut Cx<'_, Self>, stamp: Stamp) -> bool {
        match self.epochs.hear(cx.now, stamp) {
            Heard::Past | Heard::Young => false,
            Heard::Level => true,
            Heard::Ahead { late } => {
                self.begin(cx, late);
                !late
            }
        }
    }

    /// Tells the result of the epoch that ends, and takes part in the one that `epochs` is in.
    fn begin(&mut self, cx: &mut Cx<'_, Self>, late: bool) {
        let estimate = self.estimate();
        if let Some(result) = self.standing.begin(&self.epochs, late, estimate) {
            cx.emit(result);
        }
        self.ledger.clear(cx.rng.next() as u32);
        self.shares = match self.config.what {
            _ if late => None,
            What::Average => self.standing.value.map(Shares::One),
            What::Count(leaders) => {
                // Each node leads with the same chance, from what it last took n for, as in the paper.
                let n = self.standing.settled.unwrap_or(cx.peers.len() as f64).max(1.0);
                let leads = cx.rng.chance(leaders / n);
                let share =
                    Share { tag: mix(cx.me.0 ^ mix(u64::from(self.standing.epoch))) as u32, amount: 1.0 };
                Some(Shares::Many(Box::new(leads.then_some(share).into_iter().collect())))
            }
        };
    }
}

#[cfg(test)]
mod tests;
