//! The first way of an event: rumor mongering, push with feedback and counters (Demers 1987, section 1.4).
//!
//! What has just come waits for the next flush, so that what comes together travels together, and is pushed to `fanout` peers. Of these the
//! last alone is asked to say so if it knew it: of the others' answers each would cost as much as half a push, and say little more. Then each period
//! one more peer is told what is still hot, and asked, until k of those who were asked had known it. So where messages are lost more are sent.

use super::item::{EventId, Item, Source, Span};
use super::log;
use super::message::Message;
use super::{Ctx, Events, Taken, Timer};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Duration, Time};
use rumormill_core::wire;

/// In place of a contact's number: who knew it need not say so.
pub(super) const UNASKED: u8 = u8::MAX;
/// Contacts whose answers are told apart.
const CONTACTS_MAX: u8 = 32;
/// Draws for a peer that was not drawn yet, for each that is wanted.
const DRAWS_PER_PEER: usize = 4;
/// So long nothing is pushed after the budget was used up (our guess: a tenth of it comes back in that time).
const PAUSE: Duration = Duration::from_millis(100);
/// Large events that are waited for.
const ASKED_MAX: usize = 256;
/// For so long a large event is not asked for again (our guess: a TCP connect with a retransmission, and a page).
const ASKED_FOR: Duration = Duration::from_secs(2);

/// Events on their first way.
#[derive(Default)]
pub(super) struct State {
    hot: BTreeMap<EventId, Hot>,
    bytes: usize,
    /// Not pushed at all so far.
    fresh: Vec<EventId>,
    flushing: bool,
    flushed: Time,
    in_rounds: bool,
    /// Nothing is pushed before, for the budget was used up.
    resume: Time,
    /// Where the next contact begins, if not all of what is hot fits one.
    turn: Option<EventId>,
    /// Large events that were asked for, and when.
    asked: BTreeMap<EventId, Time>,
}

struct Hot {
    item: Item,
    contacts: u8,
    misses: u8,
    /// Which contacts were answered: the network may make two of one answer.
    answered: u32,
    /// Who brought it, in which of its contacts.
    by: (NodeId, u8),
    fresh: bool,
}

impl State {
    /// The budget is used up.
    pub fn shed(&mut self, now: Time) {
        self.resume = now + PAUSE;
    }

    /// The large events of a source that were asked for a moment ago, in ascending order.
    pub fn asked_of(&self, source: Source, now: Time) -> Vec<Span> {
        let ids = EventId { source, seq: 0 }..=EventId { source, seq: u64::MAX };
        let asked = self.asked.range(ids).filter(|(_, at)| now.since(**at) < ASKED_FOR);
        asked.map(|(id, _)| Span { from: id.seq, to: id.seq }).collect()
    }

    pub fn len(&self) -> usize {
        self.hot.len()
    }

    /// Whether so many events of a source, or of so many bytes, are still passed on.
    pub fn is_busy_with(&self, source: Source, events: usize, bytes: usize) -> bool {
        if self.hot.len() < events && self.bytes < bytes {
            return false; // without counting
        }
        let ids = EventId { source, seq: 0 }..=EventId { source, seq: u64::MAX };
        let (count, sum) =
            self.hot.range(ids).fold((0, 0), |(count, sum), (_, hot)| (count + 1, sum + hot.item.cost()));
        count >= events || sum >= bytes
    }
}

impl Events {
    /// A peer pushes an event.
    pub(super) fn on_push(&mut self, cx: &mut Ctx, from: NodeId, item: Item, turn: u8) {
        match self.take_in(cx, &item) {
            Taken::New => {
                self.counters.news_pushed += 1;
                self.heat(cx, item, (from, turn));
            }
            Taken::Known => self.say_known(cx, from, item.id, turn),
            Taken::Refused => {}
        }
    }

    /// A peer has a large one.
    pub(super) fn on_have(&mut self, cx: &mut Ctx, from: NodeId, id: EventId, turn: u8) {
        if !id.is_valid() {
            self.counters.rejected += 1;
            return;
        }
        let log = self.window.get(id.source);
        if log.is_some_and(|log| log::holds(log, &id) || id.seq < log.floor) {
            return self.say_known(cx, from, id, turn);
        }
        let asked = &mut self.mongering.asked;
        if asked.get(&id).is_some_and(|at| cx.now.since(*at) < ASKED_FOR) {
            return;
        }
        if asked.len() >= ASKED_MAX {
            asked.retain(|_, at| cx.now.since(*at) < ASKED_FOR);
        }
        if asked.len() < ASKED_MAX {
            asked.insert(id, cx.now);
            self.ask_for(cx, from, id);
        }
    }

