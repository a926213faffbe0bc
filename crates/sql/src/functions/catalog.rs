//! The functions that clients' catalog queries call.

use super::text::fit;
use super::{Function, function, function_of, int, string, truth};
use crate::error::{Error, SqlState};
use crate::types::Type::{Bool, Int, Text};
use crate::types::{type_name, type_oid};
use rusqlite::types::{Value, ValueRef};

pub const FUNCTIONS: &[Function] = &[
    Function {
        strict: false,
        ..function("format_type", &[Int, Int], Text, |_, a| match a.first() {
            Some(ValueRef::Integer(oid)) => fit(type_name(*oid).unwrap_or("???").to_owned()),
            _ => Ok(Value::Null),
        })
    },
    function(".no_relation", &[Text], Int, |_, a| {
        let message = format!("relation \"{}\" does not exist", string(a, 0)?);
        Err(Error::new(SqlState::UNDEFINED_TABLE, message))
    }),
    // Null for a name that no type has, where the cast is an error.
    function("to_regtype", &[Text], Int, |_, a| {
        Ok(type_oid(string(a, 0)?).map_or(Value::Null, Value::Integer))
    }),
    function(".member", &[Text, Text], Bool, |_, a| {
        let wanted = string(a, 0)?;
        let array = string(a, 1)?.trim_matches(['{', '}']);
        Ok(truth(array.split([',', ' ']).any(|element| element == wanted)))
    }),
    function(".element", &[Text], Text, |_, a| {
        let text = string(a, 0)?;
        if text.is_empty() || !text.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(Error::unsupported("an array whose elements need quotes"));
        }
        fit(text.to_owned())
    }),
    function("pg_get_function_result", &[Int], Text, |_, a| match function_of(int(a, 0)?) {
        Some(function) => fit(function.gives.name().to_owned()),
        None => Ok(Value::Null),
    }),
    function("pg_get_function_arguments", &[Int], Text, |_, a| arguments(int(a, 0)?)),
    function("pg_get_function_identity_arguments", &[Int], Text, |_, a| arguments(int(a, 0)?)),
];

fn arguments(oid: i64) -> Result<Value, Error> {
    let Some(function) = function_of(oid) else { return Ok(Value::Null) };
    let names: Vec<_> = function.args.iter().map(|ty| ty.name()).collect();
    fit(names.join(", "))
}
