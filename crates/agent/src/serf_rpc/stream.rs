//! Streams of changes, events and queries.

use super::codec::Bytes;
use super::counters::Counters;
use super::messages::{Member, MemberRecord, UserRecord};
use super::reply::Out;
use crate::agent::Agent;
use crate::describe::Shape;
use crate::describe::model::ChangeKind;
use crate::features::events::entry::{Cursor, LogEntry, Place, Record, Since};
use crate::features::events::log::Gap;
use crate::features::membership::serf as members;
use crate::features::queries::serf as queries;
use crate::logging::limit::{self, Kind};
use crate::view::{self, Change, Read};
use rumormill_protocols::spread::events::Flags;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::watch;

/// Events that a stream reads at once.
const READ_MAX: usize = 16;

/// A filter of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Filter {
    All,
    Member(&'static str),
    /// Events of this name, or all.
    User(Option<String>),
    /// Queries of this name, or all.
    Query(Option<String>),
}

impl Filter {
    fn takes_query(&self, name: &[u8]) -> bool {
        match self {
            Filter::All | Filter::Query(None) => true,
            Filter::Query(Some(wanted)) => wanted.as_bytes() == name,
            Filter::Member(_) | Filter::User(_) => false,
        }
    }

    fn takes_event(&self, name: &[u8]) -> bool {
        match self {
            Filter::All | Filter::User(None) => true,
            Filter::User(Some(wanted)) => wanted.as_bytes() == name,
            Filter::Member(_) | Filter::Query(_) => false,
        }
    }
}

/// Reads filters, separated by commas; nothing is everything.
pub(crate) fn filters(text: &str) -> Result<Vec<Filter>, String> {
    let filter = |word: &str| {
        Ok(match (word, word.split_once(':')) {
            ("*", _) => Filter::All,
            ("user", _) => Filter::User(None),
            ("query", _) => Filter::Query(None),
            (_, Some(("user", name))) => Filter::User((!name.is_empty()).then(|| name.into())),
            (_, Some(("query", name))) => Filter::Query((!name.is_empty()).then(|| name.into())),
            _ => {
                let known = HAPPENINGS.iter().find(|known| **known == word);
                Filter::Member(known.ok_or("Invalid event filter")?)
            }
        })
    };
    if text.is_empty() { Ok(vec![Filter::All]) } else { text.split(',').map(filter).collect() }
}

const HAPPENINGS: [&str; 5] =
    ["member-join", "member-leave", "member-failed", "member-update", "member-reap"];

/// Serf's name of a change, and the member's status after it; none if Serf has no word for it.
fn happening(change: ChangeKind) -> Option<(&'static str, &'static str)> {
    match change {
        ChangeKind::Up => Some(("member-join", "alive")),
        ChangeKind::Left => Some(("member-leave", "left")),
        ChangeKind::Failed => Some(("member-failed", "failed")),
        ChangeKind::Changed | ChangeKind::Tags => Some(("member-update", "alive")),
        ChangeKind::Forgotten => Some(("member-reap", "left")),
        ChangeKind::Suspected | ChangeKind::Refuted | ChangeKind::NameTaken | ChangeKind::Superseded => None,
    }
}

/// Changes, events and queries from now on, filtered for one client.
pub(crate) struct Stream {
    agent: Arc<Agent>,
    out: Out,
    seq: u64,
    filters: Vec<Filter>,
    changes: view::Cursor,
    news: watch::Receiver<u64>,
    events: Cursor,
    head: watch::Receiver<Place>,
    arriving: queries::Arriving,
}

impl Stream {
    /// Begins at this moment.
    pub fn new(
        agent: &Arc<Agent>,
        out: &Out,
        seq: u64,
        filters: Vec<Filter>,
        pending: &queries::Pending,
    ) -> Stream {
        let (changes, news) = {
            let view = agent.view();
            (view.cursor(), view.subscribe())
        };
        let (events, head) = {
            let service = agent.event_service();
            (service.log.read(Since::Now, 1, None).cursor, service.log.subscribe())
        };
        let arriving = queries::Arriving::new(agent, pending);
        Stream { agent: agent.clone(), out: out.clone(), seq, filters, changes, news, events, head, arriving }
    }

