//! What members say of each other: suspicion, confirmation, refutation, failure (SWIM, section 4.2; Lifeguard, section IV-B).
//!
//! Ours: no member's word is final for another. SWIM's `Confirm` (a `dead` accusation) ends the suspicion at everybody who hears it, so one member that
//! cannot hear fails healthy members for a whole cluster. Here it counts as one more suspicion, that of its signer. Each member fails a suspect
//! when its own timer ends, which started when it first heard; suspicions of distinct others shorten the timer to Lifeguard's minimum. Only who has probed
//! a member signs anything about it, and none fails a suspect that answers it (`cases`). Without Lifeguard the rule is SWIM's.

use super::card::Path;
use super::cases::Case;
use super::record::{Accusation, Charge};
use super::*;
use alloc::vec::Vec;
use rumormill_core::record::Record;
use rumormill_core::time::Duration;

/// So many members, on average, look after one who is no longer kept out (our guess: one of them gets through).
const BANNED_TRIES: f64 = 4.0;

/// So many confirmations beyond the K that count travel as well, because each member waits for K of its own and gossip misses some (our guess).
const SPARE_CONFIRMATIONS: usize = 2;
/// A node that has heard nobody for so many periods may be cut off itself (our guess): it does not hasten its suspicions.
const HEARD_PERIODS: u32 = 2;

impl<K: Keys> Swim<K> {
    /// How long a suspicion with so many confirmations waits.
    ///
    /// max(Min, Max - (Max - Min)·ln(C+1)/ln(K+1)), with Min = α·max(1, log10 n) periods and Max = β·Min (Lifeguard, section
    /// IV-B). Where fewer than K others could confirm, those that could are enough; but where they are one or none, it waits two or three times
    /// as long (our guess).
    ///
    /// Ours: members that crashed together cannot confirm each other's crash. So the more members this node's own probes found silent, the
    /// shorter is Max; where half of all are silent it is Min (our guess).
    pub(super) fn suspicion_time(&self, confirmations: usize) -> Duration {
        let n = self.live_len() as f64;
        let min = self.config.period.mul_f64(self.config.suspicion_alpha * libm::log10(n).max(1.0));
        let wanted = self.config.suspicion_confirmations as usize;
        let others_silent = self.cases.silent.saturating_sub(1);
        let k = wanted.min(self.live_len().saturating_sub(2 + others_silent));
        let min = min * wanted.saturating_sub(k).max(1) as u32;
        if !self.config.lifeguard || k == 0 {
            return min;
        }
        let patience = (1.0 - 2.0 * others_silent as f64 / n).max(0.0);
        let max = min.mul_f64(1.0 + (self.config.suspicion_beta - 1.0) * patience);
        let share = libm::log(confirmations as f64 + 1.0) / libm::log(k as f64 + 1.0);
        max - (max - min).mul_f64(share.min(1.0))
    }

    /// Whether this node has heard somebody lately. If not, it may be cut off itself.
    fn hears_others(&self, now: Time) -> bool {
        now.since(self.probes.heard()) < self.config.period * HEARD_PERIODS
    }

    /// Once a period: where many members are silent to this node, its suspicions end sooner.
    pub(super) fn review_suspicions(&mut self, cx: Ctx<K>) {
        let hears = self.hears_others(cx.now);
        let own = |(_, case): &(NodeId, &Case)| case.accusers.contains(&cx.me);
        self.cases.silent = if hears { self.cases.iter().filter(own).count() } else { 0 };
        if self.cases.silent < 2 {
            return;
        }
        let cases: Vec<_> = self.cases.iter().map(|(id, c)| (id, c.since, c.accusers.len(), c.end)).collect();
        for (id, since, accusers, end) in cases {
            let sooner = since + self.suspicion_time(accusers - 1);
            if sooner < end {
                self.cases.reschedule(id, sooner.max(cx.now));
            }
        }
        self.arm_suspicion(cx);
    }

    /// Whether a `dead` accusation ends a suspicion here, whoever signed it: without suspicions (SWIM, section 3), and in plain SWIM (section 4.2). There,
    /// one that comes to light in an exchange may be from the other side of a healed partition, and its subject is given time to refute.
    fn is_final(&self, path: Path) -> bool {
        !self.config.suspicion || (!self.config.lifeguard && path == Path::News)
    }

    /// Whether members pass `dead` accusations on as what they are to them: one suspicion each.
    pub(super) fn counts_verdicts(&self) -> bool {
        self.config.suspicion && self.config.lifeguard
    }

