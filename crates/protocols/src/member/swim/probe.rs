//! The failure detector: one member a period, directly, through helpers, over the stream (SWIM, section 3.1; Lifeguard, IV-A).

use super::record::Charge;
use super::*;
use alloc::vec::Vec;
use rumormill_core::identity::Life;
use rumormill_core::time::{Duration, Wall};

/// Probes in flight: one of the round, up to three out of turn, one of a departed member, one to settle a doubt, the rest by hand.
const PROBES_MAX: usize = 16;
/// Errands for others in flight; more are refused and counted.
const RELAYS_MAX: usize = 256;
/// Members that wait to be probed out of turn.
const DOUBTFUL_MAX: usize = 64;
/// Members that are probed out of turn in one period (our guess: a member that crashes takes up to three helpers of one probe with it).
const EXTRA_PROBES_MAX: usize = 3;
/// A helper gives up so far into the time-out at the latest (Lifeguard, section IV-A: 80 %), so that its nack still counts.
const NACK_SHARE: f64 = 0.8;
/// And sooner where round trips are short: it waits so many times as long as for a direct probe of its own (our guess).
const NACK_PATIENCE: u32 = 2;

/// Whoever was never measured is waited for so many times as long as the slowest of the others (our guess: it may be farther away than any).
const UNMEASURED_PATIENCE: u64 = 2;
/// The slowest is forgotten by one part in so many with each round trip that is measured (our guess: a minute or two).
const SLOWEST_FADES: u64 = 64;

/// Probes and errands in flight.
#[derive(Default)]
pub(super) struct Probes {
    mine: Vec<Probe>,
    relays: Vec<Relay>,
    /// Who is to be probed out of turn, and why: suspects of others, and helpers that did not answer.
    doubtful: VecDeque<(NodeId, Kind)>,
    /// When this node last heard any member.
    heard: Time,
    /// The number of the present period, by the wall clock or nearly so.
    turn: u64,
    /// The longest that a direct probe of anybody should have taken lately, in microseconds.
    slowest_us: u64,
}

#[derive(Clone)]
struct Probe {
    kind: Kind,
    target: NodeId,
    nonce: u64,
    started: Time,
    /// The target's card when the probe started.
    version: Option<(Life, u64)>,
    helpers: u8,
    nacks: u8,
    /// Helpers that have not answered.
    silent: Vec<NodeId>,
    answered: bool,
    /// It has been taken for failed already.
    failed: bool,
}

/// Why a member is probed.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It is its turn.
    Round,
    /// Somebody else suspects it.
    Suspect,
    /// Asked as a helper, it did not answer.
    Silent,
    /// It is dead, perhaps not for ever.
    Departed,
    /// Its root hash differed.
    Doubt,
    /// The application asked.
    Call,
}

impl Kind {
    /// Whether a member that does not answer such a probe is accused.
    fn detects(self) -> bool {
        matches!(self, Kind::Round | Kind::Suspect | Kind::Silent)
    }
}

struct Relay {
    nonce: u64,
    asker: NodeId,
    askers_nonce: u64,
    target: NodeId,
}

impl Probes {
    /// When this node last heard any member.
    pub(super) fn heard(&self) -> Time {
        self.heard
    }

    /// The probes of `target` that are under way say nothing about this node's own health.
    pub(super) fn discount(&mut self, target: NodeId) {
        self.mine.iter_mut().filter(|probe| probe.target == target).for_each(|probe| probe.failed = true);
    }
}

impl<K: Keys> Swim<K> {
    /// The probes of a new period.
    pub(super) fn start_probes(&mut self, cx: Ctx<K>) {
        self.probes.turn = turn_after(self.probes.turn, cx.wall, self.config.period);
        let member_table = &self.member_table;
        let is_live = |id| member_table.get(id).is_some_and(table::Row::is_live);
        let next = match self.config.probe_turns {
            true => self.probe_order.in_turn(cx.me, self.probes.turn, self.live, is_live),
            false => self.probe_order.next(cx.rng, is_live),
        };
        if let Some(target) = next {
            self.probe(cx, target, Kind::Round);
        }
        let most = if self.config.lifeguard { EXTRA_PROBES_MAX } else { 1 };
        let mut extra = 0;
        while extra < most
            && let Some((id, kind)) = self.probes.doubtful.pop_front()
        {
            let is_open = self.is_live(id) && (kind == Kind::Silent || self.cases.against(id).is_some());
            if is_open && !self.cases.is_accuser(id, cx.me) && Some(id) != next {
                extra += usize::from(self.probe(cx, id, kind));
            }
        }
    }

