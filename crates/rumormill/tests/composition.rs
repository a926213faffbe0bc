//! SWIM, averaging and vitals in one node, each at its own rate: the composition of MiCA (Princehouse 2014).
//!
//! MiCA calls a protocol's number of exchanges a second its rate, and the distribution of its peers its view. A composite keeps both for each of its
//! protocols. Where views coincide, what two protocols send to one peer takes one datagram.

use rumormill::core::composite::{Route, Wires, Wiring};
use rumormill::core::identity::{Life, Unsigned};
use rumormill::core::payload::Payload;
use rumormill::core::peers::Peers;
use rumormill::core::wire;
use rumormill::protocols::agree::lww::{self, Lww};
use rumormill::protocols::sum::averaging::{self, Averaging};
use rumormill::protocols::sum::{self, Aggregator};
use rumormill::swim::{self, Me};
use rumormill::{Cx, Input, NodeId, Swim, Time};
use rumormill_sim::{Counters, Latency, Sim, World};
use std::collections::BTreeMap;
use std::time::Duration;

rumormill::core::composite! {
    /// Three protocols, each of which may be off.
    pub struct Node {
        /// Membership.
        0 swim Swim: Option<Swim<Unsigned>>,
        /// The average of the members' loads.
        1 load Load: Option<Averaging>,
        /// Each member's newest reading.
        2 readings Readings: Option<Lww>,
    }
    with {
        /// Whether averaging follows SWIM's view: it has no peer but the one that SWIM sends to.
        follows: bool,
        /// An exchange of averaging that waits for such a peer.
        is_due: bool,
        seen: Seen,
    }
}

/// What a node has received since the cluster formed.
#[derive(Default)]
struct Seen {
    /// Pings, questions of averaging, and messages with vitals, by sender: one map for each of [`Node`]'s protocols.
    draws: [BTreeMap<NodeId, u64>; 3],
    messages: u64,
    vitals_bytes: u64,
    /// When each peer was heard last, and how often at another time than before.
    heard: BTreeMap<NodeId, Time>,
    instants: u64,
}

/// By then all nodes know each other, and rates are steady.
const WARM_UP: Time = Time(30_000_000_000);
/// Room that the wiring keeps for a question of averaging.
const QUESTION_BYTES_MAX: usize = 64;

impl Seen {
    fn note(&mut self, now: Time, from: NodeId, message: &Message) {
        if now <= WARM_UP {
            return;
        }
        self.messages += 1;
        self.instants += u64::from(self.heard.insert(from, now) != Some(now));
        let drawn = match message {
            Message::Swim(swim::Message::Ping { .. }) => 0,
            Message::Load(averaging::Message::Ask { .. }) => 1,
            Message::Readings(vitals) => {
                self.vitals_bytes += wire::len(vitals) as u64;
                2
            }
            _ => return,
        };
        *self.draws[drawn].entry(from).or_default() += 1;
    }
}

impl Wiring for Node {
    fn route(&mut self, cx: &mut Cx<'_, Self>, route: Route<Self>) {
        match &route {
            Route::Input(Input::Message(from, message)) => self.seen.note(cx.now, *from, message),
            Route::Input(Input::Timer(Timer::Load(averaging::Timer::Cycle))) if self.follows => {
                self.is_due = true;
                return;
            }
            Route::Event(Event::Swim(event)) => {
                if let Some(change) = event.change() {
                    cx.publish(change);
                }
            }
            _ => {}
        }
        self.pass(cx, route);
    }

    fn spare(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, bytes: usize) {
        if std::mem::take(&mut self.is_due) {
            let only = Peers::listed([peer]);
            cx.among(&only, |cx| self.load(cx, Input::Timer(averaging::Timer::Cycle)));
        }
        let half = bytes.saturating_sub(QUESTION_BYTES_MAX) / 2;
        self.swim(cx, Input::Spare(peer, half));
        self.readings(cx, Input::Spare(peer, half));
    }
}

