//! Publishing as the APIs ask for it: a batch is checked, published, and reported event by event.

use crate::agent::Agent;
use crate::describe;
use crate::features::events::payload::{checked_name, payload_of};
use crate::features::events::pending::Coverage;
use crate::features::events::service::{NewEvent, Published};
use crate::model::{self, PublishState, PublishWait};
use crate::refusal::Refusal;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_protocols::member::swim::Status;
use rumormill_protocols::spread::events::{self, CONFIRM_MEMBERS_MAX, Cover, EventId, PAYLOAD_BYTES_MAX};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Events in one request.
pub const BATCH_MAX: usize = 1_024;
/// How long a publisher waits for the spread of its events by default (our guess).
const COVER_WAIT: Duration = Duration::from_secs(10);
/// The protocol reports at the end of the time itself: so much later the API answers without its report (our guess).
const COVER_SLACK: Duration = Duration::from_secs(2);
/// The longest wait of a publisher or a reader.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

impl Agent {
    /// Publishes a batch. Returns when all events are queued or refused, the durable ones are on disk, and, where the request waits for it, when their
    /// spread is known. Refused as a whole only if every event is.
    pub async fn publish_request(
        self: &Arc<Self>,
        request: model::PublishRequest,
    ) -> Result<model::PublishResult, Refusal> {
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
        let published = self.publish(&events, cover).await?;
        if published.iter().all(|event| event.id.is_err()) {
            return Err(refused(published[0].id.err()));
        }
        let slack = if request.wait == PublishWait::All { COVER_SLACK } else { Duration::ZERO };
        let deadline = Instant::now() + wait + slack;
        let mut events = Vec::new();
        for Published { id, covered } in published {
            let covered = async { tokio::time::timeout_at(deadline, covered).await.ok()?.ok() };
            let coverage =
                if id.is_ok() && request.wait != PublishWait::Queued { covered.await } else { None };
            events.push(became(self, id, coverage, request.wait).await?);
        }
        Ok(model::PublishResult { events })
    }
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
    // A member that left meanwhile did not fail to confirm: it is no live member.
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
                status: member.map(|member| describe::status(member.status)),
            });
        }
        found
    });
    looked.await
}

/// An event's id as text: origin, epoch, number.
pub(super) fn called(id: EventId) -> String {
    format!("{}-{}-{}", id.source.origin, id.source.epoch, id.seq)
}
