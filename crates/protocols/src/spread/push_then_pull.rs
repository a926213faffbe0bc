//! First push, then pull: tell while few know, ask when few do not.
//!
//! **Problem.** Push wastes its messages at the end, when nearly everybody knows; pull wastes them at the beginning, when nearly nobody does.
//!
//! **Idea.** An update is pushed by all who have it, until it is R = log2 n rounds old: then about half have it. From then on those who
//! have nothing ask once per round, and whoever is asked answers with what it has.
//!
//! **Paper.** Saidi and Mohtashemi 2012 (Minimum-cost first-push-then-pull gossip algorithm): the cost per node and update is least, and
//! does not depend on n, with R = round(log2 n).
//!
//! **Cost.** About 1.9 messages per node and update (0.8 pushes, 0.7 requests, 0.4 answers); the paper has 2.6 in a cost model that it does
//! not give.
//!
//! **Who asks.** In the paper there is one update, and everybody knows that it is on its way. Here rounds are counted by the age that
//! an update carries, and a node that has nothing counts its own from when it started, or from when it last had something: after
//! R rounds with nothing it takes it that something was missed, and asks, once per period, until it has something or has
//! asked [`Config::asks_max`] times in vain. A request lists what is there (nothing, with one update) and asks for all else.
//!
//! **Ours.** A node that has several updates asks as well: where many are on their way at once any of them may have been missed. Who
//! has one of two and missed the other does not: something has to repair behind it. An update is kept for
//! [`Config::hold_rounds`] to answer requests, and all is bounded: updates held, answers per period.

use crate::catalog::Catalogued;
use crate::kit::peer_selection::PeerSelection;
use crate::kit::rate_limit::RateLimit;
use crate::spread::{
    Call, Counters, Ends, Event, Intake, KNOWN_HEAP_BYTES, Reach, Setup, Spreader, Taken, Trial, Update,
    UpdateId,
};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::{self, Cx, Input, Lane, Protocol};
use rumormill_core::time::{Duration, Time};

/// Settings.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// R: rounds in which an update is pushed; by default round(log2 n), n from the view.
    pub push_rounds: Option<u32>,
    /// Rounds after that in which it is kept to answer requests.
    pub hold_rounds: u32,
    /// Requests in vain after which a node stops asking; by default it asks on, once per period.
    pub asks_max: Option<u32>,
    /// Whom to contact.
    pub choice: PeerSelection,
    /// A round.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Each is shorter by a random time below this.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub jitter: Duration,
    /// Updates that are held at a time; beyond it the oldest is dropped.
    pub hot_max: usize,
    /// Bytes of payloads in one push or answer; one update always goes, the youngest first.
    pub contact_bytes_max: usize,
    /// Requests answered in a period.
    pub answers_max: u32,
    /// Ids remembered, so that an update is delivered once.
    pub known_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            push_rounds: None, // Saidi and Mohtashemi 2012
            hold_rounds: 16,   // our guess: the pulls of a million nodes take 5 rounds
            asks_max: None,    // the paper's setting
            choice: PeerSelection::Uniform,
            period: Duration::from_millis(200), // memberlist LAN, GossipInterval
            jitter: Duration::from_millis(20),  // our guess: a tenth
            hot_max: 64,                        // our guess
            contact_bytes_max: 128 * 1024,      // our guess: two of the largest
            answers_max: 32,                    // our guess: one in 10^35 periods has more at random
            known_max: 4_096,                   // our guess
        }
    }
}

/// What travels.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Message {
    /// An update, pushed or in answer.
    #[n(0)]
    Update {
        /// The update.
        #[n(0)]
        update: Update,
        /// Its age in rounds.
        #[n(1)]
        age: u32,
    },
    /// What is there, besides these?
    #[n(1)]
    Ask(#[cbor(n(0), with = "rumormill_core::wire::list")] Vec<UpdateId>),
}

/// What it asks to be reminded of. At most one is in flight.
#[derive(Clone, Debug)]
pub enum Timer {
    /// A round begins.
    Round,
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("push-then-pull"), Lane::new("push-then-pull-ask")];
    fn lane(&self) -> usize {
        usize::from(matches!(self, Message::Ask(_)))
    }
}

