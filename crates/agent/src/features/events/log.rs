//! The event log: events delivered here, in order, bounded in bytes, read by cursor.
//!
//! A consumer owns nothing but its cursor, so a slow one costs no memory; once the log has moved on past its cursor, it reads a gap.
//! A full log sheds the oldest entries of the origin that takes most, and an entry in their place names the lost events for consumers that have
//! not read so far. So a flood by one member costs readers the events of no other.
//! A place is (epoch, number in it), and the log is saved with the positions, so that a cursor is good in later lives of the node as well.
//! After a crash, entries that had not been saved are delivered again, under places of the new life.

use crate::features::events::entry::{Cursor, Kept, LogEntry, Place, Record, Since, Unsaved};
use crate::features::events::origin_usage::OriginUsage;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Wall;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use tokio::sync::watch;

/// Bytes of names and payloads that are read at once; one entry is always read (our guess: a quarter of the window).
pub const READ_BYTES_MAX: usize = 1 << 20;

/// Entries that are no longer retained.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Gap {
    /// So many entries were dropped before they were read; none if that is not known.
    Dropped(Option<u64>),
    /// The cursor belongs to another agent, or to one whose data directory is lost.
    Foreign,
}

/// A page of the log.
#[derive(Debug)]
pub struct Page {
    /// Entries, in order.
    pub entries: Vec<Record>,
    /// The place from which the next page follows.
    pub cursor: Cursor,
    /// Entries that this consumer missed before the page.
    pub gap: Option<Gap>,
}

/// Shed entries that the next save deletes one by one; if there are more, it writes the whole feed anew.
const GONE_MAX: usize = 65_536;

/// The event log.
pub struct EventLog {
    node: NodeId,
    epoch: u64,
    entries: BTreeMap<Place, Record>,
    usage: OriginUsage,
    /// The entries that stand for what their origin lost here.
    gaps: BTreeMap<NodeId, Place>,
    /// Of these, those that are to be saved, wherever they stand.
    new_gaps: BTreeSet<Place>,
    /// Entries that were shed from between others since the last save.
    gone: Vec<Place>,
    /// How often these were too many, and of which the last save knew.
    gone_overflows: u64,
    gone_overflows_saved: u64,
    bytes: usize,
    bytes_max: usize,
    last: Place,
    /// The last place that was dropped.
    dropped: Option<Place>,
    saved: Place,
    shed: u64,
    head: watch::Sender<Place>,
}

impl EventLog {
    /// For a node in this life, with the entries of its data directory.
    pub fn new(node: NodeId, epoch: u64, kept: &Kept, bytes_max: usize) -> EventLog {
        let mut feed = EventLog {
            node,
            epoch,
            entries: BTreeMap::new(),
            usage: OriginUsage::default(),
            gaps: BTreeMap::new(),
            new_gaps: BTreeSet::new(),
            gone: Vec::new(),
            gone_overflows: 0,
            gone_overflows_saved: 0,
            bytes: 0,
            bytes_max,
            last: Place::default(),
            dropped: None,
            saved: Place::default(),
            shed: 0,
            head: watch::Sender::new(Place::default()),
        };
        feed.begin_anew(node, epoch, kept);
        feed
    }

    /// The same under another id, or in another life.
    pub fn begin_anew(&mut self, node: NodeId, epoch: u64, kept: &Kept) {
        self.node = node;
        self.epoch = epoch;
        (self.entries, self.usage, self.bytes) = Default::default();
        (self.gaps, self.new_gaps, self.gone) = Default::default();
        let earlier = kept.entries.iter().filter(|entry| entry.place.epoch < epoch);
        earlier.for_each(|entry| self.put(entry.clone()));
        self.last = Place { epoch, number: 0 };
        self.saved = self.last;
        // A directory that was never saved to may have been restored, or repaired: which events were delivered is unknown.
        let unknown = Place { epoch: epoch - 1, number: u64::MAX };
        self.dropped = kept.positions.as_ref().map_or((epoch > 1).then_some(unknown), |_| kept.dropped);
        self.bound();
        self.head.send_replace(self.last);
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: LogEntry, heard: Wall) {
        self.last.number += 1;
        self.put(Record { place: self.last, entry, heard });
        self.bound();
        self.head.send_replace(self.last);
    }

