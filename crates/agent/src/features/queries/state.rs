//! Queries in memory: those that this agent asked, and those that reached it.
//!
//! Every subscriber ([`QueryService::subscribe`]), a handler or a program, sees each query that reached this agent and whose filter this node matches.
//! The first that replies counts.

use crate::audience::Filter;
use crate::features::queries::answer::Answer;
use crate::features::queries::open::{OpenQueries, Reply, Responder};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::time::Duration;
use rumormill_protocols::spread::queries::{Event, QueryId};
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio::time::Instant;

/// Queries that wait for a subscriber; a slower one misses the oldest (our guess).
const ARRIVED_MAX: usize = 256;

pub use rumormill_cluster::queries::time_for_answers;

/// A query that is to be asked.
#[derive(Clone, Debug, Default)]
pub struct NewQuery {
    /// What kind of query it is.
    pub name: Payload,
    /// The members that are meant.
    pub filter: Filter,
    /// The question.
    pub payload: Payload,
    /// For so long answers are taken. `None`: as long as [`time_for_answers`] says, and not at all if no live member is meant.
    pub timeout: Option<Duration>,
}

/// A query that reached this agent, and whose filter it matches.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Which query.
    pub id: QueryId,
    /// What kind of query it is.
    pub name: Payload,
    /// The question's payload.
    pub payload: Payload,
    /// The member that asks.
    pub asker: Responder,
    /// The end of the time for answers.
    pub until: Instant,
}

/// A query's id as text: asker, epoch, number.
pub fn called(id: QueryId) -> String {
    format!("{}-{}-{}", id.asker, id.epoch, id.number)
}

/// The queries that the agent keeps in memory.
#[derive(Debug)]
pub struct QueryService {
    /// Queries that this agent asked.
    pub open: OpenQueries,
    arrived: broadcast::Sender<Arc<Arrived>>,
}

impl Default for QueryService {
    fn default() -> Self {
        QueryService { open: OpenQueries::default(), arrived: broadcast::Sender::new(ARRIVED_MAX) }
    }
}

impl QueryService {
    /// Takes an event of the protocol; `named` is the name of a member.
    pub fn hear(&mut self, event: Event, named: impl Fn(NodeId) -> String) {
        let who = |id| Responder { id, name: named(id) };
        match event {
            Event::Asked { id, name, body, left, .. } => {
                let asker = who(id.asker);
                let until = Instant::now() + left;
                // Without a subscriber no answer follows: the member has acknowledged, and that is all.
                let _ = self.arrived.send(Arc::new(Arrived { id, name, payload: body, asker, until }));
            }
            Event::Acked { ticket, from } => self.open.deliver(ticket, Reply::Ack(who(from))),
            Event::Answered { ticket, from, body } => match Answer::decode(&body) {
                Answer::Value(payload) => self.open.deliver(ticket, Reply::Answer(who(from), payload)),
                Answer::Failed(why) => self.open.deliver(ticket, Reply::Failed(who(from), why)),
            },
            Event::Refused { ticket, why } => self.open.refused(ticket, why),
            Event::Done { ticket, summary } => self.open.done(ticket, summary),
            Event::Spread(_) | Event::Sent { .. } => {} // the node's own business
        }
    }

    /// Subscribes to queries that reach this agent from now on. A slow subscriber misses some, and reads how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Arrived>> {
        self.arrived.subscribe()
    }
}
