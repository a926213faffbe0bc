//! Messages of application events.

use super::{Seed, all_of, bytes};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_protocols::spread::events::{
    Digest, EventId, Flags, Item, Message, Row, SEQ_MAX, Scope, Source, Span, Want,
};

const SOURCE: Source = Source { origin: NodeId(0x0123_4567_89ab_cdef), epoch: 3 };
const ID: EventId = EventId { source: SOURCE, seq: 1_700 };

fn text(text: &str) -> Payload {
    Payload::from(text.as_bytes())
}

fn item(flags: Flags) -> Item {
    Item { id: ID, flags, name: text("deploy"), payload: text("v1.2.3 to production") }
}

/// The least that an event can be, for which most is allocated per byte.
fn smallest(seq: u64) -> Item {
    let source = Source { origin: NodeId(1), epoch: 0 };
    Item { id: EventId { source, seq }, flags: Flags::NONE, name: text("n"), payload: text("p") }
}

fn void() -> Item {
    Item { flags: Flags::VOID, name: Payload::EMPTY, payload: Payload::EMPTY, ..item(Flags::NONE) }
}

fn row(gaps: &[(u64, u64)]) -> Row {
    let gaps = gaps.iter().map(|(from, to)| Span { from: *from, to: *to }).collect();
    Row { source: SOURCE, low: 1_000, top: SEQ_MAX, gaps }
}

fn want() -> Want {
    Want { source: SOURCE, spans: vec![Span { from: 1, to: 1 }, Span { from: 3, to: 70_000 }] }
}

fn digest(rows: Vec<Row>, scope: Scope, next: Option<Source>) -> Message {
    let rest = 0x8877_6655_4433_2211;
    Message::Digest(Box::new(Digest { rows, scope, rest, after: next, next, joined: true }))
}

/// One of each message of the events, and some more.
pub fn events() -> Vec<Seed> {
    let coalescing = Flags::UNORDERED.and(Flags::COALESCE);
    let blank = || Row { source: SOURCE, low: 1, top: 0, gaps: Vec::new() };
    let messages = [
        ("push", Message::Push { item: item(Flags::NONE), turn: 3 }),
        ("push-flags", Message::Push { item: item(coalescing), turn: 0 }),
        ("have", Message::Have { id: ID, turn: 31 }),
        ("knew", Message::Knew { id: ID, turn: 3 }),
        ("root", Message::Root { root: 0x1122_3344_5566_7788 }),
        ("digest", digest(vec![row(&[]), row(&[(1_200, 1_200), (1_300, 1_400)])], Scope::Recent, None)),
        ("digest-page", digest(vec![blank(), row(&[])], Scope::Page, Some(SOURCE))),
        ("digest-small", digest((0..20).map(|_| blank()).collect(), Scope::Answer, None)),
        ("digest-empty", digest(Vec::new(), Scope::Page, None)),
        ("more", Message::More { after: Some(SOURCE), joining: None }),
        ("want", Message::Want { wants: vec![want(), want()] }),
        ("give", Message::Give { items: vec![item(Flags::UNORDERED), void()], left: vec![want()] }),
        ("give-small", Message::Give { items: (1..20).map(smallest).collect(), left: Vec::new() }),
        ("cover", Message::Cover { id: ID }),
        ("covered", Message::Covered { id: ID, held: true }),
    ];
    let mut seeds = all_of("events", &messages);
    // Younger than the datagram of all, whose golden bytes stay as they are.
    seeds.push(("events-more-joining".into(), bytes(&Message::More { after: None, joining: Some(true) })));
    seeds
}
