//! Peeling back: entries in the reverse order of their stamps, until the checksums agree.
//!
//! The two need not know how far apart they are: where only the newest differ, only those travel, and at worst everything does. Each page has
//! twice as many entries as the one before it; after some of them it is not worth going on like this, and everything travels in
//! the order of the keys, in which a conversation that was broken off can be gone on with.

use super::message::{Message, Peel, Peeled, Turn, Way};
use super::store::{Page, turn};
use super::{AntiEntropy, Direction, Entries};
use alloc::boxed::Box;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Cx;

impl AntiEntropy {
    /// Asks for what is earlier than `below`.
    pub(super) fn ask_peeled(
        &mut self,
        cx: &mut Cx<'_, Self>,
        peer: NodeId,
        below: Option<Turn>,
        pages: u8,
        way: Way,
    ) {
        if pages >= self.config.peel_pages_max && self.config.direction == Direction::Pull {
            let span = self.rest();
            return self.answer(cx, peer, Message::Ask { span: span.boxed(), way });
        }
        let question = Peel { below, sum: self.store.sum(), pages, way };
        self.answer(cx, peer, Message::Peel(Box::new(question)));
    }

    /// Sends what is earlier than `below`.
    pub(super) fn send_peeled(
        &mut self,
        cx: &mut Cx<'_, Self>,
        peer: NodeId,
        below: Option<Turn>,
        pages: u8,
        way: Way,
    ) {
        if pages >= self.config.peel_pages_max && self.config.direction != Direction::Pull {
            let span = self.rest();
            if let Some(page) = self.page(cx.now, peer, span, way) {
                self.answer(cx, peer, page);
            }
            return;
        }
        let entries_max = self.config.peel_entries.max(1).checked_shl(pages.into()).unwrap_or(usize::MAX);
        let (entries, low) = self.peeled(cx, below, None, entries_max, &Entries::None);
        if way == Way::Give && entries.is_empty() {
            return;
        }
        let page = Peeled { entries, below, low, sum: self.store.sum(), pages, way };
        self.answer(cx, peer, Message::Peeled(Box::new(page)));
    }

    /// One page of what lies between `low` and `below` and is not in `known`; and down to where this is all, `None` if to the very first.
    fn peeled(
        &self,
        cx: &Cx<'_, Self>,
        below: Option<Turn>,
        low: Option<Turn>,
        entries_max: usize,
        known: &Entries,
    ) -> (Entries, Option<Turn>) {
        let marks = known.marks();
        let mut page = Page::new(self.config.page_bytes());
        let mut last = None;
        for entry in self.store.newest(below) {
            if low.is_some_and(|low| turn(entry) < low) {
                return (page.entries, low);
            }
            let is_new =
                marks.binary_search(&entry.mark()).is_err() && self.store.is_older_than(cx.now, entry);
            if is_new && (page.entries.len() >= entries_max || !page.add(entry)) {
                return (page.entries, last);
            }
            last = Some(turn(entry));
        }
        (page.entries, low)
    }

    pub(super) fn on_peeled(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, page: Peeled) {
        self.take_all(cx, from, &page.entries);
        if self.is_agreed(page.sum) {
            return;
        }
        let mut low = page.low;
        match page.way {
            Way::Give => {}
            Way::Take => {
                self.counters.rejected += 1; // who sends a page gives
                return;
            }
            Way::Both => {
                let (newer, all_down_to) = self.peeled(cx, page.below, page.low, usize::MAX, &page.entries);
                if !newer.is_empty() {
                    self.answer(cx, from, Message::Page { entries: newer, span: None, way: Way::Give });
                }
                low = all_down_to; // if not all of it fits, the other one goes on from there as well
            }
        }
        if low.is_some() {
            self.ask_peeled(cx, from, low, page.pages.saturating_add(1), page.way.flipped());
        }
    }

    pub(super) fn on_peel(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, question: Peel) {
        if self.is_agreed(question.sum) {
            return;
        }
        if !question.way.takes() {
            self.counters.rejected += 1; // who asks takes
            return;
        }
        self.send_peeled(cx, from, question.below, question.pages, question.way.flipped());
    }
}
