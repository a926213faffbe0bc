//! A thread's state for the statement that it runs: deadline, memory, copies of tables.

use super::{Cancel, Limits, memory};
use crate::catalog::Catalog;
use crate::error::{Error, SqlState};
use crate::functions::Host;
use crate::schema::Entry;
use crate::source::Wanted;
use rumormill_core::table::Cell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Rows that are copied between two looks at the statement's bounds.
const ROWS_PER_LOOK: usize = 64;
/// Bytes that functions read and make between two looks at the clock.
const WORK_PER_LOOK: usize = 4 << 10;

/// The rows of a table, copied for one statement: those of its columns that the statement reads.
pub struct Copy {
    /// The place of each column of the table among the cells of a row here; none if it is not copied.
    places: Vec<Option<usize>>,
    width: usize,
    rows: usize,
    cells: Vec<Cell>,
}

impl Copy {
    fn of(columns: usize, wanted: Wanted) -> Self {
        let mut width = 0;
        let place = |column| {
            let is_wanted = wanted.has(column);
            width += usize::from(is_wanted);
            is_wanted.then(|| width - 1)
        };
        Self { places: (0..columns).map(place).collect(), width, rows: 0, cells: Vec::new() }
    }

    /// Adds a row. Returns its bytes here.
    fn add(&mut self, row: Vec<Cell>) -> usize {
        let from = self.cells.len();
        let wanted = row.into_iter().zip(&self.places).filter_map(|(cell, place)| place.map(|_| cell));
        self.cells.extend(wanted);
        self.rows += 1;
        self.cells[from..].iter().map(size).sum()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A cell; none if the column is not copied.
    pub fn cell(&self, row: usize, column: usize) -> Option<&Cell> {
        let place = (*self.places.get(column)?)?;
        self.cells.get(row * self.width + place)
    }
}

/// One per connection. All its users run on the connection's thread; the lock is for the compiler.
pub struct Session {
    catalog: Arc<Catalog>,
    limits: Limits,
    statement: Mutex<Statement>,
    /// Bytes that functions have read and made since the last look at the clock.
    work: AtomicUsize,
}

struct Statement {
    cancel: Cancel,
    deadline: Instant,
    timeout: Duration,
    /// The start, microseconds since 1970.
    now: i64,
    /// SQLite's memory when the statement began.
    baseline: isize,
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
        Self { catalog, limits, statement: Mutex::new(statement), work: AtomicUsize::new(0) }
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
        statement.baseline = memory::held();
        statement.held = 0;
        statement.stopped = None;
        memory::bound(self.limits.memory);
    }

    /// Forgets the copies. Answers why the statement was stopped, if it was.
    pub fn end(&self) -> Option<Error> {
        memory::unbound();
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
        let of_sqlite = memory::held().saturating_sub(statement.baseline);
        let used = statement.held.saturating_add_signed(of_sqlite);
        memory::bound(self.limits.memory.saturating_sub(used));
        let error = if statement.cancel.is_cancelled() {
            Error::new(SqlState::CANCELED, "canceling statement due to user request")
        } else if Instant::now() >= statement.deadline {
            out_of_time(statement.timeout)
        } else if used > self.limits.memory {
            out_of_memory(&self.limits)
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
        let (table, width) = (entry.table, entry.table.columns.len());
        let mut copy = Copy::of(width, wanted);
        let (mut wrong, mut bytes) = (None, 0);
        let read = self.catalog.rows(entry, wanted, &mut |row| {
            if row.len() != width {
                let message = format!("a row of {} has {} cells, not {width}", table.name, row.len());
                wrong = Some(Error::new(SqlState::INTERNAL, message));
                return ControlFlow::Break(());
            }
            bytes += copy.add(row);
            if !copy.rows.is_multiple_of(ROWS_PER_LOOK) {
                return ControlFlow::Continue(());
            }
            match self.charge(std::mem::take(&mut bytes)) {
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
        self.charge(bytes)?;
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

    fn worked(&self, bytes: usize) -> Result<(), Error> {
        let work = self.work.load(Ordering::Relaxed) + bytes;
        let is_much = work >= WORK_PER_LOOK;
        self.work.store(if is_much { 0 } else { work }, Ordering::Relaxed);
        if is_much { self.charge(0) } else { Ok(()) }
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

/// The statement's memory is used up.
pub fn out_of_memory(limits: &Limits) -> Error {
    let message = format!("the statement needs more than {} MiB", limits.memory >> 20);
    let error = Error::new(SqlState::OUT_OF_MEMORY, message);
    error.hint("Read fewer columns or rows, or sort and join less.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_holds_the_columns_that_are_read_and_counts_rows_without_any() {
        let row = |text: &str| vec![Cell::Int(1), Cell::from(text), Cell::Bool(true)];
        let mut copy = Copy::of(3, Wanted::NONE.with(1));
        assert_eq!(copy.add(row("a")), size(&Cell::from("a")));
        copy.add(row("b"));
        assert_eq!((copy.rows(), copy.cells.len()), (2, 2));
        assert_eq!((copy.cell(1, 1), copy.cell(1, 0), copy.cell(2, 1)), (Some(&Cell::from("b")), None, None));
        let mut none = Copy::of(3, Wanted::NONE);
        assert_eq!((none.add(row("a")), none.rows(), none.cell(0, 1)), (0, 1, None));
    }
}