/// A cluster to be simulated.
struct Cluster {
    nodes: u64,
    /// The periods of SWIM and of averaging; `None`: the protocol is off.
    swim: Option<Duration>,
    load: Option<Duration>,
    /// How often each node puts a new reading; `None`: vitals are off.
    readings: Option<Duration>,
    follows: bool,
    world: World,
    seed: u64,
}

/// The outcome of a run: the nodes as they are at its end, and what happened after [`WARM_UP`].
struct Run {
    sim: Sim<Node>,
    seconds: f64,
    /// Readings that were new to a node.
    news: u64,
    sent: u64,
    received: u64,
    streams: u64,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            nodes: 25,
            swim: None,
            load: None,
            readings: None,
            follows: false,
            world: World::default(),
            seed: 1,
        }
    }
}

impl Cluster {
    fn node(&self, i: u64) -> Node {
        let life = Life { epoch: 1, session: 0xfeed + i };
        let (name, contact, tags) = (format!("node-{i}"), Payload::default(), Payload::default());
        let me = Me { id: NodeId(i), life, name, contact, tags, copied_from: None };
        let swim = |period| Swim::new(swim::Config { period, ..swim::Config::local() }, me, Unsigned);
        let load = |period| Averaging::new(averaging::Config { period, ..averaging::Config::default() });
        Node {
            swim: self.swim.map(swim),
            load: self.load.map(load),
            readings: self.readings.map(|_| Lww::new(lww::Config::default(), life)),
            wires: Wires::default(),
            follows: self.follows,
            is_due: false,
            seen: Seen::default(),
        }
    }

    /// Runs the cluster for so long after [`WARM_UP`].
    fn run(&self, time: Duration) -> Run {
        let mut sim = Sim::new(self.world.clone(), self.seed);
        for i in 0..self.nodes {
            sim.spawn(NodeId(i), self.node(i), Time::ZERO);
            sim.call(NodeId(i), Call::Swim(swim::Call::Join(NodeId(0))));
            sim.call(NodeId(i), Call::Load(sum::Call::Set(i as f64)));
            if self.swim.is_none() {
                sim.meet(NodeId(i), Peers::Everyone(self.nodes));
            }
        }
        let mut news = 0;
        self.run_until(&mut sim, WARM_UP, &mut news);
        let sent = |now: Counters| (now.datagrams_sent, now.datagrams_received, now.stream_messages_received);
        let (before, news_before) = (sent(sim.total()), news);
        self.run_until(&mut sim, WARM_UP + time, &mut news);
        let now = sent(sim.total());
        Run {
            sim,
            seconds: time.as_secs_f64(),
            news: news - news_before,
            sent: now.0 - before.0,
            received: now.1 - before.1,
            streams: now.2 - before.2,
        }
    }

    /// Puts a reading at each node in each period of vitals.
    fn run_until(&self, sim: &mut Sim<Node>, until: Time, news: &mut u64) {
        let mut observe =
            |_, _, event| *news += u64::from(matches!(event, Event::Readings(lww::Event::Heard(_))));
        let Some(period) = self.readings else { return sim.run_until(until, &mut observe) };
        while sim.now() < until {
            for i in 0..self.nodes {
                let reading = Payload::from(&sim.now().0.to_be_bytes()[..]);
                sim.call(NodeId(i), Call::Readings(lww::Call::Put(reading)));
            }
            sim.run_until((sim.now() + period).min(until), &mut observe);
        }
    }
}

impl Run {
    /// Draws of one of [`Node`]'s protocols: senders, receivers and counts.
    fn draws(&self, protocol: usize) -> impl Iterator<Item = (NodeId, NodeId, u64)> {
        let seen = self.sim.ids().map(move |to| (to, &self.sim.node(to).seen.draws[protocol]));
        seen.flat_map(|(to, by)| by.iter().map(move |(from, count)| (*from, to, *count)))
    }

