//! The entries of one node, with all that a comparison needs, kept up by each change.

use super::config::Compare;
use super::entry::{Entries, Entry, place_of};
use super::message::{Span, Turn};
use crate::kit::merkle::{self, Tree};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Range;
use rumormill_core::time::Time;
use rumormill_core::wire;

/// Entries by place. One of them takes 24 bytes besides the entry, which others may share.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// In the order of place and key.
    slots: Vec<Slot>,
    /// The sum of all marks.
    sum: u64,
    index: Option<Box<Index>>,
}

/// An entry, and when it came.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub entry: Entry,
    place: u64,
    pub heard: Time,
}

const _: () = assert!(size_of::<Slot>() == 24);

/// What only some comparisons need.
#[derive(Debug)]
enum Index {
    /// The earliest first.
    ByTime(Vec<Entry>),
    ByPlace(Tree),
}

impl Store {
    pub fn new(compare: Compare) -> Store {
        let index = match compare {
            Compare::Full | Compare::Checksum => None,
            Compare::Recent(_) | Compare::PeelBack => Some(Box::new(Index::ByTime(Vec::new()))),
            Compare::Merkle => Some(Box::new(Index::ByPlace(Tree::default()))),
        };
        Store { slots: Vec::new(), sum: 0, index }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The sum of all marks: equal stores have equal ones, others different ones but once in 2^64.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// What the slots take.
    #[cfg(test)]
    pub fn allocated_bytes(&self) -> usize {
        assert!(self.index.is_none(), "to be counted as well");
        self.slots.capacity() * size_of::<Slot>()
    }

    /// All of them, in the order of place and key, which is the same everywhere.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn find(&self, place: u64, key: &[u8]) -> Result<usize, usize> {
        self.slots.binary_search_by(|slot| (slot.place, &**slot.entry.key()).cmp(&(place, key)))
    }

    pub fn get(&self, key: &[u8]) -> Option<&Slot> {
        self.find(place_of(key), key).ok().map(|at| &self.slots[at])
    }

    /// Puts `entry` in the place of what stood under its key.
    pub fn put(&mut self, entry: Entry, heard: Time) {
        let slot = Slot { place: entry.place(), heard, entry: entry.clone() };
        match self.find(entry.place(), entry.key()) {
            Ok(at) => {
                let old = core::mem::replace(&mut self.slots[at], slot);
                self.forget(&old.entry);
            }
            Err(at) => {
                if self.slots.is_empty() {
                    self.slots.reserve_exact(1); // a million nodes with one key
                }
                self.slots.insert(at, slot);
            }
        }
        self.sum = self.sum.wrapping_add(entry.mark());
        match self.index.as_deref_mut() {
            None => {}
            Some(Index::ByTime(order)) => {
                let at = order.partition_point(|other| turn(other) < turn(&entry));
                order.insert(at, entry);
            }
            Some(Index::ByPlace(tree)) => tree.add(entry.place(), entry.mark()),
        }
        self.fit();
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let at = self.find(place_of(key), key).ok()?;
        let entry = self.slots.remove(at).entry;
        self.forget(&entry);
        self.fit();
        Some(entry)
    }

    /// Takes an entry out of all but the slots.
    fn forget(&mut self, entry: &Entry) {
        self.sum = self.sum.wrapping_sub(entry.mark());
        match self.index.as_deref_mut() {
            None => {}
            Some(Index::ByTime(order)) => {
                let from = order.partition_point(|other| turn(other) < turn(entry));
                let same = order[from..].iter().position(|other| other.mark() == entry.mark());
                order.remove(from + same.expect("each entry has its turn"));
            }
            Some(Index::ByPlace(tree)) => tree.add(entry.place(), entry.mark().wrapping_neg()),
        }
    }

    fn fit(&mut self) {
        if let Some(Index::ByPlace(tree)) = self.index.as_deref_mut() {
            let items = self.slots.iter().map(|slot| (slot.place, slot.entry.mark()));
            tree.fit(self.slots.len(), items);
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        if *span == Span::WHOLE {
            return 0..self.slots.len();
        }
        let first = self.slots.partition_point(|slot| span.holds(&slot.entry) == Ordering::Less);
        let rest = &self.slots[first..];
        first..first + rest.partition_point(|slot| span.holds(&slot.entry) == Ordering::Equal)
    }

    /// What lies in `span`.
    pub fn within(&self, span: &Span) -> &[Slot] {
        &self.slots[self.range(span)]
    }

    /// The sum of what lies below a prefix, and how much that is.
    pub fn sum_below(&self, depth: u8, prefix: u64) -> (u64, usize) {
        let (first, last) = merkle::places(depth, prefix);
        let from = self.slots.partition_point(|slot| slot.place < first);
        let len = self.slots[from..].partition_point(|slot| slot.place <= last);
        let known = match self.index.as_deref() {
            Some(Index::ByPlace(tree)) => tree.sum(depth, prefix),
            _ => None,
        };
        let add =
            || self.slots[from..from + len].iter().fold(0, |s: u64, slot| s.wrapping_add(slot.entry.mark()));
        (known.unwrap_or_else(add), len)
    }

    /// Whether entries can be told in the order of time.
    pub fn is_by_time(&self) -> bool {
        matches!(self.index.as_deref(), Some(Index::ByTime(_)))
    }

    /// What is earlier than `below`, the newest first.
    pub fn newest(&self, below: Option<Turn>) -> impl Iterator<Item = &Entry> {
        let order: &[Entry] = match self.index.as_deref() {
            Some(Index::ByTime(order)) => order,
            _ => &[],
        };
        let end = below.map_or(order.len(), |below| order.partition_point(|entry| turn(entry) < below));
        order[..end].iter().rev()
    }

    /// Whether `entry` came before `now`: what came at this very instant is not passed on at it.
    pub fn is_older_than(&self, now: Time, entry: &Entry) -> bool {
        self.get(entry.key()).is_none_or(|slot| slot.heard < now)
    }
}

/// Where an entry is in the order of time.
pub(super) fn turn(entry: &Entry) -> Turn {
    Turn { stamp: entry.activated(), place: entry.place() }
}

/// Gathers entries for one message, up to a number of bytes; one entry always fits.
pub(super) struct Page {
    pub entries: Entries,
    bytes: usize,
    bytes_max: usize,
}

impl Page {
    pub fn new(bytes_max: usize) -> Page {
        Page { entries: Entries::None, bytes: 0, bytes_max }
    }

