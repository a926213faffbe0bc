//! Seeds as people write them, and why one led nowhere.

use crate::config::address::{self, GOSSIP_PORT};
use crate::features::joining::model::JoinReason;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// The port of a seed that names none.
pub(super) const SEED_PORT: u16 = GOSSIP_PORT;

/// A place to find a first peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seed {
    /// A literal address.
    Address(SocketAddr),
    /// A host name. With a port, its A and AAAA records are used; without one, its SRV records as well.
    Name {
        /// The host's name.
        host: String,
        /// The port, if one was given.
        port: Option<u16>,
    },
}

impl FromStr for Seed {
    type Err = String;

    /// `1.2.3.4`, `1.2.3.4:7900`, `::1`, `[::1]`, `[::1]:7900`, `[fe80::1%eth0]:7900`, `host` or `host:7900`.
    fn from_str(text: &str) -> Result<Seed, String> {
        let text = text.trim();
        if let Some(address) = address::literal(text, SEED_PORT) {
            return match address? {
                address if address.port() == 0 => {
                    Err(format!("{text:?} has port 0, where nobody can be reached"))
                }
                address => Ok(Seed::Address(address)),
            };
        }
        if let Some(port) = address::port_alone(text) {
            return Err(format!(
                "{text:?} is a port without a host: write HOST:{port}, for example 10.0.0.5:{port}"
            ));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(address::port(text, port).and_then(address::not_zero(text))?)),
            None => (text, None),
        };
        match host_fault(host) {
            Some(fault) => Err(format!("{text:?} is neither an address nor a host name: {fault}")),
            None => Ok(Seed::Name { host: host.to_string(), port }),
        }
    }
}

/// What keeps `host` from being a host name (RFC 1123, and underscores, which real zones have).
fn host_fault(host: &str) -> Option<&'static str> {
    let bare = host.strip_suffix('.').unwrap_or(host);
    let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let numeric = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    match () {
        () if bare.is_empty() => Some("it is empty"),
        () if bare.len() > 253 => Some("it is longer than 253 bytes"),
        () if bare.contains(odd) => Some("only letters, digits, '-', '_' and '.' may be in it"),
        () if bare.split('.').any(|l| l.is_empty() || l.len() > 63) => {
            Some("a label must take 1 to 63 bytes")
        }
        () if bare.rsplit('.').next().is_some_and(numeric) => Some("it looks like an address, but is none"),
        () => None,
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seed::Address(address) => write!(f, "{address}"),
            Seed::Name { host, port: Some(port) } => write!(f, "{host}:{port}"),
            Seed::Name { host, port: None } => f.write_str(host),
        }
    }
}

/// A seed that led nowhere, and why. Not fatal: the others are used, and it is looked up again next time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedError {
    /// What was looked up: a seed, or a line of the seed file.
    pub seed: String,
    /// Of which kind that is.
    pub reason: JoinReason,
    /// What went wrong.
    pub text: String,
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.text)
    }
}
