//! Infect and die: who hears something new tells it to f random peers, once, and never again.
//!
//! **Problem.** An update is to reach nearly everybody with no timers, no feedback and no state but the ids that were heard.
//!
//! **Idea.** With f a little above ln n everybody hears it, with a probability that rises from 0 to 1 within a few contacts more.
//!
//! **Papers.** Eugster, Guerraoui, Kermarrec, Massoulié 2004 (Epidemic information dissemination in distributed systems);
//! the share reached is π = 1 - e^(-fπ), the chance that everybody is e^(-e^(-(f - ln n))) (Erdős and Rényi 1960).
//!
//! **Cost.** f updates per node and update, all at once; log_f n hops. Nothing repairs what was lost.
//!
//! **Ours.** A node passes on at most [`Config::updates_per_period_max`]; what comes faster it delivers and does not pass on.

use crate::catalog::Catalogued;
use crate::kit::peer_selection::PeerSelection;
use crate::kit::rate_limit::RateLimit;
use crate::spread::{Call, Counters, Ends, Event, Intake, Reach, Setup, Spreader, Taken, Trial, Update};
use alloc::sync::Arc;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
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
    /// f: how many are told, each another one.
    pub fanout: u32,
    /// Whom.
    pub choice: PeerSelection,
    /// Hops after which an update is delivered but not passed on: one whose id was forgotten must not go round for ever.
    pub hops_max: u16,
    /// Updates passed on in a period.
    pub updates_per_period_max: u32,
    /// The period.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Ids remembered, so that an update is delivered once.
    pub known_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            fanout: 10, // ln 1000 + 3: everybody in 95 of 100 times
            choice: PeerSelection::Uniform,
            hops_max: 64,                       // our guess: a million nodes take 20
            updates_per_period_max: 256,        // our guess
            period: Duration::from_millis(200), // our guess
            known_max: 4_096,                   // our guess
        }
    }
}

/// What travels.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub struct Message {
    /// The update.
    #[n(0)]
    pub update: Update,
    /// How often it was passed on before.
    #[n(1)]
    pub hops: u16,
}

/// It asks for no reminders.
#[derive(Clone, Debug)]
pub enum Timer {}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("infect-and-die")];
}

/// The state machine.
pub struct InfectAndDie {
    config: Arc<Config>,
    intake: Intake,
    rate_limit: RateLimit,
    counters: Counters,
}

const _: () = assert!(size_of::<Message>() <= 64 && size_of::<InfectAndDie>() <= 256);

impl Protocol for InfectAndDie {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Call(Call::Publish(payload)) => self.on_publish(cx, payload),
            Input::Message(from, Message { update, hops }) => self.on_update(cx, from, update, hops),
            Input::Timer(timer) => match timer {},
            Input::Shed(_, message) => self.counters.shed(&message),
            Input::Lost(..) => self.counters.lost += 1,
            Input::Start | Input::Spare(..) | Input::Peer(_) => {}
        }
    }
}

impl InfectAndDie {
    /// Knows nobody and nothing yet. Many nodes may share one `config`. `life` puts its numbers above those of earlier lives.
    pub fn new(config: impl Into<Arc<Config>>, life: Life) -> InfectAndDie {
        InfectAndDie {
            config: config.into(),
            intake: Intake::new(life),
            rate_limit: RateLimit::default(),
            counters: Counters::default(),
        }
    }

    fn on_publish(&mut self, cx: &mut Cx<'_, Self>, payload: Payload) {
        match self.intake.publish(cx.me, payload, self.config.known_max) {
            Some(update) => self.infect(cx, cx.me, update, 0),
            None => self.counters.rejected += 1,
        }
    }

    fn on_update(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, update: Update, hops: u16) {
        match self.intake.take(&update, self.config.known_max) {
            Taken::New => self.infect(cx, from, update, hops.saturating_add(1)),
            Taken::Known => self.counters.useless += 1,
            Taken::TooLarge => self.counters.rejected += 1,
        }
    }

    fn infect(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, update: Update, hops: u16) {
        cx.emit(Event::Delivered { update: update.clone(), from });
        if hops > self.config.hops_max {
            self.counters.rejected += 1;
        } else if self.rate_limit.take(cx.now, self.config.period, self.config.updates_per_period_max) {
            for peer in self.config.choice.several(cx.peers, cx.me, cx.rng, self.config.fanout) {
                self.counters.updates_sent += 1;
                cx.send(peer, Message { update: update.clone(), hops });
            }
        } else {
            self.counters.overflowed += 1;
        }
        cx.emit(Event::Removed(update.id));
    }
}

impl Spreader for InfectAndDie {
    fn counters(&self) -> Counters {
        self.counters
    }
    fn known_len(&self) -> usize {
        self.intake.known_len()
    }
    fn hot_len(&self) -> usize {
        0
    }
    const REACH: Reach = Reach { whole: 0.99, lossy: 0.99 };
    fn bounded(known_max: usize, _: usize) -> Config {
        Config { known_max, ..Config::default() }
    }
    fn setup(trial: &Trial) -> Setup<Config> {
        let mut config = Config { choice: trial.choice.clone(), ..Config::default() };
        config.fanout = trial.fanout.unwrap_or(config.fanout);
        let in_flight = config.fanout as usize;
        Setup { config, ends: Ends::Silence, at_once: true, in_flight, heap_bytes: 0 }
    }
}

impl Catalogued for InfectAndDie {
    type Config = Config;
    const NAME: &'static str = "infect-and-die";
    const ABOUT: &'static str = "each passes an update on once, to a fixed number";
    const PAPER: &'static str = "Eugster 2004";
    const COST: &'static str = "f updates per update";

    fn start(config: &Arc<Config>, _: NodeId, life: Life) -> InfectAndDie {
        InfectAndDie::new(config.clone(), life)
    }

    fn samples() -> Vec<(&'static str, Message)> {
        alloc::vec![
            ("update", Message { update: Update::sample(), hops: 300 }),
            ("update-empty", Message { update: Update::smallest(), hops: 0 })
        ]
    }
}
