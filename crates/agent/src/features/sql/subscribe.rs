//! Subscriptions: what a statement answers, then the differences by key.
//!
//! The statement is asked again when membership changes or an event is delivered, and at the latest after a second: times, vitals and counters change
//! without a word. Of the answer before, a hash of each row is kept and nothing else, so a subscription costs little however large its rows are.
//! Differences are found on the statement's thread. A reader that is slow misses states, but no difference: each change says since when.

use super::answer::{answer, refusal};
use super::model::{SqlAnswer, SqlChange, SqlColumn};
use crate::agent::{Agent, stopped};
use crate::describe::model::Error;
use crate::features::events::entry::Place;
use crate::http::stream;
use crate::refusal::Refusal;
use axum::response::sse::Event;
use futures_util::stream::{Stream, unfold};
use rumormill_sql::{self as engine, Rows};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Longest time between two answers.
const INTERVAL: Duration = Duration::from_secs(1);
/// Shortest time between two answers, however much happens (our guess: what a person takes for at once).
const PAUSE: Duration = Duration::from_millis(100);
/// Shortest time between two answers, in times that an answer took: a subscription takes a twentieth of a core at most.
const PAUSE_IN_ANSWERS: u32 = 20;
/// Rows of an answer that is subscribed to (our guess: the members of a large cluster).
pub(super) const ROWS_MAX: usize = 4_096;

/// A subscription.
pub(super) struct Subscription {
    agent: Arc<Agent>,
    sql: String,
    known: Known,
    /// The first event, until it is sent.
    first: Option<Event>,
    /// Membership's changes, and events.
    changes: watch::Receiver<u64>,
    events: watch::Receiver<Place>,
    /// The last answer: when it was asked for, and how long it took.
    asked: Instant,
    took: Duration,
    /// The moment at which the stream ends by itself.
    ends: Option<tokio::time::Instant>,
    stop: watch::Receiver<bool>,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

/// The answer before, as a hash for each key. Rows of one key are counted together.
#[derive(Clone, Debug, Default)]
struct Known {
    key: Vec<usize>,
    rows: BTreeMap<String, u64>,
    as_of: String,
}

impl Subscription {
    /// Asks the statement for the first time.
    pub(super) async fn open(
        agent: Arc<Agent>,
        sql: String,
        key: Option<String>,
        ends: Option<tokio::time::Instant>,
    ) -> Result<Subscription, Refusal> {
        let permit = agent.watchers().try_acquire_owned();
        let permit = permit.map_err(|_| Refusal::busy("too many wait for changes already"))?;
        // Before the first answer, so that no change is missed between the two.
        let (changes, delivered, asked) =
            (agent.view().subscribe(), agent.event_service().log.subscribe(), Instant::now());
        let begun = agent.sql(&sql, &[], move |rows| {
            let state = answered(rows)?;
            let mut known = Known { key: key_of(&state.columns, key.as_deref())?, ..Known::default() };
            known.change(&state);
            Ok::<_, Refusal>((known, event("state", &state)))
        });
        let (known, first) = begun.await??;
        let stop = agent.stopping();
        Ok(Subscription {
            agent,
            sql,
            known,
            first: Some(first),
            changes,
            events: delivered,
            asked,
            took: asked.elapsed(),
            ends,
            stop,
            is_over: false,
            _permit: permit,
        })
    }

    /// The events, until the agent stops, the time is over, or the statement has no answer any more.
    pub(super) fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        unfold(self, |mut subscription| async { Some((Ok(subscription.next().await?), subscription)) })
    }

    async fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        while !self.is_over {
            if !self.wait().await {
                return None;
            }
            let mut known = std::mem::take(&mut self.known);
            self.asked = Instant::now();
            let asked_again = self.agent.sql(&self.sql, &[], move |rows| {
                let change = known.change(&answered(rows)?);
                Ok::<_, Refusal>((known, change.map(|change| event("change", &change))))
            });
            let answer = asked_again.await.flatten();
            self.took = self.asked.elapsed();
            match answer {
                Ok((known, change)) => {
                    self.known = known;
                    if change.is_some() {
                        return change;
                    }
                }
                Err(Refusal { error, hint, candidates, .. }) => {
                    self.is_over = true;
                    return Some(event("error", &Error { error, hint, candidates }));
                }
            }
        }
        None
    }

    /// Waits until the statement is to be asked again. False if the agent stops, or the time is over.
    async fn wait(&mut self) -> bool {
        let pause = PAUSE.max(self.took * PAUSE_IN_ANSWERS);
        let due = async {
            let latest = tokio::time::sleep_until((self.asked + INTERVAL.max(pause)).into());
            tokio::select! {
                () = latest => {}
                // Either sender lives as long as the agent.
                Ok(()) = self.changes.changed() => {}
                Ok(()) = self.events.changed() => {}
            }
            tokio::time::sleep_until((self.asked + pause).into()).await;
        };
        tokio::select! {
            () = due => {}
            () = stopped(&mut self.stop) => return false,
            () = stream::at(self.ends) => return false,
        }
        // The next answer holds all changes until it is asked for, so those that were signalled before count as seen.
        self.changes.mark_unchanged();
        self.events.mark_unchanged();
        true
    }
}

