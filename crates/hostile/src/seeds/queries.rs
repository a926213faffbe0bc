//! Messages of queries.

use super::{Seed, all_of};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_protocols::spread::queries::{Kind, Message, QueryId, Reply, Said};

const ID: QueryId = QueryId { asker: NodeId(0x0123_4567_89ab_cdef), epoch: 3, number: 1_700 };

fn reply(reply: Reply) -> Said {
    Said::Reply { id: ID, reply }
}

/// One of each message of the queries, and some more.
pub fn queries() -> Vec<Seed> {
    let answer = || Reply::Answer(Payload::from(&b"0.42 0.17 0.05"[..]));
    let smallest = QueryId { asker: NodeId(1), epoch: 0, number: 1 };
    let to = NodeId(9);
    let messages = [
        ("late", Message::Said(reply(Reply::Late))),
        ("ack", Message::Said(reply(Reply::Ack))),
        ("answer", Message::Said(reply(answer()))),
        ("answer-empty", Message::Said(Said::Reply { id: smallest, reply: Reply::Answer(Payload::EMPTY) })),
        ("offer", Message::Said(reply(Reply::Offer(50 * 1024)))),
        ("got", Message::Said(Said::Got { id: ID, kind: Kind::Answer, open: true })),
        ("got-late", Message::Said(Said::Got { id: ID, kind: Kind::Late, open: false })),
        ("take", Message::Said(Said::Take { id: ID })),
        ("relay", Message::Relay { to, said: Box::new(reply(answer())) }),
        ("relay-smallest", Message::Relay { to, said: Box::new(Said::Take { id: smallest }) }),
        (
            "relayed",
            Message::Relayed {
                from: to,
                said: Box::new(Said::Got { id: ID, kind: Kind::Offer, open: true }),
            },
        ),
    ];
    all_of("queries", &messages)
}
