//! The publisher's side: a bounded queue, and how far an event came.
//!
//! The queue are this node's events that are still passed on, and those of which somebody wants to know how far they came.
//!
//! How far is asked, not computed: some time after an event was published random members are asked whether they hold it. Who does not
//! answer counts as one who does not, so a publisher that is cut off reads zero.

use super::config::{NAME_BYTES_MAX, PAYLOAD_BYTES_MAX, SAMPLES_MAX};
use super::item::{EventId, Flags, Item, Source};
use super::log::{self, Log};
use super::message::Message;
use super::{Ctx, Event, Events, Refusal, Timer};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::time::Time;

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
    /// Tell how far it came: a few members are asked for it.
    pub cover: bool,
    /// It asks for an answer: [`Flags::QUESTION`].
    pub question: bool,
}

/// Events published here, in order, of which it is to be told how far they came.
#[derive(Default)]
pub(super) struct State {
    tickets: VecDeque<Ticket>,
    bytes: usize,
    timing: bool,
}

struct Ticket {
    ticket: u64,
    id: EventId,
    bytes: usize,
    published: Time,
    asked: Option<Time>,
    /// Whom, and whether it holds it.
    samples: Vec<(NodeId, bool)>,
}

impl State {
    fn put(&mut self, ticket: u64, id: EventId, bytes: usize, published: Time) {
        self.bytes += bytes;
        self.tickets.push_back(Ticket { ticket, id, bytes, published, asked: None, samples: Vec::new() });
    }
}

impl Events {
    /// The application has something to say.
    pub(super) fn on_publish(&mut self, cx: &mut Ctx, publish: Publish) {
        let source = Source { origin: cx.me, epoch: self.life.epoch };
        if let Some(why) = self.why_not(&publish, source) {
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
        if cover {
            self.publishing.put(ticket, id, bytes, cx.now);
        }
        self.store(cx, &item, Log::take);
        self.heat(cx, item, (cx.me, 0));
        self.time_tickets(cx);
    }

    fn why_not(&self, publish: &Publish, source: Source) -> Option<Refusal> {
        let bytes = publish.name.len() + publish.payload.len();
        let config = &*self.config;
        if publish.name.len() > NAME_BYTES_MAX
            || publish.payload.len() > PAYLOAD_BYTES_MAX
            || bytes > config.window_bytes_max / 2
        {
            return Some(Refusal::TooLarge);
        }
        let queue = &self.publishing;
        let is_full = queue.tickets.len() >= config.queue_max || queue.bytes + bytes > config.queue_bytes_max;
        let is_busy = self.mongering.is_busy_with(source, config.queue_max, config.queue_bytes_max);
        let is_full = is_full && !queue.tickets.is_empty() || is_busy || config.queue_max == 0;
        is_full.then_some(Refusal::QueueFull)
    }

    /// How far has it come by now? It is asked as if it had just been published.
    pub(super) fn on_ask(&mut self, cx: &mut Ctx, ticket: u64, id: EventId) {
        if self.publishing.tickets.len() >= self.config.queue_max {
            return cx.emit(Event::Refused { ticket, why: Refusal::QueueFull });
        }
        self.publishing.put(ticket, id, 0, cx.now);
        self.time_tickets(cx);
    }

    fn time_tickets(&mut self, cx: &mut Ctx) {
        let config = &*self.config;
        // In the order of publication, and so in that of what is due: those that were asked about first.
        let Some(first) = self.publishing.tickets.front() else { return };
        if self.publishing.timing {
            return;
        }
        let unasked = self.publishing.tickets.iter().find(|ticket| ticket.asked.is_none());
        let answered = first.asked.map(|at| at + config.cover_wait);
        let ask = unasked.map(|ticket| ticket.published + config.cover_after);
        let Some(due) = answered.into_iter().chain(ask).min() else { return };
        self.publishing.timing = true;
        cx.after(due.since(cx.now).max(config.flush_busy), Timer::Cover);
    }

    /// Asks about those whose time has come, all of the same few members, and tells what came of the earlier ones.
    pub(super) fn on_cover_timer(&mut self, cx: &mut Ctx) {
        self.publishing.timing = false;
        let config = self.config.clone();
        while let Some(first) = self.publishing.tickets.front()
            && first.asked.is_some_and(|at| cx.now.since(at) >= config.cover_wait)
        {
            let Some(ticket) = self.publishing.tickets.pop_front() else { break };
            self.publishing.bytes -= ticket.bytes;
            let asked = ticket.samples.len() as u32;
            let held = ticket.samples.iter().filter(|(_, held)| *held).count() as u32;
            cx.emit(Event::Covered { ticket: ticket.ticket, held, asked });
        }
        let peers = self.some_peers(cx, config.samples.min(SAMPLES_MAX));
        let due = |ticket: &&mut Ticket| {
            ticket.asked.is_none() && cx.now.since(ticket.published) >= config.cover_after
        };
        let mut questions = Vec::new();
        for ticket in self.publishing.tickets.iter_mut().filter(due) {
            ticket.asked = Some(cx.now);
            ticket.samples = peers.iter().map(|peer| (*peer, false)).collect();
            questions.push(ticket.id);
        }
        for id in questions {
            self.counters.covers_sent += peers.len() as u64;
            peers.iter().for_each(|peer| cx.send(*peer, Message::Cover { id }));
        }
        self.time_tickets(cx);
    }

    /// Is it here?
    pub(super) fn on_cover(&mut self, cx: &mut Ctx, from: NodeId, id: EventId) {
        let held = self.window.get(id.source).is_some_and(|log| log::holds(log, &id));
        cx.send(from, Message::Covered { id, held });
    }

    /// A member that was asked says whether it holds an event.
    pub(super) fn on_covered(&mut self, from: NodeId, id: EventId, held: bool) {
        let tickets = self.publishing.tickets.iter_mut().filter(|ticket| ticket.id == id);
        let samples = tickets.flat_map(|ticket| &mut ticket.samples);
        samples.filter(|(peer, _)| *peer == from).for_each(|sample| sample.1 = held);
    }
}
