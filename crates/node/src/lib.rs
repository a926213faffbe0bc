//! The agent's composite protocol: membership, and on top of it the machines' vitals, the application's events, its queries, orders about keys,
//! and bans.
//!
//! SWIM knows who is there; [`Latest`] spreads each member's newest vitals in what room is left in datagrams that leave anyway; [`Events`]
//! brings to everybody what anybody publishes; [`Queries`] brings back what they answer; [`KeyOrders`] takes orders about keys to each;
//! [`Bans`] makes known who is kept out, which SWIM is told at once. What SWIM tells (up, dead, left, forgotten) becomes what the others are
//! called with, through a reused queue, after SWIM's `handle` has returned.
//!
//! A question goes out as an event and comes in as one, and is told to nobody as an event: here it is handed from the one protocol to the other,
//! and here it is decided whether this node is meant, by its name and tags of that moment. `message` is what travels.
//!
//! Before a node that was alone joins others, or is joined by them, its events find out what was before it; until then membership waits (`gate`).

mod gate;
mod message;

pub use message::Message;

use gate::Gate;
use message::FRAME_BYTES;
use rumormill_core::identity::{Keys, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{Cx, Input, Output, Protocol, Via};
use rumormill_core::stack::Told;
use rumormill_core::time::{Time, Wall};
use rumormill_core::wire;
use rumormill_protocols::agree::bans::{self, Bans};
use rumormill_protocols::agree::keys::{self, Keys as KeyOrders};
use rumormill_protocols::agree::latest::{self, Latest};
use rumormill_protocols::member::swim::{self, Member, Swim};
use rumormill_protocols::spread::events::{self, Cover, Events, Publish};
use rumormill_protocols::spread::queries::{self, Queries};
use std::cell::Cell;
use std::collections::VecDeque;

/// Set in the tickets of events that are questions; the rest is the query's.
const QUESTION: u64 = 1 << 63;

/// What the agent asks of its node.
#[derive(Clone, Debug)]
pub enum Call {
    /// Asked of membership.
    Swim(swim::Call),
    /// My newest vitals, encoded.
    Vitals {
        /// At most [`latest::VALUE_BYTES_MAX`] bytes.
        value: Payload,
        /// Whether the others are to hear of them; if not, they are only kept for whoever asks this node.
        gossip: bool,
    },
    /// Bytes per second that vitals may cost from now on.
    Ration(u32),
    /// Asked of the events.
    Events(events::Call),
    /// Asked of the queries; its tickets are below 2⁶³.
    Queries(queries::Call),
    /// Asked about keys.
    Keys(keys::Call),
    /// Asked about who is kept out.
    Bans(bans::Call),
}

/// What the node wants to be reminded of.
#[derive(Clone, Debug)]
pub enum Timer {
    /// By membership.
    Swim(swim::Timer),
    /// By vitals.
    Vitals(latest::Timer),
    /// By events.
    Events(events::Timer),
    /// By queries.
    Queries(queries::Timer),
    /// By orders about keys.
    Keys(keys::Timer),
    /// By bans.
    Bans(bans::Timer),
}

/// What the node tells the agent.
#[derive(Clone, Debug)]
pub enum Event {
    /// About members.
    Swim(swim::Event),
    /// About vitals.
    Vitals(latest::Event),
    /// An event, or what became of one; no questions.
    Events(events::Event),
    /// A question to this node, which is meant by it and has said so; or what comes of one that it asked.
    Queries(queries::Event),
    /// This node's query of that ticket is on its way.
    Asked(u64),
    /// An order about keys, or what became of one.
    Keys(keys::Event),
    /// Somebody is kept out, or no longer.
    Bans(bans::Event),
}

/// Vitals as they travel, with their times.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// Encoded.
    pub value: Payload,
    /// When they were written, by their owner's clock.
    pub written: Wall,
    /// When they came, by this node's clock.
    pub heard: Time,
}

/// Whether a query is meant for this node.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Its filter cannot be read; the query is not answered here.
    Unreadable,
    /// Too many filters were new in a short time; the query is not answered here.
    Shed,
}

