//! The order in which members are probed.
//!
//! It is either SWIM's randomised round-robin (section 4.3): a shuffled list, walked once, then shuffled again, into which a new member is put
//! at a random place. Or it goes by turns, and members that hold the same view never meet at one target (ours).

use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::rng::{Rng, mix};

/// The probe order.
#[derive(Debug, Default)]
pub struct ProbeOrder {
    order: Vec<NodeId>,
    at: usize,
    is_sorted: bool,
}

impl ProbeOrder {
    /// Puts a member in at a random place; who stood there moves to the end and is still met in this round.
    pub fn insert(&mut self, id: NodeId, rng: &mut Rng) {
        if self.order.len() == self.order.capacity() {
            self.order.reserve_exact(self.order.len() / 4 + 4);
        }
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

    /// Whom `me` meets in this turn, out of the `len` others for which `wanted` holds; each of them has been put in. Where all hold the same view, each
    /// member is met by exactly one other in each turn, and by every other once in each round of `len` turns; so two meetings are at most
    /// 2·`len` - 1 turns apart.
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
        let are_all_wanted = self.order.len() == len; // each once, and nobody else
        if !self.is_sorted || !are_all_wanted {
            self.sort(&mut |id| are_all_wanted || wanted(id));
        }
        let behind_me = self.order.partition_point(|&id| id < me);
        let place = behind_me + distance(turn, self.order.len())?;
        Some(self.order[place % self.order.len()])
    }

    fn sort(&mut self, wanted: &mut impl FnMut(NodeId) -> bool) {
        self.order.retain(|&id| wanted(id));
        self.order.sort(); // the stable sort uses the order that is left after a few insertions
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

    #[test]
    fn everybody_is_probed_once_a_round_and_at_most_two_rounds_apart() {
        let (mut order, mut rng) = (ProbeOrder::default(), Rng::seeded(3));
        let n = 20;
        (0..n).for_each(|id| order.insert(NodeId(id), &mut rng));
        let mut last = BTreeMap::new();
        for step in 0..10 * n {
            let id = order.next(&mut rng, |_| true).unwrap();
            if let Some(before) = last.insert(id, step) {
                assert!(step - before < 2 * n, "2n-1 periods is the bound of SWIM, section 4.3");
            }
        }
        assert_eq!(last.len(), n as usize);
    }

    /// Ten rounds of `live` members, the others having gone.
    fn meet(orders: &mut [ProbeOrder], live: u64) {
        let gone = orders.len() as u64 - live;
        let first = 7 * (live - 1);
        let mut last = BTreeMap::new();
        for turn in first..first + 10 * (live - 1) {
            let mut targets = alloc::collections::BTreeSet::new();
            for me in gone..orders.len() as u64 {
                let order = &mut orders[me as usize];
                let target = order.in_turn(NodeId(me), turn, live as usize - 1, |id| id.0 >= gone).unwrap();
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
        let mut orders: Vec<ProbeOrder> = (0..n).map(|_| ProbeOrder::default()).collect();
        for (me, order) in orders.iter_mut().enumerate() {
            (0..n).filter(|id| *id != me as u64).for_each(|id| order.insert(NodeId(id), &mut rng));
        }
        for live in (2..=n).rev() {
            meet(&mut orders, live);
        }
    }

    #[test]
    fn who_takes_every_second_turn_still_meets_all() {
        for n in 2..40u64 {
            let mut order = ProbeOrder::default();
            (1..=n).for_each(|id| order.insert(NodeId(id), &mut Rng::seeded(3)));
            let turns = (0..40 * n).step_by(2);
            let met: alloc::collections::BTreeSet<_> =
                turns.map(|turn| order.in_turn(NodeId(0), turn, n as usize, |_| true).unwrap()).collect();
            assert_eq!(met.len() as u64, n);
        }
    }

    #[test]
    fn alone_nobody_is_met() {
        let mut order = ProbeOrder::default();
        assert_eq!(order.in_turn(NodeId(1), 5, 0, |_| true), None);
        order.insert(NodeId(2), &mut Rng::seeded(3));
        assert_eq!(order.in_turn(NodeId(1), 5, 0, |_| false), None);
    }

    #[test]
    fn who_is_gone_falls_out_at_the_end_of_the_round() {
        let (mut order, mut rng) = (ProbeOrder::default(), Rng::seeded(3));
        (0..4).for_each(|id| order.insert(NodeId(id), &mut rng));
        for _ in 0..8 {
            assert!(order.next(&mut rng, |id| id.0 < 2).unwrap().0 < 2);
        }
        assert_eq!(order.order.len(), 2);
        assert_eq!(order.next(&mut rng, |_| false), None);
    }
}
