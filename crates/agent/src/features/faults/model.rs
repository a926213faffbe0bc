//! JSON of fault injection.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer to `POST /v1/faults`: what is in force now.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Faults {
    /// Addresses and ids with which no packets are exchanged.
    pub blocked: Vec<String>,
    /// The share of the datagrams sent that is dropped.
    pub loss: f64,
    /// Whether all datagrams are dropped.
    #[serde(default)]
    pub datagrams_blocked: bool,
}

/// The body of `POST /v1/faults`; each field that is there is carried out, `clear` first.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultsRequest {
    /// Ends all faults.
    #[serde(default)]
    pub clear: bool,
    /// Exchange no more packets with these: addresses (`IP:PORT`), or members by id or name.
    #[serde(default)]
    pub block: Vec<String>,
    /// Exchange packets with these again.
    #[serde(default)]
    pub unblock: Vec<String>,
    /// Drop this share (0 to 1) of the datagrams that are sent.
    #[serde(default)]
    pub loss: Option<f64>,
    /// Drop all datagrams, both ways, while connections work; or no longer.
    #[serde(default)]
    pub datagrams_blocked: Option<bool>,
}
