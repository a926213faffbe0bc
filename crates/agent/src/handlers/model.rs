//! JSON of handlers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Of `GET /v1/self`: how a handler stands.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct HandlerInfo {
    /// On what it is run.
    pub on: String,
    /// Its command.
    pub command: String,
    /// Runs that ended well.
    pub done: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that took too long and were killed.
    pub killed: u64,
    /// Changes and events that it missed because it was too slow.
    pub missed: u64,
    /// Runs under way.
    pub running: u64,
    /// Why the last run that did not end well did not.
    pub last_error: Option<String>,
}
