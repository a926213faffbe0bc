//! Amounts that move between two nodes exactly once, over a network that loses, duplicates and reorders.
//!
//! An exchange has a number at the node that opened it. Who is asked reckons the amount, books it at once, and remembers it for as
//! long as the question can come again; who asked books the answer the first time it hears it, and asks again until then. Because an
//! amount is added to whatever a node has by then, exchanges may overlap: that costs accuracy of the step, never a sum.
//!
//! The two ends agree on what is too old: a question carries the age of the epoch at which its exchange was opened. Who is asked
//! forgets an answer when, and only when, that age lies more than the window behind its own, and from then on refuses the question.
//! So no clock, however wrong, makes an amount count twice. What remains is an exchange whose answers were all lost
//! for the whole window: it is in doubt, and counted. With a window as long as an epoch that cannot happen.
//!
//! In the spirit of flow updating (Jesus, Baquero, Almeida 2009), which keeps a flow for each neighbour for ever; ours keeps an
//! answer for a few periods, so that it needs no fixed neighbours.

use rumormill_core::identity::NodeId;
use smallvec::SmallVec;

/// Exchanges that one node may have open; further ones have to wait for these.
pub const OPEN_MAX: usize = 4;
/// Answers remembered at most; further questions go unanswered until some are too old (our guess: in a window of thirty periods with
/// one question each on average there are more than this once in 10^7 times).
pub const ANSWERED_MAX: usize = 64;
/// Answers that a node has room for in place: of one question a period on average, and a window of one period, more are remembered once in
/// twelve times. Without loss no more is needed, and a million nodes need not look elsewhere.
const ANSWERED_FEW: usize = 3;

#[derive(Clone, Debug)]
struct Open {
    peer: NodeId,
    number: u32,
    age_ms: u32,
}

#[derive(Clone, Debug)]
struct Answered<A> {
    peer: NodeId,
    number: u32,
    age_ms: u32,
    amount: A,
}

/// What to do with a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked<A> {
    /// Reckon the amount, book it, and keep it with [`Ledger::answered`].
    New,
    /// This was the answer: say it again, and book nothing.
    Again(A),
    /// It can never be answered any more.
    TooOld,
    /// No room to remember the answer: say nothing, it will be asked again.
    Full,
}

/// What is counted; all only go up.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Exchanges booked by who opened them.
    pub exchanges: u32,
    /// Questions asked again.
    pub asked_again: u32,
    /// Exchanges given up for which no answer came in the whole window, or a refusal after the first. Each may have moved an amount at one end alone.
    pub doubtful: u32,
    /// Questions not answered, for want of room to remember the answer.
    pub full: u32,
}

/// The open and the answered exchanges of one node, in one epoch.
#[derive(Clone, Debug)]
pub struct Ledger<A> {
    next: u32,
    /// Whether exchange `next - 1 - i` is booked here, for each bit i.
    booked: u64,
    window_ms: u32,
    patience_ms: u32,
    counters: Counters,
    /// Of one in place, which is all there is where nothing is lost.
    open: SmallVec<[Open; 1]>,
    /// Those that are too old are left until there is no room.
    answered: SmallVec<[Answered<A>; ANSWERED_FEW]>,
}

impl<A: Clone> Ledger<A> {
    /// Nothing is open. A question is answered and an answer remembered for `window_ms` after it was first asked; it is asked again when
    /// it has been open for `patience_ms`.
    pub fn new(window_ms: u32, patience_ms: u32) -> Ledger<A> {
        Ledger {
            next: 0,
            booked: u64::MAX,
            window_ms,
            patience_ms,
            counters: Counters::default(),
            open: SmallVec::new(),
            answered: SmallVec::new(),
        }
    }

