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
//! established member has answered within [`Config::join_grace`](super::Config::join_grace). While a seed is silent that wait lasts up
//! to [`Config::join_patience`](super::Config::join_patience), because the seed may belong to an older cluster. A joiner says in its answer whether
//! it waits for such a seed; whoever asked it then waits too, and asks it again. A node that joins nobody and has been alone for the grace
//! is a cluster of one: established.
//!
//! A layer above with a fixed set of peers never calls [`Call::Join`](super::Call::Join). Then a random peer is asked. Without
//! the order above, what is published in that moment can count as history.

use super::message::{Digest, Message, Scope};
use super::{Ctx, Event, Events, Timer};
use crate::kit::rate_limit::RateLimit;
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
/// A seed in the middle of its snapshot is waited for so many times [`Config::join_patience`](super::Config::join_patience) (our guess: ten
/// pages over a round trip of half a second).
const PATIENCE_FOR_PAGES: u32 = 5;
/// Pages sent to joiners in a repair period (our guess: a thousand members that start at once).
const PAGES_MAX: u32 = 1_024;

#[derive(Default)]
pub(super) struct State {
    asked: Vec<Asked>,
    /// Seeds whose ids the layer above does not know yet.
    unresolved: u32,
    started: Time,
    /// When the first answer was complete that did not settle the baseline.
    answered: Option<Time>,
    timing: bool,
    pages: RateLimit,
}

struct Asked {
    peer: NodeId,
    /// Whether this node wants to join it, rather than only being met by it.
    is_seed: bool,
    /// When it was first asked.
    found: Time,
    /// Last sign of life, or the last question.
    at: Time,
    tries: u8,
    answer: Answer,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum Answer {
    None,
    /// Some pages of its snapshot have come.
    Begun,
    /// All have come. If the peer `waits`, it is a joiner, one of whose own seeds is silent.
    Complete {
        waits: bool,
    },
}

impl Asked {
    fn is_done(&self) -> bool {
        matches!(self.answer, Answer::Complete { .. })
    }
}

impl State {
    fn seeks(&self) -> bool {
        self.asked.iter().any(|asked| asked.is_seed)
    }

    /// Whether a seed has not answered yet, other than the peer to be told so.
    fn has_silent_seed(&self, but: NodeId) -> bool {
        self.unresolved > 0
            || self.asked.iter().any(|asked| asked.is_seed && !asked.is_done() && asked.peer != but)
    }

    /// Whether a seed has answered that it waits for one of its own.
    fn has_waiting_seed(&self) -> bool {
        self.asked.iter().any(|asked| asked.is_seed && asked.answer == Answer::Complete { waits: true })
    }

    fn has_asked(&self, peer: NodeId) -> bool {
        self.asked.iter().any(|asked| asked.peer == peer)
    }

    /// When this node settles for the answers of joiners: the last moment for which it has a reason to wait. None before the first answer.
    fn settle_time(&self, grace: Duration, patience: Duration) -> Option<Time> {
        let first = self.answered?;
        let seeds = self.asked.iter().filter(|asked| asked.is_seed).map(|asked| match asked.answer {
            Answer::None => first.max(asked.found) + patience,
            Answer::Begun => first + patience * PATIENCE_FOR_PAGES,
            Answer::Complete { waits: true } => first + patience,
            Answer::Complete { waits: false } => first,
        });
        let unresolved = (self.unresolved > 0).then_some(first + patience);
        seeds.chain(unresolved).chain([first + grace]).max()
    }
}

impl Events {
    pub(super) fn start_alone(&mut self, cx: &mut Ctx) {
        (self.baseline.started, self.baseline.timing) = (cx.now, false);
        self.arm_join(cx);
    }

    /// The layer above looks for one seed more, or for one less.
    pub(super) fn on_resolving(&mut self, more: bool) {
        let count = &mut self.baseline.unresolved;
        *count = if more { count.saturating_add(1) } else { count.saturating_sub(1) };
    }

    /// The layer above wants to give this node's card to `peer`.
    pub(super) fn on_join(&mut self, cx: &mut Ctx, peer: NodeId, seeks: bool) {
        if self.joined || peer == cx.me {
            return;
        }
        match self.baseline.asked.iter_mut().find(|asked| asked.peer == peer) {
            Some(asked) => asked.is_seed |= seeks,
            None => self.ask_for_baseline(cx, peer, seeks),
        }
        self.arm_join(cx);
    }

