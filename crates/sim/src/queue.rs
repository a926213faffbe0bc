//! The event queue of a partition, in one of two forms.
//!
//! The wheel hands out whole windows, and simulations run on it; the heap hands out one instant after the other, and is the oracle that
//! the wheel is compared with. Both give the same run, since the order in which one node gets its entries is the entries' own.

use crate::bucket::{Bucket, Chunk, is_due};
use crate::entry::{Class, Entry, Order};
use crate::wheel::Wheel;
use rumormill_core::protocol::Protocol;
use rumormill_core::time::Time;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Sub-steps at one `now`: protocols that answer each other for longer than this without letting time pass never end.
pub const SUBSTEPS_MAX: u32 = 10_000;

/// Entries that all nodes can run side by side: those due before `end`, and in the synchronous world of one class alone.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Window {
    pub end: Time,
    pub class: Option<Class>,
}

/// A lower bound for the time of the earliest entry of a queue, and the first class at that time.
pub(crate) type Next = (Time, Class);

pub(crate) enum Queue<P: Protocol> {
    Wheel(Wheel<Entry<P>>),
    /// The heap, and the tie-break seed of its order.
    Heap(BinaryHeap<Reversed<P>>, u64),
}

/// An entry whose order is reversed, since [`BinaryHeap`] hands out the greatest first.
pub(crate) struct Reversed<P: Protocol>(Order, Entry<P>);

impl<P: Protocol> Ord for Reversed<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.0, other.1.slot).cmp(&(self.0, self.1.slot))
    }
}
impl<P: Protocol> PartialOrd for Reversed<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<P: Protocol> PartialEq for Reversed<P> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl<P: Protocol> Eq for Reversed<P> {}

impl<P: Protocol> Queue<P> {
    pub fn is_heap(&self) -> bool {
        matches!(self, Queue::Heap(..))
    }

    #[inline(always)]
    pub fn push(&mut self, entry: Entry<P>) {
        match self {
            Queue::Wheel(wheel) => wheel.push(entry),
            Queue::Heap(heap, tie_break) => heap.push(Reversed(entry.order(*tie_break), entry)),
        }
    }

    /// When the next window may begin. The wheel answers with the beginning of its slot, and looks for the class only where there are
    /// cycles: there a slot holds one instant, the beginning of a cycle.
    pub fn next(&self, cycle: Option<u64>) -> Option<Next> {
        match self {
            Queue::Wheel(wheel) => {
                let start = wheel.next()?;
                let Some(cycle) = cycle else { return Some((start, Class::default())) };
                Some((Time(start.0.div_ceil(cycle).saturating_mul(cycle)), wheel.class()?))
            }
            Queue::Heap(heap, _) => heap.peek().map(|Reversed(_, entry)| (entry.time, entry.class)),
        }
    }

    /// The exact time of the next entry.
    pub fn next_at(&self) -> Option<Time> {
        match self {
            Queue::Wheel(wheel) => wheel.next_at(),
            Queue::Heap(heap, _) => heap.peek().map(|Reversed(_, entry)| entry.time),
        }
    }

    /// Takes out the entries of `window`.
    pub fn take(&mut self, window: &Window) -> Bucket<Entry<P>> {
        match self {
            Queue::Wheel(wheel) => wheel.take(window.end, window.class),
            Queue::Heap(heap, _) => {
                let mut chunk = Chunk::new();
                while heap.peek().is_some_and(|Reversed(_, entry)| is_due(entry, window.end, window.class)) {
                    chunk.extend(heap.pop().map(|Reversed(_, entry)| Some(entry)));
                }
                Bucket::Chunk(chunk)
            }
        }
    }

    /// Takes back a chunk that has been read.
    pub fn keep(&mut self, chunk: Chunk<Entry<P>>) {
        if let Queue::Wheel(wheel) = self {
            wheel.spare.keep(chunk);
        }
    }

    /// Number of pending entries.
    pub fn len(&self) -> usize {
        match self {
            Queue::Wheel(wheel) => wheel.len(),
            Queue::Heap(heap, _) => heap.len(),
        }
    }
}
