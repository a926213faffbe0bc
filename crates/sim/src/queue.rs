//! What comes next: entries by (time, class, rank, sequence), in one of two queues.
//!
//! The wheel hands out whole windows and is what simulations run on; the heap hands out one instant after the other and is the
//! oracle that the wheel is held against. What comes out is the same, for the order in which one node gets it is the entries' own.

use crate::node::Entry;
use crate::wheel::Wheel;
use rumormill_core::protocol::Protocol;
use rumormill_core::time::Time;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// What comes first among what is due at one instant: the smaller class.
pub(crate) type Class = u8;

/// All that is run side by side: what is due before `end`, and in the synchronous world of one class alone.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Turn {
    pub end: Time,
    pub class: Option<Class>,
}

impl Turn {
    pub fn takes<P: Protocol>(&self, entry: &Entry<P>) -> bool {
        entry.time < self.end && self.class.is_none_or(|class| entry.class == class)
    }
}

/// The earliest there is in a queue: not before this time; and the first class then.
pub(crate) type Next = (Time, Class);

pub(crate) enum Queue<P: Protocol> {
    Wheel(Wheel<Entry<P>>),
    Heap(BinaryHeap<Last<P>>),
}

/// The greatest in a heap is the one that comes first.
pub(crate) struct Last<P: Protocol>(Entry<P>);

impl<P: Protocol> Ord for Last<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.0.order(), other.0.slot).cmp(&(self.0.order(), self.0.slot))
    }
}
impl<P: Protocol> PartialOrd for Last<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<P: Protocol> PartialEq for Last<P> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl<P: Protocol> Eq for Last<P> {}

impl<P: Protocol> Queue<P> {
    pub fn is_heap(&self) -> bool {
        matches!(self, Queue::Heap(_))
    }

    pub fn push(&mut self, entry: Entry<P>) {
        match self {
            Queue::Wheel(wheel) => wheel.push(entry.time, entry),
            Queue::Heap(heap) => heap.push(Last(entry)),
        }
    }

    /// The earliest; the wheel says when its slot begins, and looks for the class only in the synchronous world, where a slot is an instant.
    pub fn next(&self, synchronous: bool) -> Option<Next> {
        match self {
            Queue::Wheel(wheel) => {
                let (time, entries) = wheel.next()?;
                let class = if synchronous { entries.map(|e| e.class).min() } else { None };
                Some((time, class.unwrap_or_default()))
            }
            Queue::Heap(heap) => heap.peek().map(|Last(entry)| (entry.time, entry.class)),
        }
    }

    /// When exactly the next entry is due.
    pub fn next_at(&self) -> Option<Time> {
        match self {
            Queue::Wheel(wheel) => wheel.next()?.1.map(|entry| entry.time).min(),
            Queue::Heap(heap) => heap.peek().map(|Last(entry)| entry.time),
        }
    }

    /// Takes out what belongs to `turn`.
    pub fn take(&mut self, turn: &Turn, due: &mut Vec<Option<Entry<P>>>) {
        match self {
            Queue::Wheel(wheel) => wheel.take(turn.end, |entry| turn.takes(entry), due),
            Queue::Heap(heap) => {
                while heap.peek().is_some_and(|Last(entry)| turn.takes(entry)) {
                    due.extend(heap.pop().map(|Last(entry)| Some(entry)));
                }
            }
        }
    }

    /// How many entries are pending.
    pub fn len(&self) -> usize {
        match self {
            Queue::Wheel(wheel) => wheel.len(),
            Queue::Heap(heap) => heap.len(),
        }
    }
}
