//! The state of a partition besides its nodes: its queue, its outboxes, and the events of its nodes.

use crate::content::Pool;
use crate::entry::Entry;
use crate::queue::{Queue, Window};
use crate::shared::Shared;
use rumormill_core::protocol::Protocol;
use rumormill_core::time::Time;

/// The slot that stands for no node.
const NONE: u32 = u32::MAX;

pub(crate) struct Local<P: Protocol> {
    pub queue: Queue<P>,
    /// Entries for other partitions, by partition.
    pub outboxes: Vec<Vec<Entry<P>>>,
    partition: usize,
    /// The slot of the node that runs now. An entry that it sets for itself before `end` belongs to this window.
    running: u32,
    end: Time,
    /// Entries that the running node has set for itself within this window.
    pub self_scheduled: Vec<Entry<P>>,
    /// Events that nodes emitted in this window, with their time and the node's slot.
    pub emitted: Vec<(Time, u32, P::Event)>,
    pub digest: u64,
    pub pool: Pool<P::Message>,
}

impl<P: Protocol> Local<P> {
    pub fn new(queue: Queue<P>, partition: usize, partitions: usize) -> Local<P> {
        Local {
            queue,
            outboxes: std::iter::repeat_with(Vec::new).take(partitions).collect(),
            partition,
            running: NONE,
            end: Time::ZERO,
            self_scheduled: Vec::new(),
            emitted: Vec::new(),
            digest: 0,
            pool: Pool::default(),
        }
    }

    /// Begins `window`.
    pub fn begin(&mut self, window: &Window) {
        self.end = if window.class.is_some() { Time::ZERO } else { window.end };
    }

    /// The node in `slot` runs from now on.
    pub fn run(&mut self, slot: u32) {
        self.running = slot;
    }

    /// Ends the window: no node runs.
    pub fn end(&mut self) {
        self.running = NONE;
    }

    /// Puts an entry where it belongs: into this window, another partition's outbox, or the queue.
    #[inline(always)]
    pub fn deliver(&mut self, shared: &Shared, entry: Entry<P>) {
        if entry.slot == self.running && entry.time < self.end {
            return self.self_scheduled.push(entry);
        }
        if shared.partitions > 1 {
            let partition = shared.partition(entry.slot);
            if partition != self.partition {
                return self.outboxes[partition].push(entry);
            }
        }
        self.queue.push(entry);
    }
}
