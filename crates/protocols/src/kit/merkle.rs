//! A tree of hashes over a space of 64-bit places (Merkle 1987), so that two sets are compared by walking down to where they differ.
//!
//! Each node of the tree has sixteen children and stands for the places that begin with its prefix. Its sum is that of the marks of all
//! items there: of a set that changes all the time it is kept up by one addition per level, and equal sums mean equal items but for one
//! case in 2^64 (marks are hashes; nobody is kept from making up items that add up to the same, who may write what he likes anyway).
//! The tree is as deep as the items are many, so an empty one takes no room; what lies below it is added up from the items themselves.

use alloc::vec::Vec;

/// Children of a node.
pub const CHILDREN: usize = 16;
/// Levels below the root until a prefix is a whole place.
pub const DEPTH_MAX: u8 = 16;
/// A level is added when its nodes stand for this many items on average: it takes some four bytes per item.
const ITEMS_PER_NODE: usize = 2;

/// The sums of all prefixes of up to some length.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Level after level below the root, each in the order of the prefixes.
    sums: Vec<u64>,
    depth: u8,
}

impl Tree {
    /// Counts an item in: `mark` is a hash of it. Counts it out when given the mark's negative.
    pub fn add(&mut self, place: u64, mark: u64) {
        for depth in 1..=self.depth {
            let at = index(depth, prefix(place, depth));
            self.sums[at] = self.sums[at].wrapping_add(mark);
        }
    }

    /// The sum of what lies below `prefix`, which has `depth` digits; `None` if the tree does not reach that deep, and for the root.
    pub fn sum(&self, depth: u8, prefix: u64) -> Option<u64> {
        let is_here = (1..=self.depth).contains(&depth) && prefix >> (4 * u32::from(depth)) == 0;
        is_here.then(|| self.sums[index(depth, prefix)])
    }

    /// Adapts the depth to `len` items, which are then counted in anew. To be called after each change: it seldom does anything.
    pub fn fit(&mut self, len: usize, items: impl Iterator<Item = (u64, u64)>) {
        let grown = nodes(self.depth + 1).is_some_and(|nodes| len >= nodes * ITEMS_PER_NODE);
        // A quarter of what it was added at, so that it does not come and go.
        let shrunk =
            self.depth > 0 && nodes(self.depth).is_some_and(|nodes| len < nodes * ITEMS_PER_NODE / 4);
        if !grown && !shrunk {
            return;
        }
        let fits = |depth: &u8| nodes(*depth).is_some_and(|nodes| len >= nodes * ITEMS_PER_NODE);
        self.depth = (1..=DEPTH_MAX).take_while(fits).last().unwrap_or(0);
        self.sums = Vec::new();
        self.sums.resize(index(self.depth + 1, 0), 0);
        items.for_each(|(place, mark)| self.add(place, mark));
    }
}

/// The places below `prefix`, which has `depth` digits: the first and the last.
pub fn places(depth: u8, prefix: u64) -> (u64, u64) {
    let bits = 64 - 4 * u32::from(depth.min(DEPTH_MAX));
    let first = prefix.checked_shl(bits).unwrap_or(0);
    (first, first | u64::MAX.checked_shr(64 - bits).unwrap_or(0))
}

/// The first `depth` digits of a place.
fn prefix(place: u64, depth: u8) -> u64 {
    place.checked_shr(64 - 4 * u32::from(depth)).unwrap_or(0)
}

/// How many nodes a level has, as long as that is a number worth thinking of.
fn nodes(depth: u8) -> Option<usize> {
    CHILDREN.checked_pow(depth.into())
}

/// Where a node's sum stands: behind those of all levels above.
fn index(depth: u8, prefix: u64) -> usize {
    let above = (1..depth).map(|depth| CHILDREN.pow(depth.into())).sum::<usize>();
    above + prefix as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use rumormill_core::rng::{Rng, mix};

    #[test]
    fn each_sum_is_that_of_the_items_below_while_they_come_and_go() {
        let (mut tree, mut items, mut rng) = (Tree::default(), BTreeMap::new(), Rng::seeded(4));
        let mut deepest = 0;
        for step in 0..14_000u64 {
            let grows = step < 8_000;
            if grows && rng.chance(0.8) {
                let (place, mark) = (mix(step), rng.next());
                items.insert(place, mark);
                tree.add(place, mark);
            } else if let Some((place, mark)) = items.pop_first() {
                tree.add(place, mark.wrapping_neg());
            }
            tree.fit(items.len(), items.iter().map(|(place, mark)| (*place, *mark)));
            deepest = deepest.max(tree.depth);
            if step % 500 == 0 {
                for depth in 1..=tree.depth {
                    let prefix = rng.below(nodes(depth).unwrap()) as u64;
                    let (first, last) = places(depth, prefix);
                    let below: u64 =
                        items.range(first..=last).fold(0, |sum, (_, mark)| sum.wrapping_add(*mark));
                    assert_eq!(tree.sum(depth, prefix), Some(below), "{depth} digits of {prefix:x}");
                }
            }
        }
        assert_eq!(deepest, 2, "4,800 items at most: 2 for each of 256");
        assert!(items.is_empty() && tree.depth == 0 && tree.sums.is_empty());
    }

    #[test]
    fn prefixes_share_all_places_among_them() {
        assert_eq!(places(0, 0), (0, u64::MAX));
        assert_eq!(places(1, 0xf), (0xf << 60, u64::MAX));
        assert_eq!(places(16, 77), (77, 77));
        for depth in 1..=16 {
            let (first, last) = places(depth, prefix(0x0123_4567_89ab_cdef, depth));
            assert!((first..=last).contains(&0x0123_4567_89ab_cdef));
        }
        // What no honest node would ask for.
        let mut tree = Tree::default();
        tree.fit(1_000, core::iter::empty());
        assert_eq!([tree.sum(200, u64::MAX), tree.sum(1, 16), tree.sum(1, 15)], [None, None, Some(0)]);
        let _ = places(200, u64::MAX);
    }

    #[test]
    fn few_items_take_no_room() {
        let mut tree = Tree::default();
        for n in 1..32 {
            tree.add(n, n);
            tree.fit(n as usize, core::iter::empty());
        }
        assert_eq!(tree.sums.capacity(), 0);
    }
}
