//! Handlers of queries: which are run, for how long, and what the answer is.

use super::process::{Limits, Run};
use super::runner::{Occurrence, RUN_TIME_MAX, Runner, without_zeros};
use super::spec::On;
use crate::agent::Agent;
use crate::features::queries::answer::ANSWER_BYTES_MAX;
use crate::features::queries::state::{Arrived, called};
use rumormill_protocols::spread::queries::QueryId;
use std::sync::Arc;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;

/// Questions taken at a time.
const ASKED_MAX: usize = 16;

impl Runner {
    /// Queries that came since the last look.
    pub(crate) fn asked(&mut self) -> Vec<Occurrence> {
        let mut asked = Vec::new();
        while asked.len() < ASKED_MAX {
            let arrived = match self.queries.try_recv() {
                Ok(arrived) => Ok(arrived),
                Err(TryRecvError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return asked,
            };
            asked.extend(self.arrived(arrived));
        }
        asked
    }

    /// The run that a query is worth, if any.
    pub(crate) fn arrived(&self, arrived: Result<Arc<Arrived>, RecvError>) -> Option<Occurrence> {
        let on = &self.counted.handler.on;
        match arrived {
            Ok(arrived) => on.is_query(&arrived.name).then(|| occurrence(arrived)),
            Err(RecvError::Lagged(missed)) => {
                // Their names are unknown.
                if matches!(on, On::All | On::Query(_)) {
                    self.missed(missed);
                }
                None
            }
            Err(RecvError::Closed) => None,
        }
    }
}

fn occurrence(query: Arc<Arrived>) -> Occurrence {
    let facts = vec![
        ("RUMORMILL_EVENT", "query".into()),
        ("RUMORMILL_QUERY_NAME", without_zeros(&String::from_utf8_lossy(&query.name))),
        ("RUMORMILL_QUERY_ID", called(query.id)),
        ("RUMORMILL_QUERY_ASKER", without_zeros(&query.asker.name)),
        ("RUMORMILL_QUERY_ASKER_ID", query.asker.id.to_string()),
    ];
    Occurrence { facts, input: query.payload.to_vec(), query: Some(query) }
}

/// What a run for that question may take; none if it is over. Two thirds of the time that is left, so that a failure can still be told: a
/// member's turn to answer takes up to a quarter.
pub(crate) fn limits(query: &Arrived) -> Option<Limits> {
    let left = query.until.saturating_duration_since(Instant::now());
    let time = (left * 2 / 3).min(RUN_TIME_MAX);
    (!time.is_zero()).then_some(Limits { time, output_bytes: ANSWER_BYTES_MAX })
}

/// Answers a query with the outcome of a run; `why` is the reason of a failure.
pub(crate) async fn answer(agent: &Arc<Agent>, on: &On, id: QueryId, run: &Run, why: Option<String>) {
    let answered = match (on, why) {
        (On::All, Some(_)) => return,
        (On::All, None) if run.output.is_empty() => return,
        (_, None) => agent.respond(id, &run.output).await,
        (_, Some(why)) => {
            let said = String::from_utf8_lossy(&run.errors);
            let why = format!("the handler failed: {why}\n{}", said.trim_end());
            agent.respond_failure(id, why.trim_end()).await
        }
    };
    if let Err(refusal) = answered {
        tracing::debug!(error = refusal.error, "an answer was not given");
    }
}
