//! The median counter: everybody finds out by itself, and nearly at once, that everybody knows.
//!
//! **Problem.** Push-pull informs everybody in log3 n rounds, but with nobody to say when to stop it costs log n messages per node.
//!
//! **Idea.** Who knows an update counts how far it has spread, from what it hears of the counters of others: a counter goes up when
//! most of those talked to in a round had one at least as high. Above a maximum it is taken that nearly all know, and after as many
//! rounds more the node falls silent.
//!
//! **Paper.** Karp, Schindelhauer, Shenker, Vöcking 2000 (Randomized rumor spreading): O(ln n) rounds and O(n ln ln n) messages, and no
//! algorithm that does not look at addresses does better. Everybody calls one random peer in each round, and what either knows
//! goes both ways.
//!
//! | state | what it does | becomes |
//! | --- | --- | --- |
//! | A | does not know the update | B-1 by hearing it from B, C by hearing it from C |
//! | B-m | passes it on | B-(m+1) if more of this round's partners were in B-m', m' >= m, than in B-m'', m'' < m; C above the maximum, or by hearing it from C |
//! | C | passes it on | D after as many rounds as the maximum |
//! | D | is silent | |
//!
//! **Cost.** About 14.5 transmissions per node for 10^4 to 10^6 nodes, besides the calls: everybody calls once per period, for ever. The
//! constants are large: at these sizes rumor mongering with feedback sends less.
//!
//! **Ours.** The maximum is ⌈ln ln n⌉, and C lasts as long; the paper has O(ln ln n). Partners in A say nothing and are not counted. Who
//! is told the update and has it answers with its counter alone, which counts as a transmission. Rounds are bounded by the age that an
//! update carries ([`Config::age_rounds_max`]): without that a small cluster may take dozens of rounds to fall silent.

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
use rumormill_core::protocol::{self, Cx, Input, Lane, Protocol};
use rumormill_core::time::{Duration, Time};

/// On the wire and in the state, the counter of one in C.
const C: u8 = u8::MAX;

/// Settings.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// The highest counter in B, and the rounds in C; by default ⌈ln ln n⌉, n from the view.
    pub counter_max: Option<u8>,
    /// Age of an update, in rounds, at which everybody falls silent about it; by default 2 log2 n + 8.
    pub age_rounds_max: Option<u16>,
    /// Whom to call.
    pub choice: PeerSelection,
    /// A round.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Each is shorter by a random time below this.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub jitter: Duration,
    /// Updates passed on at a time; beyond it the one heard first is dropped.
    pub hot_max: usize,
    /// Bytes of payloads in one call or answer; one update always goes, the youngest first.
    pub contact_bytes_max: usize,
    /// Calls answered in a period.
    pub answers_max: u32,
    /// Ids remembered, so that an update is delivered once.
    pub known_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            counter_max: None,    // Karp et al. 2000
            age_rounds_max: None, // our guess: twice what push takes
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

impl Config {
    /// The highest counter, and the age at which all fall silent, for this number of nodes.
    fn bounds(&self, nodes: u64) -> (u8, u16) {
        let n = nodes.max(2) as f64;
        let counter_max = self.counter_max.unwrap_or_else(|| libm::ceil(libm::log(libm::log(n))) as u8);
        let age_max = self.age_rounds_max.unwrap_or_else(|| 2 * libm::ceil(libm::log2(n)) as u16 + 8);
        (counter_max.max(1), age_max)
    }
}

/// What travels.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Message {
    /// An update and how far it has spread.
    #[n(0)]
    Update {
        /// The update.
        #[n(0)]
        update: Update,
        /// The sender's counter; the greatest number in C.
        #[n(1)]
        counter: u8,
        /// Rounds since it was published.
        #[n(2)]
        age: u16,
    },
    /// The answer to one who has the update: only how far it has spread.
    #[n(1)]
    Counter {
        /// Which update.
        #[n(0)]
        id: UpdateId,
        /// As above.
        #[n(1)]
        counter: u8,
    },
    /// A call: what is there?
    #[n(2)]
    Call,
}

/// What it asks to be reminded of. At most one is in flight.
#[derive(Clone, Debug)]
pub enum Timer {
    /// A round begins.
    Round,
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("median-counter"), Lane::new("median-counter-talk")];
    fn lane(&self) -> usize {
        usize::from(!matches!(self, Message::Update { .. }))
    }
}

