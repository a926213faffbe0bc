//! Keys in memory, besides the ring: removed keys, requests of other members, and receivers of reports.

use crate::agent::Agent;
use crate::features::keys::grant::Asking;
use crate::states::lock;
use crate::warnings::About;
use rumormill_core::identity::NodeId;
use rumormill_protocols::agree::keys::{Kept, Order, Removed, Report};
use rumormill_runtime::RecoveryPacket;
use rumormill_runtime::keyring::{Fingerprint, Keyring};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use tokio::sync::{Notify, mpsc, oneshot};

/// This node was given keys that it cannot use. Cleared once it takes some.
pub(super) const NOT_TAKEN: About = About("keys_not_taken");
/// A note: what the start found of keys.
pub(super) const NOTED: About = About("keys_noted");
/// The keyring is not in its file. Cleared once it is.
pub(super) const UNSAVED: About = About("keys_unsaved");
/// Requests of other members that wait; more are dropped, and the members repeat them (our guess).
const REQUESTS_MAX: usize = 64;

/// A request of another member.
pub(crate) enum Request {
    /// Carry out an order, and report.
    Order { by: NodeId, serial: u64, order: Order },
    /// Key recovery: a request, or a grant.
    Recovery(Box<RecoveryPacket>),
}

/// A member and its report; none if it did not answer.
type Answer = (NodeId, Option<Report>);

/// A request for the keys that no member has granted yet.
pub struct Waiting {
    pub(super) asking: Asking,
    pub(super) reply: oneshot::Sender<NodeId>,
}

/// State of the cluster's keys besides the ring.
pub(crate) struct KeyState {
    /// Held while the ring is changed and kept, and while the key file is read again.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Held while all members are asked.
    pub(super) asking: tokio::sync::Mutex<()>,
    pub(super) removed: Mutex<Vec<Removed>>,
    /// A key was removed: its grace may be the next that ends.
    pub(super) removal: Notify,
    /// What the key file held when it was last read or written.
    pub(crate) file: Mutex<Vec<Fingerprint>>,
    /// Where the ring is kept, and why it is not in the key file.
    pub(super) kept: Mutex<(Kept, String)>,
    /// The keys in force could not be kept, and keeping them is tried again.
    pub(super) is_unkept: AtomicBool,
    /// Receivers of reports, by ticket.
    pub(super) reports: Mutex<BTreeMap<u64, mpsc::UnboundedSender<Answer>>>,
    pub(super) waiting: Mutex<Vec<Waiting>>,
    /// Members that the log has complained about.
    pub(super) complained: Mutex<BTreeSet<String>>,
    requests: mpsc::Sender<Request>,
    pub(super) to_do: Mutex<Option<mpsc::Receiver<Request>>>,
}

impl KeyState {
    /// Of a ring as its key file has it.
    pub(super) fn of(keyring: &Keyring) -> KeyState {
        let (requests, to_do) = mpsc::channel(REQUESTS_MAX);
        KeyState {
            changing: tokio::sync::Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            removed: Mutex::default(),
            removal: Notify::new(),
            file: Mutex::new(keyring.list()),
            kept: Mutex::new((Kept::File, String::new())),
            is_unkept: AtomicBool::new(false),
            reports: Mutex::default(),
            waiting: Mutex::default(),
            complained: Mutex::default(),
            requests,
            to_do: Mutex::new(Some(to_do)),
        }
    }

    /// Whether the ring is kept in the data directory, since the key file could not be written.
    pub(crate) fn in_data_directory(&self) -> bool {
        lock(&self.kept).0 == Kept::Store
    }

    /// Enqueues a request without blocking. If the queue is full it is dropped, and the member repeats it.
    pub(crate) fn take(&self, request: Request) {
        if self.requests.try_send(request).is_err() {
            tracing::debug!("too many requests about keys at one time: one is dropped");
        }
    }

    /// Hands a report to its receiver; none if the member did not answer.
    pub(crate) fn reported(&self, ticket: u64, by: NodeId, report: Option<Report>) {
        if let Some(waiting) = lock(&self.reports).get(&ticket) {
            let _ = waiting.send((by, report)); // the caller may have given up
        }
    }

    /// Whether the log should complain about a member: once, and about a bounded number of them.
    pub(super) fn complains(&self, of: &str) -> bool {
        let mut complained = lock(&self.complained);
        complained.len() < REQUESTS_MAX && complained.insert(of.to_string())
    }
}

impl Agent {
    /// Keys in memory, besides the ring.
    pub(crate) fn keys(&self) -> &KeyState {
        self.state()
    }
}
