//! Any bytes, and any messages.

use super::*;
use rumormill_core::protocol::Output;
use rumormill_core::wire;

/// A node that others have told something, and the messages that they sent.
fn traffic(seed: u64) -> Vec<Message> {
    let mut rng = Rng::seeded(seed);
    let number = |rng: &mut Rng| match rng.below(6) {
        0 => rng.next(),
        1 => u64::MAX,
        2 => SEQ_MAX - rng.below(3) as u64,
        3 => 0,
        _ => rng.below(40) as u64,
    };
    let mut messages = Vec::new();
    for _ in 0..400 {
        let source = Source { origin: NodeId(rng.below(5) as u64), epoch: number(&mut rng) % 7 };
        let id = EventId { source, seq: number(&mut rng) };
        let flags = [Flags::NONE, Flags::UNORDERED, Flags::COALESCE, Flags::VOID][rng.below(4)];
        let name = if rng.chance(0.5) { Payload::EMPTY } else { text("name") };
        let item = Item { id, flags, name, payload: Payload::EMPTY };
        let turn = number(&mut rng) as u8;
        let mut spans: Vec<Span> =
            (0..rng.below(4)).map(|_| Span { from: number(&mut rng), to: number(&mut rng) }).collect();
        if rng.chance(0.7) {
            spans
                .iter_mut()
                .for_each(|span| *span = Span { from: span.from.min(span.to), to: span.from.max(span.to) });
            spans.sort_by_key(|span| span.from);
        }
        let want = Want { source, spans: spans.clone() };
        let row = Row { source, low: number(&mut rng), top: number(&mut rng), gaps: spans };
        let scope = [Scope::Recent, Scope::Page, Scope::Answer][rng.below(3)];
        let after = rng.chance(0.5).then_some(source);
        let rest = number(&mut rng);
        let digest = Digest {
            rows: vec![row.clone(), row],
            scope,
            rest,
            after,
            next: after,
            joined: rng.chance(0.5),
            waits: None,
        };
        messages.push(match rng.below(11) {
            0 | 1 => Message::Push { item, turn },
            2 => Message::Have { id, turn },
            3 => Message::Knew { id, turn },
            4 => Message::Root { root: rest },
            5 => Message::Digest(digest.into()),
            6 => Message::More { after, joining: rng.chance(0.3).then_some(true) },
            7 => Message::Want { wants: vec![want.clone(), want] },
            8 => Message::Give { items: vec![item.clone(), item], left: vec![want] },
            9 => Message::Cover { id },
            _ => Message::Covered { id, held: true },
        });
    }
    messages
}

fn small() -> Config {
    Config {
        window_bytes_max: 4_000,
        window_events_max: 20,
        sources_max: 6,
        hot_max: 8,
        holdback_max: 4,
        ..Config::default()
    }
}

fn hand(node: &mut Events, rng: &mut Rng, now: u64, input: Input<Events>) {
    let mut out = |output: Output<Events>| {
        if let Output::Send(_, _, message) = output {
            let len = wire::len(&message);
            assert!(len <= wire::STREAM_MESSAGE_BYTES_MAX + 1_000, "{len} bytes");
            let mut bytes = Vec::new();
            wire::put(&message, &mut bytes);
            assert_eq!(bytes.len(), len);
        }
    };
    let (me, peers) = (NodeId(4), &Peers::Everyone(6));
    let mut cx = Cx { now: Time(now), wall: Wall(0), me, peers, rng, room: 1 << 20, out: &mut out };
    node.handle(&mut cx, input);
}

#[test]
fn no_message_makes_a_node_panic_or_grow() {
    for seed in 0..40 {
        let mut rng = Rng::seeded(seed);
        let mut node = Events::new(small(), life(3));
        node.joined = seed % 2 == 0;
        hand(&mut node, &mut rng, 0, Input::Peer(Change::All));
        for (at, message) in traffic(seed).into_iter().enumerate() {
            let now = at as u64 * 50_000_000;
            hand(&mut node, &mut rng, now, Input::Message(NodeId(at as u64 % 6), message));
            let timer =
                [Timer::Flush, Timer::Round, Timer::Repair, Timer::Cover, Timer::Join][at % 5].clone();
            hand(&mut node, &mut rng, now, Input::Timer(timer));
            if at % 9 == 0 {
                hand(&mut node, &mut rng, now, Input::Call(Call::Publish(event(at as u64))));
            }
            assert!(node.window_bytes() <= 4_000 && node.window_events() <= 20, "seed {seed}");
            assert!(node.hot_len() <= 9 && node.window.iter().count() <= 6 + EPOCHS_MAX, "seed {seed}");
            let positions = node.positions();
            assert!(positions.list.iter().all(|position| position.beyond.len() <= HOLES_MAX));
            Events::resume(small(), life(9), &positions);
            let sum = node.window.iter().fold(0u64, |sum, (source, log)| sum.wrapping_add(log.mark(source)));
            assert_eq!(node.root(), sum, "the sums are kept");
            for (_, log) in node.window.iter() {
                assert_eq!(log.waiting, log.held.range(log.cursor..).count(), "seed {seed}");
                assert_eq!(log.bytes, log.held.values().map(Item::cost).sum::<usize>());
                assert!(log.holes.is_sorted_by(|a, b| a.span.to < b.span.from), "{:?}", log.holes);
                assert!(log.holes.iter().all(|hole| log.floor <= hole.span.from && hole.span.to <= log.top));
            }
        }
    }
}

#[test]
fn no_bytes_make_a_reader_panic_and_what_is_written_is_read() {
    for seed in 0..20 {
        let mut rng = Rng::seeded(seed);
        for message in traffic(seed) {
            let mut bytes = Vec::new();
            wire::put(&message, &mut bytes);
            let again: Message = wire::decode(&bytes).unwrap();
            assert_eq!(format!("{again:?}"), format!("{message:?}"));
            for _ in 0..20 {
                let mut broken = bytes.clone();
                let at = rng.below(broken.len());
                broken[at] ^= 1 << rng.below(8);
                broken.truncate(1 + rng.below(broken.len()));
                let mut rest = &broken[..];
                if let Ok(message) = wire::get::<Message>(&mut rest) {
                    let mut node = Events::new(small(), life(3));
                    hand(&mut node, &mut rng, 1, Input::Message(NodeId(1), message));
                }
            }
            let noise: Vec<u8> = (0..rng.below(60)).map(|_| rng.next() as u8).collect();
            let _ = wire::get::<Message>(&mut &noise[..]);
        }
    }
}
