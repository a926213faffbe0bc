//! A retransmit queue: each item is sent a limited number of times, and those sent least often go first.
//!
//! The dissemination component of SWIM (section 4.1). Each call of [`RetransmitQueue::take`] goes on where the last one stopped,
//! so that the targets of one round are given different selections.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// Items by key, each with its size and how often it has been sent.
#[derive(Debug)]
pub struct RetransmitQueue<K, T> {
    places: BTreeMap<K, u32>,
    slots: Vec<Slot<K, T>>,
    free: Vec<u32>,
    /// One queue per number of times sent. An entry whose mark is not its slot's is stale and passed over.
    queues: Vec<VecDeque<Entry>>,
    items_max: usize,
}

#[derive(Debug)]
struct Slot<K, T> {
    mark: u32,
    sent: u32,
    bytes: usize,
    held: Option<(K, T)>,
}

#[derive(Copy, Clone, Debug)]
struct Entry {
    slot: u32,
    mark: u32,
}

impl<K: Ord + Copy, T: Clone> RetransmitQueue<K, T> {
    /// An empty queue for at most `items_max` items.
    pub fn new(items_max: usize) -> Self {
        RetransmitQueue {
            places: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            queues: Vec::new(),
            items_max,
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

    /// What is still being sent, in the order of the keys.
    pub fn items(&self) -> impl Iterator<Item = &T> {
        self.places.values().filter_map(|slot| self.slots[*slot as usize].held.as_ref().map(|(_, item)| item))
    }

    /// Puts an item in, in place of what stood under its key. Returns whether the one sent most often had to go for it.
    pub fn put(&mut self, key: K, item: T, bytes: usize) -> bool {
        self.remove(key);
        let full = self.places.len() >= self.items_max;
        if full {
            self.drop_most_sent();
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { mark: 0, sent: 0, bytes: 0, held: None });
            self.slots.len() as u32 - 1
        });
        let place = &mut self.slots[slot as usize];
        (place.sent, place.bytes, place.held) = (0, bytes, Some((key, item)));
        self.places.insert(key, slot);
        let entry = Entry { slot, mark: place.mark };
        self.queue(0).push_front(entry); // the newest first
        if self.queues[0].len() > 2 * self.items_max {
            let slots = &self.slots;
            self.queues[0].retain(|entry| slots[entry.slot as usize].mark == entry.mark);
        }
        full
    }

    /// Takes the item under `key` out.
    pub fn remove(&mut self, key: K) {
        if let Some(slot) = self.places.remove(&key) {
            self.vacate(slot);
        }
    }

    /// Takes every item out whose key lies in `range`.
    pub fn remove_range(&mut self, range: core::ops::RangeInclusive<K>) {
        while let Some((&key, _)) = self.places.range(range.clone()).next() {
            self.remove(key);
        }
    }

    /// Hands out items that together fit `room` bytes, least sent first; each counts as sent once more, and
    /// has left for good at `limit`. At most `items_max` are looked at.
    pub fn take(&mut self, room: usize, limit: u32, items_max: usize, give: impl FnMut(K, T)) {
        self.hand_out(0..usize::MAX, 1, room, limit, items_max, give);
    }

    /// The same of what was sent before.
    pub fn take_again(&mut self, room: usize, limit: u32, items_max: usize, give: impl FnMut(K, T)) {
        self.hand_out(1..usize::MAX, 1, room, limit, items_max, give);
    }

    /// The same of what was never sent, for so many receivers: each item counts as sent `copies` times.
    pub fn take_fresh(
        &mut self,
        copies: u32,
        room: usize,
        limit: u32,
        items_max: usize,
        give: impl FnMut(K, T),
    ) {
        self.hand_out(0..1, copies, room, limit, items_max, give);
    }

    fn hand_out(
        &mut self,
        levels: core::ops::Range<usize>,
        copies: u32,
        mut room: usize,
        limit: u32,
        items_max: usize,
        mut give: impl FnMut(K, T),
    ) {
        let mut looks = items_max;
        let mut sent: Vec<u32> = Vec::new();
        for level in levels.start..self.queues.len().min(levels.end) {
            let mut too_large = Vec::new();
            while looks > 0
                && let Some(entry) = self.queues[level].pop_front()
            {
                let slot = &self.slots[entry.slot as usize];
                let Some((key, item)) = slot.held.as_ref().filter(|_| slot.mark == entry.mark) else {
                    continue;
                };
                looks -= 1;
                if slot.bytes > room {
                    too_large.push(entry);
                    continue;
                }
                room -= slot.bytes;
                give(*key, item.clone());
                sent.push(entry.slot);
            }
            too_large.into_iter().rev().for_each(|entry| self.queues[level].push_front(entry));
            if looks == 0 {
                break;
            }
        }
        for slot in sent {
            let place = &mut self.slots[slot as usize];
            place.sent += copies;
            if place.sent < limit {
                let (level, entry) = (place.sent, Entry { slot, mark: place.mark });
                self.queue(level).push_back(entry);
            } else if let Some((key, _)) = place.held {
                self.places.remove(&key);
                self.vacate(slot);
            }
        }
    }

