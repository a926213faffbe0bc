//! Entries of the event log: their places, cursors that point between them, and what of them goes to disk.

use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::NodeId;
use rumormill_core::time::Wall;
use rumormill_protocols::spread::events::{EventId, Item, Positions, Source, Span};
use std::fmt;
use std::str::FromStr;

/// What an entry takes in memory besides its name and payload (our guess, as in the protocol's own window).
pub(super) const ENTRY_BYTES: usize = 128;
/// The place of an entry in the event log: the life of the node in which it was delivered, and its number in that life.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Place {
    /// The node's epoch.
    pub epoch: u64,
    /// From 1 on; 0 is the beginning of a life.
    pub number: u64,
}

/// A place in the feed of one node.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// The node whose log it is.
    pub node: NodeId,
    /// What is behind this place has not been read.
    pub place: Place,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.node, self.place.epoch, self.place.number)
    }
}

impl FromStr for Cursor {
    type Err = String;
    fn from_str(text: &str) -> Result<Cursor, String> {
        let read = || {
            let mut parts = text.split('-');
            let node = parts.next().filter(|id| id.len() == 16)?.parse().ok()?;
            let place = Place { epoch: parts.next()?.parse().ok()?, number: parts.next()?.parse().ok()? };
            parts.next().is_none().then_some(Cursor { node, place })
        };
        read().ok_or_else(|| format!("{text:?} is no cursor of events"))
    }
}

/// From where a consumer reads.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Since {
    /// All that is retained.
    Start,
    /// Entries from now on.
    Now,
    /// Entries after this one.
    After(Cursor),
}

impl FromStr for Since {
    type Err = String;
    fn from_str(text: &str) -> Result<Since, String> {
        match text {
            "start" => Ok(Since::Start),
            "now" => Ok(Since::Now),
            cursor => cursor.parse().map(Since::After),
        }
    }
}

/// An entry of the event log.
#[derive(Clone, PartialEq, Debug, Encode, Decode, CborLen)]
pub enum LogEntry {
    /// An event.
    #[n(0)]
    Event(#[n(0)] Item),
    /// These events of a source are lost.
    #[n(1)]
    Lost(#[n(0)] Source, #[n(1)] Span),
}

impl LogEntry {
    /// The source of the event, or of the lost ones.
    pub fn source(&self) -> Source {
        match self {
            LogEntry::Event(item) => item.id.source,
            LogEntry::Lost(source, _) => *source,
        }
    }

    /// Which of them.
    pub(super) fn span(&self) -> Span {
        match self {
            LogEntry::Event(item) => Span { from: item.id.seq, to: item.id.seq },
            LogEntry::Lost(_, span) => *span,
        }
    }
}

/// The same with its place and its time.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub entry: LogEntry,
    /// Time of delivery, by this machine's clock.
    pub heard: Wall,
}

impl Record {
    pub(super) fn bytes(&self) -> usize {
        match &self.entry {
            LogEntry::Event(item) => ENTRY_BYTES + item.name.len() + item.payload.len(),
            LogEntry::Lost(..) => ENTRY_BYTES,
        }
    }

    pub(super) fn is_named(&self, name: &[u8]) -> bool {
        match (&self.entry, name.strip_suffix(b"*")) {
            (LogEntry::Event(item), Some(prefix)) => item.name.starts_with(prefix),
            (LogEntry::Event(item), None) => item.name[..] == *name,
            (LogEntry::Lost(..), _) => true, // their names are unknown
        }
    }
}

/// What a data directory holds of events.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Positions up to which events were delivered; none if none were ever saved.
    pub positions: Option<Positions>,
    /// Entries of the log, in order.
    pub entries: Vec<Record>,
    /// Durable events of this node that no majority was known to hold.
    pub durable: Vec<Item>,
    /// The last place before the first of the entries.
    pub dropped: Option<Place>,
}

/// What is new since it was saved last.
#[derive(Clone, Debug, Default)]
pub struct Unsaved {
    /// Positions up to which events were delivered.
    pub positions: Positions,
    /// New entries of the log.
    pub entries: Vec<Record>,
    /// Durable events that others hold by now.
    pub settled: Vec<EventId>,
    /// What is before and at this place may go.
    pub dropped: Option<Place>,
    /// These entries, which may be on disk, were shed from between others.
    pub gone: Vec<Place>,
    /// The entries are all there are, and replace what is on disk: there were too many to name.
    pub is_whole: bool,
    /// How often that has happened.
    pub overflows: u64,
}
