//! What is said on a connection: fields in the order in which Serf's own agent writes them.

use super::codec::{Bytes, or_nothing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Before each request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request {
    pub command: String,
    #[serde(default)]
    pub seq: u64,
}

/// Before each answer, and each record of a stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Response {
    pub error: String,
    pub seq: u64,
}

macro_rules! requests {
    ($($(#[$about:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $kind:ty,)* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        pub struct $name {
            $(#[serde(deserialize_with = "or_nothing")] $(#[$of])* pub $field: $kind,)*
        }
    )*};
}

requests! {
    Handshake { version: i64, }
    Auth { auth_key: String, }
    Event { name: String, payload: Bytes, coalesce: bool, }
    ForceLeave { node: String, prune: bool, }
    Join { existing: Vec<String>, replay: bool, }
    /// Each a regular expression for the whole of it; an empty one is none.
    MembersFiltered { tags: BTreeMap<String, String>, status: String, name: String, }
    /// A key, or the fingerprint of one.
    Key { key: String, }
    Monitor { log_level: String, }
    Stream { r#type: String, }
    Stop { stop: u64, }
    Tags { tags: BTreeMap<String, String>, delete_tags: Vec<String>, }
    /// `timeout` in nanoseconds; 0 is none.
    Query {
        filter_nodes: Vec<String>,
        filter_tags: BTreeMap<String, String>,
        request_ack: bool,
        timeout: i64,
        name: String,
        payload: Bytes,
    }
    Respond {
        #[serde(rename = "ID")]
        id: u64,
        payload: Bytes,
    }
    GetCoordinate { node: String, }
}

/// A member, as Serf's clients know one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Member {
    pub addr: Bytes,
    pub delegate_cur: u8,
    pub delegate_max: u8,
    pub delegate_min: u8,
    pub name: String,
    pub port: u16,
    pub protocol_cur: u8,
    pub protocol_max: u8,
    pub protocol_min: u8,
    pub status: &'static str,
    pub tags: BTreeMap<String, String>,
}

/// The answer to `members` and `members-filtered`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Members {
    pub members: Vec<Member>,
}

/// The answer to `join`: how many answered.
#[derive(Copy, Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Joined {
    pub num: u32,
}

/// The answer to all that is about keys.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Keys {
    /// How many members hold each key; only for `list-keys`.
    pub keys: Option<BTreeMap<String, u32>>,
    /// What went wrong, by the member's name.
    pub messages: BTreeMap<String, String>,
    pub num_err: u32,
    pub num_nodes: u32,
    pub num_resp: u32,
}

/// The answer to `get-coordinate`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CoordinateAnswer {
    pub coord: Coordinate,
    pub ok: bool,
}

/// A place in Vivaldi's space, which there is none of here.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Coordinate {
    pub adjustment: f64,
    pub error: f64,
    pub height: f64,
    pub vec: Option<Vec<f64>>,
}

/// A record of `stream`: something happened to members.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MemberRecord {
    pub event: &'static str,
    pub members: Vec<Member>,
}

/// A record of `stream`: an event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserRecord {
    pub coalesce: bool,
    pub event: &'static str,
    #[serde(rename = "LTime")]
    pub l_time: u64,
    pub name: String,
    pub payload: Bytes,
}

/// A record of `monitor`: a log line.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogRecord {
    pub log: String,
}

/// A record of `query`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueryRecord {
    pub from: String,
    pub payload: Bytes,
    pub r#type: &'static str,
}
