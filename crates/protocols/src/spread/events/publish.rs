//! The publisher's side: a bounded queue.
//!
//! The queue are this node's events that are still passed on, and those of which a sample of members is asked (`cover`).

use super::config::{
    CONFIRM_EVENTS_MAX, CONFIRM_MEMBERS_MAX, CONFIRMS_MAX, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX,
};
use super::cover::Cover;
use super::item::{EventId, Flags, Item, Source};
use super::log::Log;
use super::{Ctx, Event, Events, Refusal};
use rumormill_core::payload::Payload;

/// What somebody wants everybody to know.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Comes back in what is told of it.
    pub ticket: u64,
    /// What kind of event it is, at most [`NAME_BYTES_MAX`] bytes.
    pub name: Payload,
    /// What it says, at most [`PAYLOAD_BYTES_MAX`] bytes.
    pub payload: Payload,
    /// Told everywhere at first receipt, not in order.
    pub unordered: bool,
    /// Only the latest of this name and origin counts.
    pub coalesce: bool,
    /// Which members are asked whether they deliver it.
    pub cover: Cover,
    /// It asks for an answer: [`Flags::QUESTION`].
    pub question: bool,
}

impl Events {
    /// The application has something to say.
    pub(super) fn on_publish(&mut self, cx: &mut Ctx, publish: Publish) {
        let source = Source { origin: cx.me, epoch: self.life.epoch };
        if let Some(why) = self.why_not(cx, &publish, source) {
            self.counters.refused += 1;
            return cx.emit(Event::Refused { ticket: publish.ticket, why });
        }
        if !self.admit(cx, source) {
            return cx.emit(Event::Refused { ticket: publish.ticket, why: Refusal::QueueFull });
        }
        let id = EventId { source, seq: self.window.get(source).map_or(1, |log| log.top + 1) };
        let unordered = if publish.unordered { Flags::UNORDERED } else { Flags::NONE };
        let coalesce = if publish.coalesce { Flags::COALESCE } else { Flags::NONE };
        let question = if publish.question { Flags::QUESTION } else { Flags::NONE };
        let Publish { ticket, name, payload, cover, .. } = publish;
        let item = Item { id, flags: unordered.and(coalesce).and(question), name, payload };
        let bytes = item.cost();
        self.counters.published += 1;
        cx.emit(Event::Queued { ticket, id });
        self.store(cx, &item, Log::take);
        self.heat(cx, item, (cx.me, 0));
        self.open_ticket(cx, ticket, id, bytes, cover);
    }

    fn why_not(&self, cx: &Ctx, publish: &Publish, source: Source) -> Option<Refusal> {
        let bytes = publish.name.len() + publish.payload.len();
        let config = &*self.config;
        if publish.name.len() > NAME_BYTES_MAX
            || publish.payload.len() > PAYLOAD_BYTES_MAX
            || bytes > config.window_bytes_max / 2
        {
            return Some(Refusal::TooLarge);
        }
        if let Cover::All(_) = publish.cover {
            let members = cx.peers.iter().filter(|peer| *peer != cx.me).count();
            let (events, confirms) = self.cover.outstanding();
            if members > CONFIRM_MEMBERS_MAX {
                return Some(Refusal::TooManyMembers);
            }
            if events >= CONFIRM_EVENTS_MAX || confirms + members > CONFIRMS_MAX {
                return Some(Refusal::QueueFull);
            }
        }
        let (samples, samples_bytes) = self.cover.queued();
        let is_full = samples >= config.queue_max || samples_bytes + bytes > config.queue_bytes_max;
        let is_busy = self.mongering.is_busy_with(source, config.queue_max, config.queue_bytes_max);
        let is_full = is_full && samples > 0 || is_busy || config.queue_max == 0;
        is_full.then_some(Refusal::QueueFull)
    }
}
