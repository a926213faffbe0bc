//! Commands that are run when something happens: to members, on events, and on queries, which they answer.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`spec`] | which command, on what |
//! | [`process`] | one run, bounded in time and output |
//! | `queries` | what is done on a query, and what the answer is |
//!
//! Each handler reads the log of changes and the feed of events by cursors of its own, and runs at most [`PARALLEL_MAX`] commands at a time. So
//! a handler that hangs delays no other, and nothing is queued for it: if the logs have moved on past its cursors, it has missed entries,
//! which are counted. No handler runs twice for an event across a clean restart, because the log is saved.
//!
//! When the agent stops, no more runs start, and those under way have [`FINISH_WAIT`] to end by themselves: so a handler that stops its own agent
//! (`rumormill leave`) is not cut off by that. Then they are ended as those are that exceed their time.
//!
//! What the handler of a query says is the answer; if it fails, says too much or takes too long, that is the answer. One for everything (`*`)
//! answers only if it has something to say, since it need not know of queries (as serf's).

mod counted;
pub mod model;
pub mod process;
mod queries;
mod runner;
pub mod spec;
mod table;

pub use counted::Counted;
pub use runner::RUN_TIME_MAX;
pub use spec::HANDLERS_MAX;

use crate::agent::{Agent, Parts, stopped};
use crate::config::CLIENT_TOKEN_FILE;
use crate::describe::Shape;
use crate::feature::Feature;
use crate::features::events::entry::{LogEntry, Record, Since};
use crate::features::events::log::Gap;
use crate::logging::limit::{self, Kind};
use crate::metrics::Table;
use crate::view::{self, Read};
use process::{Limits, OUTPUT_BYTES_MAX, Process, Run};
use runner::{Occurrence, Runner, without_zeros};
use spec::{Happened, On};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::task::JoinSet;

/// Handlers. They run in tasks of their own, which end after all others ([`run`]).
pub const FEATURE: Feature = Feature {
    state: |parts, states| states.add(Handlers::of(parts)),
    tables: &[table::HANDLERS],
    count: |_, agent, table| handlers(agent).iter().for_each(|handler| count(&handler.info(), table)),
    about_self: |_, agent, info| {
        info.handlers = handlers(agent).iter().map(|handler| handler.info()).collect()
    },
    ..Feature::NONE
};

/// Runs of one handler at a time (our guess).
pub const PARALLEL_MAX: usize = 4;
/// Time that runs under way get to end by themselves when the agent stops (our guess: what a handler does after `rumormill leave`).
pub const FINISH_WAIT: Duration = Duration::from_secs(2);
/// What a run may take that answers nothing.
const LIMITS: Limits = Limits { time: RUN_TIME_MAX, output_bytes: OUTPUT_BYTES_MAX };
/// Events read at a time.
const READ_MAX: usize = 16;

/// The handlers of an agent, as one of its states.
struct Handlers(Vec<Arc<Counted>>);

impl Handlers {
    fn of(parts: &Parts) -> Handlers {
        Handlers(parts.config.handlers.iter().cloned().map(Counted::new).map(Arc::new).collect())
    }
}

/// The handlers of an agent.
pub(crate) fn handlers(agent: &Agent) -> &[Arc<Counted>] {
    &agent.state::<Handlers>().0
}

/// Facts that every handler gets about its agent: its name and id, and where it can be asked.
fn facts(agent: &Agent) -> Vec<(&'static str, String)> {
    let mut facts = vec![("RUMORMILL_NODE", agent.name().to_string())];
    facts.extend(agent.id().map(|id| ("RUMORMILL_NODE_ID", id.to_string())));
    if let Some(listens) = agent.listens() {
        facts.extend(listens.http.map(|http| ("RUMORMILL_HTTP", http.to_string())));
        let token_file = agent.config.http_token_file.as_ref().filter(|_| listens.http.is_some());
        facts.extend(token_file.map(|path| (CLIENT_TOKEN_FILE, path.display().to_string())));
        facts.extend(listens.socket.as_ref().map(|path| ("RUMORMILL_SOCKET", path.display().to_string())));
    }
    facts
}

/// Adds the counters of a handler.
fn count(handler: &model::HandlerInfo, table: &mut Table) {
    let runs = [("done", handler.done), ("failed", handler.failed), ("killed", handler.killed)];
    for (end, count) in runs {
        let labels = [("on", handler.on.as_str()), ("end", end)];
        table.count(
            "handler_runs",
            "Runs of commands when something happened, by how they ended",
            &labels,
            count,
        );
    }
    let help = "Changes and events that handlers missed because they were too slow";
    table.count("handler_missed", help, &[("on", &handler.on)], handler.missed);
}

/// Runs one handler as long as the agent runs.
pub async fn run(agent: Arc<Agent>, counted: Arc<Counted>) {
    let (changes, news) = {
        let view = agent.view();
        (view::Cursor { at: 0, ..view.cursor() }, view.subscribe())
    };
    let (events, head) = {
        let service = agent.event_service();
        (service.log.beginning(), service.log.subscribe())
    };
    let queries = agent.arriving_queries();
    let mut runner = Runner { agent, counted, changes, events, news, head, queries, running: JoinSet::new() };
    let mut stop = runner.agent.handlers_stopping();
    tokio::select! {
        biased;
        () = stopped(&mut stop) => {}
        () = runner.serve() => {}
    }
    while runner.running.join_next().await.is_some() {} // each run ends within a bounded time
}

