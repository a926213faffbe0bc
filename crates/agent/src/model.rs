//! The admin API's JSON, shared by the agent that writes it and the programs that read it.
//!
//! What an agent answers may gain fields, so readers pass over what they do not know. What an agent is asked must be
//! known to it: request types refuse unknown fields, so that a typing error is an error. Ids and sessions are strings of 16 hexadecimal
//! digits (64 bits do not fit a JSON number everywhere), durations end in their unit, ages count back from the answer.

mod bans;
mod events;
mod join;
mod keys;
mod queries;
mod reload;
mod requests;

pub use bans::*;
pub use events::*;
pub use join::*;
pub use keys::*;
pub use queries::*;
pub use reload::*;
pub use requests::*;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a member is held to be.
#[derive(
    Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It answers, or nobody said otherwise.
    #[default]
    Alive,
    /// A probe failed and it has not yet refuted.
    Suspect,
    /// It failed.
    Dead,
    /// It left of its own will.
    Left,
    /// Somebody banned it, whatever it was before.
    Banned,
}

impl Status {
    /// All of them, in the order in which a member goes through them.
    pub const ALL: [Status; 5] = [Status::Alive, Status::Suspect, Status::Dead, Status::Left, Status::Banned];

    /// As it is written in JSON, queries and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Alive => "alive",
            Status::Suspect => "suspect",
            Status::Dead => "dead",
            Status::Left => "left",
            Status::Banned => "banned",
        }
    }
}

impl std::str::FromStr for Status {
    type Err = String;
    fn from_str(s: &str) -> Result<Status, String> {
        let known = || Status::ALL.map(Status::as_str).join(", ");
        Status::ALL
            .into_iter()
            .find(|status| status.as_str() == s)
            .ok_or_else(|| format!("there is no status {s:?}; there are {}", known()))
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One member, as the agent that answers sees it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Its id: 16 hexadecimal digits.
    pub id: String,
    /// Its name: a label, which two members may carry.
    pub name: String,
    /// Whether it is the agent that answers.
    pub is_self: bool,
    /// What it is held to be.
    pub status: Status,
    /// For how many seconds it has been held to be that.
    pub since_s: f64,
    /// How often it has started.
    pub epoch: u64,
    /// Raised by itself to refute a suspicion or to say something new.
    pub incarnation: u64,
    /// Addresses at which it says that it is reached.
    pub addresses: Vec<String>,
    /// Its tags; empty while `tags_pending`.
    pub tags: BTreeMap<String, String>,
    /// Its tags are too large to travel with its record and have not been fetched yet.
    pub tags_pending: bool,
    /// The smoothed round trip in milliseconds, by datagram; none if it was never measured.
    pub rtt_ms: Option<f64>,
    /// Seconds since the agent that answers last heard from it directly; none if it never did.
    pub heard_s: Option<f64>,
    /// It answers over TCP alone: its datagrams seem to be blocked.
    pub stream_only: bool,
    /// The id it had before it found that a copy of its data directory is running.
    pub copied_from: Option<String>,
    /// What a person should know of it: a name taken twice, a copied data directory, blocked datagrams.
    pub warnings: Vec<String>,
    /// The newest vitals it gossiped, in short; none if none arrived.
    pub vitals: Option<VitalsSummary>,
    /// How many seconds ago those vitals were written, by the clocks of both.
    pub vitals_age_s: Option<f64>,
}

/// The machine a member runs on, in five numbers.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct VitalsSummary {
    /// Load average over one minute.
    pub load1: Option<f64>,
    /// CPU in use, in percent of all cores.
    pub cpu_percent: Option<f64>,
    /// Memory in use, in percent of all.
    pub memory_percent: Option<f64>,
    /// The fullest disk, in percent.
    pub disk_percent: Option<f64>,
    /// Seconds since the machine started.
    pub uptime_s: Option<u64>,
}