    /// What was given out under `key` did not leave after all: it does not count.
    pub fn unsend(&mut self, key: K) {
        let Some(&slot) = self.places.get(&key) else { return };
        let place = &mut self.slots[slot as usize];
        if place.sent > 0 {
            place.sent -= 1;
            place.mark = place.mark.wrapping_add(1);
            let (level, entry) = (place.sent, Entry { slot, mark: place.mark });
            self.queue(level).push_front(entry);
        }
    }

    fn queue(&mut self, level: u32) -> &mut VecDeque<Entry> {
        if self.queues.len() <= level as usize {
            self.queues.resize_with(level as usize + 1, VecDeque::new);
        }
        &mut self.queues[level as usize]
    }

    fn vacate(&mut self, slot: u32) {
        let place = &mut self.slots[slot as usize];
        place.mark = place.mark.wrapping_add(1);
        place.held = None;
        self.free.push(slot);
        if self.places.is_empty() {
            // Nothing is left but stale entries, and what a busy time has allocated.
            (self.slots, self.free, self.queues) = (Vec::new(), Vec::new(), Vec::new());
        }
    }

    fn drop_most_sent(&mut self) {
        for level in (0..self.queues.len()).rev() {
            while let Some(entry) = self.queues[level].pop_back() {
                let place = &self.slots[entry.slot as usize];
                if let Some((key, _)) = place.held.as_ref().filter(|_| place.mark == entry.mark) {
                    let key = *key;
                    return self.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn take(queue: &mut RetransmitQueue<u32, u32>, room: usize, limit: u32) -> Vec<u32> {
        let mut out = Vec::new();
        queue.take(room, limit, 100, |_, item| out.push(item));
        out
    }

    #[test]
    fn each_target_is_given_a_different_selection_and_each_item_goes_out_as_often_as_it_may() {
        let mut queue = RetransmitQueue::new(100);
        (0..6).for_each(|k| _ = queue.put(k, k, 100));
        assert_eq!(take(&mut queue, 300, 2), [5, 4, 3]);
        assert_eq!(take(&mut queue, 300, 2), [2, 1, 0]);
        assert_eq!(take(&mut queue, 300, 2), [5, 4, 3]);
        assert_eq!(take(&mut queue, 1000, 2), [2, 1, 0]);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_is_quite_new_goes_to_several_at_once_and_counts_as_often() {
        let mut queue = RetransmitQueue::new(100);
        queue.put(1, 1, 100);
        take(&mut queue, 100, 4);
        queue.put(2, 2, 100);
        let mut fresh = |limit| {
            let mut out = Vec::new();
            queue.take_fresh(3, 1_000, limit, 100, |_, item| out.push(item));
            out
        };
        assert_eq!(fresh(4), [2], "the other was told to somebody");
        assert_eq!(fresh(4), []);
        queue.put(4, 4, 100);
        let mut again = Vec::new();
        queue.take_again(1_000, 9, 100, |_, item| again.push(item));
        assert_eq!(again, [1, 2], "the new one waits");
        queue.remove(4);
        queue.unsend(1);
        queue.unsend(2);
        assert_eq!(take(&mut queue, 1_000, 4), [1, 2]);
        assert_eq!(take(&mut queue, 1_000, 4), [1], "of four times three were at once");
        queue.put(3, 3, 100);
        queue.take_fresh(3, 1_000, 2, 100, |_, _| {});
        assert_eq!(queue.len(), 1, "more often than it may: it is gone");
    }

    #[test]
    fn what_does_not_fit_lets_smaller_news_pass() {
        let mut queue = RetransmitQueue::new(100);
        queue.put(1, 1, 50);
        queue.put(2, 2, 500);
        assert_eq!(take(&mut queue, 100, 9), [1]);
    }

    #[test]
    fn a_full_buffer_drops_what_was_sent_most_and_says_so() {
        let mut queue = RetransmitQueue::new(2);
        assert!(!queue.put(1, 1, 10));
        take(&mut queue, 100, 9);
        assert!(!queue.put(2, 2, 10));
        assert!(queue.put(3, 3, 10));
        assert_eq!(take(&mut queue, 100, 9), [3, 2]);
    }

    #[test]
    fn news_of_one_that_changes_all_the_time_does_not_pile_up() {
        let mut queue = RetransmitQueue::new(8);
        (0..1_000).for_each(|n| _ = queue.put(1, n, 10));
        assert!(queue.queues[0].len() <= 17, "{}", queue.queues[0].len());
        assert_eq!(take(&mut queue, 100, 1), [999]);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_was_shed_does_not_count_as_sent() {
        let mut queue = RetransmitQueue::new(2);
        queue.put(1, 1, 10);
        take(&mut queue, 100, 2);
        queue.unsend(1);
        assert_eq!(take(&mut queue, 100, 2), [1]);
        assert_eq!(take(&mut queue, 100, 2), [1]);
        assert!(queue.is_empty());
    }
}
