//! Serf's RPC protocol, so that the `serf` command and the libraries made for it work with this agent unchanged.
//!
//! | module | what it does |
//! | --- | --- |
//! | `client` | one connection: who may ask, and the one match over all commands |
//! | `members` | members, joining, leaving, forgetting, tags |
//! | `events` | publishing events, and streams of what happens |
//! | `queries` | asking members, and answering them |
//! | `keys` | the cluster's keys |
//! | `monitor` | log lines as they come |
//! | `refuse` | the answer to a client for which there is no room |
//! | `stats` | figures about this agent |
//! | [`codec`] | where one MessagePack value ends, and what is in it |
//! | `messages` | what is said, as types |
//!
//! Version 1, as Serf 0.9.4 speaks it: over TCP a client sends a header `{Command, Seq}` and, for most commands, a body; the agent answers with a
//! header `{Error, Seq}` and, for some, a body. Records of streams come under the `Seq` of the request that began them.
//!
//! What a client costs is bounded: clients, bytes of a request, streams, and what waits to be written to it. A stream owns no more than a place in
//! the agent's own bounded logs, so one that is read too slowly misses something, which is counted, and delays nobody.

mod client;
pub mod codec;
mod events;
mod keys;
mod members;
mod messages;
mod monitor;
mod queries;
mod refuse;
mod stats;

use crate::api::guard::Token;
use crate::api::refuse::Refusals;
use crate::api::serve::{ACCEPT_RETRY, DRAIN_WAIT, told};
use crate::metrics::Table;
use crate::run::Agent;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Clients at one time; for one more, the one that has been silent longest is closed, and where all are being served it is refused with an error
/// (our guess: half of what the HTTP API takes).
pub const CLIENTS_MAX: usize = 64;
/// Streams, monitors and queries of one client at one time (our guess).
pub const STREAMS_MAX: usize = 16;
/// Answers and records that wait to be written to one client; its own streams and requests wait beyond it (our guess).
pub const QUEUE_MAX: usize = 64;
/// How long a client may take until it has said hello, and who it is (our guess).
pub const HELLO_WAIT: Duration = Duration::from_secs(10);

/// What is counted of all clients.
#[derive(Debug, Default)]
pub struct Counters {
    clients: AtomicU64,
    accepted: AtomicU64,
    commands: AtomicU64,
    refused: AtomicU64,
    events_missed: AtomicU64,
    logs_missed: AtomicU64,
    queries_missed: AtomicU64,
}

impl Counters {
    /// Adds them to what is scraped.
    pub fn count(&self, table: &mut Table) {
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        table.gauge("serf_rpc_clients", "Clients of Serf's RPC now", &[], load(&self.clients) as f64);
        table.count("serf_rpc_accepted", "Clients of Serf's RPC accepted", &[], load(&self.accepted));
        table.count("serf_rpc_commands", "Commands of Serf's RPC", &[], load(&self.commands));
        let help = "Commands of Serf's RPC that were answered with an error";
        table.count("serf_rpc_refused", help, &[], load(&self.refused));
        let missed =
            [("events", &self.events_missed), ("logs", &self.logs_missed), ("queries", &self.queries_missed)];
        for (what, counter) in missed {
            let help = "What clients of Serf's RPC missed because they read too slowly";
            table.count("serf_rpc_missed", help, &[("what", what)], load(counter));
        }
    }
}

/// Answers on `listener` until the agent stops. Without a token whoever reaches it may ask.
pub async fn serve(listener: TcpListener, agent: Arc<Agent>, token: Option<Arc<Token>>) {
    let mut stop = agent.stopping();
    let control = agent.admissions.serf_rpc.clone();
    let mut clients = JoinSet::new();
    let mut refusals = Refusals::new("Serf's RPC");
    loop {
        tokio::select! {
            () = told(&mut stop) => break,
            Some(_) = clients.join_next() => {}
            accepted = listener.accept() => match accepted.and_then(ready) {
                Ok((stream, from)) => match control.admit(from.ip()) {
                    Ok(place) => {
                        clients.spawn(client::serve(stream, place, agent.clone(), token.clone()));
                    }
                    Err(full) => refusals.refuse(refuse::refuse(stream, full)),
                }
                Err(error) => {
                    control.evict_silent();
                    tracing::warn!(%error, "Serf's RPC cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
    drop(listener);
    let drained = async { while clients.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN_WAIT, drained).await; // what is left is cut
}

/// Answers leave at once, and a client whose machine is gone is noticed by the kernel.
fn ready((stream, from): (TcpStream, SocketAddr)) -> std::io::Result<(TcpStream, SocketAddr)> {
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
    Ok((stream, from))
}
