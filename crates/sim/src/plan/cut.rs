//! Kinds of partitions, and the links that each cuts.

use super::Who;
use crate::ids::IdSet;
use rumormill_core::identity::NodeId;
use rumormill_core::rng::Rng;

/// The links that a partition cuts. Kinds as in Jepsen and Maelstrom (Kingsbury), swizzle as in FoundationDB (Wilson 2014).
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Cuts all links between two groups, in both directions.
    Pair {
        /// The first group.
        from: Who,
        /// The second group.
        to: Who,
    },
    /// Cuts all links from one group to another, in this direction alone.
    OneWay {
        /// The first group.
        from: Who,
        /// The second group.
        to: Who,
    },
    /// Splits the nodes in these and all others.
    Split {
        /// The nodes.
        who: Who,
    },
    /// Isolates each of these nodes.
    Isolate {
        /// The nodes.
        who: Who,
    },
    /// Splits off a random third: the largest number below one third of all, but at least one.
    MinorityThird,
    /// Puts the nodes into a ring in random order; each hears a majority around it, and no two hear the same majority.
    MajoritiesRing,
    /// Splits the nodes into two random halves that reach each other through one node alone.
    Bridge,
    /// Isolates these nodes one after the other in the first half of its time, and heals them one after the other, in another order, in
    /// the second half.
    Swizzle {
        /// The nodes.
        who: Who,
    },
}

impl Kind {
    /// Name of the kind in a file.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Pair { .. } => "pair",
            Kind::OneWay { .. } => "one-way",
            Kind::Split { .. } => "split",
            Kind::Isolate { .. } => "isolate",
            Kind::MinorityThird => "minority-third",
            Kind::MajoritiesRing => "majorities-ring",
            Kind::Bridge => "bridge",
            Kind::Swizzle { .. } => "swizzle",
        }
    }

    /// The cut in a cluster of `nodes`, and the nodes that were named or drawn where the kind has a list.
    pub(super) fn cut(&self, nodes: &[NodeId], rng: &mut Rng) -> (Cut, Vec<NodeId>) {
        let all = || nodes.to_vec();
        match self {
            Kind::Pair { from, to } | Kind::OneWay { from, to } => {
                let (from, to) = (from.draw(all, rng), to.draw(all, rng));
                let (a, b) = (IdSet::of(from.iter().copied()), IdSet::of(to.iter().copied()));
                let both = matches!(self, Kind::Pair { .. });
                (Cut::Between { a, b, both }, [from, to].concat())
            }
            Kind::Split { who } => apart(who.draw(all, rng)),
            Kind::MinorityThird => {
                let third = (nodes.len().saturating_sub(1) / 3).max(1);
                apart(Who::Count(third as u64).draw(all, rng))
            }
            Kind::Isolate { who } | Kind::Swizzle { who } => {
                let who = who.draw(all, rng);
                (Cut::Alone(IdSet::of(who.iter().copied())), who)
            }
            Kind::MajoritiesRing => {
                let mut order = all();
                rng.shuffle(&mut order);
                (Cut::ring(&order), Vec::new())
            }
            Kind::Bridge => {
                let mut order = all();
                rng.shuffle(&mut order);
                let middle = order.len() / 2;
                let right = order.get(middle + 1..).unwrap_or_default().iter().copied();
                let (a, b) = (IdSet::of(order[..middle].iter().copied()), IdSet::of(right));
                (Cut::Between { a, b, both: true }, order.get(middle).copied().into_iter().collect())
            }
        }
    }
}

fn apart(who: Vec<NodeId>) -> (Cut, Vec<NodeId>) {
    (Cut::Apart(IdSet::of(who.iter().copied())), who)
}

/// The links that are cut.
#[derive(Clone, Debug)]
pub(super) enum Cut {
    /// From `a` to `b`, with `both` in both directions.
    Between { a: IdSet, b: IdSet, both: bool },
    /// Between these and all others.
    Apart(IdSet),
    /// From each of these and to each of these.
    Alone(IdSet),
    /// In a ring of `len`, each node hears `heard` nodes with itself in their middle. Places sorted by id.
    Ring { places: Vec<(NodeId, u32)>, len: u32, heard: u32 },
}

