//! JSON by path: `->` gives JSON as it is written, `->>` gives text; and objects.

use super::text::fit;
use super::{Args, Function, function, int, string};
use crate::error::{Error, SqlState};
use crate::types::Type::{Array, Int, Json, Text};
use rusqlite::types::{Value, ValueRef};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

pub const FUNCTIONS: &[Function] = &[
    function(".get", &[Json, Text], Json, |_, a| Ok(inner(by_name(string(a, 0)?, string(a, 1)?)))),
    function(".get", &[Json, Int], Json, |_, a| Ok(inner(by_index(string(a, 0)?, int(a, 1)?)))),
    function(".get", &[Json, Array(&Text)], Json, |_, a| Ok(inner(by_path(a)?))),
    function(".text", &[Json, Text], Text, |_, a| Ok(plain(by_name(string(a, 0)?, string(a, 1)?)))),
    function(".text", &[Json, Int], Text, |_, a| Ok(plain(by_index(string(a, 0)?, int(a, 1)?)))),
    function(".text", &[Json, Array(&Text)], Text, |_, a| Ok(plain(by_path(a)?))),
    function("json_typeof", &[Json], Text, |_, a| Ok(Value::Text(kind(string(a, 0)?).to_owned()))),
    function("json_array_length", &[Json], Int, |_, a| length(string(a, 0)?)),
    function("json_extract_path_text", &[Json, Text], Text, |_, a| {
        Ok(plain(by_name(string(a, 0)?, string(a, 1)?)))
    }),
    function(".quoted", &[Text], Text, |_, a| fit(quoted(string(a, 0)?))),
    Function { strict: false, variadic: true, ..function(".object", &[Text], Json, |_, a| object(a)) },
];

/// A value with its text as it was written.
type Raw = Box<RawValue>;

/// Of two members of one name the last counts.
fn by_name(text: &str, name: &str) -> Option<Raw> {
    serde_json::from_str::<BTreeMap<String, Raw>>(text).ok()?.remove(name)
}

fn by_index(text: &str, index: i64) -> Option<Raw> {
    let mut list = serde_json::from_str::<Vec<Raw>>(text).ok()?;
    let length = i64::try_from(list.len()).ok()?;
    let place = usize::try_from(if index < 0 { length + index } else { index }).ok()?;
    (place < list.len()).then(|| list.swap_remove(place))
}

/// Members by name and elements by number, one after the other.
fn by_path(args: &Args<'_>) -> Result<Option<Raw>, Error> {
    let mut found = serde_json::from_str::<Raw>(string(args, 0)?).ok();
    for step in crate::array::parse(string(args, 1)?)? {
        let (Some(node), Some(step)) = (found, step) else { return Ok(None) };
        let text = node.get();
        found = by_name(text, &step).or_else(|| by_index(text, step.parse().ok()?));
    }
    Ok(found)
}

fn inner(node: Option<Raw>) -> Value {
    node.map_or(Value::Null, |node| Value::Text(node.get().to_owned()))
}

fn plain(node: Option<Raw>) -> Value {
    let Some(node) = node else { return Value::Null };
    match (kind(node.get()), serde_json::from_str::<String>(node.get())) {
        ("null", _) => Value::Null,
        (_, Ok(text)) => Value::Text(text),
        _ => Value::Text(node.get().to_owned()),
    }
}

fn kind(text: &str) -> &'static str {
    match text.trim_start().bytes().next() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

fn length(text: &str) -> Result<Value, Error> {
    match serde_json::from_str::<Vec<Raw>>(text) {
        Ok(list) => Ok(Value::Integer(i64::try_from(list.len()).unwrap_or(i64::MAX))),
        Err(_) => Err(Error::new(SqlState::INVALID_PARAMETER, "cannot get array length of a non-array")),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An object of names and values, which are JSON already.
fn object(args: &Args<'_>) -> Result<Value, Error> {
    let mut members = Vec::new();
    for i in (0..args.len()).step_by(2) {
        if args[i] == ValueRef::Null {
            let message = format!("argument {}: key must not be null", i + 1);
            return Err(Error::new(SqlState::INVALID_PARAMETER, message));
        }
        let value = if args[i + 1] == ValueRef::Null { "null" } else { string(args, i + 1)? };
        members.push(format!("{} : {value}", quoted(string(args, i)?)));
    }
    fit(format!("{{{}}}", members.join(", ")))
}
