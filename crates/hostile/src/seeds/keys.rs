//! Orders about keys, what one says who was away, and what is kept of keys.

use super::{Seed, all_of};
use rumormill_core::payload::Payload;
use rumormill_core::time::Wall;
use rumormill_protocols::agree::keys::{
    Away, Back, Kept, Letter, Message, Order, Record, Removed, Report, SECRET_BYTES, Secret,
};

fn secret(n: u8) -> Secret {
    Secret([n; SECRET_BYTES])
}

/// One of each message, content and record of keys.
pub fn keys() -> Vec<Seed> {
    let order = |order| Message::Order { serial: 0x1122_3344_5566_7788, order };
    let report = |keys: &[u64], kept, refusal, note| {
        let report = Report::new(keys, kept, refusal, note);
        Message::Report { serial: 0x1122_3344_5566_7788, report }
    };
    let messages = [
        ("list", order(Order::List)),
        ("install", order(Order::Install(secret(7)))),
        ("use", order(Order::Use(0x0123_4567_89ab_cdef))),
        ("remove", order(Order::Remove { fingerprint: 0x0123_4567_89ab_cdef, revoke: true })),
        ("report", report(&[0x0123_4567_89ab_cdef, 9], Kept::File, "", "")),
        ("report-refused", report(&[9], Kept::Store, "no such key", "the key file cannot be written")),
        ("report-empty", report(&[], Kept::Nowhere, "", "")),
    ];
    let away = Away { public: [1; 32].into(), half: [2; 32].into(), proof: [3; 64].into() };
    let sealed = Payload::from(&[4; 80][..]);
    let back = Back { public: [1; 32].into(), half: [2; 32].into(), proof: [3; 64].into(), sealed };
    let letters =
        [("two", Letter { keys: vec![secret(1), secret(2)] }), ("empty", Letter { keys: Vec::new() })];
    let removed = Removed { key: secret(3), until: Wall(1_763_800_000_000) };
    let records = [
        (
            "full",
            Record { removed: vec![removed], ring: vec![secret(1)], file: vec![9, 0x0123_4567_89ab_cdef] },
        ),
        ("empty", Record::default()),
    ];
    [
        all_of("keys", &messages),
        all_of("away", &[("one", away)]),
        all_of("back", &[("one", back)]),
        all_of("letter", &letters),
        all_of("kept-keys", &records),
    ]
    .concat()
}
