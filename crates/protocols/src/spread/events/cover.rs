//! How far an event came: its publisher asks members, and each answers once it will deliver the event.
//!
//! ```text
//! publisher                          member
//!   Cover (id)              ->          waits until the event is in its log, to be delivered
//!                           <-   Covered (id)
//! ```
//!
//! The question neither carries the event nor has it fetched: it measures, and does not help. A sample asks a few random members at once
//! with the first pushes, so that on an idle pair the answer takes one round trip (two for an event that does not fit a datagram). To ask
//! all, the members that are listed at publication are asked in batches. Who is silent is asked again, less and less often, until the
//! time is over; a member that is cut off stays on the list of those that have not confirmed.

use super::config::SAMPLES_MAX;
use super::item::EventId;
use super::message::Message;
use super::{Ctx, Event, Events, Refusal, Timer};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Duration, Time};

/// Members named that have not confirmed an event (our guess: more than a person reads).
pub const MISSING_NAMED_MAX: usize = 64;
/// Questions of others that wait for their event; beyond it they are dropped, and the publisher asks again (our guess).
const WAITING_MAX: usize = 4_096;
/// So long a question waits (our guess: longer than the longest pause between two of them).
const WAITING_KEPT: Duration = Duration::from_secs(5);

/// Longest pause between two looks at what is due while something is asked (our guess: a person does not notice it).
const TICK_MAX: Duration = Duration::from_millis(100);

/// Which members are asked whether they deliver an event.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Cover {
    /// None.
    #[default]
    Nobody,
    /// A few random ones, for [`Config::cover_wait`](super::Config::cover_wait).
    Sample,
    /// All that are listed when the event is published, for this long.
    All(Duration),
}

/// Questions about this node's events, and those of others that wait here.
#[derive(Default)]
pub(super) struct State {
    tickets: Vec<Ticket>,
    /// Whether a [`Timer::Cover`] is in flight.
    timing: bool,
    waiting: BTreeMap<(EventId, NodeId), Time>,
}

struct Ticket {
    ticket: u64,
    id: EventId,
    /// What it takes of the publisher's queue.
    bytes: usize,
    ends: Time,
    is_sample: bool,
    /// Members that are asked in all; none before a sample is drawn.
    asked: Option<u32>,
    missing: BTreeSet<NodeId>,
    /// Those of the missing that are still to be asked in this round.
    unasked: Vec<NodeId>,
    next_ask: Time,
    /// The pause before the next round.
    pause: Duration,
}

impl State {
    /// Samples that are still asked, and the bytes of their events.
    pub fn queued(&self) -> (usize, usize) {
        let samples = self.tickets.iter().filter(|ticket| ticket.is_sample);
        samples.fold((0, 0), |(count, bytes), ticket| (count + 1, bytes + ticket.bytes))
    }

    /// Events that all members are asked about, and their missing confirmations.
    pub fn outstanding(&self) -> (usize, usize) {
        let alls = self.tickets.iter().filter(|ticket| !ticket.is_sample);
        alls.fold((0, 0), |(count, missing), ticket| (count + 1, missing + ticket.missing.len()))
    }
}

impl Ticket {
    fn is_over(&self, now: Time) -> bool {
        self.asked.is_some() && self.missing.is_empty() || now >= self.ends
    }

    fn report(self) -> Event {
        let asked = self.asked.unwrap_or(0);
        let held = asked - self.missing.len() as u32;
        let missing = self.missing.into_iter().take(MISSING_NAMED_MAX).collect();
        Event::Covered { ticket: self.ticket, held, asked, missing }
    }
}

impl Events {
    /// Begins to ask about an event of this node.
    pub(super) fn open_ticket(&mut self, cx: &mut Ctx, ticket: u64, id: EventId, bytes: usize, cover: Cover) {
        let config = &*self.config;
        let (wait, members) = match cover {
            Cover::Nobody => return,
            Cover::Sample => (config.cover_wait, None),
            Cover::All(wait) => {
                (wait, Some(cx.peers.iter().filter(|peer| *peer != cx.me).collect::<Vec<_>>()))
            }
        };
        self.cover.tickets.push(Ticket {
            ticket,
            id,
            bytes,
            ends: cx.now + wait,
            is_sample: members.is_none(),
            asked: members.as_ref().map(|members| members.len() as u32),
            missing: members.iter().flatten().copied().collect(),
            unasked: members.unwrap_or_default(),
            next_ask: cx.now + config.flush_idle,
            pause: config.cover_retry,
        });
        self.arm_cover(cx);
    }

    /// How far has it come by now? A sample is asked.
    pub(super) fn on_ask(&mut self, cx: &mut Ctx, ticket: u64, id: EventId) {
        if self.cover.queued().0 >= self.config.queue_max {
            return cx.emit(Event::Refused { ticket, why: Refusal::QueueFull });
        }
        self.open_ticket(cx, ticket, id, 0, Cover::Sample);
    }

