//! The application of the runtime: takes the events of the composite, in the node's task, and hands them to the program.

use crate::event::{Event, Member, Message, Question};
use crate::keys::{KeyOrder, OrderedBy};
use crate::node::Node;
use crate::queries::answer::Answer;
use crate::queries::open::{Reply, Responder};
use crate::shared::{Covered, Shared};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::time::{Time, Wall};
use rumormill_node::Event as NodeEvent;
use rumormill_protocols::agree::{bans, keys};
use rumormill_protocols::member::swim;
use rumormill_protocols::spread::{events, queries};
use rumormill_runtime::{App, Book, View};
use std::sync::Arc;
use std::time::Instant;

/// Observes one node. Events that need the node's state wait for [`App::after`], and all that come behind them, so that their order stays.
pub(crate) struct Observer {
    shared: Arc<Shared>,
    later: Vec<NodeEvent>,
}

impl Observer {
    pub fn new(shared: Arc<Shared>) -> Observer {
        Observer { shared, later: Vec::new() }
    }
}

/// The runtime drops its application when the node stops.
impl Drop for Observer {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl App<Node> for Observer {
    fn event(&mut self, event: NodeEvent, book: &mut Book, _: Time, _: Wall) {
        match &event {
            NodeEvent::Swim(swim::Event::Contact(id, life, contact)) => {
                if let Err(error) = book.runs(*id, *life).learn(*id, contact) {
                    tracing::debug!(%id, %error, "a member's contact cannot be read");
                }
                return;
            }
            NodeEvent::Swim(swim::Event::Forgotten(id)) => book.forget(*id),
            NodeEvent::Bans(bans::Event::Changed(ban)) => book.ban(ban.id, !ban.lifted),
            NodeEvent::Queries(queries::Event::Sent { ticket }) => {
                return self.shared.queries().begun(*ticket);
            }
            _ => {}
        }
        self.later.push(event);
    }

    fn after(&mut self, node: &Node, _: &View<'_>) {
        for event in std::mem::take(&mut self.later) {
            if let Some(event) = self.hear(event, node) {
                self.shared.subscribers.push(&event);
            }
        }
        let is_joined = node.swim.live_len() > 1;
        self.shared.is_joined.send_if_modified(|before| std::mem::replace(before, is_joined) != is_joined);
    }

    fn superseded(&mut self, _: Life) {
        self.has_been_superseded();
    }
}

impl Observer {
    /// The program's view of an event.
    fn hear(&self, event: NodeEvent, node: &Node) -> Option<Event> {
        match event {
            NodeEvent::Swim(event) => self.on_membership(event, node),
            NodeEvent::Events(event) => self.on_event(event),
            NodeEvent::Queries(event) => self.on_query(event, node),
            NodeEvent::Keys(keys::Event::Ordered { by, serial, order }) => {
                let order = KeyOrder { order, by: OrderedBy::Member(by, serial) };
                let _ = self.shared.orders.try_send(order); // else the member repeats it
                None
            }
            NodeEvent::Keys(keys::Event::Reported { ticket, by, report }) => {
                self.shared.reports().reported(ticket, by, report);
                None
            }
            NodeEvent::Bans(bans::Event::Changed(ban)) => {
                self.shared.changed.notify_one();
                Some(Event::Banned(ban.id, !ban.lifted))
            }
            NodeEvent::Bans(_) | NodeEvent::Vitals(_) | NodeEvent::Phi(_) => None,
        }
    }

    fn on_membership(&self, event: swim::Event, node: &Node) -> Option<Event> {
        let member = |id| node.swim.member(id).map(|member| Member::of(&member));
        let event = match event {
            swim::Event::Up(id) => Event::Up(member(id)?),
            swim::Event::Changed(id) | swim::Event::Tags(id) => Event::Changed(member(id)?),
            swim::Event::Suspected(id) => Event::Suspected(member(id)?),
            swim::Event::Refuted(id) => Event::Refuted(member(id)?),
            swim::Event::Failed(id) => Event::Failed(member(id)?),
            swim::Event::Left(id) => Event::Left(member(id)?),
            swim::Event::Forgotten(id) => Event::Forgotten(id),
            swim::Event::LeftCluster => {
                self.shared.left.send_replace(true);
                return None;
            }
            swim::Event::Superseded(_) => {
                self.has_been_superseded();
                return None;
            }
            swim::Event::Contact(..)
            | swim::Event::ProbeFailed { .. }
            | swim::Event::Pong(..)
            | swim::Event::RoundTrip(..)
            | swim::Event::Heard(..) => return None,
        };
        self.shared.changed.notify_one();
        Some(event)
    }

    fn on_event(&self, event: events::Event) -> Option<Event> {
        match event {
            events::Event::Queued { ticket, id } => self.shared.publishes().queued(ticket, Ok(id)),
            events::Event::Refused { ticket, why } => self.shared.publishes().queued(ticket, Err(why)),
            events::Event::Covered { ticket, held, asked, missing } => {
                self.shared.publishes().covered(ticket, Covered { held, asked, missing });
            }
            events::Event::Joined => self.shared.changed.notify_one(),
            events::Event::Delivered(item) => {
                self.shared.changed.notify_one();
                return Some(Event::Message(Message { id: item.id, kind: item.name, payload: item.payload }));
            }
            events::Event::Gap { source, span } => {
                self.shared.changed.notify_one();
                return Some(Event::Lost { from: source.origin, count: span.len() });
            }
        }
        None
    }

    fn on_query(&self, event: queries::Event, node: &Node) -> Option<Event> {
        let name = |id| node.swim.member(id).map(|member| member.card.name.clone()).unwrap_or_default();
        let who = |id: NodeId| Responder { id, name: name(id) };
        let mut open = self.shared.queries();
        match event {
            queries::Event::Asked { id, name, body, left, .. } => {
                let (until, handle) = (Instant::now() + left, self.shared.handle());
                return Some(Event::Question(Question { id, kind: name, payload: body, until, handle }));
            }
            queries::Event::Acked { ticket, from } => open.deliver(ticket, Reply::Ack(who(from))),
            queries::Event::Answered { ticket, from, body } => match Answer::decode(&body) {
                Answer::Value(payload) => open.deliver(ticket, Reply::Answer(who(from), payload)),
                Answer::Failed(why) => open.deliver(ticket, Reply::Failed(who(from), why)),
            },
            queries::Event::Refused { ticket, why } => open.refused(ticket, why),
            queries::Event::Done { ticket, summary } => open.done(ticket, summary),
            queries::Event::Spread(_) | queries::Event::Sent { .. } => {} // the node's own business
        }
        None
    }

    fn has_been_superseded(&self) {
        if !self.shared.superseded.send_replace(true) {
            tracing::error!("this node's id runs elsewhere in a greater life: its data directory was copied");
            self.shared.subscribers.push(&Event::Superseded);
        }
    }
}
