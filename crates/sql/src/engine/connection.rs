//! An SQLite connection that can only read our tables: in memory, read-only, with SQLite's own advice for untrusted SQL
//! (<https://sqlite.org/security.html>).

use super::Limits;
use super::session::Session;
use super::table::Virtual;
use crate::catalog::Catalog;
use crate::error::{Error, SqlState};
use crate::functions;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use std::sync::Arc;

/// Steps of SQLite's machine between two looks at the clock: some microseconds.
const STEPS: i32 = 100;

/// Bytes of the longest text in a statement.
const LENGTH: i32 = 256 << 10;

/// The connection is used by its thread alone.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

pub struct Connection {
    pub sqlite: rusqlite::Connection,
    session: Arc<Session>,
}

impl Connection {
    pub fn open(catalog: &Arc<Catalog>, limits: &Limits) -> Result<Self, Error> {
        let session = Arc::new(Session::new(catalog.clone(), limits.clone()));
        let sqlite = sandbox(&session).map_err(|e| {
            Error::new(SqlState::INTERNAL, format!("cannot open an SQLite connection in memory: {e}"))
        })?;
        Ok(Self { sqlite, session })
    }

    pub fn session(&self) -> &Session {
        &self.session
    }
}

fn sandbox(session: &Arc<Session>) -> rusqlite::Result<rusqlite::Connection> {
    // SQLite takes its temporary files from `memdb` as well, so they lie in memory. A sorter that may use files sorts runs of a megabyte and merges them
    // row by row; one that may not sorts all rows in one step, which nothing can interrupt.
    let mut sqlite = rusqlite::Connection::open_in_memory_with_flags_and_vfs(FLAGS, "memdb")?;
    sqlite.execute_batch("PRAGMA temp_store=FILE; PRAGMA cache_size=-1000; PRAGMA trusted_schema=OFF;")?;
    for entry in &session.schema().entries {
        Virtual::register(&sqlite, session, *entry)?;
    }
    functions::register(&sqlite, session)?;
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

/// SQLite's own functions that plans call. Ours begin with `pg_`.
const FUNCTIONS: [&str; 18] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "group_concat",
    "coalesce",
    "nullif",
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "first_value",
    "last_value",
    "lag",
    "lead",
    "ntile",
];

/// The authorizer. A statement may select, read the virtual tables, and call the functions of plans.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        // A recursion without end runs into the bounds of time and memory.
        AuthAction::Select | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name }
            if function_name.starts_with("pg_") || FUNCTIONS.contains(&function_name) =>
        {
            Authorization::Allow
        }
        AuthAction::Read { table_name, .. } if !table_name.starts_with("sqlite_") => Authorization::Allow,
        _ => Authorization::Deny,
    }
}
