//! The agent's composite protocol: membership, and on top of it the machines' vitals and the application's events.
//!
//! SWIM knows who is there; [`Latest`] spreads each member's newest vitals in what room is left in datagrams that leave anyway; [`Events`]
//! brings to everybody what anybody publishes. What SWIM tells (up, dead, left, forgotten) becomes what both are called with, through a
//! reused queue, after SWIM's `handle` has returned.
//! On the wire a message is `[0, swim]`, `[1, vitals]` or `[2, events]`; a number that this version does not know is a protocol that a newer one
//! added, and is passed over without harm to its neighbours in the datagram.

use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};
use rumormill_core::identity::{Keys, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{Change, Cx, Input, Output, Protocol, Via};
use rumormill_core::time::{Time, Wall};
use rumormill_core::wire;
use rumormill_protocols::agree::latest::{self, Latest};
use rumormill_protocols::member::swim::{self, Swim};
use rumormill_protocols::spread::events::{self, Events};
use std::cell::Cell;
use std::collections::VecDeque;

const SWIM: usize = 0;
const VITALS: usize = 1;
/// The first of the events' lanes.
const EVENTS: usize = 2;

/// Bytes that this layer puts around an inner message: an array of two, and a number.
const FRAME_BYTES: usize = 2;

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
}

/// What two agents say to each other.
#[derive(Clone, Debug)]
pub enum Message {
    /// About membership.
    Swim(swim::Message),
    /// Vitals.
    Vitals(latest::Message),
    /// Events.
    Events(events::Message),
    /// Something that a newer version says, which this one cannot read. Never sent.
    Unknown,
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
}

/// What the node tells the agent.
#[derive(Clone, Debug)]
pub enum Event {
    /// About members.
    Swim(swim::Event),
    /// About vitals.
    Vitals(latest::Event),
    /// An event, or what became of one.
    Events(events::Event),
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

/// One agent's protocols.
pub struct Node<K: Keys> {
    /// Who is there.
    pub swim: Swim<K>,
    /// How their machines do; none if vitals are off.
    pub vitals: Option<Latest>,
    /// What applications tell each other.
    pub events: Events,
    /// My own newest vitals: [`Latest`] keeps those of others.
    mine: Option<Vitals>,
    told: VecDeque<swim::Event>,
    told_vitals: VecDeque<latest::Event>,
    told_events: VecDeque<events::Event>,
}

impl<K: Keys> Node<K> {
    /// Puts the three together. `vitals` is none where they are turned off: then nothing is said and nothing is kept.
    pub fn new(swim: Swim<K>, vitals: Option<Latest>, events: Events) -> Self {
        Node {
            swim,
            vitals,
            events,
            mine: None,
            told: VecDeque::new(),
            told_vitals: VecDeque::new(),
            told_events: VecDeque::new(),
        }
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
            if let Some(change) = change(&event) {
                self.vitals(cx, Input::Call(latest::Call::Peer(change)));
                self.events(cx, Input::Call(events::Call::Peer(change)));
            }
            cx.emit(Event::Swim(event));
        }
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
            cx.emit(Event::Events(event));
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

impl<K: Keys> Protocol for Node<K> {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => {
                self.vitals(cx, Input::Start);
                self.events(cx, Input::Start);
                self.swim(cx, Input::Start);
            }
            Input::Call(Call::Swim(call)) => self.swim(cx, Input::Call(call)),
            Input::Call(Call::Vitals { value, gossip }) => self.on_vitals(cx, value, gossip),
            Input::Call(Call::Ration(ration)) => self.vitals(cx, Input::Call(latest::Call::Ration(ration))),
            Input::Call(Call::Events(call)) => self.events(cx, Input::Call(call)),
            Input::Message(from, Message::Swim(m)) => self.swim(cx, Input::Message(from, m)),
            Input::Message(from, Message::Vitals(m)) => self.vitals(cx, Input::Message(from, m)),
            Input::Message(from, Message::Events(m)) => self.events(cx, Input::Message(from, m)),
            Input::Message(_, Message::Unknown) => {}
            Input::Timer(Timer::Swim(t)) => self.swim(cx, Input::Timer(t)),
            Input::Timer(Timer::Vitals(t)) => self.vitals(cx, Input::Timer(t)),
            Input::Timer(Timer::Events(t)) => self.events(cx, Input::Timer(t)),
            Input::Spare(peer, bytes) => self.on_spare(cx, peer, bytes),
            Input::Shed(peer, SWIM) => self.swim(cx, Input::Shed(peer, 0)),
            Input::Shed(peer, VITALS) => self.vitals(cx, Input::Shed(peer, 0)),
            Input::Shed(peer, lane) => self.events(cx, Input::Shed(peer, lane - EVENTS)),
            Input::Lost(peer, loss) => {
                self.swim(cx, Input::Lost(peer, loss));
                self.vitals(cx, Input::Lost(peer, loss));
                self.events(cx, Input::Lost(peer, loss));
            }
        }
    }
}

