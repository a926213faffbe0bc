//! Messages of the spreaders.

use super::{Seed, all_of};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_protocols::spread::{
    Update, UpdateId, direct_mail, flood, infect_and_die, median_counter, push_then_pull, rumor, tree,
};

const ID: UpdateId = UpdateId { origin: NodeId(0x0123_4567_89ab_cdef), seq: 3 << 32 | 17 };

fn update() -> Update {
    Update { id: ID, payload: Payload::from(&b"what is new"[..]) }
}

fn empty() -> Update {
    Update { id: UpdateId { origin: NodeId(7), seq: 1 }, payload: Payload::EMPTY }
}

/// One of each message of each spreader.
pub fn spread() -> Vec<Seed> {
    [rumor(), push_then_pull(), median_counter(), others()].concat()
}

fn rumor() -> Vec<Seed> {
    use rumor::Message;
    let messages = [
        ("update", Message::Update { update: update(), hops: 3, misses: 2, contact: 70_000 }),
        ("update-empty", Message::Update { update: empty(), hops: 0, misses: 0, contact: 0 }),
        ("feedback", Message::Feedback { id: ID, useful: true, misses: u32::MAX, contact: 70_000 }),
        ("ask", Message::Ask),
        ("connect", Message::Connect),
        ("accept", Message::Accept),
        ("refuse", Message::Refuse),
    ];
    all_of("rumor", &messages)
}

fn push_then_pull() -> Vec<Seed> {
    use push_then_pull::Message;
    let known = (1..=5).map(|seq| UpdateId { seq, ..ID }).collect();
    let messages = [
        ("update", Message::Update { update: update(), age: 12 }),
        ("ask", Message::Ask(known)),
        ("ask-all", Message::Ask(Vec::new())),
    ];
    all_of("push-then-pull", &messages)
}

fn median_counter() -> Vec<Seed> {
    use median_counter::Message;
    let messages = [
        ("update", Message::Update { update: update(), counter: 2, age: 300 }),
        ("counter", Message::Counter { id: ID, counter: u8::MAX }),
        ("call", Message::Call),
    ];
    all_of("median-counter", &messages)
}

/// Those that say nothing but an update.
fn others() -> Vec<Seed> {
    let die = |update, hops| infect_and_die::Message { update, hops };
    let flood = |update, hops| flood::Message { update, hops };
    [
        all_of("infect-and-die", &[("update", die(update(), 300)), ("update-empty", die(empty(), 0))]),
        all_of("flood", &[("update", flood(update(), 300)), ("update-empty", flood(empty(), 0))]),
        all_of(
            "direct-mail",
            &[("update", direct_mail::Message(update())), ("update-empty", direct_mail::Message(empty()))],
        ),
        all_of("tree", &[("update", tree::Message(update())), ("update-empty", tree::Message(empty()))]),
    ]
    .concat()
}
