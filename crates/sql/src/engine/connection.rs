//! An SQLite connection that can only read our tables: in memory, read-only, with SQLite's own advice for untrusted SQL
//! (<https://sqlite.org/security.html>).

use super::Limits;
use super::session::Session;
use super::table::Virtual;
use crate::error::{Error, SqlState};
use crate::source::Source;
use rumormill_core::table::Table;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use std::sync::Arc;

/// Steps of SQLite's machine between two looks at the clock: some microseconds.
const STEPS: i32 = 100;

/// Bytes of the longest text in a statement.
const LENGTH: i32 = 256 << 10;

pub struct Connection {
    pub sqlite: rusqlite::Connection,
    session: Arc<Session>,
}

impl Connection {
    pub fn open(source: &Arc<dyn Source>, tables: &[&'static Table], limits: &Limits) -> Result<Self, Error> {
        let session = Arc::new(Session::new(source.clone(), limits.clone()));
        let sqlite = sandbox(&session, tables).map_err(|e| {
            Error::new(SqlState::INTERNAL, format!("cannot open an SQLite connection in memory: {e}"))
        })?;
        Ok(Self { sqlite, session })
    }

    pub fn session(&self) -> &Session {
        &self.session
    }
}

fn sandbox(session: &Arc<Session>, tables: &[&'static Table]) -> rusqlite::Result<rusqlite::Connection> {
    let mut sqlite = rusqlite::Connection::open_in_memory()?;
    sqlite.execute_batch("PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;")?;
    for table in tables {
        Virtual::register(&sqlite, session, table)?;
    }
    limit(&sqlite, session.limits())?;
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    sqlite.authorizer(Some(authorize))?;
    let watched = session.clone();
    sqlite.progress_handler(STEPS, Some(move || watched.must_stop()))?;
    Ok(sqlite)
}

fn limit(sqlite: &rusqlite::Connection, limits: &Limits) -> rusqlite::Result<()> {
    // What the rewriting adds to a statement is bounded: each node of its tree becomes a call or two.
    let text = i32::try_from(limits.text.saturating_mul(16)).unwrap_or(i32::MAX);
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, LENGTH),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, text),
        (Limit::SQLITE_LIMIT_COLUMN, 400),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 1_000),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
        (Limit::SQLITE_LIMIT_VDBE_OP, 100_000),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 1_000),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        sqlite.set_limit(limit, value)?;
    }
    Ok(())
}

/// What a statement may do: select, and read the virtual tables.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Function { .. } => Authorization::Allow,
        AuthAction::Read { table_name, .. } if !table_name.starts_with("sqlite_") => Authorization::Allow,
        _ => Authorization::Deny,
    }
}
