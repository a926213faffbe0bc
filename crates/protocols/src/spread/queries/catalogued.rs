//! The queries' entry in the catalog.

use super::{Config, Kind, Message, PeerMessage, Queries, QueryId, Reply};
use crate::catalog::Catalogued;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;

const ID: QueryId = QueryId { asker: NodeId(0x0123_4567_89ab_cdef), epoch: 3, number: 1_700 };

fn reply(reply: Reply) -> PeerMessage {
    PeerMessage::Reply { id: ID, reply }
}

impl Catalogued for Queries {
    type Config = Config;
    const NAME: &'static str = "queries";
    const ABOUT: &'static str = "queries: each member that is meant answers once, directly to the asker";
    const PAPER: &'static str = "serf's queries; answers paced and confirmed";
    const COST: &'static str = "an event, and one answer of each member that is meant";

    fn start(config: &Arc<Config>, _: NodeId, life: Life) -> Queries {
        Queries::new(config.clone(), life)
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let answer = || Reply::Answer(Payload::from(&b"0.42 0.17 0.05"[..]));
        let smallest = QueryId { asker: NodeId(1), epoch: 0, number: 1 };
        let to = NodeId(9);
        alloc::vec![
            ("late", Message::Direct(reply(Reply::Late))),
            ("ack", Message::Direct(reply(Reply::Ack))),
            ("answer", Message::Direct(reply(answer()))),
            (
                "answer-empty",
                Message::Direct(PeerMessage::Reply { id: smallest, reply: Reply::Answer(Payload::EMPTY) })
            ),
            ("offer", Message::Direct(reply(Reply::Offer(50 * 1024)))),
            ("got", Message::Direct(PeerMessage::Got { id: ID, kind: Kind::Answer, open: true })),
            ("got-late", Message::Direct(PeerMessage::Got { id: ID, kind: Kind::Late, open: false })),
            ("take", Message::Direct(PeerMessage::Take { id: ID })),
            ("relay", Message::Relay { to, message: Box::new(reply(answer())) }),
            ("relay-smallest", Message::Relay { to, message: Box::new(PeerMessage::Take { id: smallest }) }),
            (
                "relayed",
                Message::Relayed {
                    from: to,
                    message: Box::new(PeerMessage::Got { id: ID, kind: Kind::Offer, open: true }),
                },
            ),
        ]
    }
}