/// The state machine.
pub struct PushThenPull {
    config: Arc<Config>,
    intake: Intake,
    /// The youngest last.
    held: Vec<Held>,
    armed: bool,
    /// Rounds in a row with nothing held.
    empty_rounds: u32,
    answers: RateLimit,
    /// Of `updates_sent`, how many answered a request.
    answers_sent: u64,
    counters: Counters,
}

struct Held {
    update: Update,
    age: u32,
    heard: Time,
}

const _: () =
    assert!(size_of::<Message>() <= 64 && size_of::<PushThenPull>() <= 256 && size_of::<Held>() <= 64);

impl Protocol for PushThenPull {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => self.on_start(cx),
            Input::Call(Call::Publish(payload)) => self.on_publish(cx, payload),
            Input::Message(from, Message::Update { update, age }) => self.on_update(cx, from, update, age),
            Input::Message(from, Message::Ask(known)) => self.on_ask(cx, from, &known),
            Input::Timer(Timer::Round) => self.on_round(cx),
            Input::Shed(_, message) => self.counters.shed(&message),
            Input::Lost(..) => self.counters.lost += 1,
            Input::Spare(..) | Input::Peer(_) => {}
        }
    }
}

impl PushThenPull {
    /// Knows nobody and nothing yet. Many nodes may share one `config`. `life` puts its numbers above those of earlier lives.
    pub fn new(config: impl Into<Arc<Config>>, life: Life) -> PushThenPull {
        PushThenPull {
            config: config.into(),
            intake: Intake::new(life),
            held: Vec::new(),
            armed: false,
            empty_rounds: 0,
            answers: RateLimit::default(),
            answers_sent: 0,
            counters: Counters::default(),
        }
    }

    /// Of the updates sent, how many answered a request; the others were pushed.
    pub fn answers_sent(&self) -> u64 {
        self.answers_sent
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        if !self.armed {
            self.arm(cx);
        }
    }

    fn on_publish(&mut self, cx: &mut Cx<'_, Self>, payload: Payload) {
        match self.intake.publish(cx.me, payload, self.config.known_max) {
            Some(update) => self.hold(cx, cx.me, update, 0),
            None => self.counters.rejected += 1,
        }
    }

    fn on_update(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, update: Update, age: u32) {
        match self.intake.take(&update, self.config.known_max) {
            Taken::New => self.hold(cx, from, update, age),
            Taken::Known => self.counters.useless += 1,
            Taken::TooLarge => self.counters.rejected += 1,
        }
    }

    fn on_ask(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, known: &[UpdateId]) {
        let known = &known[..known.len().min(self.config.hot_max)];
        if self.answers.take(cx.now, self.config.period, self.config.answers_max) {
            // What has only just come was news here as well when this cycle began.
            let sent = self.tell(cx, from, |held, now| held.heard != now && !known.contains(&held.update.id));
            self.answers_sent += sent;
        } else {
            self.counters.asks_unanswered += 1;
        }
    }

    fn on_round(&mut self, cx: &mut Cx<'_, Self>) {
        self.armed = false;
        let push_rounds = self.push_rounds(cx.peers);
        self.grow_older(cx, push_rounds);
        if self.held.is_empty() {
            self.held = Vec::new(); // so that a cluster at rest keeps no room for what is over
            self.empty_rounds = self.empty_rounds.saturating_add(1);
            let asks = self.empty_rounds.saturating_sub(push_rounds);
            if self.config.asks_max.is_some_and(|max| asks > max) {
                return; // nothing was missed: silent until something comes
            }
            if asks > 0 {
                self.ask(cx);
            }
        } else {
            self.empty_rounds = 0;
            if self.held.iter().any(|held| held.age <= push_rounds)
                && let Some(peer) = self.config.choice.pick(cx.peers, cx.me, cx.rng)
            {
                self.tell(cx, peer, |held, _| held.age <= push_rounds);
            }
            if self.held.len() > 1 {
                self.ask(cx);
            }
        }
        self.armed = true;
        let jitter = cx.rng.within(self.config.jitter);
        cx.after(self.config.period.saturating_sub(jitter), Timer::Round);
    }

    fn ask(&mut self, cx: &mut Cx<'_, Self>) {
        if let Some(peer) = self.config.choice.pick(cx.peers, cx.me, cx.rng) {
            self.counters.asks_sent += 1;
            cx.send(peer, Message::Ask(self.held.iter().map(|held| held.update.id).collect()));
        }
    }

