//! What members say of each other: suspicion, confirmation, refutation, death (SWIM, section 4.2; Lifeguard, section IV-B).

use super::card::Path;
use super::record::{Accusation, Charge};
use super::*;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use rumormill_core::record::Record;
use rumormill_core::time::Duration;

/// So many members, on average, look after one who is no longer kept out (our guess: one of them gets through).
const SHUNNED_TRIES: f64 = 4.0;

/// Open suspicions, by suspect and by when they end.
#[derive(Default)]
pub(super) struct Cases {
    open: BTreeMap<NodeId, Case>,
    ends: BTreeSet<(Time, NodeId)>,
    armed: Option<Time>,
    stalled: Time,
}

struct Case {
    accusers: Vec<NodeId>,
    first: Record<Accusation>,
    since: Time,
    end: Time,
}

impl Cases {
    pub(super) fn close(&mut self, id: NodeId) {
        if let Some(case) = self.open.remove(&id) {
            self.ends.remove(&(case.end, id));
        }
    }

    /// The accusation that a suspect is told with every ping (Lifeguard's buddy system, section IV-C).
    pub(super) fn against(&self, id: NodeId) -> Option<&Record<Accusation>> {
        self.open.get(&id).map(|case| &case.first)
    }

    pub(super) fn is_accuser(&self, id: NodeId, accuser: NodeId) -> bool {
        self.open.get(&id).is_some_and(|case| case.accusers.contains(&accuser))
    }

    fn reschedule(&mut self, id: NodeId, end: Time) {
        let case = self.open.get_mut(&id).expect("it was just opened or confirmed");
        self.ends.remove(&(case.end, id));
        case.end = end;
        self.ends.insert((end, id));
    }
}

impl<K: Keys> Swim<K> {
    /// How long a suspicion with so many confirmations waits.
    ///
    /// max(Min, Max - (Max - Min)·ln(C+1)/ln(K+1)), with Min = α·max(1, log10 n) periods and Max = β·Min (Lifeguard, section
    /// IV-B). Where fewer than K others could confirm, those that could are enough; but where they are one or none, it waits two or three times
    /// as long (our guess).
    pub(super) fn suspicion_time(&self, confirmations: usize) -> Duration {
        let n = self.live_len() as f64;
        let min = self.config.period.mul_f64(self.config.suspicion_alpha * libm::log10(n).max(1.0));
        let wanted = self.config.suspicion_confirmations as usize;
        let k = wanted.min(self.live_len().saturating_sub(2));
        let min = min * wanted.saturating_sub(k).max(1) as u32;
        if !self.config.lifeguard || k == 0 {
            return min;
        }
        let share = libm::log(confirmations as f64 + 1.0) / libm::log(k as f64 + 1.0);
        let max = min.mul_f64(self.config.suspicion_beta);
        max - (max - min).mul_f64(share.min(1.0))
    }

    /// I accuse `accused`, if I know it, and return what I said.
    pub(super) fn accuse(
        &mut self,
        cx: Ctx<K>,
        accused: NodeId,
        charge: Charge,
        evidence: Evidence,
    ) -> Option<Record<Accusation>> {
        let row = self.roster.get(accused)?;
        let card = row.card.value();
        let evidence = Evidence {
            silent_ms: (row.heard > Time::ZERO).then(|| cx.now.since(row.heard).as_millis() as u64),
            accuser_health: self.health.score().min(255) as u8,
            ..evidence
        };
        let accusation = Accusation {
            accuser: cx.me,
            accused,
            epoch: card.life.epoch,
            incarnation: card.incarnation,
            charge,
            written: cx.wall,
            evidence,
        };
        let record = Record::signed(accusation, &self.keys);
        self.take_accusation(cx, cx.me, record.clone(), Path::News);
        Some(record)
    }

