//! The settings as one source gives them: each may be missing.
//!
//! One list names every setting once. The struct, the keys of the file, the variables of the environment, the flags with their help, the reference and the
//! sample file all come from it. A line of it:
//!
//! ```text
//! /// Its meaning.
//! key: Kind = "PLACEHOLDER" or "the default in words" like "an example" also "flag-alias",
//! ```
//!
//! `or` stands where the default is no constant, and `like` where the default is no value to begin with.

use super::described::Described;
use super::kind::{Bytes, Kind, Lines, Raw, Seconds, Span};
use std::collections::BTreeMap;

/// Why a key was not taken.
pub(super) enum Refused {
    /// There is no such setting.
    Unknown,
    /// The value is not of its kind; what it should be.
    Wants(&'static str),
}

macro_rules! settings {
    (
        $(#[$about:meta])* $name:ident $prefix:literal {
            $([$group:literal] $(
                $(#[doc = $doc:literal])+
                $field:ident: $kind:ty = $value:literal $(or $default:literal)? $(like $example:literal)? $(also $alias:literal)?,
            )*)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($($(#[doc = $doc])+ pub $field: Option<$kind>,)*)*
        }

        impl $name {
            /// The names of these settings, as a file writes them.
            pub const KEYS: &'static [&'static str] = &[$($(stringify!($field)),*),*];

            /// These settings, described.
            pub const SETTINGS: &'static [Described] = &[$($(
                Described {
                    key: concat!($prefix, stringify!($field)),
                    group: $group,
                    doc: concat!($($doc),+),
                    value: $value,
                    wants: <$kind as Kind>::WANTS,
                    many: <$kind as Kind>::MANY,
                    default: settings!(@maybe $($default)?),
                    example: settings!(@maybe $($example)?),
                    alias: settings!(@maybe $($alias)?),
                    accepts: |text| <$kind as Kind>::flag(&[text.to_string()]).is_some(),
                    toml: |text| <$kind as Kind>::read(Raw::Text(text)).map(|value| value.toml()),
                }
            ),*),*];

            /// Reads one setting.
            pub(super) fn set(&mut self, key: &str, raw: Raw<'_>) -> Result<(), Refused> {
                match key {
                    $($(stringify!($field) => {
                        let value = <$kind as Kind>::read(raw).ok_or(Refused::Wants(<$kind as Kind>::WANTS))?;
                        self.$field = Some(value);
                    })*)*
                    _ => return Err(Refused::Unknown),
                }
                Ok(())
            }

            /// Takes the values of a setting's flag. Returns whether it took them.
            pub fn take_flag(&mut self, key: &str, values: &[String]) -> bool {
                match key.strip_prefix($prefix).unwrap_or_default() {
                    $($(stringify!($field) => {
                        self.$field = <$kind as Kind>::flag(values);
                        self.$field.is_some()
                    })*)*
                    _ => false,
                }
            }

            /// Puts what `over` says on top, and names each key that it says something about.
            pub(super) fn overlay(&mut self, over: $name, mut said: impl FnMut(&'static str)) {
                $($(if over.$field.is_some() {
                    self.$field = over.$field;
                    said(stringify!($field));
                })*)*
            }
        }
    };
    (@maybe) => { None };
    (@maybe $text:literal) => { Some($text) };
}

/// Every setting: the agent's own, then SWIM's.
pub fn all() -> impl Iterator<Item = &'static Described> {
    Partial::SETTINGS.iter().chain(SwimPartial::SETTINGS)
}

/// The setting of that key.
pub fn named(key: &str) -> Option<&'static Described> {
    all().find(|setting| setting.key == key)
}

