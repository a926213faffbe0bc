//! Application events: published anywhere, told everywhere, in the order of each origin, and what could not be told is said so.
//!
//! **Problem.** Applications of a cluster tell each other things: a deployment began, a cache is stale. Each event is to be told once at
//! every member, soon; one origin's events in its order; nothing silently lost within what is retained; nobody waits for ever, and no
//! origin that floods takes the others' place.
//!
//! **Idea.** Two ways, one behind the other. An event is pushed on at once by whoever hears it first, a few times, until those who are
//! told knew it (`mongering`: the rumors of 1987). Some miss it. So pairs compare what they hold by one sum in each period, and only where
//! it differs list their latest numbers per origin and ask for what they lack (`repair`: anti-entropy by recent updates and
//! peeling back). Each node retains the latest events within bounds (`window`); who was away catches up on that. Per origin, events wait
//! for the missing ones before them until these come or are known to be lost (`log`): then the application is told of the gap.
//!
//! **Paper.** Demers et al. 1987, sections 1.3 and 1.4. Numbers per origin that tell what is missing, with repair from a bounded
//! buffer: Birman et al. 1999 (bimodal multicast). Coalescing, and events as an agent's service: serf.
//!
//! **Cost.** An event costs a node ln(4n) pushes at once, 4 among 10 and 6 among 100, one answer, and a push more of one in five.
//! Small ones that come alone take seven datagrams and 0.9 kB among 10, nine and 1.1 kB among 100 (three of them comparisons), with all
//! that is around them; at a hundred a second four datagrams and 500 to 600 bytes (`tests::costs`).
//! Of an event that does not fit a datagram, numbers are pushed, and each node asks once for the whole. Behind that one datagram per
//! node in [`Config::repair_period`] while there is news, in [`Config::repair_idle`] if there is none: a sum of 8 bytes, which takes
//! spare room of datagrams that leave anyway where there is some. Four timers are in flight at most, one of each kind.
//!
//! **What is promised.** While an event is in the window of somebody who can be reached it comes, if necessary by repair. Of one life
//! of one origin all ordered events are told in order, each once, and each number that is passed over is told in an [`Event::Gap`]. A gap is
//! *known to be lost* when [`Config::gap_votes`] comparisons in a row did not find it, its origin says so too or has gone, and
//! [`Config::gap_wait`] has passed (or [`Config::gap_patience`] while the origin is silent); it is *given
//! up* when more waits behind it than [`Config::holdback_max`], or the window has to shed what waits. An event that comes after its gap was
//! told is kept for others, but not told. Nothing orders the events of different origins, or of two lives of one.
//!
//! **Joining.** A member is delivered all that was published at another after that one listed it, while it is retained. With
//! `baseline(q)` as the set of events that `q` counts as history, and times by each node's own clock:
//!
//! ```text
//! for all p, q, e:   lists(p, q, t)  and  publishes(p, e, u)  and  t < u      =>   e not in baseline(q)
//! because            snapshot(s) < receives(q) < card(q) leaves q < lists(p, q) < publishes(p, e)
//! ```
//!
//! by happened-before (Lamport 1978): `q` asks a seed `s` for its tops first, and only then gives its card to anybody. The layer above keeps
//! that order: it calls [`Call::Join`], and waits for [`Event::Joined`] (`baseline`). Who restarts with its [`Positions`] goes on where it was.
//!
//! **Ours.** No conversation has a state: each message says all that its answer needs, so that a lost one ends it, and the next period begins
//! anew. Who brought an event is not told it: a useless contact without a message. A few events that repair has found missing
//! are passed on as news again. Events are not signed: a member can publish in another's name, as it could say anything else; only its own
//! present life a node knows better. Origins that have nothing retained are forgotten when there are more than [`Config::sources_max`]:
//! only then could something be told twice.

mod baseline;
mod catalogued;
mod config;
mod counters;
mod cover;
mod delivery;
mod item;
mod log;
mod message;
mod mongering;
mod observe;
mod publish;
mod repair;
#[cfg(test)]
mod tests;
mod window;

use crate::kit::rate_limit::RateLimit;
use alloc::sync::Arc;
use alloc::vec::Vec;
pub use config::{
    CONFIRM_EVENTS_MAX, CONFIRM_MEMBERS_MAX, CONFIRMS_MAX, Config, EPOCHS_MAX, NAME_BYTES_MAX,
    PAYLOAD_BYTES_MAX, SAMPLES_MAX, SEQ_MAX,
};
pub use counters::Counters;
pub use cover::{Cover, MISSING_NAMED_MAX};
pub use item::{EventId, Flags, Item, Position, Positions, Source, Span};
use log::Log;
pub use log::{GAPS_MAX, HOLES_MAX};
pub use message::{Digest, Message, Row, Scope, Want};
pub use publish::Publish;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::protocol::{Cx, Input, Protocol};
use rumormill_core::time::{Duration, Time};
use window::Window;