    fn arm_cover(&mut self, cx: &mut Ctx) {
        let dues = self.cover.tickets.iter().map(|ticket| ticket.next_ask.min(ticket.ends));
        if let Some(due) = dues.min().filter(|_| !self.cover.timing) {
            self.cover.timing = true;
            cx.after(due.since(cx.now).clamp(self.config.flush_busy, TICK_MAX), Timer::Cover);
        }
    }

    pub(super) fn on_cover_timer(&mut self, cx: &mut Ctx) {
        self.cover.timing = false;
        self.ask_what_is_due(cx);
    }

    /// Asks what is due, and reports what is over: all samples that are drawn now are of the same few members.
    pub(super) fn ask_what_is_due(&mut self, cx: &mut Ctx) {
        if self.cover.tickets.is_empty() {
            return;
        }
        let config = self.config.clone();
        let sample = self.sample(cx, config.samples.min(SAMPLES_MAX));
        let now = cx.now;
        for ticket in self.cover.tickets.iter_mut().filter(|ticket| ticket.next_ask <= now) {
            if ticket.asked.is_none() {
                ticket.asked = Some(sample.len() as u32);
                ticket.missing = sample.iter().copied().collect();
                ticket.unasked.clone_from(&sample);
            } else if ticket.unasked.is_empty() {
                ticket.unasked = ticket.missing.iter().copied().collect();
            }
            let rest = ticket.unasked.len().saturating_sub(config.cover_batch.max(1));
            for peer in ticket.unasked.drain(rest..).filter(|peer| ticket.missing.contains(peer)) {
                self.counters.covers_sent += 1;
                cx.send(peer, Message::Cover { id: ticket.id });
            }
            let is_round_over = ticket.unasked.is_empty();
            ticket.next_ask = now + if is_round_over { ticket.pause } else { config.flush_busy };
            if is_round_over {
                ticket.pause = (ticket.pause * 2).min(config.cover_retry_max);
            }
        }
        self.report_what_is_over(cx);
        self.arm_cover(cx);
    }

    /// So many random members; all, where there are no more.
    fn sample(&self, cx: &mut Ctx, count: usize) -> Vec<NodeId> {
        match cx.peers.len() <= count {
            true => cx.peers.iter().filter(|peer| *peer != cx.me).collect(),
            false => self.some_peers(cx, count),
        }
    }

    fn report_what_is_over(&mut self, cx: &mut Ctx) {
        let tickets = core::mem::take(&mut self.cover.tickets);
        let (over, open) = tickets.into_iter().partition(|ticket: &Ticket| ticket.is_over(cx.now));
        self.cover.tickets = open;
        let over: Vec<Ticket> = over;
        over.into_iter().for_each(|ticket| cx.emit(ticket.report()));
    }

    /// A publisher asks about its event.
    pub(super) fn on_cover(&mut self, cx: &mut Ctx, from: NodeId, id: EventId) {
        if !id.is_valid() {
            self.counters.rejected += 1;
            return;
        }
        let log = self.window.get(id.source).filter(|_| self.joined);
        if log.is_some_and(|log| log.delivers(id.seq)) {
            cx.send(from, Message::Covered { id, held: true });
        } else if log.is_some_and(|log| id.seq < log.cursor) {
            cx.send(from, Message::Covered { id, held: false });
        } else {
            self.let_wait(cx.now, from, id);
        }
    }

    fn let_wait(&mut self, now: Time, from: NodeId, id: EventId) {
        let waiting = &mut self.cover.waiting;
        if waiting.len() >= WAITING_MAX {
            waiting.retain(|_, at| now.since(*at) < WAITING_KEPT);
        }
        if waiting.len() < WAITING_MAX {
            waiting.insert((id, from), now);
        } else {
            self.counters.unanswered += 1;
        }
    }

    /// An event has come: who asked about it is answered, if it is delivered here.
    pub(super) fn confirm(&mut self, cx: &mut Ctx, id: EventId) {
        if self.cover.waiting.is_empty() || !self.joined {
            return;
        }
        if !self.window.get(id.source).is_some_and(|log| log.delivers(id.seq)) {
            return;
        }
        let all = (id, NodeId(0))..=(id, NodeId(u64::MAX));
        let askers: Vec<NodeId> = self.cover.waiting.range(all).map(|((_, asker), _)| *asker).collect();
        for asker in askers {
            self.cover.waiting.remove(&(id, asker));
            cx.send(asker, Message::Covered { id, held: true });
        }
    }

    /// From now on it is known what is delivered here.
    pub(super) fn confirm_what_waited(&mut self, cx: &mut Ctx) {
        let ids: BTreeSet<EventId> = self.cover.waiting.keys().map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.confirm(cx, id));
    }

    /// A member that was asked answers. One that does not deliver the event may be of an older version, and get it later.
    pub(super) fn on_covered(&mut self, cx: &mut Ctx, from: NodeId, id: EventId, held: bool) {
        if !held {
            return;
        }
        for ticket in self.cover.tickets.iter_mut().filter(|ticket| ticket.id == id) {
            ticket.missing.remove(&from);
        }
        self.report_what_is_over(cx);
    }
}
