//! What the fuzzer starts from: one well-formed input for each thing that can be said, so that it need not find them by chance.
//!
//! The name of a message's seed begins with that of its protocol in [`PROTOCOLS`](crate::targets::PROTOCOLS).

mod anti_entropy;
mod bans;
mod events;
mod keys;
mod queries;
mod spread;
mod sum;

pub use anti_entropy::anti_entropy;
pub use bans::bans;
pub use events::events;
pub use keys::keys;
pub use queries::queries;
pub use spread::spread;
pub use sum::sum;

use rumormill_core::identity::{Life, NodeId, Unsigned};
use rumormill_core::payload::Payload;
use rumormill_core::record::Record;
use rumormill_core::time::Wall;
use rumormill_core::wire::{self, Wire};
use rumormill_protocols::agree::latest;
use rumormill_protocols::member::swim::record::{Accusation, Card, Charge, Evidence, Tags};
use rumormill_protocols::member::swim::{Message, News};
use rumormill_runtime::contact::Contact;

/// A name, and the bytes.
pub type Seed = (String, Vec<u8>);

fn bytes<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    wire::put(value, &mut out);
    out
}

/// A seed of each message, and all of them in one datagram.
fn all_of<M: Wire>(protocol: &str, messages: &[(&str, M)]) -> Vec<Seed> {
    let seeds = messages.iter().map(|(name, message)| ((*name).to_owned(), bytes(message))).collect();
    datagram(protocol, seeds)
}

/// Seeds of a protocol, of messages that are already written.
fn datagram(protocol: &str, mut messages: Vec<Seed>) -> Vec<Seed> {
    let all = messages.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    messages.push(("datagram".to_owned(), all));
    messages.into_iter().map(|(name, bytes)| (format!("{protocol}-{name}"), bytes)).collect()
}

fn card(tags: Tags, copied_from: Option<NodeId>) -> News {
    let card = Card {
        id: NodeId(0x0123_4567_89ab_cdef),
        life: Life { epoch: 3, session: 0xfeed_f00d_dead_beef },
        incarnation: 2,
        left: false,
        written: Wall(1_763_800_000_000),
        name: "web-1.example".into(),
        contact: Contact::new(["192.0.2.1:7900".parse().expect("an address")]).payload(),
        tags,
        copied_from,
    };
    News::Card(Record::signed(card, &Unsigned))
}

fn accusation(charge: Charge) -> News {
    let said = Accusation {
        accuser: NodeId(7),
        accused: NodeId(0x0123_4567_89ab_cdef),
        epoch: 3,
        incarnation: 2,
        charge,
        written: Wall(1_763_800_000_000),
        evidence: Evidence {
            helpers: 3,
            nacks: 2,
            confirmations: 1,
            waited_ms: 500,
            silent_ms: Some(1_500),
            accuser_health: 1,
            replaced_by: None,
        },
    };
    News::Accusation(Record::signed(said, &Unsigned))
}

/// One of each message of membership.
pub fn membership() -> Vec<Seed> {
    let (nonce, owner) = (0x1122_3344_5566_7788, NodeId(9));
    let news = vec![
        card(Tags::Inline(Payload::from(&b"\xa1\x64role\x63web"[..])), None),
        accusation(Charge::Suspect),
    ];
    let more = vec![
        card(Tags::Hashed(5, 60_000), Some(NodeId(8))),
        accusation(Charge::Dead),
        accusation(Charge::Forget),
    ];
    let messages = [
        ("ping", Message::Ping { nonce, stream: false }),
        ("ack", Message::Ack { nonce, stream: true, root: 42 }),
        ("ping-req", Message::PingReq { nonce, target: owner }),
        ("relayed", Message::Relayed { nonce }),
        ("nack", Message::Nack { nonce }),
        ("news", Message::News(news)),
        (
            "sums",
            Message::Sums {
                sums: (0..256).map(rumormill_core::rng::mix).collect(),
                from_bucket: 3,
                after: None,
            },
        ),
        ("give", Message::Give { news: more, done: true }),
        ("tags-want", Message::TagsWant { owner, hash: 5, offset: 0 }),
        ("tags-have", Message::TagsHave { owner, hash: 5, offset: 1, bytes: Payload::from(&[9; 100][..]) }),
    ];
    let mut seeds: Vec<Seed> =
        messages.iter().map(|(name, message)| (format!("swim-{name}"), bytes(message))).collect();
    // [7, [buckets, [[id, hash], …], next]] and [8, [[id, …]]]: their items are SWIM's own business.
    seeds.push(("swim-stamps".into(), vec![0x82, 7, 0x83, 0x42, 1, 2, 0x82, 0x82, 9, 5, 0x82, 8, 4, 7]));
    seeds.push(("swim-want".into(), vec![0x82, 8, 0x81, 0x82, 1, 9]));
    let datagram = messages[..6].iter().flat_map(|(_, message)| bytes(message)).collect();
    seeds.push(("swim-datagram".into(), datagram));
    seeds
}

/// Messages of vitals.
pub fn vitals() -> Vec<Seed> {
    let record = |owner: u64, value: &[u8]| latest::Record {
        owner: NodeId(owner),
        version: latest::Version { epoch: 3, counter: 17 },
        written: Wall(1_763_800_000_000),
        sum: rumormill_core::rng::mix(owner),
        value: Payload::from(value),
    };
    let messages = [
        ("one", latest::Message(vec![record(1, &[0x83, 1, 2, 3])])),
        ("three", latest::Message((1..=3).map(|owner| record(owner, &[owner as u8; 60])).collect())),
        ("empty", latest::Message(Vec::new())),
    ];
    messages.iter().map(|(name, message)| (format!("latest-{name}"), bytes(message))).collect()
}

/// Messages of each protocol.
pub fn messages() -> Vec<Seed> {
    [membership(), vitals(), anti_entropy(), bans(), events(), keys(), queries(), spread(), sum()].concat()
}

/// Orders for the `seal` target: each kind unchanged, and one change in each part of a packet.
pub fn packets() -> Vec<Seed> {
    let mut seeds: Vec<Seed> =
        (0..10).map(|kind| (format!("kind-{kind}"), vec![kind, 0, b'h', b'i'])).collect();
    for (part, at) in
        [("version", 0), ("destination", 9), ("sender", 12), ("counter", 41), ("echo", 45), ("tag", 60)]
    {
        seeds.push((format!("changed-{part}"), vec![0, 1, 0, at, 1, b'h', b'i']));
    }
    seeds.push(("garbage".into(), vec![1; 80]));
    seeds
}

/// Contacts of all sizes.
pub fn contacts() -> Vec<Seed> {
    let all =
        ["192.0.2.1:7900", "[2001:db8::1]:7900", "[2001:db8::2]:1"].map(|a| a.parse().expect("an address"));
    let mut seeds: Vec<Seed> = (1..=all.len())
        .map(|n| (format!("addresses-{n}"), Contact::new(all[..n].iter().copied()).encode()))
        .collect();
    seeds.push(("newer-entry".into(), vec![0x82, 0x43, 1, 2, 3, 0x46, 127, 0, 0, 1, 0x1e, 0xdc]));
    seeds
}

/// All seeds of each target, by its name.
pub fn all() -> [(&'static str, Vec<Seed>); 3] {
    [("decode", messages()), ("seal", packets()), ("contact", contacts())]
}
