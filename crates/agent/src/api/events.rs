//! Application events: publishing them, and reading what was told here.

use super::failure::{Answer, Body, Params};
use super::serve::told;
use super::shape;
use crate::events::desk::Coverage;
use crate::events::feed::{Cursor, Entry, Gap, Page, Said, Since};
use crate::model::{self, PublishState, PublishWait, ToldKind};
use crate::refusal::Refusal;
use crate::run::{Agent, NewEvent, Published};
use axum::Json;
use axum::extract::State;
use data_encoding::BASE64;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_protocols::member::swim::Status;
use rumormill_protocols::spread::events::{
    self, CONFIRM_MEMBERS_MAX, Cover, EventId, Flags, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX, Source,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use utoipa::IntoParams;

/// The largest body of a request to publish, in bytes: a full queue of 1 MiB, in base64 or with some of it escaped.
pub const BODY_BYTES_MAX: usize = 2 << 20;
/// Events in one request.
pub const BATCH_MAX: usize = 1_024;
/// Events in one answer.
pub const READ_MAX: usize = 1_024;
/// Events in one answer if nothing is said (our guess).
const READ_DEFAULT: usize = 256;
/// How long a publisher waits to hear how far its events came if nothing is said (our guess).
const COVER_WAIT: Duration = Duration::from_secs(10);
/// The protocol reports at the end of the time itself: so much later the API answers without its report (our guess).
const COVER_SLACK: Duration = Duration::from_secs(2);
/// How long anybody waits at most.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// Publish events.
///
/// Answers when all are queued (or refused), the durable ones are on disk, and, if that is waited for, it is known how far they came. If
/// some are taken and some refused, each says so; if all are refused the answer is an error.
#[utoipa::path(
    post, path = "/v1/events", request_body = model::PublishRequest,
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
    if request.events.is_empty() || request.events.len() > BATCH_MAX {
        let error = format!("{} events in one request", request.events.len());
        return Err(Refusal::invalid(error, format!("send 1 to {BATCH_MAX}")));
    }
    let events: Vec<NewEvent> = request.events.into_iter().map(checked).collect::<Result<_, _>>()?;
    let wait = request.timeout_ms.map_or(COVER_WAIT, Duration::from_millis).min(WAIT_MAX);
    let cover = match request.wait {
        PublishWait::Queued => Cover::Nobody,
        PublishWait::Covered => Cover::Sample,
        PublishWait::All => Cover::All(wait),
    };
    let published = agent.publish(&events, cover).await?;
    if published.iter().all(|event| event.id.is_err()) {
        return Err(refused(published[0].id.err()));
    }
    let slack = if request.wait == PublishWait::All { COVER_SLACK } else { Duration::ZERO };
    let deadline = Instant::now() + wait + slack;
    let mut events = Vec::new();
    for Published { id, covered } in published {
        let covered = async { tokio::time::timeout_at(deadline, covered).await.ok()?.ok() };
        let coverage = if id.is_ok() && request.wait != PublishWait::Queued { covered.await } else { None };
        events.push(became(&agent, id, coverage, request.wait).await?);
    }
    Ok(Json(model::PublishResult { events }))
}

/// An event that may be published.
fn checked(event: model::PublishEvent) -> Result<NewEvent, Refusal> {
    let model::PublishEvent { name, payload, payload_base64, unordered, coalesce, durable } = event;
    let name = checked_name("event", &name)?;
    let payload = payload_of(payload, payload_base64)?;
    if payload.len() > PAYLOAD_BYTES_MAX {
        let error = format!("a payload takes {} bytes; {PAYLOAD_BYTES_MAX} are the most", payload.len());
        let hint = "publish where the data is to be had, not the data";
        return Err(Refusal::too_large(error, hint));
    }
    Ok(NewEvent { name, payload: Payload::from(&payload[..]), unordered, coalesce, durable })
}