    /// What this node adds to the evidence that it has about `row`.
    fn evidence(&self, now: Time, row: &table::Row, evidence: Evidence) -> Evidence {
        Evidence {
            silent_ms: (row.heard > Time::ZERO).then(|| now.since(row.heard).as_millis() as u64),
            accuser_health: self.health.score().min(255) as u8,
            ..evidence
        }
    }

    /// This node accuses `accused`, which it has probed (or, with `Forget`, an operator has), if it knows it. Returns the accusation.
    pub(super) fn accuse(
        &mut self,
        cx: Ctx<K>,
        accused: NodeId,
        charge: Charge,
        evidence: Evidence,
    ) -> Option<Record<Accusation>> {
        let record = self.sign(cx, accused, charge, evidence)?;
        self.take_accusation(cx, cx.me, record.clone(), Path::News);
        Some(record)
    }

    fn sign(
        &self,
        cx: Ctx<K>,
        accused: NodeId,
        charge: Charge,
        evidence: Evidence,
    ) -> Option<Record<Accusation>> {
        let row = self.member_table.get(accused)?;
        let (card, evidence) = (row.card.value(), self.evidence(cx.now, row, evidence));
        let accusation = Accusation {
            accuser: cx.me,
            accused,
            epoch: card.life.epoch,
            incarnation: card.incarnation,
            charge,
            written: cx.wall,
            evidence,
        };
        Some(Record::signed(accusation, &self.keys))
    }

    /// From now on this id is kept out, or no longer. The ban alone fails it here: nobody has probed it, so nobody accuses it.
    pub(super) fn on_ban(&mut self, cx: Ctx<K>, id: NodeId, is_banned: bool) {
        if !is_banned {
            // A few members probe it, so that it learns of them again and compares its view with theirs.
            let share = BANNED_TRIES / self.live_len() as f64;
            if self.banned.remove(&id) && self.member_table.get(id).is_some() && cx.rng.chance(share) {
                self.probe(cx, id, probe::Kind::Departed);
            }
        } else if id != cx.me && self.banned.insert(id) && self.is_live(id) {
            self.unsay(id);
            self.note_own(cx, id, VerdictKind::Banned, None);
            self.fail(cx, id, None);
        }
    }

    /// An accusation arrived, or is mine. It is verified once, when it changes something. Returns what its bringer should hear.
    pub(super) fn take_accusation(
        &mut self,
        cx: Ctx<K>,
        from: NodeId,
        record: Record<Accusation>,
        path: Path,
    ) -> Option<News> {
        let accusation = record.value();
        if accusation.accused == cx.me {
            return self.refute(cx, from, &record);
        }
        if accusation.charge == Charge::Forget {
            return self.take_order(cx, from, record, path);
        }
        let row = self.member_table.get(accusation.accused)?;
        if row.outdates(accusation) {
            self.counters.news_stale += 1;
            return self.what_i_hold(cx.me, accusation.accused).filter(|_| path == Path::Exchange);
        }
        match (row.status, accusation.charge) {
            (Status::Alive | Status::Suspect, Charge::Failed) if self.is_final(path) => {
                self.take_verdict(cx, record)
            }
            (Status::Alive, Charge::Suspect | Charge::Failed) => self.suspect(cx, record),
            (Status::Suspect, Charge::Suspect | Charge::Failed) => self.confirm(cx, record),
            (Status::Failed | Status::Left, _) | (_, Charge::Forget) => self.counters.news_stale += 1,
        }
        None
    }

    pub(super) fn trusts(&mut self, record: &Record<Accusation>) -> bool {
        let trusts = record.is_by(record.value().accuser, &self.keys);
        self.counters.records_forged += u64::from(!trusts);
        trusts
    }

    pub(super) fn suspect(&mut self, cx: Ctx<K>, record: Record<Accusation>) {
        if !self.trusts(&record) {
            return;
        }
        let accusation = record.value();
        let id = accusation.accused;
        let row = self.member_table.get_mut(id).expect("it was found by the caller");
        (row.status, row.since) = (Status::Suspect, cx.now);
        let patience = if self.config.lifeguard { self.round_trip_of(id) } else { Duration::ZERO };
        self.cases.insert(id, Case::new(accusation.accuser, record.clone(), cx.now, patience));
        let end = cx.now + self.suspicion_time(0);
        self.cases.reschedule(id, end);
        if accusation.accuser == cx.me {
            self.counters.suspicions_raised += 1;
            self.cases.probed(id, cx.now);
        } else {
            self.counters.suspicions_heard += 1;
            self.probe_next(id, probe::Kind::Suspect);
        }
        cx.emit(Event::Suspected(id));
        cx.emit(Event::Heard(id, cx.wall.since(accusation.written)));
        self.note_accusation(cx, accusation);
        if accusation.charge == Charge::Failed && !self.counts_verdicts() {
            self.tell(cx, id, News::Accusation(record)); // to others it would be final
        } else {
            self.spread(cx, News::Accusation(record));
        }
        self.arm_suspicion(cx);
    }

