//! The asker's side: who has said what, large answers a few at a time, and when it is over.

use super::message::{Kind, PeerMessage, Question, Reply};
use super::{
    Ask, Ctx, Event, FILTERED_BYTES_MAX, NAME_BYTES_MAX, QUESTION_BYTES_MAX, Queries, QueryId, Refusal,
    Speaker, SpreadQuestion, Summary, TIMEOUT_MAX, Timer,
};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::time::{Duration, Time};
use rumormill_core::wire;

/// This node's queries that are open, in the order in which they were asked.
#[derive(Default)]
pub(super) struct State {
    number: u64,
    open: Vec<Open>,
    /// When the timer that is set will fire.
    timer: Option<Time>,
}

struct Open {
    id: QueryId,
    name: Payload,
    ticket: u64,
    ends: Time,
    expected: u32,
    answered: u32,
    /// How far each has come that said anything.
    members: BTreeMap<NodeId, Kind>,
    /// Who offered an answer and is to be called.
    offers: VecDeque<Speaker>,
    /// Who was called, and by when its answer should have come.
    taking: Vec<(Speaker, Time)>,
}

impl Open {
    fn summary(&self) -> Summary {
        let untaken = self.members.values().filter(|kind| **kind == Kind::Offer).count() as u32;
        let acked = self.members.len() as u32;
        Summary { expected: self.expected, acked, answered: self.answered, untaken }
    }
}

impl State {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn taking_len(&self) -> usize {
        self.open.iter().map(|open| open.taking.len()).sum()
    }

    /// The queries that are open: which, their name, their end, and what they came to so far.
    pub(super) fn iter(&self) -> impl Iterator<Item = (QueryId, &Payload, Time, Summary)> {
        self.open.iter().map(|open| (open.id, &open.name, open.ends, open.summary()))
    }

    fn find(&mut self, id: QueryId) -> Option<usize> {
        self.open.iter().position(|open| open.id == id)
    }
}

impl Queries {
    /// The application wants to know something.
    pub(super) fn on_ask(&mut self, cx: &mut Ctx, ask: Ask) {
        if let Some(why) = self.why_not(&ask) {
            self.counters.refused += 1;
            return cx.emit(Event::Refused { ticket: ask.ticket, why });
        }
        if ask.expected == 0 && ask.timeout.is_zero() {
            return cx.emit(Event::Done { ticket: ask.ticket, summary: Summary::default() });
        }
        self.counters.asked += 1;
        self.asks.number += 1;
        let id = QueryId { asker: cx.me, epoch: self.life.epoch, number: self.asks.number };
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let question = Question {
            id,
            timeout_ms: millis(ask.timeout),
            spread_ms: millis(self.spread(ask.expected, ask.timeout)),
            asked: cx.wall,
            filter: ask.filter,
            body: ask.body,
        };
        self.asks.open.push(Open {
            id,
            name: ask.name.clone(),
            ticket: ask.ticket,
            ends: cx.now + ask.timeout,
            expected: ask.expected,
            answered: 0,
            members: BTreeMap::new(),
            offers: VecDeque::new(),
            taking: Vec::new(),
        });
        let mut payload = Vec::new();
        wire::put(&question, &mut payload);
        let (ticket, name, payload) = (ask.ticket, ask.name, Payload::from(&payload[..]));
        cx.emit(Event::Spread(SpreadQuestion { ticket, name, payload }));
        self.end_or_wait(cx);
    }

    fn why_not(&self, ask: &Ask) -> Option<Refusal> {
        if ask.name.len() > NAME_BYTES_MAX
            || ask.body.len() > QUESTION_BYTES_MAX
            || ask.filter.len() + ask.body.len() > FILTERED_BYTES_MAX
        {
            return Some(Refusal::TooLarge);
        }
        if ask.timeout > TIMEOUT_MAX {
            return Some(Refusal::TooSlow);
        }
        (self.asks.open.len() >= self.config.asks_max).then_some(Refusal::TooMany)
    }

