//! What is said about queries.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaFormat, Type};

/// The body of `POST /v1/query`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryRequest {
    /// What kind of query it is: at most 255 bytes.
    #[schema(min_length = 1, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub name: String,
    /// The payload as text: at most 60 KiB, with names and patterns just under 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The payload as any bytes in base64, in place of `payload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$")]
    pub payload_base64: Option<String>,
    /// Only members that are called one of these; all if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Only members whose whole name matches this regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "regex")]
    pub node: Option<String>,
    /// Only members that have each of these tags, its whole value matching the regular expression.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(schema_with = patterns)]
    pub tags: BTreeMap<String, String>,
    /// For so long answers are taken, in milliseconds, at most 600,000; if nothing is said, 16 gossip intervals for each power of ten of the members, and no
    /// time at all if no listed live member is meant: then nobody is asked. With a time the query goes out all the same, for members that come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 600_000)]
    pub timeout_ms: Option<u64>,
}

/// Regular expressions by the names of tags, with their description: a schema of our own takes none from the field.
fn patterns() -> Object {
    let pattern =
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::Custom("regex".into())));
    let about = "Only members that have each of these tags, its whole value matching the regular expression.";
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(about))
        .additional_properties(Some(pattern))
        .build()
}

/// A line of the answer to `POST /v1/query`: `asked` first, `done` last.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum QueryLine {
    /// The question is on its way.
    Asked {
        /// Live members that are meant, as far as this agent knows.
        asked: u32,
        /// For so long answers are taken, in milliseconds; 0 if nobody is asked.
        timeout_ms: u64,
    },
    /// A member is meant, and has heard of it.
    Ack {
        /// Its id: 16 hexadecimal digits.
        from: String,
        /// Its name; empty if it is not known here.
        name: String,
    },
    /// A member's answer.
    Answer {
        /// Its id.
        from: String,
        /// Its name.
        name: String,
        /// What it says, if that is text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<String>,
        /// What it says, if that is no text: in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload_base64: Option<String>,
    },
    /// A member could not find out what was asked for.
    Failed {
        /// Its id.
        from: String,
        /// Its name.
        name: String,
        /// Why.
        error: String,
    },
    /// Nothing more will come.
    Done(QuerySummary),
}

/// What a query came to.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct QuerySummary {
    /// Live members that were meant, as far as this agent knew when it asked.
    pub asked: u32,
    /// Members that said they were meant and had heard of it, those that answered included.
    pub acknowledged: u32,
    /// Members that answered, those that failed included.
    pub answered: u32,
    /// Members that answered that they failed.
    pub failed: u32,
    /// Members that had a large answer which there was no time to fetch.
    pub late: u32,
    /// Acks and answers that came and were dropped, because they were not read fast enough.
    pub lost: u32,
    /// From the question to the end, in milliseconds.
    pub took_ms: f64,
}

/// Of `GET /v1/self`: how queries stand.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct QueriesInfo {
    /// Queries of this agent that are open.
    pub open: usize,
    /// Queries that reached this agent and are not over.
    pub known: usize,
}