    /// Another member accuses the same suspect: the time that is left shrinks. Only K confirmations and some spare ones travel.
    pub(super) fn confirm(&mut self, cx: Ctx<K>, record: Record<Accusation>) {
        let Accusation { accuser, accused: id, .. } = *record.value();
        let Some(case) = self.cases.get(id) else { return };
        let (confirmations, since) = (case.accusers.len() - 1, case.since);
        let enough = confirmations >= self.config.suspicion_confirmations as usize + SPARE_CONFIRMATIONS;
        if !self.config.lifeguard || enough || case.accusers.contains(&accuser) || !self.trusts(&record) {
            self.counters.news_stale += 1;
            return;
        }
        self.cases.confirm(id, accuser);
        let end = since + self.suspicion_time(confirmations + 1);
        self.cases.reschedule(id, end);
        self.note_accusation(cx, record.value());
        self.spread(cx, News::Accusation(record));
        self.arm_suspicion(cx);
    }

    /// Plain SWIM: one member says for all that this one failed.
    fn take_verdict(&mut self, cx: Ctx<K>, record: Record<Accusation>) {
        if !self.trusts(&record) {
            return;
        }
        let accusation = record.value();
        let id = accusation.accused;
        self.fail(cx, id, Some(record.clone()));
        cx.emit(Event::Heard(id, cx.wall.since(accusation.written)));
        self.note_accusation(cx, accusation);
        if accusation.accuser == cx.me {
            self.tell(cx, id, News::Accusation(record.clone())); // if it can still hear, let it answer
        }
        self.spread(cx, News::Accusation(record));
    }

    /// This node's own timer ended: nothing has refuted the suspicion, and for this node the suspect failed. Others have timers of their own.
    fn conclude(&mut self, cx: Ctx<K>, id: NodeId) {
        let Some(case) = self.cases.take(id) else { return };
        let evidence = Evidence {
            confirmations: (case.accusers.len() - 1).min(255) as u8,
            waited_ms: cx.now.since(case.since).as_millis() as u32,
            ..Evidence::default()
        };
        let has_probed = case.accusers.contains(&cx.me);
        if has_probed && !self.counts_verdicts() {
            self.accuse(cx, id, Charge::Failed, evidence); // SWIM's Confirm, final for all
            return;
        }
        let row = self.member_table.get(id).expect("a case is about a member in the table");
        let concluded = self.evidence(cx.now, row, evidence);
        self.note_own(cx, id, VerdictKind::Charged(Charge::Failed), Some(concluded));
        // One whose suspicion nobody shares may be wrong about all others, as a member that was cut off is: it keeps its verdict to itself.
        let shared = (self.config.suspicion_confirmations as usize).min(self.live_len().saturating_sub(2));
        if !has_probed || case.accusers.len() <= shared {
            self.fail(cx, id, Some(case.first));
            return;
        }
        // To a member that has not heard of this node's suspicion it is that, and shortens its wait.
        let record = self.sign(cx, id, Charge::Failed, evidence).expect("as above");
        self.fail(cx, id, Some(record.clone()));
        self.tell(cx, id, News::Accusation(record.clone())); // if it can still hear, let it answer
        self.spread(cx, News::Accusation(record));
    }

    /// From now on `id` is failed here, or forgotten if there is an order. `accusation` is what it is to refute; none: a ban keeps it out, and it has
    /// nothing to refute.
    pub(super) fn fail(&mut self, cx: Ctx<K>, id: NodeId, accusation: Option<Record<Accusation>>) {
        let row = self.member_table.get_mut(id).expect("it was found by the caller");
        (row.status, row.since) = (Status::Failed, cx.now);
        let hash = row.hash;
        self.live -= 1;
        self.sums.subtract(id, hash);
        self.member_table.set_mark(id, 0);
        self.cases.close(id);
        let burst_gap = self.config.period * departed::BURST_PERIODS;
        self.departed.fail(id, accusation, cx.now, burst_gap);
        self.counters.deaths += 1;
        cx.emit(Event::Failed(id));
        self.heed_order(cx, id);
    }

