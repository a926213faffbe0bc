//! The observer: hands each event of the node to its feature, in the node's task.

use crate::agent::Agent;
use crate::feature::{Feature, Heard};
use crate::features::{FEATURES, keys, membership};
use crate::identity::NodeKeys;
use crate::node::{Event, Node};
use rumormill_core::identity::Life;
use rumormill_core::time::{Time, Wall};
use rumormill_runtime::{App, Book, RecoveryPacket, View};
use std::sync::{Arc, Weak};

/// Observes one node. An event reaches its feature at once; a feature that needs the node's state sees the event again once the node can be looked at.
pub(crate) struct Observer {
    agent: Weak<Agent>,
    later: Vec<(&'static Feature, Event)>,
}

impl Observer {
    pub(crate) fn new(agent: &Arc<Agent>) -> Observer {
        Observer { agent: Arc::downgrade(agent), later: Vec::new() }
    }
}

impl App<Node<NodeKeys>> for Observer {
    fn event(&mut self, event: Event, book: &mut Book, _: Time, wall: Wall) {
        let Some(agent) = self.agent.upgrade() else { return };
        let mut event = event;
        for feature in FEATURES {
            event = match (feature.event)(&agent, event, book, wall) {
                Heard::Done => return,
                Heard::Later(event) => return self.later.push((feature, event)),
                Heard::NotMine(event) => event,
            };
        }
    }

    fn after(&mut self, node: &Node<NodeKeys>, view: &View<'_>) {
        let Some(agent) = self.agent.upgrade() else { return self.later.clear() };
        for (feature, event) in self.later.drain(..) {
            (feature.after)(&agent, event, node, view);
        }
    }

    fn key_recovery(&mut self, packet: RecoveryPacket) {
        if let Some(agent) = self.agent.upgrade() {
            keys::service::take_packet(&agent, packet);
        }
    }

    fn superseded(&mut self, life: Life) {
        if let Some(agent) = self.agent.upgrade()
            && let Ok(handle) = agent.handle()
        {
            membership::service::superseded(&agent, handle.me(), life);
        }
    }
}
