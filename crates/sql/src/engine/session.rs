//! A thread's state for the statement that it runs: deadline, memory, copies of tables.

use super::{Cancel, Limits};
use crate::catalog::Catalog;
use crate::error::{Error, SqlState};
use crate::functions::Host;
use crate::schema::Entry;
use crate::source::Wanted;
use rumormill_core::table::Cell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The rows of a table, copied for one statement.
pub struct Copy {
    pub width: usize,
    pub cells: Vec<Cell>,
}

/// One per connection. All its users run on the connection's thread; the lock is for the compiler.
pub struct Session {
    catalog: Arc<Catalog>,
    limits: Limits,
    statement: Mutex<Statement>,
}

struct Statement {
    cancel: Cancel,
    deadline: Instant,
    timeout: Duration,
    /// The start, microseconds since 1970.
    now: i64,
    /// SQLite's memory in this process when the statement began.
    baseline: usize,
    /// Bytes of copies and of the answer.
    held: usize,
    wanted: HashMap<usize, Wanted>,
    copies: HashMap<usize, Arc<Copy>>,
    stopped: Option<Error>,
}

impl Session {
    pub fn new(catalog: Arc<Catalog>, limits: Limits) -> Self {
        let statement = Statement {
            cancel: Cancel::default(),
            deadline: Instant::now(),
            timeout: Duration::ZERO,
            now: 0,
            baseline: 0,
            held: 0,
            wanted: HashMap::new(),
            copies: HashMap::new(),
            stopped: None,
        };
        Self { catalog, limits, statement: Mutex::new(statement) }
    }

    fn lock(&self) -> MutexGuard<'_, Statement> {
        self.statement.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn begin(&self, cancel: Cancel, deadline: Instant, timeout: Duration) {
        let mut statement = self.lock();
        statement.cancel = cancel;
        statement.deadline = deadline;
        statement.timeout = timeout;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        statement.now = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
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

    /// True if the statement must stop; the reason is kept for [`Session::end`].
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
            out_of_time(statement.timeout)
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

    /// The statement reads these columns of this table.
    pub fn want(&self, entry: Entry, wanted: Wanted) {
        self.lock().wanted.insert(entry.id(), wanted);
    }

    pub fn schema(&self) -> &crate::schema::Schema {
        self.catalog.schema()
    }

    /// The rows of a table, copied at the statement's first use of it: a join of a table with itself sees the same rows twice.
    pub fn copy(&self, entry: Entry) -> Result<Arc<Copy>, Error> {
        let wanted = {
            let statement = self.lock();
            if let Some(copy) = statement.copies.get(&entry.id()) {
                return Ok(copy.clone());
            }
            statement.wanted.get(&entry.id()).copied().unwrap_or(Wanted::ALL)
        };
        let table = entry.table;
        let mut copy = Copy { width: table.columns.len(), cells: Vec::new() };
        let mut wrong = None;
        let read = self.catalog.rows(entry, wanted, &mut |row| {
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
        self.lock().copies.insert(entry.id(), copy.clone());
        Ok(copy)
    }
}

impl Host for Session {
    fn charge(&self, bytes: usize) -> Result<(), Error> {
        Session::charge(self, bytes)
    }

    fn now(&self) -> i64 {
        self.lock().now
    }

    fn fail(&self, error: Error) -> rusqlite::Error {
        let carried = rusqlite::Error::ModuleError(error.message.clone());
        self.lock().stopped.get_or_insert(error);
        carried
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