    /// Sends records until the client or the agent ends.
    pub async fn run(mut self) {
        loop {
            self.news.borrow_and_update();
            self.head.borrow_and_update();
            let (happened, told) = (self.members().await, self.told());
            let is_idle = happened.is_empty() && told.is_empty();
            for record in happened {
                if !self.out.record(self.seq, &record).await {
                    return;
                }
            }
            for record in told {
                if !self.out.record(self.seq, &record).await {
                    return;
                }
            }
            while let Some(query) = self.arriving.waiting() {
                if !self.tell(query).await {
                    return;
                }
            }
            if is_idle && !self.wait().await {
                return;
            }
        }
    }

    /// Waits for a record. False if none will follow.
    async fn wait(&mut self) -> bool {
        tokio::select! {
            changed = self.news.changed() => changed.is_ok(),
            changed = self.head.changed() => changed.is_ok(),
            query = self.arriving.next() => self.tell(query).await,
        }
    }

    /// Sends a query if a filter takes it. False if the client is gone.
    async fn tell(&mut self, query: queries::Arrived) -> bool {
        let wanted = self.filters.iter().any(|filter| filter.takes_query(query.name()));
        !wanted || self.out.record(self.seq, &self.arriving.record(query)).await
    }

    fn missed(&self, count: Option<u64>) {
        self.agent.state::<Arc<Counters>>().events_missed.fetch_add(count.unwrap_or(1), Relaxed);
        if limit::allows(Kind::Client) {
            tracing::warn!(count, "Serf's RPC: a client reads its stream too slowly, and missed something");
        }
    }

    /// Changes of members since the last look.
    async fn members(&mut self) -> Vec<MemberRecord> {
        let read = self.agent.view().read(self.changes);
        let changes = match read {
            Read::Changes(first, changes) => {
                self.changes.at = first + changes.len() as u64;
                changes
            }
            Read::Gap(missed) => {
                self.missed(missed);
                self.changes = self.agent.view().cursor();
                return Vec::new();
            }
        };
        let wanted = |event| [Filter::All, Filter::Member(event)].iter().any(|it| self.filters.contains(it));
        let due: Vec<_> = changes
            .into_iter()
            .filter_map(|change| Some((happening(change.what)?, change)))
            .filter(|((event, _), _)| wanted(event))
            .collect();
        if due.is_empty() {
            return Vec::new();
        }
        let ids: Vec<_> = due.iter().map(|(_, change)| change.id).collect();
        let looked = self.agent.inspect(move |inside| Shape::new(inside).those(&ids)).await;
        let known = looked.unwrap_or_default(); // the node begins anew: the record has the name alone
        let record = |((event, status), Change { id, name, .. }): ((&'static str, &'static str), Change)| {
            let found = known.get(&id).map(members::member);
            let member = found.unwrap_or_else(|| Member { name: name.to_string(), ..members::nameless() });
            MemberRecord { event, members: vec![Member { status, ..member }] }
        };
        due.into_iter().map(record).collect()
    }

    /// Events delivered since the last look.
    fn told(&mut self) -> Vec<UserRecord> {
        let page = self.agent.event_service().log.read(Since::After(self.events), READ_MAX, None);
        match page.gap {
            Some(Gap::Foreign) => {
                // The agent goes on as another node: the retained entries belong to the old one.
                self.missed(None);
                self.events = self.agent.event_service().log.read(Since::Now, 1, None).cursor;
                return Vec::new();
            }
            Some(Gap::Dropped(missed)) => self.missed(missed),
            None => {}
        }
        self.events = page.cursor;
        let wanted = |name: &[u8]| self.filters.iter().any(|filter| filter.takes_event(name));
        page.entries.into_iter().filter_map(user).filter(|record| wanted(record.name.as_bytes())).collect()
    }
}

/// An event; nothing of lost ones, for which Serf has no word.
fn user(Record { place, entry, .. }: Record) -> Option<UserRecord> {
    let LogEntry::Event(item) = entry else { return None };
    Some(UserRecord {
        event: "user",
        coalesce: item.flags.has(Flags::COALESCE),
        l_time: place.epoch << 32 | place.number & u64::from(u32::MAX), // grows, also over restarts
        name: String::from_utf8_lossy(&item.name).into_owned(),
        payload: Bytes(item.payload.to_vec()),
    })
}
