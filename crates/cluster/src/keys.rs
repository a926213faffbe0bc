//! Orders about the cluster's keys: the members that confirm them, and the reports that are awaited.

use rumormill_core::identity::NodeId;
use rumormill_protocols::agree::keys::{Order, Report};
use rumormill_runtime::keyring::Fingerprint;
use std::collections::BTreeMap;
use std::fmt;
use tokio::sync::{mpsc, oneshot};

/// A live member and the keys that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberKeys {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// Its keys by their fingerprints, the key that it seals with first; or why it did not confirm the order.
    pub keys: Result<Vec<Fingerprint>, Unconfirmed>,
}

/// Why a member did not confirm an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unconfirmed {
    /// It did not answer.
    #[error("no answer")]
    NoAnswer,
    /// It did not carry the order out.
    #[error("{0}")]
    Refused(String),
}

/// A step of a change of keys.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// All members report their keys.
    List,
    /// All members open packets of the key, too.
    Install,
    /// All members seal with the key.
    Use,
    /// All members forget the key.
    Remove,
}

impl fmt::Display for KeyStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyStep::List => "list",
            KeyStep::Install => "install",
            KeyStep::Use => "use",
            KeyStep::Remove => "remove",
        })
    }
}

impl MemberKeys {
    pub(crate) fn of(id: NodeId, name: String, report: Option<&Report>) -> MemberKeys {
        let keys = match report {
            None => Err(Unconfirmed::NoAnswer),
            Some(report) => match report.refusal() {
                Some(why) => Err(Unconfirmed::Refused(why.into())),
                None => Ok(report.keys().map(Fingerprint).collect()),
            },
        };
        MemberKeys { id, name, keys }
    }

    /// True once the member has confirmed that it holds the key.
    pub fn holds(&self, key: Fingerprint) -> bool {
        self.keys.as_ref().is_ok_and(|keys| keys.contains(&key))
    }

    /// The key that it seals with; none if it did not confirm, or runs without keys.
    pub fn primary(&self) -> Option<Fingerprint> {
        self.keys.as_ref().ok()?.first().copied()
    }
}

impl fmt::Display for MemberKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.name)?;
        match &self.keys {
            Err(why) => write!(f, "{why})"),
            Ok(keys) => {
                let keys: Vec<String> = keys.iter().map(Fingerprint::to_string).collect();
                write!(f, "{})", keys.join(", "))
            }
        }
    }
}

/// An order that this node carries out.
pub(crate) struct KeyOrder {
    pub order: Order,
    pub by: OrderedBy,
}

/// The receiver of the report.
pub(crate) enum OrderedBy {
    /// A member, and the order's serial number there.
    Member(NodeId, u64),
    /// This program.
    Myself(oneshot::Sender<Report>),
}

/// A member and its report; none if it did not answer.
pub(crate) type Reported = (NodeId, Option<Report>);

/// Reports that are awaited, by the ticket of their order.
#[derive(Default)]
pub(crate) struct Reports {
    next: u64,
    awaited: BTreeMap<u64, mpsc::UnboundedSender<Reported>>,
}

impl Reports {
    /// A ticket for an order, and its reports: one for each member that is asked.
    pub fn open(&mut self) -> (u64, mpsc::UnboundedReceiver<Reported>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.next += 1;
        self.awaited.insert(self.next, sender);
        (self.next, receiver)
    }

    pub fn reported(&self, ticket: u64, by: NodeId, report: Option<Report>) {
        self.awaited.get(&ticket).map(|sender| sender.send((by, report)));
    }

    pub fn close(&mut self, ticket: u64) {
        self.awaited.remove(&ticket);
    }

    /// Nobody reports any more.
    pub fn close_all(&mut self) {
        self.awaited.clear();
    }
}
