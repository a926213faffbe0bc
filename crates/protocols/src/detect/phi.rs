//! Phi accrual: how unlikely it is that a peer is still alive, as a number that grows while the peer is silent.
//!
//! **Problem.** A timeout that suits one link is too short for another, and whoever uses a detector wants to weigh a mistake against a delay.
//!
//! **Idea.** Each node sends heartbeats and keeps a window of the gaps between those of a peer. phi = -log10 P(gap > silence): at phi = 1 one
//! silence in ten of this length ends with a heartbeat, at phi = 8 one in 10^8. The application reads the level, or is told when it passes a threshold.
//!
//! **Papers.** Hayashibara, Défago, Yared, Katayama 2004 (The φ accrual failure detector). The normal law by its logistic approximation, the pause and the
//! first estimate are Pekko's; the exponential law is Cassandra's.
//!
//! | law | phi of a silence t | good for |
//! | --- | --- | --- |
//! | [`Law::Normal`] | ln(1 + e^z) / ln 10 with z = y(1.5976 + 0.070566 y²), y = (t - mean - pause) / deviation | links that seldom lose; without a pause each lost heartbeat is a mistake |
//! | [`Law::Exponential`] | t / mean / ln 10 | links that lose; at loss p a mistake per heartbeat has the chance p^⌊phi ln 10 / (1 - p)⌋ |
//!
//! **Cost.** One heartbeat of a dozen bytes to each of [`Config::watchers`] peers in a period. State: [`Config::window`] gaps of four bytes for
//! each of as many watched peers. Where other protocols bring the signs of life ([`Config::of_signs`]) nothing is sent, and all peers that were heard are
//! watched: at most half a KiB for each peer in the view.
//!
//! **Ours.** Who watches whom: in the ring of ids each node is watched by the next ones, as in Pekko's cluster, so that nothing has to be agreed beyond the view.
//! Heartbeats are numbered within a life, so that one which comes twice or late is no arrival, and a new life begins a new window. A peer that is never heard is
//! suspected as if its first heartbeat had come one pause after it was watched. After a stall of this node (a period that ended late) its peers are given the lost
//! time: they may have sent all the while.

use crate::catalog::Catalogued;
use crate::detect::{Call, Detector, Event, Sign};
use crate::kit::arrivals::Arrivals;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::f64::consts::LN_10;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::counters;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::observe::{Figure, Moment, Observe};
use rumormill_core::protocol::{self, Change, Cx, Input, Lane, Protocol};
use rumormill_core::time::{Duration, Time};

/// The greatest level: the law has no end, but a number in a file has.
pub const LEVEL_MAX: f64 = 1_000.0;
/// Logistic approximation of the normal law (Pekko).
const LOGISTIC: (f64, f64) = (1.5976, 0.070566);
/// The first heartbeat counts as two gaps: the period, less and more one in so many of it (Pekko).
const FIRST_PART: u32 = 4;
/// Gaps kept of a peer whose signs of life other protocols bring: 256 bytes (our guess: five minutes of signs that come every 5 s).
const SIGNS_WINDOW: usize = 64;

/// How gaps are taken to be distributed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Law {
    /// Around their mean.
    Normal,
    /// Without memory.
    Exponential,
}

/// Settings.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Time between two heartbeats.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Peers that watch a node: those that follow it in the ring of ids. 0: no heartbeats are sent, and each peer in the view is watched from its first
    /// [`Call::Heard`] on.
    pub watchers: usize,
    /// Gaps kept of each watched peer; beyond it the oldest is dropped.
    pub window: usize,
    /// How gaps are taken to be distributed.
    pub law: Law,
    /// A peer is suspected at this level.
    pub threshold: f64,
    /// Silence that is always forgiven: it is added to the mean. Of the normal law alone.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub pause: Duration,
    /// The least standard deviation, so that a very even link is not suspected for a small delay.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub deviation_min: Duration,
    /// A period of this node that ends later than this was a stall.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub stall_min: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            period: Duration::from_secs(1), // Pekko, heartbeat-interval
            watchers: 9,                    // Pekko, monitored-by-nr-of-members
            window: 1_000,                  // Pekko and Cassandra
            law: Law::Normal,
            threshold: 8.0,                            // Pekko and Cassandra
            pause: Duration::from_secs(3),             // Pekko, acceptable-heartbeat-pause
            deviation_min: Duration::from_millis(100), // Pekko, min-std-deviation
            stall_min: Duration::from_millis(500), // our guess: Cassandra forgives 5 s, which the threshold here does not wait for
        }
    }
}