    /// Somebody accuses me: I answer with a higher incarnation, and trust my own probes less (Lifeguard, section IV-A).
    fn refute(&mut self, cx: Ctx<K>, from: NodeId, record: &Record<Accusation>) -> Option<News> {
        let accusation = record.value();
        let card = self.mine.card.value();
        if accusation.epoch != card.life.epoch || card.left {
            return None;
        }
        if accusation.incarnation >= card.incarnation {
            if !self.trusts(record) {
                return None;
            }
            let above = accusation.incarnation;
            self.note_accusation(cx, accusation);
            self.say_of_myself(cx, |card| card.incarnation = above.saturating_add(1));
            // Who was forgotten was away: that says nothing about the probes of now.
            self.health.missed(u32::from(accusation.charge != Charge::Forget));
            self.counters.refutations += 1;
            self.spread(cx, News::Card(self.mine.card.clone()));
        } else {
            self.counters.news_stale += 1;
        }
        (from != cx.me).then(|| News::Card(self.mine.card.clone()))
    }

    pub(super) fn note_accusation(&mut self, cx: Ctx<K>, accusation: &Accusation) {
        self.note(Verdict {
            accused: accusation.accused,
            by: accusation.accuser,
            what: VerdictKind::Charged(accusation.charge),
            written: accusation.written,
            heard: cx.now,
            incarnation: accusation.incarnation,
            evidence: Some(accusation.evidence),
        });
    }

    /// What this node has concluded, for its own list alone.
    pub(super) fn note_own(
        &mut self,
        cx: Ctx<K>,
        accused: NodeId,
        what: VerdictKind,
        evidence: Option<Evidence>,
    ) {
        let Some(row) = self.member_table.get(accused) else { return };
        let incarnation = row.card.value().incarnation;
        let (written, heard) = (cx.wall, cx.now);
        self.note(Verdict { accused, by: cx.me, what, written, heard, incarnation, evidence });
    }

    fn arm_suspicion(&mut self, cx: Ctx<K>) {
        let Some((due, _)) = self.cases.first_due() else { return };
        if self.cases.armed.is_none_or(|armed| due < armed) {
            self.cases.armed = Some(due);
            cx.after(due.since(cx.now), Timer::Suspicion { due });
        }
    }

    /// The earliest suspicion may have ended, or its suspect is to be pinged before.
    pub(super) fn on_suspicion_due(&mut self, cx: Ctx<K>, due: Time) {
        if self.cases.armed != Some(due) {
            return; // an earlier one was armed since
        }
        self.cases.armed = None;
        self.note_stall(cx, due);
        while let Some((_, id)) = self.cases.first_due().filter(|(due, _)| *due <= cx.now) {
            if !self.look(cx, id) {
                self.conclude(cx, id);
            }
        }
        self.arm_suspicion(cx);
    }

    /// Pings a suspect before its suspicion ends, and says whether it has not ended yet.
    fn look(&mut self, cx: Ctx<K>, id: NodeId) -> bool {
        let (is_due, is_allowed) = self.cases.is_look_due(id, cx.now, self.config.period);
        if is_allowed {
            let nonce = self.cases.pinged(id, cx.now, cx.rng.next());
            cx.send(id, Message::Ping { nonce, stream: false });
            let accusation = self.cases.against(id).cloned();
            accusation.into_iter().for_each(|first| self.tell(cx, id, News::Accusation(first)));
        }
        is_due
    }

    /// A member answered a ping of this node. If it is a suspect, this node waits for it as long again.
    pub(super) fn note_answer(&mut self, cx: Ctx<K>, id: NodeId) {
        let Some(case) = self.cases.get(id).filter(|_| self.config.lifeguard) else { return };
        let end = cx.now + self.suspicion_time(case.accusers.len() - 1);
        self.cases.answered(id, cx.now, end);
        self.arm_suspicion(cx);
    }

    /// A timer that comes a whole period late shows that this node stood still. What it waited for may be waiting for it:
    /// the others are given the time that it lost. Returns whether it stalled. (Ours; part of local health.)
    pub(super) fn note_stall(&mut self, cx: Ctx<K>, due: Time) -> bool {
        let late = cx.now.since(due);
        if !self.config.lifeguard || late < self.config.period {
            return false;
        }
        if cx.now.since(core::mem::replace(&mut self.cases.stalled, cx.now)) < late {
            return true; // the same stall, seen by another timer
        }
        self.health.missed(1);
        // Also cases that were opened at the waking, by news that had waited: their refutations may have been lost meanwhile.
        self.cases.delay(late);
        self.cases.armed = None;
        self.arm_suspicion(cx);
        true
    }
}
