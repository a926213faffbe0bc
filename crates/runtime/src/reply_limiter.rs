//! Limits replies that a node need not give: one a second to each node, and a bounded number in all, so that nobody can make it flood a third.

use rumormill_core::{NodeId, Time};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// The same reply goes to the same node at most so often.
const EVERY: Duration = Duration::from_secs(1);
/// Replies per [`EVERY`] in all.
pub const REPLIES_MAX: usize = 256;

/// Which node was answered when.
#[derive(Default)]
pub struct ReplyLimiter {
    answered: HashSet<(NodeId, u8)>,
    /// The same in the order of time, so that each is looked at once when it is over.
    order: VecDeque<(Time, (NodeId, u8))>,
}

impl ReplyLimiter {
    /// Whether this kind of reply may go to `id` now; if so, it counts as sent.
    pub fn allows(&mut self, id: NodeId, kind: u8, now: Time) -> bool {
        while let Some((_, over)) = self.order.pop_front_if(|(at, _)| now.since(*at) >= EVERY) {
            self.answered.remove(&over);
        }
        let allowed = self.answered.len() < REPLIES_MAX && self.answered.insert((id, kind));
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
        let mut reply_limiter = ReplyLimiter::default();
        let second = |n: u64| Time(n * 1_000_000_000);
        assert!(reply_limiter.allows(NodeId(1), 3, second(1)));
        assert!(!reply_limiter.allows(NodeId(1), 3, Time(1_900_000_000)));
        assert!(reply_limiter.allows(NodeId(1), 4, second(1)));
        assert!(reply_limiter.allows(NodeId(1), 3, second(2)));
        let allowed = (0..10_000).filter(|n| reply_limiter.allows(NodeId(100 + n), 3, second(10))).count();
        assert_eq!(allowed, REPLIES_MAX);
        assert!(reply_limiter.allows(NodeId(1), 3, second(11)));
    }
}
