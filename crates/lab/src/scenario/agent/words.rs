//! What a member says of others in its own name: it signs a verdict about no member that it did not probe.

use rumormill_core::identity::NodeId;
use rumormill_node::Message;
use rumormill_protocols::member::swim::record::Charge;
use rumormill_protocols::member::swim::{self, News};
use std::collections::BTreeSet;

/// Verdicts in the members' own names, compared with their probes.
#[derive(Debug, Default)]
pub struct Words {
    /// Who probed whom without an answer, in any life.
    probed: BTreeSet<(NodeId, NodeId)>,
    unfounded: Option<String>,
}

impl Words {
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

/// Whom this message accuses in the name of `me`. An operator's order to forget a member is no verdict.
pub fn accused_by(me: NodeId, message: &Message) -> impl Iterator<Item = NodeId> {
    let news = match message {
        Message::Swim(swim::Message::News(news) | swim::Message::Give { news, .. }) => &news[..],
        _ => &[],
    };
    news.iter().filter_map(move |item| match item {
        News::Accusation(record) => {
            let accusation = record.value();
            let is_verdict = accusation.accuser == me && accusation.charge != Charge::Forget;
            is_verdict.then_some(accusation.accused)
        }
        News::Card(_) => None,
    })
}
