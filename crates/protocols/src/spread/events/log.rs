//! What is known of one source: what is held of it, what is missing, and how far the application was told.
//!
//! ```text
//!        passed        told            waits for the gap        not heard of
//!   1 ........... floor ....... cursor ..  hole  .......... top ............
//! ```
//!
//! From `floor` to `top` each number is held, or in a hole (wanted), or neither (given up: known to be lost). The cursor stops at a hole
//! and passes over what was given up, which the application is then told.

use super::config::SEQ_MAX;
use super::item::{EventId, Item, Position, Source, Span};
use super::message::Row;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use rumormill_core::payload::Payload;
use rumormill_core::rng::mix;
use rumormill_core::time::{Duration, Time};

/// Gaps listed of one source in a digest.
pub const GAPS_MAX: usize = 16;
/// Holes of one source; beyond it the first is given up.
pub const HOLES_MAX: usize = 64;
/// Told gaps that are remembered per source, in spans; beyond it nothing up to the end of the oldest is vouched for (our guess).
const LOST_MAX: usize = 64;

/// Numbers that are missing, and wanted.
#[derive(Copy, Clone, Debug)]
pub(super) struct Hole {
    pub span: Span,
    since: Time,
    /// How many in a row did not have it.
    votes: u8,
    /// Whether its origin was among them.
    denied: bool,
}

/// What is delivered to the application: an event, or a gap.
#[derive(Clone, Debug)]
pub(super) enum Delivery {
    Item(Item),
    Gap(Span),
}

#[derive(Debug)]
pub(super) struct Log {
    pub floor: u64,
    pub top: u64,
    pub cursor: u64,
    pub held: BTreeMap<u64, Item>,
    pub holes: Vec<Hole>,
    /// What is held from the cursor on.
    pub waiting: usize,
    pub bytes: usize,
    /// When a number was last added or found missing.
    pub changed: Time,
    /// When its origin was last seen among the peers, while something was missing.
    pub present: Time,
    /// Unordered ones from the cursor on that were told in an earlier life of this node.
    seen: Vec<Span>,
    /// Of each name that coalesces: the latest.
    latest: BTreeMap<Payload, u64>,
    /// Upper end of the history: events up to this number were passed over by the baseline and are held for others only.
    history: u64,
    /// Gaps that were told, in ascending order: an event of them that comes later is held for others only.
    lost: Vec<Span>,
}

impl Log {
    /// Nothing held; what is before `floor` is not wanted, and not told of.
    pub fn new(floor: u64) -> Log {
        Log {
            floor,
            top: floor - 1,
            cursor: floor,
            held: BTreeMap::new(),
            holes: Vec::new(),
            waiting: 0,
            bytes: 0,
            changed: Time::ZERO,
            present: Time::ZERO,
            seen: Vec::new(),
            latest: BTreeMap::new(),
            history: 0,
            lost: Vec::new(),
        }
    }

    /// As it was told in an earlier life of this node.
    pub fn resumed(position: &Position) -> Log {
        let seen = position.beyond.iter().filter(|span| span.is_valid()).take(HOLES_MAX);
        Log { seen: seen.copied().collect(), ..Log::new(position.next.clamp(1, SEQ_MAX)) }
    }

    /// A hash of what is wanted and what there is: equal marks, nothing to give.
    pub fn mark(&self, source: Source) -> u64 {
        let holes = self
            .holes
            .iter()
            .fold(0, |sum: u64, hole| sum.wrapping_add(mix(hole.span.from ^ mix(hole.span.to))));
        mix(source.origin.0 ^ mix(source.epoch ^ mix(self.top ^ mix(holes))))
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.holes.is_empty()
    }

    /// Takes an event in, or says that it was here, or has passed.
    pub fn take(&mut self, item: Item, now: Time) -> bool {
        let seq = item.id.seq;
        if seq < self.floor || self.held.contains_key(&seq) {
            return false;
        }
        if seq > self.top {
            self.reach(seq - 1, now);
            self.top = seq;
        } else {
            self.fill(seq);
        }
        self.hold(item);
        true
    }

