//! Asking members, and answering them.
//!
//! `_serf_ping` is what `serf reachability` asks: here each live member is probed by the membership itself, by datagram and helpers, and one that
//! answers is told as an acknowledgement. All other queries go their usual way.

use crate::agent::Agent;
use crate::audience::{Filter, TagPattern};
use crate::features::queries::open::Reply;
use crate::features::queries::service::Asking;
use crate::features::queries::state::{self, NewQuery};
use crate::logging::limit::{self, Kind};
use crate::serf_rpc::codec::Bytes;
use crate::serf_rpc::counters::Counters;
use crate::serf_rpc::messages::{Query, QueryRecord, Respond};
use crate::serf_rpc::reply::{Answer, Answered, Out, text};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_protocols::member::swim::Status;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The query of `serf reachability`.
const PING: &str = "_serf_ping";
/// Members that are probed at one time.
const PINGS_MAX: usize = 32;
/// Queries that one client may answer; of more the oldest can no longer be answered by it (our guess).
const PENDING_MAX: usize = 256;

/// Queries that this client received and may answer, under its own numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    last: u64,
    open: BTreeMap<u64, Arc<state::Arrived>>,
}

impl Pending {
    fn add(&self, query: Arc<state::Arrived>) -> u64 {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        pending.open.retain(|_, query| query.until > now);
        while pending.open.len() >= PENDING_MAX {
            pending.open.pop_first();
        }
        pending.last += 1;
        let id = pending.last;
        pending.open.insert(id, query);
        id
    }

    /// The query of that number, which is answered by that.
    fn take(&self, id: u64) -> Option<Arc<state::Arrived>> {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.open.remove(&id).filter(|query| query.until > Instant::now())
    }
}

/// Queries as they arrive.
pub(crate) struct Arriving {
    agent: Arc<Agent>,
    pending: Pending,
    from: broadcast::Receiver<Arc<state::Arrived>>,
}

/// A record of `stream`: a query.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueryEvent {
    event: &'static str,
    #[serde(rename = "ID")]
    id: u64,
    #[serde(rename = "LTime")]
    l_time: u64,
    name: String,
    payload: Bytes,
}

impl Arriving {
    pub fn new(agent: &Arc<Agent>, pending: &Pending) -> Arriving {
        Arriving { agent: agent.clone(), pending: pending.clone(), from: agent.arriving_queries() }
    }

    /// The next one. May be dropped while it waits.
    pub async fn next(&mut self) -> Arrived {
        loop {
            match self.from.recv().await {
                Ok(query) => return Arrived(query),
                Err(RecvError::Lagged(missed)) => {
                    self.agent.state::<Arc<Counters>>().queries_missed.fetch_add(missed, Relaxed);
                }
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// One that has arrived already.
    pub fn waiting(&mut self) -> Option<Arrived> {
        loop {
            match self.from.try_recv() {
                Ok(query) => return Some(Arrived(query)),
                Err(TryRecvError::Lagged(missed)) => {
                    self.agent.state::<Arc<Counters>>().queries_missed.fetch_add(missed, Relaxed);
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }

    /// The record of a query.
    pub fn record(&self, Arrived(query): Arrived) -> QueryEvent {
        QueryEvent {
            event: "query",
            l_time: query.id.number,
            name: String::from_utf8_lossy(&query.name).into_owned(),
            payload: Bytes(query.payload.to_vec()),
            id: self.pending.add(query),
        }
    }
}

/// A query that arrived.
pub(crate) struct Arrived(Arc<state::Arrived>);

impl Arrived {
    pub fn name(&self) -> &[u8] {
        &self.0.name
    }
}

/// Asks, and tells what is answered.
pub(crate) async fn ask(agent: &Arc<Agent>, out: &Out, seq: u64, asked: Query) -> Answered {
    if asked.name == PING {
        return Ok(Answer::then(ping_all(agent.clone(), out.clone(), seq, asked.request_ack)));
    }
    // Serf looks for tags' patterns anywhere in the value, and for names as they are.
    let tag =
        |(key, pattern): (String, String)| TagPattern { key, pattern: format!("(?s:.*(?:{pattern}).*)") };
    let query = NewQuery {
        name: Payload::from(asked.name.as_bytes()),
        filter: Filter {
            names: asked.filter_nodes,
            node: None,
            tags: asked.filter_tags.into_iter().map(tag).collect(),
        },
        payload: Payload::from(&asked.payload.0[..]),
        timeout: u64::try_from(asked.timeout).ok().filter(|ns| *ns > 0).map(Duration::from_nanos),
    };
    let asking = agent.ask(query).await.map_err(|refusal| text(&refusal))?;
    Ok(Answer::then(tell(asking, out.clone(), seq, asked.request_ack)))
}

/// Tells what is answered, until the query is over.
async fn tell(mut asking: Asking, out: Out, seq: u64, tells: bool) {
    while let Some(reply) = asking.next().await {
        let record = match reply {
            Reply::Ack(who) => QueryRecord { from: who.name, r#type: "ack", ..QueryRecord::default() },
            Reply::Answer(who, payload) => {
                QueryRecord { from: who.name, r#type: "response", payload: Bytes(payload.to_vec()) }
            }
            Reply::Failed(who, why) => {
                if limit::allows(Kind::Query) {
                    tracing::info!(member = who.name, why, "Serf's RPC: a member could not answer a query");
                }
                continue; // Serf has no word for it
            }
            Reply::Done(_) => break,
        };
        if (tells || record.r#type != "ack") && !out.record(seq, &record).await {
            return;
        }
    }
    out.record(seq, &QueryRecord { r#type: "done", ..QueryRecord::default() }).await;
}

/// Answers a query that this client received, once.
pub(crate) async fn respond(agent: &Arc<Agent>, pending: &Pending, said: Respond) -> Answered {
    let query = pending.take(said.id).ok_or("No pending queries matching ID")?;
    let answered = agent.respond(query.id, &said.payload.0).await;
    answered.map(|()| Answer::default()).map_err(|refusal| text(&refusal))
}
/// Probes all live members, and tells which of them answered.
async fn ping_all(agent: Arc<Agent>, out: Out, seq: u64, tells: bool) {
    let live = agent.inspect(|inside| {
        let me = inside.node.swim.me().id;
        let live =
            inside.node.swim.members().filter(|it| matches!(it.status, Status::Alive | Status::Suspect));
        live.map(|it| (it.id, it.card.name.clone(), it.id == me)).collect::<Vec<(NodeId, String, bool)>>()
    });
    let mut waiting = live.await.unwrap_or_default().into_iter();
    let mut running = JoinSet::new();
    loop {
        while running.len() < PINGS_MAX
            && let Some((id, name, is_self)) = waiting.next()
        {
            let agent = agent.clone();
            running.spawn(
                async move { (is_self || matches!(agent.ping(id).await, Ok(Some(_)))).then_some(name) },
            );
        }
        match running.join_next().await {
            Some(Ok(Some(from))) if tells => {
                if !out.record(seq, &QueryRecord { from, r#type: "ack", ..QueryRecord::default() }).await {
                    return;
                }
            }
            Some(_) => {}
            None => break,
        }
    }
    out.record(seq, &QueryRecord { r#type: "done", ..QueryRecord::default() }).await;
}
