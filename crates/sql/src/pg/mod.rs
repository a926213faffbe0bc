//! PostgreSQL's protocol, version 3, so that psql, drivers and Grafana ask the same tables.
//!
//! `pgwire` is used here and nowhere else.
//!
//! | file | its job |
//! | --- | --- |
//! | `command` | the statements of a text: queries, SHOW, SET, transactions, COPY |
//! | `handler` | simple and extended queries |
//! | `startup` | SCRAM-SHA-256, and what a client is told first |
//! | `encode` | cells in text and binary, parameters back |
//! | `copy` | COPY … TO STDOUT |

mod command;
mod copy;
mod encode;
mod handler;
mod startup;

use crate::engine::Engine;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// The password, and bounds on connections.
#[derive(Clone)]
pub struct Options {
    /// The password; any name of a user will do.
    pub password: String,
    /// Connections at once; one more is closed at once.
    pub connections: usize,
    /// A connection without a statement for so long is closed.
    pub idle: Duration,
}

impl Options {
    /// The defaults with that password.
    pub fn new(password: impl Into<String>) -> Self {
        Self { password: password.into(), connections: 64, idle: Duration::from_secs(3_600) }
    }
}

/// After an accept that failed, as it does without free file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves PostgreSQL's protocol. Dropping this future closes all connections.
///
/// # Errors
/// If the system gives no random numbers.
pub async fn serve(listener: TcpListener, engine: Engine, options: Options) -> std::io::Result<()> {
    let places = Arc::new(Semaphore::new(options.connections));
    let startup = Arc::new(startup::Startup::new(&options.password)?);
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (socket, _) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (startup, engine, idle) = (startup.clone(), engine.clone(), options.idle);
        connections.spawn(async move {
            connection(socket, startup, engine, idle).await;
            drop(place);
        });
    }
}

async fn connection(socket: TcpStream, startup: Arc<startup::Startup>, engine: Engine, idle: Duration) {
    let activity = Arc::new(Activity::new());
    let session = handler::Session::new(engine, startup, activity.clone());
    tokio::select! {
        _ = pgwire::tokio::process_socket(socket, None, Arc::new(session)) => {}
        () = activity.quiet(idle) => {}
    }
}

/// The last use of a connection.
struct Activity {
    start: Instant,
    last: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }

    fn touch(&self) {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    /// Returns when nothing happened for `idle`.
    async fn quiet(&self, idle: Duration) {
        loop {
            let last = self.start + Duration::from_millis(self.last.load(Ordering::Relaxed));
            match (last + idle).checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => tokio::time::sleep(left).await,
                _ => return,
            }
        }
    }
}
