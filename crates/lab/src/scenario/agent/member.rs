//! One agent on the simulator: the composite node of `rumormill-node`, and around it what the agent does on its own.
//!
//! The agent joins by its seeds until it has met somebody, reads its machine every few seconds, answers every query, carries out orders
//! about keys on a ring of its own, drops what banned members send, and keeps across a restart what the data directory keeps.

use super::claims::{self, Claim};
use super::config::{Config, Node, over_bound};
use rumormill_core::identity::{NodeId, Unsigned};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{Cx, Input, Output, Protocol};
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time, Wall};
use rumormill_node::{self as node, Everyone, Message};
use rumormill_protocols::agree::bans::{self, Bans};
use rumormill_protocols::agree::keys::{self, Order, Report, Secret};
use rumormill_protocols::agree::lww::{self, Lww};
use rumormill_protocols::detect::Detector;
use rumormill_protocols::detect::phi::Phi;
use rumormill_protocols::member::swim::record::TagMap;
use rumormill_protocols::member::swim::{self, Member as Row, Status, Swim};
use rumormill_protocols::spread::events::{self, Cover, EventId, Events, Item, Publish};
use rumormill_protocols::spread::queries::{self, Ask, Queries};
use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Number of first nodes by which a member joins, so that one of them may be down.
const SEEDS: u64 = 3;
/// Members of the last life that are tried beside the seeds (the agent: `KNOWN_PER_ROUND`).
const KNOWN_MAX: usize = 16;
/// The first wait between two rounds of joining while alone; doubled each time (the agent: `FIRST_WAIT`).
const JOIN_WAIT_MIN: Duration = Duration::from_millis(250);
/// The longest, and the wait between two tries of a lost seed once joined (the agent: `JOINED_WAIT_MIN`).
const JOIN_WAIT_MAX: Duration = Duration::from_secs(15);
/// Time between two readings of the machine (the agent: `INTERVAL_S`).
const READ_INTERVAL: Duration = Duration::from_secs(5);
/// Bytes of a reading: a machine with four disks.
const READING_BYTES: usize = 120;
/// Time for answers to a query (the agent's default among 10 to 99 members).
pub(super) const QUERY_TIMEOUT: Duration = Duration::from_millis(6_400);
/// Delivered events that are kept for the next life; the oldest goes first (our guess: more than a scenario publishes).
const FEED_MAX: usize = 4_096;
/// Keys on a member's ring; a further one is refused.
const RING_MAX: usize = 64;

/// Upper bound on the error of a member's clock rate in parts per million, drawn for each life (our guess: ten times a poor quartz).
const CLOCK_PPM_MAX: u64 = 1_000;

/// A call of a member by the scenario.
#[derive(Clone, Debug)]
pub enum Call {
    /// A call of the node itself.
    Node(node::Call),
    /// Publish an event with this payload.
    Publish(Payload),
    /// Ask every member this query.
    Ask(Payload),
    /// Forget every member that has failed in this member's view.
    ForgetFailed,
    /// Lift every ban that this member knows.
    Unban,
    /// Order every member to install the key of this number.
    Install(u8),
}

/// A timer of a member.
#[derive(Clone, Debug)]
pub enum Timer {
    /// A timer of the node.
    Node(node::Timer),
    /// The next round of joining.
    Join,
    /// The next reading of the machine.
    Read,
}

/// An event of a member.
#[derive(Clone, Debug)]
pub enum Event {
    /// The member started; `kept`: with the data of an earlier life.
    Started {
        /// Its life.
        epoch: u64,
        /// Whether it has the data of an earlier life.
        kept: bool,
    },
    /// It ordered a number of others to install a key.
    Ordered {
        /// The number of the order, as in each report.
        ticket: u64,
        /// Number of these others.
        of: usize,
    },
    /// One of its queues is over its bound; emitted once in a life.
    OverBound(String),
    /// It accuses this member in its own name; emitted once in a life.
    Accuses(NodeId),
    /// It confirms this event, and does not hold it.
    Claims(EventId),
    /// An event of the node.
    Node(node::Event),
}

/// One agent.
pub struct Member {
    pub(super) node: Node,
    config: Arc<Config>,
    epoch: u64,
    pub(super) clock: Rate,
    /// The members by which it tries to join: seeds, and members of its last life.
    contacts: Vec<NodeId>,
    /// Number of rounds of joining in a row without success.
    rounds: u32,
    ring: Vec<u64>,
    tickets: u64,
    readings: u64,
    gossiped: Option<Time>,
    /// Events that were delivered, with their time by this member's wall clock. They are on disk.
    pub(super) feed: VecDeque<(Item, Wall)>,
    kept: bool,
    is_over_bound: bool,
    accused: BTreeSet<NodeId>,
    told: VecDeque<node::Event>,
}

