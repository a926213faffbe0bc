//! PostgreSQL's protocol, version 3, so that psql, drivers and Grafana ask the same tables.
//!
//! `pgwire` is used here and nowhere else.
//!
//! | file | its job |
//! | --- | --- |
//! | `admission` | which connections are served |
//! | `activity` | when a connection is closed: silent, unused, or without a place |
//! | `connection` | the handlers of one connection, and its messages in turn |
//! | `intake` | messages are checked before they are decoded |
//! | `startup` | SCRAM-SHA-256, and what a client is told first |
//! | `handler` | a connection's state, and simple queries |
//! | `extended` | prepared statements and portals |
//! | `names` | the names of these |
//! | `command` | the statements of a text: queries, SHOW, SET, transactions, COPY |
//! | `settings` | what SET has set |
//! | `copy` | COPY … TO STDOUT |
//! | `encode` | cells in text and binary, parameters back |

mod activity;
mod admission;
mod command;
mod connection;
mod copy;
mod encode;
mod extended;
mod handler;
mod intake;
mod names;
mod settings;
mod startup;

pub use admission::{Admission, Bound, Place};

use crate::engine::Engine;
use activity::Activity;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The password, and bounds on the time of a connection.
#[derive(Clone)]
pub struct Options {
    /// The password; any name of a user will do.
    pub password: String,
    /// The time in which a client must have proved that it knows the password.
    pub login: Duration,
    /// A connection without a statement for so long is closed.
    pub idle: Duration,
}

impl Options {
    /// The defaults with that password.
    pub fn new(password: impl Into<String>) -> Self {
        Self { password: password.into(), login: Duration::from_secs(10), idle: Duration::from_secs(3_600) }
    }
}

/// After an accept that failed, as it does without free file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that are told at one time that there is no place; more are closed at once (our guess).
const REFUSALS_MAX: usize = 16;
/// The time that such an answer may take (our guess: a client says at once what it wants).
const REFUSAL: Duration = Duration::from_secs(2);

/// Serves PostgreSQL's protocol to the connections that `admission` admits. Dropping this future closes all of them.
///
/// # Errors
/// If the system gives no random numbers.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    options: Options,
    admission: impl Admission,
) -> std::io::Result<()> {
    let startup = startup::Startup::new(&options.password)?;
    let (mut connections, mut refusals) = (JoinSet::new(), JoinSet::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            Some(_) = refusals.join_next() => continue,
        };
        let Ok((socket, from)) = accepted else {
            admission.make_room();
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let place = match admission.admit(from.ip()) {
            Ok(place) => Arc::new(place),
            Err(why) => {
                if refusals.len() < REFUSALS_MAX {
                    refusals.spawn(tokio::time::timeout(REFUSAL, connection::refuse(socket, why)));
                }
                continue;
            }
        };
        let activity = Arc::new(Activity::new(place.clone()));
        let session = connection::Session::new(engine.clone(), &startup);
        let (login, idle) = (options.login, options.idle);
        connections.spawn(async move {
            tokio::select! {
                _ = connection::serve(socket, session, &activity) => {} // an error is the client's: it is gone
                () = activity.is_over(login, idle) => {}
                () = place.evicted() => {}
            }
        });
    }
}
