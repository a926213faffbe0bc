//! A set of the ids that were seen last, bounded in number, so that each id is new once.

use smallvec::SmallVec;

/// A window over the ids that came last.
#[derive(Clone, Debug)]
pub struct SeenSet<K> {
    /// In ascending order, each with the turn at which it came; of one thing in place, for a million nodes that know one thing each.
    ids: SmallVec<[(K, u64); 1]>,
    turn: u64,
}

impl<K> Default for SeenSet<K> {
    fn default() -> Self {
        SeenSet { ids: SmallVec::new(), turn: 0 }
    }
}

impl<K: Ord + Copy> SeenSet<K> {
    /// Takes `id` in, and says whether it is new. Of the last `max` ids at least seven eighths are remembered, the oldest forgotten
    /// first, many at once, so that forgetting costs next to nothing on average.
    pub fn insert(&mut self, id: K, max: usize) -> bool {
        let max = max.max(1);
        let Err(at) = self.ids.binary_search_by_key(&id, |(id, _)| *id) else { return false };
        self.turn += 1;
        self.ids.insert(at, (id, self.turn));
        if self.ids.len() > max {
            let oldest = self.turn - (max - max / 8) as u64;
            self.ids.retain(|(_, turn)| *turn > oldest);
        }
        true
    }

    /// Whether it was seen, as far as is remembered.
    pub fn contains(&self, id: &K) -> bool {
        self.ids.binary_search_by_key(id, |(id, _)| *id).is_ok()
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// What is remembered, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &K> {
        self.ids.iter().map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_new_once_and_the_oldest_are_forgotten_first() {
        let mut seen = SeenSet::default();
        for id in 0..10_000u64 {
            let id = id * 7_919 % 10_007; // in no order
            assert!(seen.insert(id, 64));
            assert!(!seen.insert(id, 64));
            assert!(seen.len() <= 64);
        }
        let last = |back: u64| (9_999 - back) * 7_919 % 10_007;
        assert!((0..56).all(|back| seen.contains(&last(back))));
        assert!((64..1_000).all(|back| !seen.contains(&last(back))));
        assert!(seen.iter().is_sorted());
    }

    #[test]
    fn a_window_of_one_knows_the_last() {
        let mut seen = SeenSet::default();
        assert!(seen.is_empty());
        assert!([1, 2, 1, 2].into_iter().all(|id| seen.insert(id, 1)));
        assert!(!seen.insert(2, 0));
        assert_eq!(seen.len(), 1);
    }
}
