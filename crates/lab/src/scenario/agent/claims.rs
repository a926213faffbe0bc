//! Statements that members make in their own name: verdicts, which need a probe, and confirmations of events.

use rumormill_core::identity::NodeId;
use rumormill_node::Message;
use rumormill_protocols::member::swim::record::Charge;
use rumormill_protocols::member::swim::{self, News};
use rumormill_protocols::spread::events::{self, EventId};
use std::collections::BTreeSet;

/// Verdicts in the members' own names, compared with their probes.
#[derive(Debug, Default)]
pub struct Claims {
    /// Failed probes: the prober and its target, in any life.
    probed: BTreeSet<(NodeId, NodeId)>,
    unfounded: Option<String>,
}

impl Claims {
    /// A probe failed.
    pub fn probed(&mut self, by: NodeId, about: NodeId) {
        self.probed.insert((by, about));
    }

    /// A member sends a verdict in its own name.
    pub fn accuses(&mut self, at_s: f64, by: NodeId, about: NodeId) {
        if !self.probed.contains(&(by, about)) {
            let (by, about) = (by.0, about.0);
            self.unfounded.get_or_insert_with(|| {
                format!("node {by} accuses node {about} at {at_s:.3} s and has not probed it")
            });
        }
    }

    /// Whether each verdict came from a member that had probed its subject.
    pub fn check(&self) -> Result<(), String> {
        self.unfounded.clone().map_or(Ok(()), Err)
    }
}

/// A statement of a member in its own name.
pub enum Claim {
    /// A verdict about this member.
    Accuses(NodeId),
    /// A confirmation of this event.
    Holds(EventId),
}

/// Returns the statements that this message makes in the name of `me`. An operator's order to forget a member is no verdict.
pub fn of(me: NodeId, message: &Message, mut tell: impl FnMut(Claim)) {
    let news = match message {
        Message::Swim(swim::Message::News(news) | swim::Message::Give { news, .. }) => &news[..],
        Message::Events(events::Message::Covered { id, held: true }) => return tell(Claim::Holds(*id)),
        _ => return,
    };
    for item in news {
        if let News::Accusation(record) = item
            && record.value().accuser == me
            && record.value().charge != Charge::Forget
        {
            tell(Claim::Accuses(record.value().accused));
        }
    }
}
