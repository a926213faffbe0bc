//! Open suspicions: who accuses whom, when each ends, and what the suspect answered to this node.
//!
//! Ours: a suspect that answers this node's own pings is not failed here, whoever accuses it. A node in the middle of a partition reaches both halves,
//! which accuse each other in truth, and so many confirmations end a suspicion before its refutation arrives. So each node pings a suspect itself
//! before the suspicion ends (with the accusation: Lifeguard's buddy system, section IV-C), and an answer starts the wait anew. A crashed member answers
//! nothing, and fails when it would have failed.

use super::record::Accusation;
use crate::kit::rate_limit::RateLimit;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::record::Record;
use rumormill_core::time::{Duration, Time};

/// Pings to a suspect before its suspicion ends, unless it was probed (our guess: at 20 % loss one of two is answered in seven of eight cases).
const LOOKS: u32 = 2;
/// Pings to suspects in a period; beyond it suspicions end as they are (our guess: 4 kB where half of a large cluster is accused).
const LOOKS_PER_PERIOD_MAX: u32 = 64;

/// Open suspicions, by suspect and by when they are due.
#[derive(Default)]
pub(super) struct Cases {
    open: BTreeMap<NodeId, Case>,
    due: BTreeSet<(Time, NodeId)>,
    pub(super) armed: Option<Time>,
    pub(super) stalled: Time,
    /// Suspects that this node's own probes found silent, as of this period.
    pub(super) silent: usize,
    looks: RateLimit,
}

pub(super) struct Case {
    /// Distinct members whose accusations were counted; at most 1 + K and some spare ones.
    pub(super) accusers: Vec<NodeId>,
    /// Signed by a member that probed the suspect: shown to the suspect so that it can refute, and to those that have not heard.
    pub(super) first: Record<Accusation>,
    /// When the suspicion began here, or when the suspect last answered this node.
    pub(super) since: Time,
    pub(super) end: Time,
    /// How long an answer of the suspect may take.
    patience: Duration,
    /// Pings that this node still sends before the end.
    looks: u32,
    /// When this node last pinged the suspect.
    pinged: Time,
    nonce: Option<u64>,
}

impl Case {
    /// A suspicion that begins now. With a `patience` of 0 the suspect is not pinged.
    pub(super) fn new(accuser: NodeId, first: Record<Accusation>, now: Time, patience: Duration) -> Case {
        let looks = if patience.is_zero() { 0 } else { LOOKS };
        let accusers = alloc::vec![accuser];
        Case { accusers, first, since: now, end: now, patience, looks, pinged: now, nonce: None }
    }

    /// The next ping, or the end; an answer that is still due is waited for.
    fn due(&self) -> Time {
        if self.looks == 0 {
            return self.end.max(self.pinged + self.patience);
        }
        let ahead = u64::try_from((self.patience * self.looks).as_nanos()).unwrap_or(u64::MAX);
        Time(self.end.0.saturating_sub(ahead))
    }
}

impl Cases {
    pub(super) fn insert(&mut self, id: NodeId, case: Case) {
        self.due.insert((case.due(), id));
        self.open.insert(id, case);
    }

    pub(super) fn close(&mut self, id: NodeId) {
        self.take(id);
    }

    pub(super) fn take(&mut self, id: NodeId) -> Option<Case> {
        let case = self.open.remove(&id)?;
        self.due.remove(&(case.due(), id));
        Some(case)
    }

    fn change(&mut self, id: NodeId, change: impl FnOnce(&mut Case)) {
        if let Some(case) = self.open.get_mut(&id) {
            self.due.remove(&(case.due(), id));
            change(case);
            self.due.insert((case.due(), id));
        }
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Case> {
        self.open.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &Case)> {
        self.open.iter().map(|(id, case)| (*id, case))
    }

    /// The suspicion that is due first.
    pub(super) fn first_due(&self) -> Option<(Time, NodeId)> {
        self.due.first().copied()
    }

    /// The accusation that a suspect is told with every ping (Lifeguard's buddy system, section IV-C).
    pub(super) fn against(&self, id: NodeId) -> Option<&Record<Accusation>> {
        self.open.get(&id).map(|case| &case.first)
    }

    pub(super) fn is_accuser(&self, id: NodeId, accuser: NodeId) -> bool {
        self.open.get(&id).is_some_and(|case| case.accusers.contains(&accuser))
    }

    /// One more member accuses this suspect.
    pub(super) fn confirm(&mut self, id: NodeId, accuser: NodeId) {
        self.change(id, |case| case.accusers.push(accuser));
    }

    pub(super) fn reschedule(&mut self, id: NodeId, end: Time) {
        self.change(id, |case| case.end = end);
    }

    /// This node probes the suspect with all that a probe has: it need not be pinged again.
    pub(super) fn probed(&mut self, id: NodeId, now: Time) {
        self.change(id, |case| (case.looks, case.pinged) = (0, now));
    }

    /// Whether a ping to this suspect is due rather than its end, and whether there is one left in this period.
    pub(super) fn is_look_due(&mut self, id: NodeId, now: Time, period: Duration) -> (bool, bool) {
        let is_due = self.open.get(&id).is_some_and(|case| case.looks > 0);
        let is_allowed = is_due && self.looks.take(now, period, LOOKS_PER_PERIOD_MAX);
        if is_due && !is_allowed {
            self.change(id, |case| case.looks = 0);
        }
        (is_due, is_allowed)
    }

    /// This node pings the suspect. Returns the nonce, which is the same each time, so that any answer counts.
    pub(super) fn pinged(&mut self, id: NodeId, now: Time, nonce: u64) -> u64 {
        let mut used = nonce;
        self.change(id, |case| {
            used = *case.nonce.get_or_insert(nonce);
            let is_last = now + case.patience >= case.end;
            (case.looks, case.pinged) = (if is_last { 0 } else { case.looks.saturating_sub(1) }, now);
        });
        used
    }

    /// Whether this is the nonce of a ping to this suspect.
    pub(super) fn is_pinged(&self, id: NodeId, nonce: u64) -> bool {
        self.open.get(&id).is_some_and(|case| case.nonce == Some(nonce))
    }

    /// The suspect answered this node: the wait starts anew.
    pub(super) fn answered(&mut self, id: NodeId, now: Time, end: Time) {
        self.change(id, |case| (case.since, case.end, case.looks, case.nonce) = (now, end, LOOKS, None));
    }

    /// This node stood still for so long: all suspects are given that time, and are pinged again.
    pub(super) fn delay(&mut self, late: Duration) {
        self.due.clear();
        for (id, case) in &mut self.open {
            (case.since, case.end) = (case.since + late, case.end + late);
            case.looks = if case.patience.is_zero() { 0 } else { LOOKS };
            self.due.insert((case.due(), *id));
        }
    }
}