    /// From now on this id is kept out, or no longer.
    pub(super) fn on_shun(&mut self, cx: Ctx<K>, id: NodeId, is_out: bool) {
        if !is_out {
            // A few members look whether it is there, so that it hears what is held of it, and refutes that.
            let share = SHUNNED_TRIES / self.live_len() as f64;
            if self.shunned.remove(&id) && self.roster.get(id).is_some() && cx.rng.chance(share) {
                self.probe(cx, id, probe::Kind::Departed);
            }
        } else if id != cx.me && self.shunned.insert(id) && self.is_live(id) {
            self.accuse(cx, id, Charge::Dead, Evidence::default());
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
        let row = self.roster.get(accusation.accused)?;
        if row.outdates(accusation) {
            self.counters.news_stale += 1;
            return self.what_i_hold(cx.me, accusation.accused).filter(|_| path == Path::Exchange);
        }
        match (row.status, accusation.charge) {
            // A verdict from another side of a healed partition is no verdict here: its subject is given time to refute.
            (Status::Alive, Charge::Dead) if path == Path::Exchange && self.config.suspicion => {
                if self.trusts(&record) {
                    self.accuse(cx, accusation.accused, Charge::Suspect, accusation.evidence);
                }
            }
            (Status::Suspect, Charge::Dead) if path == Path::Exchange && self.config.suspicion => {}
            (Status::Alive, Charge::Suspect) => self.suspect(cx, record),
            (Status::Suspect, Charge::Suspect) => self.confirm(cx, record),
            (Status::Alive | Status::Suspect, Charge::Dead) => self.bury(cx, record),
            (Status::Dead | Status::Left, _) | (_, Charge::Forget) => self.counters.news_stale += 1,
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
        let row = self.roster.get_mut(id).expect("it was found by the caller");
        (row.status, row.since) = (Status::Suspect, cx.now);
        let end = cx.now + self.suspicion_time(0);
        let case =
            Case { accusers: alloc::vec![accusation.accuser], first: record.clone(), since: cx.now, end };
        self.cases.open.insert(id, case);
        self.cases.ends.insert((end, id));
        if accusation.accuser == cx.me {
            self.counters.suspicions_raised += 1;
        } else {
            self.counters.suspicions_heard += 1;
            self.probe_suspect_next(id);
        }
        cx.emit(Event::Suspected(id));
        cx.emit(Event::Heard(id, cx.wall.since(accusation.written)));
        self.note_accusation(cx, accusation);
        self.spread(cx, News::Accusation(record));
        self.arm_suspicion(cx);
    }

    /// Another member suspects the same: the time that is left shrinks. Only the first K confirmations count and travel.
    pub(super) fn confirm(&mut self, cx: Ctx<K>, record: Record<Accusation>) {
        let accusation = record.value();
        let Some(case) = self.cases.open.get(&accusation.accused) else { return };
        let confirmations = case.accusers.len() - 1;
        let enough = confirmations >= self.config.suspicion_confirmations as usize;
        if !self.config.lifeguard
            || enough
            || case.accusers.contains(&accusation.accuser)
            || !self.trusts(&record)
        {
            self.counters.news_stale += 1;
            return;
        }
        let id = accusation.accused;
        let case = self.cases.open.get_mut(&id).expect("it was found above");
        case.accusers.push(accusation.accuser);
        let since = case.since;
        let end = since + self.suspicion_time(confirmations + 1);
        self.cases.reschedule(id, end);
        self.note_accusation(cx, accusation);
        self.spread(cx, News::Accusation(record));
        self.arm_suspicion(cx);
    }

    /// It is dead, as one member says for all.
    pub(super) fn bury(&mut self, cx: Ctx<K>, record: Record<Accusation>) {
        if !self.trusts(&record) {
            return;
        }
        let accusation = record.value();
        let id = accusation.accused;
        let row = self.roster.get_mut(id).expect("it was found by the caller");
        (row.status, row.since) = (Status::Dead, cx.now);
        let hash = row.hash;
        self.live -= 1;
        self.sums.subtract(id, hash);
        self.cases.close(id);
        self.departed.enter(id, Some(record.clone()), cx.now);
        self.counters.deaths += 1;
        cx.emit(Event::Dead(id));
        cx.emit(Event::Heard(id, cx.wall.since(accusation.written)));
        self.note_accusation(cx, accusation);
        if accusation.accuser == cx.me {
            self.tell(cx, id, News::Accusation(record.clone())); // if it can still hear, let it answer
        }
        self.spread(cx, News::Accusation(record));
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
            what: Said::Charged(accusation.charge),
            written: accusation.written,
            heard: cx.now,
            incarnation: accusation.incarnation,
            evidence: Some(accusation.evidence),
        });
    }

    fn arm_suspicion(&mut self, cx: Ctx<K>) {
        let Some(&(end, _)) = self.cases.ends.first() else { return };
        if self.cases.armed.is_none_or(|armed| end < armed) {
            self.cases.armed = Some(end);
            cx.after(end.since(cx.now), Timer::Suspicion { due: end });
        }
    }

    /// The earliest suspicion may have ended.
    pub(super) fn on_suspicion_due(&mut self, cx: Ctx<K>, due: Time) {
        if self.cases.armed != Some(due) {
            return; // an earlier one was armed since
        }
        self.cases.armed = None;
        self.note_stall(cx, due);
        while let Some(&(end, id)) = self.cases.ends.first() {
            if end > cx.now {
                break;
            }
            let case = &self.cases.open[&id];
            let evidence = Evidence {
                confirmations: (case.accusers.len() - 1).min(255) as u8,
                waited_ms: cx.now.since(case.since).as_millis() as u32,
                ..Evidence::default()
            };
            self.cases.ends.remove(&(end, id));
            self.accuse(cx, id, Charge::Dead, evidence);
            self.cases.close(id); // also where the verdict was not taken
        }
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
        let ends: Vec<_> = core::mem::take(&mut self.cases.ends).into_iter().collect();
        for (end, id) in ends {
            let later = end + late;
            self.cases.open.get_mut(&id).expect("each end has its case").end = later;
            self.cases.ends.insert((later, id));
        }
        self.cases.armed = None;
        self.arm_suspicion(cx);
        true
    }
}