    fn say_known(&mut self, cx: &mut Ctx, from: NodeId, id: EventId, turn: u8) {
        if self.mongering.hot.get(&id).is_some_and(|hot| hot.by == (from, turn)) {
            return; // the network made a second copy
        }
        self.counters.useless += 1;
        if turn != UNASKED {
            cx.send(from, Message::Knew { id, turn });
        }
    }

    /// Whom an event was pushed to knew it.
    pub(super) fn on_knew(&mut self, id: EventId, turn: u8) {
        let Some(hot) = self.mongering.hot.get_mut(&id) else { return };
        let bit = 1u32.checked_shl(turn.into()).unwrap_or(0);
        if turn < hot.contacts && hot.answered & bit == 0 {
            hot.answered |= bit;
            hot.misses = hot.misses.saturating_add(1);
        }
    }

    /// From now on an event is passed on.
    pub(super) fn heat(&mut self, cx: &mut Ctx, item: Item, by: (NodeId, u8)) {
        let id = item.id;
        self.mongering.asked.remove(&id);
        if self.is_over(id) {
            return;
        }
        self.mongering.bytes += item.cost();
        let hot = Hot { item, contacts: 0, misses: 0, answered: 0, by, fresh: true };
        if let Some(before) = self.mongering.hot.insert(id, hot) {
            self.mongering.bytes -= before.item.cost();
        }
        self.mongering.fresh.push(id);
        self.cool_down();
        self.arm_flush(cx);
    }

    /// Drops the oldest of the source that has most while there is too much.
    fn cool_down(&mut self) {
        let config = &*self.config;
        let state = &mut self.mongering;
        while state.hot.len() > 1 && (state.hot.len() > config.hot_max || state.bytes > config.hot_bytes_max)
        {
            let mut sizes: Vec<(usize, EventId)> = Vec::new();
            for (id, hot) in &state.hot {
                match sizes.last_mut() {
                    Some((bytes, first)) if first.source == id.source => *bytes += hot.item.cost(),
                    _ => sizes.push((hot.item.cost(), *id)),
                }
            }
            let largest = sizes.into_iter().max_by_key(|(bytes, _)| *bytes);
            let Some((_, id)) = largest else { return };
            if let Some(hot) = state.hot.remove(&id) {
                state.bytes -= hot.item.cost();
                self.counters.shed_hot += 1;
            }
        }
        if state.fresh.len() > 2 * config.hot_max.max(1) {
            state.fresh.retain(|id| state.hot.contains_key(id));
        }
    }

    /// So soon when there was nothing, and not too often when there is much.
    fn arm_flush(&mut self, cx: &mut Ctx) {
        if self.mongering.flushing {
            return;
        }
        self.mongering.flushing = true;
        let rest = (self.mongering.flushed + self.config.flush_busy).since(cx.now);
        cx.after(rest.max(self.config.flush_idle), Timer::Flush);
    }

    fn arm_round(&mut self, cx: &mut Ctx) {
        if !self.mongering.in_rounds && !self.mongering.hot.is_empty() {
            self.mongering.in_rounds = true;
            let period = self.config.period;
            self.after_about(cx, period, Timer::Round);
        }
    }

