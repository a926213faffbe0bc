//! A retransmit queue: each item is sent a limited number of times, and those sent least often go first.
//!
//! The dissemination component of SWIM (section 4.1). Each call of [`RetransmitQueue::take`] goes on where the last one stopped,
//! so that the targets of one round are given different selections.
//!
//! While a cluster forms, each member has an item about each other one on its way: an item takes 16 bytes beside itself, and 4 in the table of
//! places.

use super::id_hash::IdHash;
use super::segments::Segments;
use alloc::vec::Vec;
use core::ops::Range;
use hashbrown::HashTable;
use rumormill_core::identity::NodeId;

/// An item of a queue, which holds one for each key.
pub trait Keyed: Clone {
    /// The key by which items are told apart.
    type Key: Copy + PartialEq;
    /// The key of this item.
    fn key(&self) -> Self::Key;
    /// The member that an item with this key is about.
    fn about(key: Self::Key) -> NodeId;
}

/// The slot that stands for none.
const NONE: u32 = u32::MAX;

/// Items by key, each with its size and how often it has been sent.
#[derive(Debug)]
pub struct RetransmitQueue<T> {
    slots: Segments<Slot<T>>,
    /// The first free slot.
    free: u32,
    /// The slots of all items, by the members that they are about.
    places: HashTable<u32>,
    /// One list per number of times sent.
    levels: Vec<List>,
    /// No item here is smaller.
    bytes_min: u32,
    items_max: usize,
    hash: IdHash,
}

#[derive(Debug)]
struct Slot<T> {
    /// The neighbours in the list of its level; `next` of a free slot is the next free one.
    previous: u32,
    next: u32,
    sent: u32,
    bytes: u32,
    item: Option<T>,
}

/// A list of slots that are linked to each other.
#[derive(Copy, Clone, Debug)]
struct List {
    first: u32,
    last: u32,
}

impl List {
    const EMPTY: List = List { first: NONE, last: NONE };

    fn push_front<T>(&mut self, slots: &mut Segments<Slot<T>>, slot: u32) {
        let place = &mut slots[slot as usize];
        (place.previous, place.next) = (NONE, self.first);
        match slots.get_mut(self.first as usize) {
            Some(first) => first.previous = slot,
            None => self.last = slot,
        }
        self.first = slot;
    }

    fn push_back<T>(&mut self, slots: &mut Segments<Slot<T>>, slot: u32) {
        let place = &mut slots[slot as usize];
        (place.previous, place.next) = (self.last, NONE);
        match slots.get_mut(self.last as usize) {
            Some(last) => last.next = slot,
            None => self.first = slot,
        }
        self.last = slot;
    }

    fn unlink<T>(&mut self, slots: &mut Segments<Slot<T>>, slot: u32) {
        let Slot { previous, next, .. } = slots[slot as usize];
        match slots.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => self.first = next,
        }
        match slots.get_mut(next as usize) {
            Some(next) => next.previous = previous,
            None => self.last = previous,
        }
    }
}

/// The key of the item in this slot, which holds one.
fn key_at<T: Keyed>(slots: &Segments<Slot<T>>, slot: u32) -> T::Key {
    slots[slot as usize].item.as_ref().expect("a place leads to an item").key()
}

impl<T: Keyed> RetransmitQueue<T> {
    /// An empty queue for at most `items_max` items, which are found by this hash.
    pub fn new(items_max: usize, hash: IdHash) -> Self {
        RetransmitQueue {
            slots: Segments::default(),
            free: NONE,
            places: HashTable::new(),
            levels: Vec::new(),
            bytes_min: u32::MAX,
            items_max,
            hash,
        }
    }

