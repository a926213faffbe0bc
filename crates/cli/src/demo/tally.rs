//! Counts what was said wrongly: suspicions and deaths of agents that were running all the time.

use rumormill_agent::model::{ChangeKind, Status, WatchChange};
use std::collections::BTreeSet;

/// What is known about the accused, at the moment when somebody reports an accusation.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Whether its process runs and nobody asked it to leave.
    pub is_running: bool,
    /// The epoch of that process; 0 as long as it has not said.
    pub epoch: u64,
}

/// False accusations. What several agents report about the same incarnation of one member is one accusation.
#[derive(Debug, Default)]
pub struct Tally {
    suspicions: BTreeSet<(String, u64, u64)>,
    deaths: BTreeSet<(String, u64, u64)>,
}

impl Tally {
    /// Takes in a change that some agent reported.
    pub fn note(&mut self, change: &WatchChange, truth: Truth) {
        let Some(member) = &change.member else { return };
        let is_about_this_life = truth.is_running && member.epoch == truth.epoch;
        let key = (change.id.clone(), member.epoch, member.incarnation);
        match change.what {
            ChangeKind::Suspected if is_about_this_life && member.status == Status::Suspect => {
                self.suspicions.insert(key);
            }
            // A refutation proves the suspicion before it, should that one have been reported too late to be seen as one.
            ChangeKind::Refuted if is_about_this_life => {
                self.suspicions.insert((key.0, key.1, key.2.saturating_sub(1)));
            }
            ChangeKind::Failed if is_about_this_life && member.status == Status::Failed => {
                self.deaths.insert(key);
            }
            _ => {}
        }
    }

    /// Members that were suspected although they ran.
    pub fn false_suspicions(&self) -> usize {
        self.suspicions.len()
    }

    /// Members that were declared dead although they ran.
    pub fn false_deaths(&self) -> usize {
        self.deaths.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_agent::model::Member;

    const RUNS: Truth = Truth { is_running: true, epoch: 2 };

    fn change(what: ChangeKind, status: Status, epoch: u64, incarnation: u64) -> WatchChange {
        let member = Member { id: "a".into(), status, epoch, incarnation, ..Member::default() };
        let (id, name, cursor) = ("a".into(), "n".into(), String::new());
        WatchChange { cursor, what, id, name, at_unix_ms: 0, member: Some(member) }
    }

    fn counted(changes: &[(WatchChange, Truth)]) -> (usize, usize) {
        let mut tally = Tally::default();
        changes.iter().for_each(|(change, truth)| tally.note(change, *truth));
        (tally.false_suspicions(), tally.false_deaths())
    }

    #[test]
    fn a_suspicion_that_many_report_is_one() {
        let suspected = change(ChangeKind::Suspected, Status::Suspect, 2, 5);
        let refuted = change(ChangeKind::Refuted, Status::Alive, 2, 6);
        assert_eq!(counted(&[(suspected.clone(), RUNS), (suspected, RUNS), (refuted, RUNS)]), (1, 0));
    }

    #[test]
    fn a_death_of_a_running_member_is_false() {
        assert_eq!(counted(&[(change(ChangeKind::Failed, Status::Failed, 2, 0), RUNS)]), (0, 1));
    }

    #[test]
    fn what_is_said_about_a_killed_member_or_an_earlier_life_is_true() {
        let killed = Truth { is_running: false, epoch: 2 };
        let dead = change(ChangeKind::Failed, Status::Failed, 2, 0);
        let earlier = change(ChangeKind::Failed, Status::Failed, 1, 0);
        let overtaken = change(ChangeKind::Failed, Status::Alive, 2, 0);
        assert_eq!(counted(&[(dead, killed), (earlier, RUNS), (overtaken, RUNS)]), (0, 0));
    }
}
