//! Anti-entropy's entry in the catalog.

use super::{AntiEntropy, Config, Entries, Entry, Message, Peel, Peeled, SITES_MAX, Span, Then, Turn, Way};
use crate::catalog::Catalogued;
use crate::kit::hybrid_clock::Timestamp;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::rng::mix;
use rumormill_core::time::Wall;

const STAMP: Timestamp =
    Timestamp { wall: Wall(1_763_800_000_000), counter: 2, node: NodeId(0x0123_4567_89ab_cdef) };
const TURN: Turn = Turn { stamp: STAMP, place: 0x1122_3344_5566_7788 };
const SUM: u64 = 0x8877_6655_4433_2211;

fn key(name: &str) -> Payload {
    Payload::from(name.as_bytes())
}

fn value() -> Entry {
    Entry::value_of(key("colour"), STAMP, Payload::from(&b"green"[..]))
}

fn death(sites: usize) -> Entry {
    Entry::death_of(key("shape"), STAMP, (0..sites as u64).map(|i| NodeId(i << 32)).collect())
}

/// The least that an entry can be, for which most is allocated per byte.
fn smallest() -> Entry {
    Entry::value_of(key("k"), STAMP, Payload::from(&[0][..]))
}

fn entries(all: impl IntoIterator<Item = Entry>) -> Entries {
    let mut entries = Entries::None;
    all.into_iter().for_each(|entry| entries.push(entry));
    entries
}

impl Catalogued for AntiEntropy {
    type Config = Config;
    const NAME: &'static str = "anti-entropy";
    const ABOUT: &'static str = "stores of keys that become equal by pairs, with death certificates";
    const PAPER: &'static str = "Demers 1987, sections 1.3 and 2; Merkle 1987";
    const COST: &'static str = "one contact: a checksum where nothing differs";

    fn start(config: &Arc<Config>, _: NodeId, _: Life) -> AntiEntropy {
        AntiEntropy::new(config.clone())
    }

    fn in_effect(config: &Config) -> Config {
        let hunt = if config.connection_limit.is_some() { config.hunt } else { Config::default().hunt };
        Config { hunt, ..config.clone() }
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let span = |from, to| Span { from, to, ..Span::WHOLE };
        let cut = Span { after: key("a"), cut: key("b"), ..span(0, u64::MAX) };
        let page = |entries, span: Span, way| Message::Page { entries, span: span.boxed(), way };
        let many = || entries([value(), death(SITES_MAX), death(0), smallest()]);
        let recent =
            |entries, after, answers| Message::Recent { entries, sum: SUM, way: Way::Take, after, answers };
        let peeled = |below, low| Peeled { entries: many(), below, low, sum: SUM, pages: 2, way: Way::Both };
        let tree = |sums| Message::Tree { depth: 2, prefix: 0x1f, sums, way: Way::Both };
        let sum = |then| Message::Sum { sum: SUM, then, way: Way::Both };
        alloc::vec![
            ("page", page(entries([value()]), Span::WHOLE, Way::Give)),
            ("page-span", page(many(), cut.clone(), Way::Both)),
            ("page-small", page(entries((0..20).map(|_| smallest())), Span::WHOLE, Way::Give)),
            ("page-empty", page(Entries::None, span(16, 31), Way::Take)),
            ("ask", Message::Ask { span: cut.boxed(), way: Way::Take }),
            ("sum-pages", sum(Then::Pages(key("colour")))),
            ("sum-peel", sum(Then::Peel)),
            ("sum-merkle", sum(Then::Merkle)),
            ("recent", recent(entries([value()]), Payload::EMPTY, false)),
            ("recent-answer", recent(Entries::None, key("colour"), true)),
            ("peeled", Message::Peeled(Box::new(peeled(Some(TURN), Some(TURN))))),
            ("peeled-whole", Message::Peeled(Box::new(peeled(None, None)))),
            ("peel", Message::Peel(Box::new(Peel { below: Some(TURN), sum: SUM, pages: 1, way: Way::Take }))),
            ("tree", tree((0..16).map(mix).collect())),
            ("tree-sparse", tree((0..16).map(|i| i / 8).collect())),
            ("connect", Message::Connect),
            ("accept", Message::Accept),
            ("refuse", Message::Refuse),
        ]
    }
}
