//! The events' entry in the catalog.

use super::{Config, Digest, EventId, Events, Flags, Item, Message, Row, SEQ_MAX, Scope, Source, Span, Want};
use crate::catalog::Catalogued;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;

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
    Want { source: SOURCE, spans: alloc::vec![Span { from: 1, to: 1 }, Span { from: 3, to: 70_000 }] }
}

fn digest(rows: Vec<Row>, scope: Scope, next: Option<Source>) -> Message {
    let rest = 0x8877_6655_4433_2211;
    Message::Digest(Box::new(Digest { rows, scope, rest, after: next, next, joined: true, waits: None }))
}

impl Catalogued for Events {
    type Config = Config;
    const NAME: &'static str = "events";
    const ABOUT: &'static str =
        "application events: pushed at once, repaired in pairs, in the order of their origin";
    const PAPER: &'static str = "Demers 1987, sections 1.3 and 1.4; Birman 1999 (bimodal multicast)";
    const COST: &'static str = "ln(4n) pushes per event, and one sum per period";

    fn start(config: &Arc<Config>, _: NodeId, life: Life) -> Events {
        Events::new(config.clone(), life)
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let coalescing = Flags::UNORDERED.and(Flags::COALESCE);
        let blank = || Row { source: SOURCE, low: 1, top: 0, gaps: Vec::new() };
        alloc::vec![
            ("push", Message::Push { item: item(Flags::NONE), turn: 3 }),
            ("push-flags", Message::Push { item: item(coalescing), turn: 0 }),
            ("have", Message::Have { id: ID, turn: 31 }),
            ("knew", Message::Knew { id: ID, turn: 3 }),
            ("root", Message::Root { root: 0x1122_3344_5566_7788 }),
            (
                "digest",
                digest(alloc::vec![row(&[]), row(&[(1_200, 1_200), (1_300, 1_400)])], Scope::Recent, None)
            ),
            ("digest-page", digest(alloc::vec![blank(), row(&[])], Scope::Page, Some(SOURCE))),
            ("digest-small", digest((0..20).map(|_| blank()).collect(), Scope::Answer, None)),
            ("digest-empty", digest(Vec::new(), Scope::Page, None)),
            ("more", Message::More { after: Some(SOURCE), joining: None }),
            ("want", Message::Want { wants: alloc::vec![want(), want()] }),
            (
                "give",
                Message::Give {
                    items: alloc::vec![item(Flags::UNORDERED), void()],
                    left: alloc::vec![want()]
                }
            ),
            ("give-small", Message::Give { items: (1..20).map(smallest).collect(), left: Vec::new() }),
            ("cover", Message::Cover { id: ID }),
            ("covered", Message::Covered { id: ID, held: true }),
            ("more-joining", Message::More { after: None, joining: Some(true) }),
        ]
    }
}