/// What is asked of it.
#[derive(Clone, Debug)]
pub enum Call {
    /// Find out by this peer what was before this node, and tell in an [`Event::Joined`]; not answered if that is known. To be called
    /// before this node's card is given to anybody.
    Join {
        /// Whom to ask.
        peer: NodeId,
        /// Whether this node wants to join it. If not, it is the peer that does.
        seeks: bool,
    },
    /// The layer above begins (`true`) or ends to look for a seed whose id it does not know yet. Until it is found, it may belong to an
    /// older cluster.
    Resolving(bool),
    /// Tell everybody.
    Publish(Publish),
    /// Of earlier lives of this node, kept on disk: they are held again, for others too, and told as far as they were not.
    Keep(Vec<Item>),
    /// Tell how far an event has come by now, in an [`Event::Covered`].
    Ask {
        /// Comes back in what is told of it.
        ticket: u64,
        /// Which one.
        id: EventId,
    },
}

/// What it asks to be reminded of. At most one of each is in flight.
#[derive(Clone, Debug)]
pub enum Timer {
    /// What has just come is passed on.
    Flush,
    /// A period of rumor mongering begins.
    Round,
    /// Time to compare with a peer.
    Repair,
    /// Time to ask, or to tell, how far events came.
    Cover,
    /// Time to ask again what was before, or to settle for what is known.
    Join,
}

/// Why an event was not taken.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many of this node's events are on their way: try again later.
    QueueFull,
    /// Its name or payload is too large.
    TooLarge,
    /// More than [`CONFIRM_MEMBERS_MAX`] members would have to confirm it.
    TooManyMembers,
}

/// What it tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It is on its way; [`Event::Covered`] follows if that was wanted.
    Queued {
        /// The publisher's.
        ticket: u64,
        /// What it is called from now on.
        id: EventId,
    },
    /// It is not.
    Refused {
        /// The publisher's.
        ticket: u64,
        /// Why.
        why: Refusal,
    },
    /// How far it came: as soon as all that were asked have confirmed that they deliver it, or when the time for that is over.
    Covered {
        /// The publisher's.
        ticket: u64,
        /// Members that confirmed.
        held: u32,
        /// Members that were asked; none if none is known, and then it has come nowhere.
        asked: u32,
        /// Members that did not confirm, at most [`MISSING_NAMED_MAX`] of them.
        missing: Vec<NodeId>,
    },
    /// It is known what was before this node: its card may be given to others.
    Joined,
    /// An event, of this node too.
    Delivered(Item),
    /// These events will not be told: they are lost, or passed out of the window before they came.
    Gap {
        /// Whose.
        source: Source,
        /// Which.
        span: Span,
    },
}

/// What became of an event that came.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Taken {
    New,
    Known,
    Refused,
}

type Ctx<'a> = Cx<'a, Events>;

/// The state machine.
pub struct Events {
    config: Arc<Config>,
    life: Life,
    /// Known from the start on.
    me: Option<NodeId>,
    window: Window,
    mongering: mongering::State,
    repair: repair::State,
    cover: cover::State,
    baseline: baseline::State,
    answers: RateLimit,
    /// When something was last new.
    news: Time,
    /// Whether it is known what was before this node.
    joined: bool,
    counters: Counters,
}

