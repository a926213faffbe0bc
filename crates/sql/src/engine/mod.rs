//! Statements on threads of their own, within limits.
//!
//! | file | its job |
//! | --- | --- |
//! | `pool` | threads: started at the first statement, ended when idle; the queue |
//! | `plans` | plans of the statements that were asked last |
//! | `memory` | SQLite's memory, counted by thread |
//! | `session` | what a thread knows of the statement that it runs: deadline, memory, copies of tables |
//! | `connection` | an SQLite connection that can only read our tables |
//! | `table` | a table of the source as a virtual table |
//! | `run` | one statement, from its text to its rows |

mod connection;
mod memory;
mod plans;
mod pool;
mod run;
mod session;
mod table;

pub use memory::count_memory_by_thread;
#[cfg(feature = "pg")]
pub use session::out_of_time;

use crate::error::{Error, SqlState};
use crate::plan::Plan;
use crate::source::Source;
use crate::types::{OutColumn, Type};
use rumormill_core::table::{Cell, Table};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// Bounds on the time, memory and rows of statements.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest run of a statement, with the time that it waits for a thread.
    pub timeout: Duration,
    /// Bytes for one statement: SQLite's memory, the copies of tables, and the rows of the answer.
    pub memory: usize,
    /// Statements that run at once.
    pub at_once: usize,
    /// Statements that wait for a thread; one more is refused.
    pub waiting: usize,
    /// Rows of an answer.
    pub rows: usize,
    /// Bytes of a statement's text.
    pub text: usize,
    /// A thread ends, with its connection, when it had nothing to do for so long.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            memory: 64 << 20,
            at_once: 2,
            waiting: 32,
            rows: 1_000_000,
            text: 64 << 10,
            idle: Duration::from_secs(60),
        }
    }
}

/// A query with all that belongs to it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Its text.
    pub sql: String,
    /// The types of parameters that the client names; the others follow from their places.
    pub given: Vec<Option<Type>>,
    /// The values of its parameters.
    pub params: Vec<Cell>,
    /// Its longest run, if shorter than the engine's.
    pub timeout: Option<Duration>,
}

/// A query's parameters and columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The types of its parameters.
    pub params: Vec<Type>,
    /// The columns of its answer.
    pub columns: Vec<OutColumn>,
}

impl Described {
    fn of(plan: &Plan) -> Self {
        Self { params: plan.params.clone(), columns: plan.columns.clone() }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Its columns.
    pub columns: Vec<OutColumn>,
    /// Its rows; each has one cell per column.
    pub rows: Vec<Vec<Cell>>,
}

/// Answers statements about the tables of a source. Clones share their threads.
#[derive(Clone)]
pub struct Engine {
    pool: Arc<pool::Pool>,
}

/// Cancels a statement, whether it waits or runs.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// The statement ends with 57014 as soon as it notices.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True once somebody has called [`Cancel::cancel`].
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Engine {
    /// An engine for the tables of `source`. It starts no thread before the first statement.
    pub fn new(source: Arc<dyn Source>, limits: Limits) -> Self {
        count_memory_by_thread();
        Self { pool: Arc::new(pool::Pool::new(source, limits)) }
    }

    /// The definitions of the tables.
    pub fn tables(&self) -> &[&'static Table] {
        self.pool.tables()
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        self.pool.limits()
    }

    /// Answers a statement, and blocks until then: not for a thread that runs async tasks.
    ///
    /// # Errors
    /// Whatever is wrong with the statement, and if it exceeds a limit.
    pub fn query(&self, sql: &str, params: &[Cell]) -> Result<Rows, Error> {
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let cancel = self.submit(sql, params, move |answer| _ = send.send(answer));
        // The thread notices its deadline between two steps of SQLite; a long step must not delay the caller.
        match receive.recv_timeout(self.limits().timeout + Duration::from_millis(25)) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                cancel.cancel();
                Err(session::out_of_time(self.limits().timeout))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(Error::new(SqlState::INTERNAL, "the thread of the statement ended without an answer"))
            }
        }
    }

    /// Answers a statement by a call of `done`, on an SQL thread. Does not block.
    pub fn submit(
        &self,
        sql: &str,
        params: &[Cell],
        done: impl FnOnce(Result<Rows, Error>) + Send + 'static,
    ) -> Cancel {
        let request = Request { sql: sql.to_owned(), params: params.to_vec(), ..Request::default() };
        self.submit_request(request, done)
    }

    /// The same with types of parameters that the client names, and a time of its own, which can only be shorter.
    pub fn submit_request(
        &self,
        request: Request,
        done: impl FnOnce(Result<Rows, Error>) + Send + 'static,
    ) -> Cancel {
        let cancel = Cancel::default();
        let timeout = request.timeout.unwrap_or(Duration::MAX).min(self.limits().timeout);
        self.pool.submit(pool::Job {
            work: pool::Work::Run(request, Box::new(done)),
            cancel: cancel.clone(),
            timeout,
            deadline: Instant::now() + timeout,
        });
        cancel
    }

    /// The types of a query's parameters and columns, without running it, by a call of `done`: at once if its plan is kept, else on an SQL thread. `given`
    /// are types of parameters that the client names.
    pub fn submit_describe(
        &self,
        sql: &str,
        given: Vec<Option<Type>>,
        done: impl FnOnce(Result<Described, Error>) + Send + 'static,
    ) {
        if let Some(known) = self.pool.known(sql, &given) {
            return done(Ok(known));
        }
        let timeout = self.limits().timeout;
        self.pool.submit(pool::Job {
            work: pool::Work::Describe(sql.to_owned(), given, Box::new(done)),
            cancel: Cancel::default(),
            timeout,
            deadline: Instant::now() + timeout,
        });
    }
}
