//! Members as JSON, from the node's state.
//!
//! Runs inside the node's task, so it does no more than copy what a request needs.

pub mod inside;
pub mod model;

use crate::host;
use crate::view::Cursor;
use inside::{Inside, addresses};
use rumormill_core::identity::NodeId;
use rumormill_core::time::Time;
use rumormill_core::words;
use rumormill_protocols::agree::bans::Ban;
use rumormill_protocols::member::swim::record::{TagMap, Tags};
use rumormill_protocols::member::swim::{self, Status};
use rumormill_runtime::contact::Contact;
use std::collections::BTreeMap;

/// Writes members as JSON has them.
pub struct Shape<'a> {
    inside: &'a Inside<'a>,
}

impl<'a> Shape<'a> {
    /// What is seen from inside the node's task.
    pub fn new(inside: &'a Inside<'a>) -> Shape<'a> {
        Shape { inside }
    }

    /// The members that match, ordered by name and id, and the cursor at which they stand so.
    pub fn members(
        &self,
        matches: impl Fn(&swim::Member<'_>, model::Status) -> bool,
    ) -> (Vec<model::Member>, Cursor) {
        let found = self.inside.node.swim.members().filter(|member| matches(member, self.status(member)));
        let mut members: Vec<_> = found.map(|member| self.member(&member)).collect();
        members.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        (members, self.inside.view.cursor())
    }

    /// What is being gossiped.
    pub fn news(&self) -> impl Iterator<Item = model::NewsItem> {
        let swim = &self.inside.node.swim;
        swim.news().map(|(id, said)| model::NewsItem {
            id: id.to_string(),
            name: swim.member(id).map(|member| member.card.name.clone()),
            said: said.map_or("forgotten", |said| status(said).as_str()).into(),
        })
    }

    /// Those of `ids` that are on a list.
    pub fn those(&self, ids: &[NodeId]) -> BTreeMap<NodeId, model::Member> {
        let found = ids.iter().filter_map(|id| Some((*id, self.inside.node.swim.member(*id)?)));
        found.map(|(id, member)| (id, self.member(&member))).collect()
    }

    /// One member.
    pub fn member(&self, member: &swim::Member<'_>) -> model::Member {
        let mut more = model::More::new();
        self.inside.about_member.iter().for_each(|about| about(self.inside, member.id, &mut more));
        let vitals = self.inside.node.vitals_of(member.id);
        let card = member.card;
        model::Member {
            id: member.id.to_string(),
            name: card.name.clone(),
            is_self: member.id == self.me(),
            status: self.status(member),
            since_s: self.ban(member.id).map_or(self.ago(member.since), |ban| ban.age_s(self.inside.wall)),
            epoch: card.life.epoch,
            incarnation: card.incarnation,
            addresses: addresses(&card.contact),
            tags: tags(member),
            tags_pending: member.tags.is_none() && !matches!(card.tags, Tags::Inline(_)),
            rtt_ms: member.rtt.map(words::millis),
            heard_s: member.heard.map(|heard| self.ago(heard)),
            stream_only: member.stream_only,
            copied_from: card.copied_from.map(|id| id.to_string()),
            warnings: self.warnings(member),
            vitals: vitals.as_ref().and_then(|entry| host::Vitals::decode(&entry.value)).map(|v| summary(&v)),
            vitals_age_s: vitals.map(|entry| words::seconds(self.inside.wall.since(entry.written))),
            more,
        }
    }

    /// The state of a member: a ban overrides its own word, and SWIM's.
    pub fn status(&self, member: &swim::Member<'_>) -> model::Status {
        self.ban(member.id).map_or(status(member.status), |_| model::Status::Banned)
    }

    /// The name of a member, or its id if it is on no list.
    pub fn called(&self, id: NodeId) -> String {
        self.name(id).unwrap_or_else(|| id.to_string())
    }

    /// The name of a member that is on the list.
    pub fn name(&self, id: NodeId) -> Option<String> {
        name_of(self.inside, id)
    }

    fn ban(&self, id: NodeId) -> Option<&Ban> {
        self.inside.node.bans.of(id)
    }

    fn me(&self) -> NodeId {
        self.inside.node.swim.me().id
    }

    fn ago(&self, then: Time) -> f64 {
        words::seconds(self.inside.now.since(then))
    }

    fn warnings(&self, member: &swim::Member<'_>) -> Vec<String> {
        let mut warnings = Vec::new();
        let live = matches!(member.status, Status::Alive | Status::Suspect);
        let carriers = self.inside.view.carriers(&member.card.name).len();
        if live && carriers > 1 {
            warnings
                .push(format!("the name is taken by {carriers} members: give each its own, or ask by id"));
        }
        if let Some(before) = member.card.copied_from {
            warnings.push(format!(
                "runs from a copy of the data directory of {before}: it made itself a new key, and both stay members"
            ));
        }
        if let Some(ban) = self.ban(member.id) {
            warnings.push(format!("banned by {}{}", self.called(ban.by), reason_given(ban)));
        }
        let loopback = |contact: &[u8]| {
            let contact = Contact::decode(contact).unwrap_or_default();
            contact.addresses().iter().find(|address| address.ip().is_loopback()).copied()
        };
        let is_elsewhere = loopback(&self.inside.node.swim.me().card.contact).is_none();
        if let Some(address) = loopback(&member.card.contact).filter(|_| live && is_elsewhere) {
            warnings.push(format!(
                "says that it is reached at {address}, which is every machine itself: set --advertise there"
            ));
        }
        if live && member.stream_only {
            warnings.push("answers over TCP alone: UDP on its gossip port seems to be blocked".to_string());
        }
        warnings
    }
}

/// The reason of a ban, to stand behind a sentence.
pub fn reason_given(ban: &Ban) -> String {
    if ban.reason().is_empty() { String::new() } else { format!(": {}", ban.reason()) }
}

/// The API's word for a status.
pub fn status(status: Status) -> model::Status {
    match status {
        Status::Alive => model::Status::Alive,
        Status::Suspect => model::Status::Suspect,
        Status::Failed => model::Status::Failed,
        Status::Left => model::Status::Left,
    }
}

/// A member's tags, as far as they are here.
pub fn tags(member: &swim::Member<'_>) -> BTreeMap<String, String> {
    member.tags.and_then(TagMap::decode).unwrap_or_default().0
}

/// The name of a member that is on the list.
pub fn name_of(inside: &Inside<'_>, id: NodeId) -> Option<String> {
    inside.node.swim.member(id).map(|member| member.card.name.clone())
}

fn summary(vitals: &host::Vitals) -> model::VitalsSummary {
    model::VitalsSummary {
        load1: vitals.load_1_centi.map(|centi| f64::from(centi) / 100.0),
        cpu_percent: vitals.cpu_busy_permille.map(|permille| f64::from(permille) / 10.0),
        memory_percent: vitals.memory_percent(),
        disk_percent: vitals.disk_percent(),
        uptime_s: vitals.uptime_s,
    }
}
