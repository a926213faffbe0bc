//! Nothing that comes in makes a node panic, keep more than its bounds, or say more than its bounds.

use super::*;
use alloc::boxed::Box;
use rumormill_core::protocol::Via;
use rumormill_core::wire;

fn limits() -> Config {
    let certificates = Some(Certificates { active: SECOND, dormant: SECOND, sites: 2, dormant_max: 20 });
    Config {
        certificates,
        entries_max: 50,
        page_bytes_max: 500,
        value_bytes_max: 100,
        answers_max: 8,
        period: SECOND,
        connection_limit: Some(2),
        skew_max: 5 * SECOND,
        ..Config::default()
    }
}

/// Any number, the odd ones more often than others.
fn number(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 => rng.below(20) as u64,
        1 => u64::MAX - rng.below(3) as u64,
        2 => 1 << rng.below(64),
        _ => rng.next(),
    }
}

fn payload(rng: &mut Rng, bytes_max: usize) -> Payload {
    let len = rng.below(bytes_max + 1);
    let first = rng.below(30) as u8;
    Payload::from(&alloc::vec![first; len][..])
}

fn any_stamp(rng: &mut Rng) -> Timestamp {
    let wall = if rng.chance(0.7) { rng.below(20_000) as u64 } else { number(rng) };
    Timestamp { wall: Wall(wall), counter: number(rng) as u32, node: NodeId(number(rng)) }
}

fn any_entry(rng: &mut Rng) -> Entry {
    let key = if rng.chance(0.9) { payload(rng, 3) } else { payload(rng, 400) };
    let stamp = any_stamp(rng);
    match rng.below(3) {
        0 => Entry::death_of(key, stamp, (0..rng.below(18)).map(|id| NodeId(id as u64)).collect()),
        1 => Entry::death_of(key, stamp, Vec::new()).awakened(any_stamp(rng)),
        _ => Entry::value_of(key, stamp, payload(rng, 120)),
    }
}

fn any_entries(rng: &mut Rng) -> Entries {
    let mut entries = Entries::None;
    (0..rng.below(5)).for_each(|_| entries.push(any_entry(rng)));
    entries
}

fn any_span(rng: &mut Rng) -> Option<Box<Span>> {
    let key = |rng: &mut Rng| if rng.chance(0.5) { Payload::EMPTY } else { payload(rng, 3) };
    let (after, cut) = (key(rng), key(rng));
    rng.chance(0.7).then(|| Box::new(Span { from: number(rng), to: number(rng), after, cut }))
}

fn any_turn(rng: &mut Rng) -> Option<Turn> {
    rng.chance(0.5).then(|| Turn { stamp: any_stamp(rng), place: number(rng) })
}

fn any_message(rng: &mut Rng) -> Message {
    let way = *rng.pick(&[Way::Give, Way::Take, Way::Both]).unwrap();
    match rng.below(10) {
        0 => Message::Page { entries: any_entries(rng), span: any_span(rng), way },
        1 => Message::Ask { span: any_span(rng), way },
        2 => {
            let then = match rng.below(3) {
                0 => Then::Pages(payload(rng, 3)),
                1 => Then::Peel,
                _ => Then::Merkle,
            };
            Message::Sum { sum: number(rng), then, way }
        }
        3 => {
            let answers = rng.chance(0.5);
            Message::Recent {
                entries: any_entries(rng),
                sum: number(rng),
                way,
                after: payload(rng, 3),
                answers,
            }
        }
        4 => Message::Peeled(Box::new(Peeled {
            entries: any_entries(rng),
            below: any_turn(rng),
            low: any_turn(rng),
            sum: number(rng),
            pages: number(rng) as u8,
            way,
        })),
        5 => {
            let (below, sum, pages) = (any_turn(rng), number(rng), number(rng) as u8);
            Message::Peel(Box::new(Peel { below, sum, pages, way }))
        }
        6 => {
            let sums = (0..rng.below(18)).map(|_| number(rng)).collect();
            Message::Tree { depth: number(rng) as u8, prefix: number(rng), sums, way }
        }
        7 => Message::Tree {
            depth: rng.below(17) as u8,
            prefix: rng.below(16) as u64,
            sums: (0..16).map(|_| number(rng)).collect(),
            way,
        },
        8 => Message::Connect,
        _ => {
            if rng.chance(0.5) {
                Message::Accept
            } else {
                Message::Refuse
            }
        }
    }
}

