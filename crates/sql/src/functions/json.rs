//! JSON by path: `->` gives JSON, `->>` gives text.

use super::{Function, function, int, string};
use crate::error::Error;
use crate::types::Type::{Int, Json, Text};
use rusqlite::types::Value;
use serde_json::Value as Node;

pub const FUNCTIONS: &[Function] = &[
    function(".get", &[Json, Text], Json, |_, a| Ok(inner(by_name(string(a, 0)?, string(a, 1)?)))),
    function(".get", &[Json, Int], Json, |_, a| Ok(inner(by_index(string(a, 0)?, int(a, 1)?)))),
    function(".text", &[Json, Text], Text, |_, a| Ok(plain(by_name(string(a, 0)?, string(a, 1)?)))),
    function(".text", &[Json, Int], Text, |_, a| Ok(plain(by_index(string(a, 0)?, int(a, 1)?)))),
    function("json_typeof", &[Json], Text, |_, a| kind(string(a, 0)?)),
    function("json_array_length", &[Json], Int, |_, a| length(string(a, 0)?)),
    function("json_extract_path_text", &[Json, Text], Text, |_, a| {
        Ok(plain(by_name(string(a, 0)?, string(a, 1)?)))
    }),
];

fn read(text: &str) -> Option<Node> {
    serde_json::from_str(text).ok()
}

fn by_name(text: &str, name: &str) -> Option<Node> {
    match read(text)? {
        Node::Object(mut map) => map.remove(name),
        _ => None,
    }
}

fn by_index(text: &str, index: i64) -> Option<Node> {
    let Node::Array(mut list) = read(text)? else { return None };
    let length = i64::try_from(list.len()).ok()?;
    let place = usize::try_from(if index < 0 { length + index } else { index }).ok()?;
    (place < list.len()).then(|| list.swap_remove(place))
}

fn inner(node: Option<Node>) -> Value {
    node.map_or(Value::Null, |node| Value::Text(node.to_string()))
}

fn plain(node: Option<Node>) -> Value {
    match node {
        None | Some(Node::Null) => Value::Null,
        Some(Node::String(text)) => Value::Text(text),
        Some(node) => Value::Text(node.to_string()),
    }
}

fn kind(text: &str) -> Result<Value, Error> {
    let name = match read(text) {
        None => return Ok(Value::Null),
        Some(Node::Null) => "null",
        Some(Node::Bool(_)) => "boolean",
        Some(Node::Number(_)) => "number",
        Some(Node::String(_)) => "string",
        Some(Node::Array(_)) => "array",
        Some(Node::Object(_)) => "object",
    };
    Ok(Value::Text(name.to_owned()))
}

fn length(text: &str) -> Result<Value, Error> {
    match read(text) {
        Some(Node::Array(list)) => Ok(Value::Integer(i64::try_from(list.len()).unwrap_or(i64::MAX))),
        _ => Err(Error::new(
            crate::error::SqlState::INVALID_PARAMETER,
            "cannot get array length of a non-array",
        )),
    }
}
