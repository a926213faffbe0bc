//! Verdicts compared with the truth: whether a member that another one failed was well, and for how long.

use super::member::Member;
use crate::scenario::part::View;
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Duration, Time};
use std::collections::{BTreeMap, BTreeSet};

/// For so long after a crash a member's own last word may still be on its way to others, who then rightly list it again: a word is retransmitted for
/// about two seconds, and members compare their lists within as many more (our guess, doubled for a fifth of all packets lost).
const LAST_WORD: Duration = Duration::from_secs(8);

/// The verdicts of members on others.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Verdicts that have not been judged yet.
    new: Vec<Verdict>,
    /// Listings that have not been judged yet.
    up: Vec<Verdict>,
    /// Time at which each member forgot another one.
    forgot: BTreeMap<(NodeId, NodeId), Time>,
    ghost: Option<String>,
    /// The longest time for which a member had been down when another one, which had been up since, listed it again.
    listed_after: Duration,
    /// Time at which each member last left.
    left: BTreeMap<NodeId, Time>,
    /// Members that were banned at any time: verdicts about them, and their own, are not mistakes.
    banned: BTreeSet<NodeId>,
    pub failed: u64,
    pub suspected: u64,
    pub refuted: u64,
    /// Verdicts about members that were up, did not stand still, and could reach the observer both ways.
    pub wrong: u64,
    /// Of those verdicts, the one on the member that had been well for longest.
    longest: Option<Wrong>,
    /// The first verdict on a member that had always been well.
    never_parted: Option<Wrong>,
}

#[derive(Copy, Clone, Debug)]
struct Verdict {
    at: Time,
    by: NodeId,
    about: NodeId,
}

#[derive(Copy, Clone, Debug)]
struct Wrong {
    verdict: Verdict,
    /// Time for which the two had been up and connected.
    well: Duration,
}

impl Verdicts {
    /// A member failed another one.
    pub fn failed(&mut self, at: Time, by: NodeId, about: NodeId) {
        self.failed += 1;
        self.new.push(Verdict { at, by, about });
    }

    /// A member lists another one.
    pub fn lists(&mut self, at: Time, by: NodeId, about: NodeId) {
        self.up.push(Verdict { at, by, about });
    }

    /// A member takes another one off its list.
    pub fn forgets(&mut self, at: Time, by: NodeId, about: NodeId) {
        self.forgot.insert((by, about), at);
    }

    /// A member leaves.
    pub fn leaves(&mut self, at: Time, id: NodeId) {
        self.left.insert(id, at);
    }

    /// A member is banned.
    pub fn bans(&mut self, id: NodeId) {
        self.banned.insert(id);
    }

    /// Judges the verdicts since the last time.
    pub fn judge(&mut self, view: &dyn View<Member>) {
        let history = view.history();
        for Verdict { at, by, about } in std::mem::take(&mut self.up) {
            let known = history.down_since(about, at).filter(|since| view.since(by) <= *since);
            let Some(since) = known else { continue };
            let gone = at.since(since);
            self.listed_after = self.listed_after.max(gone);
            let forgot = self.forgot.get(&(by, about)).filter(|forgot| (since..=at).contains(*forgot));
            let forgot = forgot.filter(|_| gone > LAST_WORD);
            if let Some(forgot) = forgot {
                let (at, gone, forgot) = (at.as_secs_f64(), gone.as_secs_f64(), forgot.as_secs_f64());
                self.ghost.get_or_insert_with(|| {
                    format!(
                        "node {} lists node {} at {at:.3} s, which it forgot at {forgot:.3} s and which has been down for {gone:.1} s",
                        by.0, about.0
                    )
                });
            }
        }
        for verdict in std::mem::take(&mut self.new) {
            let Verdict { at, by, about } = verdict;
            if self.banned.contains(&by) || self.banned.contains(&about) {
                continue;
            }
            let parted = history.last_parted(by, about, at);
            let left = [by, about].into_iter().filter_map(|id| self.left.get(&id).copied()).max();
            let started = view.since(by).max(view.since(about));
            let since = started.max(parted.unwrap_or_default()).max(left.unwrap_or_default());
            if since >= at {
                continue;
            }
            self.wrong += 1;
            let wrong = Wrong { verdict, well: at.since(since) };
            if parted.is_none() && left.is_none() {
                self.never_parted.get_or_insert(wrong);
            }
            if self.longest.is_none_or(|longest| wrong.well > longest.well) {
                self.longest = Some(wrong);
            }
        }
    }

    /// Whether nobody failed a member that had been well for `well`; `None`: for the whole run.
    pub fn check(&self, well: Option<Duration>) -> Result<(), String> {
        let found = match well {
            None => self.never_parted,
            Some(well) => self.longest.filter(|longest| longest.well >= well),
        };
        let Some(Wrong { verdict: Verdict { at, by, about }, well }) = found else { return Ok(()) };
        Err(format!(
            "node {} failed node {} at {:.3} s; both had been up and connected for {:.1} s",
            by.0,
            about.0,
            at.as_secs_f64(),
            well.as_secs_f64()
        ))
    }

    /// Whether nobody listed a member again that it had forgotten, while that one was down and had no word on its way.
    pub fn check_ghosts(&self) -> Result<(), String> {
        self.ghost.clone().map_or(Ok(()), Err)
    }

    /// See `listed_after`, in seconds.
    pub fn listed_after_s(&self) -> f64 {
        self.listed_after.as_secs_f64()
    }

    /// The longest time for which a member had been well before another one failed it, in seconds.
    pub fn longest_s(&self) -> f64 {
        self.longest.map_or(0.0, |longest| longest.well.as_secs_f64())
    }
}
