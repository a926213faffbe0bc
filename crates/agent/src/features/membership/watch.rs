//! `GET /v1/watch`: what holds now, then what changes.
//!
//! A watcher owns nothing but a cursor into the agent's bounded log of changes. It is read only when the connection can take more, so a slow
//! consumer costs no memory; once the log has moved on past its cursor, it receives a `gap`, and then a fresh `state`.

use crate::agent::{Agent, WATCHERS_MAX, stopped};
use crate::describe::Shape;
use crate::http::reply::Params;
use crate::http::stream;
use crate::model;
use crate::refusal::Refusal;
use crate::view::{Cursor, Read};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use futures_util::stream::{Stream, unfold};
use rumormill_core::identity::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use utoipa::IntoParams;

/// Where to go on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WatchParams {
    /// The cursor of the last change that was seen: go on after it. The header `Last-Event-ID`, which browsers send by themselves, says the same
    /// and wins. Without either, the stream begins with the state.
    #[param(pattern = "^([0-9a-f]{1,16}-[0-9]{1,19})?$")]
    since: Option<String>,
    /// The stream ends after so many seconds. Without it the stream goes on until either side closes it.
    #[param(minimum = 0)]
    for_s: Option<f64>,
}

/// Watch members: server-sent events.
///
/// `state` (a `WatchState`) comes first, then a `change` (a `WatchChange`) for each that follows; the id of each event is a cursor. `gap` (a
/// `WatchGap`) says that changes were lost to this consumer, because it read too slowly or its cursor is too old; a fresh `state` follows it.
#[utoipa::path(
    get, path = "/v1/watch", tag = "watch", params(WatchParams),
    responses(
        (status = 200, content_type = "text/event-stream", body = model::WatchEvent),
        (status = 400, description = "Not a cursor.", body = model::Error),
        (status = 503, description = "Too many watchers.", body = model::Error),
    )
)]
pub async fn watch(
    State(agent): State<Arc<Agent>>,
    headers: HeaderMap,
    Params(params): Params<WatchParams>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?").to_string());
    let since = last.or(params.since).filter(|since| !since.is_empty());
    let cursor = match since.map(|since| since.parse::<Cursor>()).transpose() {
        Ok(cursor) => cursor,
        Err(error) => {
            return Err(Refusal::invalid(error, "without a cursor it begins with the present state"));
        }
    };
    let ends = stream::end(params.for_s)?;
    let permit = agent.watchers().try_acquire_owned();
    let permit = permit.map_err(|_| Refusal::busy(format!("there are {WATCHERS_MAX} watchers already")))?;
    let news = agent.view().subscribe();
    let stop = agent.stopping();
    let watcher = Watcher { agent, cursor, ends, news, stop, ready: VecDeque::new(), _permit: permit };
    let events = unfold(watcher, |mut watcher| async { Some((Ok(watcher.next().await?), watcher)) });
    Ok(stream::answer(events))
}

struct Watcher {
    agent: Arc<Agent>,
    /// Where it is; none before the state was sent.
    cursor: Option<Cursor>,
    /// The moment at which the stream ends by itself.
    ends: Option<Instant>,
    news: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    ready: VecDeque<Event>,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next event; none when the agent stops, or the time of this watcher is over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            self.news.borrow_and_update();
            let Some(cursor) = self.cursor else {
                self.state().await?;
                continue;
            };
            let read = self.agent.view().read(cursor);
            match read {
                Read::Gap(missed) => self.gap(missed),
                Read::Changes(_, changes) if changes.is_empty() => tokio::select! {
                    changed = self.news.changed() => changed.ok()?,
                    () = stopped(&mut self.stop) => return None,
                    () = stream::at(self.ends) => return None,
                },
                Read::Changes(first, changes) => self.changes(cursor.session, first, changes).await?,
            }
        }
    }

    async fn state(&mut self) -> Option<()> {
        let (members, cursor) =
            self.agent.inspect(|inside| Shape::new(inside).members(|_, _| true)).await.ok()?;
        let state = model::WatchState { cursor: cursor.to_string(), members };
        self.ready.push_back(event("state", Some(&state.cursor), &state));
        self.cursor = Some(cursor);
        Some(())
    }

    fn gap(&mut self, missed: Option<u64>) {
        let reason = match missed {
            Some(_) => "this consumer was too slow, its cursor is too old, or the agent began anew",
            None => "the cursor is not of this start of this agent",
        };
        self.ready.push_back(event("gap", None, &model::WatchGap { reason: reason.into(), missed }));
        self.cursor = None;
    }

    async fn changes(&mut self, session: u64, first: u64, changes: Vec<crate::view::Change>) -> Option<()> {
        let mut ids: Vec<NodeId> = changes.iter().map(|change| change.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let members = self.agent.inspect(move |inside| Shape::new(inside).those(&ids)).await.ok()?;
        for (at, change) in (first + 1..).zip(changes) {
            let cursor = Cursor { session, at };
            let change = model::WatchChange {
                cursor: cursor.to_string(),
                what: change.what,
                id: change.id.to_string(),
                name: change.name.to_string(),
                at_unix_ms: change.at.0,
                member: members.get(&change.id).cloned(),
            };
            self.ready.push_back(event("change", Some(&change.cursor), &change));
            self.cursor = Some(cursor);
        }
        Some(())
    }
}

fn event(name: &str, id: Option<&str>, data: &impl Serialize) -> Event {
    let json = serde_json::to_string(data).expect("our own types can be written as JSON");
    let event = Event::default().event(name).data(json);
    match id {
        Some(id) => event.id(id),
        None => event,
    }
}
