//! The baseline: what was before this node, found out before anybody else lists it.
//!
//! ```text
//! joiner                                  peer
//!   More (joining)           ->
//!                            <-    Digest (a page of all sources)
//!   More (joining, after)    ->           and so on
//!   ... the layer above gives the joiner's card to others ...
//! ```
//!
//! The pages are a snapshot of the peer's tops. What they name is history: the node catches up on it so that it can serve others, and does
//! not deliver it (unless [`Config::replay`](super::Config::replay) is set). Everything else is delivered. The baseline never moves
//! once it is there, and every snapshot is older than the first moment at which another member can list this node.
//!
//! One established member's answer is enough. Other joiners know nothing of an older cluster, so their answers count only when no
//! established member has answered within [`Config::join_grace`](super::Config::join_grace). A node that seeks nobody and has been alone for
//! that long is a cluster of one: established.
//!
//! A layer above with a fixed set of peers never calls [`Call::Join`](super::Call::Join). Then a random peer is asked. Without
//! the order above, what is published in that moment can count as history.

use super::message::{Digest, Message, Scope};
use super::{Ctx, Event, Events, Timer};
use crate::kit::allowance::Allowance;
use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Duration, Time};

/// Peers asked for a baseline at a time; beyond it the first is dropped (our guess: more seeds than anybody lists).
const ASKED_MAX: usize = 16;
/// How often a silent peer is asked, every other time in a datagram, in case its stream is blocked; the layer above may name it again
/// (our guess).
const TRIES_MAX: u8 = 5;
/// Looks at the clock in a [`Config::join_grace`](super::Config::join_grace).
const TICKS_PER_GRACE: u32 = 4;
/// Pages sent to joiners in a repair period (our guess: a thousand members that start at once).
const PAGES_MAX: u32 = 1_024;

#[derive(Default)]
pub(super) struct State {
    asked: Vec<Asked>,
    /// Whether this node itself wants to join somebody, rather than only being met by others.
    seeks: bool,
    started: Time,
    /// When the first joiner's answer was complete.
    answered: Option<Time>,
    timing: bool,
    pages: Allowance,
}

struct Asked {
    peer: NodeId,
    /// Last sign of life, or the last question.
    at: Time,
    tries: u8,
    /// Whether its last page has come.
    done: bool,
}

impl Events {
    pub(super) fn start_alone(&mut self, cx: &mut Ctx) {
        (self.baseline.started, self.baseline.timing) = (cx.now, false);
        self.arm_join(cx);
    }

    /// The layer above wants to give this node's card to `peer`.
    pub(super) fn on_join(&mut self, cx: &mut Ctx, peer: NodeId, seeks: bool) {
        if self.joined || peer == cx.me {
            return;
        }
        self.baseline.seeks |= seeks;
        if self.baseline.asked.iter().all(|asked| asked.peer != peer) {
            self.ask_for_baseline(cx, peer);
        }
        self.arm_join(cx);
    }

    fn ask_for_baseline(&mut self, cx: &mut Ctx, peer: NodeId) {
        let asked = &mut self.baseline.asked;
        if asked.len() >= ASKED_MAX {
            asked.remove(0);
        }
        asked.push(Asked { peer, at: cx.now, tries: 1, done: false });
        cx.stream(peer, Message::More { after: None, joining: Some(true) });
    }

    pub(super) fn arm_join(&mut self, cx: &mut Ctx) {
        let state = &mut self.baseline;
        let waits = !state.asked.is_empty() || state.answered.is_some() || !self.peers.is_empty();
        if waits && !self.joined && !state.timing {
            state.timing = true;
            let tick = self.config.join_grace / TICKS_PER_GRACE;
            cx.after(tick.max(Duration::from_millis(1)), Timer::Join);
        }
    }

    /// Settles for the answers of joiners, or asks silent peers again.
    pub(super) fn on_join_timer(&mut self, cx: &mut Ctx) {
        self.baseline.timing = false;
        if self.joined {
            return;
        }
        let (grace, period) = (self.config.join_grace, self.config.join_period);
        if self.baseline.answered.is_some_and(|at| cx.now.since(at) >= grace) {
            return self.establish(cx);
        }
        self.baseline.asked.retain_mut(|asked| {
            if asked.done || cx.now.since(asked.at) < period {
                return true;
            }
            (asked.at, asked.tries) = (cx.now, asked.tries + 1);
            let again = asked.tries <= TRIES_MAX;
            match asked.tries % 2 {
                _ if !again => {}
                0 => cx.send(asked.peer, Message::More { after: None, joining: None }),
                _ => cx.stream(asked.peer, Message::More { after: None, joining: Some(true) }),
            }
            again
        });
        self.baseline.seeks &= !self.baseline.asked.is_empty();
        self.ask_one_more(cx);
        self.arm_join(cx);
    }

    /// Where all that were asked are joiners, and the peers are known anyway, another one may know more.
    fn ask_one_more(&mut self, cx: &mut Ctx) {
        if self.baseline.asked.iter().all(|asked| asked.done) {
            let peer = self.some_peers(cx, 1).pop();
            let is_new = |peer: &NodeId| self.baseline.asked.iter().all(|asked| asked.peer != *peer);
            peer.filter(is_new).into_iter().for_each(|peer| self.ask_for_baseline(cx, peer));
        }
    }

    /// A page of a snapshot came.
    pub(super) fn on_baseline(&mut self, cx: &mut Ctx, from: NodeId, digest: &Digest) {
        if digest.scope != Scope::Page {
            return;
        }
        digest.rows.iter().for_each(|row| self.note_history(cx, row));
        let is_last = digest.next.is_none();
        for asked in self.baseline.asked.iter_mut().filter(|asked| asked.peer == from) {
            (asked.at, asked.done) = (cx.now, is_last);
        }
        match digest.next {
            Some(next) if Some(next) > digest.after => {
                cx.stream(from, Message::More { after: Some(next), joining: Some(true) });
            }
            Some(_) => self.counters.rejected += 1,
            None if digest.joined => self.establish(cx),
            None => {
                self.baseline.answered.get_or_insert(cx.now);
                self.arm_join(cx);
            }
        }
    }

    /// The baseline is there, and does not move any more.
    fn establish(&mut self, cx: &mut Ctx) {
        self.joined = true;
        self.baseline.asked = Vec::new();
        self.begin_repair(cx);
        self.tell_what_waited(cx);
        self.confirm_what_waited(cx);
        cx.emit(Event::Joined);
    }

    /// Whether a joiner may take this node's answer at once.
    pub(super) fn is_established(&self, now: Time) -> bool {
        let is_alone = self.peers.is_empty() && !self.baseline.seeks;
        self.joined || is_alone && now.since(self.baseline.started) >= self.config.join_grace
    }

    /// Whether a page may be sent to a joiner.
    pub(super) fn may_serve_joiner(&mut self, now: Time) -> bool {
        let may = self.baseline.pages.take(now, self.config.repair_period, PAGES_MAX);
        self.counters.unanswered += u64::from(!may);
        may
    }
}
