//! A table of members by id, and the order in which they are probed.
//!
//! Looking one up, adding and removing one cost the same at any size. The probe order is either SWIM's randomised round-robin
//! (section 4.3): a shuffled list, walked once, then shuffled again; who is new is put in at a random place. Or it is by turns, and the
//! members that hold the same view never meet at one target (ours).

use alloc::vec::Vec;
use hashbrown::HashMap;
use rumormill_core::identity::NodeId;
use rumormill_core::rng::{Rng, mix};

// Ids are heads of hashes or indices, never chosen against us within one life: a fixed seed keeps runs repeatable.
type Hasher = foldhash::fast::FixedState;

/// What a roster holds: something with an id.
pub trait Entry {
    /// Whose entry it is.
    fn id(&self) -> NodeId;
}

/// Members by id.
#[derive(Debug)]
pub struct Roster<T> {
    slots: HashMap<NodeId, u32, Hasher>,
    rows: Vec<T>,
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Roster { slots: HashMap::with_hasher(Hasher::default()), rows: Vec::new() }
    }
}

impl<T: Entry> Roster<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The entry of `id`.
    pub fn get(&self, id: NodeId) -> Option<&T> {
        self.slots.get(&id).map(|&slot| &self.rows[slot as usize])
    }

    /// The entry of `id`, to be changed; its id stays what it is.
    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut T> {
        self.slots.get(&id).map(|&slot| &mut self.rows[slot as usize])
    }

    /// Adds an entry whose id is not yet here.
    pub fn insert(&mut self, row: T) {
        let fresh = self.slots.insert(row.id(), self.rows.len() as u32).is_none();
        assert!(fresh, "a roster holds an id once");
        self.rows.push(row);
    }

    /// Takes the entry of `id` out.
    pub fn remove(&mut self, id: NodeId) -> Option<T> {
        let slot = self.slots.remove(&id)? as usize;
        let row = self.rows.swap_remove(slot);
        if let Some(moved) = self.rows.get(slot) {
            self.slots.insert(moved.id(), slot as u32);
        }
        Some(row)
    }

    /// All entries, in no order that means anything, but the same in every run.
    pub fn iter(&self) -> core::slice::Iter<'_, T> {
        self.rows.iter()
    }
}

/// The probe order.
#[derive(Debug, Default)]
pub struct Ring {
    order: Vec<NodeId>,
    at: usize,
    is_sorted: bool,
}

impl Ring {
    /// Puts a member in at a random place; who stood there moves to the end and is still met in this round.
    pub fn insert(&mut self, id: NodeId, rng: &mut Rng) {
        self.order.push(id);
        let last = self.order.len() - 1;
        let place = rng.below(self.order.len());
        self.order.swap(place, last);
        self.is_sorted = false;
    }

    /// The next member for which `wanted` holds; at the end of the round the others fall out and the rest is shuffled.
    pub fn next(&mut self, rng: &mut Rng, mut wanted: impl FnMut(NodeId) -> bool) -> Option<NodeId> {
        for _ in 0..2 {
            while let Some(&id) = self.order.get(self.at) {
                self.at += 1;
                if wanted(id) {
                    return Some(id);
                }
            }
            self.sort(&mut wanted);
            rng.shuffle(&mut self.order);
            (self.at, self.is_sorted) = (0, false);
        }
        None
    }

    /// Whom `me` meets in this turn, out of the `len` others for which `wanted` holds. Where all hold the same view, each member is met by exactly one
    /// other in each turn, and by every other once in each round of `len` turns; so two meetings are at most 2·`len` - 1 turns apart.
    ///
    /// In a turn all look equally far along the circle of ids. Each round takes the distances in another order: who passes over a turn, as one that
    /// is slow does, does not pass over the same members in every round.
    ///
    /// Costs a sort, but only after members came or went.
    pub fn in_turn(
        &mut self,
        me: NodeId,
        turn: u64,
        len: usize,
        mut wanted: impl FnMut(NodeId) -> bool,
    ) -> Option<NodeId> {
        if !self.is_sorted || self.order.len() != len {
            self.sort(&mut wanted);
        }
        let behind_me = self.order.partition_point(|&id| id < me);
        let place = behind_me + distance(turn, self.order.len())?;
        Some(self.order[place % self.order.len()])
    }

    fn sort(&mut self, wanted: &mut impl FnMut(NodeId) -> bool) {
        self.order.retain(|&id| wanted(id));
        self.order.sort_unstable();
        self.order.dedup(); // who left and came back in the meantime stands here twice
        self.is_sorted = true;
    }

    /// Up to `k` different members for which `wanted` holds, drawn at random. Looks at 4·k + 8 places at most, so where few are
    /// wanted it may find fewer than there are.
    pub fn sample(&self, k: usize, rng: &mut Rng, wanted: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        let mut found: Vec<NodeId> = Vec::with_capacity(k);
        if self.order.len() <= 2 * k + 8 {
            found.extend(self.order.iter().copied().filter(|&id| wanted(id)));
            found.sort_unstable(); // a member that left and came back may stand here twice
            found.dedup();
            rng.shuffle(&mut found);
            found.truncate(k);
            return found;
        }
        for _ in 0..4 * k + 8 {
            if found.len() == k {
                break;
            }
            let id = self.order[rng.below(self.order.len())];
            if wanted(id) && !found.contains(&id) {
                found.push(id);
            }
        }
        found
    }
}

