//! Push-pull averaging as it is drawn on the board: the baseline that the other aggregators are held against.
//!
//! **Problem.** Each node has a value; all want their average.
//!
//! **Idea.** Once a cycle a node sends its value to a random peer, which answers with its own; both take the mean of the two.
//!
//! **Paper.** Jelasity, Montresor, Babaoglu 2005 (Gossip-based aggregation in large dynamic networks), figure 1, without anything from the sections
//! behind it: no epochs, no answer to loss. It is what PeerSim's `AverageED` does, so both can be timed at the same work.
//!
//! **Cost.** A question and an answer per node and cycle, of ten bytes each.
//!
//! **Failure.** An answer that is lost has changed one of the two and not the other, and an exchange that another one overlaps moves what is no longer
//! there: either changes the sum of all values, and nothing sets it right. [`averaging`](super::averaging) is the one to use.

use super::{Aggregator, Call, Event, Truth};
use crate::catalog::Catalogued;
use alloc::sync::Arc;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::protocol::{self, Cx, Input, Lane, Protocol};
use rumormill_core::time::Duration;

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
}

impl Default for Config {
    /// Cycles of a second (our guess).
    fn default() -> Self {
        Config { period: Duration::from_secs(1) }
    }
}

/// What travels.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Message {
    /// This is what I have: take the mean, and tell me what you had.
    #[n(0)]
    Ask(#[n(0)] f64),
    /// This is what I had when you asked: take the mean.
    #[n(1)]
    Answer(#[n(0)] f64),
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("plain-averaging")];
}

/// It asks to be reminded of its next cycle.
#[derive(Clone, Debug)]
pub struct Cycle;

/// The state machine.
pub struct Plain {
    config: Arc<Config>,
    /// What this node has now; none before it was told.
    value: Option<f64>,
}

impl Protocol for Plain {
    type Call = Call;
    type Message = Message;
    type Timer = Cycle;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => {
                let phase = cx.rng.within(self.config.period);
                cx.after(phase, Cycle);
            }
            Input::Call(Call::Set(value)) => {
                self.value = Some(value).filter(|value| value.is_finite()).or(self.value)
            }
            Input::Timer(Cycle) => self.on_cycle(cx),
            Input::Message(from, Message::Ask(theirs)) => {
                if let Some(mine) = self.meet(theirs) {
                    cx.send(from, Message::Answer(mine));
                }
            }
            Input::Message(_, Message::Answer(theirs)) => {
                self.meet(theirs);
            }
            Input::Spare(..) | Input::Shed(..) | Input::Lost(..) | Input::Peer(_) => {}
        }
    }
}

impl Aggregator for Plain {
    fn estimate(&self) -> Option<f64> {
        self.value
    }

    /// There are no epochs, so that it is what this node has now.
    fn settled(&self) -> Option<f64> {
        self.value
    }

    fn epoch(&self) -> u32 {
        0
    }

    fn truth(_: &Config) -> Truth {
        Truth::Moment(1)
    }

    fn paced(period: Duration) -> Config {
        Config { period }
    }

    const ERROR: f64 = 0.2; // exchanges that overlap move the mean
}

impl Plain {
    /// Without peers and without a value yet. Many nodes may share one `config`.
    pub fn new(config: impl Into<Arc<Config>>) -> Plain {
        Plain { config: config.into(), value: None }
    }

    fn on_cycle(&mut self, cx: &mut Cx<'_, Self>) {
        cx.after(self.config.period, Cycle);
        if let (Some(mine), Some(peer)) = (self.value, cx.peers.pick(cx.me, cx.rng)) {
            cx.send(peer, Message::Ask(mine));
        }
    }

    /// Takes the mean of both values, and returns what this node had before; nothing happens where either has none.
    fn meet(&mut self, theirs: f64) -> Option<f64> {
        let mine = self.value.filter(|_| theirs.is_finite())?;
        self.value = Some(mine + (theirs - mine) / 2.0);
        Some(mine)
    }
}

impl Catalogued for Plain {
    type Config = Config;
    const NAME: &'static str = "plain-averaging";
    const ABOUT: &'static str = "averages by push-pull as in the lectures, with nothing against loss";
    const PAPER: &'static str = "Jelasity, Montresor, Babaoglu 2005, figure 1: the baseline";
    const COST: &'static str = "one question, one answer";

    fn start(config: &Arc<Config>, _: NodeId, _: Life) -> Plain {
        Plain::new(config.clone())
    }

    fn samples() -> Vec<(&'static str, Message)> {
        alloc::vec![("ask", Message::Ask(42.5)), ("answer", Message::Answer(-0.25))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sum::testing::{hostile, quick, run, start, unit};
    use alloc::vec::Vec;
    use rumormill_sim::Sim;

    fn mean(sim: &Sim<Plain>) -> f64 {
        let all: Vec<f64> = sim.ids().filter_map(|id| sim.node(id).estimate()).collect();
        all.iter().sum::<f64>() / all.len() as f64
    }

    #[test]
    fn the_variance_falls_to_a_third_in_a_cycle() {
        let (seed, n) = (3, 2_000);
        let mut sim = start(quick(), seed, n, || Plain::new(Config::default()), unit);
        let variance = |sim: &Sim<Plain>| {
            let mean = mean(sim);
            sim.ids().filter_map(|id| sim.node(id).estimate()).map(|x| (x - mean) * (x - mean)).sum::<f64>()
        };
        run(&mut sim, 2_000);
        let before = variance(&sim);
        run(&mut sim, 10_000);
        let factor = libm::pow(variance(&sim) / before, 0.1);
        // 0.295, as averaging in steady pairs; ten cycles of one run deviate by less than 0.02.
        assert!((0.275..0.315).contains(&factor), "seed {seed}: {factor}");
    }

    #[test]
    fn what_is_lost_moves_the_mean_and_nothing_sets_it_right() {
        let (seed, n) = (5, 500);
        let truth = (0..n).map(unit).sum::<f64>() / n as f64;
        let mut sim = start(hostile(), seed, n, || Plain::new(Config::default()), unit);
        run(&mut sim, 30_000);
        let (off, spread) = (mean(&sim) - truth, {
            let all: Vec<f64> = sim.ids().filter_map(|id| sim.node(id).estimate()).collect();
            all.iter().fold(0.0, |most: f64, x| most.max((x - mean(&sim)).abs()))
        });
        assert!(spread < 1e-3 && off.abs() > spread, "seed {seed}: all agree within {spread}, off by {off}");
    }

    #[test]
    fn what_is_no_number_changes_nothing() {
        let mut sim = start(quick(), 1, 2, || Plain::new(Config::default()), |i| i as f64);
        for value in [f64::NAN, f64::INFINITY] {
            sim.call(rumormill_core::identity::NodeId(0), Call::Set(value));
        }
        run(&mut sim, 3_000);
        assert_eq!(mean(&sim), 0.5);
    }
}
