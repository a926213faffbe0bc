//! Who is there? An address is turned into an id by a sealed hello, and, where datagrams stay unanswered, over a connection.

use crate::handshake::DialError;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::Life;
use rumormill_core::{Loss, NodeId, wire};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often a hello is sent before a connection is tried.
pub const TRIES_MAX: u32 = 5;
/// How long each hello is given.
pub const TRY_EVERY: Duration = Duration::from_millis(500);
/// Addresses asked at once.
pub const RESOLVES_MAX: usize = 256;

/// An address could not be turned into an id.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It is this very node.
    #[error("this is the node itself")]
    Myself,
    /// It is a copy of this node's identity, running in that life.
    #[error(
        "a copy of this node's own identity runs there: the data directory was copied, and one of the two will make itself a new identity"
    )]
    Copy(Life),
    /// Nobody listens there.
    #[error("nobody listens there")]
    Refused,
    /// No answer, neither by datagram nor over a connection.
    #[error("no answer: it is down, unreachable, or a member of another cluster")]
    TimedOut,
    /// Somebody listens there, but does not speak our language.
    #[error("what listens there is no member of this cluster: compare cluster name, key and port")]
    Stranger,
    /// The address is of a family that this node's socket does not reach.
    #[error("this node's socket cannot send to that address: bind to [::] to reach both IPv4 and IPv6")]
    Unreachable,
    /// Too many at once.
    #[error("already {RESOLVES_MAX} addresses are being resolved: try again later")]
    TooMany,
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// What a hello carries, and its answer brings back.
#[derive(Encode, Decode, CborLen)]
pub struct Nonce {
    /// Random.
    #[n(0)]
    pub nonce: u64,
}

/// What to do next about an address.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send a hello with this nonce.
    Hello(SocketAddr, u64),
    /// Try to connect.
    Connect(SocketAddr),
    /// It is settled.
    Nothing,
}

/// The addresses that are being resolved.
#[derive(Default)]
pub struct Resolves {
    pending: BTreeMap<u64, Pending>,
    tickets: u64,
}

struct Pending {
    address: SocketAddr,
    nonce: u64,
    tries: u32,
    reply: oneshot::Sender<Result<NodeId, ResolveError>>,
}

impl Resolves {
    /// Begins, and gives it a ticket; [`step`](Resolves::step) says what to do.
    pub fn begin(
        &mut self,
        address: SocketAddr,
        nonce: u64,
        reply: oneshot::Sender<Result<NodeId, ResolveError>>,
    ) -> Option<u64> {
        if self.pending.len() >= RESOLVES_MAX {
            let _ = reply.send(Err(ResolveError::TooMany));
            return None;
        }
        self.tickets += 1;
        self.pending.insert(self.tickets, Pending { address, nonce, tries: 0, reply });
        Some(self.tickets)
    }

    /// What to do now about that ticket, at the beginning and after each [`TRY_EVERY`].
    pub fn step(&mut self, ticket: u64) -> Step {
        match self.pending.get_mut(&ticket) {
            None => Step::Nothing,
            Some(pending) if pending.reply.is_closed() => {
                self.pending.remove(&ticket); // nobody waits any more
                Step::Nothing
            }
            Some(pending) if pending.tries < TRIES_MAX => {
                pending.tries += 1;
                Step::Hello(pending.address, pending.nonce)
            }
            Some(pending) => Step::Connect(pending.address),
        }
    }

    /// The nonce of a hello came back: settles what it belongs to, and returns which address was asked.
    pub fn answered(&mut self, content: &[u8], result: Result<NodeId, ResolveError>) -> Option<SocketAddr> {
        let Nonce { nonce } = wire::decode(content).ok()?;
        let (ticket, address) =
            self.pending.iter().find(|(_, p)| p.nonce == nonce).map(|(t, p)| (*t, p.address))?;
        self.settle(ticket, result);
        Some(address)
    }

    /// Tells the one who asked.
    pub fn settle(&mut self, ticket: u64, result: Result<NodeId, ResolveError>) {
        if let Some(pending) = self.pending.remove(&ticket) {
            let _ = pending.reply.send(result);
        }
    }
}

/// What a connection that failed says about an address; `mine` is my own life.
pub fn verdict(error: &DialError, mine: Life) -> ResolveError {
    match error {
        DialError::Lost(Loss::Refused) => ResolveError::Refused,
        DialError::Lost(Loss::Reset) | DialError::Refused(_) => ResolveError::Stranger,
        DialError::Lost(_) | DialError::Somebody(..) => ResolveError::TimedOut,
        DialError::Myself(life) if *life == mine => ResolveError::Myself,
        DialError::Myself(life) | DialError::Superseded(life) => ResolveError::Copy(*life),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1))
    }

    fn content(nonce: u64) -> Vec<u8> {
        let mut out = vec![];
        wire::put(&Nonce { nonce }, &mut out);
        out
    }

    #[test]
    fn five_hellos_are_sent_and_then_a_connection_is_tried() {
        let mut resolves = Resolves::default();
        let (reply, mut answer) = oneshot::channel();
        let ticket = resolves.begin(at(), 7, reply).unwrap();
        for _ in 0..TRIES_MAX {
            assert_eq!(resolves.step(ticket), Step::Hello(at(), 7));
        }
        assert_eq!(resolves.step(ticket), Step::Connect(at()));
        assert_eq!(resolves.answered(&content(8), Ok(NodeId(1))), None, "somebody else's nonce");
        assert_eq!(resolves.answered(&content(7), Ok(NodeId(1))), Some(at()), "late, but the answer");
        assert_eq!(resolves.step(ticket), Step::Nothing);
        assert_eq!(answer.try_recv().unwrap(), Ok(NodeId(1)));
    }

    #[test]
    fn what_nobody_waits_for_is_dropped_and_too_many_are_refused() {
        let mut resolves = Resolves::default();
        let waiting: Vec<_> = (0..RESOLVES_MAX)
            .map(|n| {
                let (reply, answer) = oneshot::channel();
                (resolves.begin(at(), n as u64, reply).unwrap(), answer)
            })
            .collect();
        let (reply, mut answer) = oneshot::channel();
        assert_eq!(resolves.begin(at(), 0, reply), None);
        assert_eq!(answer.try_recv().unwrap(), Err(ResolveError::TooMany));
        for (ticket, answer) in waiting {
            drop(answer);
            assert_eq!(resolves.step(ticket), Step::Nothing);
        }
        assert!(resolves.pending.is_empty());
    }
}
