//! JSON about the agent itself.

use crate::describe::model::{Member, NewsItem, Warning};
use crate::features::events::model::EventsInfo;
use crate::features::joining::model::{Seed, Stranger};
use crate::features::queries::model::QueriesInfo;
use crate::features::reload::model::ReloadInfo;
use crate::handlers::model::HandlerInfo;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

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
    /// Number of members that are alive or suspect, itself included.
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

/// `GET /healthz`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Healthz {
    /// Whether the node's task answered.
    pub ok: bool,
    /// Its local health score: 0 is healthy.
    pub health: Option<u32>,
    /// Number of members that are alive or suspect.
    pub live: Option<usize>,
}
