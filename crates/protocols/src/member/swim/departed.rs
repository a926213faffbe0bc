//! The dead and the gone: remembered for a time, tried again, forgotten; and how one leaves.

use super::probe::Kind;
use super::record::{Accusation, Charge};
use super::*;
use alloc::collections::{BTreeMap, BTreeSet};
use rumormill_core::record::Record;
use rumormill_core::time::Duration;

/// Failures that follow each other within so many periods have one cause, as far as this node can tell (our guess: a node that is cut off needs
/// some periods for each of those that it can no longer reach).
pub(super) const BURST_PERIODS: u32 = 60;

/// Departed members, by id and by age.
#[derive(Default)]
pub(super) struct Departed {
    all: BTreeMap<NodeId, (Time, Option<Record<Accusation>>)>,
    by_age: BTreeSet<(Time, NodeId)>,
    /// Those of them that are dead, to draw one from, in the order in which they failed.
    dead: alloc::vec::Vec<NodeId>,
    last_death: Time,
    /// When the last burst of failures began.
    burst_began: Time,
    /// How many of its members are still dead: the last ones of `dead`.
    burst: usize,
}

impl Departed {
    /// It left of its own will.
    pub(super) fn leave(&mut self, id: NodeId, now: Time) {
        self.remove(id);
        self.all.insert(id, (now, None));
        self.by_age.insert((now, id));
    }

    /// It failed. `accusation` is what it is to refute; none: a ban keeps it out.
    pub(super) fn fail(
        &mut self,
        id: NodeId,
        accusation: Option<Record<Accusation>>,
        now: Time,
        burst_gap: Duration,
    ) {
        self.remove(id);
        if self.burst == 0 || now.since(self.last_death) > burst_gap {
            (self.burst_began, self.burst) = (now, 0);
        }
        self.dead.push(id);
        self.burst += 1;
        self.last_death = now;
        self.all.insert(id, (now, accusation));
        self.by_age.insert((now, id));
    }

    pub(super) fn remove(&mut self, id: NodeId) {
        if let Some((at, _)) = self.all.remove(&id) {
            self.by_age.remove(&(at, id));
            if let Some(place) = self.dead.iter().position(|dead| *dead == id) {
                self.dead.remove(place);
                self.burst -= usize::from(at >= self.burst_began);
            }
        }
    }

    /// What a failed member is to refute, signed by a member that probed it. None for one that left or that a ban keeps out.
    pub(super) fn verdict(&self, id: NodeId) -> Option<&Record<Accusation>> {
        self.all.get(&id).and_then(|(_, verdict)| verdict.as_ref())
    }
}

impl<K: Keys> Swim<K> {
    /// Tries one of the dead, so that a healed partition becomes one cluster again without anyone acting.
    ///
    /// The cluster as a whole makes one try per interval: each of its n members with probability `period` / (interval·n) in each of
    /// its periods, which are the longer the less it trusts itself. The interval grows with the age of the last death, between the two bounds of `retry_interval`.
    ///
    /// A node that lost a large share of the others in one burst may itself be cut off, and there is little else to probe on its side. So it tries
    /// one of the burst with probability share³ (our guess: nearly each period on the small side of a cut, and next to nothing after single failures).
    pub(super) fn try_departed(&mut self, cx: Ctx<K>, period: Duration) {
        let Departed { dead, burst, last_death, .. } = &self.departed;
        let (min, max) = self.config.retry_interval;
        let interval = (cx.now.since(*last_death) / 8).clamp(min, max);
        let one_of_all = period.as_secs_f64() / (interval.as_secs_f64() * self.live_len() as f64);
        let share = *burst as f64 / (*burst + self.live_len()) as f64;
        let one_of_burst = share * share * share;
        let among = if one_of_burst > one_of_all { &dead[dead.len() - burst..] } else { &dead[..] };
        if !dead.is_empty() && cx.rng.chance(one_of_all.max(one_of_burst)) {
            let id = *cx.rng.pick(among).expect("there is one");
            self.counters.departed_tries += 1;
            self.probe(cx, id, Kind::Departed);
        }
    }

    /// Lets the oldest go: those whose time is over, and those beyond the number that is remembered.
    pub(super) fn reap_departed(&mut self, cx: Ctx<K>) {
        while let Some(&(at, id)) = self.departed.by_age.first() {
            let over = cx.now.since(at) >= self.config.departed_for;
            if !over && self.departed.all.len() <= self.config.departed_max {
                break;
            }
            self.counters.departed_dropped += 1;
            self.drop_departed(cx, id);
        }
    }

    /// Takes a departed member off every list here, and leaves a tombstone.
    pub(super) fn drop_departed(&mut self, cx: Ctx<K>, id: NodeId) {
        let card = self.member_table.get(id).map(|row| row.card.clone());
        let verdict = self.departed.verdict(id).cloned();
        self.departed.remove(id);
        self.member_table.remove(id);
        self.tags.forget(id);
        self.lay_tombstone(id, card, verdict, cx.now);
        cx.emit(Event::Forgotten(id));
    }

    /// An operator wants a departed member forgotten, here and everywhere.
    pub(super) fn on_forget(&mut self, cx: Ctx<K>, id: NodeId) {
        if !self.departed.all.contains_key(&id) {
            self.counters.requests_refused += 1;
            return;
        }
        self.accuse(cx, id, Charge::Forget, Evidence::default());
    }

    /// I leave of my own will: a last card, and time for it to travel.
    pub(super) fn on_leave(&mut self, cx: Ctx<K>) {
        if self.mine.card.value().left {
            return;
        }
        self.say_of_myself(cx, |card| {
            card.left = true;
            card.incarnation += 1;
        });
        self.spread(cx, News::Card(self.mine.card.clone()));
        let linger = if self.live == 0 { Duration::ZERO } else { self.config.leave_linger };
        cx.after(linger, Timer::Gone);
    }
}
