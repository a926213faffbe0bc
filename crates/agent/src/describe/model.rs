//! JSON that several features write: members, changes, warnings, errors.
//!
//! An agent's answers may gain fields, so readers pass over fields that they do not know. Request types refuse unknown fields, so that a typing error
//! is an error. Ids and sessions are strings of 16 hexadecimal digits (64 bits do not fit a JSON number everywhere), durations end in their unit, ages
//! count back from the answer.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The state of a member, as the agent that answers sees it.
#[derive(
    Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It answers probes, or no accusation of it was heard.
    #[default]
    Alive,
    /// A probe failed and it has not yet refuted.
    Suspect,
    /// It failed. As a filter, `dead` means the same.
    #[serde(alias = "dead")]
    Failed,
    /// It left of its own will.
    Left,
    /// Somebody banned it, whatever it was before.
    Banned,
}

impl Status {
    /// All of them, in the order in which a member goes through them.
    pub const ALL: [Status; 5] =
        [Status::Alive, Status::Suspect, Status::Failed, Status::Left, Status::Banned];

    /// As it is written in JSON, queries and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Alive => "alive",
            Status::Suspect => "suspect",
            Status::Failed => "failed",
            Status::Left => "left",
            Status::Banned => "banned",
        }
    }
}

impl std::str::FromStr for Status {
    type Err = String;
    fn from_str(s: &str) -> Result<Status, String> {
        let known = || Status::ALL.map(Status::as_str).join(", ");
        let s = if s == "dead" { "failed" } else { s };
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
    /// Whether this member is the agent that answers the request.
    pub is_self: bool,
    /// Its state.
    pub status: Status,
    /// Seconds since its state changed.
    pub since_s: f64,
    /// How often it has started.
    pub epoch: u64,
    /// A number that the member raises to refute a suspicion or to change its record.
    pub incarnation: u64,
    /// The addresses on its record.
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
    /// Its earlier id, if it took a new one because a copy of its data directory is running.
    pub copied_from: Option<String>,
    /// Warnings about it: a name taken twice, a copied data directory, blocked datagrams.
    pub warnings: Vec<String>,
    /// Its newest vitals, in short; none if none arrived.
    pub vitals: Option<VitalsSummary>,
    /// Seconds since these vitals were written, by the clocks of both.
    pub vitals_age_s: Option<f64>,
    /// Fields that features of the agent add.
    #[serde(flatten)]
    #[schema(ignore)]
    pub more: More,
}

/// Fields of a JSON object, by name.
pub type More = BTreeMap<String, serde_json::Value>;

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
    Failed,
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
            ChangeKind::Failed => "failed",
            ChangeKind::Left => "left",
            ChangeKind::Forgotten => "forgotten",
            ChangeKind::NameTaken => "name_taken",
            ChangeKind::Superseded => "superseded",
        }
    }
}

/// Something that an agent still passes on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewsItem {
    /// About whom: 16 hexadecimal digits.
    pub id: String,
    /// Its name, as far as it is known.
    pub name: Option<String>,
    /// Reported state: `alive`, `suspect`, `failed`, `left`, `forgotten`.
    pub said: String,
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

impl Warning {
    /// A condition that holds, met once.
    pub(crate) fn holding(about: &str, of: &str, text: String, since_s: f64) -> Warning {
        Warning { about: about.into(), of: of.into(), text, since_s, count: 1, ..Warning::default() }
    }
}

/// The answer to a request that only needs to say that it was carried out.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Done {
    /// Always true.
    pub done: bool,
    /// What was done, or is under way.
    pub message: String,
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