    /// Puts back what an earlier life of this node held. Below the floor nothing is missed: it was told, or given up.
    pub fn put_back(&mut self, item: Item, now: Time) -> bool {
        if item.id.seq >= self.floor {
            return self.take(item, now);
        }
        self.floor = item.id.seq;
        self.hold(item);
        true
    }

    fn hold(&mut self, mut item: Item) {
        let seq = item.id.seq;
        if item.coalesces() {
            match self.latest.get(&item.name).copied() {
                Some(later) if later > seq => item = item.voided(),
                older => {
                    self.latest.insert(item.name.clone(), seq);
                    older.into_iter().for_each(|older| self.make_void(older));
                }
            }
        }
        self.bytes += item.cost();
        self.waiting += usize::from(seq >= self.cursor);
        self.held.insert(seq, item);
    }

    /// There are events up to `top`: those not heard of yet are missing.
    pub fn reach(&mut self, top: u64, now: Time) {
        if top > self.top {
            let span = Span { from: self.top + 1, to: top };
            self.holes.push(Hole { span, since: now, votes: 0, denied: false });
            self.top = top;
            self.bound_holes();
        }
    }

    fn bound_holes(&mut self) {
        if self.holes.len() > HOLES_MAX {
            self.holes.remove(0);
        }
    }

    /// `seq` is no longer missing.
    fn fill(&mut self, seq: u64) {
        let Some(at) = self.holes.iter().position(|hole| hole.span.contains(seq)) else { return };
        let hole = self.holes.remove(at);
        let Span { from, to } = hole.span;
        if seq < to {
            self.holes.insert(at, Hole { span: Span { from: seq + 1, to }, ..hole });
        }
        if from < seq {
            self.holes.insert(at, Hole { span: Span { from, to: seq - 1 }, ..hole });
        }
        self.bound_holes();
    }

    fn make_void(&mut self, seq: u64) {
        if let Some(item) = self.held.get_mut(&seq) {
            self.bytes -= item.cost();
            *item = item.voided();
            self.bytes += item.cost();
        }
    }

    /// Whether an unordered event was told before.
    pub fn was_told(&self, seq: u64) -> bool {
        seq < self.cursor || self.seen.iter().any(|span| span.contains(seq))
    }

    /// What is to be told next, in order; `None` at a hole and at the end.
    pub fn next(&mut self) -> Option<Delivery> {
        while self.cursor <= self.top {
            let at = self.cursor;
            if let Some(item) = self.held.get(&at) {
                self.cursor += 1;
                self.waiting -= 1;
                if item.is_ordered() && !item.is_void() {
                    return Some(Delivery::Item(item.clone()));
                }
                continue;
            }
            if let Some(span) = self.seen.iter().find(|span| span.contains(at)) {
                let to = span.to.min(self.held.range(at..).next().map_or(self.top, |(seq, _)| seq - 1));
                self.cursor = to.min(self.top) + 1;
                continue;
            }
            let hole = self.holes.iter().find(|hole| hole.span.to >= at);
            if hole.is_some_and(|hole| hole.span.contains(at)) {
                return None;
            }
            let ends = [
                self.held.range(at..).next().map(|(seq, _)| *seq),
                hole.map(|hole| hole.span.from),
                self.seen.iter().map(|span| span.from).find(|from| *from > at),
            ];
            let to = ends.into_iter().flatten().min().map_or(self.top, |end| end - 1).min(self.top);
            self.cursor = to + 1;
            self.lose(Span { from: at, to });
            return Some(Delivery::Gap(Span { from: at, to }));
        }
        None
    }

    fn lose(&mut self, span: Span) {
        self.lost.push(span);
        if self.lost.len() > LOST_MAX {
            self.history = self.history.max(self.lost.remove(0).to);
        }
    }