    fn put(&mut self, entry: Record) {
        self.bytes += entry.bytes();
        self.usage.add(entry.entry.source().origin, entry.bytes(), entry.place);
        self.entries.insert(entry.place, entry);
    }

    fn bound(&mut self) {
        while self.bytes > self.bytes_max
            && let Some(first) = self.entries.keys().next().copied()
        {
            match self.usage.oldest_of_largest() {
                Some((origin, place)) if place != first => self.shed_between(origin, place),
                _ => self.drop_first(),
            }
            // A gap that nothing stands before is one of the whole feed.
            while self.entries.first_key_value().is_some_and(|(place, entry)| self.is_gap(*place, entry)) {
                self.drop_first();
            }
        }
    }

    fn is_gap(&self, place: Place, entry: &Record) -> bool {
        self.gaps.get(&entry.entry.source().origin) == Some(&place)
    }

    fn take(&mut self, place: Place) -> Option<Record> {
        let entry = self.entries.remove(&place)?;
        let origin = entry.entry.source().origin;
        if self.is_gap(place, &entry) {
            self.gaps.remove(&origin);
            self.new_gaps.remove(&place);
        }
        self.bytes -= entry.bytes();
        self.usage.remove(origin, entry.bytes(), place);
        Some(entry)
    }

    fn drop_first(&mut self) {
        let Some((place, entry)) = self.entries.first_key_value() else { return };
        let (place, is_gap) = (*place, self.is_gap(*place, entry));
        self.take(place);
        self.dropped = Some(place);
        self.shed += u64::from(!is_gap);
    }

    /// Sheds an entry from between those of others. What of its life was shed before moves into its place.
    fn shed_between(&mut self, origin: NodeId, place: Place) {
        let gap = self.gaps.get(&origin).copied().and_then(|gap| self.take(gap));
        let Some(entry) = self.take(place) else { return };
        let (source, mut span) = (entry.entry.source(), entry.entry.span());
        if let Some(before) = gap {
            self.forget_on_disk(before.place);
            if before.entry.source() == source {
                span.from = span.from.min(before.entry.span().from);
            }
        }
        let lost = Record { entry: LogEntry::Lost(source, span), ..entry };
        self.bytes += lost.bytes();
        self.usage.add_gap(origin, lost.bytes());
        self.gaps.insert(origin, place);
        self.new_gaps.insert(place);
        self.entries.insert(place, lost);
        self.shed += 1;
    }

    fn forget_on_disk(&mut self, place: Place) {
        if self.gone.len() >= GONE_MAX {
            self.gone.clear();
            self.gone_overflows += 1;
        }
        self.gone.push(place);
    }