settings! {
    /// What one source says about the agent's settings; `None` where it says nothing.
    Partial "" {
        ["This node"]
        /// This node's name, a label.
        name: String = "NAME" or "the host's name" like "web-1",
        /// Tags that the other members see.
        tags: BTreeMap<String, String> = "K=V" like "role=web",
        /// Directory of identity, epoch, known members and events; `none`: nothing is kept.
        data_dir: String = "DIR" or "`/var/lib/rumormill` for root, else `~/.local/state/rumormill`" like "/var/lib/rumormill",
        /// Timing for one machine, one site, or sites far apart.
        profile: String = "local|lan|wan" or "`local` if `bind` is loopback, else `lan`" like "lan",

        ["Gossip"]
        /// Address of gossip, by UDP and TCP; `:7900` for all interfaces.
        bind: String = "ADDR:PORT",
        /// Addresses under which others reach this node.
        advertise: Vec<String> = "ADDR:PORT" or "found from `bind`" like "203.0.113.5:7900",
        /// The cluster's name; clusters of different names never merge.
        cluster: String = "NAME",
        /// File with the cluster's key; `rumormill keygen` makes one. A reload installs the keys that were added to it.
        key_file: String = "FILE" like "/etc/rumormill/key",
        /// Time, in seconds or such as `24h`, for which a member that was offline can fetch the current keys with a key that was removed.
        keys_grace_s: Seconds = "TIME",
        /// Gossip without a key on addresses that others can reach.
        insecure: bool = "",
        /// Bytes per second that this node sends at most, for example `8MiB`.
        budget: Bytes = "BYTES",

        ["Joining"]
        /// Members to join: addresses or DNS names (A, AAAA, SRV), with or without a port.
        join: Vec<String> = "ADDR" like "10.0.0.6,seeds.example.org" also "retry-join",
        /// File of members to join, one a line; it is read again when it changes.
        join_file: String = "FILE" or "none" like "/etc/rumormill/seeds",
        /// Rounds in which no member to join answers, after which an agent that never joined ends with an error; 0: it tries for ever.
        retry_max: u64 = "N",
        /// Longest wait between two such rounds; the first ones follow sooner.
        retry_interval: Span = "TIME",
        /// Name server to ask instead of the system's.
        dns_server: String = "ADDR[:PORT]" like "10.0.0.2:53",

        ["Clients"]
        /// Address of the HTTP API, or `off`.
        http: String = "ADDR:PORT",
        /// File with the token that the HTTP API asks for; needed away from loopback. A reload takes the file's new token.
        http_token_file: String = "FILE" like "/etc/rumormill/token",
        /// Host names, beside the address itself, under which the HTTP API answers.
        http_hosts: Vec<String> = "HOST" like "web-1.example.org",
        /// Unix socket of the same API, or `off`.
        socket: String = "PATH" or "`agent.sock` in the data directory" like "/run/rumormill/agent.sock",
        /// Address at which clients made for Serf are answered by its RPC protocol, or `off`.
        serf_rpc: String = "ADDR:PORT",
        /// File with the token that Serf's RPC asks for (their -rpc-auth); needed away from loopback.
        serf_rpc_auth_file: String = "FILE" like "/etc/rumormill/token",

        /// Address at which psql and other clients made for PostgreSQL ask this agent's tables, or `off`. They need a password.
        pg: String = "ADDR:PORT",
        /// File with the password of these clients: one word of at least 16 characters. Any name of a user will do.
        pg_password_file: String = "FILE" like "/etc/rumormill/token",

        ["Events and handlers"]
        /// Run COMMAND when something happens: member-join, member-leave, member-failed, member-update, event:NAME (or event:PREFIX*), query:NAME
        /// (or query:PREFIX*), or `*` for all of these. Facts are in RUMORMILL_EVENT and other variables, a payload is on standard input; what the
        /// command of a query prints, at most 60 KiB, is the answer. A run ends when its shell exits; after 30 s it gets SIGTERM, and SIGKILL two
        /// seconds later.
        on: Lines = "WHAT=COMMAND" like "event:deploy=./deploy.sh",
        /// Bytes of events that are retained for members that missed them.
        events_window: Bytes = "BYTES",
        /// Events published here that may be under way; further ones are refused.
        events_queue: u64 = "COUNT",
        /// On its first join, deliver the retained events from before it to this agent's consumers.
        events_replay: bool = "",

        ["Vitals"]
        /// Gossip load, CPU, memory and more of this machine.
        vitals: bool = "on|off",
        /// Bytes per second that vitals may cost this node.
        vitals_budget: Bytes = "BYTES",
        /// Compute each member's suspicion level (phi accrual) from the arrivals of its vitals.
        phi: bool = "",
        /// The host's root directory as seen from within a container; `proc` below it is read.
        host_root: String = "DIR",

        ["Log"]
        /// Log lines that are written: a level, or directives such as `info,rumormill_runtime=debug`.
        log: String = "FILTER",
        /// Format of log lines.
        log_format: String = "text|json",

        ["For tests"]
        /// Obey orders to drop and cut packets: for the demo and tests.
        faults: bool = "" or "off",
    }
}