/// Decides which queries are meant for this node. The filter is the application's: no protocol reads it.
pub trait Audience {
    /// Whether `me` matches the filter of a query that was heard at `now`.
    fn is_meant(&mut self, filter: &Payload, me: &Member<'_>, now: Time) -> Meant;
}

/// Every query is meant for this node, whatever its filter says.
#[derive(Copy, Clone, Debug, Default)]
pub struct Everyone;

impl Audience for Everyone {
    fn is_meant(&mut self, _: &Payload, _: &Member<'_>, _: Time) -> Meant {
        Meant::Yes
    }
}

/// One agent's protocols.
pub struct Node<K: Keys, A: Audience> {
    /// Who is there.
    pub swim: Swim<K>,
    /// How their machines do; none if vitals are off.
    pub vitals: Option<Latest>,
    /// What applications tell each other.
    pub events: Events,
    /// What applications ask each other.
    pub queries: Queries,
    audience: A,
    unreadable_filters: u64,
    shed_filters: u64,
    /// Orders about keys, to others and of others.
    pub keys: KeyOrders,
    /// Who is kept out.
    pub bans: Bans<K>,
    gate: Gate,
    /// My own newest vitals: [`Latest`] keeps those of others.
    mine: Option<Vitals>,
    told: VecDeque<swim::Event>,
    told_vitals: VecDeque<latest::Event>,
    told_events: VecDeque<events::Event>,
    told_queries: VecDeque<queries::Event>,
    told_keys: VecDeque<keys::Event>,
    told_bans: VecDeque<bans::Event>,
}

impl<K: Keys, A: Audience> Node<K, A> {
    /// Puts them together. `vitals` is none where they are turned off: then nothing is said and nothing is kept.
    pub fn new(
        swim: Swim<K>,
        vitals: Option<Latest>,
        events: Events,
        queries: Queries,
        audience: A,
        bans: Bans<K>,
    ) -> Self {
        Node {
            swim,
            vitals,
            events,
            queries,
            audience,
            unreadable_filters: 0,
            shed_filters: 0,
            keys: KeyOrders::new(keys::Config::default()),
            bans,
            gate: Gate::default(),
            mine: None,
            told: VecDeque::new(),
            told_vitals: VecDeque::new(),
            told_events: VecDeque::new(),
            told_queries: VecDeque::new(),
            told_keys: VecDeque::new(),
            told_bans: VecDeque::new(),
        }
    }

    /// Questions whose filter could not be read here, so that this node took itself to be not meant.
    pub fn unreadable_filters(&self) -> u64 {
        self.unreadable_filters
    }

    /// Questions passed over because too many filters were new in one second.
    pub fn shed_filters(&self) -> u64 {
        self.shed_filters
    }

    /// Messages about membership and requests to join that were dropped while this node did not know what was before it.
    pub fn shed_before_join(&self) -> u64 {
        self.gate.shed()
    }

    /// The newest vitals of a member, or of this node, if there are any.
    pub fn vitals_of(&self, id: NodeId) -> Option<Vitals> {
        let theirs = || {
            let known = self.vitals.as_ref()?.get(id)?;
            Some(Vitals {
                value: known.record.value.clone(),
                written: known.record.written,
                heard: known.heard,
            })
        };
        if id == self.swim.me().id { self.mine.clone() } else { theirs() }
    }

    fn on_vitals(&mut self, cx: &mut Cx<'_, Self>, value: Payload, gossip: bool) {
        if self.vitals.is_some() {
            self.mine = Some(Vitals { value: value.clone(), written: cx.wall, heard: cx.now });
        }
        if gossip {
            self.vitals(cx, Input::Call(latest::Call::Put(value)));
        }
    }

    fn swim(&mut self, cx: &mut Cx<'_, Self>, input: Input<Swim<K>>) {
        let (swim, told) = (&mut self.swim, &mut self.told);
        cx.lend(Message::Swim, Timer::Swim, |event| told.push_back(event), |cx| swim.handle(cx, input));
        while let Some(event) = self.told.pop_front() {
            if let Some(change) = event.change() {
                self.vitals(cx, Input::Call(latest::Call::Peer(change)));
                self.events(cx, Input::Call(events::Call::Peer(change)));
                self.queries(cx, Input::Call(queries::Call::Peer(change)));
                self.bans(cx, Input::Call(bans::Call::Peer(change)));
            }
            cx.emit(Event::Swim(event));
        }
    }

    /// This node wants to join a peer: by it, it finds out what was before, and joins it then.
    fn on_join(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId) {
        if self.events.is_joined() {
            return self.swim(cx, Input::Call(swim::Call::Join(peer)));
        }
        self.gate.hold_join(peer);
        self.events(cx, Input::Call(events::Call::Join { peer, seeks: true }));
    }

    /// A peer says something about membership: one that this node does not know yet, if it was alone so far.
    fn on_swim_message(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, message: swim::Message) {
        if self.events.is_joined() {
            return self.swim(cx, Input::Message(from, message));
        }
        self.gate.hold(from, message);
        self.events(cx, Input::Call(events::Call::Join { peer: from, seeks: false }));
    }

    /// It is known what was before this node: membership goes on.
    fn on_joined(&mut self, cx: &mut Cx<'_, Self>) {
        let (messages, joins) = self.gate.open();
        messages.into_iter().for_each(|(from, message)| self.swim(cx, Input::Message(from, message)));
        joins.into_iter().for_each(|peer| self.swim(cx, Input::Call(swim::Call::Join(peer))));
        cx.emit(Event::Events(events::Event::Joined));
    }

