//! Gossip heartbeats: counters that members pass on to each other; a member whose counter does not rise is suspected.
//!
//! **Problem.** All-to-all heartbeats cost n² messages in a period, and a node that hears a peer directly cannot tell a crash from a broken link between
//! the two.
//!
//! **Idea.** Each member keeps the greatest heartbeat counter that it has heard of every other, and sends its table to one random member in each period.
//! Counters merge by their maximum. A counter that has not risen for [`Config::fail_after`] is that of a failed member.
//!
//! **Paper.** van Renesse, Minsky, Hayden 1998 (A gossip-style failure detection service).
//!
//! **Cost.** One message in a period, with up to [`Config::entries_max`] counters of about a dozen bytes. State: one row for each peer.
//!
//! **Ours.** The view lists the peers, so rows need no T_cleanup: a stale copy cannot bring back a peer that the view has dropped. A counter
//! belongs to a life, so a member that restarts need not exceed its old counter. A table of more than [`Config::entries_max`] rows is sent in
//! parts: each message begins at a random row. After a stall of this node (a period that ended late) its peers are given the lost time.
//! As in the paper heartbeats are not signed: a member can raise another member's counter, and so hide its crash or make its own counters count for nothing.

use crate::catalog::Catalogued;
use crate::detect::{Call, Detector, Event};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::counters;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::protocol::{self, Cx, Input, Lane, Protocol};
use rumormill_core::time::{Duration, Time};
use rumormill_core::wire::Item;

/// Periods in T_fail: by the paper's analysis a heartbeat has reached all of 50 members after 21.3 rounds, but for one time in 1,000.
const FAIL_PERIODS: u32 = 22;
/// Periods until the last heartbeat of a crashed member has reached the last of 1,000: log2 n + ln n rounds are 17 (Frieze, Grimmett 1985), and each of
/// seven more leaves out e times fewer.
const SPREAD_PERIODS: u32 = 24;

/// Settings.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// T_gossip: time between two messages of a member.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// T_fail: a member whose counter has not risen for so long is suspected.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub fail_after: Duration,
    /// Counters in a message, the sender's own included.
    pub entries_max: usize,
    /// A period of this node that ends later than this was a stall.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub stall_min: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            period: Duration::from_secs(1), // our guess: the paper's 8n/B, with 125 members of 1,000 bytes a second
            fail_after: Duration::from_secs(1) * FAIL_PERIODS,
            entries_max: 64,                       // our guess: they fit a datagram
            stall_min: Duration::from_millis(500), // our guess: half a period, as `phi`
        }
    }
}

/// A message: counters, the sender's first.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub struct Message(#[cbor(n(0), with = "rumormill_core::wire::list")] pub Vec<Beat>);

/// The newest heartbeat of one member.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Beat {
    /// The member.
    #[n(0)]
    pub id: NodeId,
    /// Its life.
    #[n(1)]
    pub epoch: u64,
    /// Its counter in this life.
    #[n(2)]
    pub counter: u64,
}

impl Item for Beat {
    const BYTES_MIN: usize = 4;
}

/// The one timer: the period.
#[derive(Clone, Debug)]
pub enum Timer {
    /// The next period.
    Period,
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::weighted("heartbeat", 4)]; // a detector sends little, and must not wait
}

counters! {
    /// The counters of a node. All only go up.
    pub struct Counters {
        /// Messages sent.
        sent,
        /// Counters of watched peers that rose.
        heard,
        /// Counters of members that are not watched.
        unwatched,
        /// Times a peer's counter stood still for too long.
        suspicions,
        /// Stalls of this node, which count as no peer's silence.
        stalls,
        /// Messages that the budget did not let out.
        shed,
    }
}

/// The state machine.
pub struct Heartbeat {
    config: Arc<Config>,
    epoch: u64,
    counter: u64,
    /// The start of the next period.
    due: Time,
    /// The view has changed since `watched` was brought up to date.
    is_stale: bool,
    watched: BTreeMap<NodeId, Watched>,
    counters: Counters,
}

/// A watched peer, as this node has heard of it.
#[derive(Clone, Debug)]
struct Watched {
    /// Life and counter of its newest heartbeat; none before the first.
    newest: Option<(u64, u64)>,
    /// The time at which the counter rose, or the peer was first watched.
    rose: Time,
    is_suspected: bool,
}

