//! Bans: who is kept out of the cluster, by whom, and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of `POST /v1/bans`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BanRequest {
    /// A member's id, or its name: the one live member that carries it, or the only one. An id of 16 digits may be of one that no member knows yet.
    pub member: String,
    /// Why, in at most 200 bytes; all members are told.
    #[serde(default)]
    pub reason: String,
}

/// `GET /v1/bans`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct BansList {
    /// Who is kept out, the latest first.
    pub bans: Vec<BanInfo>,
}

/// One who is kept out.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct BanInfo {
    /// Whose identity.
    pub id: String,
    /// Its name, if this agent still knows it.
    pub name: Option<String>,
    /// Who banned it.
    pub by: String,
    /// The name of that one, if this agent knows it.
    pub by_name: Option<String>,
    /// How many seconds ago, by the clocks of both.
    pub age_s: f64,
    /// Why; may be empty.
    pub reason: String,
}
