//! Threads for statements: started at the first one, ended when idle.

use super::connection::Connection;
use super::{Cancel, Limits, Rows};
use crate::error::{Error, SqlState};
use crate::source::Source;
use rumormill_core::table::{Cell, Table};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Bytes of a thread's stack. Only what is used becomes resident.
const STACK: usize = 8 << 20;
/// Added to the niceness of an SQL thread: the node's own thread comes first.
const NICE: i32 = 5;

/// A statement, and whom to tell.
pub struct Job {
    pub sql: String,
    pub params: Vec<Cell>,
    pub cancel: Cancel,
    pub deadline: Instant,
    pub done: Box<dyn FnOnce(Result<Rows, Error>) + Send>,
}

pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    source: Arc<dyn Source>,
    tables: Vec<&'static Table>,
    limits: Limits,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Pool {
    pub fn new(source: Arc<dyn Source>, limits: Limits) -> Self {
        let tables = source.tables();
        let shared = Shared { source, tables, limits, state: Mutex::default(), wake: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    pub fn tables(&self) -> &[&'static Table] {
        &self.shared.tables
    }

    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub fn submit(&self, job: Job) {
        let mut state = self.shared.lock();
        if state.idle == 0 && state.queue.len() >= self.shared.limits.waiting {
            drop(state);
            let error = Error::new(SqlState::TOO_MANY, "too many statements run and wait already");
            return (job.done)(Err(error.hint("Try again later.")));
        }
        state.queue.push_back(job);
        if state.idle >= state.queue.len() || state.threads >= self.shared.limits.at_once.max(1) {
            self.shared.wake.notify_one();
            return;
        }
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name("sql".into()).stack_size(STACK);
        match thread.spawn(move || work(&shared)) {
            Ok(_) => state.threads += 1,
            Err(e) if state.threads == 0 => {
                let job = state.queue.pop_back();
                drop(state);
                if let Some(job) = job {
                    (job.done)(Err(Error::new(
                        SqlState::TOO_MANY,
                        format!("cannot start a thread for SQL: {e}"),
                    )));
                }
            }
            Err(_) => {}
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let left = std::mem::take(&mut state.queue);
        drop(state);
        self.shared.wake.notify_all();
        for job in left {
            (job.done)(Err(Error::new(SqlState::SHUTDOWN, "the SQL engine ends")));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; none if the thread should end.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        let until = Instant::now() + self.limits.idle;
        loop {
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            let left = until.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
        }
    }
}

/// The life of one SQL thread. It keeps one connection.
fn work(shared: &Shared) {
    // Best effort: without the right to it the thread runs at its old priority.
    _ = rustix::process::nice(NICE);
    let mut connection = None;
    while let Some(job) = shared.next() {
        let answer = answer(shared, &mut connection, &job);
        if answer.is_err() {
            // A connection that was stopped in the middle of a statement gives its memory back.
            connection = None;
        }
        (job.done)(answer);
    }
}

fn answer(shared: &Shared, connection: &mut Option<Connection>, job: &Job) -> Result<Rows, Error> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(Connection::open(&shared.source, &shared.tables, &shared.limits)?),
    };
    connection.session().begin(job.cancel.clone(), job.deadline);
    let answer = super::run::run(connection, &job.sql, &job.params);
    let stopped = connection.session().end();
    match stopped {
        Some(stopped) => Err(stopped),
        None => answer,
    }
}