const _: () = assert!(size_of::<Message>() <= 64 && size_of::<Heartbeat>() <= 256);

impl Protocol for Heartbeat {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => self.on_start(cx),
            Input::Peer(_) => self.is_stale = true,
            Input::Call(Call::Peer(change)) => cx.publish(change),
            // A sign from another protocol has no counter that others could compare.
            Input::Call(Call::Heard(_)) => {}
            Input::Message(_, Message(beats)) => self.on_beats(cx, &beats),
            Input::Timer(Timer::Period) => self.on_period(cx),
            Input::Shed(..) => self.counters.shed += 1,
            Input::Spare(..) | Input::Lost(..) => {}
        }
    }
}

impl Heartbeat {
    /// A node without peers. Many nodes may share one `config`. `life` tells its heartbeats from those of earlier lives.
    ///
    /// # Panics
    /// If the period is 0.
    pub fn new(config: impl Into<Arc<Config>>, life: Life) -> Heartbeat {
        let config = config.into();
        assert!(!config.period.is_zero(), "a period takes time");
        Heartbeat {
            config,
            epoch: life.epoch,
            counter: 0,
            due: Time::NEVER,
            is_stale: false,
            watched: BTreeMap::new(),
            counters: Counters::default(),
        }
    }

    /// The counters.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The first period of a node is shorter by a random part: the phase of its clock.
    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        let phase = cx.rng.within(self.config.period);
        self.arm(cx, self.config.period - phase);
    }

    fn arm(&mut self, cx: &mut Cx<'_, Self>, wait: Duration) {
        self.due = cx.now + wait;
        cx.after(wait, Timer::Period);
    }

    fn on_beats(&mut self, cx: &mut Cx<'_, Self>, beats: &[Beat]) {
        self.read_view(cx);
        self.forgive_stall(cx.now);
        let me = cx.me;
        for beat in beats.iter().filter(|beat| beat.id != me) {
            let Some(peer) = self.watched.get_mut(&beat.id) else {
                self.counters.unwatched += 1;
                continue;
            };
            let newest = Some((beat.epoch, beat.counter));
            if newest <= peer.newest {
                continue;
            }
            self.counters.heard += 1;
            (peer.newest, peer.rose) = (newest, cx.now);
            if core::mem::take(&mut peer.is_suspected) {
                cx.emit(Event::Trusted(beat.id));
            }
        }
    }

    fn on_period(&mut self, cx: &mut Cx<'_, Self>) {
        self.read_view(cx);
        self.forgive_stall(cx.now);
        self.arm(cx, self.config.period);
        self.counter = self.counter.saturating_add(1);
        for (id, peer) in self.watched.iter_mut().filter(|(_, peer)| !peer.is_suspected) {
            let level = peer.level(&self.config, cx.now);
            if level >= 1.0 {
                peer.is_suspected = true;
                self.counters.suspicions += 1;
                cx.emit(Event::Suspected { peer: *id, level });
            }
        }
        // A suspected member is gossiped to like any other: it may be this node that was cut off.
        if let Some(peer) = cx.peers.pick(cx.me, cx.rng).filter(|peer| *peer != cx.me) {
            self.counters.sent += 1;
            let table = self.table(cx);
            cx.send(peer, table);
        }
    }

    /// This node's counter and those of its peers: all, or as many as a message takes, from a random one on.
    fn table(&self, cx: &mut Cx<'_, Self>) -> Message {
        let own = Beat { id: cx.me, epoch: self.epoch, counter: self.counter };
        let heard = |(id, peer): (&NodeId, &Watched)| {
            peer.newest.map(|(epoch, counter)| Beat { id: *id, epoch, counter })
        };
        let first = cx.rng.below(self.watched.len().max(1));
        let others = self.watched.iter().skip(first).chain(self.watched.iter().take(first)).filter_map(heard);
        Message(core::iter::once(own).chain(others).take(self.config.entries_max).collect())
    }

    /// After a stall of this node its peers get the lost time: their counters may have risen all the while.
    fn forgive_stall(&mut self, now: Time) {
        let late = now.since(self.due);
        if late > self.config.stall_min {
            self.counters.stalls += 1;
            self.due = now;
            self.watched.values_mut().for_each(|peer| peer.rose = (peer.rose + late).min(now));
        }
    }

    /// Watches the peers of the view and no others.
    fn read_view(&mut self, cx: &mut Cx<'_, Self>) {
        if !core::mem::take(&mut self.is_stale) {
            return;
        }
        let (me, now, peers) = (cx.me, cx.now, cx.peers);
        self.watched.retain(|id, _| peers.contains(*id));
        for id in peers.iter().filter(|id| *id != me) {
            let new = Watched { newest: None, rose: now, is_suspected: false };
            self.watched.entry(id).or_insert(new);
        }
    }
}

