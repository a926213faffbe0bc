//! The HTTP routes of events: publishing, and reading the event log.

use crate::agent::{Agent, stopped};
use crate::features::events::entry::{Cursor, LogEntry, Record, Since};
use crate::features::events::log::{Gap, Page};
use crate::features::events::payload::shown_payload;
use crate::features::events::publish::{WAIT_MAX, called};
use crate::http::reply::{Answer, Body, Params};
use crate::http::route::Route;
use crate::model::{self, LoggedKind};
use crate::refusal::Refusal;
use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::get;
use rumormill_core::identity::NodeId;
use rumormill_protocols::spread::events::{EventId, Flags, Source};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use utoipa::{IntoParams, OpenApi};

/// The largest body of a request to publish, in bytes: a full queue of 1 MiB, in base64 or with some of it escaped.
pub const BODY_BYTES_MAX: usize = 2 << 20;
/// Events in one answer.
pub const READ_MAX: usize = 1_024;
/// Events in one answer if nothing is said (our guess).
const READ_DEFAULT: usize = 256;

#[derive(OpenApi)]
#[openapi(paths(events, publish))]
pub(super) struct Document;

pub(super) fn routes() -> Vec<Route> {
    let serve = get(events).post(publish).layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    vec![Route::new("/v1/events", &["get", "post"], serve)]
}

/// Publish events.
///
/// Answers when all are queued (or refused), the durable ones are on disk, and, if that is waited for, it is known how far they came. If
/// some are taken and some refused, each says so; if all are refused the answer is an error.
#[utoipa::path(
    post, path = "/v1/events", tag = "events", request_body = model::PublishRequest,
    responses(
        (status = 200, body = model::PublishResult), (status = 400, body = model::Error),
        (status = 409, description = "Durable events, and no data directory.", body = model::Error),
        (status = 413, description = "A payload of more than 64 KiB.", body = model::Error),
        (status = 503, description = "The queue is full, or the disk.", body = model::Error),
    )
)]
pub async fn publish(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::PublishRequest>,
) -> Answer<model::PublishResult> {
    agent.publish_request(request).await.map(Json)
}

/// What to read.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsParams {
    /// The cursor of an earlier answer, or of an event: what was told after it. `start`: all that is retained, which is the default.
    /// `now`: only what is told from now on.
    #[param(pattern = "^(start|now|[0-9a-f]{16}-[0-9]{1,19}-[0-9]{1,19})$")]
    cursor: Option<String>,
    /// Events at most: 256 if nothing is said, 1024 at most. Whatever is asked for, an answer ends after about a mebibyte of payload.
    #[param(minimum = 1, maximum = 1024)]
    limit: Option<usize>,
    /// If there is nothing to read: wait so many seconds for something, at most 60.
    #[param(minimum = 0)]
    wait_s: Option<f64>,
    /// Only events of this name; with a `*` at its end, of those that begin so.
    name: Option<String>,
}

/// Read events.
///
/// In the order in which they were told here. Each answer has a cursor, at which the next one goes on: after a restart of the agent, too. A
/// `gap` says that events were dropped before this consumer read them.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", params(EventsParams),
    responses(
        (status = 200, body = model::Events),
        (status = 400, description = "Not a cursor.", body = model::Error),
        (status = 503, description = "Too many wait.", body = model::Error),
    )
)]
pub async fn events(
    State(agent): State<Arc<Agent>>,
    Params(params): Params<EventsParams>,
) -> Answer<model::Events> {
    let since = params.cursor.as_deref().unwrap_or("start").parse::<Since>().map_err(|error| {
        Refusal::invalid(error, "take one from an answer of this agent, or say start or now")
    })?;
    let limit = params.limit.unwrap_or(READ_DEFAULT);
    if !(1..=READ_MAX).contains(&limit) {
        return Err(Refusal::invalid(
            format!("{limit} events at a time"),
            format!("ask for 1 to {READ_MAX}"),
        ));
    }
    let wait = Duration::try_from_secs_f64(params.wait_s.unwrap_or(0.0).min(WAIT_MAX.as_secs_f64()));
    let wait = wait.map_err(|error| Refusal::invalid(format!("wait_s: {error}"), "say 0 to 60"))?;
    let name = params.name.as_deref().map(str::as_bytes);
    let page = match wait.is_zero() {
        true => agent.event_service().log.read(since, limit, name),
        false => waited(&agent, since, limit, name, wait).await?,
    };
    Ok(Json(shown(&agent, page).await?))
}