    /// Draws of a node in a second.
    fn rate(&self, protocol: usize) -> f64 {
        let sum: u64 = self.draws(protocol).map(|(_, _, count)| count).sum();
        sum as f64 / self.nodes() / self.seconds
    }

    fn nodes(&self) -> f64 {
        self.sim.ids().count() as f64
    }

    fn seen(&self, read: impl Fn(&Seen) -> u64) -> u64 {
        self.sim.ids().map(|id| read(&self.sim.node(id).seen)).sum()
    }

    fn vitals_bytes_per_s(&self) -> f64 {
        self.seen(|seen| seen.vitals_bytes) as f64 / self.nodes() / self.seconds
    }

    /// Datagrams and messages over streams that a node sends in a second.
    fn packets(&self) -> f64 {
        (self.sent + self.streams) as f64 / self.nodes() / self.seconds
    }

    /// All nodes know each other, and the average.
    fn check(&self) {
        let n = self.nodes();
        for id in self.sim.ids() {
            let node = self.sim.node(id);
            assert!(node.swim.as_ref().is_none_or(|swim| swim.live_len() as f64 == n), "{id}");
            let average = node.load.as_ref().map(|load| load.settled().expect("an epoch has ended"));
            let is_right = average.is_none_or(|average| (average - (n - 1.0) / 2.0).abs() < 0.01);
            assert!(is_right, "{id}: {average:?}");
        }
    }

    /// Asserts that each node draws every other equally often: a chi-square test over all pairs, given how much each sender sent.
    fn assert_uniform(&self, protocol: usize) {
        let mut by_sender: BTreeMap<NodeId, BTreeMap<NodeId, u64>> = BTreeMap::new();
        self.draws(protocol).for_each(|(from, to, count)| {
            by_sender.entry(from).or_default().insert(to, count);
        });
        let others = self.nodes() - 1.0;
        let (mut chi_square, mut draws) = (0.0, 0);
        for to in by_sender.values() {
            let sum: u64 = to.values().sum();
            let expected = sum as f64 / others;
            let off: f64 = to.values().map(|count| (*count as f64 - expected).powi(2) / expected).sum();
            chi_square += off + (others - to.len() as f64) * expected; // who was never drawn
            draws += sum;
        }
        let freedom = self.nodes() * (others - 1.0);
        println!("protocol {protocol}: {draws} draws, chi-square {chi_square:.0} of {freedom}");
        assert!(draws >= DRAWS_MIN, "{draws} draws");
        assert!(is_likely(chi_square, freedom), "protocol {protocol}: chi-square {chi_square} of {freedom}");
    }
}

/// Draws of each protocol that the test of its peers needs.
const DRAWS_MIN: u64 = 100_000;
/// The standard normal deviate that chance exceeds with p = 0.01.
const DEVIATE_MAX: f64 = 2.326;

/// Whether chance alone gives a chi-square as large as this with p > 0.01 (Wilson and Hilferty 1931).
fn is_likely(chi_square: f64, freedom: f64) -> bool {
    let variance = 2.0 / (9.0 * freedom);
    ((chi_square / freedom).cbrt() - (1.0 - variance)) / variance.sqrt() < DEVIATE_MAX
}

/// Asserts that two rates are equal within 2 %.
fn assert_close(what: &str, rate: f64, expected: f64) {
    println!("{what}: {rate:.3}, expected {expected:.3}");
    assert!((rate / expected - 1.0).abs() <= 0.02, "{what}: {rate}, expected {expected}");
}

const SWIM: Option<Duration> = Some(Duration::from_millis(250));
const LOAD: Option<Duration> = Some(Duration::from_millis(100));
const READINGS: Option<Duration> = Some(Duration::from_secs(5));