    /// How many items are still being sent.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What is still being sent, in no order that means anything.
    pub fn items(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.item.as_ref())
    }

    /// Puts an item in, in place of what stood under its key. Returns whether the one sent most often had to go for it.
    pub fn put(&mut self, item: T, bytes: usize) -> bool {
        let about = T::about(item.key());
        self.remove(item.key());
        let full = self.len() >= self.items_max;
        if full {
            self.drop_most_sent();
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.bytes_min = self.bytes_min.min(bytes);
        let slot = self.occupy(Slot { previous: NONE, next: NONE, sent: 0, bytes, item: Some(item) });
        let (slots, hash) = (&self.slots, self.hash);
        self.places.insert_unique(hash.of(about), slot, |slot| hash.of(T::about(key_at(slots, *slot))));
        self.level(0);
        self.levels[0].push_front(&mut self.slots, slot); // the newest first
        full
    }

    /// Takes the item under `key` out.
    pub fn remove(&mut self, key: T::Key) {
        if let Some(slot) = self.find(key) {
            self.take_out(slot);
        }
    }

    /// Takes every item about this member out.
    pub fn remove_about(&mut self, id: NodeId) {
        let hash = self.hash.of(id);
        while let Some(slot) =
            self.places.find(hash, |slot| T::about(key_at(&self.slots, *slot)) == id).copied()
        {
            self.take_out(slot);
        }
    }

    /// Hands out items that together fit `room` bytes, least sent first; each counts as sent once more, and
    /// has left for good at `limit`. At most `items_max` are looked at.
    pub fn take(&mut self, room: usize, limit: u32, items_max: usize, give: impl FnMut(T)) {
        self.hand_out(0..usize::MAX, 1, room, limit, items_max, give);
    }

    /// The same of what was sent before.
    pub fn take_again(&mut self, room: usize, limit: u32, items_max: usize, give: impl FnMut(T)) {
        self.hand_out(1..usize::MAX, 1, room, limit, items_max, give);
    }

    /// The same of what was never sent, for so many receivers: each item counts as sent `copies` times.
    pub fn take_fresh(
        &mut self,
        copies: u32,
        room: usize,
        limit: u32,
        items_max: usize,
        give: impl FnMut(T),
    ) {
        self.hand_out(0..1, copies, room, limit, items_max, give);
    }

    fn hand_out(
        &mut self,
        levels: Range<usize>,
        copies: u32,
        mut room: usize,
        limit: u32,
        items_max: usize,
        mut give: impl FnMut(T),
    ) {
        let (mut looks, mut taken) = (items_max, List::EMPTY);
        for level in levels.start..self.levels.len().min(levels.end) {
            let mut next = self.levels[level].first;
            while looks > 0
                && room >= self.bytes_min as usize
                && let Some(slot) = self.slots.get(next as usize)
            {
                let at = core::mem::replace(&mut next, slot.next);
                looks -= 1;
                if slot.bytes as usize > room {
                    continue;
                }
                room -= slot.bytes as usize;
                slot.item.iter().cloned().for_each(&mut give);
                self.levels[level].unlink(&mut self.slots, at);
                taken.push_back(&mut self.slots, at);
            }
        }
        self.note_sent(taken, copies, limit);
    }

    /// These were handed out, for so many receivers.
    fn note_sent(&mut self, taken: List, copies: u32, limit: u32) {
        let mut next = taken.first;
        while let Some(slot) = self.slots.get_mut(next as usize) {
            let at = core::mem::replace(&mut next, slot.next);
            slot.sent = slot.sent.saturating_add(copies);
            if slot.sent < limit {
                let level = slot.sent;
                self.level(level);
                self.levels[level as usize].push_back(&mut self.slots, at);
            } else {
                self.vacate(at);
            }
        }
    }

    /// What was given out under `key` did not leave after all: it does not count.
    pub fn unsend(&mut self, key: T::Key) {
        let Some(slot) = self.find(key) else { return };
        let sent = self.slots[slot as usize].sent;
        if sent > 0 {
            self.levels[sent as usize].unlink(&mut self.slots, slot);
            self.slots[slot as usize].sent -= 1;
            self.levels[sent as usize - 1].push_front(&mut self.slots, slot);
        }
    }

    fn find(&self, key: T::Key) -> Option<u32> {
        self.places.find(self.hash.of(T::about(key)), |slot| key_at(&self.slots, *slot) == key).copied()
    }

    /// Makes the list of this level, if there was none.
    fn level(&mut self, level: u32) {
        if self.levels.len() <= level as usize {
            self.levels.resize(level as usize + 1, List::EMPTY);
        }
    }

    /// Puts `slot` into a free place.
    fn occupy(&mut self, slot: Slot<T>) -> u32 {
        let at = self.free;
        match self.slots.get_mut(at as usize) {
            Some(place) => {
                self.free = place.next;
                *place = slot;
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() as u32 - 1
            }
        }
    }

    fn take_out(&mut self, slot: u32) {
        let level = self.slots[slot as usize].sent;
        self.levels[level as usize].unlink(&mut self.slots, slot);
        self.vacate(slot);
    }

    /// The item in this slot is in no list any more: it goes.
    fn vacate(&mut self, slot: u32) {
        let hash = self.hash.of(T::about(key_at(&self.slots, slot)));
        let place = self.places.find_entry(hash, |place| *place == slot);
        place.expect("each item has its place").remove();
        let vacant = &mut self.slots[slot as usize];
        (vacant.item, vacant.next) = (None, self.free);
        self.free = slot;
        if self.places.is_empty() {
            *self = RetransmitQueue::new(self.items_max, self.hash); // what a busy time has allocated
        }
    }

    fn drop_most_sent(&mut self) {
        if let Some(level) = self.levels.iter().rev().find(|level| level.last != NONE) {
            self.take_out(level.last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// A key, and what is said under it.
    type Said = (u32, u32);

    impl Keyed for Said {
        type Key = u32;
        fn key(&self) -> u32 {
            self.0
        }
        fn about(key: u32) -> NodeId {
            NodeId(u64::from(key / 10))
        }
    }

    fn take(queue: &mut RetransmitQueue<Said>, room: usize, limit: u32) -> Vec<u32> {
        let mut out = Vec::new();
        queue.take(room, limit, 100, |item| out.push(item.1));
        out
    }

    #[test]
    fn each_target_is_given_a_different_selection_and_each_item_goes_out_as_often_as_it_may() {
        let mut queue = RetransmitQueue::new(100, IdHash::default());
        (0..6).for_each(|k| _ = queue.put((k, k), 100));
        assert_eq!(take(&mut queue, 300, 2), [5, 4, 3]);
        assert_eq!(take(&mut queue, 300, 2), [2, 1, 0]);
        assert_eq!(take(&mut queue, 300, 2), [5, 4, 3]);
        assert_eq!(take(&mut queue, 1000, 2), [2, 1, 0]);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_is_quite_new_goes_to_several_at_once_and_counts_as_often() {
        let mut queue = RetransmitQueue::new(100, IdHash::default());
        queue.put((1, 1), 100);
        take(&mut queue, 100, 4);
        queue.put((2, 2), 100);
        let mut fresh = |limit| {
            let mut out = Vec::new();
            queue.take_fresh(3, 1_000, limit, 100, |item| out.push(item.1));
            out
        };
        assert_eq!(fresh(4), [2], "the other was told to somebody");
        assert_eq!(fresh(4), []);
        queue.put((4, 4), 100);
        let mut again = Vec::new();
        queue.take_again(1_000, 9, 100, |item| again.push(item.1));
        assert_eq!(again, [1, 2], "the new one waits");
        queue.remove(4);
        queue.unsend(1);
        queue.unsend(2);
        assert_eq!(take(&mut queue, 1_000, 4), [1, 2]);
        assert_eq!(take(&mut queue, 1_000, 4), [1], "of four times three were at once");
        queue.put((3, 3), 100);
        queue.take_fresh(3, 1_000, 2, 100, |_| {});
        assert_eq!(queue.len(), 1, "more often than it may: it is gone");
    }

    #[test]
    fn what_does_not_fit_lets_smaller_news_pass() {
        let mut queue = RetransmitQueue::new(100, IdHash::default());
        queue.put((1, 1), 50);
        queue.put((2, 2), 500);
        assert_eq!(take(&mut queue, 100, 9), [1]);
    }

    #[test]
    fn a_full_buffer_drops_what_was_sent_most_and_says_so() {
        let mut queue = RetransmitQueue::new(2, IdHash::default());
        assert!(!queue.put((1, 1), 10));
        take(&mut queue, 100, 9);
        assert!(!queue.put((2, 2), 10));
        assert!(queue.put((3, 3), 10));
        assert_eq!(take(&mut queue, 100, 9), [3, 2]);
    }

    #[test]
    fn news_of_one_that_changes_all_the_time_does_not_pile_up() {
        let mut queue = RetransmitQueue::new(8, IdHash::default());
        (0..1_000).for_each(|n| _ = queue.put((1, n), 10));
        assert_eq!(queue.slots.len(), 1);
        assert_eq!(take(&mut queue, 100, 1), [999]);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_was_shed_does_not_count_as_sent() {
        let mut queue = RetransmitQueue::new(2, IdHash::default());
        queue.put((1, 1), 10);
        take(&mut queue, 100, 2);
        queue.unsend(1);
        assert_eq!(take(&mut queue, 100, 2), [1]);
        assert_eq!(take(&mut queue, 100, 2), [1]);
        assert!(queue.is_empty());
    }

    #[test]
    fn all_that_is_said_about_one_goes_together_and_what_a_busy_time_took_is_given_back() {
        let mut queue = RetransmitQueue::new(1_000, IdHash::default());
        (0..500).for_each(|k| _ = queue.put((k, k), 10));
        take(&mut queue, 200 * 10, 3);
        (1..50).for_each(|about| queue.remove_about(NodeId(about)));
        assert_eq!(take(&mut queue, 1_000, 3), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(queue.len(), 10);
        queue.remove_about(NodeId(0));
        assert!(queue.is_empty() && queue.slots.is_empty());
        assert_eq!(queue.places.capacity(), 0);
    }
}