impl Runner {
    /// Runs the command whenever its time has come.
    async fn serve(&mut self) {
        loop {
            self.news.borrow_and_update();
            self.head.borrow_and_update();
            let (members, events, queries) = (self.members().await, self.told(), self.asked());
            let is_idle = members.is_empty() && events.is_empty() && queries.is_empty();
            for occurrence in queries.into_iter().chain(members).chain(events) {
                self.start(occurrence).await;
            }
            if is_idle {
                tokio::select! {
                    Ok(()) = self.news.changed() => {}
                    Ok(()) = self.head.changed() => {}
                    arrived = self.queries.recv() => if let Some(query) = self.arrived(arrived) {
                        self.start(query).await;
                    },
                    Some(_) = self.running.join_next() => {}
                    else => return, // the agent is gone
                }
            }
        }
    }

    fn missed(&self, count: u64) {
        self.counted.missed.fetch_add(count, Relaxed);
        if limit::allows(Kind::Handler) {
            tracing::warn!(on = %self.counted.handler.on, "a handler is too slow: it missed something");
        }
    }

    /// Changes of other members since the last look.
    async fn members(&mut self) -> Vec<Occurrence> {
        if matches!(self.counted.handler.on, On::Event(_) | On::Query(_)) {
            return Vec::new();
        }
        let read = self.agent.view().read(self.changes);
        let (first, changes) = match read {
            Read::Changes(first, changes) => (first, changes),
            Read::Gap(missed) => {
                self.missed(missed.unwrap_or(1));
                self.changes = self.agent.view().cursor();
                return Vec::new();
            }
        };
        self.changes.at = first + changes.len() as u64;
        let on = &self.counted.handler.on;
        let happened = |change: &view::Change| Happened::of(change.what).filter(|what| on.is_member(*what));
        let due: Vec<(Happened, view::Change)> =
            changes.into_iter().filter_map(|change| Some((happened(&change)?, change))).collect();
        if due.is_empty() {
            return Vec::new();
        }
        let ids: Vec<_> = due.iter().map(|(_, change)| change.id).collect();
        let looked =
            self.agent.inspect(move |inside| (inside.node.swim.me().id, Shape::new(inside).those(&ids)));
        let Ok((me, members)) = looked.await else { return Vec::new() };
        let others = due.into_iter().filter(|(_, change)| change.id != me);
        let occurrence = |(what, change): (Happened, view::Change)| Occurrence {
            input: members.get(&change.id).and_then(|m| serde_json::to_vec(m).ok()).unwrap_or_default(),
            query: None,
            facts: vec![
                ("RUMORMILL_EVENT", what.as_str().into()),
                ("RUMORMILL_MEMBER_NAME", without_zeros(&change.name)),
                ("RUMORMILL_MEMBER_ID", change.id.to_string()),
            ],
        };
        others.map(occurrence).collect()
    }

    /// Events delivered since the last look.
    fn told(&mut self) -> Vec<Occurrence> {
        let Some(name) = self.counted.handler.on.events() else { return Vec::new() };
        let page =
            self.agent.event_service().log.read(Since::After(self.events), READ_MAX, Some(name.as_bytes()));
        self.events = page.cursor;
        if let Some(Gap::Dropped(missed)) = page.gap {
            self.missed(missed.unwrap_or(1));
        }
        page.entries.into_iter().filter_map(event).collect()
    }

    /// Starts a run, as soon as there is a place for it.
    async fn start(&mut self, mut occurrence: Occurrence) {
        while self.running.len() >= PARALLEL_MAX {
            self.running.join_next().await;
        }
        let Some(limits) = occurrence.query.as_deref().map_or(Some(LIMITS), queries::limits) else {
            return self.missed(1); // it was over before there was a place
        };
        occurrence.facts.extend(facts(&self.agent));
        let (agent, counted) = (self.agent.clone(), self.counted.clone());
        self.running.spawn(async move {
            counted.running.fetch_add(1, Relaxed);
            once(&agent, &counted, occurrence, limits).await;
            counted.running.fetch_sub(1, Relaxed);
        });
    }
}

/// One run, from its start until no process of it has to be ended. A query is answered before that: its time is short.
async fn once(agent: &Arc<Agent>, counted: &Counted, occurrence: Occurrence, limits: Limits) {
    let Occurrence { facts, input, query } = occurrence;
    let mut stop = agent.handlers_stopping();
    let stop = async {
        stopped(&mut stop).await;
        tokio::time::sleep(FINISH_WAIT).await;
    };
    let (run, process) = match Process::start(&counted.handler.command, &facts, input, limits) {
        Ok(mut process) => (process.watch(limits.time, stop).await, Some(process)),
        Err(error) => (Run::failed(error.to_string()), None),
    };
    let why = counted.ended(&run, limits, query.is_some());
    if let Some(query) = query {
        queries::answer(agent, &counted.handler.on, query.id, &run, why).await;
    }
    if let Some(process) = process {
        process.terminate().await;
    }
}

/// The facts and the input of an event; none for lost ones.
fn event(record: Record) -> Option<Occurrence> {
    let LogEntry::Event(item) = record.entry else { return None };
    let source = item.id.source;
    let facts = vec![
        ("RUMORMILL_EVENT", "event".into()),
        ("RUMORMILL_EVENT_NAME", without_zeros(&String::from_utf8_lossy(&item.name))),
        ("RUMORMILL_EVENT_ID", format!("{}-{}-{}", source.origin, source.epoch, item.id.seq)),
        ("RUMORMILL_EVENT_ORIGIN", source.origin.to_string()),
    ];
    Some(Occurrence { facts, input: item.payload.to_vec(), query: None })
}
