//! What comes next: entries in their order, in one of two queues.
//!
//! The wheel hands out whole windows and is what simulations run on; the heap hands out one instant after the other and is the
//! oracle that the wheel is held against. What comes out is the same, for the order in which one node gets it is the entries' own.

use crate::bundle::{Bundle, Item, Line, is_due};
use crate::node::{Entry, Order};
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

/// The earliest there is in a queue: not before this time; and the first class then.
pub(crate) type Next = (Time, Class);

pub(crate) enum Queue<P: Protocol> {
    Wheel(Wheel<Entry<P>>),
    /// With the lots of their order.
    Heap(BinaryHeap<Last<P>>, u64),
}

/// The greatest in a heap is the one that comes first.
pub(crate) struct Last<P: Protocol>(Order, Entry<P>);

impl<P: Protocol> Ord for Last<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.0, other.1.slot).cmp(&(self.0, self.1.slot))
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

impl<P: Protocol> Item for Entry<P> {
    fn time(&self) -> Time {
        self.time
    }
    fn class(&self) -> Class {
        self.class
    }
    fn node(&self, first: u32) -> u32 {
        self.slot - first
    }
}

impl<P: Protocol> Queue<P> {
    pub fn is_heap(&self) -> bool {
        matches!(self, Queue::Heap(..))
    }

    #[inline(always)]
    pub fn push(&mut self, entry: Entry<P>) {
        match self {
            Queue::Wheel(wheel) => wheel.push(entry),
            Queue::Heap(heap, lots) => heap.push(Last(entry.order(*lots), entry)),
        }
    }

    /// The earliest; the wheel says when its slot begins, and looks for the class only where there are cycles: then there is one instant in
    /// a slot, the one that a cycle begins at.
    pub fn next(&self, cycle: Option<u64>) -> Option<Next> {
        match self {
            Queue::Wheel(wheel) => {
                let start = wheel.next()?;
                let Some(cycle) = cycle else { return Some((start, Class::default())) };
                Some((Time(start.0.div_ceil(cycle).saturating_mul(cycle)), wheel.class()?))
            }
            Queue::Heap(heap, _) => heap.peek().map(|Last(_, entry)| (entry.time, entry.class)),
        }
    }

    /// When exactly the next entry is due.
    pub fn next_at(&self) -> Option<Time> {
        match self {
            Queue::Wheel(wheel) => wheel.next_at(),
            Queue::Heap(heap, _) => heap.peek().map(|Last(_, entry)| entry.time),
        }
    }

    /// Takes out what belongs to `turn`.
    pub fn take(&mut self, turn: &Turn) -> Bundle<Entry<P>> {
        match self {
            Queue::Wheel(wheel) => wheel.take(turn.end, turn.class),
            Queue::Heap(heap, _) => {
                let mut line = Line::new();
                while heap.peek().is_some_and(|Last(_, entry)| is_due(entry, turn.end, turn.class)) {
                    line.extend(heap.pop().map(|Last(_, entry)| Some(entry)));
                }
                Bundle::Line(line)
            }
        }
    }

    /// Takes back a line that has been read.
    pub fn keep(&mut self, line: Line<Entry<P>>) {
        if let Queue::Wheel(wheel) = self {
            wheel.spare.keep(line);
        }
    }

    /// How many entries are pending.
    pub fn len(&self) -> usize {
        match self {
            Queue::Wheel(wheel) => wheel.len(),
            Queue::Heap(heap, _) => heap.len(),
        }
    }
}
