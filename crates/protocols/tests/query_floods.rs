//! What a member that asks too much costs those it asks.

use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::{Cx, Input, Output, Protocol};
use rumormill_core::time::{Duration, Time, Wall};
use rumormill_core::wire;
use rumormill_protocols::spread::queries::*;

const SECOND: Duration = Duration::from_secs(1);
/// Four gibi-milliseconds: what a question can ask for at most.
const DAYS_49: u32 = u32::MAX;

/// A member that is asked, and what it told.
struct Asked {
    node: Queries,
    told: Vec<QueryId>,
}

impl Asked {
    fn new() -> Asked {
        Asked { node: Queries::new(Config::default(), Life::default()), told: Vec::new() }
    }

    fn handle(&mut self, now: Time, input: Input<Queries>) -> Vec<Output<Queries>> {
        let (mut rng, mut said) = (rumormill_core::rng::Rng::seeded(1), Vec::new());
        let mut out = |output| said.push(output);
        let (wall, me, peers) = (Wall(now.0 / 1_000_000), NodeId(0), &Peers::default());
        self.node.handle(&mut Cx { now, wall, me, peers, rng: &mut rng, room: 0, out: &mut out }, input);
        said
    }

    /// Hears a question, and says that it is meant.
    fn hears(&mut self, now: Time, asker: u64, number: u64, timeout_ms: u32) {
        let id = QueryId { asker: NodeId(asker), epoch: 1, number };
        let asked = Wall(now.0 / 1_000_000);
        let (filter, body) = (Payload::EMPTY, Payload::EMPTY);
        let mut payload = Vec::new();
        wire::put(&Question { id, timeout_ms, spread_ms: 0, asked, filter, body }, &mut payload);
        let heard = Call::Heard { name: Payload::from(&b"load"[..]), payload: Payload::from(&payload[..]) };
        for said in self.handle(now, Input::Call(heard)) {
            if let Output::Event(Event::Asked { id, left, .. }) = said {
                assert!(left <= TIMEOUT_MAX, "{left:?} are left");
                self.told.push(id);
                self.handle(now, Input::Call(Call::Accept(id)));
            }
        }
    }
}

#[test]
fn a_question_for_49_days_is_over_after_ten_minutes_and_is_refused_where_it_is_asked() {
    let mut member = Asked::new();
    let start = Time::ZERO + SECOND;
    for (number, timeout_ms) in [DAYS_49, 600_001, 3_600_000].into_iter().enumerate() {
        member.hears(start, 7, number as u64 + 1, timeout_ms);
    }
    assert_eq!(member.node.asked_len(), 3);
    member.hears(start + TIMEOUT_MAX + SECOND, 8, 1, 1_000);
    assert_eq!(member.node.asked_len(), 1, "those of before are over");
    for (timeout, is_refused) in
        [(Duration::from_millis(DAYS_49.into()), true), (TIMEOUT_MAX + SECOND, true), (TIMEOUT_MAX, false)]
    {
        let (name, filter, body) = (Payload::from(&b"load"[..]), Payload::EMPTY, Payload::EMPTY);
        let ask = Ask { ticket: 1, name, filter, body, timeout, expected: 1 };
        let said = member.handle(start, Input::Call(Call::Ask(ask)));
        let refused =
            said.iter().any(|it| matches!(it, Output::Event(Event::Refused { why: Refusal::TooSlow, .. })));
        assert_eq!(refused, is_refused, "{timeout:?}");
    }
}

#[test]
fn one_asker_or_a_few_cannot_take_the_places_of_all_others() {
    let config = Config::default();
    for floods in [1, 3, 8] {
        let mut member = Asked::new();
        for number in 1..=2_000 {
            (0..floods).for_each(|asker| member.hears(Time::ZERO + SECOND, 100 + asker, number, DAYS_49));
        }
        assert!(member.node.asked_len() <= config.asked_max);
        member.told.clear();
        (1..=40).for_each(|asker| member.hears(Time::ZERO + 2 * SECOND, asker, 1, 10_000));
        assert_eq!(member.told.len(), 40, "all others are heard, beside {floods}");
        // And what they asked is still known when the flood goes on.
        (0..floods).for_each(|asker| member.hears(Time::ZERO + 3 * SECOND, 100 + asker, 9_999, DAYS_49));
        member.told.clear();
        (1..=40).for_each(|asker| member.hears(Time::ZERO + 4 * SECOND, asker, 1, 10_000));
        assert!(member.told.is_empty(), "they were told of a question twice: {:?}", member.told);
        assert!(member.node.counters().shed_asked > 0);
    }
}
