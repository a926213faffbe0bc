//! JSON of membership: lists of members, verdicts about one, probes, and the stream of changes.

use crate::describe::model::{ChangeKind, Member, Status};
use crate::features::joining::model::Seed;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/members`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Members {
    /// Those that match, ordered by name and id.
    pub members: Vec<Member>,
    /// A cursor for `/v1/watch?since=`: changes from here on are not in `members` yet.
    pub cursor: String,
    /// The agent's seeds that it cannot join by, and why: whom it would find there is not in `members`.
    #[serde(default)]
    pub failing_seeds: Vec<Seed>,
}

/// `GET /v1/why/{member}`: what was said about a member, oldest first, as far as it is kept.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The member; none if it is on no list any more.
    pub member: Option<Member>,
    /// About whom.
    pub id: String,
    /// What was said.
    pub verdicts: Vec<Verdict>,
}

/// What a verdict says.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Said)]
pub enum VerdictKind {
    /// A probe of it failed.
    Suspected,
    /// A suspicion went unanswered: it failed. Each member decides this for itself.
    DeclaredFailed,
    /// An operator wanted it off the list.
    Forgotten,
    /// It answered with a higher incarnation.
    Refuted,
    /// It came back in a new life.
    Restarted,
    /// It left of its own will.
    Left,
    /// Its id was seen in two lives at once: a copied data directory.
    Copied,
    /// It was banned.
    Banned,
    /// Its ban was lifted.
    Unbanned,
}

/// One thing that was said about a member.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// What was said.
    pub what: VerdictKind,
    /// Who said it.
    pub by: String,
    /// That member's name, if it is known here.
    pub by_name: Option<String>,
    /// When it was said: Unix time in milliseconds by the speaker's clock.
    pub at_unix_ms: u64,
    /// How many seconds ago this agent heard it.
    pub heard_s: f64,
    /// The incarnation it was said about.
    pub incarnation: u64,
    /// On what evidence, for accusations.
    pub evidence: Option<Evidence>,
    /// The same as a sentence.
    pub text: String,
}

/// What an accuser saw.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// Helpers that were asked to probe the accused.
    pub helpers: u8,
    /// Helpers that got no answer either and said so.
    pub nacks: u8,
    /// For a failure: how many other members' suspicions agreed with the first one.
    pub confirmations: u8,
    /// How long the accuser waited, in milliseconds: for the probe, or for a refutation.
    pub waited_ms: u32,
    /// Milliseconds since the accuser last heard from the accused; none if it never did.
    pub silent_ms: Option<u64>,
    /// The accuser's local health score: 0 is healthy.
    pub accuser_health: u8,
    /// The id of the member that answered the accuser at the address of the accused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaced_by: Option<String>,
}

/// `GET /v1/ping/{member}`: one probe, now.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Ping {
    /// Whom.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub status: Status,
    /// The round trip in milliseconds; none if no answer came in time.
    pub rtt_ms: Option<f64>,
}

/// `GET /v1/reachability`: every live member probed once from here, at a bounded rate.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Reachability {
    /// The probes, those without an answer first.
    pub pings: Vec<Ping>,
    /// How many answered.
    pub reached: usize,
    /// How many did not.
    pub unreached: usize,
}

/// The data of `event: state` on `/v1/watch`: all members, in their states at `cursor`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct WatchState {
    /// Where the stream is; also the event's `id:`.
    pub cursor: String,
    /// All members, ordered by name and id.
    pub members: Vec<Member>,
}

/// A server-sent event of `/v1/watch`, by its fields.
#[derive(ToSchema)]
#[allow(dead_code)] // the description of the API alone has it
pub struct WatchEvent {
    /// `state`, `change` or `gap`.
    #[schema(pattern = "^(state|change|gap)$")]
    event: String,
    /// A cursor; a gap has none.
    id: Option<String>,
    /// JSON: a `WatchState`, a `WatchChange` or a `WatchGap`.
    data: String,
}

/// The data of `event: gap` on `/v1/watch`: changes were lost to this consumer, and a fresh `state` follows.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct WatchGap {
    /// Why.
    pub reason: String,
    /// How many changes were lost; none if that cannot be known (a cursor of an earlier start).
    pub missed: Option<u64>,
}

/// The data of `event: change` on `/v1/watch`: what happened, and how the member stands now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WatchChange {
    /// Where the stream is after this change; also the event's `id:`.
    pub cursor: String,
    /// What happened.
    pub what: ChangeKind,
    /// To whom.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When: Unix time in milliseconds by the agent's clock.
    pub at_unix_ms: u64,
    /// The member as it stands when this is sent, which may be after further changes; none if it is on no list any more.
    pub member: Option<Member>,
}

/// The body of `POST /v1/forget`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// A departed member's id, or its name if only one departed member carries it.
    pub member: String,
    /// Forget all departed members of that name.
    #[serde(default)]
    pub all: bool,
}
