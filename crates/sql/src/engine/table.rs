//! A table of the source as a virtual table of SQLite.
#![allow(unsafe_code)] // rusqlite's traits for virtual tables are unsafe to implement: the struct's first field must be SQLite's

use super::session::{Copy, Session};
use crate::functions::Host;
use crate::schema::Entry;
use rumormill_core::table::{Cell, Kind};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::vtab::{
    Context, Filters, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor, sqlite3_vtab,
    sqlite3_vtab_cursor,
};
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::sync::Arc;

/// The data of a module: the connection's session, and the table.
pub struct Aux {
    session: Arc<Session>,
    entry: Entry,
}

#[repr(C)]
pub struct Virtual {
    base: sqlite3_vtab,
    session: Arc<Session>,
    entry: Entry,
}

impl Virtual {
    /// Makes the table readable on this connection by its name.
    pub fn register(
        sqlite: &rusqlite::Connection,
        session: &Arc<Session>,
        entry: Entry,
    ) -> rusqlite::Result<()> {
        const MODULE: &Module<'static, Virtual> = &Module::eponymous_only_module();
        let aux = Aux { session: session.clone(), entry };
        sqlite.create_module(entry.sqlite_name().as_str(), MODULE, Some(aux))
    }
}

// SAFETY: `base` is the first field, and the struct is `repr(C)`.
unsafe impl<'vtab> VTab<'vtab> for Virtual {
    type Aux = Aux;
    type Cursor = Cursor;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Aux>,
        _module: &[u8],
        _database: &[u8],
        _table: &[u8],
        _args: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        let aux = aux.ok_or_else(|| rusqlite::Error::ModuleError("a table without definition".into()))?;
        db.config(VTabConfig::Innocuous)?;
        // No declared types: a column's affinity must not turn one kind of value into another.
        let columns: Vec<String> =
            aux.entry.table.columns.iter().map(|c| format!("\"{}\"", c.name)).collect();
        let declared = CString::new(format!("CREATE TABLE x({})", columns.join(",")))
            .map_err(|e| rusqlite::Error::ModuleError(e.to_string()))?;
        let base = sqlite3_vtab::default();
        Ok((Cow::Owned(declared), Self { base, session: aux.session.clone(), entry: aux.entry }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        info.set_estimated_cost(1_000.0);
        info.set_estimated_rows(1_000);
        Ok(true)
    }

    fn open(&'vtab mut self) -> rusqlite::Result<Cursor> {
        Ok(Cursor {
            base: sqlite3_vtab_cursor::default(),
            session: self.session.clone(),
            entry: self.entry,
            copy: None,
            row: 0,
        })
    }
}

/// A place in the copied rows.
#[repr(C)]
pub struct Cursor {
    base: sqlite3_vtab_cursor,
    session: Arc<Session>,
    entry: Entry,
    copy: Option<Arc<Copy>>,
    row: usize,
}

// SAFETY: `base` is the first field, and the struct is `repr(C)`.
unsafe impl VTabCursor for Cursor {
    fn filter(&mut self, _: c_int, _: Option<&str>, _: &Filters<'_>) -> rusqlite::Result<()> {
        let copy = self.session.copy(self.entry).map_err(|e| self.session.fail(e))?;
        self.copy = Some(copy);
        self.row = 0;
        Ok(())
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.row += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.copy.as_ref().is_none_or(|copy| self.row >= copy.rows())
    }

    fn column(&self, cx: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let position = usize::try_from(column).unwrap_or(usize::MAX);
        let cell = self.copy.as_ref().and_then(|copy| copy.cell(self.row, position));
        let kind = self.entry.table.columns.get(position).map(|column| column.kind);
        match (cell, kind) {
            (Some(cell), Some(kind)) => cx.set_result(Shown(value(cell, kind)?)),
            _ => Err(rusqlite::Error::ModuleError("a column that is not there".into())),
        }
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok(i64::try_from(self.row).unwrap_or(i64::MAX))
    }
}

struct Shown<'a>(ValueRef<'a>);

impl rusqlite::ToSql for Shown<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

/// A cell as SQLite carries it. A cell of another kind than its column's is a fault of the source, and no value.
fn value(cell: &Cell, kind: Kind) -> rusqlite::Result<ValueRef<'_>> {
    Ok(match (cell, kind) {
        (Cell::Null, _) => ValueRef::Null,
        (Cell::Bool(value), Kind::Bool) => ValueRef::Integer(i64::from(*value)),
        (Cell::Int(value), Kind::Int) | (Cell::Time(value), Kind::Time) => ValueRef::Integer(*value),
        // SQLite has no NaN.
        (Cell::Float(value), Kind::Float) if value.is_nan() => ValueRef::Null,
        (Cell::Float(value), Kind::Float) => ValueRef::Real(*value),
        (Cell::Text(value), Kind::Text | Kind::Json) => ValueRef::Text(value.as_bytes()),
        _ => return Err(rusqlite::Error::ModuleError(format!("{cell:?} in a column of kind {kind:?}"))),
    })
}
