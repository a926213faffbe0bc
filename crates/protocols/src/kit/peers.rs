//! Whom a spreader may talk to, as its view tells it.

use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Change;
use rumormill_core::rng::Rng;

/// The peers of a spreader. A spreader keeps no list of its own.
#[derive(Clone, Debug)]
pub enum Peers {
    /// Fed one by one from a view.
    Listed(Vec<NodeId>),
    /// All ids `0..n`: eight bytes, told once, for uniform gossip at any size.
    Everyone(u64),
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
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        }
    }
}

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
    fn a_view_is_followed() {
        let mut peers = Peers::default();
        [Change::Up(NodeId(1)), Change::Up(NodeId(1)), Change::Up(NodeId(2)), Change::Down(NodeId(1))]
            .into_iter()
            .for_each(|change| peers.change(change));
        assert_eq!(peers.len(), 1);
        assert_eq!(peers.pick(NodeId(9), &mut Rng::seeded(1)), Some(NodeId(2)));
    }
}