/// The state machine.
pub struct MedianCounter {
    config: Arc<Config>,
    intake: Intake,
    /// What is in B or C, the youngest last.
    hot: Vec<Hot>,
    answers: RateLimit,
    counters: Counters,
}

struct Hot {
    update: Update,
    heard: Time,
    brought: (NodeId, Time),
    counter: u8,
    rounds_in_c: u8,
    age: u16,
    /// This round's partners in B by whether their counter was at least as high, and whether there was one in C.
    as_high: u16,
    lower: u16,
    met_c: bool,
}

const _: () =
    assert!(size_of::<Message>() <= 64 && size_of::<MedianCounter>() <= 256 && size_of::<Hot>() <= 80);

impl Protocol for MedianCounter {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => self.on_start(cx),
            Input::Call(Call::Publish(payload)) => self.on_publish(cx, payload),
            Input::Message(from, Message::Update { update, counter, age }) => {
                self.on_update(cx, from, update, counter, age)
            }
            Input::Message(_, Message::Counter { id, counter }) => self.on_counter(id, counter),
            Input::Message(from, Message::Call) => self.on_call(cx, from),
            Input::Timer(Timer::Round) => self.on_round(cx),
            Input::Shed(_, message) => self.counters.shed(&message),
            Input::Lost(..) => self.counters.lost += 1,
            Input::Spare(..) | Input::Peer(_) => {}
        }
    }
}

impl MedianCounter {
    /// Knows nobody and nothing yet. Many nodes may share one `config`. `life` puts its numbers above those of earlier lives.
    pub fn new(config: impl Into<Arc<Config>>, life: Life) -> MedianCounter {
        MedianCounter {
            config: config.into(),
            intake: Intake::new(life),
            hot: Vec::new(),
            answers: RateLimit::default(),
            counters: Counters::default(),
        }
    }

    /// The first round of a node is shorter by a random part: the phase of its clock.
    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        let phase = cx.rng.within(self.config.period);
        cx.after(self.config.period - phase, Timer::Round);
    }

    fn on_publish(&mut self, cx: &mut Cx<'_, Self>, payload: Payload) {
        match self.intake.publish(cx.me, payload, self.config.known_max) {
            Some(update) => self.hear(cx, cx.me, update, 1, 0),
            None => self.counters.rejected += 1,
        }
    }

    fn on_update(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, update: Update, counter: u8, age: u16) {
        let id = update.id;
        match self.intake.take(&update, self.config.known_max) {
            Taken::TooLarge => self.counters.rejected += 1,
            Taken::New => self.hear(cx, from, update, if counter == C { C } else { 1 }, age),
            Taken::Known => {
                self.counters.useless += 1;
                if let Some(hot) = self.hot.iter_mut().find(|hot| hot.update.id == id) {
                    hot.brought = (from, cx.now);
                    hot.meet(counter, hot.heard == cx.now);
                }
            }
        }
    }

    fn on_counter(&mut self, id: UpdateId, counter: u8) {
        if let Some(hot) = self.hot.iter_mut().find(|hot| hot.update.id == id) {
            hot.meet(counter, false);
        }
    }

    /// Answers with all there is; of what has only just come, nothing: at the beginning of this round it was not here.
    fn on_call(&mut self, cx: &mut Cx<'_, Self>, from: NodeId) {
        if self.answers.take(cx.now, self.config.period, self.config.answers_max) {
            self.tell(cx, from);
        } else {
            self.counters.asks_unanswered += 1;
        }
    }

    fn on_round(&mut self, cx: &mut Cx<'_, Self>) {
        if !self.hot.is_empty() {
            self.step(cx);
        }
        if let Some(peer) = self.config.choice.pick(cx.peers, cx.me, cx.rng) {
            self.tell(cx, peer);
            self.counters.asks_sent += 1;
            cx.send(peer, Message::Call);
        }
        let jitter = cx.rng.within(self.config.jitter);
        cx.after(self.config.period.saturating_sub(jitter), Timer::Round);
    }

    /// What the partners of the last round make of each update.
    fn step(&mut self, cx: &mut Cx<'_, Self>) {
        let (counter_max, age_max) = self.config.bounds(cx.peers.nodes());
        self.hot.retain_mut(|hot| {
            let keep = hot.step(counter_max, age_max);
            if !keep {
                cx.emit(Event::Removed(hot.update.id));
            }
            keep
        });
        if self.hot.is_empty() {
            self.hot = Vec::new(); // so that a cluster at rest keeps no room for what is over
        }
    }

    /// An update is new here.
    fn hear(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, update: Update, counter: u8, age: u16) {
        cx.emit(Event::Delivered { update: update.clone(), from });
        if self.hot.len() >= self.config.hot_max.max(1) {
            let dropped = self.hot.remove(0);
            self.counters.overflowed += 1;
            cx.emit(Event::Removed(dropped.update.id));
        }
        if self.hot.is_empty() {
            self.hot.reserve_exact(1); // a million nodes with one update
        }
        self.hot.push(Hot {
            update,
            heard: cx.now,
            brought: (from, cx.now),
            counter,
            rounds_in_c: 0,
            age,
            as_high: 0,
            lower: 0,
            met_c: false,
        });
    }

    /// Tells `peer` what is in B or C, the youngest first; of what it has just brought only the counter.
    fn tell(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId) {
        let (now, mut bytes) = (cx.now, 0);
        for hot in self.hot.iter().rev().filter(|hot| hot.heard != now) {
            if hot.brought == (peer, now) {
                self.counters.updates_spared += 1;
                cx.send(peer, Message::Counter { id: hot.update.id, counter: hot.counter });
                continue;
            }
            if bytes > 0 && bytes + hot.update.payload.len() > self.config.contact_bytes_max {
                continue;
            }
            bytes += hot.update.payload.len();
            self.counters.updates_sent += 1;
            let update = hot.update.clone();
            cx.send(peer, Message::Update { update, counter: hot.counter, age: hot.age });
        }
    }
}

