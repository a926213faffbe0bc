//! Behind the pushes: pairs compare what they hold, and ask each other for what they lack.
//!
//! ```text
//! opener                             peer
//!   Root (sum of all marks)  ->           the same: silence
//!                            <-    Digest (sources that changed last; sum of the rest)
//!   Want, Digest (where the opener has more), and if the rest differs:
//!   More                     ->
//!                            <-    Digest (a page of all sources), and so on
//!   Want (numbers)           ->
//!                            <-    Give (a page of events; what is left)
//!   Want (what is left)      ->           and so on
//! ```
//!
//! That only what changed last is listed first, and that sums tell whether it was all, is the peeling back of Demers 1987 (section 1.3).

use super::item::{EventId, Item, Source, Span};
use super::log::{self, Log};
use super::message::{Digest, Message, Row, Scope, Want};
use super::{Ctx, Events, Taken, Timer};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Duration, Time};
use rumormill_core::wire::{self, STREAM_MESSAGE_BYTES_MAX};

/// Sources listed first, because they changed last: at least so many, and at most what fits a datagram (our guess).
const RECENT_MIN: usize = 8;
const RECENT_MAX: usize = 40;
/// Sources asked for at once, numbers apart asked of each, and of all.
const WANTS_MAX: usize = 64;
const SPANS_MAX: usize = 16;
const SPANS_TOTAL_MAX: usize = 256;
/// What a message may have beyond [`STREAM_MESSAGE_BYTES_MAX`]: the name of a largest event, and what is left of a question. (A driver
/// takes a kibibyte more than that maximum.)
const LEFT_BYTES_MAX: usize = 900;
/// So few missed events, found at once, are passed on as news again (Demers 1987, section 1.5, redistributes by mail; our guess: what is
/// missed by one is missed by others, and more than that is somebody catching up).
const REHEAT_MAX: u64 = 8;
/// Spare room that a root takes at most.
const ROOT_BYTES_MAX: usize = 16;

#[derive(Default)]
pub(super) struct State {
    /// When a peer was last contacted for a comparison.
    contacted: Time,
    /// Whom something was asked for last, and when it was last heard of.
    wanting: Option<(NodeId, Time)>,
}

impl Events {
    /// Time for a comparison?
    pub(super) fn on_repair(&mut self, cx: &mut Ctx) {
        let config = self.config.clone();
        let every = if self.window.holed > 0 { config.repair_gap } else { config.repair_period };
        self.after_about(cx, every, Timer::Repair);
        self.give_up(cx);
        if self.is_repair_due(cx.now, Duration::ZERO)
            && let Some(peer) = self.whom(cx)
        {
            self.compare_with(cx, peer);
        }
    }

    /// Anybody; or, every other time, the origin of what is missing for long, whose word counts most.
    fn whom(&self, cx: &mut Ctx) -> Option<NodeId> {
        if self.window.holed > 0 && cx.rng.chance(0.5) {
            let wait = self.config.gap_wait / 2;
            let misses =
                |(source, log): (Source, &Log)| log.misses_for(cx.now, wait).then_some(source.origin);
            let is_there = |origin: &NodeId| *origin != cx.me && cx.peers.contains(*origin);
            let origins: Vec<NodeId> = self.window.iter().filter_map(misses).filter(is_there).collect();
            if let Some(origin) = cx.rng.pick(&origins) {
                return Some(*origin);
            }
        }
        self.some_peers(cx, 1).pop()
    }

    /// A datagram leaves anyway: a comparison that is due soon costs a few bytes now.
    pub(super) fn on_spare(&mut self, cx: &mut Ctx, peer: NodeId, bytes: usize) {
        let early = self.config.repair_period / 2;
        if self.joined
            && bytes >= ROOT_BYTES_MAX
            && self.window.holed == 0
            && self.is_repair_due(cx.now, early)
        {
            self.compare_with(cx, peer);
        }
    }

    fn is_repair_due(&self, now: Time, early: Duration) -> bool {
        let config = &*self.config;
        let every = match now.since(self.news) < config.repair_busy {
            _ if self.window.holed > 0 => config.repair_gap,
            true => config.repair_period,
            false => config.repair_idle,
        };
        let slack = config.repair_gap / 2; // timers are early by a random part
        now.since(self.repair.contacted) + early + slack >= every
    }

