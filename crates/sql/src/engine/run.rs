//! One statement, from its text to its rows.

use super::connection::Connection;
use super::session::size;
use super::{OutColumn, Rows};
use crate::error::{Error, SqlState};
use crate::types::Type;
use rumormill_core::table::Cell;
use rusqlite::types::{Value, ValueRef};

pub fn run(connection: &Connection, sql: &str, params: &[Cell]) -> Result<Rows, Error> {
    let session = connection.session();
    let mut statement = connection.sqlite.prepare(sql).map_err(failure)?;
    if !statement.readonly() {
        return Err(Error::new(SqlState::READ_ONLY, "all tables are read-only"));
    }
    let mut columns: Vec<OutColumn> = statement
        .column_names()
        .into_iter()
        .map(|name| OutColumn { name: name.to_owned(), ty: Type::Text })
        .collect();
    let mut typed = vec![false; columns.len()];
    let values = params.iter().map(bound).collect::<Vec<_>>();
    let mut found = statement.query(rusqlite::params_from_iter(values)).map_err(failure)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(failure)? {
        let mut cells = Vec::with_capacity(columns.len());
        for (i, column) in columns.iter_mut().enumerate() {
            let (cell, ty) = match row.get_ref(i).map_err(failure)? {
                ValueRef::Null => (Cell::Null, None),
                ValueRef::Integer(value) => (Cell::Int(value), Some(Type::Int)),
                ValueRef::Real(value) => (Cell::Float(value), Some(Type::Float)),
                ValueRef::Text(value) | ValueRef::Blob(value) => {
                    (Cell::Text(String::from_utf8_lossy(value).into_owned()), Some(Type::Text))
                }
            };
            if let (Some(ty), false) = (ty, typed[i]) {
                (column.ty, typed[i]) = (ty, true);
            }
            cells.push(cell);
        }
        session.charge(cells.iter().map(size).sum())?;
        rows.push(cells);
    }
    Ok(Rows { columns, rows })
}

fn bound(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Bool(value) => Value::Integer(i64::from(*value)),
        Cell::Int(value) | Cell::Time(value) => Value::Integer(*value),
        Cell::Float(value) => Value::Real(*value),
        Cell::Text(value) => Value::Text(value.clone()),
    }
}

fn failure(error: rusqlite::Error) -> Error {
    Error::new(SqlState::SYNTAX, error.to_string())
}