settings! {
    /// What one source says about SWIM's knobs, on top of the profile; see `rumormill_protocols::member::swim::Config`.
    SwimPartial "swim." {
        ["SWIM"]
        /// Protocol period, in milliseconds.
        period_ms: u64 = "MS",
        /// Time of a direct probe before helpers are asked, in milliseconds.
        probe_timeout_ms: u64 = "MS",
        /// Shortest time of a direct probe, in milliseconds.
        probe_timeout_min_ms: u64 = "MS",
        /// Members probe by turns, each another one.
        probe_turns: bool = "on|off",
        /// Helpers asked for an indirect probe.
        helpers: u64 = "COUNT",
        /// Time between rounds of news, in milliseconds.
        gossip_interval_ms: u64 = "MS",
        /// Time that news waits for its first push, in milliseconds.
        push_delay_ms: u64 = "MS",
        /// Members that news is sent to in a round.
        gossip_fanout: u64 = "COUNT",
        /// Datagrams of news for one member in one round.
        gossip_datagrams_max: u64 = "COUNT",
        /// λ: news is sent λ·⌈log10(n+1)⌉ times.
        retransmit_mult: u64 = "FACTOR",
        /// α: the shortest suspicion lasts α·max(1, log10 n) periods.
        suspicion_alpha: f64 = "FACTOR",
        /// β: the longest suspicion lasts β times the shortest.
        suspicion_beta: f64 = "FACTOR",
        /// Confirmations that shorten a suspicion to its minimum.
        suspicion_confirmations: u64 = "COUNT",
        /// A failed probe suspects a member before it is marked as failed.
        suspicion: bool = "on|off",
        /// Lifeguard's three parts: local health, shrinking suspicion times, buddy system.
        lifeguard: bool = "on|off",
        /// Saturation of the local health score.
        health_max: u64 = "COUNT",
        /// Time for which departed members are remembered, in seconds.
        departed_for_s: u64 = "S",
        /// Departed members that are remembered.
        departed_max: u64 = "COUNT",
        /// Shortest time between tries of departed members, in milliseconds.
        retry_interval_min_ms: u64 = "MS",
        /// Longest time between tries of departed members, in milliseconds.
        retry_interval_max_ms: u64 = "MS",
        /// Time that a member that leaves stays to spread it, in milliseconds.
        leave_linger_ms: u64 = "MS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::described::CLIENT_VARIABLES;
    use std::collections::BTreeSet;

    #[test]
    fn every_variable_and_every_flag_means_one_setting() {
        let count = all().count();
        let variables: BTreeSet<String> = all().map(Described::variable).collect();
        assert_eq!(variables.len(), count, "{variables:?}");
        let flags: Vec<String> = all()
            .flat_map(|setting| setting.flag().into_iter().chain(setting.alias.map(str::to_string)))
            .collect();
        assert_eq!(flags.iter().collect::<BTreeSet<_>>().len(), flags.len(), "{flags:?}");
        assert!(CLIENT_VARIABLES.iter().all(|name| !variables.contains(*name)));
    }

    #[test]
    fn every_example_is_a_value_of_its_setting() {
        for setting in all() {
            for text in setting.example.iter().copied().chain(setting.choices()) {
                assert!((setting.accepts)(text) && (setting.toml)(text).is_some(), "{}: {text}", setting.key);
            }
        }
    }
}
