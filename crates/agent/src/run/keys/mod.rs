//! The cluster's keys while it runs: orders of others and to others, what is kept of them, and members that were away.
//!
//! | module | what it does |
//! | --- | --- |
//! | `ring` | carries out an order on this node's ring, and keeps it for the next start |
//! | `everywhere` | has all members carry out an order, each step only after all confirmed the one before |
//! | `away` | asks for the ring after having been away, and gives it to who was |
//! | `courier` | how that is signed and sealed |

mod away;
mod courier;
mod everywhere;
mod ring;

pub use everywhere::Wanted;
pub use ring::Refused;
pub(super) use ring::{Found, recall};

use super::agent::{Agent, lock};
use crate::logging::limit::{self, Kind};
use crate::node::Call;
use away::Waiting;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Duration;
use rumormill_protocols::agree::keys::{self, Kept, Order, Removed, Report};
use rumormill_runtime::Knock;
use rumormill_runtime::keyring::Fingerprint;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Orders and knocks that wait to be looked at; more are dropped, and come again (our guess).
const DUTIES_MAX: usize = 64;
/// So often it is looked at least whether a removed key is to be forgotten (our guess: a clock may jump).
const EXPIRY_LOOK: Duration = Duration::from_secs(60);

/// What is to be done for others.
pub(super) enum Duty {
    /// Carry out, and report.
    Order { by: NodeId, serial: u64, order: Order },
    /// Somebody who was away asks, or is answered.
    Knock(Box<Knock>),
}

/// Who reports, and what; none if it did not answer.
type Answer = (NodeId, Option<Report>);

/// What an agent keeps of keys besides its ring.
pub(super) struct Desk {
    /// Held while the ring is changed and kept, and while the key file is read again.
    pub(super) changing: tokio::sync::Mutex<()>,
    /// Held while all members are asked.
    asking: tokio::sync::Mutex<()>,
    removed: Mutex<Vec<Removed>>,
    /// What the key file held when it was last read or written.
    pub(super) file: Mutex<Vec<Fingerprint>>,
    /// Where the ring is kept, and why it is not in the key file.
    kept: Mutex<(Kept, String)>,
    /// What is in force could not be kept, and is to be.
    is_unkept: AtomicBool,
    /// Who waits for which reports.
    reports: Mutex<BTreeMap<u64, mpsc::UnboundedSender<Answer>>>,
    waiting: Mutex<Vec<Waiting>>,
    /// What the log was told already.
    complained: Mutex<BTreeSet<String>>,
    duties: mpsc::Sender<Duty>,
    to_do: Mutex<Option<mpsc::Receiver<Duty>>>,
}

impl Desk {
    pub(super) fn new(found: Found) -> Desk {
        let (duties, to_do) = mpsc::channel(DUTIES_MAX);
        Desk {
            changing: tokio::sync::Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            removed: Mutex::new(found.removed),
            file: Mutex::new(found.file),
            kept: Mutex::new(found.kept),
            is_unkept: AtomicBool::new(false),
            reports: Mutex::default(),
            waiting: Mutex::default(),
            complained: Mutex::default(),
            duties,
            to_do: Mutex::new(Some(to_do)),
        }
    }

    /// Whether the ring is kept in the data directory, since the key file could not be written.
    pub(super) fn in_data_directory(&self) -> bool {
        lock(&self.kept).0 == Kept::Store
    }

    /// Something is to be done. Does not wait: if there is too much, whoever asked asks again.
    pub(super) fn take(&self, duty: Duty) {
        if self.duties.try_send(duty).is_err() {
            tracing::debug!("too much is asked about keys at one time: some of it is passed over");
        }
    }

    /// A report came, or will not come.
    pub(super) fn reported(&self, ticket: u64, by: NodeId, report: Option<Report>) {
        if let Some(waiting) = lock(&self.reports).get(&ticket) {
            let _ = waiting.send((by, report)); // nobody may be waiting any more
        }
    }

    /// Whether the log should be told this: once, and of a bounded number of things.
    fn complains(&self, of: &str) -> bool {
        let mut complained = lock(&self.complained);
        complained.len() < DUTIES_MAX && complained.insert(of.to_string())
    }
}

/// What the protocol tells, in the node's task.
pub(super) fn hear(agent: &Agent, event: keys::Event) {
    match event {
        keys::Event::Ordered { by, serial, order } => agent.keys.take(Duty::Order { by, serial, order }),
        keys::Event::Reported { ticket, by, report } => agent.keys.reported(ticket, by, report),
    }
}

/// Does what others ask, one after the other, as long as the agent runs.
pub(super) async fn serve(agent: Arc<Agent>) {
    let Some(mut to_do) = lock(&agent.keys.to_do).take() else { return };
    while let Some(duty) = to_do.recv().await {
        match duty {
            Duty::Order { by, serial, order } => {
                let report = agent.carry_out(&order).await;
                if order != Order::List && limit::allows(Kind::Keys) {
                    tracing::info!(%by, refused = report.refusal(), "a member changed the cluster's keys here");
                }
                let _ = agent.call(Call::Keys(keys::Call::Report { to: by, serial, report })).await; // else it asks again
            }
            Duty::Knock(knock) if knock.is_answer => agent.answered(*knock).await,
            Duty::Knock(knock) => agent.let_catch_up(*knock).await,
        }
    }
}

/// Forgets removed keys when their time is over, and keeps the ring again if it could not be kept where it belongs.
pub(super) async fn expire(agent: Arc<Agent>) {
    loop {
        agent.keep_again().await;
        let now = super::wall();
        let next = agent.expire_removed().await.map_or(EXPIRY_LOOK, |until| until.since(now));
        tokio::time::sleep(next.clamp(Duration::from_secs(1), EXPIRY_LOOK)).await;
    }
}