#[test]
fn whatever_is_said_to_it_a_node_keeps_its_bounds() {
    for compare in COMPARISONS {
        for direction in DIRECTIONS {
            let config = Config { direction, compare, ..limits() };
            let (mut node, mut rng) = (alone(config), Rng::seeded(6));
            let (mut period, mut answers, mut connects) = (0, 0, 0);
            for step in 0..4_000u64 {
                let ms = step * 5;
                if ms / 1_000 > period {
                    (period, answers, connects) = (ms / 1_000, 0, 0);
                }
                let input = match rng.below(20) {
                    0 => Input::Timer(Timer::Round),
                    1 => {
                        Input::Call(Call::Put { key: payload(&mut rng, 300), value: payload(&mut rng, 120) })
                    }
                    2 => Input::Call(Call::Delete { key: payload(&mut rng, 3) }),
                    _ => Input::Message(NodeId(rng.below(5) as u64), any_message(&mut rng)),
                };
                // Rounds come far too often here, and each may begin a contact.
                let own =
                    matches!(input, Input::Timer(_) | Input::Message(_, Message::Accept | Message::Refuse));
                let connect = matches!(input, Input::Message(_, Message::Connect));
                for output in hand(&mut node, ms, input) {
                    let Output::Send(_, via, message) = output else { continue };
                    assert_eq!(via, Via::Auto);
                    assert!(wire::len(&message) <= 500 + 600, "{} bytes", wire::len(&message));
                    answers += u32::from(!own && !connect);
                    connects += u32::from(matches!(message, Message::Accept));
                }
                // The node's periods begin with their first use, so two may touch one of ours.
                assert!(answers <= 16 && connects <= 4, "{compare:?} {direction:?}: {answers} {connects}");
                assert!(node.len() <= 50 && node.dormant_len() <= 20);
            }
            let counters = node.counters();
            let all = [counters.rejected, counters.overflowed, counters.ahead, counters.unanswered];
            assert!(all.iter().all(|count| *count > 0), "all of it was tried: {counters:?}");
        }
    }
}

#[test]
fn what_was_meant_is_read_and_what_was_changed_is_read_or_refused() {
    let mut rng = Rng::seeded(9);
    let mut read = 0;
    for _ in 0..20_000 {
        let message = any_message(&mut rng);
        let mut bytes = Vec::new();
        wire::put(&message, &mut bytes);
        assert_eq!(bytes.len(), wire::len(&message));
        // More sites than there may be are read by nobody.
        let Ok(again) = wire::decode::<Message>(&bytes) else { continue };
        let mut twice = Vec::new();
        wire::put(&again, &mut twice);
        assert_eq!(bytes, twice, "{message:?}");
        for _ in 0..4 {
            let at = rng.below(bytes.len());
            bytes[at] ^= 1 << rng.below(8);
        }
        if let Ok(message) = wire::decode::<Message>(&bytes) {
            read += 1;
            hand(&mut alone(limits()), 10_000, Input::Message(NodeId(3), message));
        }
    }
    assert!(read > 1_000, "{read} of the changed ones could be read");
}

#[test]
fn pages_are_bounded_and_one_entry_always_goes() {
    for compare in COMPARISONS {
        let config = Config { compare, page_bytes_max: 5_000, period: SECOND, ..Config::default() };
        let mut sim = everyone(World { wire: true, ..World::default() }, 4, 2, &config);
        let value = Payload::from(&[7; 900][..]);
        for n in 0..200 {
            sim.call(NodeId(0), Call::Put { key: numbered(n), value: value.clone() });
        }
        let large = Payload::from(&[8; VALUE_BYTES_MAX][..]);
        sim.call(NodeId(0), Call::Put { key: bytes("large"), value: large });
        run(&mut sim, 60 * SECOND);
        assert_eq!(sim.node(NodeId(1)).len(), 201, "{compare:?}");
        let (sent, over) = (sim.total().stream_messages_sent, sim.total().stream_bytes_sent);
        assert!(sent >= 41, "{compare:?}: {sent} pages of 5 entries");
        // The large one at most once in each conversation.
        let conversations = total(&sim).contacts;
        assert!(over <= sent * 5_200 + conversations * 33_000, "{compare:?}: {over} bytes in {sent} pages");
    }
}