/// What there is to read, as soon as there is something, or nothing after so long.
async fn waited(
    agent: &Arc<Agent>,
    since: Since,
    limit: usize,
    name: Option<&[u8]>,
    wait: Duration,
) -> Result<Page, Refusal> {
    let permit = agent.watchers().try_acquire_owned();
    let _permit = permit.map_err(|_| Refusal::busy("too many wait for events or changes already"))?;
    let (mut head, mut stop) = (agent.event_service().log.subscribe(), agent.stopping());
    let deadline = Instant::now() + wait;
    let mut since = since;
    loop {
        head.borrow_and_update();
        let page = agent.event_service().log.read(since, limit, name);
        if !page.entries.is_empty() || page.gap.is_some() {
            return Ok(page);
        }
        since = Since::After(page.cursor);
        let is_over = tokio::select! {
            changed = tokio::time::timeout_at(deadline, head.changed()) => changed.is_err(),
            () = stopped(&mut stop) => true,
        };
        if is_over {
            return Ok(page);
        }
    }
}

async fn shown(agent: &Arc<Agent>, page: Page) -> Result<model::Events, Refusal> {
    let origins: BTreeSet<NodeId> = page.entries.iter().map(|entry| entry.entry.source().origin).collect();
    let names = match origins.is_empty() {
        true => BTreeMap::new(),
        false => {
            let looked = agent.inspect(move |inside| {
                let named = |id: NodeId| Some((id, inside.node.swim.member(id)?.card.name.clone()));
                origins.into_iter().filter_map(named).collect::<BTreeMap<NodeId, String>>()
            });
            looked.await?
        }
    };
    let gap = page.gap.map(|gap| match gap {
        Gap::Dropped(missed) => {
            let reason =
                "this consumer was too slow, or away for too long: events were dropped before it read them";
            model::EventsGap { reason: reason.into(), missed }
        }
        Gap::Foreign => {
            let reason = "the cursor is not of this agent, or of one whose data directory is lost";
            model::EventsGap { reason: reason.into(), missed: None }
        }
    });
    let node = page.cursor.node;
    let events = page.entries.into_iter().map(|entry| logged_event(node, entry, &names)).collect();
    Ok(model::Events { events, cursor: page.cursor.to_string(), gap })
}

fn logged_event(node: NodeId, entry: Record, names: &BTreeMap<NodeId, String>) -> model::LoggedEvent {
    let Source { origin, epoch } = entry.entry.source();
    let about = model::LoggedEvent {
        cursor: Cursor { node, place: entry.place }.to_string(),
        origin: origin.to_string(),
        origin_name: names.get(&origin).cloned(),
        epoch,
        heard_unix_ms: entry.heard.0,
        ..model::LoggedEvent::default()
    };
    match entry.entry {
        LogEntry::Event(item) => {
            let (payload, payload_base64) = shown_payload(&item.payload);
            model::LoggedEvent {
                kind: LoggedKind::Event,
                id: called(item.id),
                sequence: item.id.seq,
                name: String::from_utf8_lossy(&item.name).into_owned(),
                payload,
                payload_base64,
                unordered: item.flags.has(Flags::UNORDERED),
                coalesce: item.flags.has(Flags::COALESCE),
                ..about
            }
        }
        LogEntry::Lost(source, span) => model::LoggedEvent {
            kind: LoggedKind::Lost,
            id: called(EventId { source, seq: span.from }),
            sequence: span.from,
            last_sequence: Some(span.to),
            ..about
        },
    }
}
