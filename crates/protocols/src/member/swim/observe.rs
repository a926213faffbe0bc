//! Figures and tables: members, open suspicions, verdicts.

use super::api::{Status, Verdict, VerdictKind};
use super::record::{Charge, TagMap, Tags};
use super::*;
use alloc::format;
use alloc::vec::Vec;
use rumormill_core::observe::{Figure, Key, Moment, Observe};
use rumormill_core::table::{Cell, Table, Wanted};
use rumormill_core::words::{millis, seconds};
use rumormill_core::{columns, row};

/// Members.
pub static MEMBERS: Table = Table {
    name: "members",
    about: "Members that this node knows, itself included; departed ones as long as they are remembered.",
    key: &["id"],
    columns: columns! {
        /// Its id: 16 hexadecimal digits.
        id: Text,
        /// Its name: a label, which two members may carry.
        name: Text,
        /// True of the node that answers.
        is_self: Bool,
        /// Its state: `alive`, `suspect`, `failed`, `left` or `banned`.
        status: Text,
        /// Seconds since its state changed.
        since_s: Float,
        /// Seconds since this node last heard from it directly; null if it never did.
        heard_s: Float,
        /// The member's starts so far.
        epoch: Int,
        /// A number that the member raises to refute a suspicion or to change its record.
        incarnation: Int,
        /// The addresses on its record, as a JSON list.
        addresses: Json,
        /// Its tags, as a JSON object; empty while `tags_pending`.
        tags: Json,
        /// Its tags are too large to travel with its record and have not been fetched yet.
        tags_pending: Bool,
        /// The smoothed round trip in milliseconds, by datagram; null if it was never measured.
        rtt_ms: Float,
        /// It answers over TCP alone: its datagrams seem to be blocked.
        stream_only: Bool,
        /// Its earlier id, if it took a new one because a copy of its data directory is running.
        copied_from: Text,
    },
};

/// Suspicions.
pub static SUSPICIONS: Table = Table {
    name: "suspicions",
    about: "Suspicions that are open: each suspect is failed when its time is over, unless it answers before.",
    key: &["id"],
    columns: columns! {
        /// The suspect.
        id: Text,
        /// Its name; null if it is on no list.
        name: Text,
        /// Seconds since the suspicion began here, or since the suspect last answered this node.
        since_s: Float,
        /// Seconds until it is failed here, as things stand.
        ends_in_s: Float,
        /// The number of members that accuse it.
        accusers: Int,
        /// Their ids, as a JSON list.
        accuser_ids: Json,
        /// The incarnation of the suspect that the first accusation is about.
        incarnation: Int,
        /// The time of the first accusation, by its author's clock.
        written: Time,
    },
};

/// Verdicts.
pub static WHY: Table = Table {
    name: "why",
    about: "What was said about members, by whom and on what evidence, oldest first, as far as this node remembers.",
    key: &[],
    columns: columns! {
        /// The member that it is about.
        id: Text,
        /// Its name; null if it is on no list.
        name: Text,
        /// The verdict: `suspected`, `declared_failed`, `forgotten`, `refuted`, `restarted`, `left`, `copied`, `banned` or `unbanned`.
        what: Text,
        /// The member that said it.
        by_id: Text,
        /// Its name; null if it is on no list.
        by_name: Text,
        /// The time of the verdict, by its author's clock.
        written: Time,
        /// Seconds since this node heard it.
        heard_s: Float,
        /// The incarnation that it is about.
        incarnation: Int,
        /// Of an accusation: helpers that were asked to probe the accused.
        helpers: Int,
        /// Of an accusation: helpers that got no answer either and said so.
        nacks: Int,
        /// Of a failure: other members whose suspicions agreed with the first one.
        confirmations: Int,
        /// Of an accusation: milliseconds that its author waited, for the probe or for a refutation.
        waited_ms: Int,
        /// Of an accusation: milliseconds since its author had last heard from the accused; null if it never did.
        silent_ms: Int,
        /// Of an accusation: its author's local health score; 0 is healthy.
        accuser_health: Int,
        /// Of an accusation: the member that answered its author at the address of the accused.
        replaced_by: Text,
    },
};

static TABLES: &[&Table] = &[&MEMBERS, &SUSPICIONS, &WHY];

