//! What reading the configuration again amounted to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer to `POST /v1/reload`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// What changed and is in force now.
    pub changed: Vec<SettingChange>,
    /// What differs, and needs a restart.
    pub restart: Vec<SettingChange>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

/// A setting that is not as it was.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SettingChange {
    /// Its name, as `rumormill config check` shows it.
    pub key: String,
    /// What is in force; of what changed: what was.
    pub from: String,
    /// What the configuration says now; empty if nothing.
    pub to: String,
}

/// How reading the configuration again went since the start, by SIGHUP and `POST /v1/reload`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ReloadInfo {
    /// How often it was read again.
    pub done: u64,
    /// How often it was not usable, and kept as it was.
    pub refused: u64,
    /// Seconds since it was last tried; none if it never was.
    pub last_s: Option<f64>,
    /// Why it was refused the last time; none if it was not.
    pub last_error: Option<String>,
    /// What differs from what is in force, and needs a restart, as it was when it was last read.
    pub restart: Vec<SettingChange>,
}
