//! Pending publishes and the event log, and when they are saved.
//!
//! The node's task feeds both at the moment at which the protocol emits an event, so that one look sees positions and entries that fit together.

use crate::features::events::entry::{Kept, LogEntry, Unsaved};
use crate::features::events::log::EventLog;
use crate::features::events::pending::{Coverage, PendingPublishes};
use rumormill_core::identity::NodeId;
use rumormill_core::time::Wall;
use rumormill_protocols::spread::events::{Event, Item, Positions};
use std::sync::Mutex;
use tokio::sync::Notify;

/// How often events and positions are saved, in milliseconds: after a crash, so much may be told twice (issue: the last second's).
pub const SAVE_INTERVAL_MS: u64 = 1_000;

/// The events that the agent keeps in memory.
pub struct EventService {
    /// For consumers.
    pub log: EventLog,
    /// For publishers.
    pub pending: PendingPublishes,
    is_closed: bool,
}

/// When events are saved.
#[derive(Default)]
pub(super) struct Saving {
    /// The log or a position changed.
    pub changed: Notify,
    /// The baseline is known. It is saved at once.
    pub baseline: Notify,
    /// Held while events are saved, so that an older state never reaches the disk later.
    pub one_at_a_time: tokio::sync::Mutex<()>,
    /// Events of the data directory that a node is to hold once it has started.
    pub to_keep: Mutex<Vec<Item>>,
}

impl EventService {
    /// For a node in this life, with the events of its data directory; at most `bytes_max` bytes are retained for consumers.
    pub fn new(node: NodeId, epoch: u64, kept: &Kept, bytes_max: usize) -> EventService {
        let log = EventLog::new(node, epoch, kept, bytes_max);
        EventService { log, pending: PendingPublishes::new(&kept.durable), is_closed: false }
    }

    /// The node goes on as another one, or in another life: pending publishes end without an outcome.
    pub fn begin_anew(&mut self, node: NodeId, epoch: u64, kept: &Kept) {
        self.log.begin_anew(node, epoch, kept);
        self.pending = PendingPublishes::new(&kept.durable);
        self.is_closed = false;
    }

    /// Takes an event of the protocol.
    pub fn hear(&mut self, event: Event, now: Wall) {
        match event {
            Event::Delivered(_) | Event::Gap { .. } if self.is_closed => {} // told again in the next life
            Event::Delivered(item) => self.log.push(LogEntry::Event(item), now),
            Event::Gap { source, span } => self.log.push(LogEntry::Lost(source, span), now),
            Event::Queued { ticket, id } => self.pending.queued(ticket, id),
            Event::Refused { ticket, why } => self.pending.refused(ticket, why),
            Event::Covered { ticket, held, asked, missing } => {
                self.pending.covered(ticket, Coverage { held, asked, missing });
            }
            Event::Joined => {} // positions are saved soon, as after all that is heard
        }
    }

    /// Delivers no further event here, so that positions that are saved at this moment stay true.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// Changes that are to be saved, beside these positions.
    pub fn unsaved(&self, positions: Positions) -> Unsaved {
        let mut unsaved = Unsaved { positions, settled: self.pending.settled(), ..Unsaved::default() };
        self.log.unsaved(&mut unsaved);
        unsaved
    }

    /// These changes are on disk.
    pub fn saved(&mut self, unsaved: &Unsaved) {
        self.log.saved(unsaved);
        self.pending.forget(&unsaved.settled);
    }
}
