//! What protocols write besides their messages: records in the data directory, and the contents of packets of their own.

use super::{Seed, all_of};
use rumormill_core::NodeId;
use rumormill_core::identity::Unsigned;
use rumormill_core::payload::Payload;
use rumormill_core::record::Record;
use rumormill_core::time::Wall;
use rumormill_protocols::agree::bans::{Ban, Kept, Signed};
use rumormill_protocols::agree::keys::{
    self, GrantedKeys, RecoveryGrant, RecoveryRequest, Removed, SECRET_BYTES, Secret,
};

fn signed(id: u64, lifted: bool) -> Signed {
    let (id, by) = (NodeId(id), NodeId(0x1111_2222_3333_4444));
    let reason = Payload::from(&b"it answers for others"[..]);
    let ban = Ban { id, version: 1_763_800_000_000, lifted, by, reason, name: None };
    Signed(Record::signed(ban, &Unsigned))
}

/// The bans in the data directory.
fn kept_bans() -> Vec<Seed> {
    let both = vec![signed(0xaaaa_bbbb_cccc_dddd, false), signed(0x0123_4567_89ab_cdef, true)];
    all_of("kept-bans", &[("two", Kept { bans: both }), ("empty", Kept::default())])
}

fn secret(n: u8) -> Secret {
    Secret([n; SECRET_BYTES])
}

/// Requests and grants of key recovery, and the keys in the data directory.
fn keys() -> Vec<Seed> {
    let request = RecoveryRequest { public: [1; 32].into(), half: [2; 32].into(), proof: [3; 64].into() };
    let sealed = Payload::from(&[4; 80][..]);
    let grant = RecoveryGrant { public: [1; 32].into(), half: [2; 32].into(), proof: [3; 64].into(), sealed };
    let granted = [
        ("two", GrantedKeys { keys: vec![secret(1), secret(2)] }),
        ("empty", GrantedKeys { keys: Vec::new() }),
    ];
    let removed = Removed { key: secret(3), until: Wall(1_763_800_000_000) };
    let records = [
        (
            "full",
            keys::Record {
                removed: vec![removed],
                ring: vec![secret(1)],
                file: vec![9, 0x0123_4567_89ab_cdef],
            },
        ),
        ("empty", keys::Record::default()),
    ];
    [
        all_of("away", &[("one", request)]),
        all_of("back", &[("one", grant)]),
        all_of("letter", &granted),
        all_of("kept-keys", &records),
    ]
    .concat()
}

/// One of each format.
pub fn formats() -> Vec<Seed> {
    [kept_bans(), keys()].concat()
}
