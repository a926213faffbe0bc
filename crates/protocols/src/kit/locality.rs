//! Locality: domains within domains (hosts in racks in sites), for gossip that mostly stays in its own.
//!
//! Multi-level gossip: a level is chosen by its weight, then a peer uniformly in it. So what crosses a site's boundary does not
//! depend on how many nodes the site has.

use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::rng::Rng;

/// Levels of domains, at most.
pub const LEVELS_MAX: usize = 8;

/// Where each node is, and how often each level is to be talked to. One table, shared by all nodes of a simulation.
#[derive(Clone, Debug)]
pub struct Locality {
    /// Ids, the members of a domain side by side.
    ids: Vec<NodeId>,
    /// By id: where in `ids` it is.
    places: Vec<(NodeId, u32)>,
    /// For each of `ids`: where its domain begins and ends in `ids`, the innermost first, the whole world last.
    around: Vec<(u32, u32)>,
    weights: Vec<f64>,
}

impl Locality {
    /// A table of `members`: an id and the domains it is in, the innermost first, as in `[host, rack, site]`. Equal numbers on one
    /// level mean the same domain only within the same outer one. `weights` has one entry per level, the innermost first, and
    /// one more for the world outside: 0.9, 0.09, 0.009, 0.001 talks to another site once in a thousand times.
    ///
    /// # Panics
    /// If there are more than [`LEVELS_MAX`] levels, a weight is missing or negative, or a member has not one domain per level.
    pub fn new(members: Vec<(NodeId, Vec<u32>)>, weights: Vec<f64>) -> Locality {
        let levels = weights.len().saturating_sub(1);
        assert!(
            !weights.is_empty() && levels <= LEVELS_MAX,
            "one weight per level and one for the world outside"
        );
        assert!(weights.iter().all(|w| *w >= 0.0), "a weight is a share of all contacts");
        let mut paths: Vec<(Vec<u32>, NodeId)> = Vec::with_capacity(members.len());
        for (id, mut path) in members {
            assert_eq!(path.len(), levels, "{id} is in one domain of each level");
            path.reverse();
            paths.push((path, id));
        }
        paths.sort_unstable();
        paths.dedup_by_key(|(_, id)| *id);
        let mut around = alloc::vec![(0, paths.len() as u32); paths.len() * (levels + 1)];
        for level in 0..levels {
            let depth = levels - level; // the innermost domain is told by the whole path
            let mut begin = 0;
            for domain in paths.chunk_by(|a, b| a.0[..depth] == b.0[..depth]) {
                let end = begin + domain.len();
                (begin..end).for_each(|at| around[at * (levels + 1) + level] = (begin as u32, end as u32));
                begin = end;
            }
        }
        let ids: Vec<NodeId> = paths.into_iter().map(|(_, id)| id).collect();
        let mut places: Vec<(NodeId, u32)> =
            ids.iter().enumerate().map(|(at, id)| (*id, at as u32)).collect();
        places.sort_unstable();
        Locality { ids, places, around, weights }
    }

    /// One of the others: a level by its weight among those that have somebody, then uniformly in it. A level is what is in that
    /// domain and not in the next inner one. `None` if `me` is in no domain, or no level with a weight has anybody.
    pub fn draw(&self, me: NodeId, rng: &mut Rng) -> Option<NodeId> {
        let at = self.places.binary_search_by_key(&me, |(id, _)| *id).ok()?;
        let place = self.places[at].1;
        let levels = self.weights.len();
        let around = &self.around[place as usize * levels..][..levels];
        let inner = |level: usize| if level == 0 { (place, place + 1) } else { around[level - 1] };
        let others = |level: usize| {
            let ((begin, end), (from, to)) = (around[level], inner(level));
            (end - begin) - (to - from)
        };
        let weight = |level: usize| if others(level) > 0 { self.weights[level] } else { 0.0 };
        let mut left = rng.unit() * (0..levels).map(weight).sum::<f64>();
        let mut chosen = None;
        for level in (0..levels).filter(|level| weight(*level) > 0.0) {
            chosen = Some(level);
            left -= weight(level);
            if left < 0.0 {
                break;
            }
        }
        let level = chosen?;
        let ((begin, _), (from, to)) = (around[level], inner(level));
        let drawn = begin + rng.below(others(level) as usize) as u32;
        Some(self.ids[if drawn >= from { drawn + (to - from) } else { drawn } as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// 3 sites of 4 racks of 5 hosts of 2 nodes: 120 nodes, numbered through.
    fn locality(weights: Vec<f64>) -> Locality {
        let members = (0..120u32).map(|i| (NodeId(u64::from(i)), vec![i / 2, i / 10, i / 40])).collect();
        Locality::new(members, weights)
    }

    fn level(a: u64, b: u64) -> usize {
        [2, 10, 40].iter().position(|size| a / size == b / size).unwrap_or(3)
    }

    #[test]
    fn each_level_is_talked_to_as_often_as_its_weight_says_and_evenly_within() {
        let (locality, mut rng) = (locality(vec![0.5, 0.3, 0.15, 0.05]), Rng::seeded(1));
        let (mut levels, mut hits) = ([0; 4], [0; 120]);
        for i in 0..240_000u64 {
            let me = NodeId(i % 120);
            let other = locality.draw(me, &mut rng).unwrap();
            assert_ne!(me, other);
            levels[level(me.0, other.0)] += 1;
            hits[other.0 as usize] += 1;
        }
        for (level, share) in [0.5, 0.3, 0.15, 0.05].into_iter().enumerate() {
            let expected = 240_000.0 * share;
            assert!(
                libm::fabs(f64::from(levels[level]) - expected) < 4.0 * libm::sqrt(expected),
                "{levels:?}"
            );
        }
        assert!(hits.iter().all(|&h| (1_800..2_200).contains(&h)), "{hits:?}");
    }

    #[test]
    fn a_level_with_nobody_in_it_gives_its_weight_to_the_others() {
        let members = vec![(NodeId(1), vec![1]), (NodeId(2), vec![2]), (NodeId(3), vec![3])];
        let (locality, mut rng) = (Locality::new(members, vec![0.9, 0.1]), Rng::seeded(2));
        assert!((0..100).all(|_| [2, 3].contains(&locality.draw(NodeId(1), &mut rng).unwrap().0)));
        assert_eq!(locality.draw(NodeId(7), &mut rng), None);
        let alone = Locality::new(vec![(NodeId(1), vec![1])], vec![0.9, 0.1]);
        assert_eq!(alone.draw(NodeId(1), &mut rng), None);
    }
}