impl Member {
    /// A member in its life of that number, from 0 on; `last` is the member in the life before, unless its disk was wiped.
    pub(super) fn new(config: &Arc<Config>, id: NodeId, life: u32, last: Option<&Member>) -> Member {
        let mut me = crate::swim::card_for(id.0, u64::from(life) + 1);
        let run = me.life;
        me.tags = last.and_then(|last| last.node.swim.me().tags.map(Payload::from)).unwrap_or(Payload::EMPTY);
        let events = match last {
            Some(last) => Events::resume(config.events.clone(), run, &last.node.events.positions()),
            None => Events::new(config.events.clone(), run),
        };
        let mut bans = Bans::new(config.bans.clone(), Unsigned);
        if let Some(last) = last {
            bans.recall(last.node.bans.kept());
        }
        let mut node = Node::new(
            Swim::new(config.swim.clone(), me, Unsigned),
            Some(Lww::new(config.lww.clone(), run)),
            events,
            Queries::new(config.queries.clone(), run),
            Everyone,
            bans,
        );
        node.phi = config.phi.as_ref().map(|phi| Phi::new(phi.clone(), run));
        let known = last.into_iter().flat_map(|last| others(&last.node.swim)).take(KNOWN_MAX);
        let contacts = (0..SEEDS).map(NodeId).filter(|seed| *seed != id).chain(known).collect();
        Member {
            node,
            config: config.clone(),
            epoch: run.epoch,
            clock: Rate::default(),
            contacts,
            rounds: 0,
            ring: last.map(|last| last.ring.clone()).unwrap_or_default(),
            tickets: 0,
            readings: 0,
            gossiped: None,
            feed: last.map(|last| last.feed.clone()).unwrap_or_default(),
            kept: last.is_some(),
            is_over_bound: false,
            accused: BTreeSet::new(),
            told: VecDeque::new(),
        }
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        cx.emit(Event::Started { epoch: self.epoch, kept: self.kept });
        self.node(cx, Input::Start);
        if !self.feed.is_empty() {
            let items = self.feed.iter().map(|(item, _)| item.clone()).collect();
            self.ask_node(cx, node::Call::Events(events::Call::Keep(items)));
        }
        cx.after(Duration::ZERO, Timer::Join);
        let phase = cx.rng.within(READ_INTERVAL);
        cx.after(phase, Timer::Read);
    }

    fn on_call(&mut self, cx: &mut Cx<'_, Self>, call: Call) {
        self.tickets += 1;
        let ticket = self.tickets;
        match call {
            Call::Node(call) => self.ask_node(cx, call),
            Call::Publish(payload) => {
                let publish = Publish {
                    ticket,
                    name: Payload::from(&b"note"[..]),
                    payload,
                    unordered: false,
                    coalesce: false,
                    cover: Cover::Sample,
                    question: false,
                };
                self.ask_node(cx, node::Call::Events(events::Call::Publish(publish)));
            }
            Call::Ask(body) => {
                let expected = u32::try_from(self.node.swim.live_len()).unwrap_or(u32::MAX);
                let (name, filter) = (Payload::from(&b"how"[..]), Payload::EMPTY);
                let ask = Ask { ticket, name, filter, body, timeout: QUERY_TIMEOUT, expected };
                self.ask_node(cx, node::Call::Queries(queries::Call::Ask(ask)));
            }
            Call::ForgetFailed => {
                let rows = self.node.swim.members().filter(|row| row.status == Status::Failed);
                let failed: Vec<NodeId> = rows.map(|row| row.id).collect();
                failed.into_iter().for_each(|id| self.ask_node(cx, node::Call::Swim(swim::Call::Forget(id))));
            }
            Call::Unban => {
                let banned: Vec<NodeId> =
                    self.node.bans.iter().filter(|ban| !ban.lifted).map(|ban| ban.id).collect();
                for id in banned {
                    let say = bans::Call::Say { id, lifted: true, reason: Payload::EMPTY, name: None };
                    self.ask_node(cx, node::Call::Bans(say));
                }
            }
            Call::Install(number) => {
                let of = others(&self.node.swim);
                cx.emit(Event::Ordered { ticket, of: of.len() });
                let order = Order::Install(Secret([number; keys::SECRET_BYTES]));
                self.ask_node(cx, node::Call::Keys(keys::Call::Ask { ticket, of, order }));
            }
        }
    }

