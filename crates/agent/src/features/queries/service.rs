//! Asking members, and answering the queries that reach this agent.

use crate::agent::Agent;
use crate::audience::Patterns;
use crate::audience::tags::PATTERN_HINT;
use crate::describe::inside::Inside;
use crate::features::queries::answer::{ANSWER_BYTES_MAX, Answer};
use crate::features::queries::open::{Inbox, Reply};
use crate::features::queries::state::{Arrived, NewQuery, QueryService, time_for_answers};
use crate::node::Call;
use crate::refusal::Refusal;
use rumormill_core::time::Duration;
use rumormill_core::words;
use rumormill_protocols::member::swim::Status;
use rumormill_protocols::spread::queries::{
    self, Ask, FILTERED_BYTES_MAX, QUESTION_BYTES_MAX, QueryId, TIMEOUT_MAX,
};
use std::sync::{Arc, MutexGuard};
use tokio::sync::broadcast;

/// An open query in the hands of its asker. Dropped before its end, it is cancelled.
pub struct Asking {
    /// Live members that are meant, as far as this agent knows.
    pub expected: u32,
    /// The time for answers.
    pub timeout: Duration,
    agent: Arc<Agent>,
    ticket: u64,
    inbox: Inbox,
    is_over: bool,
}

impl Asking {
    /// What comes next; none after [`Reply::Done`], or if the agent stops. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<Reply> {
        let reply = self.inbox.next().await;
        self.is_over |= matches!(reply, Some(Reply::Done(_)) | None);
        reply
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (agent, ticket) = (self.agent.clone(), self.ticket);
        agent.query_service().open.close(ticket);
        // Without a runtime the agent has ended, and the query with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { agent.call(Call::Queries(queries::Call::Cancel { ticket })).await });
        }
    }
}

impl Agent {
    /// Queries in memory. Must not be held across an await.
    pub fn query_service(&self) -> MutexGuard<'_, QueryService> {
        self.locked()
    }

    /// Asks all members that match the filter, this one included. Returns when the query is on its way, or refused. Without a time of its own, a query of which
    /// no live member is meant is over at once.
    pub async fn ask(self: &Arc<Self>, query: NewQuery) -> Result<Asking, Refusal> {
        let NewQuery { name, filter, payload: body, timeout } = query;
        let encoded = filter.encoded();
        let patterns = filter.compile().map_err(|error| Refusal::invalid(error.to_string(), PATTERN_HINT))?;
        let (live, expected) = self.inspect(move |inside| count(inside, &patterns)).await?;
        if let Some(given) = timeout.filter(|given| given.is_zero() || *given > TIMEOUT_MAX) {
            return Err(bad_timeout(given));
        }
        let timeout = time_for_answers(timeout, self.config.swim.gossip_interval, live, expected);
        let (ticket, begun, inbox) = self.query_service().open.open();
        let asking = Asking { expected, timeout, agent: self.clone(), ticket, inbox, is_over: false };
        let ask = Ask { ticket, name, filter: encoded, body, timeout, expected };
        self.call(Call::Queries(queries::Call::Ask(ask))).await?;
        match begun.await {
            Ok(Ok(())) => Ok(asking),
            Ok(Err(queries::Refusal::TooSlow)) => Err(bad_timeout(timeout)),
            Ok(Err(why)) => Err(refused(why)),
            Err(_) => Err(Refusal::gone()),
        }
    }

    /// Subscribes to queries that reach this agent and whose filter it matches. Each has been acknowledged already; the first answer counts.
    pub fn arriving_queries(&self) -> broadcast::Receiver<Arc<Arrived>> {
        self.query_service().subscribe()
    }

    /// Answers a query with at most [`ANSWER_BYTES_MAX`] bytes. An answer to a query that is over or answered is dropped.
    pub async fn respond(&self, id: QueryId, payload: &[u8]) -> Result<(), Refusal> {
        if payload.len() > ANSWER_BYTES_MAX {
            let error = format!("an answer takes {} bytes; {ANSWER_BYTES_MAX} are the most", payload.len());
            let hint = "answer where the data is to be had, not the data";
            return Err(Refusal::too_large(error, hint));
        }
        self.answer(id, &Answer::Value(payload.into())).await
    }

    /// Answers a query with the reason why there is no answer.
    pub async fn respond_failure(&self, id: QueryId, why: &str) -> Result<(), Refusal> {
        self.answer(id, &Answer::failed(why)).await
    }

    async fn answer(&self, id: QueryId, answer: &Answer) -> Result<(), Refusal> {
        self.call(Call::Queries(queries::Call::Answer(id, answer.encoded()))).await
    }
}

/// The number of live members, and of those that are meant.
fn count(inside: &Inside<'_>, patterns: &Patterns) -> (usize, u32) {
    let live = inside.node.swim.members().filter(|m| matches!(m.status, Status::Alive | Status::Suspect));
    live.fold((0, 0), |(live, meant), member| (live + 1, meant + u32::from(patterns.matches_member(&member))))
}

fn bad_timeout(timeout: Duration) -> Refusal {
    let timeout = words::span(timeout.as_secs_f64());
    let error = format!(
        "a query cannot wait {timeout} for answers: its place at every member would be held for as long"
    );
    Refusal::invalid(error, format!("set a timeout from 1 ms to {} s", TIMEOUT_MAX.as_secs()))
}

fn refused(why: queries::Refusal) -> Refusal {
    match why {
        queries::Refusal::TooMany | queries::Refusal::TooSlow => {
            Refusal::busy("too many queries or events of this agent are on their way")
        }
        queries::Refusal::TooLarge => {
            let error = format!(
                "the payload takes more than {QUESTION_BYTES_MAX} bytes, or more than {FILTERED_BYTES_MAX} with names and patterns"
            );
            let hint = "ask where the data is to be had, not the data";
            Refusal::too_large(error, hint)
        }
    }
}