    fn compare_with(&mut self, cx: &mut Ctx, peer: NodeId) {
        self.repair.contacted = cx.now;
        if self.window.holed > 0 {
            let digest = self.recent(cx.now);
            self.send_digest(cx, peer, digest);
        } else {
            self.counters.roots_sent += 1;
            cx.send(peer, Message::Root { root: self.window.root });
        }
    }

    fn send_digest(&mut self, cx: &mut Ctx, to: NodeId, digest: Digest) {
        self.counters.digests_sent += 1;
        cx.send(to, Message::Digest(Box::new(digest)));
    }

    fn digest_of(&self, sources: &[Source], scope: Scope) -> Digest {
        let rows = sources.iter().map(|source| self.row(*source)).collect();
        let rest = self.window.rest(sources.iter());
        Digest { rows, scope, rest, after: None, next: None, joined: self.joined, waits: None }
    }

    /// What I hold of a source; nothing of an unknown one.
    fn row(&self, source: Source) -> Row {
        let blank = || Row { source, low: 1, top: 0, gaps: Vec::new() };
        self.window.get(source).map_or_else(blank, |log| log.row(source))
    }

    fn recent(&self, now: Time) -> Digest {
        let busy = u64::try_from(self.config.repair_busy.as_nanos()).unwrap_or(u64::MAX);
        let since = Time(now.0.saturating_sub(busy));
        self.digest_of(&self.window.recent(since, RECENT_MIN, RECENT_MAX), Scope::Recent)
    }

    /// A peer's sum.
    pub(super) fn on_root(&mut self, cx: &mut Ctx, from: NodeId, root: u64) {
        if root == self.window.root {
            self.counters.agreed += 1;
        } else if self.may_answer(cx.now) {
            let digest = self.recent(cx.now);
            self.send_digest(cx, from, digest);
        }
    }

    pub(super) fn may_answer(&mut self, now: Time) -> bool {
        let may = self.answers.take(now, self.config.repair_period, self.config.answers_max);
        self.counters.unanswered += u64::from(!may);
        may
    }

    /// A peer asks for a page of all sources.
    pub(super) fn on_more(
        &mut self,
        cx: &mut Ctx,
        from: NodeId,
        after: Option<Source>,
        joining: Option<bool>,
    ) {
        let is_joiner = joining == Some(true);
        let may = if is_joiner { self.may_serve_joiner(cx.now) } else { self.may_answer(cx.now) };
        if !may {
            return;
        }
        let (mut rows, mut bytes, mut next) = (Vec::new(), 0, None);
        for (source, log) in self.window.after(after) {
            let row = log.row(source);
            bytes += wire::len(&row);
            if bytes > self.config.page_bytes_max && !rows.is_empty() {
                next = rows.last().map(|row: &Row| row.source);
                break;
            }
            rows.push(row);
        }
        let joined = self.is_established(cx);
        let waits = (!joined && self.waits_for_seed(from)).then_some(true);
        let digest = Digest { rows, scope: Scope::Page, rest: 0, after, next, joined, waits };
        if is_joiner {
            self.counters.digests_sent += 1;
            cx.stream(from, Message::Digest(Box::new(digest)));
        } else {
            self.send_digest(cx, from, digest);
        }
    }

    /// What a peer holds.
    pub(super) fn on_digest(&mut self, cx: &mut Ctx, from: NodeId, digest: &Digest) {
        if !self.joined {
            return self.on_baseline(cx, from, digest);
        }
        let (mut wants, mut replies) = (Vec::new(), Vec::new());
        for row in &digest.rows {
            if !log::is_valid(row) {
                self.counters.rejected += 1;
                continue;
            }
            self.heed(cx, from, row, &mut wants);
            let exceeds = self.window.get(row.source).is_some_and(|log| log.exceeds(row));
            if digest.scope != Scope::Answer && (exceeds || !row.gaps.is_empty()) {
                replies.push(row.source);
            }
        }
        if digest.scope == Scope::Page {
            self.heed_unlisted(cx.now, from, digest, &mut replies);
        }
        self.ask(cx, from, wants);
        self.reply(cx, from, &replies);
        match digest.scope {
            Scope::Recent => {
                let listed: BTreeSet<Source> = digest.rows.iter().map(|row| row.source).collect();
                if self.window.rest(listed.iter()) != digest.rest && self.may_answer(cx.now) {
                    cx.send(from, Message::More { after: None, joining: None });
                }
            }
            Scope::Page if digest.next.is_some() => {
                if digest.next > digest.after && self.may_answer(cx.now) {
                    cx.send(from, Message::More { after: digest.next, joining: None });
                }
            }
            Scope::Page | Scope::Answer => {}
        }
    }