    fn vitals(&mut self, cx: &mut Cx<'_, Self>, input: Input<Latest>) {
        let (Some(vitals), told) = (&mut self.vitals, &mut self.told_vitals) else { return };
        cx.lend(Message::Vitals, Timer::Vitals, |event| told.push_back(event), |cx| vitals.handle(cx, input));
        while let Some(event) = self.told_vitals.pop_front() {
            cx.emit(Event::Vitals(event));
        }
    }

    fn events(&mut self, cx: &mut Cx<'_, Self>, input: Input<Events>) {
        let (events, told) = (&mut self.events, &mut self.told_events);
        cx.lend(Message::Events, Timer::Events, |event| told.push_back(event), |cx| events.handle(cx, input));
        while let Some(event) = self.told_events.pop_front() {
            self.on_event(cx, event);
        }
    }

    /// Questions go to the queries, and so does what became of those asked here; all else is told.
    fn on_event(&mut self, cx: &mut Cx<'_, Self>, event: events::Event) {
        use events::Event::{Covered, Queued, Refused};
        if let Some(call) = Queries::told(&event) {
            return self.queries(cx, Input::Call(call));
        }
        match event {
            events::Event::Joined => self.on_joined(cx),
            Queued { ticket, .. } if ticket & QUESTION != 0 => cx.emit(Event::Asked(ticket & !QUESTION)),
            Covered { ticket, .. } if ticket & QUESTION != 0 => {}
            Refused { ticket, why } if ticket & QUESTION != 0 => {
                let ticket = ticket & !QUESTION;
                let why = match why {
                    events::Refusal::QueueFull | events::Refusal::TooManyMembers => queries::Refusal::TooMany,
                    events::Refusal::TooLarge => queries::Refusal::TooLarge,
                };
                cx.emit(Event::Queries(queries::Event::Refused { ticket, why }));
                self.queries(cx, Input::Call(queries::Call::Cancel { ticket }));
            }
            _ => cx.emit(Event::Events(event)),
        }
    }

    fn queries(&mut self, cx: &mut Cx<'_, Self>, input: Input<Queries>) {
        let (queries, told) = (&mut self.queries, &mut self.told_queries);
        cx.lend(
            Message::Queries,
            Timer::Queries,
            |event| told.push_back(event),
            |cx| queries.handle(cx, input),
        );
        while let Some(event) = self.told_queries.pop_front() {
            match event {
                queries::Event::Spread(question) => self.spread(cx, question),
                queries::Event::Asked { id, ref filter, .. } => {
                    if !self.is_meant(filter, cx.now) {
                        self.queries(cx, Input::Call(queries::Call::Decline(id)));
                        continue;
                    }
                    self.queries(cx, Input::Call(queries::Call::Accept(id)));
                    cx.emit(Event::Queries(event));
                }
                _ => cx.emit(Event::Queries(event)),
            }
        }
    }

    fn spread(&mut self, cx: &mut Cx<'_, Self>, question: queries::SpreadQuestion) {
        let queries::SpreadQuestion { ticket, name, payload } = question;
        let ticket = ticket | QUESTION;
        let publish = Publish {
            ticket,
            name,
            payload,
            unordered: true,
            coalesce: false,
            cover: Cover::Nobody,
            question: true,
        };
        self.events(cx, Input::Call(events::Call::Publish(publish)));
    }

    /// Whether this node is one of those that a question is for.
    fn is_meant(&mut self, filter: &Payload, now: Time) -> bool {
        match self.audience.is_meant(filter, &self.swim.me(), now) {
            Meant::Yes => return true,
            Meant::No => {}
            Meant::Unreadable => self.unreadable_filters += 1,
            Meant::Shed => self.shed_filters += 1,
        }
        false
    }

    fn keys(&mut self, cx: &mut Cx<'_, Self>, input: Input<KeyOrders>) {
        let (keys, told) = (&mut self.keys, &mut self.told_keys);
        cx.lend(Message::Keys, Timer::Keys, |event| told.push_back(event), |cx| keys.handle(cx, input));
        while let Some(event) = self.told_keys.pop_front() {
            cx.emit(Event::Keys(event));
        }
    }

    fn bans(&mut self, cx: &mut Cx<'_, Self>, input: Input<Bans<K>>) {
        let (bans, told) = (&mut self.bans, &mut self.told_bans);
        cx.lend(Message::Bans, Timer::Bans, |event| told.push_back(event), |cx| bans.handle(cx, input));
        while let Some(event) = self.told_bans.pop_front() {
            if let bans::Event::Changed(ban) = &event {
                self.swim(cx, Input::Call(swim::Call::Shun(ban.id, !ban.lifted)));
            }
            cx.emit(Event::Bans(event));
        }
    }

