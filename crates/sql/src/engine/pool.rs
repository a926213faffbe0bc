//! Threads for statements: started at the first one, ended when idle.

use super::connection::Connection;
use super::plans::Plans;
use super::run::{plan_of, run};
use super::{Cancel, Described, Limits, Request, Rows};
use crate::catalog::Catalog;
use crate::error::{Error, SqlState};
use crate::plan::Plan;
use crate::source::Source;
use crate::types::Type;
use rumormill_core::table::Table;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of a thread's stack. Only what is used becomes resident.
const STACK: usize = 8 << 20;
/// Added to the niceness of an SQL thread: the node's own thread comes first.
const NICE: i32 = 5;

/// A statement.
pub struct Job {
    pub work: Work,
    pub cancel: Cancel,
    pub timeout: Duration,
    pub deadline: Instant,
}

/// A request, and the one to tell its answer.
pub enum Work {
    Run(Request, Box<dyn FnOnce(Result<Rows, Error>) + Send>),
    Describe(String, Vec<Option<Type>>, Box<dyn FnOnce(Result<Described, Error>) + Send>),
}

impl Work {
    fn refuse(self, error: Error) {
        match self {
            Self::Run(_, done) => done(Err(error)),
            Self::Describe(_, _, done) => done(Err(error)),
        }
    }
}

pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    catalog: Arc<Catalog>,
    tables: Vec<&'static Table>,
    limits: Limits,
    plans: Plans,
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
        let catalog = Arc::new(Catalog::new(source));
        let (plans, state, wake) = (Plans::default(), Mutex::default(), Condvar::new());
        let shared = Shared { catalog, tables, limits, plans, state, wake };
        Self { shared: Arc::new(shared) }
    }

    pub fn tables(&self) -> &[&'static Table] {
        &self.shared.tables
    }

    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// The description of a statement whose plan is kept, which needs no thread.
    pub fn known(&self, sql: &str, given: &[Option<Type>]) -> Option<Described> {
        self.shared.plans.find(sql, given).map(|plan| Described::of(&plan))
    }

    pub fn submit(&self, job: Job) {
        let mut state = self.shared.lock();
        if state.idle == 0 && state.queue.len() >= self.shared.limits.waiting {
            drop(state);
            let error = Error::new(SqlState::TOO_MANY, "too many statements run and wait already");
            return job.work.refuse(error.hint("Try again later."));
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
                    let message = format!("cannot start a thread for SQL: {e}");
                    job.work.refuse(Error::new(SqlState::TOO_MANY, message));
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
            job.work.refuse(Error::new(SqlState::SHUTDOWN, "the SQL engine ends"));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plan of a statement.
    fn plan(&self, sql: &str, given: &[Option<Type>]) -> Result<Arc<Plan>, Error> {
        self.plans.plan(sql, given, || plan_of(self.catalog.schema(), sql, given, self.limits.text))
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
                return None;
            }
            state.idle += 1;
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
        }
    }
}

/// Counts a thread for as long as it lives, even if it panics.
struct Alive<'a>(&'a Shared);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
    }
}

/// The life of one SQL thread. It keeps one connection.
fn work(shared: &Shared) {
    let _alive = Alive(shared);
    // Best effort: without the right to it the thread runs at its old priority.
    _ = rustix::process::nice(NICE);
    let mut connection = None;
    while let Some(job) = shared.next() {
        let Job { work, cancel, timeout, deadline } = job;
        match work {
            Work::Run(request, done) => {
                let plan = shared.plan(&request.sql, &request.given);
                done(plan.and_then(|plan| {
                    session(shared, &mut connection, cancel, deadline, timeout, |connection| {
                        run(connection, &plan, &request.params)
                    })
                }));
            }
            Work::Describe(sql, given, done) => {
                done(shared.plan(&sql, &given).map(|plan| Described::of(&plan)));
            }
        }
    }
}

/// Runs a statement on the thread's connection, which is opened if there is none.
fn session(
    shared: &Shared,
    connection: &mut Option<Connection>,
    cancel: Cancel,
    deadline: Instant,
    timeout: Duration,
    statement: impl FnOnce(&Connection) -> Result<Rows, Error>,
) -> Result<Rows, Error> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(Connection::open(&shared.catalog, &shared.limits)?),
    };
    open.session().begin(cancel, deadline, timeout);
    let answer = open.session().charge(0).and_then(|()| statement(open));
    // Why it stopped is known better than what SQLite made of it.
    let answer = open.session().end().map_or(answer, Err);
    if answer.is_err() {
        // A connection that was stopped in the middle of a statement gives its memory back.
        *connection = None;
    }
    answer
}