    /// While alone, seeds and known members; once joined, one of the seeds that are not members.
    fn on_join(&mut self, cx: &mut Cx<'_, Self>) {
        let is_alone = self.node.swim.live_len() <= 1;
        let lost: Vec<NodeId> =
            self.contacts.iter().filter(|id| !is_live(&self.node.swim, **id)).copied().collect();
        let tried = match is_alone {
            true => lost,
            false => cx.rng.pick(&lost).copied().into_iter().collect(),
        };
        for id in tried {
            self.ask_node(cx, node::Call::Swim(swim::Call::Join(id)));
        }
        self.rounds = if is_alone { self.rounds.saturating_add(1) } else { 0 };
        let wait = JOIN_WAIT_MIN.saturating_mul(2u32.saturating_pow(self.rounds));
        cx.after(if is_alone { wait.min(JOIN_WAIT_MAX) } else { JOIN_WAIT_MAX }, Timer::Join);
    }

    fn on_read(&mut self, cx: &mut Cx<'_, Self>) {
        cx.after(READ_INTERVAL, Timer::Read);
        let interval = self.node.vitals.as_ref().map_or(Duration::MAX, Lww::put_interval);
        let gossip = self.gossiped.is_none_or(|last| cx.now.since(last) >= interval);
        if gossip {
            self.gossiped = Some(cx.now);
        }
        self.readings += 1;
        let mut reading = [0; READING_BYTES];
        reading[..8].copy_from_slice(&self.readings.to_be_bytes());
        let value = Payload::from(&reading[..]);
        let call = if gossip { lww::Call::Put(value) } else { lww::Call::Keep(value) };
        self.ask_node(cx, node::Call::Vitals(call));
    }

    fn ask_node(&mut self, cx: &mut Cx<'_, Self>, call: node::Call) {
        self.node(cx, Input::Call(call));
    }

    /// Hands an input to the node, and handles the node's events as the agent does.
    fn node(&mut self, cx: &mut Cx<'_, Self>, input: Input<Node>) {
        let mut said = self.lend(cx, input);
        while let Some(event) = self.told.pop_front() {
            let answer = self.answer(&event, cx.wall);
            cx.emit(Event::Node(event));
            if let Some(call) = answer {
                said.extend(self.lend(cx, Input::Call(call)));
            }
        }
        for claim in said {
            match claim {
                Claim::Accuses(id) if self.accused.insert(id) => cx.emit(Event::Accuses(id)),
                Claim::Holds(id) if !self.holds(id) => cx.emit(Event::Claims(id)),
                Claim::Accuses(_) | Claim::Holds(_) => {}
            }
        }
        // A bound holds at every instant, not only when the checks run.
        if !self.is_over_bound
            && let Some(over) = over_bound(&self.config, &self.node)
        {
            self.is_over_bound = true;
            cx.emit(Event::OverBound(over));
        }
    }

    /// Returns the statements that the node makes in its own name.
    fn lend(&mut self, cx: &mut Cx<'_, Self>, input: Input<Node>) -> Vec<Claim> {
        let (node, told, me) = (&mut self.node, &mut self.told, cx.me);
        let said = RefCell::new(Vec::new());
        let look = |message| {
            claims::of(me, &message, |claim| said.borrow_mut().push(claim));
            message
        };
        cx.lend(look, Timer::Node, |event| told.push_back(event), |cx| node.handle(cx, input));
        said.into_inner()
    }

    /// How strongly this member suspects each that it watches, at that true time; nobody where phi is off.
    pub(super) fn suspicion_levels(&self, at: Time) -> impl Iterator<Item = (NodeId, f64)> {
        let now = self.clock.shows(at);
        let watched = self.node.phi.iter().flat_map(Phi::watched);
        watched.filter_map(move |id| Some((id, self.node.suspicion_level(id, now)?)))
    }

    /// Whether this member holds an event, or has delivered it.
    fn holds(&self, id: EventId) -> bool {
        self.node.events.get(id).is_some() || self.feed.iter().any(|(item, _)| item.id == id)
    }

    fn answer(&mut self, event: &node::Event, wall: Wall) -> Option<node::Call> {
        match event {
            node::Event::Queries(queries::Event::Asked { id, body, .. }) => {
                Some(node::Call::Queries(queries::Call::Answer(*id, body.clone())))
            }
            node::Event::Keys(keys::Event::Ordered { by, serial, order }) => {
                let report = self.carry_out(order);
                Some(node::Call::Keys(keys::Call::Report { to: *by, serial: *serial, report }))
            }
            node::Event::Events(events::Event::Delivered(item)) => {
                if self.feed.len() >= FEED_MAX {
                    self.feed.pop_front();
                }
                self.feed.push_back((item.clone(), wall));
                None
            }
            _ => None,
        }
    }

