//! A vector in segments: it grows without moving its items, and allocates less than one segment more than they take.
//!
//! A simulation of n members holds n tables of n rows. A vector that doubles is a quarter empty on average, and moves all its rows each time it
//! grows.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// Items of one segment (our guess: some kilobytes of rows).
const SEGMENT_ITEMS: usize = 64;

/// Items by index. All segments but the last are full, and none is empty.
#[derive(Debug)]
pub struct Segments<T>(Vec<Vec<T>>);

impl<T> Default for Segments<T> {
    fn default() -> Self {
        Segments(Vec::new())
    }
}

impl<T> Segments<T> {
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * SEGMENT_ITEMS + last.len())
    }

    /// True if there is no item.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The item at this index.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.0.get(at / SEGMENT_ITEMS)?.get(at % SEGMENT_ITEMS)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.0.get_mut(at / SEGMENT_ITEMS)?.get_mut(at % SEGMENT_ITEMS)
    }

    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        if self.0.last().is_none_or(|last| last.len() == SEGMENT_ITEMS) {
            // The first one grows as vectors do: most tables are small.
            let items = if self.0.is_empty() { 0 } else { SEGMENT_ITEMS };
            self.0.push(Vec::with_capacity(items));
        }
        self.0.last_mut().expect("one was just made if there was none").push(item);
    }

    /// Takes the last item out.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.0.last_mut()?;
        let item = last.pop();
        if last.is_empty() {
            self.0.pop();
        }
        item
    }

    /// Takes the item at this index out, and puts the last one in its place.
    pub fn swap_remove(&mut self, at: usize) -> T {
        let last = self.pop().expect("there is an item at this index");
        if at == self.len() { last } else { core::mem::replace(&mut self[at], last) }
    }

    /// All items, by their indices.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}

impl<T> Index<usize> for Segments<T> {
    type Output = T;
    fn index(&self, at: usize) -> &T {
        &self.0[at / SEGMENT_ITEMS][at % SEGMENT_ITEMS]
    }
}

impl<T> IndexMut<usize> for Segments<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.0[at / SEGMENT_ITEMS][at % SEGMENT_ITEMS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::rng::Rng;

    #[test]
    fn it_holds_what_a_vector_would_hold() {
        let (mut segments, mut model, mut rng) = (Segments::default(), Vec::new(), Rng::seeded(5));
        for step in 0..20_000u32 {
            // It grows to some hundred items and shrinks to none, again and again.
            let grows = step % 2_000 < 1_200;
            match rng.below(4) {
                0 if !model.is_empty() && !grows => {
                    assert_eq!(segments.pop(), model.pop());
                }
                1 | 2 if !model.is_empty() && !grows => {
                    let at = rng.below(model.len());
                    assert_eq!(segments.swap_remove(at), model.swap_remove(at));
                }
                _ if grows => {
                    segments.push(step);
                    model.push(step);
                }
                _ => {}
            }
            assert_eq!((segments.len(), segments.is_empty()), (model.len(), model.is_empty()));
            let at = rng.below(model.len() + 1);
            assert_eq!(segments.get(at), model.get(at));
        }
        assert!(segments.iter().eq(&model));
        assert_eq!(segments.get(u32::MAX as usize), None);
    }

    #[test]
    fn it_allocates_less_than_a_segment_more_than_its_items_take() {
        let mut segments = Segments::default();
        for n in 1..1_000 {
            segments.push(n);
            let room: usize = segments.0.iter().map(Vec::capacity).sum();
            assert!(room < n + SEGMENT_ITEMS, "{room} places for {n} items");
        }
    }
}