    /// What a peer holds of one source.
    fn heed(&mut self, cx: &mut Ctx, from: NodeId, row: &Row, wants: &mut Vec<Want>) {
        let source = row.source;
        let is_mine = self.is_my_life(cx.me, source);
        if is_mine || !self.admit(cx, source) {
            return;
        }
        let (now, origin) = (cx.now, self.wait_if_origin(source, from));
        let spans = self.window.change(source, |log| {
            if row.top > log.top {
                log.reach(row.top, now); // there are so many, though the peer may lack some
                log.changed = now;
            }
            log.vote(row, now, origin);
            log.lacks(row, SPANS_MAX)
        });
        let asked = self.mongering.asked_of(source, cx.now);
        let mut rest = Vec::new();
        for span in spans.into_iter().flatten() {
            span.without(&asked, SPANS_MAX, &mut rest);
        }
        if !rest.is_empty() {
            wants.push(Want { source, spans: rest });
        }
    }

    /// If `from` is the origin: how long something of it is missing before any word of it counts.
    fn wait_if_origin(&self, source: Source, from: NodeId) -> Option<Duration> {
        (source.origin == from).then_some(self.config.gap_wait)
    }

    /// What a peer held of one source before this node joined: history, which is caught up on later, so that others can be given it.
    pub(super) fn note_history(&mut self, cx: &mut Ctx, row: &Row) {
        if !log::is_valid(row) {
            self.counters.rejected += 1;
            return;
        }
        if self.is_my_life(cx.me, row.source) || !self.admit(cx, row.source) {
            return;
        }
        let (now, replay) = (cx.now, self.config.replay);
        self.window.change(row.source, |log| {
            log.begin_at(row.low);
            log.set_history(if replay { row.low - 1 } else { row.top });
            log.reach(row.top, now);
            log.changed = now;
        });
    }

    /// A page says nothing of these sources: its sender does not know them.
    fn heed_unlisted(&mut self, now: Time, from: NodeId, page: &Digest, replies: &mut Vec<Source>) {
        let listed: BTreeSet<Source> = page.rows.iter().map(|row| row.source).collect();
        let is_in_page = |source: &Source| page.next.is_none_or(|next| *source <= next);
        let unlisted: Vec<Source> = self
            .window
            .after(page.after)
            .map(|(source, _)| source)
            .take_while(is_in_page)
            .filter(|source| !listed.contains(source))
            .collect();
        for source in unlisted {
            let nothing = Row { source, low: 1, top: 0, gaps: Vec::new() };
            if self.window.get(source).is_some_and(|log| !log.holes.is_empty()) {
                let origin = self.wait_if_origin(source, from);
                self.window.change(source, |log| log.vote(&nothing, now, origin));
            }
            if self.window.get(source).is_some_and(|log| log.exceeds(&nothing)) {
                replies.push(source);
            }
        }
    }

    /// Tells a peer where it lacks something, or where it has gaps.
    fn reply(&mut self, cx: &mut Ctx, to: NodeId, sources: &[Source]) {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for source in sources {
            let row = self.row(*source);
            bytes += wire::len(&row);
            if bytes > self.config.page_bytes_max && !rows.is_empty() {
                break; // the rest another time
            }
            rows.push(row);
        }
        if !rows.is_empty() && self.may_answer(cx.now) {
            let answer = Digest {
                rows,
                scope: Scope::Answer,
                rest: 0,
                after: None,
                next: None,
                joined: self.joined,
                waits: None,
            };
            self.send_digest(cx, to, answer);
        }
    }

    /// Asks for what is missing: one peer at a time, or everybody would send the same.
    fn ask(&mut self, cx: &mut Ctx, peer: NodeId, mut wants: Vec<Want>) {
        let patience = self.config.repair_gap;
        let others =
            self.repair.wanting.is_some_and(|(whom, at)| whom != peer && cx.now.since(at) < patience);
        if wants.is_empty() || others {
            return;
        }
        wants.truncate(WANTS_MAX);
        let mut spans = 0;
        wants.retain(|want| {
            spans += want.spans.len();
            spans <= SPANS_TOTAL_MAX
        });
        self.repair.wanting = Some((peer, cx.now));
        self.counters.wants_sent += 1;
        cx.send(peer, Message::Want { wants });
    }