    /// One more member to look at in the next period.
    pub(super) fn probe_next(&mut self, id: NodeId, kind: Kind) {
        let doubtful = &mut self.probes.doubtful;
        if doubtful.len() < DOUBTFUL_MAX && doubtful.iter().all(|(other, _)| *other != id) {
            doubtful.push_back((id, kind));
        }
    }

    /// The application wants to know.
    pub(super) fn on_ping_call(&mut self, cx: Ctx<K>, id: NodeId) {
        if id == cx.me {
            return cx.emit(Event::Pong(id, Some(Duration::ZERO)));
        }
        if self.member_table.get(id).is_none() || !self.probe(cx, id, Kind::Call) {
            self.counters.requests_refused += 1;
            cx.emit(Event::Pong(id, None));
        }
    }

    /// Sends a ping; false if too many are in flight.
    pub(super) fn probe(&mut self, cx: Ctx<K>, target: NodeId, kind: Kind) -> bool {
        if self.probes.mine.len() >= PROBES_MAX || self.banned.contains(&target) {
            return false;
        }
        let nonce = cx.rng.next();
        let version = self.member_table.get(target).map(|row| row.card.value().version());
        self.counters.probes += 1;
        self.probes.mine.push(Probe {
            kind,
            target,
            nonce,
            started: cx.now,
            version,
            helpers: 0,
            nacks: 0,
            silent: Vec::new(),
            answered: false,
            failed: false,
        });
        cx.send(target, Message::Ping { nonce, stream: false });
        if self.config.lifeguard
            && let Some(accusation) = self.cases.against(target).cloned()
        {
            self.tell(cx, target, News::Accusation(accusation)); // the buddy system
        }
        if kind.detects() {
            self.cases.probed(target, cx.now);
        }
        if kind != Kind::Departed {
            cx.after(self.timeout_for(target), Timer::Timeout(nonce));
        }
        true
    }

    /// How long a direct probe of `target` may take: as its round trips suggest (RFC 6298, section 2.3: SRTT + 4·RTTVAR),
    /// within bounds, and longer the less this node trusts itself.
    fn timeout_for(&self, target: NodeId) -> Duration {
        self.round_trip_of(target) * self.health.multiplier()
    }

    /// How long an answer of `target` may take, as far as this node trusts itself.
    pub(super) fn round_trip_of(&self, target: NodeId) -> Duration {
        let config = &self.config;
        match self.member_table.get(target) {
            Some(row) if row.srtt_us > 0 => {
                Duration::from_micros(row.rto_us()).clamp(config.probe_timeout_min, config.probe_timeout)
            }
            _ if self.probes.slowest_us > 0 => {
                let rto = self.probes.slowest_us * UNMEASURED_PATIENCE;
                Duration::from_micros(rto).clamp(config.probe_timeout_min, config.probe_timeout)
            }
            _ => config.probe_timeout,
        }
    }

    /// Any message of a member, whatever its state, shows that this node is not cut off from everybody.
    pub(super) fn note_heard(&mut self, cx: Ctx<K>, from: NodeId) {
        if self.member_table.get(from).is_some() {
            self.probes.heard = cx.now;
            self.health.heard();
        }
    }

    /// Somebody asks whether I am there.
    pub(super) fn on_ping(&mut self, cx: Ctx<K>, from: NodeId, nonce: u64, stream: bool) {
        let ack = Message::Ack { nonce, stream, root: self.sums.root };
        if stream {
            cx.stream(from, ack)
        } else {
            cx.send(from, ack)
        }
        self.hear(cx, from);
    }

    /// A sign of life, directly from `from`. If it is held to be suspect or dead, it is told, so that it can answer.
    fn hear(&mut self, cx: Ctx<K>, from: NodeId) {
        let Some(row) = self.member_table.get_mut(from) else {
            // It was taken off the list: it hears why, so that it can answer.
            return self.epitaph(from).into_iter().for_each(|news| self.tell(cx, from, news));
        };
        row.heard = cx.now;
        let accusation = match row.status {
            Status::Failed => self.departed.verdict(from),
            Status::Suspect => self.cases.against(from),
            Status::Alive | Status::Left => None,
        };
        if let Some(accusation) = accusation.cloned() {
            self.tell(cx, from, News::Accusation(accusation));
        }
    }