    /// Adds an entry, unless it does not fit any more.
    pub fn add(&mut self, entry: &Entry) -> bool {
        let bytes = wire::len(entry);
        let fits = self.entries.is_empty() || self.bytes + bytes <= self.bytes_max;
        if fits {
            self.bytes += bytes;
            self.entries.push(entry.clone());
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::hybrid_clock::Timestamp;
    use alloc::collections::BTreeMap;
    use rumormill_core::identity::NodeId;
    use rumormill_core::payload::Payload;
    use rumormill_core::rng::Rng;
    use rumormill_core::time::{Duration, Wall};

    const ALL: [Compare; 5] = [
        Compare::Full,
        Compare::Checksum,
        Compare::Recent(Duration::from_secs(1)),
        Compare::PeelBack,
        Compare::Merkle,
    ];

    fn key(n: usize) -> Payload {
        Payload::from(&(n as u32).to_be_bytes()[..])
    }

    fn entry(n: usize, ms: u64) -> Entry {
        let stamp = Timestamp { wall: Wall(ms), counter: 0, node: NodeId(1) };
        Entry::value_of(key(n), stamp, Payload::EMPTY)
    }

    #[test]
    fn a_store_is_what_was_put_less_what_was_removed_however_it_is_indexed() {
        for compare in ALL {
            let (mut store, mut model, mut rng) = (Store::new(compare), BTreeMap::new(), Rng::seeded(8));
            for step in 0..4_000 {
                let n = rng.below(600);
                if rng.chance(0.7) {
                    let entry = entry(n, rng.below(900) as u64);
                    model.insert(n, entry.clone());
                    store.put(entry, Time(step));
                } else {
                    assert_eq!(store.remove(&key(n)).is_some(), model.remove(&n).is_some());
                }
                if step % 100 > 0 {
                    continue;
                }
                assert_eq!(store.len(), model.len());
                let sum = model.values().fold(0, |sum: u64, entry| sum.wrapping_add(entry.mark()));
                assert_eq!((store.sum(), store.sum_below(0, 0).0), (sum, sum), "{compare:?}");
                let of_children =
                    (0..16).fold(0, |sum: u64, child| sum.wrapping_add(store.sum_below(1, child).0));
                assert_eq!(of_children, sum, "{compare:?}");
                assert!(store.slots().is_sorted_by_key(|slot| (slot.place, slot.entry.key().clone())));
                if matches!(compare, Compare::Recent(_) | Compare::PeelBack) {
                    let newest: Vec<Turn> = store.newest(None).map(turn).collect();
                    assert_eq!(newest.len(), model.len());
                    assert!(newest.is_sorted_by(|a, b| a > b));
                    if let Some(middle) = newest.get(newest.len() / 2) {
                        let rest: Vec<Turn> = store.newest(Some(*middle)).map(turn).collect();
                        assert_eq!(rest, newest[newest.len() / 2 + 1..]);
                    }
                }
            }
        }
    }

    #[test]
    fn spans_that_follow_each_other_hold_everything_once() {
        let mut store = Store::new(Compare::Full);
        (0..500).for_each(|n| store.put(entry(n, 1), Time(0)));
        let (mut span, mut seen) = (Span::WHOLE, 0);
        loop {
            let rest = store.within(&span);
            let Some(last) = rest.get(6) else {
                seen += rest.len();
                break;
            };
            let cut = last.entry.key().clone();
            let part = Span { cut: cut.clone(), ..span.clone() };
            assert_eq!(store.within(&part).len(), 7);
            seen += 7;
            span = span.after(cut);
        }
        assert_eq!(seen, 500);
        let by_prefix: usize = (0..256).map(|prefix| store.within(&Span::below(2, prefix)).len()).sum();
        assert_eq!(by_prefix, 500);
        let backwards = Span { from: u64::MAX, to: 0, ..Span::WHOLE };
        assert!(store.within(&backwards).is_empty());
        let crossed = Span { after: key(1), cut: key(1), ..Span::WHOLE };
        assert!(store.within(&crossed).is_empty());
    }
}
