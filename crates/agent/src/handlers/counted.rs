//! A handler and its counters.

use super::model;
use super::process::{End, Limits, Run};
use super::spec::Handler;
use crate::logging::limit::{self, Kind};
use rumormill_core::words;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

/// A handler and its counters.
#[derive(Debug)]
pub struct Counted {
    /// The handler.
    pub handler: Handler,
    pub(super) done: AtomicU64,
    failed: AtomicU64,
    killed: AtomicU64,
    pub(super) missed: AtomicU64,
    pub(super) running: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Counted {
    /// Never run so far.
    pub fn new(handler: Handler) -> Counted {
        Counted {
            handler,
            done: AtomicU64::default(),
            failed: AtomicU64::default(),
            killed: AtomicU64::default(),
            missed: AtomicU64::default(),
            running: AtomicU64::default(),
            last_error: Mutex::default(),
        }
    }

    /// How it stands.
    pub fn info(&self) -> model::HandlerInfo {
        model::HandlerInfo {
            on: self.handler.on.to_string(),
            command: self.handler.command.clone(),
            done: self.done.load(Relaxed),
            failed: self.failed.load(Relaxed),
            killed: self.killed.load(Relaxed),
            missed: self.missed.load(Relaxed),
            running: self.running.load(Relaxed),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Counts how a run that was allowed so much ended; returns why, if it was not well.
    pub(super) fn ended(&self, run: &Run, limits: Limits, must_be_short: bool) -> Option<String> {
        let (on, said) = (self.handler.on.to_string(), run.said());
        let (count, why) = match &run.end {
            End::Done if run.is_cut && must_be_short => {
                let most = limits.output_bytes / 1024;
                (&self.failed, Some(format!("said more than {most} KiB, the most that an answer may take")))
            }
            End::Done => (&self.done, None),
            End::Failed(why) => (&self.failed, Some(why.clone())),
            End::TooLong => {
                let limit = words::span(limits.time.as_secs_f64());
                (&self.killed, Some(format!("killed after {limit}, which is its limit")))
            }
            End::Stopped => (&self.killed, Some("killed because the agent stops".to_string())),
        };
        count.fetch_add(1, Relaxed);
        match &why {
            None => tracing::debug!(on, said, "a handler has run"),
            Some(why) => {
                if limit::allows(Kind::Handler) {
                    tracing::warn!(on, command = self.handler.command, why, said, "a handler failed");
                }
                *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
            }
        }
        why
    }
}