impl Watched {
    /// The time since the counter rose, in T_fail.
    fn level(&self, config: &Config, now: Time) -> f64 {
        now.since(self.rose).as_secs_f64() / config.fail_after.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

impl Detector for Heartbeat {
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
        0
    }
    fn samples_max(_: &Config) -> usize {
        0
    }
    fn paced(period: Duration) -> Config {
        Config { period, fail_after: FAIL_PERIODS * period, stall_min: period / 2, ..Config::default() }
    }
    fn noticed_within(config: &Config) -> Duration {
        config.fail_after + SPREAD_PERIODS * config.period
    }
}

impl Catalogued for Heartbeat {
    type Config = Config;
    const NAME: &'static str = "heartbeat";
    const ABOUT: &'static str =
        "gossip heartbeats: counters that spread; a member whose counter stands still is suspected";
    const PAPER: &'static str = "van Renesse, Minsky, Hayden 1998";
    const COST: &'static str = "a table of counters to one peer";

    fn start(config: &Arc<Config>, _: NodeId, life: Life) -> Heartbeat {
        Heartbeat::new(config.clone(), life)
    }

    fn check(config: &Config) -> Result<(), String> {
        if config.period.is_zero() {
            return Err("period is 0: give a time, like 1s".into());
        }
        if config.fail_after.is_zero() {
            return Err("fail_after is 0: give a time, like 22s".into());
        }
        if config.entries_max == 0 {
            return Err("entries_max is 0: give the number of counters in a message, like 64".into());
        }
        Ok(())
    }

    fn on_graph(_: &Config, _: u64) -> Result<Config, String> {
        Err("heartbeat draws from all nodes: a counter travels by the peers that watch the same member, of which a graph has too few; phi watches neighbours, flood follows the edges of a graph".into())
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let beat = |id| Beat { id: NodeId(id), epoch: 3, counter: 70_000 };
        let greatest = Beat { id: NodeId(u64::MAX), epoch: u64::MAX, counter: u64::MAX };
        alloc::vec![
            ("one", Message(alloc::vec![beat(1)])),
            ("three", Message((1..=3).map(beat).collect())),
            ("greatest", Message(alloc::vec![greatest])),
            ("empty", Message(Vec::new())),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::peers::Peers;
    use rumormill_sim::{Sim, World};

    const N: u64 = 50;

    /// Rounds from the crash of node 0 until the first and the last of the others suspect it.
    fn rounds(seed: u64) -> (f64, f64) {
        let config = Arc::new(Config::default());
        let mut sim = Sim::new(World::default(), seed);
        for id in 0..N {
            sim.spawn(NodeId(id), Heartbeat::new(config.clone(), Life::default()), Time::ZERO);
            sim.meet(NodeId(id), Peers::Everyone(N));
        }
        sim.run_for(Duration::from_secs(60), &mut |_, _, event| panic!("{event:?}, and nobody crashed"));
        sim.crash(NodeId(0));
        let (crash, mut suspected) = (sim.now(), Vec::new());
        sim.run_for(Duration::from_secs(60), &mut |at, _, event| {
            assert!(matches!(event, Event::Suspected { peer: NodeId(0), .. }), "{event:?}");
            suspected.push(at.since(crash).as_secs_f64());
        });
        assert_eq!(suspected.len() as u64, N - 1, "seed {seed}");
        (suspected[0], suspected[suspected.len() - 1])
    }

    /// Golden: 22.0 and 30.3 rounds; a suspicion here waits for its period to end, which takes half a round.
    #[test]
    fn a_crash_is_suspected_at_the_golden_rounds() {
        let runs = 40;
        let (first, last) = (0..runs).map(rounds).fold((0.0, 0.0), |sum, run| (sum.0 + run.0, sum.1 + run.1));
        let (first, last) = (first / f64::from(runs as u32), last / f64::from(runs as u32));
        assert!((first - 22.0).abs() <= 1.0 && (last - 30.8).abs() <= 1.0, "first {first}, last {last}");
    }
}
