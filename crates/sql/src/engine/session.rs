//! What a thread knows of the statement that it runs: deadline, memory, copies of tables.

use super::{Cancel, Limits};
use crate::error::{Error, SqlState};
use crate::source::{Source, Wanted};
use rumormill_core::table::{Cell, Table};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The rows of a table, copied for one statement.
pub struct Copy {
    pub width: usize,
    pub cells: Vec<Cell>,
}

/// One per connection. All its users run on the connection's thread; the lock is for the compiler.
pub struct Session {
    source: Arc<dyn Source>,
    limits: Limits,
    statement: Mutex<Statement>,
}

struct Statement {
    cancel: Cancel,
    deadline: Instant,
    /// SQLite's memory in this process when the statement began.
    baseline: usize,
    /// Bytes of copies and of the answer.
    held: usize,
    wanted: HashMap<&'static str, Wanted>,
    copies: HashMap<&'static str, Arc<Copy>>,
    stopped: Option<Error>,
}

impl Session {
    pub fn new(source: Arc<dyn Source>, limits: Limits) -> Self {
        let statement = Statement {
            cancel: Cancel::default(),
            deadline: Instant::now(),
            baseline: 0,
            held: 0,
            wanted: HashMap::new(),
            copies: HashMap::new(),
            stopped: None,
        };
        Self { source, limits, statement: Mutex::new(statement) }
    }

    fn lock(&self) -> MutexGuard<'_, Statement> {
        self.statement.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn begin(&self, cancel: Cancel, deadline: Instant) {
        let mut statement = self.lock();
        statement.cancel = cancel;
        statement.deadline = deadline;
        statement.baseline = sqlite_memory();
        statement.held = 0;
        statement.stopped = None;
    }

    /// Forgets the copies. Answers why the statement was stopped, if it was.
    pub fn end(&self) -> Option<Error> {
        let mut statement = self.lock();
        statement.copies.clear();
        statement.wanted.clear();
        statement.stopped.take()
    }

    /// Whether the statement must stop; the reason is kept for [`Session::end`].
    pub fn must_stop(&self) -> bool {
        self.charge(0).is_err()
    }

    /// Counts `bytes` that the statement holds from now on.
    pub fn charge(&self, bytes: usize) -> Result<(), Error> {
        let mut statement = self.lock();
        statement.held = statement.held.saturating_add(bytes);
        let used = statement.held + sqlite_memory().saturating_sub(statement.baseline);
        let error = if statement.cancel.is_cancelled() {
            Error::new(SqlState::CANCELED, "canceling statement due to user request")
        } else if Instant::now() >= statement.deadline {
            out_of_time(self.limits.timeout)
        } else if used > self.limits.memory {
            Error::new(
                SqlState::OUT_OF_MEMORY,
                format!("the statement needs more than {} MiB", self.limits.memory >> 20),
            )
            .hint("Read fewer columns or rows, or sort and join less.")
        } else {
            return Ok(());
        };
        statement.stopped.get_or_insert(error.clone());
        Err(error)
    }

    /// Keeps `error` as the statement's outcome: SQLite carries only a text.
    pub fn fail(&self, error: Error) -> rusqlite::Error {
        let carried = rusqlite::Error::ModuleError(error.message.clone());
        self.lock().stopped.get_or_insert(error);
        carried
    }

    /// The rows of `table`, copied at the statement's first use of it: a join of a table with itself sees the same rows twice.
    pub fn copy(&self, table: &'static Table) -> Result<Arc<Copy>, Error> {
        let wanted = {
            let statement = self.lock();
            if let Some(copy) = statement.copies.get(table.name) {
                return Ok(copy.clone());
            }
            statement.wanted.get(table.name).copied().unwrap_or(Wanted::ALL)
        };
        let mut copy = Copy { width: table.columns.len(), cells: Vec::new() };
        let mut wrong = None;
        let read = self.source.rows(table, wanted, &mut |row| {
            if row.len() != copy.width {
                let message = format!("a row of {} has {} cells, not {}", table.name, row.len(), copy.width);
                wrong = Some(Error::new(SqlState::INTERNAL, message));
                return ControlFlow::Break(());
            }
            let bytes = row.iter().map(size).sum();
            copy.cells.extend(row);
            match self.charge(bytes) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    wrong = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        if let Some(error) = wrong {
            return Err(error);
        }
        read.map_err(|reason| {
            Error::new(SqlState::SOURCE, format!("cannot read the rows of {}: {reason}", table.name))
        })?;
        let copy = Arc::new(copy);
        self.lock().copies.insert(table.name, copy.clone());
        Ok(copy)
    }
}

/// Bytes that a cell holds.
pub fn size(cell: &Cell) -> usize {
    size_of::<Cell>() + if let Cell::Text(text) = cell { text.capacity() } else { 0 }
}

/// The statement's time is over.
pub fn out_of_time(timeout: Duration) -> Error {
    let message = format!("canceling statement due to statement timeout ({} ms)", timeout.as_millis());
    Error::new(SqlState::CANCELED, message)
}

/// Bytes that SQLite holds in this process. Other users of SQLite count too, so a statement compares it with the start of its run.
fn sqlite_memory() -> usize {
    #[allow(unsafe_code)] // SAFETY: it takes no argument and only reads a counter
    let used = unsafe { rusqlite::ffi::sqlite3_memory_used() };
    usize::try_from(used).unwrap_or(0)
}