    fn carry_out(&mut self, order: &Order) -> Report {
        let mut refusal = "";
        match order {
            Order::Install(Secret(key)) => {
                let key = u64::from(key[0]);
                if self.ring.len() >= RING_MAX {
                    refusal = "the ring is full";
                } else if !self.ring.contains(&key) {
                    self.ring.push(key);
                }
            }
            Order::List | Order::Use(_) | Order::Remove { .. } => {}
        }
        Report::new(&self.ring, keys::Kept::Store, refusal, "")
    }
}

/// The rate of a member's clock, by which its timers run: the difference from the true rate in millionths.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Rate(u64);

/// The rate of a true clock.
const TRUE: u64 = 1_000_000;

impl Default for Rate {
    fn default() -> Self {
        Rate(TRUE)
    }
}

impl Rate {
    fn drawn(rng: &mut Rng) -> Rate {
        Rate(TRUE - CLOCK_PPM_MAX + rng.below(2 * CLOCK_PPM_MAX as usize + 1) as u64)
    }

    /// The time that the clock shows at this true time.
    pub(super) fn shows(self, at: Time) -> Time {
        Time(within_u64(u128::from(at.0) * u128::from(self.0) / u128::from(TRUE)))
    }

    /// The first true time at which the clock shows `time` or more: a timer is never early by its own clock.
    fn reaches(self, time: Time) -> Time {
        Time(within_u64((u128::from(time.0) * u128::from(TRUE)).div_ceil(u128::from(self.0))))
    }
}

fn within_u64(ns: u128) -> u64 {
    u64::try_from(ns).unwrap_or(u64::MAX)
}

/// The tags of a member with one tag of that value.
pub(super) fn tags(value: &str) -> Payload {
    Payload::from(&TagMap([("value".to_owned(), value.to_owned())].into()).encoded()[..])
}

/// The other live members, in the order of their ids.
fn others(swim: &Swim<Unsigned>) -> Vec<NodeId> {
    let me = swim.me().id;
    let mut others: Vec<NodeId> =
        swim.members().filter(|row| row.id != me && is_up(row)).map(|row| row.id).collect();
    others.sort();
    others
}

fn is_live(swim: &Swim<Unsigned>, id: NodeId) -> bool {
    swim.member(id).is_some_and(|row| is_up(&row))
}

pub(super) fn is_up(row: &Row<'_>) -> bool {
    matches!(row.status, Status::Alive | Status::Suspect)
}

impl Protocol for Member {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = Node::FILLS;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        if matches!(input, Input::Start) {
            self.clock = Rate::drawn(cx.rng);
        }
        let (out, true_now, clock) = (&mut *cx.out, cx.now, self.clock);
        let now = clock.shows(true_now);
        let mut true_timers = |output: Output<Self>| match output {
            Output::Timer(delay, timer) => {
                out(Output::Timer(clock.reaches(now + delay).since(true_now), timer));
            }
            other => out(other),
        };
        let out = &mut true_timers;
        let (wall, me, peers, room) = (cx.wall, cx.me, cx.peers, cx.room);
        let cx = &mut Cx { now, wall, me, peers, rng: cx.rng, room, out };
        match input {
            Input::Start => self.on_start(cx),
            Input::Call(call) => self.on_call(cx, call),
            Input::Message(from, _) if self.node.bans.of(from).is_some() => {}
            Input::Message(from, message) => self.node(cx, Input::Message(from, message)),
            Input::Timer(Timer::Node(timer)) => self.node(cx, Input::Timer(timer)),
            Input::Timer(Timer::Join) => self.on_join(cx),
            Input::Timer(Timer::Read) => self.on_read(cx),
            Input::Spare(peer, bytes) => self.node(cx, Input::Spare(peer, bytes)),
            Input::Shed(peer, message) => self.node(cx, Input::Shed(peer, message)),
            Input::Lost(peer, loss) => self.node(cx, Input::Lost(peer, loss)),
            Input::Peer(change) => self.node(cx, Input::Peer(change)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_ends_when_its_own_clock_shows_its_time_and_not_before() {
        let mut rng = Rng::seeded(3);
        let rates: Vec<Rate> = (0..200).map(|_| Rate::drawn(&mut rng)).collect();
        assert!(rates.iter().any(|rate| rate.0 < TRUE - 900) && rates.iter().any(|rate| rate.0 > TRUE + 900));
        for clock in rates {
            for time in [0, 1, 999, 1_000_001, 60_000_000_007].map(Time) {
                let at = clock.reaches(time);
                assert!(
                    clock.shows(at) >= time && (at.0 == 0 || clock.shows(Time(at.0 - 1)) < time),
                    "{clock:?} {time:?}"
                );
            }
        }
    }
}
