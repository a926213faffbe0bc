//! What the agent keeps of its events: what consumers read, who waits for an answer, what has to reach the disk.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`feed`] | what was told here, in order, for consumers with cursors |
//! | `loudness` | which origin takes most of that, and gives up its oldest |
//! | [`desk`] | publishers that wait for an answer, and durable events that nobody else is known to hold yet |
//!
//! Both are fed by the node's task at the very moment at which the protocol tells something, so that what is looked at together (how far
//! the application was told, and what it was told) fits together.

pub mod desk;
pub mod feed;
mod loudness;

use desk::{Coverage, Desk};
use feed::{Entry, Feed, Said};
use rumormill_core::identity::NodeId;
use rumormill_core::time::Wall;
use rumormill_protocols::spread::events::{Event, EventId, Item, Positions};

/// How often events and positions are saved, in milliseconds: after a crash, so much may be told twice (issue: the last second's).
pub const SAVE_INTERVAL_MS: u64 = 1_000;

/// What a data directory holds of events.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// How far the application was told; none if nothing was ever saved.
    pub positions: Option<Positions>,
    /// What it was told, in order.
    pub entries: Vec<Entry>,
    /// Durable events of this node that no majority was known to hold.
    pub durable: Vec<Item>,
    /// Where what was told before the first of the entries ends.
    pub dropped: Option<feed::Place>,
}

/// What is new since it was saved last.
#[derive(Clone, Debug, Default)]
pub struct Unsaved {
    /// How far the application was told, as far as that has changed.
    pub positions: Positions,
    /// What it was told.
    pub entries: Vec<Entry>,
    /// Durable events that others hold by now.
    pub settled: Vec<EventId>,
    /// What is before and at this place may go.
    pub dropped: Option<feed::Place>,
    /// These entries, which may be on disk, were shed from between others.
    pub gone: Vec<feed::Place>,
    /// The entries are all there are, and replace what is on disk: there were too many to name.
    pub is_whole: bool,
    /// How often that has happened.
    pub overflows: u64,
}

/// All that the agent keeps of events in memory.
pub struct Board {
    /// For consumers.
    pub feed: Feed,
    /// For publishers.
    pub desk: Desk,
    is_closed: bool,
}

impl Board {
    /// Of a node in this life, with what its data directory kept; at most so many bytes are retained for consumers.
    pub fn new(node: NodeId, epoch: u64, kept: &Kept, bytes_max: usize) -> Board {
        let feed = Feed::new(node, epoch, kept, bytes_max);
        Board { feed, desk: Desk::new(&kept.durable), is_closed: false }
    }

    /// The node goes on as another one, or in another life: who waits is told that nothing will come.
    pub fn begin_anew(&mut self, node: NodeId, epoch: u64, kept: &Kept) {
        self.feed.begin_anew(node, epoch, kept);
        self.desk = Desk::new(&kept.durable);
        self.is_closed = false;
    }

    /// Takes what the protocol tells.
    pub fn hear(&mut self, event: Event, now: Wall) {
        match event {
            Event::Delivered(_) | Event::Gap { .. } if self.is_closed => {} // told again in the next life
            Event::Delivered(item) => self.feed.push(Said::Event(item), now),
            Event::Gap { source, span } => self.feed.push(Said::Lost(source, span), now),
            Event::Queued { ticket, id } => self.desk.queued(ticket, id),
            Event::Refused { ticket, why } => self.desk.refused(ticket, why),
            Event::Covered { ticket, held, asked, missing } => {
                self.desk.covered(ticket, Coverage { held, asked, missing });
            }
            Event::Joined => {} // positions are saved soon, as after all that is heard
        }
    }

    /// From now on nobody here is told anything: positions that are saved at this moment stay true.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// What has to be saved, beside these positions.
    pub fn unsaved(&self, positions: Positions) -> Unsaved {
        let mut unsaved = Unsaved { positions, settled: self.desk.settled(), ..Unsaved::default() };
        self.feed.unsaved(&mut unsaved);
        unsaved
    }

    /// This has been saved.
    pub fn saved(&mut self, unsaved: &Unsaved) {
        self.feed.saved(unsaved);
        self.desk.forget(&unsaved.settled);
    }
}
