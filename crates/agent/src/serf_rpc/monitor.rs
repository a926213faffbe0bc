//! Log lines, as they come: those that were kept, then each new one.

use super::counters::Counters;
use super::messages::LogRecord;
use super::reply::Out;
use crate::agent::Agent;
use crate::logging::tap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::broadcast::error::RecvError;
use tracing::Level;

/// Serf's name of a level.
pub(crate) fn level(name: &str) -> Result<Level, String> {
    let name = name.to_ascii_uppercase();
    match name.as_str() {
        "TRACE" => Ok(Level::TRACE),
        "DEBUG" => Ok(Level::DEBUG),
        "INFO" => Ok(Level::INFO),
        "WARN" => Ok(Level::WARN),
        "ERR" => Ok(Level::ERROR),
        _ => Err(format!("Unknown log level: {name}")),
    }
}

/// Tells log lines until the client goes.
pub(crate) async fn run(agent: Arc<Agent>, out: Out, seq: u64, level: Level) {
    let Some((kept, mut lines)) = tap::subscribe(level) else {
        let log = "[WARN] the program around this agent has set up logging itself: there are no lines here";
        out.record(seq, &LogRecord { log: log.into() }).await;
        return std::future::pending().await;
    };
    for line in kept {
        if !out.record(seq, &LogRecord { log: line.text.to_string() }).await {
            return;
        }
    }
    loop {
        let is_open = match lines.next().await {
            Ok(line) => out.record(seq, &LogRecord { log: line.text.to_string() }).await,
            Err(RecvError::Lagged(missed)) => {
                agent.state::<Arc<Counters>>().logs_missed.fetch_add(missed, Relaxed);
                true
            }
            Err(RecvError::Closed) => false,
        };
        if !is_open {
            return;
        }
    }
}
