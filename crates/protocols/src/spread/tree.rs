//! A spanning tree: each node tells its children, so that everybody hears an update exactly once.
//!
//! **Problem.** An update is to reach everybody with not one message too many.
//!
//! **Idea.** All nodes in a row, the publisher first; in it the node at place p has those at kp + 1 to kp + k for children. Everybody can
//! work out the row from its view and its own place in it, so nobody builds or keeps the tree.
//!
//! **Source.** Folklore: a k-ary heap over the members; the optimum in messages that gossip is compared with.
//!
//! **Cost.** n - 1 updates, at most k per node; log_k n hops.
//!
//! **Its failure mode.** A node that is dead, or a message that is lost, cuts off the whole subtree below, and nobody notices. Where
//! views differ the trees do, and some hear an update twice or never. Nothing here repairs that: it is a baseline.
//!
//! **Ours.** Each publisher is the root of a tree of its own: the row begins with it and goes on in the order of the ids. A node
//! passes on at most [`Config::updates_per_period_max`].

use crate::catalog::Catalogued;
use crate::kit::rate_limit::RateLimit;
use crate::kit::row::Row;
use crate::spread::{Call, Counters, Ends, Event, Intake, Reach, Setup, Spreader, Taken, Trial, Update};
use alloc::string::String;
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
    /// k: children of a node. 0 counts as 1, which is a chain.
    pub arity: u32,
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
            arity: 4,                           // our guess: a million nodes in ten hops
            updates_per_period_max: 256,        // our guess
            period: Duration::from_millis(200), // our guess
            known_max: 4_096,                   // our guess
        }
    }
}

/// What travels.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub struct Message(#[n(0)] pub Update);

/// It asks for no reminders.
#[derive(Clone, Debug)]
pub enum Timer {}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("tree")];
}

/// The state machine.
pub struct Tree {
    config: Arc<Config>,
    intake: Intake,
    rate_limit: RateLimit,
    counters: Counters,
}

const _: () = assert!(size_of::<Message>() <= 64 && size_of::<Tree>() <= 256);

impl Protocol for Tree {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Call(Call::Publish(payload)) => self.on_publish(cx, payload),
            Input::Message(from, Message(update)) => self.on_update(cx, from, update),
            Input::Timer(timer) => match timer {},
            Input::Shed(_, message) => self.counters.shed(&message),
            Input::Lost(..) => self.counters.lost += 1,
            Input::Start | Input::Spare(..) | Input::Peer(_) => {}
        }
    }
}

impl Tree {
    /// Knows nobody and nothing yet. Many nodes may share one `config`. `life` puts its numbers above those of earlier lives.
    pub fn new(config: impl Into<Arc<Config>>, life: Life) -> Tree {
        Tree {
            config: config.into(),
            intake: Intake::new(life),
            rate_limit: RateLimit::default(),
            counters: Counters::default(),
        }
    }

    fn on_publish(&mut self, cx: &mut Cx<'_, Self>, payload: Payload) {
        match self.intake.publish(cx.me, payload, self.config.known_max) {
            Some(update) => self.pass_down(cx, cx.me, update),
            None => self.counters.rejected += 1,
        }
    }

    fn on_update(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, update: Update) {
        match self.intake.take(&update, self.config.known_max) {
            Taken::New => self.pass_down(cx, from, update),
            Taken::Known => self.counters.useless += 1,
            Taken::TooLarge => self.counters.rejected += 1,
        }
    }

    fn pass_down(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, update: Update) {
        cx.emit(Event::Delivered { update: update.clone(), from });
        if self.rate_limit.take(cx.now, self.config.period, self.config.updates_per_period_max) {
            let row = Row { peers: cx.peers, me: cx.me };
            let (n, first, arity) =
                (row.nodes(), row.place(update.id.origin), self.config.arity.max(1) as usize);
            let own = (row.place(cx.me) + n - first) % n;
            for child in (own * arity + 1..).take(arity).take_while(|child| *child < n) {
                if let Some(child) = row.at((first + child) % n) {
                    self.counters.updates_sent += 1;
                    cx.send(child, Message(update.clone()));
                }
            }
        } else {
            self.counters.overflowed += 1;
        }
        cx.emit(Event::Removed(update.id));
    }
}

impl Spreader for Tree {
    fn counters(&self) -> Counters {
        self.counters
    }
    fn known_len(&self) -> usize {
        self.intake.known_len()
    }
    fn hot_len(&self) -> usize {
        0
    }
    const REACH: Reach = Reach { whole: 1.0, lossy: 0.5 };
    fn bounded(known_max: usize, _: usize) -> Config {
        Config { known_max, ..Config::default() }
    }
    fn setup(trial: &Trial) -> Setup<Config> {
        let mut config = Config::default();
        config.arity = trial.fanout.unwrap_or(config.arity);
        Setup { config, ends: Ends::Silence, at_once: true, in_flight: 1, heap_bytes: 0 }
    }
}

impl Catalogued for Tree {
    type Config = Config;
    const NAME: &'static str = "tree";
    const ABOUT: &'static str = "down a spanning tree";
    const PAPER: &'static str = "folklore: the baseline in messages";
    const COST: &'static str = "1 update per update";

    fn start(config: &Arc<Config>, _: NodeId, life: Life) -> Tree {
        Tree::new(config.clone(), life)
    }

    fn on_graph(_: &Config, _: u64) -> Result<Config, String> {
        Err("tree draws no peers: it lays all nodes out in one tree, for which each has to know all; flood follows the edges of a graph".into())
    }

    fn samples() -> Vec<(&'static str, Message)> {
        alloc::vec![("update", Message(Update::sample())), ("update-empty", Message(Update::smallest()))]
    }
}