impl<K: Keys> Observe for Swim<K> {
    fn figures(&self, _: &Moment, each: &mut dyn FnMut(Figure<'_>)) {
        for (name, help, value) in self.counters.each() {
            each(Figure::count(&format!("swim_{name}"), help, value));
        }
        each(Figure::gauge(
            "health_score",
            "Lifeguard's local health score: 0 is healthy",
            self.health().into(),
        ));
        each(Figure::gauge("news_queued", "Items still being gossiped", self.news_len() as f64));
        each(Figure::gauge(
            "swim_tags_bytes",
            "Bytes of large tags of others kept here",
            self.tags_bytes() as f64,
        ));
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn keys(&self, table: &Table) -> Vec<Key> {
        match table.name {
            name if name == MEMBERS.name => self.members().map(|member| [member.id.0, 0, 0]).collect(),
            name if name == SUSPICIONS.name => self.cases.iter().map(|(id, _)| [id.0, 0, 0]).collect(),
            name if name == WHY.name => self.verdict_keys(),
            _ => Vec::new(),
        }
    }

    fn row(&self, table: &Table, key: Key, wanted: Wanted, at: &Moment) -> Option<Vec<Cell>> {
        let id = NodeId(key[0]);
        match table.name {
            name if name == MEMBERS.name => {
                self.member(id).map(|member| self.member_row(&member, wanted, at))
            }
            name if name == SUSPICIONS.name => self.suspicion_row(id, wanted, at),
            name if name == WHY.name => {
                self.verdict_at(key).map(|verdict| self.verdict_row(verdict, wanted, at))
            }
            _ => None,
        }
    }
}

impl<K: Keys> Swim<K> {
    /// The name of a member that is on the list.
    pub fn name_of(&self, id: NodeId) -> Option<&str> {
        self.member(id).map(|member| member.card.name.as_str())
    }

    fn member_row(&self, member: &api::Member<'_>, wanted: Wanted, at: &Moment) -> Vec<Cell> {
        let card = member.card;
        row![wanted;
            member.id,
            card.name.as_str(),
            member.id == self.me().id,
            status(member.status),
            seconds(at.now.since(member.since)),
            member.heard.map(|heard| seconds(at.now.since(heard))),
            card.life.epoch,
            card.incarnation,
            Cell::list((at.addresses)(&card.contact)),
            Cell::object(member.tags.and_then(TagMap::decode).unwrap_or_default().0),
            member.tags.is_none() && !matches!(card.tags, Tags::Inline(_)),
            member.rtt.map(millis),
            member.stream_only,
            card.copied_from,
        ]
    }

    fn suspicion_row(&self, id: NodeId, wanted: Wanted, at: &Moment) -> Option<Vec<Cell>> {
        let case = self.cases.get(id)?;
        let first = case.first.value();
        Some(row![wanted;
            id,
            self.name_of(id),
            seconds(at.now.since(case.since)),
            seconds(case.end.since(at.now)),
            case.accusers.len(),
            Cell::list(case.accusers.iter().map(|id| format!("{id}"))),
            first.incarnation,
            first.written,
        ])
    }

    /// Verdicts have no number: their key is the time of receipt, and a count among those of that time. That this node keeps a banned member out
    /// is no verdict of anybody.
    fn verdict_keys(&self) -> Vec<Key> {
        let (mut last, mut nth) = (Time::ZERO, 0);
        let mut keys = Vec::new();
        for verdict in &self.verdicts {
            nth = if verdict.heard == last { nth + 1 } else { 0 };
            last = verdict.heard;
            if verdict.what != VerdictKind::Banned {
                keys.push([last.0, nth, 0]);
            }
        }
        keys
    }

    fn verdict_at(&self, [heard, nth, _]: Key) -> Option<&Verdict> {
        let first = self.verdicts.partition_point(|verdict| verdict.heard.0 < heard);
        let at = first + usize::try_from(nth).ok()?;
        self.verdicts.get(at).filter(|verdict| verdict.heard.0 == heard)
    }

    fn verdict_row(&self, verdict: &Verdict, wanted: Wanted, at: &Moment) -> Vec<Cell> {
        let what = match verdict.what {
            VerdictKind::Charged(Charge::Suspect) => "suspected",
            VerdictKind::Charged(Charge::Failed) => "declared_failed",
            VerdictKind::Charged(Charge::Forget) => "forgotten",
            VerdictKind::Refuted => "refuted",
            VerdictKind::Restarted => "restarted",
            VerdictKind::Left => "left",
            VerdictKind::Copied => "copied",
            VerdictKind::Banned => "banned",
        };
        let seen = verdict.evidence.as_ref();
        let small = |of: fn(&Evidence) -> u8| Cell::from(seen.map(|seen| u32::from(of(seen))));
        row![wanted;
            verdict.accused,
            self.name_of(verdict.accused),
            what,
            verdict.by,
            self.name_of(verdict.by),
            verdict.written,
            seconds(at.now.since(verdict.heard)),
            verdict.incarnation,
            small(|seen| seen.helpers),
            small(|seen| seen.nacks),
            small(|seen| seen.confirmations),
            seen.map(|seen| seen.waited_ms),
            seen.and_then(|seen| seen.silent_ms),
            small(|seen| seen.accuser_health),
            seen.and_then(|seen| seen.replaced_by),
        ]
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Alive => "alive",
        Status::Suspect => "suspect",
        Status::Failed => "failed",
        Status::Left => "left",
    }
}
