//! The way of an event into the window and to the application: in the order of its origin, with its gaps, within the bounds.

use super::log::{Delivery, Log};
use super::window::Room;
use super::{Counters, Event, Events, Item, Source, Taken};
use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Cx;
use rumormill_core::time::Time;

impl Events {
    /// Stores an event of a peer.
    pub(super) fn take_in(&mut self, cx: &mut Cx<'_, Self>, item: &Item) -> Taken {
        let source = item.id.source;
        let is_mine = self.is_my_life(cx.me, source);
        if is_mine && self.window.get(source).is_some_and(|log| item.id.seq <= log.top) {
            return Taken::Known;
        }
        if is_mine || !item.is_valid() {
            self.counters.rejected += 1;
            return Taken::Refused;
        }
        if !self.admit(cx, source) {
            return Taken::Refused;
        }
        if self.store(cx, item, Log::take) { Taken::New } else { Taken::Known }
    }

    /// Stores events that earlier lives of this node held. Peers find them by comparing sums.
    pub(super) fn on_keep(&mut self, cx: &mut Cx<'_, Self>, items: &[Item]) {
        for item in items {
            let source = item.id.source;
            if self.is_my_life(cx.me, source) || !item.is_valid() {
                self.counters.rejected += 1;
            } else if self.admit(cx, source) {
                self.store(cx, item, Log::put_back);
            }
        }
    }

    /// Makes room for a source, and returns whether there is some.
    pub(super) fn admit(&mut self, cx: &mut Cx<'_, Self>, source: Source) -> bool {
        match self.window.room_for(source, cx.me, &self.config) {
            Room::Known => return true,
            Room::New => {}
            Room::Instead(other) => self.forget(cx, other),
            Room::Refused => {
                self.counters.refused_sources += 1;
                return false;
            }
        }
        self.window.insert(source, Log::new(1));
        true
    }

    /// Forgets a source. Its waiting events are delivered first, with their gaps.
    fn forget(&mut self, cx: &mut Cx<'_, Self>, source: Source) {
        self.window.change(source, |log| log.holes.clear());
        self.deliver(cx, source);
        self.counters.shed_lives += self.window.get(source).map_or(0, |log| log.held.len() as u64);
        self.window.remove(source);
    }

    /// Stores an event and delivers what is due; false if the event was known or has passed.
    pub(super) fn store(
        &mut self,
        cx: &mut Cx<'_, Self>,
        item: &Item,
        put: fn(&mut Log, Item, Time) -> bool,
    ) -> bool {
        let (source, seq, now) = (item.id.source, item.id.seq, cx.now);
        let Some(was_told) = self.window.get(source).map(|log| log.was_told(seq)) else { return false };
        let is_new = self.window.change(source, |log| {
            let is_new = put(log, item.clone(), now);
            log.changed = if is_new { now } else { log.changed };
            is_new
        });
        if is_new != Some(true) {
            return false;
        }
        self.news = now;
        if self.is_told(cx.me, source) {
            if was_told {
                self.counters.untold += 1;
            } else if !item.is_ordered()
                && let Some(item) = self.window.item(source, seq).filter(|item| !item.is_void())
            {
                tell(cx, &mut self.counters, source, Delivery::Item(item.clone()));
            }
            self.deliver(cx, source);
            self.bound_holdback(cx, source);
        }
        self.confirm(cx, item.id);
        self.make_room(cx);
        true
    }

    /// Whether events of a source are delivered: those of other nodes only once the baseline is known.
    fn is_told(&self, me: NodeId, source: Source) -> bool {
        self.joined || self.is_my_life(me, source)
    }

    /// Delivers the events of a source that are due.
    pub(super) fn deliver(&mut self, cx: &mut Cx<'_, Self>, source: Source) {
        if self.is_told(cx.me, source) {
            while let Some(told) = self.window.next(source) {
                tell(cx, &mut self.counters, source, told);
            }
        }
    }

    /// Gives up gaps while too many events wait behind them.
    fn bound_holdback(&mut self, cx: &mut Cx<'_, Self>, source: Source) {
        let max = self.config.holdback_max;
        while self.window.get(source).is_some_and(|log| log.waiting > max && !log.holes.is_empty()) {
            self.counters.shed_holdback += 1;
            self.window.change(source, Log::give_up_first);
            self.deliver(cx, source);
        }
    }

    fn make_room(&mut self, cx: &mut Cx<'_, Self>) {
        if !self.window.is_full(&self.config) {
            return;
        }
        let (me, joined, life) = (cx.me, self.joined, self.life);
        let is_told = |source: Source| joined || source.origin == me && source.epoch >= life.epoch;
        let counters = &mut self.counters;
        let shed =
            self.window.make_room(&self.config, is_told, |source, told| tell(cx, counters, source, told));
        self.counters.shed_window += shed;
    }

    /// Delivers all events that waited for the baseline.
    pub(super) fn tell_what_waited(&mut self, cx: &mut Cx<'_, Self>) {
        let all = self.window.iter().map(|(source, _)| source);
        let others: Vec<Source> = all.filter(|source| !self.is_my_life(cx.me, *source)).collect();
        for source in others {
            let untold: Vec<Item> =
                self.window.get(source).map_or_else(Vec::new, |log| log.untold().cloned().collect());
            for item in untold {
                tell(cx, &mut self.counters, source, Delivery::Item(item));
            }
            self.deliver(cx, source);
            self.bound_holdback(cx, source);
        }
    }
}

/// Delivers to the application.
fn tell(cx: &mut Cx<'_, Events>, counters: &mut Counters, source: Source, told: Delivery) {
    match told {
        Delivery::Item(item) => {
            counters.delivered += 1;
            cx.emit(Event::Delivered(item));
        }
        Delivery::Gap(span) => {
            counters.gaps += 1;
            counters.gap_events += span.len();
            cx.emit(Event::Gap { source, span });
        }
    }
}
