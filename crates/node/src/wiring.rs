//! The wiring of the agent's node: `route` says who is told of what, `spare` who gets what is left of a datagram.
//!
//! SWIM's live members are the peers of all other protocols. Newer vitals of a member are its signs of life for phi. A query travels as an event, but
//! no subscriber of events gets it: the events hand it to the queries, and here it is decided whether this node is meant, by its name and tags of that
//! moment. Before a node that was alone joins others, or is joined by them, its events find out what was before it; until then membership waits
//! ([`Gate`](super::gate::Gate)).

use crate::{Audience, Call, Event, Meant, Message, Node};
use rumormill_core::composite::{FRAME_BYTES, Route, Wiring};
use rumormill_core::identity::{Keys, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{Cx, Input};
use rumormill_core::stack::Subscriber;
use rumormill_core::time::Time;
use rumormill_protocols::agree::{bans, lww};
use rumormill_protocols::detect;
use rumormill_protocols::member::swim;
use rumormill_protocols::spread::events::{self, Cover, Publish};
use rumormill_protocols::spread::queries::{self, Queries};
use std::cell::Cell;

/// Set in the tickets of events that are questions; the rest is the query's.
const QUESTION: u64 = 1 << 63;

impl<K: Keys, A: Audience> Wiring for Node<K, A> {
    fn route(&mut self, cx: &mut Cx<'_, Self>, route: Route<Self>) {
        match route {
            Route::Input(Input::Call(Call::Swim(swim::Call::Join(peer)))) if !self.events.is_joined() => {
                self.gate.hold_join(peer);
                self.events(cx, Input::Call(events::Call::Join { peer, seeks: true }));
            }
            Route::Input(Input::Message(from, Message::Swim(message))) if !self.events.is_joined() => {
                self.gate.hold(from, message);
                self.events(cx, Input::Call(events::Call::Join { peer: from, seeks: false }));
            }
            Route::Event(Event::Swim(event)) => {
                event.change().into_iter().for_each(|change| cx.publish(change));
                cx.emit(Event::Swim(event));
            }
            Route::Event(Event::Events(event)) => self.on_event(cx, event),
            Route::Event(Event::Queries(event)) => self.on_query(cx, event),
            Route::Event(Event::Vitals(lww::Event::Heard(id))) if let Some(sign) = self.sign_of(id) => {
                self.phi(cx, Input::Call(detect::Call::Heard(sign)));
                cx.emit(Event::Vitals(lww::Event::Heard(id)));
            }
            Route::Event(Event::Bans(bans::Event::Changed(ban))) => {
                self.swim(cx, Input::Call(swim::Call::Ban(ban.id, !ban.lifted)));
                cx.emit(Event::Bans(bans::Event::Changed(ban)));
            }
            other => self.pass(cx, other),
        }
    }

    /// A sum of the events takes a few bytes once in a while. Half of the rest is offered to membership, what it leaves to vitals, and what they
    /// leave to membership again if its half was too small for what it has to say.
    fn spare(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, bytes: usize) {
        let taken = Cell::new(0);
        cx.counted(peer, &taken, |cx| {
            let left = || bytes.saturating_sub(taken.get() + FRAME_BYTES);
            self.events(cx, Input::Spare(peer, left()));
            let (half, before) = (left() / 2, taken.get());
            self.swim(cx, Input::Spare(peer, half));
            let swim_had_more = taken.get() - before > half / 2;
            self.vitals(cx, Input::Spare(peer, left()));
            if swim_had_more && left() > 0 {
                self.swim(cx, Input::Spare(peer, left()));
            }
        });
    }
}

impl<K: Keys, A: Audience> Node<K, A> {
    /// Questions go to the queries, and so does what became of those asked here; all else is told.
    fn on_event(&mut self, cx: &mut Cx<'_, Self>, event: events::Event) {
        use events::Event::{Covered, Joined, Queued, Refused};
        if let Some(call) = Queries::call_for(&event) {
            return self.queries(cx, Input::Call(call));
        }
        match event {
            Joined => self.on_joined(cx),
            Queued { ticket, .. } if ticket & QUESTION != 0 => {
                cx.emit(Event::Queries(queries::Event::Sent { ticket: ticket & !QUESTION }));
            }
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

    /// The events know what was before this node: membership goes on.
    fn on_joined(&mut self, cx: &mut Cx<'_, Self>) {
        let (messages, joins) = self.gate.open();
        messages.into_iter().for_each(|(from, message)| self.swim(cx, Input::Message(from, message)));
        joins.into_iter().for_each(|peer| self.swim(cx, Input::Call(swim::Call::Join(peer))));
        cx.emit(Event::Events(events::Event::Joined));
    }

    fn on_query(&mut self, cx: &mut Cx<'_, Self>, event: queries::Event) {
        match event {
            queries::Event::Spread(question) => {
                let queries::SpreadQuestion { ticket, name, payload } = question;
                let (ticket, cover) = (ticket | QUESTION, Cover::Nobody);
                let (unordered, coalesce, question) = (true, false, true);
                let publish = Publish { ticket, name, payload, unordered, coalesce, cover, question };
                self.events(cx, Input::Call(events::Call::Publish(publish)));
            }
            queries::Event::Asked { id, ref filter, .. } if !self.is_meant(filter, cx.now) => {
                self.queries(cx, Input::Call(queries::Call::Decline(id)));
            }
            queries::Event::Asked { id, .. } => {
                self.queries(cx, Input::Call(queries::Call::Accept(id)));
                cx.emit(Event::Queries(event));
            }
            _ => cx.emit(Event::Queries(event)),
        }
    }

    /// Whether this node is one of those that a query is for.
    fn is_meant(&mut self, filter: &Payload, now: Time) -> bool {
        match self.audience.is_meant(filter, &self.swim.me(), now) {
            Meant::Yes => return true,
            Meant::No => {}
            Meant::Unreadable => self.unreadable_filters += 1,
            Meant::Shed => self.shed_filters += 1,
        }
        false
    }
}