    pub(super) fn on_cancel(&mut self, cx: &mut Ctx, ticket: u64) {
        if let Some(open) = self.asks.open.iter_mut().find(|open| open.ticket == ticket) {
            open.ends = cx.now;
            self.end_or_wait(cx);
        }
    }

    /// A member says something, itself or through another.
    pub(super) fn on_reply(&mut self, cx: &mut Ctx, by: Speaker, id: QueryId, reply: Reply) {
        if id.asker != cx.me || by.id == cx.me {
            self.counters.rejected += 1;
            return;
        }
        self.counters.replies += 1;
        let (kind, at) = (reply.kind(), self.asks.find(id));
        by.answer(cx, PeerMessage::Got { id, kind, open: at.is_some() });
        match at {
            Some(at) => self.account(cx, at, by, reply),
            None => self.counters.useless += 1,
        }
    }

    /// This node answers its own query.
    pub(super) fn on_own(&mut self, cx: &mut Ctx, id: QueryId, reply: Reply) {
        if let Some(at) = self.asks.find(id) {
            self.account(cx, at, Speaker { id: cx.me, via: None }, reply);
        }
    }

    fn account(&mut self, cx: &mut Ctx, at: usize, by: Speaker, reply: Reply) {
        let (open, from) = (&mut self.asks.open[at], by.id);
        let (kind, ticket) = (reply.kind(), open.ticket);
        let known = open.members.get(&from).copied();
        if kind == Kind::Late {
            return; // it is told that the query is open, and will be heard of again
        }
        if known.is_some_and(|known| known >= kind) {
            self.counters.useless += 1;
            return;
        }
        if known.is_none() && open.members.len() >= self.config.answerers_max {
            self.counters.shed_answerers += 1;
            return;
        }
        open.members.insert(from, kind);
        if known.is_none() {
            cx.emit(Event::Acked { ticket, from });
        }
        match reply {
            Reply::Late | Reply::Ack => {}
            Reply::Offer(_) => open.offers.push_back(by),
            Reply::Answer(body) => {
                open.answered += 1;
                open.taking.retain(|(taken, _)| taken.id != from);
                open.offers.retain(|offering| offering.id != from);
                cx.emit(Event::Answered { ticket, from, body });
            }
        }
        self.end_or_wait(cx);
    }

    pub(super) fn on_asks_timer(&mut self, cx: &mut Ctx) {
        if self.asks.timer.is_some_and(|at| at <= cx.now) {
            self.asks.timer = None;
        }
        self.end_or_wait(cx);
    }

    /// Ends what is over, calls for what there is room for, and sets the timer for what is next.
    fn end_or_wait(&mut self, cx: &mut Ctx) {
        let now = cx.now;
        let is_over = |open: &Open| now >= open.ends || (open.expected > 0 && open.answered >= open.expected);
        while let Some(at) = self.asks.open.iter().position(is_over) {
            let open = self.asks.open.remove(at);
            cx.emit(Event::Done { ticket: open.ticket, summary: open.summary() });
        }
        let (takes_max, wait) = (self.config.takes_max.max(1), self.config.take_wait);
        for open in &mut self.asks.open {
            // Who did not answer the call in time has its turn again, after the others.
            let (on_time, overdue): (Vec<_>, Vec<_>) = open.taking.iter().partition(|(_, by)| *by > cx.now);
            open.taking = on_time;
            open.offers.extend(overdue.into_iter().map(|(by, _)| by));
            while open.taking.len() < takes_max
                && let Some(by) = open.offers.pop_front()
            {
                open.taking.push((by, cx.now + wait));
                by.answer(cx, PeerMessage::Take { id: open.id });
            }
        }
        let dues = self
            .asks
            .open
            .iter()
            .flat_map(|open| open.taking.iter().map(|(_, by)| *by).chain(core::iter::once(open.ends)));
        let Some(due) = dues.min() else { return };
        if self.asks.timer.is_none_or(|at| at > due) {
            self.asks.timer = Some(due);
            cx.after(due.since(cx.now), Timer::Asks);
        }
    }
}