    /// Sets the baseline: nothing up to `top` is told, whether it is held already or comes later.
    pub fn set_history(&mut self, top: u64) {
        self.history = self.history.max(top);
        self.skip_to(top + 1);
    }

    /// Whether the application was or will be told of this event: it is held, and neither history nor part of a told gap.
    pub fn delivers(&self, seq: u64) -> bool {
        let is_passed_over = seq <= self.history || self.lost.iter().any(|span| span.contains(seq));
        self.held.contains_key(&seq) && !is_passed_over
    }

    /// Nothing before `cursor` is to be told.
    pub fn skip_to(&mut self, cursor: u64) {
        if cursor > self.cursor {
            self.cursor = cursor;
            self.waiting = self.held.range(cursor..).count();
        }
    }

    /// Nothing before `floor` is wanted, but for what is here.
    pub fn begin_at(&mut self, floor: u64) {
        let floor = self.held.keys().next().map_or(floor, |first| floor.min(*first));
        if floor <= self.floor {
            return;
        }
        self.drop_holes_before(floor);
        self.floor = floor;
        self.top = self.top.max(floor - 1);
        self.skip_to(floor);
    }

    fn drop_holes_before(&mut self, floor: u64) {
        self.holes.retain_mut(|hole| {
            hole.span.from = hole.span.from.max(floor);
            hole.span.from <= hole.span.to
        });
    }

    /// Drops the first event that is held. What is not told of it by then is told now, and the holes before it are given up; or it is
    /// not told at all.
    pub fn shed(&mut self, tells: bool, tell: &mut impl FnMut(Delivery)) {
        let Some(seq) = self.held.keys().next().copied() else { return };
        self.drop_holes_before(seq);
        if tells {
            core::iter::from_fn(|| self.next()).for_each(tell);
        }
        self.skip_to(seq + 1);
        if let Some(item) = self.held.remove(&seq) {
            self.bytes -= item.cost();
            if self.latest.get(&item.name) == Some(&seq) {
                self.latest.remove(&item.name);
            }
        }
        self.floor = seq + 1;
    }

    /// Gives up the first hole.
    pub fn give_up_first(&mut self) {
        if !self.holes.is_empty() {
            self.holes.remove(0);
            self.settle();
        }
    }

    /// What was given up before all that is held or wanted has passed.
    fn settle(&mut self) {
        let firsts = [self.held.keys().next().copied(), self.holes.first().map(|hole| hole.span.from)];
        self.floor = self.floor.max(firsts.into_iter().flatten().min().unwrap_or(self.top + 1));
    }

    /// Gives up what is known to be lost, and says whether there was any. An origin that denied it, or that has been gone for `wait`, is waited for
    /// less. One that comes and goes, as a slow one does, is not gone.
    pub fn give_up(&mut self, now: Time, votes: u8, wait: Duration, patience: Duration) -> bool {
        let (before, present) = (self.holes.len(), self.present);
        self.holes.retain(|hole| {
            let missing = now.since(hole.since);
            let is_gone = now.since(hole.since.max(present)) >= wait;
            hole.votes < votes || missing < patience && !is_gone && !(hole.denied && missing >= wait)
        });
        self.settle();
        self.holes.len() < before
    }

    /// Whether something is missing for so long, of which its origin has not said that it does not hold it.
    pub fn misses_for(&self, now: Time, wait: Duration) -> bool {
        self.holes.iter().any(|hole| !hole.denied && now.since(hole.since) >= wait)
    }

    /// A peer holds this: each hole is voted lost, or not. A row of the origin denies what it lacks. But one that does not reach so far may have left
    /// before that was published: it counts once the hole is older than `origin`, which is none for the rows of others.
    pub fn vote(&mut self, row: &Row, now: Time, origin: Option<Duration>) {
        let mut parts = Vec::new();
        for hole in &mut self.holes {
            if row.gaps.len() >= GAPS_MAX && hole.span.to > row.top {
                continue; // it did not say
            }
            parts.clear();
            in_row(hole.span, row, 1, &mut parts);
            hole.votes = if parts.is_empty() { hole.votes.saturating_add(1) } else { 0 };
            let denies = origin.is_some_and(|wait| row.top >= hole.span.to || now.since(hole.since) >= wait);
            hole.denied = parts.is_empty() && (hole.denied || denies);
        }
    }

