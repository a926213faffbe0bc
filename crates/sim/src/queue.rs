//! What comes next: a priority queue over (time, class, sequence).
//!
//! A binary heap of small keys over a slab of items. Everything else in this crate goes through these few methods, so that a timing
//! wheel can take its place.

use rumormill_core::time::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What comes first among what is due at one instant: the smaller class, and in one class what was pushed first.
pub(crate) type Class = u8;

/// Items by time, class and the order in which they were pushed.
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<Key>>,
    items: Vec<Option<T>>,
    free: Vec<u32>,
    pushed: u64,
}

/// Ordered by its fields, from the first to the last. Its `sequence` is unique, so `item` never decides.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub time: Time,
    pub class: Class,
    pub sequence: u64,
    item: u32,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue { heap: BinaryHeap::new(), items: Vec::new(), free: Vec::new(), pushed: 0 }
    }
}

impl<T> Queue<T> {
    /// Adds `item`, to be taken out at `time`.
    pub fn push(&mut self, time: Time, class: Class, item: T) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.items.push(None);
            u32::try_from(self.items.len() - 1).expect("at most 2^32 entries are pending")
        });
        self.items[at as usize] = Some(item);
        self.heap.push(Reverse(Key { time, class, sequence: self.pushed, item: at }));
        self.pushed += 1;
    }

    /// When and in which class the next item is due.
    pub fn peek(&self) -> Option<(Time, Class)> {
        self.heap.peek().map(|Reverse(key)| (key.time, key.class))
    }

    /// Takes the next item out.
    pub fn pop(&mut self) -> Option<(Key, T)> {
        let Reverse(key) = self.heap.pop()?;
        let item = self.items[key.item as usize].take().expect("a key has its item");
        self.free.push(key.item);
        Some((key, item))
    }

    /// How many items are pending.
    pub fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_leave_by_time_then_class_then_in_the_order_they_came() {
        let mut queue = Queue::default();
        for (time, class, item) in [(2, 0, "e"), (1, 1, "c"), (1, 0, "a"), (1, 1, "d"), (1, 0, "b")] {
            queue.push(Time(time), class, item);
        }
        assert_eq!(queue.peek(), Some((Time(1), 0)));
        let order: String = std::iter::from_fn(|| queue.pop()).map(|(_, item)| item).collect();
        assert_eq!(order, "abcde");
        queue.push(Time(9), 0, "f");
        assert_eq!((queue.len(), queue.items.len()), (1, 5), "slots are used again");
    }
}
