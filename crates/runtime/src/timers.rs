//! What is due later: the protocol's timers, and what the driver itself has to tell it in a moment.

use rumormill_core::{Loss, NodeId, Time};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Something that is due.
#[derive(Debug)]
pub enum Due<T> {
    /// The protocol's own timer.
    Timer(T),
    /// Tell the protocol that something did not arrive.
    Lost(NodeId, Loss),
    /// Tell the protocol that a message of that lane was dropped.
    Shed(NodeId, usize),
    /// Ask again who is at an address.
    Resolve(u64),
}

/// All that is due, the earliest first; what is due at one time, in the order in which it was asked for.
#[derive(Debug)]
pub struct Timers<T> {
    heap: BinaryHeap<Entry<T>>,
    count: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Time,
    count: u64,
    due: Due<T>,
}

impl<T> Timers<T> {
    /// Nothing is due.
    pub fn new() -> Timers<T> {
        Timers { heap: BinaryHeap::new(), count: 0 }
    }

    /// Makes something due at `at`.
    pub fn push(&mut self, at: Time, due: Due<T>) {
        self.count += 1;
        self.heap.push(Entry { at, count: self.count, due });
    }

    /// When the earliest is due.
    pub fn next(&self) -> Option<Time> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// Takes the earliest if it is due at `now` and was asked for before `limit` (see [`mark`](Timers::mark)).
    pub fn pop(&mut self, now: Time, limit: u64) -> Option<Due<T>> {
        let entry = self.heap.peek()?;
        if entry.at > now || entry.count > limit {
            return None;
        }
        self.heap.pop().map(|entry| entry.due)
    }

    /// How much has been asked for so far.
    pub fn mark(&self) -> u64 {
        self.count
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.count).cmp(&(self.at, self.count)) // the heap gives the greatest first
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_and_what_is_asked_for_meanwhile_waits() {
        let mut timers = Timers::new();
        for (at, name) in [(5, 'c'), (1, 'a'), (5, 'd'), (3, 'b'), (9, 'z')] {
            timers.push(Time(at), Due::Timer(name));
        }
        assert_eq!(timers.next(), Some(Time(1)));
        let limit = timers.mark();
        let mut seen = String::new();
        while let Some(Due::Timer(name)) = timers.pop(Time(5), limit) {
            seen.push(name);
            timers.push(Time(5), Due::Timer('x'));
        }
        assert_eq!(seen, "abcd");
        assert!(timers.pop(Time(5), timers.mark()).is_some());
    }
}