    /// What of a peer's is missing here, at most `max` parts.
    pub fn lacks(&self, row: &Row, max: usize) -> Vec<Span> {
        let mut parts = Vec::new();
        for hole in &self.holes {
            in_row(hole.span, row, max, &mut parts);
        }
        if row.top > self.top {
            in_row(Span { from: self.top + 1, to: row.top }, row, max, &mut parts);
        }
        parts
    }

    /// Whether something is here that a peer lacks.
    pub fn exceeds(&self, row: &Row) -> bool {
        self.held.range(row.top.saturating_add(1)..).next().is_some()
            || row.gaps.iter().any(|gap| self.held.range(gap.from..=gap.to).next().is_some())
    }

    /// As it is told to a peer.
    pub fn row(&self, source: Source) -> Row {
        let mut row = Row { source, low: self.floor, top: self.top, gaps: Vec::new() };
        if self.held.len() as u64 == self.top + 1 - self.floor {
            return row;
        }
        let mut next = self.floor;
        for seq in self.held.keys().copied().chain([self.top + 1]) {
            if seq > next {
                if row.gaps.len() == GAPS_MAX {
                    row.top = next - 1;
                    break;
                }
                row.gaps.push(Span { from: next, to: seq - 1 });
            }
            next = seq + 1;
        }
        row
    }

    /// As the agent stores it.
    pub fn position(&self, source: Source) -> Position {
        let mut beyond: Vec<Span> = self.seen.iter().filter(|span| span.to >= self.cursor).copied().collect();
        for (seq, _) in self.held.range(self.cursor..).filter(|(_, item)| !item.is_ordered()) {
            match beyond.last_mut() {
                Some(span) if span.contains(*seq) => {}
                Some(span) if span.to + 1 == *seq => span.to = *seq,
                _ => beyond.push(Span { from: *seq, to: *seq }),
            }
        }
        beyond.sort_by_key(|span| span.from);
        beyond.truncate(HOLES_MAX);
        Position { source, next: self.cursor, beyond }
    }

    /// The unordered events that nobody was told of while it was not known what was before this node.
    pub fn untold(&self) -> impl Iterator<Item = &Item> {
        let waiting = self.held.range(self.cursor..).map(|(_, item)| item);
        waiting.filter(|item| !item.is_ordered() && !item.is_void() && !self.was_told(item.id.seq))
    }

    /// What of these numbers is held.
    pub fn holding(&self, span: Span) -> impl Iterator<Item = &Item> {
        self.held.range(span.from..=span.to).map(|(_, item)| item)
    }
}

/// What of `span` the owner of a row holds.
fn in_row(span: Span, row: &Row, max: usize, out: &mut Vec<Span>) {
    let (from, to) = (span.from.max(row.low), span.to.min(row.top));
    if from <= to {
        Span { from, to }.without(&row.gaps, max, out);
    }
}

/// Whether a row may have been written by somebody who keeps to the rules.
pub(super) fn is_valid(row: &Row) -> bool {
    let ascending = row.gaps.windows(2).all(|pair| pair[0].to < pair[1].from);
    let numbers = (1..=SEQ_MAX).contains(&row.low) && row.top <= SEQ_MAX && row.top + 1 >= row.low;
    numbers && ascending && row.gaps.len() <= GAPS_MAX && row.gaps.iter().all(Span::is_valid)
}

/// Whether an event is held.
pub(super) fn holds(log: &Log, id: &EventId) -> bool {
    log.held.contains_key(&id.seq)
}
