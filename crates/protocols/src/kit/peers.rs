//! Whom a spreader may talk to, as its view tells it.

use super::implicit_peers::ImplicitPeers;
use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Change;
use rumormill_core::rng::Rng;
use smallvec::SmallVec;

/// The peers of a spreader. A spreader keeps no list of its own.
#[derive(Clone, Debug)]
pub enum Peers {
    /// Fed one by one from a view.
    Listed(Vec<NodeId>),
    /// All ids `0..n`: eight bytes, told once, for uniform gossip at any size.
    Everyone(u64),
    /// So many random others, in sixteen bytes, told once.
    Implicit(ImplicitPeers),
}

impl Default for Peers {
    fn default() -> Self {
        Peers::Listed(Vec::new())
    }
}

impl Peers {
    /// Follows a change of the view.
    pub fn change(&mut self, change: Change) {
        let Peers::Listed(list) = self else { return };
        match change {
            Change::Up(id) if !list.contains(&id) => list.push(id),
            Change::Up(_) => {}
            Change::Down(id) => list.retain(|peer| *peer != id),
        }
    }

    /// How many there are; `Everyone` counts the asker too.
    pub fn len(&self) -> usize {
        match self {
            Peers::Listed(list) => list.len(),
            Peers::Everyone(n) => *n as usize,
            Peers::Implicit(implicit) => implicit.len(),
        }
    }

    /// True if there is no item.
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
            Peers::Listed(list) => list.contains(&id),
            Peers::Everyone(n) => id.0 < *n,
            Peers::Implicit(_) => self.iter().any(|peer| peer == id),
        }
    }

    /// The peer at this place, in `0..len`; `Everyone` has its asker among them.
    pub fn get(&self, place: usize) -> Option<NodeId> {
        match self {
            Peers::Listed(list) => list.get(place).copied(),
            Peers::Everyone(n) => ((place as u64) < *n).then_some(NodeId(place as u64)),
            Peers::Implicit(implicit) => implicit.get(place),
        }
    }

    /// The list, where it is one: always after [`Peers::sort`], but for `Everyone`.
    pub fn list(&self) -> Option<&[NodeId]> {
        match self {
            Peers::Listed(list) => Some(list),
            Peers::Everyone(_) | Peers::Implicit(_) => None,
        }
    }

    /// All of them, by their places.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    /// Puts a list in ascending order, without repetitions: where it already is, at the price of one look.
    pub fn sort(&mut self) {
        if let Peers::Implicit(_) = self {
            *self = Peers::Listed(self.iter().collect());
        }
        if let Peers::Listed(list) = self
            && !list.is_sorted_by(|a, b| a < b)
        {
            list.sort_unstable();
            list.dedup();
        }
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
    use alloc::vec;

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
        let listed = Peers::Listed([0, 1, 3, 4].map(NodeId).to_vec());
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
    fn a_view_is_followed() {
        let mut peers = Peers::default();
        [Change::Up(NodeId(1)), Change::Up(NodeId(1)), Change::Up(NodeId(2)), Change::Down(NodeId(1))]
            .into_iter()
            .for_each(|change| peers.change(change));
        assert_eq!(peers.len(), 1);
        assert_eq!(peers.pick(NodeId(9), &mut Rng::seeded(1)), Some(NodeId(2)));
    }

    #[test]
    fn implicit_peers_are_looked_up_and_sorted_as_listed_ones() {
        let mut peers = Peers::Implicit(ImplicitPeers::new(4, 1_000, 20, 9));
        let (all, mut rng) = (peers.iter().collect::<Vec<_>>(), Rng::seeded(1));
        assert!((0..100).all(|_| all.contains(&peers.pick(NodeId(4), &mut rng).unwrap())));
        assert!(all.iter().all(|id| peers.contains(*id)) && !peers.contains(NodeId(4)));
        peers.change(Change::Down(all[0]));
        assert_eq!((peers.len(), peers.nodes()), (20, 21));
        peers.sort();
        assert!(peers.iter().is_sorted() && all.iter().all(|id| peers.contains(*id)));
        assert_eq!(Peers::Implicit(ImplicitPeers::new(0, 1, 3, 1)).pick(NodeId(0), &mut rng), None);
    }

    #[test]
    fn a_sorted_view_has_each_peer_once_and_at_its_place() {
        let mut peers = Peers::Listed(vec![NodeId(9), NodeId(3), NodeId(9), NodeId(5)]);
        peers.sort();
        assert_eq!(
            (0..4).map(|place| peers.get(place)).collect::<Vec<_>>(),
            [Some(NodeId(3)), Some(NodeId(5)), Some(NodeId(9)), None]
        );
        assert!(peers.contains(NodeId(5)) && !peers.contains(NodeId(4)));
        assert_eq!((peers.nodes(), Peers::Everyone(4).nodes()), (4, 4));
        assert_eq!(Peers::Everyone(4).get(4), None);
    }
}
