//! A random regular graph that no node stores: each node computes its own neighbours, and is one of theirs.
//!
//! The union of some random rings through all nodes. Each ring is a permutation of the ids by a Feistel network (Luby and Rackoff
//! 1988) on the next power of four, walked on until it falls into the range (Black and Rogaway 2002), so that it can be
//! followed both ways at any place. One ring already connects everybody; two or more make an expander with high probability.

use rumormill_core::rng::mix;

/// Rounds of the Feistel network: four hide all structure that a graph could show.
const ROUNDS: u64 = 4;

/// The graph over the ids `0..nodes`.
#[derive(Copy, Clone, Debug)]
pub struct RandomGraph {
    nodes: u64,
    rings: u32,
    seed: u64,
    half_bits: u32,
}

impl RandomGraph {
    /// Of this degree, rounded up to an even one. The same for the same `seed`.
    pub fn new(nodes: u64, degree: u32, seed: u64) -> RandomGraph {
        let bits = u64::BITS - nodes.saturating_sub(1).leading_zeros();
        RandomGraph { nodes, rings: degree.div_ceil(2), seed, half_bits: bits.div_ceil(2).max(1) }
    }

    /// The neighbours of `id`, each once: in a small graph rings may share an edge.
    pub fn neighbours(&self, id: u64, mut each: impl FnMut(u64)) {
        if id >= self.nodes {
            return;
        }
        for ring in 0..self.rings {
            let (before, after) = self.beside(ring, id);
            for (second, next) in [(false, before), (true, after)] {
                let seen = (0..ring).any(|ring| {
                    let (before, after) = self.beside(ring, id);
                    before == next || after == next
                });
                if next != id && !seen && !(second && before == after) {
                    each(next);
                }
            }
        }
    }

    /// Who stands before and after `id` on a ring.
    fn beside(&self, ring: u32, id: u64) -> (u64, u64) {
        let place = self.walk(ring, id, false);
        let (before, after) = ((place + self.nodes - 1) % self.nodes, (place + 1) % self.nodes);
        (self.walk(ring, before, true), self.walk(ring, after, true))
    }

    fn walk(&self, ring: u32, mut x: u64, forward: bool) -> u64 {
        loop {
            x = self.permute(ring, x, forward);
            if x < self.nodes {
                return x;
            }
        }
    }

    fn permute(&self, ring: u32, x: u64, forward: bool) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (x >> self.half_bits, x & mask);
        let key = |round: u64, half: u64| mix(mix(self.seed ^ u64::from(ring) << 8 ^ round) ^ half) & mask;
        for i in 0..ROUNDS {
            if forward {
                (left, right) = (right, left ^ key(i, right));
            } else {
                (left, right) = (right ^ key(ROUNDS - 1 - i, left), left);
            }
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn graph(nodes: u64, degree: u32, seed: u64) -> Vec<Vec<u64>> {
        let graph = RandomGraph::new(nodes, degree, seed);
        (0..nodes)
            .map(|id| {
                let mut list = vec![];
                graph.neighbours(id, |next| list.push(next));
                list
            })
            .collect()
    }

    #[test]
    fn everybody_is_its_neighbours_neighbour_and_has_as_many_as_asked_for() {
        for (nodes, degree) in [(1_000, 4), (1_000, 5), (1_024, 2), (10_007, 8)] {
            let graph = graph(nodes, degree, 7);
            let edges: usize = graph.iter().map(Vec::len).sum();
            let wanted = degree.next_multiple_of(2) as usize * nodes as usize;
            assert!(edges <= wanted && edges as f64 > 0.99 * wanted as f64, "{edges} of {wanted}");
            for (id, list) in graph.iter().enumerate() {
                assert!(list.iter().all(|next| graph[*next as usize].contains(&(id as u64))));
                assert!(
                    list.iter().enumerate().all(|(i, next)| !list[..i].contains(next) && *next != id as u64)
                );
            }
        }
    }

    #[test]
    fn it_is_connected_and_as_shallow_as_a_random_graph() {
        for seed in 0..20 {
            let graph = graph(1_000, 4, seed);
            let (mut seen, mut shell, mut depth) = (vec![false; 1_000], vec![0u64], 0);
            seen[0] = true;
            loop {
                let next: Vec<u64> =
                    shell.iter().flat_map(|id| graph[*id as usize].iter().copied()).collect();
                shell = next
                    .into_iter()
                    .filter(|id| !core::mem::replace(&mut seen[*id as usize], true))
                    .collect();
                if shell.is_empty() {
                    break;
                }
                depth += 1;
            }
            assert!(seen.iter().all(|seen| *seen), "seed {seed}");
            assert!((6..=11).contains(&depth), "seed {seed}: {depth} hops, log_3 n is 6.3");
        }
    }

    #[test]
    fn the_smallest_graphs_have_no_loops() {
        assert_eq!(graph(1, 4, 1), [vec![0; 0]]);
        assert_eq!(graph(2, 4, 1), [vec![1], vec![0]]);
        assert!(graph(3, 4, 1).iter().all(|list| list.len() == 2));
        RandomGraph::new(0, 4, 1).neighbours(0, |_| panic!("nobody is there"));
    }
}