/// What membership's event means to those who only care whom they can talk to.
fn change(event: &swim::Event) -> Option<Change> {
    match event {
        swim::Event::Up(id) => Some(Change::Up(*id)),
        swim::Event::Dead(id) | swim::Event::Left(id) | swim::Event::Forgotten(id) => Some(Change::Down(*id)),
        _ => None,
    }
}

impl rumormill_core::protocol::Message for Message {
    /// In the order of their numbers: those of each protocol in a row.
    fn lanes() -> Vec<&'static str> {
        [swim::Message::lanes(), latest::Message::lanes(), events::Message::lanes()].concat()
    }
    fn lane(&self) -> usize {
        match self {
            Message::Swim(_) | Message::Unknown => SWIM,
            Message::Vitals(_) => VITALS,
            Message::Events(m) => EVENTS + m.lane(),
        }
    }
    fn replayable(&self) -> bool {
        match self {
            Message::Swim(m) => m.replayable(),
            Message::Vitals(m) => m.replayable(),
            Message::Events(m) => m.replayable(),
            Message::Unknown => false,
        }
    }
}

impl<C> Encode<C> for Message
where
    swim::Message: Encode<C>,
    latest::Message: Encode<C>,
    events::Message: Encode<C>,
{
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?;
        match self {
            Message::Swim(m) => m.encode(e.u8(0)?, c),
            Message::Vitals(m) => m.encode(e.u8(1)?, c),
            Message::Events(m) => m.encode(e.u8(2)?, c),
            Message::Unknown => e.u8(23)?.null()?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for Message
where
    swim::Message: Decode<'b, C>,
    latest::Message: Decode<'b, C>,
    events::Message: Decode<'b, C>,
{
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, minicbor::decode::Error> {
        let found = wire::array(d, 2)?;
        let (message, known) = match d.u64()? {
            0 => (Message::Swim(Decode::decode(d, c)?), 2),
            1 => (Message::Vitals(Decode::decode(d, c)?), 2),
            2 => (Message::Events(Decode::decode(d, c)?), 2),
            _ => (Message::Unknown, 1),
        };
        wire::skip_rest(d, known, found)?;
        Ok(message)
    }
}

impl<C> CborLen<C> for Message
where
    swim::Message: CborLen<C>,
    latest::Message: CborLen<C>,
    events::Message: CborLen<C>,
{
    fn cbor_len(&self, c: &mut C) -> usize {
        FRAME_BYTES
            + match self {
                Message::Swim(m) => m.cbor_len(c),
                Message::Vitals(m) => m.cbor_len(c),
                Message::Events(m) => m.cbor_len(c),
                Message::Unknown => 1,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_version_says_is_passed_over_and_its_neighbours_are_read() {
        // [7, {1: [2, 3]}, "more"], then what this version cannot say either, then [0, …] cut short.
        let bytes = [0x83, 7, 0xa1, 1, 0x82, 2, 3, 0x64, b'm', b'o', b'r', b'e', 0x82, 23, 0xf6];
        let mut rest = &bytes[..];
        for _ in 0..2 {
            assert!(matches!(wire::get::<Message>(&mut rest), Ok(Message::Unknown)));
        }
        assert!(rest.is_empty());
        assert!(wire::decode::<Message>(&[0x81, 0]).is_err(), "a number without its message");
    }

    #[test]
    fn the_size_is_known_before_it_is_written() {
        let mut out = Vec::new();
        wire::put(&Message::Unknown, &mut out);
        assert_eq!(out.len(), wire::len(&Message::Unknown));
    }
}