    /// A sum of the events takes a few bytes once in a while. Of the rest half is offered to membership, what it leaves to vitals, and what they leave to membership again if its half was too small
    /// for what it has to say.
    fn on_spare(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, bytes: usize) {
        let taken = Cell::new(0);
        let out = &mut *cx.out;
        let mut counting = |output: Output<Self>| {
            if let Output::Send(to, Via::Auto, message) = &output
                && *to == peer
            {
                taken.set(taken.get() + wire::len(message));
            }
            out(output);
        };
        let mut cx =
            Cx { now: cx.now, wall: cx.wall, me: cx.me, rng: cx.rng, room: cx.room, out: &mut counting };
        let left = || bytes.saturating_sub(taken.get() + FRAME_BYTES);
        self.events(&mut cx, Input::Spare(peer, left()));
        let (half, before) = (left() / 2, taken.get());
        self.swim(&mut cx, Input::Spare(peer, half));
        let swim_had_more = taken.get() - before > half / 2;
        if self.vitals.is_some() {
            self.vitals(&mut cx, Input::Spare(peer, left()));
        }
        if swim_had_more && left() > 0 {
            self.swim(&mut cx, Input::Spare(peer, left()));
        }
    }
}

impl<K: Keys, A: Audience> Protocol for Node<K, A> {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = true;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => {
                self.vitals(cx, Input::Start);
                self.events(cx, Input::Start);
                self.queries(cx, Input::Start);
                self.swim(cx, Input::Start);
                self.bans(cx, Input::Start);
                self.keys(cx, Input::Start);
            }
            Input::Call(Call::Swim(swim::Call::Join(peer))) => self.on_join(cx, peer),
            Input::Call(Call::Swim(call)) => self.swim(cx, Input::Call(call)),
            Input::Call(Call::Vitals { value, gossip }) => self.on_vitals(cx, value, gossip),
            Input::Call(Call::Ration(ration)) => self.vitals(cx, Input::Call(latest::Call::Ration(ration))),
            Input::Call(Call::Events(call)) => self.events(cx, Input::Call(call)),
            Input::Call(Call::Queries(call)) => self.queries(cx, Input::Call(call)),
            Input::Call(Call::Keys(call)) => self.keys(cx, Input::Call(call)),
            Input::Call(Call::Bans(call)) => self.bans(cx, Input::Call(call)),
            Input::Message(from, Message::Swim(m)) => self.on_swim_message(cx, from, m),
            Input::Message(from, Message::Vitals(m)) => self.vitals(cx, Input::Message(from, m)),
            Input::Message(from, Message::Events(m)) => self.events(cx, Input::Message(from, m)),
            Input::Message(from, Message::Queries(m)) => self.queries(cx, Input::Message(from, m)),
            Input::Message(from, Message::Keys(m)) => self.keys(cx, Input::Message(from, m)),
            Input::Message(from, Message::Bans(m)) => self.bans(cx, Input::Message(from, m)),
            Input::Message(_, Message::Unknown) => {}
            Input::Timer(Timer::Swim(t)) => self.swim(cx, Input::Timer(t)),
            Input::Timer(Timer::Vitals(t)) => self.vitals(cx, Input::Timer(t)),
            Input::Timer(Timer::Events(t)) => self.events(cx, Input::Timer(t)),
            Input::Timer(Timer::Queries(t)) => self.queries(cx, Input::Timer(t)),
            Input::Timer(Timer::Keys(t)) => self.keys(cx, Input::Timer(t)),
            Input::Timer(Timer::Bans(t)) => self.bans(cx, Input::Timer(t)),
            Input::Spare(peer, bytes) => self.on_spare(cx, peer, bytes),
            Input::Shed(peer, Message::Swim(m)) => self.swim(cx, Input::Shed(peer, m)),
            Input::Shed(peer, Message::Vitals(m)) => self.vitals(cx, Input::Shed(peer, m)),
            Input::Shed(peer, Message::Events(m)) => self.events(cx, Input::Shed(peer, m)),
            Input::Shed(peer, Message::Queries(m)) => self.queries(cx, Input::Shed(peer, m)),
            Input::Shed(peer, Message::Keys(m)) => self.keys(cx, Input::Shed(peer, m)),
            Input::Shed(peer, Message::Bans(m)) => self.bans(cx, Input::Shed(peer, m)),
            Input::Shed(_, Message::Unknown) => {}
            Input::Lost(peer, loss) => {
                self.swim(cx, Input::Lost(peer, loss));
                self.vitals(cx, Input::Lost(peer, loss));
                self.events(cx, Input::Lost(peer, loss));
                self.queries(cx, Input::Lost(peer, loss));
                self.keys(cx, Input::Lost(peer, loss));
                self.bans(cx, Input::Lost(peer, loss));
            }
        }
    }
}