/// How many others, of `len`, are stepped over in this turn: in each round of `len` turns each number below `len` once. `None` if there are none.
fn distance(turn: u64, len: usize) -> Option<usize> {
    let len = len as u64;
    let drawn = mix(turn.checked_div(len)?);
    // Steps that have no divisor in common with the length come by every place.
    let stride = (1 + drawn % len..).find(|&stride| gcd(stride, len) == 1)?;
    let (start, step) = (u128::from(drawn >> 32), u128::from(turn % len));
    Some(((start + step * u128::from(stride)) % u128::from(len)) as usize)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    #[derive(Debug, PartialEq)]
    struct Row(u64, &'static str);
    impl Entry for Row {
        fn id(&self) -> NodeId {
            NodeId(self.0)
        }
    }

    #[test]
    fn who_remains_is_found_after_others_left() {
        let mut roster = Roster::default();
        for (id, name) in [(1, "a"), (2, "b"), (3, "c")] {
            roster.insert(Row(id, name));
        }
        assert_eq!(roster.remove(NodeId(1)), Some(Row(1, "a")));
        assert_eq!(roster.get(NodeId(3)), Some(&Row(3, "c")));
        assert_eq!(roster.get(NodeId(2)), Some(&Row(2, "b")));
        assert_eq!(roster.remove(NodeId(1)), None);
    }

    #[test]
    fn everybody_is_probed_once_a_round_and_at_most_two_rounds_apart() {
        let (mut ring, mut rng) = (Ring::default(), Rng::seeded(3));
        let n = 20;
        (0..n).for_each(|id| ring.insert(NodeId(id), &mut rng));
        let mut last = BTreeMap::new();
        for step in 0..10 * n {
            let id = ring.next(&mut rng, |_| true).unwrap();
            if let Some(before) = last.insert(id, step) {
                assert!(step - before < 2 * n, "2n-1 periods is the bound of SWIM, section 4.3");
            }
        }
        assert_eq!(last.len(), n as usize);
    }

    /// Ten rounds of `live` members, the others having gone.
    fn meet(rings: &mut [Ring], live: u64) {
        let gone = rings.len() as u64 - live;
        let first = 7 * (live - 1);
        let mut last = BTreeMap::new();
        for turn in first..first + 10 * (live - 1) {
            let mut targets = alloc::collections::BTreeSet::new();
            for me in gone..rings.len() as u64 {
                let ring = &mut rings[me as usize];
                let target = ring.in_turn(NodeId(me), turn, live as usize - 1, |id| id.0 >= gone).unwrap();
                assert_ne!(target.0, me);
                assert!(targets.insert(target), "in turn {turn} two meet at {target:?}");
                let before = last.insert((me, target), turn).unwrap_or(first - 1);
                assert!(turn - before < 2 * (live - 1), "as in SWIM, section 4.3");
            }
        }
        assert_eq!(last.len() as u64, live * (live - 1), "each by every other");
    }

    #[test]
    fn by_turns_each_is_met_by_one_other_and_by_every_other_at_most_two_rounds_apart() {
        let (n, mut rng) = (13, Rng::seeded(3));
        let mut rings: Vec<Ring> = (0..n).map(|_| Ring::default()).collect();
        for (me, ring) in rings.iter_mut().enumerate() {
            (0..n).filter(|id| *id != me as u64).for_each(|id| ring.insert(NodeId(id), &mut rng));
        }
        for live in (2..=n).rev() {
            meet(&mut rings, live);
        }
    }

    #[test]
    fn who_takes_every_second_turn_still_meets_all() {
        for n in 2..40u64 {
            let mut ring = Ring::default();
            (1..=n).for_each(|id| ring.insert(NodeId(id), &mut Rng::seeded(3)));
            let turns = (0..40 * n).step_by(2);
            let met: alloc::collections::BTreeSet<_> =
                turns.map(|turn| ring.in_turn(NodeId(0), turn, n as usize, |_| true).unwrap()).collect();
            assert_eq!(met.len() as u64, n);
        }
    }

    #[test]
    fn alone_nobody_is_met() {
        let mut ring = Ring::default();
        assert_eq!(ring.in_turn(NodeId(1), 5, 0, |_| true), None);
        ring.insert(NodeId(2), &mut Rng::seeded(3));
        assert_eq!(ring.in_turn(NodeId(1), 5, 0, |_| false), None);
    }

    #[test]
    fn who_is_gone_falls_out_at_the_end_of_the_round() {
        let (mut ring, mut rng) = (Ring::default(), Rng::seeded(3));
        (0..4).for_each(|id| ring.insert(NodeId(id), &mut rng));
        for _ in 0..8 {
            assert!(ring.next(&mut rng, |id| id.0 < 2).unwrap().0 < 2);
        }
        assert_eq!(ring.order.len(), 2);
        assert_eq!(ring.next(&mut rng, |_| false), None);
    }
}
