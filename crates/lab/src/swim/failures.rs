//! Failures as the members report them: those about a member that no fault ever separated from the observer, and the time that wrong ones last after a
//! partition has healed.

use rumormill_core::identity::NodeId;
use rumormill_core::time::Time;
use rumormill_protocols::member::swim::Event;
use std::collections::BTreeSet;

/// Counts raw events of a cluster, from its first start on.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// One side of the partition. Two members are separated if one of them is here and the other is not.
    apart: BTreeSet<NodeId>,
    /// Members that crashed or were stalled: separated from all others.
    faulty: BTreeSet<NodeId>,
    /// Failures at present: (observer, member).
    held: BTreeSet<(NodeId, NodeId)>,
    never_separated: u64,
    healed: Option<Time>,
    last_stale: Option<Time>,
}

impl Failures {
    /// The partition begins, with these members on one side.
    pub(crate) fn cut(&mut self, apart: &BTreeSet<NodeId>) {
        self.apart = apart.clone();
    }

    /// The partition ends. Failures that last from now on are stale.
    pub(crate) fn heal(&mut self, now: Time) {
        self.healed = Some(now);
    }

    /// These members crash, or stand still for a time.
    pub(crate) fn break_down(&mut self, ids: impl IntoIterator<Item = NodeId>) {
        self.faulty.extend(ids);
    }

    /// An event of one member.
    pub(crate) fn see(&mut self, at: Time, by: NodeId, what: &Event) {
        match what {
            Event::Failed(id) => {
                self.held.insert((by, *id));
                self.never_separated += u64::from(!self.were_separated(by, *id));
            }
            Event::Up(id) => {
                let was_held = self.held.remove(&(by, *id));
                if was_held && self.healed.is_some() && !self.faulty.contains(id) {
                    self.last_stale = Some(at);
                }
            }
            _ => {}
        }
    }

    fn were_separated(&self, a: NodeId, b: NodeId) -> bool {
        self.faulty.contains(&a)
            || self.faulty.contains(&b)
            || self.apart.contains(&a) != self.apart.contains(&b)
    }

    /// Number of failures reported by an observer that no fault ever separated from the member.
    pub(crate) fn never_separated(&self) -> u64 {
        self.never_separated
    }

    /// Seconds from the healing until no observer marked a running member as failed any more; `None` without a partition, and while an observer still
    /// does.
    pub(crate) fn stale_s(&self) -> Option<f64> {
        let healed = self.healed?;
        let is_stale = |(by, id): &(NodeId, NodeId)| !self.faulty.contains(by) && !self.faulty.contains(id);
        let is_over = !self.held.iter().any(is_stale);
        is_over.then(|| self.last_stale.map_or(0.0, |at| at.since(healed).as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::time::Duration;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);
    const C: NodeId = NodeId(3);

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_failure_counts_only_between_members_that_nothing_ever_separated() {
        let mut failures = Failures::default();
        failures.cut(&BTreeSet::from([C]));
        failures.see(at(1), A, &Event::Failed(C));
        failures.see(at(1), C, &Event::Failed(B));
        assert_eq!(failures.never_separated(), 0, "they were separated");
        failures.heal(at(2));
        failures.see(at(3), A, &Event::Failed(C));
        assert_eq!(failures.never_separated(), 0, "they had been");
        failures.see(at(3), A, &Event::Failed(B));
        assert_eq!(failures.never_separated(), 1);
        failures.break_down([B]);
        failures.see(at(4), A, &Event::Failed(B));
        assert_eq!(failures.never_separated(), 1, "B crashed");
    }

    #[test]
    fn a_stale_failure_lasts_until_the_last_observer_has_dropped_it() {
        let mut failures = Failures::default();
        failures.cut(&BTreeSet::from([C]));
        failures.see(at(1), A, &Event::Failed(C));
        failures.see(at(1), B, &Event::Failed(C));
        assert_eq!(failures.stale_s(), None, "not healed");
        failures.heal(at(10));
        failures.see(at(12), A, &Event::Up(C));
        assert_eq!(failures.stale_s(), None, "B still holds C failed");
        failures.see(at(15), B, &Event::Up(C));
        assert_eq!(failures.stale_s(), Some(5.0));
    }
}