    /// What has come since the last flush goes to the first few.
    pub(super) fn on_flush(&mut self, cx: &mut Ctx) {
        let config = self.config.clone();
        self.mongering.flushing = false;
        self.mongering.flushed = cx.now;
        if cx.now < self.mongering.resume {
            return self.arm_flush(cx);
        }
        let fanout = config.fanout(cx.peers.nodes());
        let count = fanout as usize + usize::from(cx.rng.chance(fanout - libm::floor(fanout)));
        let peers = self.some_peers(cx, count);
        let bytes_max = config.contact_bytes_max.min(cx.room / 2 / peers.len().max(1));
        let fresh = core::mem::take(&mut self.mongering.fresh);
        let (mut bytes, mut now) = (0, 0);
        for id in &fresh {
            let Some(hot) = self.mongering.hot.get_mut(id) else {
                now += 1;
                continue;
            };
            if now > 0 && bytes + hot.item.cost() > bytes_max {
                break;
            }
            bytes += hot.item.cost();
            hot.fresh = false;
            now += 1;
        }
        for (place, peer) in peers.iter().enumerate() {
            let asks = place + 1 == peers.len();
            fresh[..now].iter().for_each(|id| self.push(cx, *peer, *id, asks));
        }
        self.mongering.fresh = fresh[now..].to_vec();
        self.ask_what_is_due(cx); // in the same datagrams
        if !self.mongering.fresh.is_empty() {
            self.arm_flush(cx);
        }
        self.arm_round(cx);
    }

    /// One more contact about all that is hot.
    pub(super) fn on_round(&mut self, cx: &mut Ctx) {
        let config = self.config.clone();
        let k = config.counter.max(1);
        let contacts_max = config.contacts_max.min(CONTACTS_MAX);
        let state = &mut self.mongering;
        state.in_rounds = false;
        state.hot.retain(|_, hot| {
            let keeps = hot.fresh || hot.misses < k && hot.contacts < contacts_max;
            state.bytes -= if keeps { 0 } else { hot.item.cost() };
            keeps
        });
        self.arm_round(cx);
        if cx.now < self.mongering.resume {
            return;
        }
        let Some(peer) = self.some_peers(cx, 1).pop() else {
            return self
                .mongering
                .hot
                .values_mut()
                .for_each(|hot| hot.contacts = hot.contacts.saturating_add(1));
        };
        let bytes_max = config.contact_bytes_max.min(cx.room / 2);
        let (mut bytes, mut count) = (0, 0);
        let hot = &self.mongering.hot;
        let begin = self.mongering.turn.map_or(Bound::Unbounded, Bound::Included);
        let behind = hot.range((begin, Bound::Unbounded));
        let before = self.mongering.turn.map(|turn| hot.range(..turn)).into_iter().flatten();
        let mut ids: Vec<EventId> = Vec::new();
        let mut turn = None;
        for (id, hot) in behind.chain(before).filter(|(_, hot)| !hot.fresh) {
            bytes += hot.item.cost();
            if count > 0 && bytes > bytes_max {
                turn = Some(*id);
                break;
            }
            count += 1;
            ids.push(*id);
        }
        self.mongering.turn = turn;
        ids.into_iter().for_each(|id| self.push(cx, peer, id, true));
    }

    /// Whether an event is no longer worth telling: it has left the window, or a later one of its name has come.
    fn is_over(&self, id: EventId) -> bool {
        self.window.item(id.source, id.seq).is_none_or(Item::is_void)
    }

    /// Who brought an event knows it: a useless contact that needs no message.
    fn push(&mut self, cx: &mut Ctx, peer: NodeId, id: EventId, asks: bool) {
        let is_over = self.is_over(id);
        let Some(hot) = self.mongering.hot.get_mut(&id) else { return };
        if is_over {
            hot.contacts = CONTACTS_MAX;
            return;
        }
        let turn = if asks { hot.contacts } else { UNASKED };
        hot.contacts = hot.contacts.saturating_add(1);
        if hot.by.0 == peer {
            hot.misses = hot.misses.saturating_add(u8::from(asks));
            self.counters.pushes_spared += 1;
            return;
        }
        self.counters.pushes_sent += 1;
        if wire::len(&hot.item) > self.config.eager_bytes_max {
            cx.send(peer, Message::Have { id, turn });
        } else {
            cx.send(peer, Message::Push { item: hot.item.clone(), turn });
        }
    }

    /// So many different peers, or as many as are soon found.
    pub(super) fn some_peers(&self, cx: &mut Ctx, count: usize) -> Vec<NodeId> {
        let mut peers = Vec::new();
        for _ in 0..count * DRAWS_PER_PEER {
            if peers.len() >= count {
                break;
            }
            match self.config.choice.pick(cx.peers, cx.me, cx.rng) {
                Some(peer) if peer != cx.me && !peers.contains(&peer) => peers.push(peer),
                Some(_) => {}
                None => break,
            }
        }
        peers
    }
}
