//! Everything travels, page by page, the receiver asking for the next one.

use super::message::{Message, Span, Way};
use super::store::Page;
use super::{AntiEntropy, Direction, Entries};
use alloc::boxed::Box;
use core::cmp::Ordering;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::protocol::Cx;
use rumormill_core::time::Time;

impl AntiEntropy {
    /// Begins with everything, or goes on where the last conversation stopped.
    pub(super) fn open_pages(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, way: Way) {
        let span = self.rest();
        if way == Way::Take {
            cx.send(peer, Message::Ask { span: span.boxed(), way });
        } else if let Some(page) = self.page(cx.now, peer, span, way) {
            self.say(cx, peer, page);
        }
    }

    /// All from where the last page ended.
    pub(super) fn rest(&self) -> Span {
        Span::WHOLE.after(self.resume.clone())
    }

    /// The first page of `span`; `None` if there is nothing to say.
    pub(super) fn page(&mut self, now: Time, peer: NodeId, span: Span, way: Way) -> Option<Message> {
        let mut page = Page::new(self.config.page_bytes());
        let (mut last, mut cut) = (Payload::EMPTY, Payload::EMPTY);
        for slot in self.store.within(&span) {
            if slot.heard < now && !page.add(&slot.entry) {
                cut = last;
                break;
            }
            last = slot.entry.key().clone();
        }
        if self.config.direction != Direction::Pull {
            // Whether this page arrives is not known: so this one is gone on with, not the one after it.
            self.note_progress(peer, &span, if cut.is_empty() { &cut } else { &span.after });
        }
        if way == Way::Give && page.entries.is_empty() {
            return None;
        }
        Some(Message::Page { entries: page.entries, span: Span { cut, ..span }.boxed(), way })
    }

    pub(super) fn on_page(
        &mut self,
        cx: &mut Cx<'_, Self>,
        from: NodeId,
        entries: Entries,
        span: Option<Box<Span>>,
        way: Way,
    ) {
        self.take_all(cx, from, &entries);
        let span = span.map_or(Span::WHOLE, |span| *span);
        let cut = match way {
            Way::Take => {
                self.counters.rejected += 1; // who sends a page gives
                return;
            }
            Way::Give => {
                if self.config.direction == Direction::Pull {
                    self.note_progress(from, &span, &span.cut);
                }
                span.cut.clone()
            }
            Way::Both => {
                let (newer, cut) = self.newer_than(cx.now, &entries, &span);
                if !newer.is_empty() {
                    self.answer(cx, from, Message::Page { entries: newer, span: None, way: Way::Give });
                }
                // If not all that is newer here fits, the other one goes on from there as well.
                if cut.is_empty() { span.cut.clone() } else { cut }
            }
        };
        if !cut.is_empty() {
            let span = span.after(cut).boxed();
            self.answer(cx, from, Message::Ask { span, way: way.flipped() });
        }
    }

    /// What is newer here than in a page of `span`, and after which key it did not fit any more.
    fn newer_than(&self, now: Time, theirs: &Entries, span: &Span) -> (Entries, Payload) {
        let mut page = Page::new(self.config.page_bytes());
        let mut theirs = theirs.as_slice().iter().peekable();
        let mut last = Payload::EMPTY;
        for slot in self.store.within(span) {
            let (place, key) = (slot.entry.place(), slot.entry.key());
            while theirs.next_if(|their| (their.place(), their.key()) < (place, key)).is_some() {}
            let their = theirs.peek().filter(|their| their.key() == key);
            let newer = their.is_none_or(|their| slot.entry.age_order(their) == Ordering::Greater);
            if newer && slot.heard < now && !page.add(&slot.entry) {
                return (page.entries, last);
            }
            last = key.clone();
        }
        (page.entries, Payload::EMPTY)
    }

    pub(super) fn on_ask(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, span: Option<Box<Span>>, way: Way) {
        let span = span.map_or(Span::WHOLE, |span| *span);
        if !way.takes() {
            self.counters.rejected += 1; // who asks takes
            return;
        }
        if let Some(page) = self.page(cx.now, from, span, way.flipped()) {
            self.answer(cx, from, page);
        }
    }

    /// Remembers where to go on, if it is this node's own conversation that got so far.
    fn note_progress(&mut self, peer: NodeId, span: &Span, cut: &Payload) {
        if peer == self.contact && span.is_of_all() {
            self.resume = cut.clone();
        }
    }
}