/// The machine a member runs on. What it could not read is none.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Vitals {
    /// Whose they are.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many seconds ago they were written, by the clocks of both.
    pub age_s: f64,
    /// How many seconds ago they arrived here, by the clock of the agent that answers.
    pub heard_s: f64,
    /// Unix time at which they were written, in milliseconds, by the member's clock.
    pub written_unix_ms: u64,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// CPU in use, in percent of all cores.
    pub cpu_percent: Option<f64>,
    /// Cores.
    pub cpus: Option<u32>,
    /// Memory, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Memory that could be had without swapping (`MemAvailable`), in bytes.
    pub memory_available_bytes: Option<u64>,
    /// Swap in use, in bytes.
    pub swap_used_bytes: Option<u64>,
    /// Time in which some task waited for the CPU, in percent over 10 s.
    pub pressure_cpu_percent: Option<f64>,
    /// Time in which some task waited for memory, in percent over 10 s.
    pub pressure_memory_percent: Option<f64>,
    /// Time in which some task waited for input or output, in percent over 10 s.
    pub pressure_io_percent: Option<f64>,
    /// Disks, the fullest first.
    pub disks: Vec<Disk>,
    /// Disks among them that do not answer, by mount point: their numbers are the last that were known.
    #[serde(default)]
    pub hung_disks: Vec<String>,
    /// Bytes received by all network interfaces but loopback, per second.
    pub net_received_bytes_per_s: Option<f64>,
    /// Bytes sent, alike.
    pub net_sent_bytes_per_s: Option<f64>,
    /// Seconds since the machine started.
    pub uptime_s: Option<u64>,
    /// Processes that exist; threads are not counted.
    pub processes: Option<u64>,
    /// Memory of the member's agent itself, resident, in bytes.
    #[serde(default)]
    pub agent_memory_bytes: Option<u64>,
    /// CPU of the member's agent itself, in percent of one core.
    #[serde(default)]
    pub agent_cpu_percent: Option<f64>,
}

/// One disk of a member's machine.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// Its size in bytes.
    pub total_bytes: u64,
    /// What is left for ordinary users, in bytes.
    pub available_bytes: u64,
}

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

/// `GET /v1/self`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SelfInfo {
    /// The agent as a member.
    pub member: Member,
    /// The cluster it belongs to, by name.
    pub cluster: String,
    /// Its profile: `local`, `lan` or `wan`.
    pub profile: String,
    /// Its version.
    pub version: String,
    /// The commit that it was built from, or `unknown`.
    #[serde(default)]
    pub commit: String,
    /// Seconds since it started.
    pub uptime_s: f64,
    /// Its process.
    pub pid: u32,
    /// This start's random session: 16 hexadecimal digits.
    pub session: String,
    /// Lifeguard's local health score: 0 is healthy.
    pub health: u32,
    /// How many members are held to be alive or suspect, itself included.
    pub live: usize,
    /// Items still being gossiped.
    pub news_queued: usize,
    /// What they are: at most 16 of them.
    #[serde(default)]
    pub news: Vec<NewsItem>,
    /// A hash over the live members: equal on agents that agree.
    pub root: String,
    /// The agent's own fingerprints of its cluster keys, the primary one first; empty without a key.
    pub keys: Vec<String>,
    /// Where it gossips (UDP and TCP).
    pub gossip: String,
    /// Where its HTTP API listens; none if it does not.
    pub http: Option<String>,
    /// Where its Unix socket is; none if there is none.
    pub socket: Option<String>,
    /// Its data directory; none if it keeps nothing.
    pub data_dir: Option<String>,
    /// Whether it gossips vitals.
    pub vitals: bool,
    /// How often it writes new vitals at this cluster size, in seconds.
    pub vitals_interval_s: Option<f64>,
    /// How events stand.
    #[serde(default)]
    pub events: EventsInfo,
    /// How queries stand.
    #[serde(default)]
    pub queries: QueriesInfo,
    /// The commands that are run when something happens.
    #[serde(default)]
    pub handlers: Vec<HandlerInfo>,
    /// How reading its configuration again went.
    #[serde(default)]
    pub reload: ReloadInfo,
    /// Whether it was started with fault injection.
    pub faults: bool,
    /// Its seeds, those that fail first: at most 64 of them.
    #[serde(default)]
    pub seeds: Vec<Seed>,
    /// Where packets come from that it cannot open: at most 32 addresses.
    #[serde(default)]
    pub strangers: Vec<Stranger>,
    /// What it counted since it started. The names are those of `/metrics` without prefix and suffix.
    pub counters: BTreeMap<String, u64>,
    /// What a person should know now: no key, a name taken twice, a store that cannot be written. The texts of the `conditions` that hold.
    pub warnings: Vec<String>,
    /// The same with their times: what holds first, then what was over within the last hour.
    #[serde(default)]
    pub conditions: Vec<Warning>,
}

