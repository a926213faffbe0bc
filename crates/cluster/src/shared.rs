//! The state that the node's task shares with the rest of a program: subscribers, pending publishes, open queries, awaited reports.

use crate::event::Event;
use crate::feed::Subscribers;
use crate::keys::{KeyOrder, Reports};
use crate::node::{Handle, WeakHandle};
use crate::queries::open::OpenQueries;
use rumormill_core::identity::NodeId;
use rumormill_protocols::spread::events::{EventId, Refusal};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// Orders about keys that wait; more are dropped, and the members repeat them (our guess).
const ORDERS_MAX: usize = 64;

/// Members that deliver an event, and some of those that have not confirmed it.
pub(crate) struct Covered {
    pub held: u32,
    pub asked: u32,
    pub missing: Vec<NodeId>,
}

/// A publish whose outcome is awaited.
struct Pending {
    queued: Option<oneshot::Sender<Result<EventId, Refusal>>>,
    covered: Option<oneshot::Sender<Covered>>,
}

/// Publishes whose outcome is awaited, by ticket.
#[derive(Default)]
pub(crate) struct Publishes {
    next: u64,
    pending: BTreeMap<u64, Pending>,
}

/// The outcome of a publish.
pub(crate) struct Receipt {
    pub ticket: u64,
    pub queued: oneshot::Receiver<Result<EventId, Refusal>>,
    pub covered: oneshot::Receiver<Covered>,
}

impl Publishes {
    /// A ticket for an event that is about to be published; `is_covered` if members are asked for it.
    pub fn open(&mut self, is_covered: bool) -> Receipt {
        let ((queued, when_queued), (covered, when_covered)) = (oneshot::channel(), oneshot::channel());
        self.next += 1;
        let covered = is_covered.then_some(covered);
        self.pending.insert(self.next, Pending { queued: Some(queued), covered });
        Receipt { ticket: self.next, queued: when_queued, covered: when_covered }
    }

    pub fn queued(&mut self, ticket: u64, outcome: Result<EventId, Refusal>) {
        let is_refused = outcome.is_err();
        let Some(pending) = self.pending.get_mut(&ticket) else { return };
        pending.queued.take().map(|queued| queued.send(outcome));
        if is_refused || pending.covered.is_none() {
            self.pending.remove(&ticket);
        }
    }

    pub fn covered(&mut self, ticket: u64, covered: Covered) {
        let pending = self.pending.remove(&ticket).and_then(|pending| pending.covered);
        pending.map(|sender| sender.send(covered));
    }
}

/// Shared by a node's task, its background tasks and its [`Cluster`](crate::Cluster).
pub(crate) struct Shared {
    pub subscribers: Subscribers<Event>,
    publishes: Mutex<Publishes>,
    queries: Mutex<OpenQueries>,
    handle: OnceLock<WeakHandle>,
    /// The state to be saved changed.
    pub changed: Notify,
    /// True if there is another live member.
    pub is_joined: watch::Sender<bool>,
    /// The other members know that this one leaves.
    pub left: watch::Sender<bool>,
    /// This id runs elsewhere in a greater life.
    pub superseded: watch::Sender<bool>,
    pub orders: mpsc::Sender<KeyOrder>,
    reports: Mutex<Reports>,
    /// Held while the keys of all members are changed through this one.
    pub changing_keys: tokio::sync::Mutex<()>,
}

impl Shared {
    pub fn new() -> (Arc<Shared>, mpsc::Receiver<KeyOrder>) {
        let (orders, to_do) = mpsc::channel(ORDERS_MAX);
        let shared = Shared {
            subscribers: Subscribers::default(),
            publishes: Mutex::default(),
            queries: Mutex::default(),
            handle: OnceLock::new(),
            changed: Notify::new(),
            is_joined: watch::Sender::new(false),
            left: watch::Sender::new(false),
            superseded: watch::Sender::new(false),
            orders,
            reports: Mutex::default(),
            changing_keys: tokio::sync::Mutex::default(),
        };
        (Arc::new(shared), to_do)
    }

    /// Must not be held across an await.
    pub fn publishes(&self) -> MutexGuard<'_, Publishes> {
        self.publishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Must not be held across an await.
    pub fn queries(&self) -> MutexGuard<'_, OpenQueries> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Must not be held across an await.
    pub fn reports(&self) -> MutexGuard<'_, Reports> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_handle(&self, handle: &Arc<Handle>) {
        let _ = self.handle.set(Arc::downgrade(handle)); // it is set once
    }

    pub fn handle(&self) -> WeakHandle {
        self.handle.get().cloned().unwrap_or_else(Weak::new)
    }

    /// The node has stopped: all that waits for it ends.
    pub fn close(&self) {
        self.subscribers.close();
        self.publishes().pending.clear();
        self.queries().begin_anew();
        self.reports().close_all();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
