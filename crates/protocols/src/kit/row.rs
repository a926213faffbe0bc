//! All nodes in one row that each of them can work out alone: in the order of their ids.

use rumormill_core::identity::NodeId;
use rumormill_core::peers::Peers;

/// Peers by their ids, with the asker in its place among them, whether its view has it or not. Not for implicit peers, which stand in no order.
#[derive(Copy, Clone, Debug)]
pub struct Row<'a> {
    /// The peers.
    pub peers: &'a Peers,
    /// The asker.
    pub me: NodeId,
}

impl Row<'_> {
    /// How many nodes stand in the row; at least one.
    pub fn nodes(&self) -> usize {
        self.peers.len() + usize::from(!self.peers.contains(self.me))
    }

    /// The place of `id`; of one that is unknown, where it would stand.
    pub fn place(&self, id: NodeId) -> usize {
        let is_moved = id > self.me && !self.peers.contains(self.me);
        (self.peers.below(id) + usize::from(is_moved)) % self.nodes()
    }

    /// The node at this place.
    pub fn at(&self, place: usize) -> Option<NodeId> {
        match place.checked_sub(self.place(self.me)) {
            Some(0) => Some(self.me),
            Some(_) if !self.peers.contains(self.me) => self.peers.get(place - 1),
            _ => self.peers.get(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_asker_in_the_right_place_whether_it_is_listed_or_not() {
        let ids = [2, 5, 7, 11].map(NodeId);
        for me in ids {
            let without = Peers::listed(ids.into_iter().filter(|id| *id != me));
            for peers in [without, Peers::listed(ids)] {
                let row = Row { peers: &peers, me };
                assert_eq!(row.nodes(), 4);
                for (place, id) in ids.into_iter().enumerate() {
                    assert_eq!((row.at(place), row.place(id)), (Some(id), place), "{me}");
                }
                assert_eq!([row.place(NodeId(6)), row.place(NodeId(99))], [2, 0]);
            }
        }
        let (alone, everyone) = (Peers::default(), Peers::Everyone(3));
        assert_eq!(Row { peers: &alone, me: NodeId(9) }.at(0), Some(NodeId(9)));
        let row = Row { peers: &everyone, me: NodeId(1) };
        assert!((0..3).all(|id| row.at(id) == Some(NodeId(id as u64)) && row.place(NodeId(id as u64)) == id));
    }
}