#[test]
fn each_protocol_of_a_composite_keeps_its_own_rate_and_its_own_view() {
    let time = Duration::from_secs(100);
    let swim = Cluster { swim: SWIM, ..Cluster::default() }.run(time);
    let load = Cluster { load: LOAD, ..Cluster::default() }.run(time);
    let vitals = Cluster { swim: SWIM, readings: READINGS, ..Cluster::default() }.run(time);
    let composed = Cluster { swim: SWIM, load: LOAD, readings: READINGS, ..Cluster::default() };
    let composed = composed.run(Duration::from_secs(1_020));
    [&swim, &load, &vitals, &composed].into_iter().for_each(Run::check);

    assert_close("pings alone", swim.rate(0), 4.0);
    assert_close("pings", composed.rate(0), swim.rate(0));
    assert_close("exchanges alone", load.rate(1), 10.0);
    assert_close("exchanges", composed.rate(1), load.rate(1));
    // Vitals have no datagrams of their own: with SWIM's alone, and with all others, they take their budget and no more.
    let budget = f64::from(lww::Config::default().budget_bytes_per_s);
    assert_close("bytes of vitals beside SWIM", vitals.vitals_bytes_per_s(), budget);
    assert_close("bytes of vitals", composed.vitals_bytes_per_s(), vitals.vitals_bytes_per_s());
    // Every reading reaches every other node before the next one does.
    let news = composed.news as f64 / composed.nodes() / (composed.nodes() - 1.0) / composed.seconds;
    assert_close("readings of a peer", news, 0.2);

    // Vitals draw no peers: they travel in the datagrams of the others, several in one.
    (0..2).for_each(|protocol| composed.assert_uniform(protocol));
}

#[test]
fn messages_to_one_peer_at_one_instant_share_a_datagram() {
    // A constant latency keeps apart at the receiver what left apart.
    let world = World { latency: Latency::Constant(Duration::from_millis(1)), ..World::default() };
    for follows in [false, true] {
        let cluster = Cluster {
            swim: Some(Duration::from_secs(1)),
            load: Some(Duration::from_secs(1)),
            readings: READINGS,
            follows,
            world: world.clone(),
            ..Cluster::default()
        };
        let run = cluster.run(Duration::from_secs(100));
        run.check();
        let (messages, instants) = (run.seen(|seen| seen.messages), run.seen(|seen| seen.instants));
        println!("{messages} messages, {} datagrams", run.received);
        assert_eq!(
            (run.received, run.streams),
            (instants, 0),
            "one datagram per sender, receiver and instant"
        );
        assert!(
            messages as f64 > 1.5 * run.received as f64,
            "{messages} messages, {} datagrams",
            run.received
        );
    }
}

#[test]
fn where_views_coincide_a_composite_sends_three_fifths_of_its_protocols_packets_at_most() {
    let (period, time) = (Some(Duration::from_secs(1)), Duration::from_secs(200));
    let swim = Cluster { swim: period, ..Cluster::default() }.run(time);
    let load = Cluster { load: period, ..Cluster::default() }.run(time);
    let cluster = Cluster { swim: period, load: period, readings: READINGS, ..Cluster::default() };
    let apart = cluster.run(time);
    let composed = Cluster { follows: true, ..cluster }.run(time);
    [&swim, &load, &apart, &composed].into_iter().for_each(Run::check);

    assert_close("pings", composed.rate(0), swim.rate(0));
    assert_close("exchanges", composed.rate(1), load.rate(1));
    // Apart, vitals would need packets of their own. Here they count as none, which makes the bound stricter.
    let (separate, together) = (swim.packets() + load.packets(), composed.packets());
    println!(
        "packets of a node in a second: {separate:.2} separate, {:.2} composed, {together:.2} coinciding",
        apart.packets()
    );
    assert!(together <= 0.6 * separate, "{together} packets, {separate} separate");
    assert!(
        apart.packets() <= separate * 1.02,
        "views that differ: {} packets, {separate} separate",
        apart.packets()
    );
}