impl Config {
    /// For signs of life that another protocol brings, one from each peer in such a time.
    pub fn of_signs(period: Duration) -> Config {
        Config { watchers: 0, window: SIGNS_WINDOW, ..Config::default().paced(period) }
    }

    /// The same with this period. All other times are in proportion to it.
    fn paced(&self, period: Duration) -> Config {
        Config {
            period,
            pause: 3 * period,
            deviation_min: period / 10,
            stall_min: period / 2,
            ..self.clone()
        }
    }

    /// Whether other protocols bring the signs of life.
    fn is_of_signs(&self) -> bool {
        self.watchers == 0
    }
}

/// What travels: I am alive.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub struct Message {
    /// The sender's life.
    #[n(0)]
    pub epoch: u64,
    /// Greater than those of all its earlier heartbeats in this life.
    #[n(1)]
    pub number: u64,
}

/// What it asks to be reminded of: one at a time.
#[derive(Clone, Debug)]
pub enum Timer {
    /// The next period.
    Period,
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::weighted("phi", 4)]; // a detector sends little, and must not wait
}

counters! {
    /// What it counts. All only go up.
    pub struct Counters {
        /// Heartbeats sent.
        sent,
        /// Heartbeats and other signs of life of watched peers.
        heard,
        /// Heartbeats and other signs that came twice, late, or from an earlier life.
        stale,
        /// Heartbeats and other signs of peers that are not watched.
        unwatched,
        /// Times a peer's level reached the threshold.
        suspicions,
        /// Stalls of this node, which count as no peer's silence.
        stalls,
        /// Heartbeats that the budget did not let out.
        shed,
    }
}

/// The state machine.
pub struct Phi {
    config: Arc<Config>,
    epoch: u64,
    number: u64,
    /// When the next period begins.
    due: Time,
    /// The view has changed since the ring was read.
    is_stale: bool,
    watchers: Vec<NodeId>,
    watched: BTreeMap<NodeId, Watched>,
    counters: Counters,
}

/// A peer as this node hears it.
#[derive(Clone, Debug)]
struct Watched {
    /// Life and number of its newest sign of life; none before the first.
    newest: Option<(u64, u64)>,
    /// When that came.
    last: Time,
    arrivals: Arrivals,
    is_suspected: bool,
}

const _: () = assert!(size_of::<Message>() <= 64 && size_of::<Phi>() <= 256);
// Half a KiB for each peer: the tree's leaves may be half empty.
const _: () = assert!(4 * SIGNS_WINDOW + 2 * size_of::<(NodeId, Watched)>() <= 512);

impl Protocol for Phi {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => self.on_start(cx),
            Input::Peer(change) => self.on_peer(cx, change),
            Input::Call(Call::Peer(change)) => cx.publish(change),
            Input::Call(Call::Heard(sign)) => self.on_sign(cx, sign),
            Input::Message(from, message) => self.on_heartbeat(cx, from, message),
            Input::Timer(Timer::Period) => self.on_period(cx),
            Input::Shed(..) => self.counters.shed += 1,
            Input::Spare(..) | Input::Lost(..) => {}
        }
    }
}

impl Phi {
    /// Knows nobody yet. Many nodes may share one `config`. `life` tells its heartbeats from those of earlier lives.
    ///
    /// # Panics
    /// If the period is 0.
    pub fn new(config: impl Into<Arc<Config>>, life: Life) -> Phi {
        let config = config.into();
        assert!(!config.period.is_zero(), "a period takes time");
        Phi {
            config,
            epoch: life.epoch,
            number: 0,
            due: Time::NEVER,
            is_stale: false,
            watchers: Vec::new(),
            watched: BTreeMap::new(),
            counters: Counters::default(),
        }
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The first period of a node that sends heartbeats is shorter by a random part: the phase of its clock.
    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        let period = self.config.period;
        let phase = if self.config.is_of_signs() { Duration::ZERO } else { cx.rng.within(period) };
        self.arm(cx, period - phase);
    }

