//! The peers of a node: the nodes that its protocols may talk to. The driver keeps them and lends them with each input
//! ([`Cx::peers`](crate::protocol::Cx)), so the protocols of one node need no lists of their own.

pub use crate::implicit_peers::ImplicitPeers;

use crate::identity::NodeId;
use crate::rng::Rng;
use alloc::vec::Vec;
use core::ops::Deref;
use smallvec::SmallVec;

/// A change of the peers.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// This peer can be talked to.
    Up(NodeId),
    /// It no longer can.
    Down(NodeId),
    /// Other peers have taken the place of all.
    All,
}

/// The peers of a node.
#[derive(Clone, Debug)]
pub enum Peers {
    /// One by one, as a view tells them.
    Listed(Listed),
    /// All ids `0..n`: eight bytes, for uniform gossip at any size.
    Everyone(u64),
    /// Random others, computed from sixteen bytes.
    Implicit(ImplicitPeers),
}

/// Ids in ascending order, each once: any id is found by halving.
#[derive(Clone, Debug, Default)]
pub struct Listed(Vec<NodeId>);

impl Deref for Listed {
    type Target = [NodeId];
    fn deref(&self) -> &[NodeId] {
        &self.0
    }
}

impl Default for Peers {
    fn default() -> Self {
        Peers::Listed(Listed::default())
    }
}

impl Peers {
    /// These peers, in whatever order.
    pub fn listed(ids: impl IntoIterator<Item = NodeId>) -> Peers {
        let mut ids: Vec<NodeId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Peers::Listed(Listed(ids))
    }

    /// Follows a change of a list, and returns whether the list is another one now.
    pub fn change(&mut self, change: Change) -> bool {
        let Peers::Listed(Listed(list)) = self else { return false };
        let (id, is_up) = match change {
            Change::Up(id) => (id, true),
            Change::Down(id) => (id, false),
            Change::All => return false,
        };
        match list.binary_search(&id) {
            Err(place) if is_up => list.insert(place, id),
            Ok(place) if !is_up => drop(list.remove(place)),
            _ => return false,
        }
        true
    }

