//! What is said about events: publishing them, and reading them.

use crate::describe::model::Status;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

/// The body of `POST /v1/events`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishRequest {
    /// What to publish, in this order; one event or many.
    #[schema(min_items = 1)]
    pub events: Vec<PublishEvent>,
    /// For what to wait before answering.
    #[serde(default)]
    pub wait: PublishWait,
    /// How long to wait until it is known how far the events came, in milliseconds: 10 s by default, at most a minute.
    #[serde(default)]
    #[schema(schema_with = milliseconds)]
    pub timeout_ms: Option<u64>,
}

/// Any number of milliseconds; the format of an integer would bound it.
fn milliseconds() -> Object {
    let whole = SchemaType::from_iter([Type::Integer, Type::Null]);
    ObjectBuilder::new().schema_type(whole).minimum(Some(0)).build()
}

/// For what a publisher waits.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublishWait {
    /// The events are in this agent's memory, no more; the durable ones on its disk.
    #[default]
    Queued,
    /// A sample: it is known how many of a few random members will deliver them.
    Covered,
    /// Every live member has confirmed that it will deliver them, or the time is over.
    All,
}

/// An event to be published.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishEvent {
    /// What kind of event it is: at most 255 bytes.
    #[schema(min_length = 1, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub name: String,
    /// What it says, as text: at most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// What it says, as any bytes in base64, in place of `payload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$")]
    pub payload_base64: Option<String>,
    /// Told everywhere as soon as it comes, not in the order of its origin.
    #[serde(default)]
    pub unordered: bool,
    /// Of this agent's events with this mark and one name only the latest counts for who was away.
    #[serde(default)]
    pub coalesce: bool,
    /// On disk before it is answered, and offered again after a crash until others hold it.
    #[serde(default)]
    pub durable: bool,
}

/// The answer to `POST /v1/events`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct PublishResult {
    /// What became of each event, in the order in which they were given.
    pub events: Vec<PublishedEvent>,
}

/// What became of an event.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublishState {
    /// It is in this agent's memory, and on its way.
    #[default]
    Queued,
    /// A sample: a few random members were asked whether they will deliver it.
    Covered,
    /// Every live member has confirmed that it will deliver it.
    Confirmed,
    /// Some live members have not confirmed in time that they will deliver it; it stays on its way.
    Unconfirmed,
    /// It was not taken.
    Refused,
}

/// What became of one event.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct PublishedEvent {
    /// What became of it.
    pub state: PublishState,
    /// What it is called: origin, epoch and sequence number; none if it was refused.
    pub id: Option<String>,
    /// Its number among the events of this agent's present life, from 1 on.
    pub sequence: Option<u64>,
    /// Members that confirmed that they will deliver it, of those that were asked; none if nobody was asked, or not yet.
    pub held: Option<u32>,
    /// Members that were asked; 0 if no other member is known, so that it came nowhere.
    pub asked: Option<u32>,
    /// Whether those that were asked are a random sample; `false` if they are all live members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<bool>,
    /// Of all live members: those that did not confirm, at most 64 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<UnconfirmedMember>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A member that did not confirm an event.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct UnconfirmedMember {
    /// Its id.
    pub id: String,
    /// Its name; none if it was forgotten meanwhile.
    pub name: Option<String>,
    /// Its state by now, as in the list of members; none if it was forgotten meanwhile.
    pub status: Option<Status>,
}

/// `GET /v1/events`: what was told here, in order.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// What was told.
    pub events: Vec<LoggedEvent>,
    /// Where to read on.
    pub cursor: String,
    /// What this consumer missed before the events; none if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<EventsGap>,
}

/// Events were dropped before this consumer read them.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct EventsGap {
    /// Why.
    pub reason: String,
    /// How many; none if that cannot be known.
    pub missed: Option<u64>,
}

/// What was told.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ToldKind)]
pub enum LoggedKind {
    /// An event.
    #[default]
    Event,
    /// Events of one origin are lost to this agent: nobody retains them any more.
    Lost,
}

/// An event, or that some are lost.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ToldEvent)]
pub struct LoggedEvent {
    /// What it is.
    pub kind: LoggedKind,
    /// Where reading goes on after it.
    pub cursor: String,
    /// What it is called: origin, epoch and sequence number.
    pub id: String,
    /// Who published it: 16 hexadecimal digits.
    pub origin: String,
    /// That member's name, if it is known here.
    pub origin_name: Option<String>,
    /// In which of the origin's lives.
    pub epoch: u64,
    /// Its number in that life; of lost events that of the first.
    pub sequence: u64,
    /// Of lost events: the number of the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sequence: Option<u64>,
    /// What kind of event it is; what is no text in it is replaced.
    pub name: String,
    /// What it says, if that is text.
    pub payload: Option<String>,
    /// What it says, if that is no text: in base64.
    pub payload_base64: Option<String>,
    /// Told as soon as it came.
    pub unordered: bool,
    /// Only the latest of its name counts.
    pub coalesce: bool,
    /// When it was told here: Unix time in milliseconds by this agent's clock.
    pub heard_unix_ms: u64,
}

/// Of `GET /v1/self`: how events stand.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct EventsInfo {
    /// Whether it is known what was published before this agent joined.
    pub joined: bool,
    /// Events retained for others.
    pub window_events: usize,
    /// Their bytes, with what each takes besides name and payload.
    pub window_bytes: usize,
    /// Of at most so many.
    pub window_bytes_max: usize,
    /// Events that are still passed on.
    pub spreading: usize,
    /// Events retained for this agent's consumers.
    pub readable: usize,
    /// Durable events that others are not known to hold.
    pub durable_waiting: usize,
}