    /// A peer that goes down has no level any more. If it comes back, its window begins anew.
    fn on_peer(&mut self, cx: &mut Cx<'_, Self>, change: Change) {
        match change {
            Change::Down(peer) => drop(self.watched.remove(&peer)),
            Change::All if self.config.is_of_signs() => self.watched.retain(|id, _| cx.peers.contains(*id)),
            Change::Up(_) | Change::All => {}
        }
        self.is_stale = true;
    }

    fn arm(&mut self, cx: &mut Cx<'_, Self>, wait: Duration) {
        self.due = cx.now + wait;
        cx.after(wait, Timer::Period);
    }

    /// Signs from other protocols leave heartbeats without a meaning: they would spoil the gaps.
    fn on_heartbeat(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, message: Message) {
        self.read_ring(cx);
        if self.config.is_of_signs() {
            self.counters.unwatched += 1;
        } else {
            self.hear(cx, from, message.epoch, message.number);
        }
    }

    /// The first sign of a peer begins to watch it. The period follows that of the signs, which may depend on the size of the cluster.
    fn on_sign(&mut self, cx: &mut Cx<'_, Self>, sign: Sign) {
        if !self.config.is_of_signs() || !cx.peers.contains(sign.peer) {
            self.counters.unwatched += 1;
            return;
        }
        if self.config.period != sign.period {
            self.config = Arc::new(self.config.paced(sign.period));
        }
        self.watched.entry(sign.peer).or_insert_with(|| Watched::new(&self.config, cx.now));
        self.hear(cx, sign.peer, sign.epoch, sign.number);
    }

    fn hear(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, epoch: u64, number: u64) {
        self.forgive_stall(cx.now);
        let Some(peer) = self.watched.get_mut(&from) else {
            self.counters.unwatched += 1;
            return;
        };
        let newest = Some((epoch, number));
        if newest <= peer.newest {
            self.counters.stale += 1;
            return;
        }
        self.counters.heard += 1;
        let is_first = peer.newest.is_none_or(|(before, _)| before < epoch);
        if is_first {
            peer.arrivals = first_gaps(&self.config);
        } else if !peer.is_suspected {
            // The gap that ends a suspicion is no example of a gap.
            peer.arrivals.add(cx.now.since(peer.last), self.config.window);
        }
        (peer.newest, peer.last) = (newest, cx.now);
        if core::mem::take(&mut peer.is_suspected) {
            cx.emit(Event::Trusted(from));
        }
    }

    fn on_period(&mut self, cx: &mut Cx<'_, Self>) {
        self.read_ring(cx);
        self.forgive_stall(cx.now);
        self.arm(cx, self.config.period);
        self.number += 1;
        for watcher in &self.watchers {
            self.counters.sent += 1;
            cx.send(*watcher, Message { epoch: self.epoch, number: self.number });
        }
        for (id, peer) in self.watched.iter_mut().filter(|(_, peer)| !peer.is_suspected) {
            let level = peer.level(&self.config, cx.now);
            if level >= self.config.threshold {
                peer.is_suspected = true;
                self.counters.suspicions += 1;
                cx.emit(Event::Suspected { peer: *id, level });
            }
        }
    }

    /// After a stall of this node its peers get the lost time: they may have sent all the while.
    fn forgive_stall(&mut self, now: Time) {
        let late = now.since(self.due);
        if late > self.config.stall_min {
            self.counters.stalls += 1;
            self.due = now;
            self.watched.values_mut().for_each(|peer| peer.last = (peer.last + late).min(now));
        }
    }

