//! What was heard of a cluster, and when: what its agents said of each other, and which events each of them told.

use super::lines::What;
use super::payload;
use std::collections::VecDeque;
use std::time::Instant;

/// Lines kept of each agent's log, to be shown when something goes wrong.
const TAIL: usize = 5;

/// An agent said something of a member.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Change {
    /// When it was heard.
    pub at: Instant,
    /// Who said it.
    pub by: usize,
    /// Of whom.
    pub whom: usize,
    /// What.
    pub what: What,
}

/// All that was heard.
pub struct Record {
    n: usize,
    /// What was said of members, in the order in which it was heard.
    pub changes: Vec<Change>,
    sees: Vec<Vec<bool>>,
    seen: usize,
    converged: Option<Instant>,
    receipts: Receipts,
    tails: Vec<VecDeque<String>>,
    /// What should not have happened: streams that broke, answers that cannot be read.
    pub problems: Vec<String>,
}

/// Which events came where, and when.
#[derive(Default)]
struct Receipts {
    seed: u64,
    count: usize,
    came: Vec<Option<Instant>>,
    delivered: usize,
    odd: Odd,
}

/// Events that are not as they should be.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Odd {
    /// Came to the same consumer again.
    pub duplicates: u64,
    /// Are not what was sent.
    pub strangers: u64,
    /// Were told to be lost, or a gap was.
    pub lost: u64,
}

impl Record {
    /// Of `n` agents.
    pub fn new(n: usize) -> Record {
        Record {
            n,
            changes: Vec::new(),
            sees: vec![vec![false; n]; n],
            seen: 0,
            converged: None,
            receipts: Receipts::default(),
            tails: vec![VecDeque::new(); n],
            problems: Vec::new(),
        }
    }

    /// Agent `by` logged a line.
    pub fn line(&mut self, by: usize, line: &str, said: Option<(What, usize)>, at: Instant) {
        let tail = &mut self.tails[by];
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line.to_owned());
        if let Some((what, whom)) = said.filter(|(_, whom)| *whom < self.n && *whom != by) {
            self.change(Change { at, by, whom, what });
        }
    }

    fn change(&mut self, change: Change) {
        self.changes.push(change);
        let sees = &mut self.sees[change.by][change.whom];
        let is_up = change.what == What::Up;
        match (*sees, is_up) {
            (false, true) => self.seen += 1,
            (true, false) => self.seen -= 1,
            _ => {}
        }
        *sees = is_up;
        if self.seen == self.n * (self.n - 1) && self.converged.is_none() {
            self.converged = Some(change.at);
        }
    }

    /// When all saw all for the first time.
    pub fn converged(&self) -> Option<Instant> {
        self.converged
    }

    /// Agents that do not see all others, for a message.
    pub fn blind(&self) -> usize {
        self.sees.iter().filter(|sees| sees.iter().filter(|seen| **seen).count() < self.n - 1).count()
    }

    /// One of them; 0 if there is none.
    pub fn first_blind(&self) -> usize {
        let is_blind = |sees: &Vec<bool>| sees.iter().filter(|seen| **seen).count() < self.n - 1;
        self.sees.iter().position(is_blind).unwrap_or(0)
    }

    /// The last lines of agent `nth`.
    pub fn tail(&self, nth: usize) -> String {
        self.tails[nth].iter().map(|line| format!("    {line}\n")).collect()
    }

    /// When each of `observers` first said `what` of `whom` since the change of that number; none of those that have not.
    pub fn said(&self, since: usize, what: What, whom: usize, observers: &[usize]) -> Vec<Option<Instant>> {
        let first = |by: &usize| {
            let mut said = self.changes[since..].iter();
            said.find(|c| c.by == *by && c.whom == whom && c.what == what).map(|c| c.at)
        };
        observers.iter().map(first).collect()
    }

    /// From now on `count` events of the run `seed` are listened for; what was heard of others is forgotten.
    pub fn expect(&mut self, seed: u64, count: usize) {
        let came = vec![None; count * self.n];
        self.receipts = Receipts { seed, count, came, ..Receipts::default() };
    }

    /// Agent `by` told an event.
    pub fn told(&mut self, by: usize, payload: &[u8], at: Instant) {
        let receipts = &mut self.receipts;
        let Some(index) = payload::index(receipts.seed, receipts.count, payload) else {
            receipts.odd.strangers += 1;
            return;
        };
        let came = &mut receipts.came[index * self.n + by];
        match came {
            Some(_) => receipts.odd.duplicates += 1,
            None => {
                *came = Some(at);
                receipts.delivered += 1;
            }
        }
    }

    /// An agent told that so many events are lost.
    pub fn lost(&mut self, count: u64) {
        self.receipts.odd.lost += count;
    }

    /// Deliveries so far: an event at an agent is one.
    pub fn delivered(&self) -> usize {
        self.receipts.delivered
    }

    /// When event `index` came to each of the agents.
    pub fn came(&self, index: usize) -> &[Option<Instant>] {
        &self.receipts.came[index * self.n..][..self.n]
    }

    /// What was odd.
    pub fn odd(&self) -> Odd {
        self.receipts.odd
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn all_see_all_once_each_has_named_every_other() {
        let (mut record, start) = (Record::new(3), Instant::now());
        for (nth, (by, whom)) in [(0, 1), (1, 0), (1, 2), (2, 1), (2, 0), (0, 2)].into_iter().enumerate() {
            assert_eq!(record.converged(), None);
            record.line(by, "", Some((What::Up, whom)), start + Duration::from_secs(nth as u64));
            record.line(by, "", Some((What::Up, by)), start); // serf names itself
        }
        assert_eq!(record.converged(), Some(start + Duration::from_secs(5)));
        assert_eq!(record.blind(), 0);
        record.line(0, "gone", Some((What::Failed, 2)), start);
        assert_eq!((record.blind(), record.tail(0).contains("gone")), (1, true));
        assert_eq!(record.said(6, What::Failed, 2, &[0, 1]), [Some(start), None]);
    }

    #[test]
    fn each_delivery_counts_once_and_what_was_not_sent_is_odd() {
        let (mut record, now) = (Record::new(2), Instant::now());
        record.expect(1, 2);
        let first = payload::payload(1, 0);
        record.told(0, &first, now);
        record.told(0, &first, now);
        record.told(1, b"?", now);
        record.lost(3);
        assert_eq!(record.delivered(), 1);
        assert_eq!(record.odd(), Odd { duplicates: 1, strangers: 1, lost: 3 });
        assert_eq!(record.came(0), [Some(now), None]);
        record.told(1, &first, now);
        (0..2).for_each(|by| record.told(by, &payload::payload(1, 1), now));
        assert_eq!(record.delivered(), 4);
    }
}