/// Something that a person should know of an agent, as long as it holds.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// What it is about: a word that never changes, as in the labels of `/metrics`.
    pub about: String,
    /// Which of several of that kind; empty where there is one.
    pub of: String,
    /// What is the matter.
    pub text: String,
    /// For how many seconds it has held, or how long ago it began if it is over.
    pub since_s: f64,
    /// How many seconds ago it was met last.
    pub last_s: f64,
    /// How often it was met.
    pub count: u64,
    /// How many seconds ago it was over; none while it holds.
    pub cleared_s: Option<f64>,
}

/// Something that an agent still passes on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewsItem {
    /// About whom: 16 hexadecimal digits.
    pub id: String,
    /// Its name, as far as it is known.
    pub name: Option<String>,
    /// What it is said to be: `alive`, `suspect`, `dead`, `left`, `forgotten`.
    pub said: String,
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
pub enum Said {
    /// A probe of it failed.
    Suspected,
    /// A suspicion went unanswered: it failed. Each member decides this for itself.
    DeclaredDead,
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
    pub what: Said,
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
    /// What it is held to be.
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

/// The answer to a request that only needs to say that it was carried out.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Done {
    /// Always true.
    pub done: bool,
    /// What was done, or is under way.
    pub message: String,
}

/// The data of `event: state` on `/v1/watch`: all members, as they are held to be at `cursor`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct WatchState {
    /// Where the stream is; also the event's `id:`.
    pub cursor: String,
    /// All members, ordered by name and id.
    pub members: Vec<Member>,
}

/// The data of `event: gap` on `/v1/watch`: changes were lost to this consumer, and a fresh `state` follows.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct WatchGap {
    /// Why.
    pub reason: String,
    /// How many changes were lost; none if that cannot be known (a cursor of an earlier start).
    pub missed: Option<u64>,
}

/// What happened to a member.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is alive, for the first time or again.
    Up,
    /// Something on its record changed.
    Changed,
    /// Its tags have been fetched.
    Tags,
    /// It is suspected of having failed.
    Suspected,
    /// It answered a suspicion.
    Refuted,
    /// It failed.
    Dead,
    /// It left.
    Left,
    /// It is on no list any more.
    Forgotten,
    /// Another member carries its name.
    NameTaken,
    /// This agent found that a copy of its data directory runs elsewhere, and made itself a new id.
    Superseded,
}

impl ChangeKind {
    /// As it is written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Up => "up",
            ChangeKind::Changed => "changed",
            ChangeKind::Tags => "tags",
            ChangeKind::Suspected => "suspected",
            ChangeKind::Refuted => "refuted",
            ChangeKind::Dead => "dead",
            ChangeKind::Left => "left",
            ChangeKind::Forgotten => "forgotten",
            ChangeKind::NameTaken => "name_taken",
            ChangeKind::Superseded => "superseded",
        }
    }
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

/// `GET /healthz`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Healthz {
    /// Whether the node's task answered.
    pub ok: bool,
    /// Its local health score: 0 is healthy.
    pub health: Option<u32>,
    /// How many members are held to be alive or suspect.
    pub live: Option<usize>,
}

/// The answer to `POST /v1/faults`: what is in force now.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Faults {
    /// Addresses and ids with which no packets are exchanged.
    pub blocked: Vec<String>,
    /// The share of the datagrams sent that is dropped.
    pub loss: f64,
    /// Whether all datagrams are dropped.
    #[serde(default)]
    pub datagrams_blocked: bool,
}

/// Why a request was not carried out, with every status of 400 and above.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Error {
    /// What is wrong.
    pub error: String,
    /// What to do.
    pub hint: String,
    /// For an ambiguous name: the ids of those that carry it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}