    /// An answer to a probe of mine, or to an errand for another.
    pub(super) fn on_ack(&mut self, cx: Ctx<K>, from: NodeId, nonce: u64, stream: bool, root: u64) {
        if let Some(at) =
            self.probes.relays.iter().position(|relay| relay.nonce == nonce && relay.target == from)
        {
            let relay = self.probes.relays.swap_remove(at);
            return cx.send(relay.asker, Message::Relayed { nonce: relay.askers_nonce });
        }
        let Some(probe) =
            self.probes.mine.iter_mut().find(|probe| probe.nonce == nonce && probe.target == from)
        else {
            if self.cases.is_pinged(from, nonce) {
                self.note_answer(cx, from);
                self.hear(cx, from);
            }
            return; // else it is too late, or repeated
        };
        let (kind, rtt, again) = (probe.kind, cx.now.since(probe.started), probe.answered);
        probe.answered = true;
        if let Some(row) = self.member_table.get_mut(from) {
            if !stream && !again {
                row.measured(rtt);
                let slowest = self.probes.slowest_us;
                self.probes.slowest_us = row.rto_us().max(slowest - slowest / SLOWEST_FADES);
                cx.emit(Event::RoundTrip(from, rtt));
            }
            row.stream_only = stream && (row.stream_only || !again);
        }
        self.note_answer(cx, from);
        self.hear(cx, from);
        if !again && kind == Kind::Call {
            cx.emit(Event::Pong(from, Some(rtt)));
        }
        if root == self.sums.root {
            self.on_same_root(from);
        } else {
            self.on_other_root(cx, from, kind, root);
        }
    }

    /// The direct probe has had its time: helpers, and the stream beside them, in case datagrams alone are blocked.
    pub(super) fn on_timeout(&mut self, cx: Ctx<K>, nonce: u64) {
        let Some(at) = self.probes.mine.iter().position(|probe| probe.nonce == nonce && !probe.answered)
        else {
            return;
        };
        let (target, kind) = (self.probes.mine[at].target, self.probes.mine[at].kind);
        if kind == Kind::Doubt {
            return; // not worth anybody's errand
        }
        let helpers = self.sample(cx, self.config.helpers, Some(target));
        self.probes.mine[at].helpers = helpers.len() as u8;
        self.probes.mine[at].silent = helpers.clone();
        for helper in helpers {
            self.counters.indirect_probes += 1;
            cx.send(helper, Message::PingReq { nonce, target });
        }
        self.counters.stream_probes += 1;
        cx.stream(target, Message::Ping { nonce, stream: true });
    }

    /// An errand for another member.
    pub(super) fn on_ping_req(&mut self, cx: Ctx<K>, asker: NodeId, askers_nonce: u64, target: NodeId) {
        self.hear(cx, asker);
        if target == cx.me {
            return cx.send(asker, Message::Relayed { nonce: askers_nonce });
        }
        if self.probes.relays.len() >= RELAYS_MAX || self.member_table.get(target).is_none() {
            self.counters.requests_refused += 1;
            return;
        }
        let nonce = cx.rng.next();
        self.probes.relays.push(Relay { nonce, asker, askers_nonce, target });
        cx.send(target, Message::Ping { nonce, stream: false });
        let latest = self.config.probe_timeout.mul_f64(NACK_SHARE);
        cx.after(latest.min(NACK_PATIENCE * self.round_trip_of(target)), Timer::Nack(nonce));
    }

    /// The target of an errand did not answer in time.
    pub(super) fn on_nack_due(&mut self, cx: Ctx<K>, nonce: u64) {
        let Some(at) = self.probes.relays.iter().position(|relay| relay.nonce == nonce) else { return };
        let relay = self.probes.relays.swap_remove(at);
        if self.config.lifeguard {
            self.counters.nacks_sent += 1;
            cx.send(relay.asker, Message::Nack { nonce: relay.askers_nonce });
        }
    }

    /// A helper reached the target.
    pub(super) fn on_relayed(&mut self, cx: Ctx<K>, nonce: u64) {
        let Some(probe) = self.probes.mine.iter_mut().find(|probe| probe.nonce == nonce) else { return };
        let first = !core::mem::replace(&mut probe.answered, true);
        if first && probe.kind == Kind::Call {
            let (target, took) = (probe.target, cx.now.since(probe.started));
            cx.emit(Event::Pong(target, Some(took)));
        }
    }

    /// A helper did not reach it, but this node hears the helper. Ours: when none of them did, there is nothing to wait for until the period ends. An answer
    /// that comes after all is told of the suspicion, and refutes it.
    pub(super) fn on_nack(&mut self, cx: Ctx<K>, from: NodeId, nonce: u64) {
        let Some(at) = self.probes.mine.iter().position(|probe| probe.nonce == nonce) else { return };
        let probe = &mut self.probes.mine[at];
        let Some(helper) = probe.silent.iter().position(|helper| *helper == from) else { return };
        probe.silent.swap_remove(helper);
        probe.nacks += 1;
        let is_settled = probe.answered || probe.failed || !probe.kind.detects();
        let is_late = cx.now.since(probe.started) >= self.config.period;
        if !is_settled && !is_late && probe.helpers > 0 && probe.nacks == probe.helpers {
            probe.failed = true;
            let probe = probe.clone();
            self.probe_failed(cx, &probe);
        }
    }

