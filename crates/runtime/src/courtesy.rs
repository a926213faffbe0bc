//! How often a node answers what it need not answer: once a second to each, and a bounded number in all, so that nobody can make it
//! shout at a third.

use rumormill_core::{NodeId, Time};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// The same courtesy to the same node at most so often.
const EVERY: Duration = Duration::from_secs(1);
/// Courtesies per [`EVERY`] in all.
pub const COURTESIES_MAX: usize = 256;

/// Whom was answered when.
#[derive(Default)]
pub struct Courtesy {
    told: HashSet<(NodeId, u8)>,
    /// The same in the order of time, so that each is looked at once when it is over.
    order: VecDeque<(Time, (NodeId, u8))>,
}

impl Courtesy {
    /// Whether this kind of courtesy may be shown to `id` now; if so, it counts as shown.
    pub fn allows(&mut self, id: NodeId, kind: u8, now: Time) -> bool {
        while let Some((_, over)) = self.order.pop_front_if(|(at, _)| now.since(*at) >= EVERY) {
            self.told.remove(&over);
        }
        let allowed = self.told.len() < COURTESIES_MAX && self.told.insert((id, kind));
        if allowed {
            self.order.push_back((now, (id, kind)));
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_second_to_each_and_bounded_in_all() {
        let mut courtesy = Courtesy::default();
        let second = |n: u64| Time(n * 1_000_000_000);
        assert!(courtesy.allows(NodeId(1), 3, second(1)));
        assert!(!courtesy.allows(NodeId(1), 3, Time(1_900_000_000)));
        assert!(courtesy.allows(NodeId(1), 4, second(1)));
        assert!(courtesy.allows(NodeId(1), 3, second(2)));
        let allowed = (0..10_000).filter(|n| courtesy.allows(NodeId(100 + n), 3, second(10))).count();
        assert_eq!(allowed, COURTESIES_MAX);
        assert!(courtesy.allows(NodeId(1), 3, second(11)));
    }
}
