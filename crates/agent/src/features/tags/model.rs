//! JSON of tags.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

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