    /// Finds this node's place in the ring of ids: the next ones watch it, and it watches those before it.
    fn read_ring(&mut self, cx: &mut Cx<'_, Self>) {
        if !core::mem::take(&mut self.is_stale) || self.config.is_of_signs() {
            return;
        }
        let (all, place) = (cx.peers.len(), cx.peers.below(cx.me));
        let at = |step: usize| cx.peers.get((place + step) % all).filter(|id| *id != cx.me);
        self.watchers = (0..all).filter_map(at).take(self.config.watchers).collect();
        let before: Vec<NodeId> =
            (1..=all).filter_map(|step| at(all - step)).take(self.config.watchers).collect();
        self.watched.retain(|id, _| before.contains(id));
        for id in before {
            self.watched.entry(id).or_insert_with(|| Watched::new(&self.config, cx.now));
        }
    }
}

impl Watched {
    /// As if its first heartbeat came after a pause.
    fn new(config: &Config, now: Time) -> Watched {
        Watched { newest: None, last: now + config.pause, arrivals: first_gaps(config), is_suspected: false }
    }

    fn level(&self, config: &Config, now: Time) -> f64 {
        let silence = now.since(self.last).as_secs_f64();
        match config.law {
            Law::Exponential => exponential(silence, self.arrivals.mean_s()),
            Law::Normal => {
                let mean = self.arrivals.mean_s() + config.pause.as_secs_f64();
                normal(silence, mean, self.arrivals.deviation_s().max(config.deviation_min.as_secs_f64()))
            }
        }
    }
}

/// -log10 of the chance that a gap is longer than `t`, by the logistic approximation: ln(1 + e^z) / ln 10, which neither under- nor overflows.
fn normal(t: f64, mean: f64, deviation: f64) -> f64 {
    let y = (t - mean) / deviation.max(f64::MIN_POSITIVE);
    let z = y * (LOGISTIC.0 + LOGISTIC.1 * y * y);
    let log = if z > 0.0 { z + libm::log1p(libm::exp(-z)) } else { libm::log1p(libm::exp(z)) };
    (log / LN_10).min(LEVEL_MAX)
}

/// -log10 of the chance that a gap is longer than `t`, if gaps have no memory.
fn exponential(t: f64, mean: f64) -> f64 {
    (t / mean.max(f64::MIN_POSITIVE) / LN_10).min(LEVEL_MAX)
}

/// What is assumed at the first heartbeat.
fn first_gaps(config: &Config) -> Arrivals {
    let part = config.period / FIRST_PART;
    let mut arrivals = Arrivals::default();
    arrivals.add(config.period - part, config.window);
    arrivals.add(config.period + part, config.window);
    arrivals
}

impl Observe for Phi {
    fn figures(&self, _: &Moment, each: &mut dyn FnMut(Figure<'_>)) {
        for (name, help, value) in self.counters.each() {
            each(Figure::count(&format!("phi_{name}"), help, value));
        }
    }
}

impl Detector for Phi {
    fn level(&self, peer: NodeId, now: Time) -> Option<f64> {
        self.watched.get(&peer).map(|peer| peer.level(&self.config, now))
    }
    fn suspects(&self, peer: NodeId) -> bool {
        self.watched.get(&peer).is_some_and(|peer| peer.is_suspected)
    }
    fn watched(&self) -> Vec<NodeId> {
        self.watched.keys().copied().collect()
    }
    fn samples_len(&self) -> usize {
        self.watched.values().map(|peer| peer.arrivals.len()).sum()
    }
    fn samples_max(config: &Config) -> usize {
        config.watchers * config.window.max(2)
    }
    fn paced(period: Duration) -> Config {
        Config::default().paced(period)
    }
    /// The silence at which the level is reached, with the deviation of the first estimate, and the period in which it is found.
    fn noticed_within(config: &Config) -> Duration {
        let silence = match config.law {
            Law::Exponential => config.period.mul_f64(config.threshold * LN_10 * 1.25),
            Law::Normal => {
                // z grows faster than 1.5976 y, so y is less than ln 10 / 1.5976 times the threshold.
                let deviation = (config.period / FIRST_PART).max(config.deviation_min);
                config.period + config.pause + deviation.mul_f64(config.threshold * LN_10 / LOGISTIC.0)
            }
        };
        silence + 2 * config.period
    }
}

impl Catalogued for Phi {
    type Config = Config;
    const NAME: &'static str = "phi";
    const ABOUT: &'static str = "phi accrual: a level of suspicion that grows with the silence of a peer";
    const PAPER: &'static str = "Hayashibara, Défago, Yared, Katayama 2004";
    const COST: &'static str = "a heartbeat to each of nine peers";

