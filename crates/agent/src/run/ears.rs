//! What the agent does with what its node tells, in the node's task.

use super::agent::Agent;
use super::keys;
use crate::identity::NodeKeys;
use crate::logging::limit::{self, Kind};
use crate::node::{Event, Node};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::time::{Time, Wall};
use rumormill_protocols::agree::bans;
use rumormill_protocols::member::swim::{self, Status};
use rumormill_protocols::spread::queries;
use rumormill_runtime::{App, Book, Knock, View};
use std::sync::Weak;

/// Hears the node. Addresses go into the book at once, and events to the board; members and queries wait until the node can be
/// looked at.
pub(super) struct Ears {
    agent: Weak<Agent>,
    told: Vec<swim::Event>,
    queries: Vec<queries::Event>,
    bans: Vec<bans::Event>,
}

impl Ears {
    pub(super) fn new(agent: Weak<Agent>) -> Ears {
        Ears { agent, told: Vec::new(), queries: Vec::new(), bans: Vec::new() }
    }
}

impl App<Node<NodeKeys>> for Ears {
    fn event(&mut self, event: Event, book: &mut Book, _: Time, wall: Wall) {
        match event {
            Event::Swim(swim::Event::Contact(id, life, contact)) => {
                book.runs(id, life);
                if let Err(error) = book.learn(id, &contact) {
                    tracing::debug!(%id, %error, "a member says something unreadable of where it is");
                }
            }
            Event::Swim(event) => {
                if let swim::Event::Forgotten(id) = event {
                    book.forget(id);
                }
                self.told.push(event);
            }
            Event::Keys(event) => {
                if let Some(agent) = self.agent.upgrade() {
                    keys::hear(&agent, event);
                }
            }
            Event::Bans(event) => {
                if let bans::Event::Changed(ban) = &event {
                    book.shun(ban.id, !ban.lifted);
                }
                self.bans.push(event);
            }
            Event::Vitals(_) => {}
            Event::Events(event) => {
                if let Some(agent) = self.agent.upgrade() {
                    agent.hear(event, wall);
                }
            }
            Event::Queries(queries::Event::Sent { ticket }) => {
                if let Some(agent) = self.agent.upgrade() {
                    agent.query_board().desk.begun(ticket);
                }
            }
            Event::Queries(event) => self.queries.push(event),
        }
    }

    fn after(&mut self, node: &Node<NodeKeys>, view: &View<'_>) {
        let Some(agent) = self.agent.upgrade() else {
            self.queries.clear();
            self.bans.clear();
            return self.told.clear();
        };
        let named = |id| node.swim.member(id).map(|member| member.card.name.clone()).unwrap_or_default();
        for event in self.queries.drain(..) {
            agent.query_board().hear(event, named);
        }
        for event in self.bans.drain(..) {
            agent.hear_ban(event, view.me, named);
        }
        for event in self.told.drain(..) {
            match event {
                swim::Event::LeftCluster => agent.told_all(),
                swim::Event::Superseded(life) => superseded(&agent, view.me, life),
                _ => hear(&agent, node, &event, view.wall),
            }
        }
    }

    fn knocked(&mut self, knock: Knock) {
        if let Some(agent) = self.agent.upgrade() {
            agent.keys.take(keys::Duty::Knock(Box::new(knock)));
        }
    }

    fn superseded(&mut self, life: Life) {
        if let Some(agent) = self.agent.upgrade()
            && let Ok(handle) = agent.handle()
        {
            superseded(&agent, handle.me(), life);
        }
    }
}

fn hear(agent: &Agent, node: &Node<NodeKeys>, event: &swim::Event, now: Wall) {
    let change = crate::view::change(event);
    let member = change.and_then(|(_, id)| node.swim.member(id));
    let named = member.map(|m| (m.card.name.as_str(), matches!(m.status, Status::Alive | Status::Suspect)));
    if let Some((what, id)) = change {
        agent.unsaved(id);
        log(event, id, named.map_or("", |(name, _)| name), what.as_str());
    }
    if let swim::Event::Forgotten(_) = event {
        agent.orders_changed.notify_one();
    }
    agent.view().on_swim(event, named, now);
}

fn log(event: &swim::Event, id: NodeId, name: &str, what: &str) {
    use swim::Event;
    let is_quiet = matches!(event, Event::Changed(_) | Event::Tags(_));
    if !is_quiet && !limit::allows(Kind::Member) {
        return;
    }
    match event {
        Event::Dead(_) => tracing::warn!(%id, name, "member failed"),
        Event::Suspected(_) => tracing::info!(%id, name, "member suspected"),
        Event::Changed(_) | Event::Tags(_) => tracing::debug!(%id, name, "member {what}"),
        _ => tracing::info!(%id, name, "member {what}"),
    }
}

/// May be told twice, by the runtime and by membership: the second time changes nothing.
fn superseded(agent: &Agent, me: NodeId, life: Life) {
    if !agent.superseded.send_if_modified(|of| of.replace(me) != Some(me)) {
        return;
    }
    tracing::error!(
        id = %me,
        epoch = life.epoch,
        "this node's id runs elsewhere in a greater life: its data directory was copied; this agent makes itself a new identity"
    );
}
