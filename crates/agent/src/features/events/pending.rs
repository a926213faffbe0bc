//! Pending publishes: publishers that wait for an outcome, and durable events that no majority is known to hold yet.

use rumormill_core::identity::NodeId;
use rumormill_protocols::spread::events::{EventId, Item, Refusal};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

/// Durable events of this node that may wait until others hold them; more are refused (our guess: as many as a publisher's queue).
pub const DURABLE_MAX: usize = 1_024;
/// Their bytes (our guess: as much as is retained by default).
pub const DURABLE_BYTES_MAX: usize = 4 << 20;
/// Of how many it is asked at a time how far they have come (our guess).
const ASKED_MAX: usize = 64;

/// The spread of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coverage {
    /// Members that confirmed that they deliver it,
    pub held: u32,
    /// of so many that were asked; none if no other member is known.
    pub asked: u32,
    /// Members that did not confirm, as many as the protocol names.
    pub missing: Vec<NodeId>,
}

impl Coverage {
    /// Whether it is as good as everywhere: a majority of a random sample holds it.
    fn is_settled(&self) -> bool {
        self.held * 2 > self.asked
    }
}

/// Two outcomes that a publisher waits for.
#[derive(Debug)]
pub struct Receipt {
    /// The id of its event, or why it was refused.
    pub queued: oneshot::Receiver<Result<EventId, Refusal>>,
    /// Its spread.
    pub covered: oneshot::Receiver<Coverage>,
}

/// A publisher that waits.
struct Ticket {
    id: Option<EventId>,
    queued: Option<oneshot::Sender<Result<EventId, Refusal>>>,
    /// None: the publisher does not wait for it.
    covered: Option<oneshot::Sender<Coverage>>,
}

/// Tickets end when the protocol tells how far their events came, so there are as many as its queue takes.
#[derive(Default)]
pub struct PendingPublishes {
    next: u64,
    tickets: BTreeMap<u64, Ticket>,
    /// On disk, with their bytes.
    durable: BTreeMap<EventId, usize>,
    /// Of these others hold enough: the disk may forget them.
    settled: BTreeSet<EventId>,
}

fn bytes(item: &Item) -> usize {
    item.name.len() + item.payload.len()
}

impl PendingPublishes {
    /// With these durable events of earlier lives.
    pub fn new(durable: &[Item]) -> PendingPublishes {
        PendingPublishes {
            durable: durable.iter().map(|item| (item.id, bytes(item))).collect(),
            ..PendingPublishes::default()
        }
    }

    /// A ticket for an event that is about to be published; with `cover` it is to be told how far that came.
    pub fn open(&mut self, cover: bool) -> (u64, Receipt) {
        let ((queued, is_queued), (covered, is_covered)) = (oneshot::channel(), oneshot::channel());
        let ticket = Ticket { id: None, queued: Some(queued), covered: cover.then_some(covered) };
        (self.put(ticket), Receipt { queued: is_queued, covered: is_covered })
    }

    fn put(&mut self, ticket: Ticket) -> u64 {
        self.next += 1;
        self.tickets.insert(self.next, ticket);
        self.next
    }

    pub(crate) fn queued(&mut self, ticket: u64, id: EventId) {
        let std::collections::btree_map::Entry::Occupied(mut entry) = self.tickets.entry(ticket) else {
            return;
        };
        entry.get_mut().id = Some(id);
        entry.get_mut().queued.take().map(|queued| queued.send(Ok(id)));
        if entry.get().covered.is_none() {
            entry.remove();
        }
    }

    pub(crate) fn refused(&mut self, ticket: u64, why: Refusal) {
        let ticket = self.tickets.remove(&ticket);
        ticket.and_then(|ticket| ticket.queued).map(|queued| queued.send(Err(why)));
    }

