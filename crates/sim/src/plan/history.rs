//! A record of all faults of nodes and links, with their times: the truth that verdicts of protocols are compared with.
//!
//! Random loss is not recorded, since it separates no nodes for long.

use super::cut::Cut;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Upper bound on recorded faults (our guess: a hundred faults, each flapping a hundred times). Beyond it nothing is known.
pub const SPELLS_MAX: usize = 1 << 14;

/// Times during which nodes were down, paused or slow, or could not reach each other.
#[derive(Clone, Debug, Default)]
pub struct History {
    spells: Vec<Spell>,
    /// Faults that have not ended.
    open: BTreeMap<Which, usize>,
    /// Begin of the first fault that found no room.
    full: Option<Time>,
}

#[derive(Clone, Debug)]
struct Spell {
    what: What,
    from: Time,
    until: Time,
}

#[derive(Clone, Debug)]
enum What {
    Down(NodeId),
    Still(NodeId),
    Cut(Arc<Cut>),
}

impl What {
    fn parts(&self, a: NodeId, b: NodeId) -> bool {
        match self {
            What::Down(id) | What::Still(id) => *id == a || *id == b,
            What::Cut(cut) => cut.cuts(a, b) || cut.cuts(b, a),
        }
    }
}

/// A fault that has not ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Which {
    Down(NodeId),
    Still(NodeId),
    Slow(NodeId),
    Cut(u64),
}

impl History {
    /// Time, up to `until`, at which one of the two was last down, paused or slow, or could not send to the other; `None`: never.
    pub fn last_parted(&self, a: NodeId, b: NodeId, until: Time) -> Option<Time> {
        if self.full.is_some_and(|full| full <= until) {
            return Some(until); // nothing is known any more
        }
        let begun = self.spells.iter().filter(|spell| spell.from <= until && spell.what.parts(a, b));
        begun.map(|spell| spell.until.min(until)).max()
    }

    /// Whether by then any fault had separated these two, or paused one of them, while both were up.
    pub fn were_apart(&self, a: NodeId, b: NodeId, by: Time) -> bool {
        let mut begun = self.spells.iter().filter(|spell| spell.from <= by);
        self.full.is_some_and(|full| full <= by)
            || begun.any(|spell| !matches!(spell.what, What::Down(_)) && spell.what.parts(a, b))
    }

    /// Begin of the time during which this node is down, if it is down at `at`.
    pub fn down_since(&self, id: NodeId, at: Time) -> Option<Time> {
        let covers = |spell: &&Spell| {
            matches!(spell.what, What::Down(down) if down == id) && spell.from <= at && at < spell.until
        };
        self.spells.iter().find(covers).map(|spell| spell.from)
    }

    pub(super) fn begin(&mut self, which: Which, now: Time) {
        let what = match which {
            Which::Down(id) => What::Down(id),
            Which::Still(id) | Which::Slow(id) => What::Still(id),
            Which::Cut(_) => return,
        };
        self.add(which, what, now);
    }

    pub(super) fn end(&mut self, which: Which, now: Time) {
        if let Some(at) = self.open.remove(&which) {
            self.spells[at].until = now;
        }
    }

    /// Records that from now on exactly these cuts hold.
    pub(super) fn cuts(&mut self, cuts: &[(u64, Arc<Cut>)], now: Time) {
        let is_over = |which: &Which| match which {
            Which::Cut(key) => cuts.iter().all(|(held, _)| held != key),
            Which::Down(_) | Which::Still(_) | Which::Slow(_) => false,
        };
        let over: Vec<Which> = self.open.keys().filter(|which| is_over(which)).copied().collect();
        over.into_iter().for_each(|which| self.end(which, now));
        for (key, cut) in cuts {
            self.add(Which::Cut(*key), What::Cut(cut.clone()), now);
        }
    }

    fn add(&mut self, which: Which, what: What, now: Time) {
        if self.open.contains_key(&which) {
            return;
        }
        if self.spells.len() >= SPELLS_MAX {
            self.full.get_or_insert(now);
            return;
        }
        self.open.insert(which, self.spells.len());
        self.spells.push(Spell { what, from: now, until: Time::NEVER });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IdSet;

    fn at(s: u64) -> Time {
        Time(s * 1_000_000_000)
    }

    #[test]
    fn nodes_are_parted_while_one_is_down_or_the_way_is_cut_and_not_before_or_after() {
        let (a, b, c) = (NodeId(1), NodeId(2), NodeId(3));
        let mut history = History::default();
        history.begin(Which::Down(a), at(10));
        history.end(Which::Down(a), at(20));
        assert_eq!((history.down_since(a, at(15)), history.down_since(a, at(20))), (Some(at(10)), None));
        let one_way = Cut::Between { a: IdSet::of([b]), b: IdSet::of([c]), both: false };
        history.cuts(&[(7, Arc::new(one_way))], at(30));
        history.cuts(&[], at(40));
        history.begin(Which::Still(c), at(50));
        let parted = |a, b, until| history.last_parted(a, b, at(until));
        assert_eq!((parted(a, b, 9), parted(a, b, 15), parted(b, a, 25)), (None, Some(at(15)), Some(at(20))));
        assert_eq!(
            (parted(b, c, 29), parted(b, c, 35), parted(c, b, 45)),
            (None, Some(at(35)), Some(at(40)))
        );
        let were_apart = |a, b, by| history.were_apart(a, b, at(by));
        assert!(
            were_apart(c, b, 99) && !were_apart(b, c, 29) && !were_apart(a, b, 99),
            "a crash parts nobody from the living"
        );
        assert_eq!(
            (parted(a, c, 45), parted(a, c, 99)),
            (Some(at(20)), Some(at(99))),
            "what has not ended lasts"
        );
    }

    #[test]
    fn beyond_what_is_remembered_nothing_is_said_to_have_been_well() {
        let mut history = History::default();
        for n in 0..=SPELLS_MAX as u64 {
            history.begin(Which::Down(NodeId(9)), at(n));
            history.end(Which::Down(NodeId(9)), at(n));
        }
        let full = SPELLS_MAX as u64;
        assert_eq!(history.last_parted(NodeId(1), NodeId(2), at(full - 1)), None);
        assert_eq!(history.last_parted(NodeId(1), NodeId(2), at(full)), Some(at(full)));
    }
}
