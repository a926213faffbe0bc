//! Addresses: where this node is reached, and where it finds others.

use super::Resolver;
use crate::config::address;
use crate::config::kind::Span;
use crate::discover::{SEEDS_MAX, Seed};
use rumormill_runtime::contact::ADDRESSES_MAX;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// The longest wait between two rounds of joining by default (Serf's `-retry-interval`: 30 s).
const RETRY_INTERVAL: Span = Span(Duration::from_secs(30));
/// What it may be (our guess: a name server must not mind, a person must not forget).
const RETRY_INTERVALS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);

impl Resolver {
    /// An address, `Some(None)` for `off`, and nothing if none is given or it is wrong.
    pub(super) fn address(&mut self, key: &'static str, port: u16) -> Option<Option<SocketAddr>> {
        let given = match key {
            "http" => self.values.http.take(),
            _ => self.values.bind.take(),
        };
        let Some(text) = given else {
            self.show(key, address::loopback(port));
            return None;
        };
        self.show(key, &text);
        if key == "http" && text == "off" {
            return Some(None);
        }
        match address::listen(&text, port) {
            Ok(address) => Some(Some(address)),
            Err(fault) => {
                let or_off = if key == "http" { "; `off` for none" } else { "" };
                self.error(key, format!("{fault}{or_off}"));
                None
            }
        }
    }

    pub(super) fn advertise(&mut self, bind: SocketAddr) -> Vec<SocketAddr> {
        let given = self.values.advertise.take().unwrap_or_default();
        self.show("advertise", if given.is_empty() { "from bind".into() } else { given.join(", ") });
        if given.len() > ADDRESSES_MAX {
            self.error("advertise", format!("{} addresses, at most {ADDRESSES_MAX} fit", given.len()));
        }
        let mut advertise = Vec::new();
        for text in given {
            match address::elsewhere(&text, bind.port()) {
                Ok(address) if address.ip().is_unspecified() => {
                    let text =
                        format!("{text:?} reaches nobody; name an address of this machine that others reach");
                    self.error("advertise", text);
                }
                Ok(address) if address.port() == 0 && bind.port() != 0 => {
                    self.error("advertise", format!("{text:?} has port 0"));
                }
                Ok(address) => advertise.push(address),
                Err(fault) => self.error("advertise", fault),
            }
        }
        advertise
    }

    pub(super) fn join(&mut self) -> Vec<Seed> {
        let given = self.values.join.take().unwrap_or_default();
        self.show("join", given.join(", "));
        if given.len() > SEEDS_MAX {
            self.error("join", format!("{} seeds, at most {SEEDS_MAX} are used", given.len()));
        }
        let mut join = Vec::new();
        for text in given {
            match text.parse() {
                Ok(seed) => join.push(seed),
                Err(fault) => self.error("join", fault),
            }
        }
        join
    }

    pub(super) fn join_file(&mut self) -> Option<PathBuf> {
        let path = PathBuf::from(self.values.join_file.take()?);
        self.show("join_file", path.display());
        if let Err(e) = std::fs::File::open(&path) {
            self.warn("join_file", format!("cannot read it now: {e}; it is tried again while joining"));
        }
        Some(path)
    }

    pub(super) fn retry(&mut self) -> (u64, Duration) {
        let max = self.values.retry_max.take().unwrap_or(0);
        let interval = self.values.retry_interval.take().unwrap_or(RETRY_INTERVAL);
        self.show("retry_max", max);
        self.show("retry_interval", interval);
        if !RETRY_INTERVALS.contains(&interval.0) {
            let (least, most) = (Span(*RETRY_INTERVALS.start()), Span(*RETRY_INTERVALS.end()));
            self.error("retry_interval", format!("{interval} is not within {least} to {most}"));
        }
        (max, interval.0)
    }

    pub(super) fn dns_server(&mut self) -> Option<SocketAddr> {
        let Some(text) = self.values.dns_server.take() else {
            self.show("dns_server", "the system's");
            return None;
        };
        self.show("dns_server", &text);
        address::elsewhere(&text, 53).map_err(|fault| self.error("dns_server", fault)).ok()
    }
}