    /// How many there are; `Everyone` counts the asker too.
    pub fn len(&self) -> usize {
        match self {
            Peers::Listed(list) => list.len(),
            Peers::Everyone(n) => *n as usize,
            Peers::Implicit(implicit) => implicit.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many nodes there are, the asker included: what a protocol takes for n. A view that lists its owner has one too many.
    pub fn nodes(&self) -> u64 {
        match self {
            Peers::Listed(list) => list.len() as u64 + 1,
            Peers::Everyone(n) => *n,
            Peers::Implicit(implicit) => implicit.len() as u64 + 1,
        }
    }

    /// Whether `id` is one of them.
    pub fn contains(&self, id: NodeId) -> bool {
        match self {
            Peers::Listed(list) => list.binary_search(&id).is_ok(),
            Peers::Everyone(n) => id.0 < *n,
            Peers::Implicit(_) => self.iter().any(|peer| peer == id),
        }
    }

    /// The peer at this place, in `0..len`; `Everyone` has its asker among them. All but implicit peers stand in the order of their ids.
    pub fn get(&self, place: usize) -> Option<NodeId> {
        match self {
            Peers::Listed(list) => list.get(place).copied(),
            Peers::Everyone(n) => ((place as u64) < *n).then_some(NodeId(place as u64)),
            Peers::Implicit(implicit) => implicit.get(place),
        }
    }

    /// The number of peers with ids below `id`: the place of `id`, or the place that it would take.
    pub fn below(&self, id: NodeId) -> usize {
        match self {
            Peers::Listed(list) => list.partition_point(|peer| *peer < id),
            Peers::Everyone(n) => id.0.min(*n) as usize,
            Peers::Implicit(_) => self.iter().filter(|peer| *peer < id).count(),
        }
    }

    /// The peer with the least id that is not below `id`.
    pub fn first_from(&self, id: NodeId) -> Option<NodeId> {
        match self {
            Peers::Listed(_) | Peers::Everyone(_) => self.get(self.below(id)),
            Peers::Implicit(_) => self.iter().filter(|peer| *peer >= id).min(),
        }
    }

    /// All of them, by their places.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    /// One peer other than `me`, uniformly.
    pub fn pick(&self, me: NodeId, rng: &mut Rng) -> Option<NodeId> {
        match self {
            Peers::Listed(list) => rng.pick(list).copied(),
            Peers::Everyone(n) if *n > 1 => {
                let other = rng.below(*n as usize - 1) as u64;
                Some(NodeId(if other >= me.0 { other + 1 } else { other }))
            }
            Peers::Everyone(_) => None,
            Peers::Implicit(implicit) if implicit.is_empty() => None,
            Peers::Implicit(implicit) => implicit.get(rng.below(implicit.len())),
        }
    }

    /// `count` different peers other than `me`, uniformly; all of them if they are fewer (Floyd's algorithm, in Bentley 1987).
    pub fn several(&self, me: NodeId, rng: &mut Rng, count: usize) -> SmallVec<[NodeId; 4]> {
        // `Everyone` has its asker among them: the places from the asker's own on are moved by one.
        let (others, gap) = match self {
            Peers::Everyone(n) => ((*n as usize).saturating_sub(1), me.0 as usize),
            Peers::Listed(_) | Peers::Implicit(_) => (self.len(), usize::MAX),
        };
        let mut places: SmallVec<[usize; 4]> = SmallVec::new();
        for last in others - count.min(others)..others {
            let place = rng.below(last + 1);
            places.push(if places.contains(&place) { last } else { place });
        }
        let moved = |place: usize| if place >= gap { place + 1 } else { place };
        places.into_iter().filter_map(|place| self.get(moved(place))).collect()
    }
}

// There are a million of them in the laboratory.
const _: () = assert!(size_of::<Peers>() == 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_picks_itself_and_everybody_else_is_picked() {
        let (peers, mut rng) = (Peers::Everyone(5), Rng::seeded(1));
        let mut hits = [0; 5];
        (0..1_000).for_each(|_| hits[peers.pick(NodeId(2), &mut rng).unwrap().0 as usize] += 1);
        assert_eq!(hits[2], 0);
        assert!(hits.iter().enumerate().all(|(i, &h)| i == 2 || h > 150), "{hits:?}");
    }

    #[test]
    fn several_are_all_different_and_each_is_as_likely_as_any_other() {
        let listed = Peers::listed([0, 1, 3, 4].map(NodeId));
        for peers in [Peers::Everyone(5), listed, Peers::Implicit(ImplicitPeers::new(2, 5, 4, 1))] {
            let (mut rng, mut hits) = (Rng::seeded(2), [0; 5]);
            for _ in 0..2_000 {
                let drawn = peers.several(NodeId(2), &mut rng, 2);
                assert!(drawn.len() == 2 && drawn[0] != drawn[1], "{drawn:?}");
                drawn.iter().for_each(|id| hits[id.0 as usize] += 1);
            }
            assert!(hits.iter().enumerate().all(|(i, h)| (i == 2) == (*h == 0)), "{hits:?}");
            assert!(hits.iter().all(|h| *h == 0 || (900..1_100).contains(h)), "{hits:?}");
            assert_eq!(peers.several(NodeId(2), &mut rng, 9).len(), 4, "there are no more");
            assert!(peers.several(NodeId(2), &mut rng, 0).is_empty());
        }
        assert!(Peers::Everyone(1).several(NodeId(0), &mut Rng::seeded(1), 3).is_empty());
        assert!(Peers::Everyone(0).several(NodeId(0), &mut Rng::seeded(1), 3).is_empty());
    }

    #[test]
    fn a_view_is_followed_and_its_peers_stand_in_order_each_once() {
        let mut peers = Peers::listed([9, 3, 9].map(NodeId));
        let ids = |peers: &Peers| peers.iter().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(ids(&peers), [3, 9]);
        let changes = [
            (Change::Up(NodeId(5)), true),
            (Change::Up(NodeId(5)), false),
            (Change::Down(NodeId(9)), true),
            (Change::Down(NodeId(9)), false),
            (Change::All, false),
        ];
        for (change, is_another) in changes {
            assert_eq!(peers.change(change), is_another, "{change:?}");
        }
        assert_eq!(ids(&peers), [3, 5]);
        assert!(peers.contains(NodeId(5)) && !peers.contains(NodeId(4)));
        assert_eq!([2, 3, 4, 5, 6].map(|id| peers.below(NodeId(id))), [0, 0, 1, 1, 2]);
        assert_eq!((peers.nodes(), peers.get(2)), (3, None));
        assert_eq!(Peers::default().pick(NodeId(9), &mut Rng::seeded(1)), None);
    }

    #[test]
    fn everyone_and_implicit_peers_are_looked_up_as_listed_ones_and_follow_no_view() {
        let mut everyone = Peers::Everyone(4);
        assert!(!everyone.change(Change::Down(NodeId(1))));
        assert_eq!((everyone.nodes(), everyone.get(4)), (4, None));
        assert_eq!([0, 3, 4, 9].map(|id| everyone.below(NodeId(id))), [0, 3, 4, 4]);
        let mut peers = Peers::Implicit(ImplicitPeers::new(4, 1_000, 20, 9));
        let (all, mut rng) = (peers.iter().collect::<Vec<_>>(), Rng::seeded(1));
        assert!((0..100).all(|_| all.contains(&peers.pick(NodeId(4), &mut rng).unwrap())));
        assert!(all.iter().all(|id| peers.contains(*id)) && !peers.contains(NodeId(4)));
        assert!(!peers.change(Change::Down(all[0])));
        assert_eq!((peers.len(), peers.nodes()), (20, 21));
        let listed = Peers::listed(peers.iter());
        let are_alike =
            |id| (peers.below(id), peers.first_from(id)) == (listed.below(id), listed.first_from(id));
        assert!((0..1_000).map(NodeId).all(are_alike));
        assert_eq!(Peers::Implicit(ImplicitPeers::new(0, 1, 3, 1)).pick(NodeId(0), &mut rng), None);
    }
}
