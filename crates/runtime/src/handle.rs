//! How the rest of a program talks to a running node.

use crate::counters::{Counters, Snapshot};
use crate::effects::View;
use crate::faults::Faults;
use crate::hello::ResolveError;
use crate::key_recovery::RecoveryPacket;
use crate::keyring::Keyring;
use crate::strangers::Strangers;
use rumormill_core::identity::Life;
use rumormill_core::{NodeId, Peers, Protocol};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// What waits for the node's task: more callers wait.
pub const COMMANDS_MAX: usize = 256;

/// The node has stopped.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node has stopped")]
pub struct Stopped;

/// A look at the node, to be taken by its task.
pub(crate) type Inspection<P> = Box<dyn FnOnce(&P, &View<'_>) + Send>;

/// What is asked of the node's task.
pub(crate) enum Command<P: Protocol> {
    Call(P::Call),
    Meet(Peers),
    Inspect(Inspection<P>),
    Resolve(SocketAddr, oneshot::Sender<Result<NodeId, ResolveError>>),
    Connect(SocketAddr, oneshot::Sender<Result<NodeId, ResolveError>>),
    RequestKeys(SocketAddr, Vec<u8>),
    GrantKeys(Box<RecoveryPacket>),
    Shutdown(oneshot::Sender<()>),
}

/// A running node. A clone talks to the same one; when the last is dropped, the node stops.
pub struct Handle<P: Protocol> {
    pub(crate) commands: mpsc::Sender<Command<P>>,
    pub(crate) keyring: Keyring,
    pub(crate) counters: Arc<Counters>,
    pub(crate) faults: Faults,
    pub(crate) strangers: Arc<Strangers>,
    pub(crate) me: NodeId,
    pub(crate) life: Life,
    pub(crate) local: SocketAddr,
}

impl<P: Protocol> Clone for Handle<P> {
    fn clone(&self) -> Self {
        Handle {
            commands: self.commands.clone(),
            keyring: self.keyring.clone(),
            counters: self.counters.clone(),
            faults: self.faults.clone(),
            strangers: self.strangers.clone(),
            me: self.me,
            life: self.life,
            local: self.local,
        }
    }
}

impl<P: Protocol> std::fmt::Debug for Handle<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({} at {})", self.me, self.local)
    }
}

impl<P: Protocol> Handle<P> {
    /// Who this is.
    pub fn me(&self) -> NodeId {
        self.me
    }

    /// In which life.
    pub fn life(&self) -> Life {
        self.life
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Asks something of the protocol. Waits only while [`COMMANDS_MAX`] requests are ahead; what comes of it is told by events.
    pub async fn call(&self, call: P::Call) -> Result<(), Stopped> {
        self.send(Command::Call(call)).await
    }

    /// Gives the node these peers in place of those before: for protocols without a membership beneath.
    pub async fn meet(&self, peers: Peers) -> Result<(), Stopped> {
        self.send(Command::Meet(peers)).await
    }

    /// Looks at the protocol's state, in the task that owns it: be brief.
    pub async fn inspect<R: Send + 'static>(
        &self,
        look: impl FnOnce(&P, &View<'_>) -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        let (reply, answer) = oneshot::channel();
        let look = move |node: &P, view: &View<'_>| {
            let _ = reply.send(look(node, view));
        };
        self.send(Command::Inspect(Box::new(look))).await?;
        answer.await.map_err(|_| Stopped)
    }

    /// Finds out who is at `address`: five hellos in 2.5 s, then a connection, which takes at most 6 s.
    pub async fn resolve(&self, address: SocketAddr) -> Result<NodeId, ResolveError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Resolve(address, reply)).await.map_err(|_| ResolveError::Stopped)?;
        answer.await.unwrap_or(Err(ResolveError::Stopped))
    }

    /// Finds out who accepts connections at `address`, without a datagram: at most 6 s.
    pub async fn connect(&self, address: SocketAddr) -> Result<NodeId, ResolveError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Connect(address, reply)).await.map_err(|_| ResolveError::Stopped)?;
        answer.await.unwrap_or(Err(ResolveError::Stopped))
    }

    /// Where packets come from that this node cannot open.
    pub fn strangers(&self) -> &Arc<Strangers> {
        &self.strangers
    }

    /// Requests the cluster's keys from the node at `address`, once. A grant goes to [`App::key_recovery`](crate::App::key_recovery).
    pub async fn request_keys(&self, address: SocketAddr, content: Vec<u8>) -> Result<(), Stopped> {
        self.send(Command::RequestKeys(address, content)).await
    }

    /// Answers a request for keys with this content.
    pub async fn grant_keys(&self, request: RecoveryPacket, content: Vec<u8>) -> Result<(), Stopped> {
        self.send(Command::GrantKeys(Box::new(RecoveryPacket { content, ..request }))).await
    }

    /// The cluster's keys; what is changed there counts from the next packet on.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// What was sent, received and lost so far.
    pub fn counters(&self) -> Snapshot {
        self.counters.snapshot()
    }

    /// Faults on purpose.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Stops the node: what waits on connections is given a second to leave. Does not say goodbye to the cluster, which is the
    /// protocol's to do before.
    pub async fn shutdown(&self) {
        let (reply, answer) = oneshot::channel();
        if self.send(Command::Shutdown(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// Waits until the node has stopped.
    pub async fn stopped(&self) {
        self.commands.closed().await;
    }

    async fn send(&self, command: Command<P>) -> Result<(), Stopped> {
        self.commands.send(command).await.map_err(|_| Stopped)
    }
}