impl Spreader for MedianCounter {
    fn counters(&self) -> Counters {
        self.counters
    }
    fn known_len(&self) -> usize {
        self.intake.known_len()
    }
    fn hot_len(&self) -> usize {
        self.hot.len()
    }
    const REACH: Reach = Reach { whole: 1.0, lossy: 1.0 };
    fn bounded(known_max: usize, hot_max: usize) -> Config {
        Config { known_max, hot_max, ..Config::default() }
    }
    fn setup(trial: &Trial) -> Setup<Config> {
        let Trial { choice, period, jitter, .. } = trial.clone();
        let config = Config { choice, period, jitter, ..Config::default() };
        Setup { config, ends: Ends::Rest, at_once: false, in_flight: 2, heap_bytes: 96 + KNOWN_HEAP_BYTES }
    }
}

impl Hot {
    /// A partner of this round has it too, with this counter.
    fn meet(&mut self, counter: u8, only_just_heard: bool) {
        if only_just_heard {
            // In A when the round began: of all who told it one in C is enough.
            if counter == C {
                self.counter = C;
            }
        } else if counter == C {
            self.met_c = true;
        } else if counter >= self.counter {
            self.as_high = self.as_high.saturating_add(1);
        } else {
            self.lower = self.lower.saturating_add(1);
        }
    }

    /// Between two rounds. Whether there is something to say in the next.
    fn step(&mut self, counter_max: u8, age_max: u16) -> bool {
        self.age = self.age.saturating_add(1);
        if self.met_c {
            self.counter = C;
        } else if self.counter != C && self.as_high > self.lower {
            self.counter = if self.counter >= counter_max { C } else { self.counter + 1 };
        }
        (self.as_high, self.lower, self.met_c) = (0, 0, false);
        let keep = self.rounds_in_c < counter_max && self.age <= age_max;
        self.rounds_in_c = self.rounds_in_c.saturating_add(u8::from(self.counter == C));
        keep
    }
}

impl Catalogued for MedianCounter {
    type Config = Config;
    const NAME: &'static str = "median-counter";
    const ABOUT: &'static str = "the median-counter algorithm";
    const PAPER: &'static str = "Karp 2000";
    const COST: &'static str = "14.5 messages per update and one call per period";

    fn start(config: &Arc<Config>, _: NodeId, life: Life) -> MedianCounter {
        MedianCounter::new(config.clone(), life)
    }

    fn on_graph(config: &Config, nodes: u64) -> Result<Config, String> {
        let (counter_max, age_max) = config.bounds(nodes);
        Ok(Config { counter_max: Some(counter_max), age_rounds_max: Some(age_max), ..config.clone() })
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let update = Update::sample();
        alloc::vec![
            ("update", Message::Update { update: update.clone(), counter: 2, age: 300 }),
            ("counter", Message::Counter { id: update.id, counter: C }),
            ("call", Message::Call),
        ]
    }
}
