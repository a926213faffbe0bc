//! Refusals: a listener answers a connection beyond its limit with the reason, as far as that costs little, and closes it.

use rumormill_runtime::admission::Full;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Connections of one listener that are answered at one time that it is full; more are closed at once (our guess).
pub const REFUSALS_MAX: usize = 16;
/// How long such an answer may take, the request included (our guess: a client that asks does so at once).
pub const REFUSAL_WAIT: Duration = Duration::from_secs(2);
/// Shortest time between log lines about refusals (our guess).
pub const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Why a connection is refused, for its client.
pub(crate) fn reason(full: Full) -> &'static str {
    match full {
        Full::OfSource => "all connections that one address may have are in use",
        Full::OfListener => "all connections are in use",
    }
}

/// The connections that one listener refuses.
pub(crate) struct Refusals {
    what: &'static str,
    running: JoinSet<()>,
    logged: Option<Instant>,
    unlogged: u64,
}

impl Refusals {
    /// Of a listener of that kind, for the log.
    pub fn new(what: &'static str) -> Refusals {
        Refusals { what, running: JoinSet::new(), logged: None, unlogged: 0 }
    }

    /// Refuses a connection: `answer` tells its client why, and closes it.
    pub fn refuse(&mut self, answer: impl Future<Output = ()> + Send + 'static) {
        self.log(Instant::now());
        while self.running.try_join_next().is_some() {}
        if self.running.len() < REFUSALS_MAX {
            self.running.spawn(async {
                let _ = timeout(REFUSAL_WAIT, answer).await; // closed, answered or not
            });
        }
    }

    fn log(&mut self, now: Instant) {
        self.unlogged += 1;
        if self.logged.is_some_and(|last| now.duration_since(last) < LOG_INTERVAL) {
            return;
        }
        tracing::warn!(
            refused = self.unlogged,
            "{} has all the connections it takes: more are refused",
            self.what
        );
        (self.logged, self.unlogged) = (Some(now), 0);
    }
}
