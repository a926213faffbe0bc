//! One statement, from its text to its rows.

use super::connection::Connection;
use super::session::{out_of_memory, size};
use super::{Limits, Rows};
use crate::error::{Error, SqlState};
use crate::literal::convert;
use crate::plan::parse::{parse, read_only};
use crate::plan::{Plan, plan};
use crate::schema::Schema;
use crate::types::Type;
use rumormill_core::table::Cell;
use rusqlite::types::{Value, ValueRef};
use sqlparser::ast::{Query, Statement};

/// The only query of a text.
pub fn query_of(sql: &str, longest: usize) -> Result<Box<Query>, Error> {
    let mut statements = parse(sql, longest)?;
    match (statements.pop(), statements.pop()) {
        (Some(Statement::Query(query)), None) => Ok(query),
        (None, _) => Err(Error::new(SqlState::SYNTAX, "the statement is empty")),
        (Some(_), Some(_)) => {
            Err(Error::new(SqlState::SYNTAX, "cannot insert multiple commands into a prepared statement"))
        }
        (Some(other), None) => Err(refusal(&other)),
    }
}

/// Why a statement that is no query is refused.
pub fn refusal(statement: &Statement) -> Error {
    let text = statement.to_string();
    let word = text.split_whitespace().next().unwrap_or_default().to_uppercase();
    match statement {
        Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) => {
            read_only(&word)
        }
        _ => Error::unsupported(word).hint("SELECT, WITH, VALUES and TABLE are."),
    }
}

/// Plans a statement, which must be one query.
pub fn plan_of(schema: &Schema, sql: &str, given: &[Option<Type>], longest: usize) -> Result<Plan, Error> {
    let query = query_of(sql, longest)?;
    plan(schema, sql, &query, given)
}

/// Runs a query.
pub fn run(connection: &Connection, plan: &Plan, params: &[Cell]) -> Result<Rows, Error> {
    let session = connection.session();
    let failure = |error: &rusqlite::Error| failure(error, plan, session.limits());
    for (entry, wanted) in &plan.reads {
        session.want(*entry, *wanted);
    }
    let values = bind(plan, params)?;
    let mut statement = connection.sqlite.prepare(&plan.sqlite).map_err(|e| failure(&e))?;
    if !statement.readonly() {
        return Err(read_only("the statement"));
    }
    let mut found = statement.query(rusqlite::params_from_iter(values)).map_err(|e| failure(&e))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(|e| failure(&e))? {
        let mut cells = Vec::with_capacity(plan.columns.len());
        for (i, column) in plan.columns.iter().enumerate() {
            cells.push(cell(row.get_ref(i).map_err(|e| failure(&e))?, column.ty)?);
        }
        session.charge(size_of::<Vec<Cell>>() + cells.iter().map(size).sum::<usize>())?;
        if rows.len() == session.limits().rows {
            let message = format!("the answer has more than {} rows", session.limits().rows);
            return Err(Error::new(SqlState::LIMIT_EXCEEDED, message).hint("Add LIMIT, or aggregate."));
        }
        rows.push(cells);
    }
    Ok(Rows { columns: plan.columns.clone(), rows })
}

fn bind(plan: &Plan, params: &[Cell]) -> Result<Vec<Value>, Error> {
    if params.len() != plan.params.len() {
        let message =
            format!("the statement has {} parameters, {} values are given", plan.params.len(), params.len());
        return Err(Error::new(SqlState("08P01"), message));
    }
    let bound = |(cell, ty): (&Cell, &Type)| {
        Ok(match convert(cell, *ty)? {
            Cell::Null => Value::Null,
            Cell::Bool(value) => Value::Integer(i64::from(value)),
            Cell::Int(value) | Cell::Time(value) => Value::Integer(value),
            Cell::Float(value) if value.is_nan() => return Err(Error::unsupported("NaN")),
            Cell::Float(value) => Value::Real(value),
            Cell::Text(value) => Value::Text(value),
        })
    };
    params.iter().zip(&plan.params).map(bound).collect()
}

/// A value as a cell of its column's type. Another one is a fault of the planner, and no answer.
fn cell(value: ValueRef<'_>, ty: Type) -> Result<Cell, Error> {
    Ok(match (value, ty) {
        (ValueRef::Null, _) => Cell::Null,
        (ValueRef::Integer(value @ (0 | 1)), Type::Bool) => Cell::Bool(value == 1),
        (ValueRef::Integer(value), Type::Int) => Cell::Int(value),
        (ValueRef::Integer(value), Type::Time) => Cell::Time(value),
        (ValueRef::Real(value), Type::Float) => Cell::Float(value),
        (ValueRef::Integer(value), Type::Float) => Cell::Float(value as f64),
        (
            ValueRef::Text(value),
            Type::Text | Type::Json | Type::Numeric | Type::Interval | Type::Array(_),
        ) => {
            let text = std::str::from_utf8(value);
            Cell::Text(text.map_err(|e| Error::new(SqlState::INTERNAL, e.to_string()))?.to_owned())
        }
        (value, ty) => {
            let message = format!("a column of type {} holds {}", ty.name(), value.data_type());
            return Err(Error::new(SqlState::INTERNAL, message));
        }
    })
}

/// SQLite's error about a statement that we wrote. The session knows better if one of our functions failed.
fn failure(error: &rusqlite::Error, plan: &Plan, limits: &Limits) -> Error {
    let text = error.to_string();
    let bound = |code, message: &str| Error::new(code, message);
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::TooBig) => {
            return bound(SqlState::TOO_LONG, "a text or the statement is too long");
        }
        Some(rusqlite::ErrorCode::OutOfMemory) => return out_of_memory(limits),
        Some(rusqlite::ErrorCode::OperationInterrupted) => {
            return bound(SqlState::CANCELED, "canceling statement due to user request");
        }
        _ => {}
    }
    if text.contains("recursive") || text.contains("circular reference") {
        return Error::unsupported(format!("this form of a recursive query: {text}"));
    }
    if text.contains("integer overflow") {
        return bound(SqlState::OUT_OF_RANGE, "bigint out of range");
    }
    const LIMITS: [&str; 8] =
        ["too many", "too large", "too deep", "too big", "stack overflow", "at most", "limit", "too long"];
    if LIMITS.iter().any(|limit| text.contains(limit)) {
        return bound(SqlState::TOO_COMPLEX, &format!("the statement is too complex: {text}"));
    }
    Error::new(
        SqlState::INTERNAL,
        format!("SQLite refuses what the statement became: {text}: {}", plan.sqlite),
    )
}