fn answered(rows: Result<Rows, engine::Error>) -> Result<SqlAnswer, Refusal> {
    let rows = rows.map_err(|error| refusal(&error))?;
    match rows.rows.len() {
        len if len > ROWS_MAX => {
            let error = format!("the answer has {len} rows; at most {ROWS_MAX} can be subscribed to");
            Err(Refusal::invalid(error, "select fewer with WHERE, or groups of them with GROUP BY"))
        }
        _ => Ok(answer(rows)),
    }
}

/// The positions of the key's columns.
fn key_of(columns: &[SqlColumn], key: Option<&str>) -> Result<Vec<usize>, Refusal> {
    let position = |name: &str| columns.iter().position(|column| column.name == name);
    let Some(key) = key else {
        return Ok(position("id").map_or_else(|| (0..columns.len()).collect(), |at| vec![at]));
    };
    let unknown = |name: &str| {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let hint = format!("the answer has the columns {}", names.join(", "));
        Refusal::invalid(format!("key: the answer has no column {name:?}"), hint)
    };
    key.split(',').map(|name| position(name.trim()).ok_or_else(|| unknown(name))).collect()
}

impl Known {
    /// Takes the next answer. Returns the differences from the one before, if there are any.
    fn change(&mut self, next: &SqlAnswer) -> Option<SqlChange> {
        let mut by_key: BTreeMap<String, Vec<&Vec<Value>>> = BTreeMap::new();
        for row in &next.rows {
            by_key
                .entry(json(&self.key.iter().map(|at| &row[*at]).collect::<Vec<_>>()))
                .or_default()
                .push(row);
        }
        let mut rows = BTreeMap::new();
        let since = std::mem::replace(&mut self.as_of, next.as_of.clone());
        let mut change = SqlChange { since, as_of: next.as_of.clone(), ..SqlChange::default() };
        for (key, of_key) in by_key {
            let hash = hash(&json(&of_key));
            if self.rows.remove(&key) != Some(hash) {
                change.set.extend(of_key.into_iter().cloned());
            }
            rows.insert(key, hash);
        }
        let gone = std::mem::replace(&mut self.rows, rows).into_keys();
        change.gone = gone.filter_map(|key| serde_json::from_str(&key).ok()).collect();
        (!change.set.is_empty() || !change.gone.is_empty()).then_some(change)
    }
}

fn hash(text: &str) -> u64 {
    std::hash::BuildHasher::hash_one(&foldhash::fast::FixedState::default(), text)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types can be written as JSON")
}

fn event(name: &str, data: &impl Serialize) -> Event {
    Event::default().event(name).data(json(data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer_of(rows: Value) -> SqlAnswer {
        let column = |name: &str| SqlColumn { name: name.into(), kind: "text".into() };
        let rows = serde_json::from_value(rows).unwrap();
        SqlAnswer { columns: vec![column("name"), column("id")], rows, as_of: "now".into() }
    }

    #[test]
    fn differences_are_new_rows_changed_rows_and_keys_that_are_gone() {
        let first = answer_of(json!([["a", 1], ["b", 2], ["c", 3]]));
        let mut known = Known { key: key_of(&first.columns, None).unwrap(), ..Known::default() };
        assert_eq!(known.change(&first).map(|change| change.set.len()), Some(3));
        assert_eq!(known.change(&first), None, "nothing differs");
        let shuffled = answer_of(json!([["c", 3], ["a", 1], ["b", 2]]));
        assert_eq!(known.change(&shuffled), None, "order is no difference");
        let change = known.change(&answer_of(json!([["a", 1], ["x", 2], ["d", 4]]))).unwrap();
        assert_eq!((change.since.as_str(), change.as_of.as_str()), ("now", "now"));
        assert_eq!(json!(change.set), json!([["x", 2], ["d", 4]]));
        assert_eq!(json!(change.gone), json!([[3]]));
    }

    #[test]
    fn the_key_is_the_one_that_is_named_or_the_id_or_the_whole_row() {
        let columns = answer_of(json!([])).columns;
        assert_eq!(key_of(&columns, None), Ok(vec![1]));
        assert_eq!(key_of(&columns[..1], None), Ok(vec![0]));
        assert_eq!(key_of(&columns, Some("id, name")), Ok(vec![1, 0]));
        let unknown = key_of(&columns, Some("ids")).unwrap_err();
        assert_eq!(unknown.hint, "the answer has the columns name, id");
    }
}
