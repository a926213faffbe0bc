//! What an agent is asked: the bodies of requests, in which an unknown field is an error.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The body of `POST /v1/join`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// Seeds: `HOST:PORT`, `HOST`, or what the agent's `join` setting takes.
    pub addresses: Vec<String>,
}

/// The body of `POST /v1/forget`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// A departed member's id, or its name if only one departed member carries it.
    pub member: String,
    /// Forget all departed members of that name.
    #[serde(default)]
    pub all: bool,
}

/// The body of `PUT /v1/tags` (all tags, replaced) and its answer, and that of `GET /v1/tags`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tags {
    /// Names and values; at most 64 KiB when encoded.
    pub tags: BTreeMap<String, String>,
}

/// The body of `PATCH /v1/tags`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TagsPatch {
    /// To be set.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// To be removed, by name; a name that is not there is no error.
    #[serde(default)]
    pub remove: Vec<String>,
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
