//! Bans, what is compared of them, and what is kept.

use super::{Seed, all_of};
use rumormill_core::NodeId;
use rumormill_core::identity::Unsigned;
use rumormill_core::payload::Payload;
use rumormill_core::record::Record;
use rumormill_protocols::agree::bans::{Ban, Kept, Known, Message, Signed};

fn signed(id: u64, lifted: bool) -> Signed {
    let (id, by) = (NodeId(id), NodeId(0x1111_2222_3333_4444));
    let reason = Payload::from(&b"it answers for others"[..]);
    let ban = Ban { id, version: 1_763_800_000_000, lifted, by, reason, name: None };
    Signed(Record::signed(ban, &Unsigned))
}

/// One of each message, and what the data directory keeps.
pub fn bans() -> Vec<Seed> {
    let known = |id| Known { id: NodeId(id), version: 1_763_800_000_000, lifted: id % 2 == 0, by: NodeId(7) };
    let both = || vec![signed(0xaaaa_bbbb_cccc_dddd, false), signed(0x0123_4567_89ab_cdef, true)];
    let messages = [
        ("sum", Message::Sum(0x1122_3344_5566_7788)),
        ("have", Message::Have { known: vec![known(0x0123_4567_89ab_cdef), known(8)], answers: false }),
        ("have-nothing", Message::Have { known: Vec::new(), answers: true }),
        ("give", Message::Give(both())),
        ("give-nothing", Message::Give(Vec::new())),
    ];
    let kept = [("two", Kept { bans: both() }), ("empty", Kept::default())];
    [all_of("bans", &messages), all_of("kept-bans", &kept)].concat()
}
