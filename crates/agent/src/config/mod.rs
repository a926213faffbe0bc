//! Every setting of the agent, from a TOML file, the environment and flags (the later wins), each with where it came from.
//!
//! Nothing stops at the first mistake: [`load`] returns a [`Checked`], which holds the effective value of every setting, its
//! [`Source`], and all problems at once. `rumormill config check` prints it; the agent takes [`Checked::into_config`].

pub mod address;
mod check;
mod described;
pub mod files;
pub mod foreign;
mod kind;
mod layer;
mod nearest;
mod origin;
mod partial;
mod resolve;
mod swim_knobs;

pub use crate::features::events::config::EventsConfig;
pub use address::GOSSIP_PORT;
pub use check::{Checked, ConfigError, Setting};
pub use described::{CLIENT_TOKEN_FILE, CLIENT_VARIABLES, Described, ENV_FILE, ENV_PREFIX};
pub use kind::{Bytes, Lines, Seconds, Span};
pub use layer::{Layer, Problem, Severity, Source};
pub use nearest::known_elsewhere;
pub use origin::Origin;
pub use partial::{Partial, SwimPartial, all as settings};
pub use resolve::resolve;

use crate::discover::seed::Seed;
use crate::handlers::spec::Handler;
use rumormill_protocols::member::swim;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Where the admin API answers.
pub const HTTP_PORT: u16 = 7901;
/// Where Serf's RPC answers, if it does (Serf: `-rpc-addr`).
pub const SERF_RPC_PORT: u16 = 7373;
/// The port of PostgreSQL.
pub const PG_PORT: u16 = 5432;

/// The listener for clients made for PostgreSQL.
#[derive(Clone, Debug, PartialEq)]
pub struct Postgres {
    /// Where.
    pub address: SocketAddr,
    /// The file with their password: one word of at least 16 characters.
    pub password_file: PathBuf,
}

/// Everything an agent must know to start, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The node's name: a label, at most 255 bytes.
    pub name: String,
    /// Where gossip is received, UDP and TCP. Port 0 takes any.
    pub bind: SocketAddr,
    /// Under which addresses others reach this node; empty: to be found from `bind`.
    pub advertise: Vec<SocketAddr>,
    /// Seeds.
    pub join: Vec<Seed>,
    /// A file of more seeds, read again when it changes.
    pub join_file: Option<PathBuf>,
    /// Rounds in which no seed answered, after which an agent that never joined ends; 0: it tries for ever.
    pub retry_max: u64,
    /// The longest wait between two rounds while alone.
    pub retry_interval: Duration,
    /// The cluster's name.
    pub cluster: String,
    /// The file with the cluster's key.
    pub key_file: Option<PathBuf>,
    /// How long members that were away may catch up by a key after it was removed.
    pub keys_grace: Duration,
    /// The operator wants no key on an address that others can reach.
    pub insecure: bool,
    /// Where the admin API answers; none: nowhere but on the socket.
    pub http: Option<SocketAddr>,
    /// The file with the API's token; there is one whenever `http` is not loopback.
    pub http_token_file: Option<PathBuf>,
    /// Host names, beside the address itself, under which the API answers.
    pub http_hosts: Vec<String>,
    /// The API's Unix socket; none if it is off, or there is no data directory to put it in.
    pub socket: Option<PathBuf>,
    /// Where Serf's RPC answers; none: nowhere.
    pub serf_rpc: Option<SocketAddr>,
    /// The file with the token that Serf's RPC asks for; there is one whenever `serf_rpc` is not loopback.
    pub serf_rpc_auth_file: Option<PathBuf>,
    /// The listener for clients made for PostgreSQL; none: such clients are not answered.
    pub pg: Option<Postgres>,
    /// The data directory; none for a node that forgets itself.
    pub data_dir: Option<PathBuf>,
    /// Tags to start with; those set at run time win.
    pub tags: BTreeMap<String, String>,
    /// Which network this is for.
    pub profile: Profile,
    /// Whether the machine's vitals are read and gossiped.
    pub vitals: bool,
    /// Bytes per second that vitals may cost this node, sealed, with headers.
    pub vitals_bytes_per_s: u64,
    /// The agent computes each member's suspicion level (phi) from the arrivals of its vitals.
    pub phi: bool,
    /// How events are kept and told.
    pub events: EventsConfig,
    /// Commands that are run when something happens.
    pub handlers: Vec<Handler>,
    /// Where the host's root directory is seen.
    pub host_root: PathBuf,
    /// Bytes per second that this node sends at most, sealed, with headers.
    pub budget_bytes_per_s: u64,
    /// Which log lines are written, in the form of `tracing_subscriber::filter::Targets`.
    pub log: String,
    /// In which form.
    pub log_format: LogFormat,
    /// The name server to ask instead of the system's.
    pub dns_server: Option<SocketAddr>,
    /// Whether the agent takes orders to drop, delay and cut.
    pub faults: bool,
    /// SWIM's knobs: the profile's, with what `[swim]` changes.
    pub swim: swim::Config,
    /// Where all this was read, to be read again; none if it came from no file, environment or flags.
    pub origin: Option<Arc<Origin>>,
}