    pub(crate) fn covered(&mut self, ticket: u64, coverage: Coverage) {
        let Some(ticket) = self.tickets.remove(&ticket) else { return };
        let durable = ticket.id.filter(|id| coverage.is_settled() && self.durable.contains_key(id));
        self.settled.extend(durable);
        ticket.covered.map(|covered| covered.send(coverage));
    }

    /// How many durable events wait, and their bytes.
    pub fn durable(&self) -> (usize, usize) {
        (self.durable.len(), self.durable.values().sum())
    }

    /// Whether these durable events can be taken as well.
    pub fn has_room(&self, count: usize, bytes: usize) -> bool {
        let (waiting, waiting_bytes) = self.durable();
        waiting == 0 || waiting + count <= DURABLE_MAX && waiting_bytes + bytes <= DURABLE_BYTES_MAX
    }

    /// These are on disk now.
    pub fn keep(&mut self, items: &[Item]) {
        self.durable.extend(items.iter().map(|item| (item.id, bytes(item))));
    }

    /// Tickets for durable events whose spread is not being asked for.
    pub fn ask(&mut self) -> Vec<(u64, EventId)> {
        let asked: BTreeSet<EventId> = self.tickets.values().filter_map(|ticket| ticket.id).collect();
        let is_open = |id: &EventId| !asked.contains(id) && !self.settled.contains(id);
        let open: Vec<EventId> = self.durable.keys().copied().filter(is_open).take(ASKED_MAX).collect();
        let ticket = |id| (self.put(Ticket { id: Some(id), queued: None, covered: None }), id);
        open.into_iter().map(ticket).collect()
    }

    pub(crate) fn settled(&self) -> Vec<EventId> {
        self.settled.iter().copied().collect()
    }

    pub(crate) fn forget(&mut self, ids: &[EventId]) {
        for id in ids {
            self.durable.remove(id);
            self.settled.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::payload::Payload;
    use rumormill_protocols::spread::events::{Flags, Source};

    fn item(seq: u64) -> Item {
        let id = EventId { source: Source { origin: NodeId(1), epoch: 1 }, seq };
        Item { id, flags: Flags::NONE, name: Payload::from(&b"n"[..]), payload: Payload::EMPTY }
    }

    #[test]
    fn a_publisher_hears_what_became_of_its_event() {
        let mut pending = PendingPublishes::default();
        let (ticket, mut receipt) = pending.open(true);
        pending.queued(ticket, item(1).id);
        let coverage = Coverage { held: 2, asked: 5, missing: vec![NodeId(7)] };
        pending.covered(ticket, coverage.clone());
        assert_eq!(receipt.queued.try_recv(), Ok(Ok(item(1).id)));
        assert_eq!(receipt.covered.try_recv(), Ok(coverage));
        let (ticket, mut receipt) = pending.open(false);
        pending.queued(ticket, item(2).id);
        assert!(receipt.queued.try_recv() == Ok(Ok(item(2).id)) && pending.tickets.is_empty());
        let (ticket, mut receipt) = pending.open(true);
        pending.refused(ticket, Refusal::QueueFull);
        assert_eq!(receipt.queued.try_recv(), Ok(Err(Refusal::QueueFull)));
        assert!(receipt.covered.try_recv().is_err() && pending.tickets.is_empty());
    }

    #[test]
    fn a_durable_event_is_asked_about_until_a_majority_holds_it() {
        let mut pending = PendingPublishes::new(&[item(1)]);
        for (held, asked, is_settled) in [(0, 0, false), (1, 2, false), (2, 3, true)] {
            let asking = pending.ask();
            assert_eq!(asking.len(), 1);
            assert!(pending.ask().is_empty(), "one question at a time");
            pending.covered(asking[0].0, Coverage { held, asked, missing: Vec::new() });
            assert_eq!(pending.settled().len(), usize::from(is_settled));
        }
        assert!(pending.ask().is_empty());
        let settled = pending.settled();
        pending.forget(&settled);
        assert_eq!(pending.durable(), (0, 0));
    }
}
