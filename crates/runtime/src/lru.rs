//! A map that knows which of its entries was used longest ago, and gives it up in a constant number of steps.
//!
//! Tables that strangers can fill must not cost more when they are full: a search for the oldest entry on each insertion lets anybody who makes
//! up ids keep this node busy. Entries form a doubly linked list in the order of use, held in one vector by index.

use std::collections::HashMap;
use std::hash::Hash;

/// No slot: the end of the list.
const NONE: usize = usize::MAX;

/// A map in the order of use. It has no bound of its own: whoever fills it calls [`pop_oldest`](Lru::pop_oldest).
#[derive(Debug)]
pub struct Lru<K, V> {
    places: HashMap<K, usize>,
    slots: Vec<Slot<K, V>>,
    free: Vec<usize>,
    newest: usize,
    oldest: usize,
}

#[derive(Debug)]
struct Slot<K, V> {
    entry: Option<(K, V)>,
    newer: usize,
    older: usize,
}

impl<K, V> Default for Lru<K, V> {
    fn default() -> Self {
        Lru { places: HashMap::new(), slots: Vec::new(), free: Vec::new(), newest: NONE, oldest: NONE }
    }
}

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    /// The value of `key`, which stays as old as it was.
    pub fn get(&self, key: &K) -> Option<&V> {
        let place = *self.places.get(key)?;
        self.slots[place].entry.as_ref().map(|(_, value)| value)
    }

    /// The value of `key`, which is now the one used last.
    pub fn touch(&mut self, key: &K) -> Option<&mut V> {
        let place = *self.places.get(key)?;
        if place != self.newest {
            self.unlink(place);
            self.link(place);
        }
        self.slots[place].entry.as_mut().map(|(_, value)| value)
    }

    /// Whether there is an entry of `key`.
    pub fn contains(&self, key: &K) -> bool {
        self.places.contains_key(key)
    }

    /// Puts in `value` as the one used last, and returns it.
    pub fn insert(&mut self, key: K, value: V) -> &mut V {
        let place = match self.places.get(&key) {
            Some(place) => {
                let place = *place;
                self.unlink(place);
                place
            }
            None => self.free.pop().unwrap_or_else(|| {
                self.slots.push(Slot { entry: None, newer: NONE, older: NONE });
                self.slots.len() - 1
            }),
        };
        self.places.insert(key.clone(), place);
        self.link(place);
        &mut self.slots[place].entry.insert((key, value)).1
    }

    /// Takes out the entry of `key`.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.places.remove(key)?;
        self.unlink(place);
        self.free.push(place);
        self.slots[place].entry.take().map(|(_, value)| value)
    }

    /// Takes out the entry that was used longest ago.
    pub fn pop_oldest(&mut self) -> Option<(K, V)> {
        let key = self.slots.get(self.oldest)?.entry.as_ref()?.0.clone();
        self.remove(&key).map(|value| (key, value))
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots.iter().filter_map(|slot| slot.entry.as_ref()).map(|(key, value)| (key, value))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn link(&mut self, place: usize) {
        let older = std::mem::replace(&mut self.newest, place);
        (self.slots[place].newer, self.slots[place].older) = (NONE, older);
        match self.slots.get_mut(older) {
            Some(older) => older.newer = place,
            None => self.oldest = place,
        }
        steps::count();
    }

    fn unlink(&mut self, place: usize) {
        let Slot { newer, older, .. } = self.slots[place];
        match self.slots.get_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        steps::count();
    }
}

/// How many slots were linked or unlinked, for tests that bound the cost of an insertion.
pub(crate) mod steps {
    #[cfg(test)]
    thread_local!(static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) });

    pub(super) fn count() {
        #[cfg(test)]
        STEPS.set(STEPS.get() + 1);
    }

    #[cfg(test)]
    pub(crate) fn during(what: impl FnOnce()) -> u64 {
        let before = STEPS.get();
        what();
        STEPS.get() - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a model: a list in the order of use.
        #[test]
        fn it_agrees_with_a_list_in_the_order_of_use(steps in prop::collection::vec((0u8..5, 0u8..12), 1..300)) {
            let (mut lru, mut model) = (Lru::default(), Vec::<(u8, usize)>::new());
            for (at, (what, key)) in steps.into_iter().enumerate() {
                let known = model.iter().position(|(other, _)| *other == key);
                match what {
                    0 | 1 => {
                        known.map(|place| model.remove(place));
                        model.push((key, at));
                        prop_assert_eq!(*lru.insert(key, at), at);
                    }
                    2 => {
                        let entry = known.map(|place| model.remove(place));
                        model.extend(entry);
                        prop_assert_eq!(lru.touch(&key).copied(), entry.map(|(_, value)| value));
                    }
                    3 => prop_assert_eq!(lru.remove(&key), known.map(|place| model.remove(place).1)),
                    _ => {
                        let oldest = (!model.is_empty()).then(|| model.remove(0));
                        prop_assert_eq!(lru.pop_oldest(), oldest);
                    }
                }
                prop_assert_eq!(lru.len(), model.len());
                prop_assert!(model.iter().all(|(key, value)| lru.get(key) == Some(value)));
                prop_assert_eq!(lru.iter().count(), model.len());
            }
            let left: Vec<_> = std::iter::from_fn(|| lru.pop_oldest()).collect();
            prop_assert_eq!(left, model);
        }
    }

    #[test]
    fn giving_up_the_oldest_of_many_takes_as_many_steps_as_of_few() {
        for entries in [10, 1_000, 30_000] {
            let mut lru = Lru::default();
            for key in 0..entries {
                lru.insert(key, ());
            }
            let steps = steps::during(|| {
                (0..1_000).for_each(|key| {
                    lru.pop_oldest();
                    lru.insert(entries + key, ());
                });
            });
            assert_eq!((steps, lru.len()), (2_000, entries as usize), "of {entries}");
        }
    }
}
