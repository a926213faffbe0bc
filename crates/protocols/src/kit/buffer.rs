//! News on its way: each item is sent a limited number of times, those sent least often first.
//!
//! The dissemination component of SWIM (section 4.1). Each call of [`Buffer::take`] goes on where the last one stopped,
//! so that the targets of one round are given different selections.

use alloc::collections::{BTreeMap, BTreeSet};

/// Items by key, each with its size and how often it has been sent.
#[derive(Debug)]
pub struct Buffer<K, T> {
    items: BTreeMap<K, Slot<T>>,
    /// (sent, newest first, key): the order in which items leave.
    order: BTreeSet<(u32, core::cmp::Reverse<u64>, K)>,
    counter: u64,
    items_max: usize,
}

#[derive(Debug)]
struct Slot<T> {
    item: T,
    bytes: usize,
    sent: u32,
    born: u64,
}

impl<K: Ord + Copy, T: Clone> Buffer<K, T> {
    /// An empty buffer for at most `items_max` items.
    pub fn new(items_max: usize) -> Self {
        Buffer { items: BTreeMap::new(), order: BTreeSet::new(), counter: 0, items_max }
    }

    /// How many items are still being sent.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Puts an item in, in place of what stood under its key. Returns whether the one sent most often had to go for it.
    pub fn put(&mut self, key: K, item: T, bytes: usize) -> bool {
        self.remove(key);
        let full = self.items.len() >= self.items_max;
        if full && let Some((.., last)) = self.order.last().copied() {
            self.remove(last);
        }
        self.counter += 1;
        let born = self.counter;
        self.order.insert((0, core::cmp::Reverse(born), key));
        self.items.insert(key, Slot { item, bytes, sent: 0, born });
        full
    }

    /// Takes the item under `key` out.
    pub fn remove(&mut self, key: K) {
        if let Some(slot) = self.items.remove(&key) {
            self.order.remove(&(slot.sent, core::cmp::Reverse(slot.born), key));
        }
    }

    /// Takes every item out whose key lies in `range`.
    pub fn remove_range(&mut self, range: core::ops::RangeInclusive<K>) {
        while let Some((&key, _)) = self.items.range(range.clone()).next() {
            self.remove(key);
        }
    }

    /// Hands out items that together fit `room` bytes, least sent first; each counts as sent once more, and
    /// has left for good at `limit`. At most `items_max` are looked at.
    pub fn take(&mut self, mut room: usize, limit: u32, items_max: usize, mut give: impl FnMut(K, T)) {
        let mut taken = alloc::vec::Vec::new();
        for &(sent, born, key) in self.order.iter().take(items_max) {
            let slot = &self.items[&key];
            if slot.bytes <= room {
                room -= slot.bytes;
                give(key, slot.item.clone());
                taken.push((sent, born, key));
            }
        }
        for entry in taken {
            self.order.remove(&entry);
            let (sent, born, key) = entry;
            if sent + 1 >= limit {
                self.items.remove(&key);
            } else {
                self.order.insert((sent + 1, born, key));
                self.items.get_mut(&key).expect("it was just given out").sent = sent + 1;
            }
        }
    }

    /// What was given out under `key` did not leave after all: it does not count.
    pub fn unsend(&mut self, key: K) {
        if let Some(slot) = self.items.get_mut(&key).filter(|slot| slot.sent > 0) {
            let born = core::cmp::Reverse(slot.born);
            self.order.remove(&(slot.sent, born, key));
            slot.sent -= 1;
            self.order.insert((slot.sent, born, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn take(buffer: &mut Buffer<u32, u32>, room: usize, limit: u32) -> Vec<u32> {
        let mut out = Vec::new();
        buffer.take(room, limit, 100, |_, item| out.push(item));
        out
    }

    #[test]
    fn each_target_is_given_a_different_selection_and_each_item_goes_out_as_often_as_it_may() {
        let mut buffer = Buffer::new(100);
        (0..6).for_each(|k| _ = buffer.put(k, k, 100));
        assert_eq!(take(&mut buffer, 300, 2), [5, 4, 3]);
        assert_eq!(take(&mut buffer, 300, 2), [2, 1, 0]);
        assert_eq!(take(&mut buffer, 300, 2), [5, 4, 3]);
        assert_eq!(take(&mut buffer, 1000, 2), [2, 1, 0]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn what_does_not_fit_lets_smaller_news_pass() {
        let mut buffer = Buffer::new(100);
        buffer.put(1, 1, 50);
        buffer.put(2, 2, 500);
        assert_eq!(take(&mut buffer, 100, 9), [1]);
    }

    #[test]
    fn a_full_buffer_drops_what_was_sent_most_and_says_so() {
        let mut buffer = Buffer::new(2);
        assert!(!buffer.put(1, 1, 10));
        take(&mut buffer, 100, 9);
        assert!(!buffer.put(2, 2, 10));
        assert!(buffer.put(3, 3, 10));
        assert_eq!(take(&mut buffer, 100, 9), [3, 2]);
    }

    #[test]
    fn what_was_shed_does_not_count_as_sent() {
        let mut buffer = Buffer::new(2);
        buffer.put(1, 1, 10);
        take(&mut buffer, 100, 2);
        buffer.unsend(1);
        assert_eq!(take(&mut buffer, 100, 2), [1]);
        assert_eq!(take(&mut buffer, 100, 2), [1]);
        assert!(buffer.is_empty());
    }
}
