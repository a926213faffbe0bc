//! JSON of tags.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// The body of `PUT /v1/tags` (all tags, replaced) and its answer, and that of `GET /v1/tags`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tags {
    /// Names and values; at most 64 KiB when encoded.
    #[schema(schema_with = tags)]
    pub tags: BTreeMap<String, String>,
}

/// The body of `PATCH /v1/tags`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TagsPatch {
    /// To be set.
    #[serde(default)]
    #[schema(schema_with = tags)]
    pub set: BTreeMap<String, String>,
    /// To be removed, by name; a name that is not there is no error.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// Tags: each has a name.
fn tags() -> Object {
    let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).build();
    let value = ObjectBuilder::new().schema_type(Type::String);
    let tags = ObjectBuilder::new().schema_type(Type::Object).property_names(Some(name));
    tags.additional_properties(Some(value)).build()
}
