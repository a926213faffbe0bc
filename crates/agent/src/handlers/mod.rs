//! Commands that are run when something happens: to members, on events, and on queries, which they answer.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`spec`] | which command, on what |
//! | [`process`] | one run, bounded in time and output |
//! | `queries` | what is done on a query, and what the answer is |
//!
//! Each handler reads the log of changes and the feed of events by cursors of its own, and runs at most [`PARALLEL_MAX`] commands at a time. So
//! one that hangs delays nobody but itself, and nothing is queued for it: if it falls so far behind that the logs have moved on, it has
//! missed something, which is counted. No handler is run twice for an event across a clean restart, for what was told is saved.
//!
//! When the agent stops, no more runs start, and those under way have [`FINISH_WAIT`] to end by themselves: so a handler that stops its own agent
//! (`rumormill leave`) is not cut off by that. Then they are ended as those are that exceed their time.
//!
//! What the handler of a query says is the answer; if it fails, says too much or takes too long, that is the answer. One for everything (`*`)
//! answers only if it has something to say, since it need not know of queries (as serf's).

pub mod process;
mod queries;
pub mod spec;

use crate::api::serve::told;
use crate::api::shape::Shape;
use crate::events::feed::{self, Entry, Gap, Said, Since};
use crate::logging::limit::{self, Kind};
use crate::model;
use crate::queries::Arrived;
use crate::run::Agent;
use crate::view::{self, Read};
use process::{End, Limits, OUTPUT_BYTES_MAX, Process, Run};
use spec::{Handler, Happened, On};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

/// Handlers of one agent (our guess).
pub const HANDLERS_MAX: usize = 32;
/// Runs of one handler at a time (our guess).
pub const PARALLEL_MAX: usize = 4;
/// How long a run may take (our guess: what takes longer belongs into a service of its own).
pub const RUN_TIME_MAX: Duration = Duration::from_secs(30);
/// Time that runs under way get to end by themselves when the agent stops (our guess: what a handler does after `rumormill leave`).
pub const FINISH_WAIT: Duration = Duration::from_secs(2);
/// What a run may take that answers nothing.
const LIMITS: Limits = Limits { time: RUN_TIME_MAX, output_bytes: OUTPUT_BYTES_MAX };
/// Events read at a time.
const READ_MAX: usize = 16;

/// A handler with what is counted of it.
#[derive(Debug)]
pub struct Counted {
    /// The handler.
    pub handler: Handler,
    done: AtomicU64,
    failed: AtomicU64,
    killed: AtomicU64,
    missed: AtomicU64,
    running: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Counted {
    /// Never run so far.
    pub fn new(handler: Handler) -> Counted {
        Counted {
            handler,
            done: AtomicU64::default(),
            failed: AtomicU64::default(),
            killed: AtomicU64::default(),
            missed: AtomicU64::default(),
            running: AtomicU64::default(),
            last_error: Mutex::default(),
        }
    }

    /// How it stands.
    pub fn info(&self) -> model::HandlerInfo {
        model::HandlerInfo {
            on: self.handler.on.to_string(),
            command: self.handler.command.clone(),
            done: self.done.load(Relaxed),
            failed: self.failed.load(Relaxed),
            killed: self.killed.load(Relaxed),
            missed: self.missed.load(Relaxed),
            running: self.running.load(Relaxed),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Counts how a run that was allowed so much ended; returns why, if it was not well.
    fn ended(&self, run: &Run, limits: Limits, must_be_short: bool) -> Option<String> {
        let (on, said) = (self.handler.on.to_string(), run.said());
        let (count, why) = match &run.end {
            End::Done if run.is_cut && must_be_short => {
                let most = limits.output_bytes / 1024;
                (&self.failed, Some(format!("said more than {most} KiB, the most that an answer may take")))
            }
            End::Done => (&self.done, None),
            End::Failed(why) => (&self.failed, Some(why.clone())),
            End::TooLong => {
                let time_s = limits.time.as_secs_f64();
                (&self.killed, Some(format!("killed after {time_s:.1} s, which is its limit")))
            }
            End::Stopped => (&self.killed, Some("killed because the agent stops".to_string())),
        };
        count.fetch_add(1, Relaxed);
        match &why {
            None => tracing::debug!(on, said, "a handler has run"),
            Some(why) => {
                if limit::allows(Kind::Handler) {
                    tracing::warn!(on, command = self.handler.command, why, said, "a handler failed");
                }
                *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
            }
        }
        why
    }
}

/// What a command is told.
struct Occurrence {
    facts: Vec<(&'static str, String)>,
    input: Vec<u8>,
    /// What is to be answered.
    query: Option<Arc<Arrived>>,
}

/// Runs one handler as long as the agent runs.
pub async fn run(agent: Arc<Agent>, counted: Arc<Counted>) {
    let (changes, news) = {
        let view = agent.view();
        (view::Cursor { at: 0, ..view.cursor() }, view.subscribe())
    };
    let (events, head) = {
        let board = agent.board();
        (board.feed.beginning(), board.feed.subscribe())
    };
    let queries = agent.queries();
    let mut runner = Runner { agent, counted, changes, events, news, head, queries, running: JoinSet::new() };
    let mut stop = runner.agent.handlers_stopping();
    tokio::select! {
        biased;
        () = told(&mut stop) => {}
        () = runner.serve() => {}
    }
    while runner.running.join_next().await.is_some() {} // each run ends within a bounded time
}

struct Runner {
    agent: Arc<Agent>,
    counted: Arc<Counted>,
    changes: view::Cursor,
    events: feed::Cursor,
    news: watch::Receiver<u64>,
    head: watch::Receiver<feed::Place>,
    queries: broadcast::Receiver<Arc<Arrived>>,
    running: JoinSet<()>,
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

    /// What happened to other members since it was last looked.
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

    /// Which events were told since it was last looked.
    fn told(&mut self) -> Vec<Occurrence> {
        let Some(name) = self.counted.handler.on.events() else { return Vec::new() };
        let page = self.agent.board().feed.read(Since::After(self.events), READ_MAX, Some(name.as_bytes()));
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
        occurrence.facts.extend(self.agent.facts());
        let (agent, counted) = (self.agent.clone(), self.counted.clone());
        self.running.spawn(async move {
            counted.running.fetch_add(1, Relaxed);
            once(&agent, &counted, occurrence, limits).await;
            counted.running.fetch_sub(1, Relaxed);
        });
    }
}

/// One run, from its start until nothing of it is left that has to be ended. A question is answered before that: its time is short.
async fn once(agent: &Arc<Agent>, counted: &Counted, occurrence: Occurrence, limits: Limits) {
    let Occurrence { facts, input, query } = occurrence;
    let mut stop = agent.handlers_stopping();
    let stop = async {
        told(&mut stop).await;
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

/// What a handler is told of an event; nothing of lost ones.
fn event(entry: Entry) -> Option<Occurrence> {
    let Said::Event(item) = entry.said else { return None };
    let source = item.id.source;
    let facts = vec![
        ("RUMORMILL_EVENT", "event".into()),
        ("RUMORMILL_EVENT_NAME", without_zeros(&String::from_utf8_lossy(&item.name))),
        ("RUMORMILL_EVENT_ID", format!("{}-{}-{}", source.origin, source.epoch, item.id.seq)),
        ("RUMORMILL_EVENT_ORIGIN", source.origin.to_string()),
    ];
    Some(Occurrence { facts, input: item.payload.to_vec(), query: None })
}

/// A variable of the environment cannot hold zeros.
fn without_zeros(text: &str) -> String {
    text.replace('\0', "")
}
