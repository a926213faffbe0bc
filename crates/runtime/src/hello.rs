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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    #[error("no answer by UDP or TCP")]
    TimedOut,
    /// Somebody listens there, and answers nothing that is sealed with this node's key.
    #[error(
        "the key or cluster name differs: what listens there opens nothing sealed with this node's key, or is no rumormill agent"
    )]
    Stranger,
    /// A member of a cluster of another name answers, which holds the same key.
    #[error("the cluster name differs: the member there holds the same key, but its cluster is {}", name(.0.as_deref()))]
    OtherCluster(Option<String>),
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

fn name(cluster: Option<&str>) -> String {
    cluster.map_or_else(|| "another".into(), |name| format!("named {name:?}"))
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
    /// The number of the first packet that may ask for it: a refusal of an earlier one is an old one.
    since: u64,
    /// A member of another cluster refused a hello.
    is_refused: bool,
    tries: u32,
    reply: oneshot::Sender<Result<NodeId, ResolveError>>,
}

impl Resolves {
    /// Begins, and gives it a ticket; [`step`](Resolves::step) says what to do.
    pub fn begin(
        &mut self,
        address: SocketAddr,
        nonce: u64,
        since: u64,
        reply: oneshot::Sender<Result<NodeId, ResolveError>>,
    ) -> Option<u64> {
        if self.pending.len() >= RESOLVES_MAX {
            let _ = reply.send(Err(ResolveError::TooMany));
            return None;
        }
        self.tickets += 1;
        let fresh = Pending { address, nonce, since, is_refused: false, tries: 0, reply };
        self.pending.insert(self.tickets, fresh);
        Some(self.tickets)
    }

    /// No datagram is to be sent for that ticket: a connection is tried at once.
    pub fn only_connect(&mut self, ticket: u64) {
        if let Some(pending) = self.pending.get_mut(&ticket) {
            pending.tries = TRIES_MAX;
        }
    }

    /// A member of another cluster refused the hello of that number: a connection, over which it says more, is tried at once. Returns the ticket.
    pub fn refused(&mut self, source: SocketAddr, counter: u64) -> Option<u64> {
        let asked = |p: &Pending| p.address == source && counter >= p.since && !p.is_refused;
        let (ticket, pending) = self.pending.iter_mut().find(|(_, pending)| asked(pending))?;
        let is_connecting = std::mem::replace(&mut pending.tries, TRIES_MAX) > TRIES_MAX;
        pending.is_refused = true;
        (!is_connecting).then_some(*ticket)
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
            Some(pending) if pending.tries == TRIES_MAX => {
                pending.tries += 1;
                Step::Connect(pending.address)
            }
            Some(_) => Step::Nothing, // the connection will tell
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
            let is_mute = matches!(result, Err(ResolveError::TimedOut | ResolveError::Refused));
            let result =
                if is_mute && pending.is_refused { Err(ResolveError::OtherCluster(None)) } else { result };
            let _ = pending.reply.send(result);
        }
    }
}

/// What a connection that failed says about an address; `mine` is my own life.
pub fn verdict(error: &DialError, mine: Life) -> ResolveError {
    match error {
        DialError::Lost(Loss::Refused) => ResolveError::Refused,
        DialError::Lost(Loss::Reset) | DialError::Refused(_) => ResolveError::Stranger,
        DialError::OtherCluster(name) => ResolveError::OtherCluster(name.clone()),
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
        let ticket = resolves.begin(at(), 7, 0, reply).unwrap();
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
    fn a_refusal_of_this_hello_leads_to_a_connection_at_once_and_an_old_one_to_nothing() {
        let mut resolves = Resolves::default();
        let (reply, mut answer) = oneshot::channel();
        let ticket = resolves.begin(at(), 7, 20, reply).unwrap();
        assert_eq!(resolves.step(ticket), Step::Hello(at(), 7));
        assert_eq!(resolves.refused(at(), 19), None, "recorded earlier");
        assert_eq!(resolves.refused(SocketAddr::from(([127, 0, 0, 2], 1)), 20), None, "from elsewhere");
        assert_eq!(resolves.refused(at(), 20), Some(ticket));
        assert_eq!(resolves.step(ticket), Step::Connect(at()));
        assert_eq!(resolves.step(ticket), Step::Nothing, "one connection is enough");
        resolves.settle(ticket, Err(ResolveError::TimedOut));
        assert_eq!(answer.try_recv().unwrap(), Err(ResolveError::OtherCluster(None)));
    }

    #[test]
    fn what_nobody_waits_for_is_dropped_and_too_many_are_refused() {
        let mut resolves = Resolves::default();
        let waiting: Vec<_> = (0..RESOLVES_MAX)
            .map(|n| {
                let (reply, answer) = oneshot::channel();
                (resolves.begin(at(), n as u64, 0, reply).unwrap(), answer)
            })
            .collect();
        let (reply, mut answer) = oneshot::channel();
        assert_eq!(resolves.begin(at(), 0, 0, reply), None);
        assert_eq!(answer.try_recv().unwrap(), Err(ResolveError::TooMany));
        for (ticket, answer) in waiting {
            drop(answer);
            assert_eq!(resolves.step(ticket), Step::Nothing);
        }
        assert!(resolves.pending.is_empty());
    }
}