    fn start(config: &Arc<Config>, _: NodeId, life: Life) -> Phi {
        Phi::new(config.clone(), life)
    }

    fn check(config: &Config) -> Result<(), String> {
        if config.period.is_zero() {
            return Err("period is 0: give a time, like 1s".into());
        }
        if config.threshold > 0.0 {
            Ok(())
        } else {
            Err(format!("threshold is {}: give a level above 0", config.threshold))
        }
    }

    /// All neighbours watch each other: in a graph each node has another list of peers, and no place in one ring of all.
    fn on_graph(config: &Config, nodes: u64) -> Result<Config, String> {
        let watchers = if config.is_of_signs() { 0 } else { nodes as usize };
        Ok(Config { watchers, ..config.clone() })
    }

    fn samples() -> Vec<(&'static str, Message)> {
        alloc::vec![
            ("heartbeat", Message { epoch: 3, number: 70_000 }),
            ("heartbeat-greatest", Message { epoch: u64::MAX, number: u64::MAX }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::peers::Peers;
    use rumormill_core::rng::Rng;

    #[test]
    fn the_normal_law_gives_the_golden_levels() {
        for (t, golden) in
            [(0.0, 0.0), (0.5, 0.0), (1.0, 0.3), (1.2, 1.6), (1.4, 4.7), (1.6, 10.8), (1.7, 15.3)]
        {
            let level = normal(t, 1.0, 0.1);
            assert!((level - golden).abs() <= 0.1, "{t} s: {level}, golden {golden}");
        }
        assert!((normal(10.0, 0.0, 1.0) - 38.0).abs() <= 1.0);
        assert_eq!(normal(-25.0, 0.0, 1.0), 0.0);
        for (y, golden) in [
            (0.0, core::f64::consts::LOG10_2),
            (0.5, 0.5109),
            (1.0, 0.7995),
            (2.0, 1.6428),
            (3.0, 2.9095),
            (4.0, 4.7367),
            (5.0, 7.2999),
            (6.0, 10.783),
            (7.0, 15.369),
            (8.0, 21.242),
            (10.0, 37.585),
        ] {
            let level = normal(y, 0.0, 1.0);
            assert!((level - golden).abs() <= 0.001, "{y}: {level}, golden {golden}");
        }
        assert_eq!(normal(1e9, 0.0, 1.0), LEVEL_MAX, "what grows for ever is cut off");
    }

    #[test]
    fn the_normal_law_is_the_golden_distribution() {
        let golden = [
            (6.0, 0.0, 10.0, 0.7257),
            (15.0, 0.0, 10.0, 0.9332),
            (20.0, 0.0, 10.0, 0.97725),
            (25.0, 0.0, 10.0, 0.99379),
            (35.0, 0.0, 10.0, 0.99977),
            (40.0, 0.0, 10.0, 0.99997),
            (22.0, 20.0, 3.0, 0.7475),
        ];
        for (t, mean, deviation, golden) in golden {
            let share = 1.0 - libm::pow(10.0, -normal(t, mean, deviation));
            assert!((share - golden).abs() <= 0.001, "{t}: {share}, golden {golden}");
        }
    }

    #[test]
    fn both_laws_reach_each_level_at_the_golden_silence() {
        let normal_y = [1.2822, 2.3227, 3.0589, 4.1192, 5.2260, 5.7990, 6.2921, 7.1197];
        let gaps = [2.303, 4.605, 6.908, 11.513, 18.421, 23.026, 27.631, 36.841];
        for ((level, y), t) in [1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 12.0, 16.0].into_iter().zip(normal_y).zip(gaps)
        {
            assert!((normal(y, 0.0, 1.0) - level).abs() < 0.002, "normal, {level}");
            assert!((exponential(t, 1.0) - level).abs() < 0.001, "exponential, {level}");
        }
    }

    /// The silence, in seconds, at which a peer with this window is suspected.
    fn timeout(config: &Config, peer: &Watched) -> f64 {
        let mut at = peer.last;
        while peer.level(config, at) < config.threshold {
            at = at + Duration::from_millis(1);
        }
        at.since(peer.last).as_secs_f64()
    }

    /// Hands an input to a node whose only peer is 2, and returns how many events it told.
    fn handle(node: &mut Phi, now: Time, input: Input<Phi>) -> usize {
        let mut told = 0;
        let mut out = |output| told += usize::from(matches!(output, rumormill_core::Output::Event(_)));
        let (wall, me, mut rng) = (rumormill_core::Wall(0), NodeId(1), Rng::seeded(3));
        let peers = &Peers::listed([NodeId(2)]);
        node.handle(&mut Cx { now, wall, me, peers, rng: &mut rng, room: 9_999, out: &mut out }, input);
        told
    }

    #[test]
    fn after_a_stall_of_its_own_a_node_suspects_nobody() {
        let (peer, life) = (NodeId(2), Life::default());
        let mut node = Phi::new(Config::default(), life);
        let mut now = Time::ZERO;
        handle(&mut node, now, Input::Start);
        handle(&mut node, now, Input::Peer(Change::Up(peer)));
        for number in 1..=100 {
            now = now + Duration::from_secs(1);
            handle(&mut node, now, Input::Message(peer, Message { epoch: 0, number }));
            handle(&mut node, now, Input::Timer(Timer::Period));
        }
        let stalls = node.counters().stalls;
        now = now + Duration::from_secs(60);
        assert_eq!(
            handle(&mut node, now, Input::Timer(Timer::Period)),
            0,
            "60 s in which this node did not run"
        );
        assert_eq!(node.counters().stalls, stalls + 1);
        for _ in 0..10 {
            now = now + Duration::from_secs(1);
            handle(&mut node, now, Input::Timer(Timer::Period));
        }
        assert!(node.suspects(peer), "but then the peer is silent: {:?}", node.level(peer, now));
    }

    /// How often signs of life come.
    const EVERY: Duration = Duration::from_secs(5);

    fn sign(peer: NodeId, epoch: u64, number: u64) -> Input<Phi> {
        Input::Call(Call::Heard(Sign { peer, epoch, number, period: EVERY }))
    }

    /// A node that has heard so many signs of one peer, the last one now.
    fn of_signs(peer: NodeId, signs: u64) -> (Phi, Time) {
        let (mut node, mut now) = (Phi::new(Config::of_signs(EVERY), Life::default()), Time::ZERO);
        handle(&mut node, now, Input::Start);
        handle(&mut node, now, Input::Peer(Change::Up(peer)));
        assert_eq!(node.level(peer, now), None, "it was not heard yet");
        for number in 1..=signs {
            now = now + EVERY;
            assert_eq!(handle(&mut node, now, sign(peer, 1, number)), 0);
            assert_eq!(handle(&mut node, now, Input::Timer(Timer::Period)), 0);
        }
        (node, now)
    }

    #[test]
    fn a_peer_has_a_level_from_its_first_sign_until_it_is_down() {
        let (peer, stranger) = (NodeId(2), NodeId(3));
        let (mut node, now) = of_signs(peer, 100);
        handle(&mut node, now, sign(stranger, 1, 1));
        handle(&mut node, now, Input::Message(peer, Message { epoch: 9, number: 9 }));
        assert_eq!(node.counters().unwatched, 2, "a stranger, and a heartbeat where signs are heard");
        assert_eq!((node.watched(), node.samples_len()), (alloc::vec![peer], SIGNS_WINDOW));
        let level = |after: u32| node.level(peer, now + EVERY * after).unwrap();
        assert!(level(1) < 0.01 && level(5) > node.config.threshold, "{} {}", level(1), level(5));
        handle(&mut node, now, Input::Peer(Change::Down(peer)));
        assert_eq!(node.level(peer, now), None);
        handle(&mut node, now, Input::Peer(Change::Up(peer)));
        assert_eq!((node.level(peer, now), node.samples_len()), (None, 0));
    }

    #[test]
    fn a_new_life_begins_a_new_window_and_an_old_sign_changes_nothing() {
        let peer = NodeId(2);
        let (mut node, now) = of_signs(peer, 20);
        let before = node.samples_len();
        handle(&mut node, now + EVERY, sign(peer, 1, 20));
        assert_eq!((node.samples_len(), node.counters().stale), (before, 1));
        handle(&mut node, now + EVERY, sign(peer, 2, 1));
        assert_eq!(node.samples_len(), first_gaps(&node.config).len());
    }

    #[test]
    fn where_signs_become_rarer_more_silence_is_forgiven() {
        let peer = NodeId(2);
        let (mut node, now) = of_signs(peer, 20);
        let silent = now + EVERY * 6;
        assert!(node.level(peer, silent).unwrap() > node.config.threshold);
        let rarer = Sign { peer, epoch: 1, number: 21, period: EVERY * 10 };
        handle(&mut node, now, Input::Call(Call::Heard(rarer)));
        assert!(node.level(peer, silent).unwrap() < 0.01, "{:?}", node.level(peer, silent));
        assert_eq!((node.config.watchers, node.config.window), (0, SIGNS_WINDOW));
    }

    #[test]
    fn with_the_defaults_a_peer_is_convicted_at_the_golden_time() {
        let config = Config::default();
        let mut peer = Watched::new(&config, Time::ZERO);
        let first = timeout(&config, &peer);
        assert!((first - 5.31).abs() < 0.01, "right after the first heartbeat: {first}");
        (0..1_000).for_each(|_| peer.arrivals.add(config.period, config.window));
        let even = timeout(&config, &peer);
        assert!((even - 4.52).abs() < 0.01, "an even link: {even}");
    }

    /// Heartbeats until a window is full.
    const WARM_UP: u32 = 1_500;

    /// Mistakes per heartbeat that is heard, over a link that loses a part of them independently.
    fn mistakes(config: &Config, loss: f64, heartbeats: u32) -> f64 {
        let (mut rng, mut mistakes, mut heard) = (Rng::seeded(7), 0u32, 0u32);
        let mut peer = Watched::new(config, Time::ZERO);
        (peer.arrivals, peer.last) = (Arrivals::default(), Time::ZERO);
        let mut suspected = false;
        for n in 1..=heartbeats {
            // What is seen right before a heartbeat is due, with a small jitter.
            let now = Time::ZERO + config.period * n + Duration::from_micros(rng.below(1_000) as u64);
            if !rng.chance(loss) {
                peer.arrivals.add(now.since(peer.last), config.window);
                (peer.last, suspected) = (now, false);
                heard += u32::from(n > WARM_UP);
            }
            let soon = now + config.period.mul_f64(0.99);
            if n > WARM_UP && !suspected && peer.level(config, soon) >= config.threshold {
                (mistakes, suspected) = (mistakes + 1, true);
            }
        }
        f64::from(mistakes) / f64::from(heard)
    }

    /// Loss p and level phi: p^⌊phi ln 10 / (1 - p)⌋ mistakes per heartbeat.
    #[test]
    fn under_loss_the_exponential_law_errs_as_often_as_the_closed_form_says() {
        for (loss, threshold, golden) in
            [(0.05, 1.0, 0.0024), (0.2, 1.0, 0.04), (0.3, 1.0, 0.027), (0.3, 2.0, 7.7e-4)]
        {
            let config = Config { law: Law::Exponential, threshold, ..Config::default() };
            let rate = mistakes(&config, loss, 400_000);
            assert!(
                (rate / golden - 1.0).abs() < 0.3,
                "loss {loss}, phi {threshold}: {rate}, golden {golden}"
            );
        }
    }

    #[test]
    fn under_loss_the_normal_law_needs_its_pause() {
        let config = Config { pause: Duration::ZERO, ..Config::default() };
        let rate = mistakes(&config, 0.01, 100_000);
        assert!((rate / 0.01 - 1.0).abs() < 0.2, "each lost heartbeat is a mistake: {rate}");
        assert_eq!(mistakes(&Config::default(), 0.01, 100_000), 0.0);
    }
}