impl Cut {
    fn ring(order: &[NodeId]) -> Cut {
        let len = u32::try_from(order.len()).expect("at most 2^32 nodes");
        let mut places: Vec<(NodeId, u32)> = order.iter().copied().zip(0..len).collect();
        places.sort();
        Cut::Ring { places, len, heard: len / 2 + 1 }
    }

    /// Whether packets of the first do not reach the second.
    pub fn cuts(&self, from: NodeId, to: NodeId) -> bool {
        if from == to {
            return false;
        }
        match self {
            Cut::Between { a, b, both } => {
                a.contains(from) && b.contains(to) || *both && a.contains(to) && b.contains(from)
            }
            Cut::Apart(who) => who.contains(from) != who.contains(to),
            Cut::Alone(who) => who.contains(from) || who.contains(to),
            Cut::Ring { places, len, heard } => {
                let place = |id| places.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| places[at].1);
                let (Some(from), Some(to)) = (place(from), place(to)) else { return false };
                // The first of the neighbours that `to` hears stands (heard - 1) / 2 places before it.
                let first = to + len - (heard - 1) / 2;
                (from + 2 * len - first) % len >= *heard
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(kind: Kind, n: u64, seed: u64) -> Vec<Vec<bool>> {
        let nodes: Vec<NodeId> = (0..n).map(NodeId).collect();
        let (cut, _) = kind.cut(&nodes, &mut Rng::seeded(seed));
        // reach[b][a]: b hears a.
        nodes.iter().map(|to| nodes.iter().map(|from| !cut.cuts(*from, *to)).collect()).collect()
    }

    fn who(text: &str) -> Who {
        text.parse().unwrap()
    }

    #[test]
    fn in_a_ring_each_hears_a_majority_and_no_two_the_same() {
        for n in [3, 4, 5, 8, 11] {
            let table = table(Kind::MajoritiesRing, n, n);
            for heard in &table {
                assert_eq!(heard.iter().filter(|h| **h).count() as u64, n / 2 + 1, "of {n}: {table:?}");
            }
            let mut different = table.clone();
            different.sort();
            different.dedup();
            assert_eq!(different.len() as u64, n, "{table:?}");
            assert!((0..n as usize).all(|i| table[i][i]));
        }
    }

    #[test]
    fn a_bridge_is_the_only_way() {
        let table = table(Kind::Bridge, 9, 3);
        let all = |i: usize| table[i].iter().all(|h| *h);
        let bridges: Vec<usize> = (0..9).filter(|i| all(*i)).collect();
        assert_eq!(bridges.len(), 1);
        for (i, heard) in table.iter().enumerate() {
            if i != bridges[0] {
                assert_eq!(heard.iter().filter(|h| **h).count(), 5, "its half and the bridge");
            }
        }
    }

    #[test]
    fn a_minority_is_less_than_a_third_and_on_its_own() {
        for (n, minority) in [(2, 1), (3, 1), (7, 2), (9, 2), (10, 3)] {
            let table = table(Kind::MinorityThird, n, 1);
            let sizes: Vec<usize> = table.iter().map(|heard| heard.iter().filter(|h| **h).count()).collect();
            let small = sizes.iter().filter(|size| **size == minority).count();
            let large = sizes.iter().filter(|size| **size == n as usize - minority).count();
            assert!(small + large >= n as usize && small >= minority, "of {n}: {sizes:?}");
        }
    }

    #[test]
    fn pairs_cut_both_ways_and_one_way_cuts_one() {
        let (from, to) = (who("0..2"), who("3"));
        let pair = table(Kind::Pair { from: from.clone(), to: to.clone() }, 4, 1);
        assert!(!pair[3][0] && !pair[0][3] && pair[0][1] && pair[2][3]);
        let one_way = table(Kind::OneWay { from, to }, 4, 1);
        assert!(!one_way[3][0] && !one_way[3][1] && one_way[0][3] && one_way[3][2]);
    }

    #[test]
    fn the_isolated_are_alone_and_a_split_has_two_sides() {
        let alone = table(Kind::Isolate { who: who("0,1") }, 4, 1);
        assert!(!alone[0][1] && !alone[1][0] && !alone[2][0] && alone[2][3] && alone[0][0]);
        let split = table(Kind::Split { who: who("0,1") }, 4, 1);
        assert!(split[0][1] && !split[2][0] && !split[0][3] && split[2][3]);
    }
}
