//! Flooding: who hears something new tells all its neighbours but the one it heard it from.
//!
//! **Problem.** An update is to reach everybody as fast as the network is deep, whatever it costs.
//!
//! **Idea.** On a connected graph nobody can be missed unless messages are lost, and of the lost ones all copies of a neighbourhood
//! have to be. It is the baseline of every lecture, and what a lazier protocol has to be measured against.
//!
//! **Source.** Folklore; Tanenbaum's textbook on networks calls it a routing algorithm.
//!
//! **Cost.** With degree d: d - 1 updates per node and update, of which d - 2 find it known; as many hops as the graph is deep,
//! log_(d-1) n for a random one.
//!
//! **Ours.** The neighbours are the view. If the view is everybody, they are those in a random regular graph that each node works out
//! for itself ([`RandomGraph`]). A node passes on at most [`Config::updates_per_period_max`]; what comes faster it delivers and does not pass on.

use crate::catalog::Catalogued;
use crate::kit::random_graph::RandomGraph;
use crate::kit::rate_limit::RateLimit;
use crate::spread::{Call, Counters, Ends, Event, Intake, Reach, Setup, Spreader, Taken, Trial, Update};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::peers::Peers;
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
    /// d: neighbours of each node if the view is everybody, rounded up to an even number.
    pub degree: u32,
    /// Which of the graphs; the same at all nodes.
    pub graph_seed: u64,
    /// Neighbours that are told, at most: of a longer view the first.
    pub neighbours_max: usize,
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
            degree: 4,                          // our guess: the active view of HyParView has 5
            graph_seed: 0,                      // any
            neighbours_max: 64,                 // our guess
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
    const LANES: &'static [Lane] = &[Lane::new("flood")];
}

/// The state machine.
pub struct Flood {
    config: Arc<Config>,
    intake: Intake,
    rate_limit: RateLimit,
    counters: Counters,
}

const _: () = assert!(size_of::<Message>() <= 64 && size_of::<Flood>() <= 256);

impl Protocol for Flood {
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

impl Flood {
    /// Knows nobody and nothing yet. Many nodes may share one `config`. `life` puts its numbers above those of earlier lives.
    pub fn new(config: impl Into<Arc<Config>>, life: Life) -> Flood {
        Flood {
            config: config.into(),
            intake: Intake::new(life),
            rate_limit: RateLimit::default(),
            counters: Counters::default(),
        }
    }

    fn on_publish(&mut self, cx: &mut Cx<'_, Self>, payload: Payload) {
        match self.intake.publish(cx.me, payload, self.config.known_max) {
            Some(update) => self.flood(cx, cx.me, update, 0),
            None => self.counters.rejected += 1,
        }
    }

    fn on_update(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, update: Update, hops: u16) {
        match self.intake.take(&update, self.config.known_max) {
            Taken::New => self.flood(cx, from, update, hops.saturating_add(1)),
            Taken::Known => self.counters.useless += 1,
            Taken::TooLarge => self.counters.rejected += 1,
        }
    }

    fn flood(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, update: Update, hops: u16) {
        cx.emit(Event::Delivered { update: update.clone(), from });
        if hops > self.config.hops_max {
            self.counters.rejected += 1;
        } else if self.rate_limit.take(cx.now, self.config.period, self.config.updates_per_period_max) {
            let (me, peers, sent) = (cx.me, cx.peers, &mut self.counters.updates_sent);
            let mut tell = |peer: NodeId| {
                if peer != from && peer != me {
                    *sent += 1;
                    cx.send(peer, Message { update: update.clone(), hops });
                }
            };
            match peers {
                Peers::Everyone(n) => RandomGraph::new(*n, self.config.degree, self.config.graph_seed)
                    .neighbours(me.0, |peer| tell(NodeId(peer))),
                // Each begins with those behind it in the order of the ids: no peer is left out by all.
                listed => {
                    let first = listed.below(me);
                    let behind =
                        (0..listed.len()).filter_map(|step| listed.get((first + step) % listed.len()));
                    behind.take(self.config.neighbours_max).for_each(tell);
                }
            }
        } else {
            self.counters.overflowed += 1;
        }
        cx.emit(Event::Removed(update.id));
    }
}

impl Spreader for Flood {
    fn counters(&self) -> Counters {
        self.counters
    }
    fn known_len(&self) -> usize {
        self.intake.known_len()
    }
    fn hot_len(&self) -> usize {
        0
    }
    const REACH: Reach = Reach { whole: 1.0, lossy: 0.98 };
    fn bounded(known_max: usize, _: usize) -> Config {
        Config { known_max, ..Config::default() }
    }
    fn setup(trial: &Trial) -> Setup<Config> {
        let mut config = Config { graph_seed: trial.seed, ..Config::default() };
        config.degree = trial.fanout.unwrap_or(config.degree);
        let in_flight = config.degree as usize;
        Setup { config, ends: Ends::Silence, at_once: true, in_flight, heap_bytes: 0 }
    }
}

impl Catalogued for Flood {
    type Config = Config;
    const NAME: &'static str = "flood";
    const ABOUT: &'static str = "along all edges of a random graph";
    const PAPER: &'static str = "folklore: the baseline in time";
    const COST: &'static str = "d - 1 updates per update";

    fn start(config: &Arc<Config>, _: NodeId, life: Life) -> Flood {
        Flood::new(config.clone(), life)
    }

    /// The neighbours take the place of its own random graph. A bound that nobody has chosen cuts no edges of a hub.
    fn on_graph(config: &Config, _: u64) -> Result<Config, String> {
        let usual = Config::default();
        let is_chosen = config.neighbours_max != usual.neighbours_max;
        let neighbours_max = if is_chosen { config.neighbours_max } else { usize::MAX };
        Ok(Config { degree: usual.degree, graph_seed: usual.graph_seed, neighbours_max, ..config.clone() })
    }

    fn samples() -> Vec<(&'static str, Message)> {
        alloc::vec![
            ("update", Message { update: Update::sample(), hops: 300 }),
            ("update-empty", Message { update: Update::smallest(), hops: 0 })
        ]
    }
}
