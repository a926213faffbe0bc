//! The state of one handler: its cursors, and the runs under way.

use super::counted::Counted;
use crate::agent::Agent;
use crate::features::events::entry::{Cursor, Place};
use crate::features::queries::state::Arrived;
use crate::view;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

/// How long a run may take (our guess: what takes longer belongs into a service of its own).
pub const RUN_TIME_MAX: Duration = Duration::from_secs(30);

/// An occurrence as a command receives it: variables and standard input.
pub(super) struct Occurrence {
    pub facts: Vec<(&'static str, String)>,
    pub input: Vec<u8>,
    /// The query that the command answers.
    pub query: Option<Arc<Arrived>>,
}

/// Runs one handler.
pub(super) struct Runner {
    pub agent: Arc<Agent>,
    pub counted: Arc<Counted>,
    pub changes: view::Cursor,
    pub events: Cursor,
    pub news: watch::Receiver<u64>,
    pub head: watch::Receiver<Place>,
    pub queries: broadcast::Receiver<Arc<Arrived>>,
    pub running: JoinSet<()>,
}

/// Without NUL: a variable of the environment cannot hold it.
pub(super) fn without_zeros(text: &str) -> String {
    text.replace('\0', "")
}