/// A name that an event or a query may have; `what` says which of the two.
pub(super) fn checked_name(what: &str, name: &str) -> Result<Payload, Refusal> {
    let wrong = match name.len() {
        0 => "is empty".to_string(),
        n if n > NAME_BYTES_MAX => format!("takes {n} bytes; {NAME_BYTES_MAX} are the most"),
        _ if name.contains(char::is_control) => "holds control characters".to_string(),
        _ => return Ok(Payload::from(name.as_bytes())),
    };
    Err(Refusal::invalid(format!("the {what}'s name {wrong}"), "give a short name, such as deploy or load"))
}

/// A payload that comes as text or in base64, or not at all.
pub(super) fn payload_of(text: Option<String>, base64: Option<String>) -> Result<Vec<u8>, Refusal> {
    match (text, base64) {
        (Some(_), Some(_)) => {
            Err(Refusal::invalid("there are two payloads", "send payload or payload_base64"))
        }
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(text)) => BASE64.decode(text.as_bytes()).map_err(|error| {
            Refusal::invalid(
                format!("payload_base64 is no base64: {error}"),
                "encode it by RFC 4648, section 4",
            )
        }),
        (None, None) => Ok(Vec::new()),
    }
}

/// A payload as text, or else in base64.
pub(super) fn shown_payload(payload: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(payload) {
        Ok(text) => (Some(text.into()), None),
        Err(_) => (None, Some(BASE64.encode(payload))),
    }
}

fn why(refusal: events::Refusal) -> &'static str {
    match refusal {
        events::Refusal::QueueFull => "the queue is full: too many of this agent's events are on their way",
        events::Refusal::TooLarge => "it is larger than half of what this agent retains (events_window)",
        events::Refusal::TooManyMembers => "too many members would have to confirm it",
    }
}

fn refused(refusal: Option<events::Refusal>) -> Refusal {
    match refusal {
        Some(events::Refusal::TooLarge) => {
            let hint = "publish less, or give the agent more with events_window";
            Refusal::too_large(why(events::Refusal::TooLarge), hint)
        }
        Some(events::Refusal::TooManyMembers) => {
            let hint = format!(
                "at most {CONFIRM_MEMBERS_MAX} members can confirm an event; wait for covered, a sample"
            );
            Refusal::conflict(why(events::Refusal::TooManyMembers), hint)
        }
        Some(events::Refusal::QueueFull) | None => Refusal::busy(why(events::Refusal::QueueFull)),
    }
}

async fn became(
    agent: &Arc<Agent>,
    id: Result<EventId, events::Refusal>,
    coverage: Option<Coverage>,
    wait: PublishWait,
) -> Result<model::PublishedEvent, Refusal> {
    let id = match id {
        Ok(id) => id,
        Err(refusal) => {
            let error = Some(why(refusal).into());
            return Ok(model::PublishedEvent { state: PublishState::Refused, error, ..Default::default() });
        }
    };
    let event = model::PublishedEvent { id: Some(called(id)), sequence: Some(id.seq), ..Default::default() };
    let Some(Coverage { held, asked, missing }) = coverage else { return Ok(event) };
    if wait != PublishWait::All {
        let (held, asked) = (Some(held), Some(asked));
        return Ok(model::PublishedEvent {
            state: PublishState::Covered,
            held,
            asked,
            sample: Some(true),
            ..event
        });
    }
    let unconfirmed = unconfirmed(agent, missing).await?;
    // Who has left meanwhile has not failed to confirm: it is no live member.
    let asked = asked - unconfirmed.left;
    let state = if held == asked { PublishState::Confirmed } else { PublishState::Unconfirmed };
    Ok(model::PublishedEvent {
        state,
        held: Some(held),
        asked: Some(asked),
        sample: Some(false),
        unconfirmed: unconfirmed.members,
        ..event
    })
}

/// Members that have not confirmed an event.
struct Unconfirmed {
    members: Vec<model::UnconfirmedMember>,
    /// How many others left of their own will.
    left: u32,
}