    /// A peer that was only met makes room first: it is the seeds that may belong to an older cluster.
    fn ask_for_baseline(&mut self, cx: &mut Ctx, peer: NodeId, is_seed: bool) {
        let asked = &mut self.baseline.asked;
        if asked.len() >= ASKED_MAX {
            let first_met = asked.iter().position(|asked| !asked.is_seed);
            asked.remove(first_met.unwrap_or(0));
        }
        asked.push(Asked { peer, is_seed, found: cx.now, at: cx.now, tries: 1, answer: Answer::None });
        cx.stream(peer, Message::More { after: None, joining: Some(true) });
    }

    pub(super) fn arm_join(&mut self, cx: &mut Ctx) {
        let state = &mut self.baseline;
        let waits = !state.asked.is_empty() || state.answered.is_some() || !cx.peers.is_empty();
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
        let (grace, patience) = (self.config.join_grace, self.config.join_patience);
        if self.baseline.settle_time(grace, patience).is_some_and(|at| cx.now >= at) {
            return self.establish(cx);
        }
        let period = self.config.join_period;
        self.baseline.asked.retain_mut(|asked| match asked.answer {
            Answer::Complete { waits } => {
                if waits {
                    cx.stream(asked.peer, Message::More { after: None, joining: Some(true) });
                }
                true
            }
            _ if cx.now.since(asked.at) < period => true,
            _ => ask_again(cx, asked),
        });
        self.ask_one_more(cx);
        self.arm_join(cx);
    }

    /// Where all that were asked are joiners, and the peers are known anyway, another one may know more.
    fn ask_one_more(&mut self, cx: &mut Ctx) {
        if self.baseline.asked.iter().all(Asked::is_done) {
            let peer = self.some_peers(cx, 1).pop();
            let is_new = |peer: &NodeId| self.baseline.asked.iter().all(|asked| asked.peer != *peer);
            peer.filter(is_new).into_iter().for_each(|peer| self.ask_for_baseline(cx, peer, false));
        }
    }

    /// A page of a snapshot came.
    pub(super) fn on_baseline(&mut self, cx: &mut Ctx, from: NodeId, digest: &Digest) {
        if digest.scope != Scope::Page {
            return;
        }
        digest.rows.iter().for_each(|row| self.note_history(cx, row));
        let waits = digest.waits == Some(true);
        for asked in self.baseline.asked.iter_mut().filter(|asked| asked.peer == from) {
            asked.at = cx.now;
            asked.answer = match digest.next {
                Some(_) => Answer::Begun,
                None => Answer::Complete { waits },
            };
        }
        match digest.next {
            Some(next) if Some(next) > digest.after => {
                cx.stream(from, Message::More { after: Some(next), joining: Some(true) });
            }
            Some(_) => self.counters.rejected += 1,
            None if digest.joined && self.settles(from) => self.establish(cx),
            None => {
                self.baseline.answered.get_or_insert(cx.now);
                self.arm_join(cx);
            }
        }
    }

    /// Whether an established peer's answer is enough. A peer that this node did not want to join can have been established among joiners
    /// while a seed of this node was silent.
    fn settles(&self, peer: NodeId) -> bool {
        let is_seed = self.baseline.asked.iter().any(|asked| asked.peer == peer && asked.is_seed);
        is_seed || !self.baseline.has_silent_seed(peer) && !self.baseline.has_waiting_seed()
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
    pub(super) fn is_established(&self, cx: &Ctx) -> bool {
        let state = &self.baseline;
        let alone = if state.unresolved > 0 { self.config.join_patience } else { self.config.join_grace };
        let is_alone = cx.peers.is_empty() && !state.seeks();
        self.joined || is_alone && cx.now.since(state.started) >= alone
    }

    /// Whether a joiner that asks this node is to wait, because a seed may still tell this node of an older cluster.
    pub(super) fn waits_for_seed(&self, asker: NodeId) -> bool {
        let state = &self.baseline;
        // Two that have asked each other would each wait because the other does.
        let passes_on = !state.has_asked(asker) && state.has_waiting_seed();
        !self.joined && (state.has_silent_seed(asker) || passes_on)
    }

    /// Whether a page may be sent to a joiner.
    pub(super) fn may_serve_joiner(&mut self, now: Time) -> bool {
        let may = self.baseline.pages.take(now, self.config.repair_period, PAGES_MAX);
        self.counters.unanswered += u64::from(!may);
        may
    }
}

/// Asks a silent peer once more, unless it was asked often enough: every other time in a datagram, in case its stream is blocked.
fn ask_again(cx: &mut Ctx, asked: &mut Asked) -> bool {
    (asked.at, asked.tries) = (cx.now, asked.tries + 1);
    let again = asked.tries <= TRIES_MAX;
    match asked.tries % 2 {
        _ if !again => {}
        0 => cx.send(asked.peer, Message::More { after: None, joining: None }),
        _ => cx.stream(asked.peer, Message::More { after: None, joining: Some(true) }),
    }
    again
}
