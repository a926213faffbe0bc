//! What is due later: the protocol's timers, and what the driver itself has to tell it in a moment.

use rumormill_core::{Loss, NodeId, Time};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Something that is due.
#[derive(Debug)]
pub enum Due<T, M> {
    /// The protocol's own timer.
    Timer(T),
    /// Tell the protocol that something did not arrive.
    Lost(NodeId, Loss),
    /// Tell the protocol that this message to that peer was dropped.
    Shed(NodeId, M),
    /// Ask again who is at an address.
    Resolve(u64),
}

/// All that is due, the earliest first; what is due at one time, in the order in which it was asked for.
#[derive(Debug)]
pub struct Timers<T, M> {
    heap: BinaryHeap<Entry<T, M>>,
    count: u64,
}

#[derive(Debug)]
struct Entry<T, M> {
    at: Time,
    count: u64,
    due: Due<T, M>,
}

impl<T, M> Timers<T, M> {
    /// Nothing is due.
    pub fn new() -> Timers<T, M> {
        Timers { heap: BinaryHeap::new(), count: 0 }
    }

    /// Makes something due at `at`.
    pub fn push(&mut self, at: Time, due: Due<T, M>) {
        self.count += 1;
        self.heap.push(Entry { at, count: self.count, due });
    }

    /// When the earliest is due.
    pub fn next(&self) -> Option<Time> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// Takes the earliest if it is due at `now` and was asked for before `limit` (see [`mark`](Timers::mark)).
    pub fn pop(&mut self, now: Time, limit: u64) -> Option<Due<T, M>> {
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

impl<T, M> Ord for Entry<T, M> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.count).cmp(&(self.at, self.count)) // the heap gives the greatest first
    }
}

impl<T, M> PartialOrd for Entry<T, M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T, M> PartialEq for Entry<T, M> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T, M> Eq for Entry<T, M> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_and_what_is_asked_for_meanwhile_waits() {
        let mut timers = Timers::<_, ()>::new();
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