/// For which network the defaults are made.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// One machine.
    Local,
    /// One site.
    Lan,
    /// Sites far apart.
    Wan,
}

impl Profile {
    /// SWIM's knobs for this network.
    pub fn swim(self) -> swim::Config {
        match self {
            Profile::Local => swim::Config::local(),
            Profile::Lan => swim::Config::lan(),
            Profile::Wan => swim::Config::wan(),
        }
    }

    /// Bytes per second that a node sends at most by default (architecture: 8 MiB/s on one site, 1 MiB/s between sites).
    pub fn budget_bytes_per_s(self) -> u64 {
        match self {
            Profile::Local | Profile::Lan => 8 << 20,
            Profile::Wan => 1 << 20,
        }
    }
}

impl FromStr for Profile {
    type Err = String;
    fn from_str(text: &str) -> Result<Profile, String> {
        match text {
            "local" => Ok(Profile::Local),
            "lan" => Ok(Profile::Lan),
            "wan" => Ok(Profile::Wan),
            _ => Err(format!("{text:?} is none of local, lan, wan")),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Profile::Local => "local",
            Profile::Lan => "lan",
            Profile::Wan => "wan",
        })
    }
}

/// In which form log lines are written.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;
    fn from_str(text: &str) -> Result<LogFormat, String> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(format!("{text:?} is neither text nor json")),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }
}

/// Reads all sources and checks everything: `file` (or the file that `RUMORMILL_CONFIG` names), the environment, `flags`.
pub fn load(file: Option<&Path>, flags: Partial) -> Checked {
    // Variables that are not text cannot be settings of ours, and must not end the process, as `std::env::vars` would.
    let vars = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    load_with(file, vars.collect(), flags)
}

/// [`load`] with an environment of the caller's.
pub fn load_with(file: Option<&Path>, vars: Vec<(String, String)>, flags: Partial) -> Checked {
    let env = |name: &str| vars.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let file =
        file.map(PathBuf::from).or_else(|| env(ENV_FILE).filter(|path| !path.is_empty()).map(PathBuf::from));
    let is_root = rustix::process::geteuid().is_root();
    let mut layers = Vec::with_capacity(3);
    layers.extend(file.as_deref().map(Layer::file));
    layers.push(Layer::env(vars.iter().cloned()));
    layers.push(Layer::flags(flags.clone()));
    let mut checked = resolve(layers, files::default_data_dir(&env, is_root));
    if let Some(config) = &mut checked.config {
        config.origin = Some(Arc::new(Origin { file, vars, flags, settings: checked.settings.clone() }));
    }
    checked
}
