//! JSON of SQL: statements, answers, subscriptions.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, SchemaType, Type};

/// The body of `POST /v1/sql`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlRequest {
    /// One statement, which reads: `SELECT name FROM members WHERE status = $1`.
    #[schema(format = "sql")]
    pub sql: String,
    /// The values of `$1`, `$2` and so on: null, booleans, numbers or text.
    #[serde(default)]
    #[schema(schema_with = values)]
    pub params: Vec<Value>,
}

/// The parameters, with their description: a schema of our own takes none from the field.
fn values() -> Array {
    let kinds = SchemaType::from_iter([Type::Null, Type::Boolean, Type::Number, Type::String]);
    ArrayBuilder::new()
        .description(Some("The values of `$1`, `$2` and so on: null, booleans, numbers or text."))
        .items(ObjectBuilder::new().schema_type(kinds))
        .build()
}

/// A server-sent event of `/v1/sql/subscribe`, by its fields.
#[derive(ToSchema)]
#[allow(dead_code)] // the description of the API alone has it
pub struct SqlEvent {
    /// `state`, `change` or `error`.
    #[schema(pattern = "^(state|change|error)$")]
    event: String,
    /// JSON: a `SqlAnswer`, a `SqlChange` or an `Error`.
    data: String,
}

/// The answer to `POST /v1/sql`, and the first event of a subscription.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SqlAnswer {
    /// The columns.
    pub columns: Vec<SqlColumn>,
    /// The rows; each has a value for each column. A `json` column holds JSON, a time is text as in RFC 3339, an interval is text as PostgreSQL writes it.
    pub rows: Vec<Vec<Value>>,
    /// The time of the answer, by this agent's clock: RFC 3339.
    pub as_of: String,
}

/// A column of an answer.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SqlColumn {
    /// Its name.
    pub name: String,
    /// Its type, as PostgreSQL names it: `boolean`, `bigint`, `double precision`, `text`, `json`, `timestamp with time zone` or `interval`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The data of `event: change` of a subscription: the differences from the answer before.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SqlChange {
    /// Rows that are new, or differ from the row of the same key before.
    pub set: Vec<Vec<Value>>,
    /// The keys of rows that are gone: the values of the key's columns.
    pub gone: Vec<Vec<Value>>,
    /// The time of the answer before, by this agent's clock: RFC 3339. A reader that was slow sees by it how much one change spans.
    pub since: String,
    /// The time of the newest answer, alike.
    pub as_of: String,
}