    /// R.
    fn push_rounds(&self, peers: &Peers) -> u32 {
        self.config.push_rounds.unwrap_or_else(|| push_rounds_for(peers.nodes()))
    }

    fn grow_older(&mut self, cx: &mut Cx<'_, Self>, push_rounds: u32) {
        let age_max = push_rounds.saturating_add(self.config.hold_rounds);
        self.held.retain_mut(|held| {
            held.age = held.age.saturating_add(1);
            let keep = held.age <= age_max;
            if !keep {
                cx.emit(Event::Removed(held.update.id));
            }
            keep
        });
    }

    /// An update is new here.
    fn hold(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, update: Update, age: u32) {
        cx.emit(Event::Delivered { update: update.clone(), from });
        if self.held.len() >= self.config.hot_max.max(1) {
            let dropped = self.held.remove(0);
            self.counters.overflowed += 1;
            cx.emit(Event::Removed(dropped.update.id));
        }
        if self.held.is_empty() {
            self.held.reserve_exact(1); // a million nodes with one update
        }
        self.held.push(Held { update, age, heard: cx.now });
        if !self.armed {
            self.arm(cx);
        }
    }

    /// Tells `peer` what is `fit`, the youngest first, as much as one contact may take. Returns how many.
    fn tell(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, fit: impl Fn(&Held, Time) -> bool) -> u64 {
        let (now, mut sent, mut bytes) = (cx.now, 0, 0);
        for held in self.held.iter().rev().filter(|held| fit(held, now)) {
            bytes += held.update.payload.len();
            if sent > 0 && bytes > self.config.contact_bytes_max {
                break;
            }
            sent += 1;
            cx.send(peer, Message::Update { update: held.update.clone(), age: held.age });
        }
        self.counters.updates_sent += sent;
        sent
    }

    /// The first round of a node is shorter by a random part: the phase of its clock.
    fn arm(&mut self, cx: &mut Cx<'_, Self>) {
        self.armed = true;
        let phase = cx.rng.within(self.config.period);
        cx.after(self.config.period - phase, Timer::Round);
    }
}

impl Spreader for PushThenPull {
    fn counters(&self) -> Counters {
        self.counters
    }
    fn known_len(&self) -> usize {
        self.intake.known_len()
    }
    fn hot_len(&self) -> usize {
        self.held.len()
    }
    const REACH: Reach = Reach { whole: 0.95, lossy: 0.93 };
    fn bounded(known_max: usize, hot_max: usize) -> Config {
        Config { known_max, hot_max, ..Config::default() }
    }
    fn setup(trial: &Trial) -> Setup<Config> {
        let Trial { choice, period, jitter, switch, .. } = trial.clone();
        let config = Config {
            push_rounds: switch,
            hold_rounds: u32::MAX,
            choice,
            period,
            jitter,
            ..Config::default()
        };
        Setup { config, ends: Ends::Never, at_once: false, in_flight: 1, heap_bytes: 64 + KNOWN_HEAP_BYTES }
    }
}

/// R for this number of nodes (Saidi and Mohtashemi 2012).
fn push_rounds_for(nodes: u64) -> u32 {
    libm::round(libm::log2(nodes.max(1) as f64)) as u32
}

impl Catalogued for PushThenPull {
    type Config = Config;
    const NAME: &'static str = "push-then-pull";
    const ABOUT: &'static str = "pushes first, pulls then";
    const PAPER: &'static str = "Saidi, Mohtashemi 2012";
    const COST: &'static str = "1.9 messages per update";

    fn start(config: &Arc<Config>, _: NodeId, life: Life) -> PushThenPull {
        PushThenPull::new(config.clone(), life)
    }

    fn on_graph(config: &Config, nodes: u64) -> Result<Config, String> {
        let push_rounds = config.push_rounds.or_else(|| Some(push_rounds_for(nodes)));
        Ok(Config { push_rounds, ..config.clone() })
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let known = (1..=5).map(|seq| UpdateId { seq, ..Update::sample().id }).collect();
        alloc::vec![
            ("update", Message::Update { update: Update::sample(), age: 12 }),
            ("ask", Message::Ask(known)),
            ("ask-all", Message::Ask(Vec::new())),
        ]
    }
}