    /// Forgets all, for a new epoch, and numbers from `first` on: a random one, so that a life before this one is not taken for it.
    pub fn clear(&mut self, first: u32) {
        (self.next, self.booked) = (first, u64::MAX);
        self.open.clear();
        self.answered.clear();
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether an exchange is open.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Opens an exchange with `peer` and returns its number, unless [`OPEN_MAX`] are open.
    pub fn open(&mut self, peer: NodeId, age_ms: u32) -> Option<u32> {
        if self.open.len() >= OPEN_MAX {
            return None;
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.booked <<= 1;
        self.open.push(Open { peer, number, age_ms });
        Some(number)
    }

    /// Asks again what has been open for a while: gives peer, number, and the age it was opened at. What the other end is sure to have
    /// forgotten is given up.
    pub fn ask_again(&mut self, age_ms: u32, mut ask: impl FnMut(NodeId, u32, u32)) {
        let (window_ms, patience_ms, counters) = (self.window_ms, self.patience_ms, &mut self.counters);
        self.open.retain_mut(|open| {
            if open.age_ms.saturating_add(window_ms) < age_ms {
                counters.doubtful += 1;
                return false;
            }
            if open.age_ms.saturating_add(patience_ms) <= age_ms {
                counters.asked_again += 1;
                ask(open.peer, open.number, open.age_ms);
            }
            true
        });
    }

    /// What to do with question `number` of `peer`, opened at `opened_ms`, when the epoch is `age_ms` old here.
    pub fn asked(&mut self, peer: NodeId, number: u32, opened_ms: u32, age_ms: u32) -> Asked<A> {
        let window_ms = self.window_ms;
        let lives = |opened_ms: u32| opened_ms.saturating_add(window_ms) >= age_ms;
        if !lives(opened_ms) {
            return Asked::TooOld;
        }
        let is_this = |was: &&Answered<A>| was.number == number && was.peer == peer && lives(was.age_ms);
        if let Some(was) = self.answered.iter().find(is_this) {
            return Asked::Again(was.amount.clone());
        }
        if self.answered.len() == self.answered.capacity() {
            self.answered.retain(|was| lives(was.age_ms));
            if self.answered.spilled() && self.answered.len() < ANSWERED_FEW {
                self.answered.shrink_to_fit();
            }
        }
        if self.answered.len() >= ANSWERED_MAX {
            self.counters.full += 1;
            return Asked::Full;
        }
        Asked::New
    }

    /// Remembers the answer to a question that was [`Asked::New`].
    pub fn answered(&mut self, peer: NodeId, number: u32, opened_ms: u32, amount: A) {
        self.answered.push(Answered { peer, number, age_ms: opened_ms, amount });
    }

    /// An answer to exchange `number` came. Returns whether it is the first, and to be booked.
    pub fn settle(&mut self, number: u32) -> bool {
        if let Some(at) = self.open.iter().position(|open| open.number == number) {
            self.open.remove(at);
        }
        let back = self.next.wrapping_sub(number).wrapping_sub(1);
        if back >= 64 || self.booked & (1 << back) != 0 {
            return false;
        }
        self.booked |= 1 << back;
        self.counters.exchanges += 1;
        true
    }

    /// The other end will not book this exchange any more. If it was asked more than once, it may have done so before.
    pub fn refused(&mut self, number: u32, age_ms: u32) {
        let (patience_ms, counters) = (self.patience_ms, &mut self.counters);
        self.open.retain(|open| {
            let refused = open.number == number;
            counters.doubtful += u32::from(refused && open.age_ms.saturating_add(patience_ms) <= age_ms);
            !refused
        });
    }

    /// That peer is gone, and what it has booked with it.
    pub fn gone(&mut self, peer: NodeId) {
        self.open.retain(|open| open.peer != peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);

    #[test]
    fn an_amount_is_booked_once_at_each_end_whatever_is_repeated() {
        let (mut asks, mut answers) = (Ledger::<f64>::new(3_000, 500), Ledger::new(3_000, 500));
        asks.clear(7);
        let number = asks.open(NodeId(2), 500).unwrap();
        assert_eq!(answers.asked(A, number, 500, 600), Asked::New);
        answers.answered(A, number, 500, 0.25);
        assert_eq!(answers.asked(A, number, 500, 3_500), Asked::Again(0.25));
        assert_eq!(answers.asked(A, number, 500, 3_501), Asked::TooOld);
        assert_eq!(answers.asked(A, number + 1, 3_400, 3_501), Asked::New);
        assert!(asks.settle(number) && !asks.settle(number) && !asks.settle(number.wrapping_sub(1)));
        assert!(!asks.is_open());
    }

    #[test]
    fn an_answer_that_comes_after_the_question_was_given_up_still_counts() {
        let mut ledger = Ledger::<f64>::new(3_000, 500);
        let number = ledger.open(A, 0).unwrap();
        let mut asked = 0;
        for age_ms in [0, 1_000, 2_000, 3_000, 4_000] {
            ledger.ask_again(age_ms, |_, _, _| asked += 1);
        }
        assert_eq!((asked, ledger.is_open(), ledger.counters().doubtful), (3, false, 1));
        assert!(ledger.settle(number) && !ledger.settle(number));
    }

    #[test]
    fn no_more_is_kept_than_its_bound() {
        let mut ledger = Ledger::<f64>::new(3_000, 500);
        assert_eq!((0..10).filter_map(|_| ledger.open(A, 0)).count(), OPEN_MAX);
        for number in 0..ANSWERED_MAX as u32 {
            assert_eq!(ledger.asked(A, number, 0, 0), Asked::New);
            ledger.answered(A, number, 0, 0.0);
        }
        assert_eq!(ledger.asked(A, 1_000, 0, 0), Asked::Full);
        assert_eq!(ledger.asked(A, 1, 0, 0), Asked::Again(0.0));
        assert_eq!(ledger.asked(A, 1_000, 3_001, 3_001), Asked::New);
    }
}