    /// What the last period's probes came to. Those of this very moment stay open.
    pub(super) fn settle_probes(&mut self, cx: Ctx<K>, stalled: bool) {
        let (done, open) = core::mem::take(&mut self.probes.mine)
            .into_iter()
            .partition::<Vec<_>, _>(|probe| cx.now.since(probe.started) >= self.config.period / 2);
        self.probes.mine = open;
        for probe in done {
            match (probe.kind, probe.answered) {
                (kind, true) if kind.detects() => self.health.succeeded(),
                (kind, false) if kind.detects() && !stalled && !probe.failed => self.probe_failed(cx, &probe),
                (Kind::Call, false) => cx.emit(Event::Pong(probe.target, None)),
                _ => {}
            }
        }
    }

    fn probe_failed(&mut self, cx: Ctx<K>, probe: &Probe) {
        // Ours: who has spoken for itself since the probe started, by a restart or a refutation, is not accused of its past.
        if self.member_table.get(probe.target).map(|row| row.card.value().version()) != probe.version {
            return;
        }
        // Ours: a silent helper may have crashed together with the target, so its silence says nothing about this node. Silence from everybody does.
        if probe.kind == Kind::Round && self.probes.heard < probe.started {
            self.health.heard_nobody();
        }
        for helper in &probe.silent {
            let is_unheard = self.member_table.get(*helper).is_some_and(|row| row.heard < probe.started);
            if self.config.lifeguard && is_unheard {
                self.probe_next(*helper, Kind::Silent);
            }
        }
        self.counters.probes_failed += 1;
        if !self.is_live(probe.target) {
            return;
        }
        cx.emit(Event::ProbeFailed { target: probe.target, started: probe.started });
        let evidence = Evidence {
            helpers: probe.helpers,
            nacks: probe.nacks,
            waited_ms: cx.now.since(probe.started).as_millis() as u32,
            ..Evidence::default()
        };
        let charge = if self.config.suspicion { Charge::Suspect } else { Charge::Failed };
        self.accuse(cx, probe.target, charge, evidence);
    }
}

/// The number of the turn that begins now. Turns are numbered by the wall clock, so that all members are at the same one; but who ticks close to
/// the border of two neither skips nor repeats any: it counts on for as long as it is off by half a period at most.
fn turn_after(last: u64, wall: Wall, period: Duration) -> u64 {
    let halves = wall.0.saturating_mul(2) / (period.as_millis() as u64).max(1);
    let next = last.saturating_add(1);
    // Turn t takes the halves 2t and 2t+1; one more on either side is near enough.
    let is_near = (halves.saturating_add(1) / 2).wrapping_sub(next) <= 1;
    if is_near { next } else { halves / 2 }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Wall, turn_after};
    use rumormill_core::rng::Rng;

    const PERIOD: Duration = Duration::from_millis(1_000);

    #[test]
    fn a_tick_near_a_border_neither_skips_nor_repeats_a_turn() {
        let mut rng = Rng::seeded(3);
        let base = 1_767_225_600_000;
        let mut turn = turn_after(0, Wall(base), PERIOD);
        assert_eq!(turn, base / 1_000);
        for tick in 1..10_000 {
            let wall = base + tick * 1_000 + rng.below(800) as u64 - 400;
            let next = turn_after(turn, Wall(wall), PERIOD);
            assert_eq!(next, turn + 1, "at {wall}");
            turn = next;
        }
    }

    #[test]
    fn a_clock_that_was_set_is_followed() {
        let turn = turn_after(0, Wall(50_000), PERIOD);
        assert_eq!(turn, 50);
        assert_eq!(turn_after(turn, Wall(900_100), PERIOD), 900);
        assert_eq!(turn_after(turn, Wall(12_900), PERIOD), 12);
        // Ticks that come late for ever do not fall behind.
        let mut turn = turn_after(0, Wall(0), PERIOD);
        for tick in 1..100 {
            turn = turn_after(turn, Wall(tick * 3_000), PERIOD);
            assert!(turn.abs_diff(tick * 3) <= 1, "turn {turn} at tick {tick}");
        }
    }

    #[test]
    fn numbers_without_sense_do_no_harm() {
        for wall in [0, 1, u64::MAX / 2, u64::MAX] {
            for last in [0, 1, u64::MAX / 2 - 2, u64::MAX] {
                let _ = turn_after(last, Wall(wall), Duration::ZERO);
            }
        }
    }
}
