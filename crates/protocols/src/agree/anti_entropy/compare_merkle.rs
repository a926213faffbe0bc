//! Walking down a tree of checksums to where the stores differ.

use super::AntiEntropy;
use super::message::{Message, Span, Way};
use crate::kit::merkle::{CHILDREN, DEPTH_MAX};
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Cx;

/// If more children of a node differ and they are leaves, the whole node is exchanged: fewer messages, hardly more bytes (our guess).
const DENSE: usize = CHILDREN * 3 / 4;
/// Of a period's answers one conversation is to use a half, and each of its leaves has a question and a page (our guess).
const ANSWERS_PER_LEAF: u32 = 4;

impl AntiEntropy {
    /// Sends the sums of a node's children.
    pub(super) fn send_tree(
        &mut self,
        cx: &mut Cx<'_, Self>,
        peer: NodeId,
        depth: u8,
        prefix: u64,
        way: Way,
    ) {
        let sums = self.sums_below(depth, prefix).to_vec();
        self.answer(cx, peer, Message::Tree { depth, prefix, sums, way });
    }

    fn sums_below(&self, depth: u8, prefix: u64) -> [u64; CHILDREN] {
        core::array::from_fn(|child| self.store.sum_below(depth + 1, prefix << 4 | child as u64).0)
    }

    pub(super) fn on_tree(
        &mut self,
        cx: &mut Cx<'_, Self>,
        from: NodeId,
        depth: u8,
        prefix: u64,
        sums: &[u64],
        way: Way,
    ) {
        if depth >= DEPTH_MAX || sums.len() != CHILDREN || prefix >> (4 * u32::from(depth)) != 0 {
            self.counters.rejected += 1;
            return;
        }
        let mine = self.sums_below(depth, prefix);
        let differ = |child: &usize| mine[*child] != sums[*child];
        let way = way.flipped();
        let count = (0..CHILDREN).filter(differ).count();
        let len = self.store.sum_below(depth, prefix).1;
        if count > DENSE && len <= CHILDREN * self.config.leaf_entries {
            return self.exchange(cx, from, Span::below(depth, prefix), way);
        }
        // Not always the same ones first, or the last ones would never have their turn.
        let first = cx.rng.below(CHILDREN);
        let children = (0..CHILDREN).map(|i| (first + i) % CHILDREN).filter(differ);
        for child in children.take(self.branches(len)) {
            self.on_child(cx, from, depth + 1, prefix << 4 | child as u64, sums[child], way);
        }
    }

    fn on_child(
        &mut self,
        cx: &mut Cx<'_, Self>,
        from: NodeId,
        depth: u8,
        prefix: u64,
        theirs: u64,
        way: Way,
    ) {
        let (_, len) = self.store.sum_below(depth, prefix);
        // Nothing adds up to zero: what is missing there altogether need not be looked for.
        if len > self.config.leaf_entries && theirs != 0 && depth < DEPTH_MAX {
            self.send_tree(cx, from, depth, prefix, way);
        } else {
            self.exchange(cx, from, Span::below(depth, prefix), way);
        }
    }

    /// All that is in a part that differs.
    fn exchange(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, span: Span, way: Way) {
        if way == Way::Take {
            self.answer(cx, peer, Message::Ask { span: span.boxed(), way });
        } else if let Some(page) = self.page(cx.now, peer, span, way) {
            self.answer(cx, peer, page);
        }
    }

    /// How many children of a node with `len` entries to go on with, so that a conversation comes to its leaves before a period's answers
    /// are used up: the more levels are to come, the fewer.
    fn branches(&self, len: usize) -> usize {
        let (mut levels, mut below) = (1, len / CHILDREN);
        while below > self.config.leaf_entries && levels < u32::from(DEPTH_MAX) {
            (levels, below) = (levels + 1, below / CHILDREN);
        }
        let leaves_max = (self.config.answers_max / ANSWERS_PER_LEAF) as usize;
        let fits = |branches: &usize| branches.checked_pow(levels).is_some_and(|leaves| leaves <= leaves_max);
        (1..=CHILDREN).rev().find(fits).unwrap_or(1)
    }
}
