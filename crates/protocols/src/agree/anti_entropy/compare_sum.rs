//! Checksums before everything, and recent updates before checksums.

use super::message::{Message, Span, Then, Way};
use super::store::Page;
use super::{AntiEntropy, Compare, Direction, Entries};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::protocol::Cx;
use rumormill_core::time::Duration;

impl AntiEntropy {
    /// Begins with the checksum.
    pub(super) fn send_sum(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, then: Then, way: Way) {
        cx.send(peer, Message::Sum { sum: self.store.sum(), then, way });
    }

    pub(super) fn on_sum(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, sum: u64, then: Then, way: Way) {
        if self.is_agreed(sum) {
            return;
        }
        let mine = way.flipped();
        let then = match then {
            Then::Peel if !self.store.is_by_time() => Then::Pages(Payload::EMPTY), // set otherwise than the other one
            then => then,
        };
        match then {
            Then::Pages(after) => {
                let span = Span::WHOLE.after(after);
                if mine.takes() {
                    self.answer(cx, from, Message::Ask { span: span.boxed(), way: mine });
                } else if let Some(page) = self.page(cx.now, from, span, mine) {
                    self.answer(cx, from, page);
                }
            }
            Then::Peel if mine.takes() => self.ask_peeled(cx, from, None, 0, mine),
            Then::Peel => self.send_peeled(cx, from, None, 0, mine),
            Then::Merkle => self.send_tree(cx, from, 0, 0, mine),
        }
    }

    /// Whether the other's checksum is this node's: nothing more is to be said.
    pub(super) fn is_agreed(&mut self, sum: u64) -> bool {
        let agreed = self.store.sum() == sum;
        self.counters.agreed += u64::from(agreed);
        agreed
    }

    /// Begins with what was written lately.
    pub(super) fn open_recent(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, way: Way) {
        let entries = if way == Way::Take { Entries::None } else { self.recent(cx, &Entries::None) };
        let sum = self.store.sum();
        self.say(cx, peer, Message::Recent { entries, sum, way, after: self.resume.clone(), answers: false });
    }

    #[allow(clippy::too_many_arguments)] // the fields of one message
    pub(super) fn on_recent(
        &mut self,
        cx: &mut Cx<'_, Self>,
        from: NodeId,
        entries: Entries,
        sum: u64,
        way: Way,
        after: Payload,
        answers: bool,
    ) {
        self.take_all(cx, from, &entries);
        if self.is_agreed(sum) {
            return;
        }
        if answers {
            // Both have told what is recent, and it was not all: now everything.
            let message = match self.config.direction {
                Direction::Push => None, // it has asked nothing that could be answered like this
                Direction::Pull => {
                    let span = self.rest().boxed();
                    Some(Message::Ask { span, way: Way::Take })
                }
                Direction::PushPull => {
                    let span = self.rest();
                    self.page(cx.now, from, span, Way::Both)
                }
            };
            if let Some(message) = message {
                self.answer(cx, from, message);
            }
        } else if way.takes() {
            let entries = self.recent(cx, &entries);
            let sum = self.store.sum();
            self.answer(
                cx,
                from,
                Message::Recent { entries, sum, way: Way::Give, after: Payload::EMPTY, answers: true },
            );
        } else {
            self.answer(cx, from, Message::Ask { span: Span::WHOLE.after(after).boxed(), way: Way::Take });
        }
    }

    /// What was written within the window, the newest first, less what is in `known`; one page of it.
    fn recent(&self, cx: &Cx<'_, Self>, known: &Entries) -> Entries {
        let window = match self.config.compare {
            Compare::Recent(window) => window,
            _ => Duration::ZERO, // somebody is set otherwise: everything will be compared
        };
        let marks = known.marks();
        let mut page = Page::new(self.config.page_bytes());
        for entry in self.store.newest(None) {
            if cx.wall.since(entry.activated().wall) >= window {
                break;
            }
            let is_new =
                marks.binary_search(&entry.mark()).is_err() && self.store.is_older_than(cx.now, entry);
            if is_new && !page.add(entry) {
                break;
            }
        }
        page.entries
    }
}