impl Protocol for Events {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = true;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => self.on_start(cx),
            Input::Call(Call::Join { peer, seeks }) => self.on_join(cx, peer, seeks),
            Input::Call(Call::Resolving(more)) => self.on_resolving(more),
            Input::Call(Call::Publish(publish)) => self.on_publish(cx, publish),
            Input::Call(Call::Keep(items)) => self.on_keep(cx, &items),
            Input::Call(Call::Ask { ticket, id }) => self.on_ask(cx, ticket, id),
            Input::Message(from, Message::Push { item, turn }) => self.on_push(cx, from, item, turn),
            Input::Message(from, Message::Have { id, turn }) => self.on_have(cx, from, id, turn),
            Input::Message(_, Message::Knew { id, turn }) => self.on_knew(id, turn),
            Input::Message(from, Message::Root { root }) => self.on_root(cx, from, root),
            Input::Message(from, Message::Digest(digest)) => self.on_digest(cx, from, &digest),
            Input::Message(from, Message::More { after, joining }) => self.on_more(cx, from, after, joining),
            Input::Message(from, Message::Want { wants }) => self.on_want(cx, from, &wants),
            Input::Message(from, Message::Give { items, left }) => self.on_give(cx, from, items, &left),
            Input::Message(from, Message::Cover { id }) => self.on_cover(cx, from, id),
            Input::Message(from, Message::Covered { id, held }) => self.on_covered(cx, from, id, held),
            Input::Timer(Timer::Flush) => self.on_flush(cx),
            Input::Timer(Timer::Round) => self.on_round(cx),
            Input::Timer(Timer::Repair) => self.on_repair(cx),
            Input::Timer(Timer::Cover) => self.on_cover_timer(cx),
            Input::Timer(Timer::Join) => self.on_join_timer(cx),
            Input::Spare(peer, bytes) => self.on_spare(cx, peer, bytes),
            Input::Shed(_, message) => self.on_shed(cx.now, &message),
            Input::Lost(..) => self.counters.lost += 1,
            Input::Peer(_) => self.arm_join(cx),
        }
    }
}

impl Events {
    /// Knows nobody and nothing yet. Many nodes may share one `config`. `life` keeps its numbers apart from those of its earlier lives.
    pub fn new(config: impl Into<Arc<Config>>, life: Life) -> Events {
        Events {
            config: config.into(),
            life,
            me: None,
            window: Window::default(),
            mongering: mongering::State::default(),
            repair: repair::State::default(),
            cover: cover::State::default(),
            baseline: baseline::State::default(),
            answers: RateLimit::default(),
            news: Time::ZERO,
            joined: false,
            counters: Counters::default(),
        }
    }

    /// Goes on where an earlier life of this node was: what was told then is not told again.
    pub fn resume(config: impl Into<Arc<Config>>, life: Life, positions: &Positions) -> Events {
        let mut events = Events::new(config, life);
        events.joined = positions.joined;
        for position in positions.list.iter().take(events.config.sources_max) {
            if !events.window.is_known(position.source) {
                events.window.insert(position.source, Log::resumed(position));
            }
        }
        events
    }

    /// How far the application was told: to be stored, and given to [`Events::resume`] after a restart.
    /// Who has not found out yet what was before it was told nothing but its own.
    pub fn positions(&self) -> Positions {
        let is_told = |source: &Source| self.joined || Some(source.origin) == self.me;
        let told = self.window.iter().filter(|(source, _)| is_told(source));
        let list = told.map(|(source, log)| log.position(source)).collect();
        Positions { joined: self.joined, list }
    }

    /// Whether it is known what was before this node; until then only its own events are told.
    pub fn is_joined(&self) -> bool {
        self.joined
    }

    /// The sum over all sources: equal at nodes that have nothing to give each other.
    pub fn root(&self) -> u64 {
        self.window.root
    }

    /// How many events are retained.
    pub fn window_events(&self) -> usize {
        self.window.events
    }

    /// Their bytes, with what each takes besides its name and payload.
    pub fn window_bytes(&self) -> usize {
        self.window.bytes
    }

    /// How many events are still passed on.
    pub fn hot_len(&self) -> usize {
        self.mongering.len()
    }

    /// An event, while it is retained.
    pub fn get(&self, id: EventId) -> Option<&Item> {
        self.window.item(id.source, id.seq).filter(|item| !item.is_void())
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        self.me = Some(cx.me);
        if self.joined { self.begin_repair(cx) } else { self.start_alone(cx) }
    }

    /// The first period of a node is shorter by a random part: the phase of its clock.
    fn begin_repair(&mut self, cx: &mut Cx<'_, Self>) {
        let period = self.config.repair_period;
        let phase = cx.rng.within(period);
        cx.after(period - phase, Timer::Repair);
    }

    /// A push that was shed is repaired, a question is asked again.
    fn on_shed(&mut self, now: Time, message: &Message) {
        if let Message::Push { .. } | Message::Have { .. } = message {
            self.mongering.shed(now);
            self.counters.shed_pushes += 1;
        } else {
            self.counters.shed_talk += 1;
        }
    }

    fn after_about(&self, cx: &mut Cx<'_, Self>, period: Duration, timer: Timer) {
        let early = cx.rng.within(period / self.config.jitter_part.max(1));
        cx.after(period - early, timer);
    }

    fn is_my_life(&self, me: NodeId, source: Source) -> bool {
        source.origin == me && source.epoch >= self.life.epoch
    }
}