    /// At most `limit` entries whose events are called `name`, or begin with what stands before a `*`.
    pub fn read(&self, since: Since, limit: usize, name: Option<&[u8]>) -> Page {
        let (after, gap) = self.begin(since);
        let mut page = Page { entries: Vec::new(), cursor: Cursor { node: self.node, place: after }, gap };
        let mut bytes = 0;
        for entry in self.entries.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, entry)| entry) {
            if name.is_none_or(|name| entry.is_named(name)) {
                bytes += entry.bytes();
                let is_full = page.entries.len() >= limit || bytes > READ_BYTES_MAX;
                if is_full && !page.entries.is_empty() {
                    return page;
                }
                page.entries.push(entry.clone());
            }
            page.cursor.place = entry.place;
        }
        page.cursor.place = page.cursor.place.max(self.last);
        page
    }

    /// The place after which reading begins, and the gap before it.
    fn begin(&self, since: Since) -> (Place, Option<Gap>) {
        let cursor = match since {
            Since::Start => return (Place::default(), None),
            Since::Now => return (self.last, None),
            Since::After(cursor) => cursor,
        };
        if cursor.node != self.node || cursor.place > self.last {
            return (Place::default(), Some(Gap::Foreign));
        }
        match self.dropped.filter(|dropped| cursor.place < *dropped) {
            Some(dropped) => {
                let is_counted = dropped.epoch == cursor.place.epoch && dropped.number < u64::MAX;
                let missed = is_counted.then(|| dropped.number - cursor.place.number);
                (Place::default(), Some(Gap::Dropped(missed)))
            }
            None => (cursor.place, None),
        }
    }

    /// The cursor at which this life of the node begins.
    pub fn beginning(&self) -> Cursor {
        Cursor { node: self.node, place: Place { epoch: self.epoch, number: 0 } }
    }

    /// Entries appended in this life of the node.
    pub fn told(&self) -> u64 {
        self.last.number
    }

    /// Changes whenever an entry is appended.
    pub fn subscribe(&self) -> watch::Receiver<Place> {
        self.head.subscribe()
    }

    /// Collects the changes that are not on disk yet.
    pub fn unsaved(&self, unsaved: &mut Unsaved) {
        unsaved.dropped = self.dropped;
        unsaved.gone.clone_from(&self.gone);
        unsaved.overflows = self.gone_overflows;
        unsaved.is_whole = self.gone_overflows != self.gone_overflows_saved;
        let from = if unsaved.is_whole { Place::default() } else { self.saved };
        let gaps = self.new_gaps.range(..=from).filter_map(|place| self.entries.get(place));
        let new = self.entries.range((Bound::Excluded(from), Bound::Unbounded)).map(|(_, entry)| entry);
        unsaved.entries = gaps.chain(new).cloned().collect();
    }

    /// These changes are on disk.
    pub fn saved(&mut self, unsaved: &Unsaved) {
        if let Some(last) = unsaved.entries.last() {
            self.saved = self.saved.max(last.place);
        }
        for entry in &unsaved.entries {
            self.new_gaps.remove(&entry.place);
        }
        if unsaved.overflows == self.gone_overflows {
            self.gone.drain(..unsaved.gone.len());
        }
        self.gone_overflows_saved = unsaved.overflows;
    }

    /// The last place that is no longer retained.
    pub fn dropped(&self) -> Option<Place> {
        self.dropped
    }

    /// How many entries were dropped for want of room.
    pub fn shed(&self) -> u64 {
        self.shed
    }

    /// How many are retained.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Their bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::events::entry::ENTRY_BYTES;
    use rumormill_core::payload::Payload;
    use rumormill_protocols::spread::events::{EventId, Flags, Item, Positions, Source, Span};

    const NODE: NodeId = NodeId(0xab);

    fn said(seq: u64, name: &str) -> LogEntry {
        let id = EventId { source: Source { origin: NodeId(1), epoch: 1 }, seq };
        let name = Payload::from(name.as_bytes());
        LogEntry::Event(Item { id, flags: Flags::NONE, name, payload: Payload::from(&[0; 72][..]) })
    }

    fn feed(count: u64) -> EventLog {
        let mut feed = EventLog::new(NODE, 1, &Kept::default(), 10 * (ENTRY_BYTES + 80));
        (1..=count).for_each(|seq| feed.push(said(seq, "deployed"), Wall(seq)));
        feed
    }

    fn numbers(page: &Page) -> Vec<u64> {
        page.entries.iter().map(|entry| entry.place.number).collect()
    }

    #[test]
    fn a_cursor_reads_on_where_it_was_and_the_end_is_waited_for() {
        let mut feed = feed(5);
        let first = feed.read(Since::Start, 2, None);
        assert_eq!((numbers(&first), first.gap), (vec![1, 2], None));
        let second = feed.read(Since::After(first.cursor), 100, None);
        assert_eq!(numbers(&second), [3, 4, 5]);
        assert!(feed.read(Since::After(second.cursor), 100, None).entries.is_empty());
        let now = feed.read(Since::Now, 100, None).cursor;
        feed.push(said(6, "deployed"), Wall(6));
        assert_eq!(numbers(&feed.read(Since::After(now), 100, None)), [6]);
    }

    #[test]
    fn a_consumer_that_is_too_slow_is_told_how_much_it_missed() {
        let feed = feed(25);
        assert_eq!((feed.len(), feed.shed()), (10, 15));
        let slow = Cursor { node: NODE, place: Place { epoch: 1, number: 3 } };
        let page = feed.read(Since::After(slow), 100, None);
        assert_eq!((page.gap, numbers(&page)), (Some(Gap::Dropped(Some(12))), (16..=25).collect()));
        assert_eq!(feed.read(Since::Start, 100, None).gap, None, "who begins has missed nothing");
        let foreign = Cursor { node: NodeId(1), ..slow };
        assert_eq!(feed.read(Since::After(foreign), 1, None).gap, Some(Gap::Foreign));
        let future = Cursor { node: NODE, place: Place { epoch: 1, number: 99 } };
        assert_eq!(feed.read(Since::After(future), 1, None).gap, Some(Gap::Foreign));
    }

    fn said_by(origin: u64, seq: u64) -> LogEntry {
        match said(seq, "deployed") {
            LogEntry::Event(mut item) => {
                item.id.source.origin = NodeId(origin);
                LogEntry::Event(item)
            }
            lost => lost,
        }
    }

    /// What a page holds of an origin: the events' numbers, and what is lost.
    fn of(page: &Page, origin: u64) -> (Vec<u64>, Vec<Span>) {
        let its = page.entries.iter().filter(|entry| entry.entry.source().origin == NodeId(origin));
        let (events, lost): (Vec<_>, Vec<_>) =
            its.partition(|entry| matches!(entry.entry, LogEntry::Event(_)));
        let seqs = events.iter().map(|entry| entry.entry.span().from).collect();
        (seqs, lost.iter().map(|entry| entry.entry.span()).collect())
    }

    #[test]
    fn a_flood_by_one_origin_sheds_its_own_and_a_slow_reader_misses_nothing_of_the_others() {
        let mut feed = EventLog::new(NODE, 1, &Kept::default(), 100 * (ENTRY_BYTES + 80));
        feed.push(said_by(2, 1), Wall(1));
        let reader = feed.read(Since::Start, 10, None).cursor;
        for seq in 1..=40 {
            feed.push(said_by(2 + seq % 4, 2 + seq / 4), Wall(2));
            (1..=1_000).for_each(|n| feed.push(said_by(1, 1_000 * seq + n), Wall(3)));
        }
        assert!(feed.bytes() <= 100 * (ENTRY_BYTES + 80));
        let page = feed.read(Since::After(reader), 1_000, None);
        let others: usize = (2..6).map(|origin| of(&page, origin).0.len()).sum();
        assert_eq!((page.gap, others), (None, 40));
        let (flood, lost) = of(&page, 1);
        assert_eq!(flood, ((41_001 - flood.len() as u64)..=41_000).collect::<Vec<_>>());
        assert_eq!(
            lost,
            [Span { from: 1_001, to: flood[0] - 1 }],
            "and it is told what it missed of that one"
        );
        assert_eq!(feed.shed(), 40_000 - flood.len() as u64);
        // Once others take as much, they share alike.
        (1..=1_000).for_each(|n| feed.push(said_by(9, n), Wall(4)));
        let page = feed.read(Since::Start, 1_000, None);
        assert!((25..=32).contains(&of(&page, 9).0.len()), "{:?}", of(&page, 9).0.len());
    }

    #[test]
    fn what_was_shed_from_between_others_is_deleted_on_disk_as_well() {
        let mut feed = EventLog::new(NODE, 1, &Kept::default(), 10 * (ENTRY_BYTES + 80));
        let mut disk = BTreeMap::new();
        let save = |feed: &mut EventLog, disk: &mut BTreeMap<Place, Record>| {
            let mut unsaved = Unsaved::default();
            feed.unsaved(&mut unsaved);
            if unsaved.is_whole {
                disk.clear();
            }
            unsaved.gone.iter().for_each(|gone| drop(disk.remove(gone)));
            disk.extend(unsaved.entries.iter().map(|entry| (entry.place, entry.clone())));
            disk.retain(|place, _| unsaved.dropped.is_none_or(|dropped| *place > dropped));
            unsaved
        };
        feed.push(said_by(2, 1), Wall(1));
        for seq in 1..=200 {
            feed.push(said_by(1, seq), Wall(1));
            if seq % 7 == 0 {
                let unsaved = save(&mut feed, &mut disk);
                feed.push(said_by(1, 1_000 + seq), Wall(1)); // between the save and its end
                feed.saved(&unsaved);
            }
        }
        let too_many = GONE_MAX as u64 + 10;
        (0..too_many).for_each(|n| feed.push(said_by(1, 2_000 + n), Wall(1)));
        for _ in 0..2 {
            let unsaved = save(&mut feed, &mut disk);
            feed.saved(&unsaved);
            assert_eq!(disk, feed.entries);
            feed.push(said_by(1, 900_000), Wall(1));
        }
        let mut unsaved = Unsaved::default();
        feed.unsaved(&mut unsaved);
        assert!(unsaved.entries.len() <= 3 && !unsaved.is_whole, "{unsaved:?}");
    }

    #[test]
    fn a_name_is_matched_whole_or_by_its_beginning_and_the_cursor_passes_over_the_rest() {
        let mut feed = feed(2);
        feed.push(said(3, "cache"), Wall(3));
        feed.push(said(4, "deploy"), Wall(4));
        let read = |name: &str| feed.read(Since::Start, 100, Some(name.as_bytes()));
        assert_eq!(numbers(&read("deploy")), [4]);
        assert_eq!(numbers(&read("deploy*")), [1, 2, 4]);
        assert_eq!(numbers(&read("nothing")), [0; 0]);
        assert_eq!(read("nothing").cursor.place.number, 4);
        assert_eq!(feed.read(Since::Start, 2, Some(b"deploy*")).cursor.place.number, 3);
    }

    #[test]
    fn a_cursor_is_good_in_the_next_life_and_what_was_not_saved_is_told_again_there() {
        let before = feed(5);
        let saved: Vec<Record> = before.entries.values().take(4).cloned().collect();
        let kept = Kept { positions: Some(Positions::default()), entries: saved, ..Kept::default() };
        let mut after = EventLog::new(NODE, 2, &kept, 1 << 20);
        let cursor = |number| Since::After(Cursor { node: NODE, place: Place { epoch: 1, number } });
        after.push(said(5, "deployed"), Wall(9)); // it had been told, and not been saved
        assert_eq!(after.read(cursor(3), 9, None).entries.len(), 2);
        assert_eq!(after.read(cursor(5), 9, None).entries.len(), 1);
        let mut unsaved = Unsaved::default();
        after.unsaved(&mut unsaved);
        assert_eq!(unsaved.entries.len(), 1);
        let lost = EventLog::new(NODE, 3, &Kept::default(), 1 << 20);
        assert_eq!(lost.read(cursor(5), 9, None).gap, Some(Gap::Dropped(None)));
    }

    #[test]
    fn a_cursor_reads_as_it_was_written() {
        let cursor = Cursor { node: NODE, place: Place { epoch: 3, number: 17 } };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!("start".parse(), Ok(Since::Start));
        for bad in ["", "-", "ab-1-2", "00000000000000ab-1", "00000000000000ab-1-2-3", "00000000000000ab-x-2"]
        {
            assert!(bad.parse::<Since>().is_err(), "{bad}");
        }
    }
}
