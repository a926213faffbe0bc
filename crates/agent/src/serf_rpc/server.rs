//! The listener of Serf's RPC.

use super::{client, refuse};
use crate::admission::overflow::Refusals;
use crate::admission::{ACCEPT_RETRY, DRAIN_WAIT};
use crate::agent::{Agent, stopped};
use crate::token::Token;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Answers on `listener` until the agent stops. Without a token every client that reaches it may ask.
pub(crate) async fn serve(listener: TcpListener, agent: Arc<Agent>, token: Option<Arc<Token>>) {
    let mut stop = agent.stopping();
    let control = agent.admissions.serf_rpc.clone();
    let mut clients = JoinSet::new();
    let mut refusals = Refusals::new("Serf's RPC");
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
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