    /// Asks for a single event that a peer has.
    pub(super) fn ask_for(&mut self, cx: &mut Ctx, peer: NodeId, id: EventId) {
        self.counters.wants_sent += 1;
        let spans = alloc::vec![Span { from: id.seq, to: id.seq }];
        cx.send(peer, Message::Want { wants: alloc::vec![Want { source: id.source, spans }] });
    }

    /// A peer wants events: a page of what is here, and what is left of the question.
    pub(super) fn on_want(&mut self, cx: &mut Ctx, from: NodeId, wants: &[Want]) {
        if !self.may_answer(cx.now) {
            return;
        }
        let (mut items, mut left, mut bytes) = (Vec::new(), Vec::new(), 0);
        let page_bytes_max = self.config.page_bytes_max.min(cx.room / 4);
        for want in wants.iter().take(WANTS_MAX) {
            let Some(log) = self.window.get(want.source) else { continue };
            let mut rest = Want { source: want.source, spans: Vec::new() };
            for span in want.spans.iter().filter(|span| span.is_valid()).take(SPANS_TOTAL_MAX) {
                if !left.is_empty() || !rest.spans.is_empty() {
                    rest.spans.push(*span);
                    continue;
                }
                for item in log.holding(*span) {
                    let len = wire::len(item);
                    if bytes + len > page_bytes_max && !items.is_empty() {
                        rest.spans.push(Span { from: item.id.seq, to: span.to });
                        break;
                    }
                    bytes += len;
                    items.push(item.clone());
                }
            }
            if !rest.spans.is_empty() {
                left.push(rest);
            }
        }
        bound_left(&mut left, bytes);
        self.counters.gives_sent += 1;
        self.counters.events_given += items.len() as u64;
        cx.send(from, Message::Give { items, left });
    }

    /// A peer gives what was wanted.
    pub(super) fn on_give(&mut self, cx: &mut Ctx, from: NodeId, items: Vec<Item>, left: &[Want]) {
        let mut news = Vec::new();
        for item in items {
            if self.take_in(cx, &item) == Taken::New {
                self.counters.news_repaired += 1;
                if news.len() as u64 <= REHEAT_MAX {
                    news.push(item);
                }
            }
        }
        if self.joined && news.len() as u64 <= REHEAT_MAX {
            news.into_iter()
                .filter(|item| !item.is_void())
                .for_each(|item| self.heat(cx, item, (from, u8::MAX)));
        }
        if self.repair.wanting.is_some_and(|(whom, _)| whom == from) {
            self.repair.wanting = None;
        }
        let wants = left.iter().take(WANTS_MAX).filter_map(|want| self.still_lacking(want)).collect();
        if !left.is_empty() && self.may_answer(cx.now) {
            self.ask(cx, from, wants);
        }
    }

    fn still_lacking(&self, want: &Want) -> Option<Want> {
        let log = self.window.get(want.source)?;
        let mut spans = Vec::new();
        for span in want.spans.iter().filter(|span| span.is_valid()).take(SPANS_TOTAL_MAX) {
            let row = Row { source: want.source, low: span.from, top: span.to, gaps: Vec::new() };
            spans.extend(log.lacks(&row, SPANS_MAX));
            spans.truncate(SPANS_MAX);
        }
        (!spans.is_empty()).then_some(Want { source: want.source, spans })
    }

    /// Gives up what is known to be lost, and tells what waited for it.
    fn give_up(&mut self, cx: &mut Ctx) {
        if self.window.holed == 0 || !self.joined {
            return;
        }
        let holed = |(source, log): (Source, &Log)| (!log.holes.is_empty()).then_some(source);
        let holed: Vec<Source> = self.window.iter().filter_map(holed).collect();
        let config = self.config.clone();
        for source in holed {
            let is_there = source.origin != cx.me && cx.peers.contains(source.origin);
            let give_up = |log: &mut Log| {
                log.present = if is_there { cx.now } else { log.present };
                log.give_up(cx.now, config.gap_votes, config.gap_wait, config.gap_patience)
            };
            if self.window.change(source, give_up) == Some(true) {
                self.deliver(cx, source);
            }
        }
    }
}

/// Drops what makes a message too large; it is asked for another time.
fn bound_left(left: &mut Vec<Want>, items_bytes: usize) {
    let mut bytes = items_bytes;
    let fits = |want: &&Want| {
        bytes += wire::len(*want);
        bytes <= STREAM_MESSAGE_BYTES_MAX + LEFT_BYTES_MAX
    };
    let count = left.iter().take_while(fits).count();
    left.truncate(count);
}