async fn unconfirmed(agent: &Arc<Agent>, ids: Vec<NodeId>) -> Result<Unconfirmed, Refusal> {
    if ids.is_empty() {
        return Ok(Unconfirmed { members: Vec::new(), left: 0 });
    }
    let looked = agent.inspect(move |inside| {
        let mut found = Unconfirmed { members: Vec::new(), left: 0 };
        for id in ids {
            let member = inside.node.swim.member(id);
            if member.is_some_and(|member| member.status == Status::Left) {
                found.left += 1;
                continue;
            }
            found.members.push(model::UnconfirmedMember {
                id: id.to_string(),
                name: member.map(|member| member.card.name.clone()),
                status: member.map(|member| shape::status(member.status)),
            });
        }
        found
    });
    looked.await
}

/// An event's id as text.
fn called(id: EventId) -> String {
    format!("{}-{}-{}", id.source.origin, id.source.epoch, id.seq)
}

/// What to read.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsParams {
    /// The cursor of an earlier answer, or of an event: what was told after it. `start`: all that is retained, which is the default.
    /// `now`: only what is told from now on.
    cursor: Option<String>,
    /// Events at most: 256 if nothing is said, 1024 at most. Whatever is asked for, an answer ends after about a mebibyte of payload.
    limit: Option<usize>,
    /// If there is nothing to read: wait so many seconds for something, at most 60.
    wait_s: Option<f64>,
    /// Only events of this name; with a `*` at its end, of those that begin so.
    name: Option<String>,
}

/// Read events.
///
/// In the order in which they were told here. Each answer has a cursor, at which the next one goes on: after a restart of the agent, too. A
/// `gap` says that events were dropped before this consumer read them.
#[utoipa::path(
    get, path = "/v1/events", params(EventsParams),
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
    let wait = Duration::try_from_secs_f64(params.wait_s.unwrap_or(0.0));
    let wait =
        wait.map_err(|error| Refusal::invalid(format!("wait_s: {error}"), "say 0 to 60"))?.min(WAIT_MAX);
    let name = params.name.as_deref().map(str::as_bytes);
    let page = match wait.is_zero() {
        true => agent.board().feed.read(since, limit, name),
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
    let (mut head, mut stop) = (agent.board().feed.subscribe(), agent.stopping());
    let deadline = Instant::now() + wait;
    let mut since = since;
    loop {
        head.borrow_and_update();
        let page = agent.board().feed.read(since, limit, name);
        if !page.entries.is_empty() || page.gap.is_some() {
            return Ok(page);
        }
        since = Since::After(page.cursor);
        let is_over = tokio::select! {
            changed = tokio::time::timeout_at(deadline, head.changed()) => changed.is_err(),
            () = told(&mut stop) => true,
        };
        if is_over {
            return Ok(page);
        }
    }
}

async fn shown(agent: &Arc<Agent>, page: Page) -> Result<model::Events, Refusal> {
    let origins: Vec<NodeId> = page.entries.iter().map(|entry| entry.said.source().origin).collect();
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
    let events = page.entries.into_iter().map(|entry| told_event(node, entry, &names)).collect();
    Ok(model::Events { events, cursor: page.cursor.to_string(), gap })
}

fn told_event(node: NodeId, entry: Entry, names: &BTreeMap<NodeId, String>) -> model::ToldEvent {
    let Source { origin, epoch } = entry.said.source();
    let about = model::ToldEvent {
        cursor: Cursor { node, place: entry.place }.to_string(),
        origin: origin.to_string(),
        origin_name: names.get(&origin).cloned(),
        epoch,
        heard_unix_ms: entry.heard.0,
        ..model::ToldEvent::default()
    };
    match entry.said {
        Said::Event(item) => {
            let (payload, payload_base64) = shown_payload(&item.payload);
            model::ToldEvent {
                kind: ToldKind::Event,
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
        Said::Lost(source, span) => model::ToldEvent {
            kind: ToldKind::Lost,
            id: called(EventId { source, seq: span.from }),
            sequence: span.from,
            last_sequence: Some(span.to),
            ..about
        },
    }
}
