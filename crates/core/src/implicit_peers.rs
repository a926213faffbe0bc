//! Implicit peers: random others that are computed and not listed. A million lists of twenty fill a memory, and each look at one is a wait.

use crate::identity::NodeId;
use crate::rng::mix;

/// Rounds of a Feistel network (Luby and Rackoff 1988: four make a permutation that looks random).
const ROUNDS: u64 = 4;

/// So many different others of the nodes `0..n`, drawn at random for each node. A function of these four numbers.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct ImplicitPeers {
    me: u32,
    n: u32,
    known: u32,
    seed: u32,
}

impl ImplicitPeers {
    /// Those that `me` knows, `known` of `0..n`; all others if these are fewer. What is drawn follows from `seed`.
    pub fn new(me: u32, n: u32, known: u32, seed: u32) -> ImplicitPeers {
        ImplicitPeers { me, n, known: known.min(n.saturating_sub(1)), seed }
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.known as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known == 0
    }

    /// The one at this place, in `0..len`.
    pub fn get(&self, place: usize) -> Option<NodeId> {
        if place >= self.len() {
            return None;
        }
        let others = u64::from(self.n) - 1;
        let half = (u64::BITS - others.leading_zeros()).div_ceil(2);
        let mut at = place as u64;
        // A permutation of somewhat more numbers, gone on with until it comes to one of those wanted.
        loop {
            at = self.permuted(at, half);
            if at < others {
                return Some(NodeId(at + u64::from(at >= u64::from(self.me))));
            }
        }
    }

    /// A permutation of the numbers of twice `half` bits, another for each node.
    fn permuted(&self, at: u64, half: u32) -> u64 {
        let mask = (1 << half) - 1;
        let key = u64::from(self.seed) << 32 | u64::from(self.me);
        let (mut left, mut right) = (at >> half, at & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (mix(mix(key ^ round << 62) ^ right) & mask));
        }
        left << half | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec;
    use alloc::vec::Vec;

    fn all(peers: ImplicitPeers) -> Vec<u64> {
        (0..peers.len()).filter_map(|place| peers.get(place)).map(|id| id.0).collect()
    }

    #[test]
    fn they_are_different_others_and_at_most_all() {
        for n in [2, 3, 5, 16, 17, 1_000] {
            for me in [0, n / 2, n - 1] {
                for known in [1, 2, 20, n] {
                    let peers = all(ImplicitPeers::new(me, n, known, 7));
                    let set: BTreeSet<u64> = peers.iter().copied().collect();
                    assert_eq!(
                        (peers.len(), set.len()),
                        (known.min(n - 1) as usize, peers.len()),
                        "{n} {me} {known}"
                    );
                    assert!(
                        set.iter().all(|id| *id < n.into() && *id != me.into()),
                        "{n} {me} {known}: {set:?}"
                    );
                }
            }
        }
        assert!(ImplicitPeers::new(0, 1, 5, 1).is_empty() && ImplicitPeers::new(0, 1, 5, 1).get(0).is_none());
        assert_eq!(ImplicitPeers::new(3, 100, 5, 1).get(5), None);
    }

    #[test]
    fn each_is_known_to_about_as_many_and_another_seed_draws_others() {
        let (n, known) = (2_000, 20);
        let mut in_degree = vec![0u32; n as usize];
        for me in 0..n {
            all(ImplicitPeers::new(me, n, known, 1)).into_iter().for_each(|id| in_degree[id as usize] += 1);
        }
        // Binomial: mean 20, standard deviation 4.5.
        let variance = in_degree.iter().map(|d| (f64::from(*d) - 20.0) * (f64::from(*d) - 20.0)).sum::<f64>()
            / f64::from(n);
        assert!((17.0..23.0).contains(&variance), "{variance}");
        assert!(in_degree.iter().all(|d| (3..45).contains(d)), "{:?}", in_degree.iter().max());
        assert_ne!(all(ImplicitPeers::new(5, n, known, 1)), all(ImplicitPeers::new(5, n, known, 2)));
        assert_ne!(all(ImplicitPeers::new(5, n, known, 1)), all(ImplicitPeers::new(6, n, known, 1)));
    }
}
