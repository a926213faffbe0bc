//! Registration of the functions with a connection.

use super::host::Host;
use super::{Cx, Function, all, sqlite_name};
use crate::{decimal, span};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use std::sync::Arc;

/// Makes all functions known to a connection.
pub fn register<H: Host>(sqlite: &rusqlite::Connection, host: &Arc<H>) -> rusqlite::Result<()> {
    // Deterministic within a statement, which lets SQLite call it once where all arguments are constant.
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    for function in all() {
        let count = if function.variadic { -1 } else { i32::try_from(function.args.len()).unwrap_or(-1) };
        let host = host.clone();
        sqlite.create_scalar_function(sqlite_name(function).as_str(), count, flags, move |cx| {
            call(function, &*host, cx)
        })?;
    }
    sqlite.create_collation(decimal::COLLATION, decimal::compare)?;
    sqlite.create_collation(span::COLLATION, span::compare)?;
    super::aggregate::register(sqlite, host)?;
    super::ordered_set::register(sqlite, host)
}

fn call<H: Host>(function: &Function, host: &H, cx: &Context<'_>) -> rusqlite::Result<Value> {
    const MOST: usize = 8;
    let mut few = [ValueRef::Null; MOST];
    let many: Vec<ValueRef<'_>>;
    let args = if cx.len() <= MOST {
        for (i, slot) in few.iter_mut().take(cx.len()).enumerate() {
            *slot = cx.get_raw(i);
        }
        &few[..cx.len()]
    } else {
        many = (0..cx.len()).map(|i| cx.get_raw(i)).collect();
        &many
    };
    if function.strict && args.iter().any(|arg| matches!(arg, ValueRef::Null)) {
        return Ok(Value::Null);
    }
    let statement = Cx { now: host.now(), work: Default::default() };
    let made = (function.call)(&statement, args).map_err(|e| host.fail(e))?;
    let read: usize = args.iter().map(|arg| bytes(*arg)).sum();
    let work = statement.work.get() + read + bytes(ValueRef::from(&made));
    host.worked(work).map_err(|e| host.fail(e))?;
    Ok(made)
}

fn bytes(value: ValueRef<'_>) -> usize {
    if let ValueRef::Text(text) = value { text.len() } else { 0 }
}
