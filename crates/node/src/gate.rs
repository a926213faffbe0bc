//! Holds back what would give this node's card to others, until the events know their baseline.
//!
//! What is published at a member after it lists another is to be delivered at that other. So a node finds out what was before it (the
//! events' baseline) before anybody can list it: until then no request to join is carried out, and nothing that others say about
//! membership is heard. A node that goes on where it was has its baseline from the start.

use rumormill_core::identity::NodeId;
use rumormill_core::wire;
use rumormill_protocols::member::swim;
use std::collections::VecDeque;

/// Bytes of messages held at a time; beyond it the oldest go, and their senders try again (our guess: a thousand joiners).
const HELD_BYTES_MAX: usize = 4 << 20;
/// Requests to join held at a time; more are dropped, and whoever joins tries again (our guess: more seeds than anybody lists).
const JOINS_MAX: usize = 64;

/// What waits for the baseline.
#[derive(Default)]
pub(super) struct Gate {
    joins: Vec<NodeId>,
    messages: VecDeque<(NodeId, swim::Message)>,
    bytes: usize,
    shed: u64,
}

impl Gate {
    /// Holds a request to join this peer.
    pub(super) fn hold_join(&mut self, peer: NodeId) {
        match self.joins.contains(&peer) {
            true => {}
            false if self.joins.len() < JOINS_MAX => self.joins.push(peer),
            false => self.shed += 1,
        }
    }

    /// Holds what a peer says about membership.
    pub(super) fn hold(&mut self, from: NodeId, message: swim::Message) {
        self.bytes += wire::len(&message);
        self.messages.push_back((from, message));
        while self.bytes > HELD_BYTES_MAX
            && let Some((_, message)) = self.messages.pop_front()
        {
            self.bytes -= wire::len(&message);
            self.shed += 1;
        }
    }

    /// All that waited, in the order in which it came; requests to join last, for the messages may have carried them out.
    pub(super) fn open(&mut self) -> (VecDeque<(NodeId, swim::Message)>, Vec<NodeId>) {
        self.bytes = 0;
        (std::mem::take(&mut self.messages), std::mem::take(&mut self.joins))
    }

    /// Messages and requests that were dropped for want of room.
    pub(super) fn shed(&self) -> u64 {
        self.shed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_messages_go_when_there_are_too_many_and_a_peer_is_joined_once() {
        let mut gate = Gate::default();
        let sums = || swim::Message::Sums { sums: vec![u64::MAX; 256], from_bucket: 0, after: None };
        let count = HELD_BYTES_MAX / wire::len(&sums()) + 10;
        (0..count as u64).for_each(|from| gate.hold(NodeId(from), sums()));
        (0..2 * JOINS_MAX as u64).for_each(|peer| gate.hold_join(NodeId(peer / 2)));
        let shed = gate.shed();
        let (messages, joins) = gate.open();
        assert_eq!((messages.len() as u64 + shed, joins.len()), (count as u64, JOINS_MAX));
        assert_eq!(messages.front().map(|(from, _)| from.0), Some(shed));
        assert!((9..=10).contains(&shed) && gate.open().0.is_empty());
    }
}
