//! The settings as one source gives them: each may be missing.
//!
//! One list names every setting once; the struct, the keys of the file, the environment's variables and the order of
//! precedence all come from it.

use super::kind::{Bytes, Kind, Lines, Raw, Span};
use std::collections::BTreeMap;

/// Why a key was not taken.
pub(super) enum Refused {
    /// There is no such setting.
    Unknown,
    /// The value is not of its kind; what it should be.
    Wants(&'static str),
}

macro_rules! settings {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $field: Option<$kind>,)*
        }

        impl $name {
            /// The names of these settings, as a file writes them.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];

            /// Reads one setting.
            pub(super) fn set(&mut self, key: &str, raw: Raw<'_>) -> Result<(), Refused> {
                match key {
                    $(stringify!($field) => {
                        let value = <$kind as Kind>::read(raw).ok_or(Refused::Wants(<$kind as Kind>::WANTS))?;
                        self.$field = Some(value);
                    })*
                    _ => return Err(Refused::Unknown),
                }
                Ok(())
            }

            /// Puts what `over` says on top, and names each key that it says something about.
            pub(super) fn overlay(&mut self, over: $name, mut said: impl FnMut(&'static str)) {
                $(if over.$field.is_some() {
                    self.$field = over.$field;
                    said(stringify!($field));
                })*
            }
        }
    };
}

settings! {
    /// What one source says about the agent's settings; `None` where it says nothing.
    Partial {
        /// The node's name, a label; default: the host's name.
        name: String,
        /// ADDR:PORT that gossip is received on, UDP and TCP.
        bind: String,
        /// ADDR:PORT under which others reach this node; default: found from `bind`.
        advertise: Vec<String>,
        /// Seeds: `ADDR:PORT`, `HOST:PORT` or `HOST`.
        join: Vec<String>,
        /// A file of seeds, one per line, read again when it changes.
        join_file: String,
        /// Rounds in which no seed answered, after which an agent that never joined ends; 0: it tries for ever.
        retry_max: u64,
        /// The longest wait between two such rounds.
        retry_interval: Span,
        /// The cluster's name, bound into every packet.
        cluster: String,
        /// The file that holds the cluster's key.
        key_file: String,
        /// How long, in seconds, members that were away may catch up by a key after it was removed.
        keys_grace_s: u64,
        /// Whether to run without a key on an address that others can reach.
        insecure: bool,
        /// ADDR:PORT of the admin API, or `off`.
        http: String,
        /// The file with the token that the admin API asks for.
        http_token_file: String,
        /// Host names, beside the address itself, under which the admin API answers.
        http_hosts: Vec<String>,
        /// Path of the admin API's Unix socket, or `off`.
        socket: String,
        /// ADDR:PORT of Serf's RPC, or `off`.
        serf_rpc: String,
        /// The file with the token that Serf's RPC asks for.
        serf_rpc_auth_file: String,
        /// The data directory, or `none` for a node that forgets itself.
        data_dir: String,
        /// Tags.
        tags: BTreeMap<String, String>,
        /// `local`, `lan` or `wan`.
        profile: String,
        /// Whether the machine's vitals are read and gossiped.
        vitals: bool,
        /// Bytes per second that vitals may cost this node.
        vitals_budget: Bytes,
        /// The agent computes each member's suspicion level (phi) from the arrivals of its vitals.
        phi: bool,
        /// Bytes of events that are retained for whoever missed them.
        events_window: Bytes,
        /// Events published here that may be on their way; beyond it more are refused.
        events_queue: u64,
        /// Whether a new member's consumers are told of events from before it joined.
        events_replay: bool,
        /// Commands that are run when something happens: `WHAT=COMMAND`.
        on: Lines,
        /// Where the host's root directory is seen: `proc` below it is read.
        host_root: String,
        /// Bytes per second that this node sends at most.
        budget: Bytes,
        /// Which log lines are written: a level, or directives such as `info,rumormill_runtime=debug`.
        log: String,
        /// `text` or `json`.
        log_format: String,
        /// `ADDR[:PORT]` of the name server to ask instead of the system's.
        dns_server: String,
        /// Whether the agent takes orders to drop, delay and cut (tests and the demo).
        faults: bool,
    }
}

settings! {
    /// What one source says about SWIM's knobs, on top of the profile; see `rumormill_protocols::member::swim::Config`.
    SwimPartial {
        /// Protocol period, in milliseconds.
        period_ms: u64,
        /// How long a direct probe may take before helpers are asked, in milliseconds.
        probe_timeout_ms: u64,
        /// How long a direct probe waits at least, in milliseconds.
        probe_timeout_min_ms: u64,
        /// Whether members probe by turns, each another one.
        probe_turns: bool,
        /// Helpers asked for an indirect probe.
        helpers: u64,
        /// Time between rounds of news, in milliseconds.
        gossip_interval_ms: u64,
        /// How long news waits for its first push, in milliseconds.
        push_delay_ms: u64,
        /// Members that news is sent to in a round.
        gossip_fanout: u64,
        /// Datagrams of news for one member in one round.
        gossip_datagrams_max: u64,
        /// λ: news is sent λ·⌈log10(n+1)⌉ times.
        retransmit_mult: u64,
        /// α: the shortest suspicion lasts α·max(1, log10 n) periods.
        suspicion_alpha: f64,
        /// β: the longest suspicion lasts β times the shortest.
        suspicion_beta: f64,
        /// Confirmations that shorten a suspicion to its minimum.
        suspicion_confirmations: u64,
        /// Whether a failed probe suspects first.
        suspicion: bool,
        /// Whether Lifeguard's three parts are on.
        lifeguard: bool,
        /// Saturation of the local health score.
        health_max: u64,
        /// How long departed members are remembered, in seconds.
        departed_for_s: u64,
        /// How many departed members are remembered.
        departed_max: u64,
        /// Shortest time between tries of departed members, in milliseconds.
        retry_interval_min_ms: u64,
        /// Longest time between tries of departed members, in milliseconds.
        retry_interval_max_ms: u64,
        /// How long a member that leaves stays to spread it, in milliseconds.
        leave_linger_ms: u64,
    }
}
