//! SWIM's entry in the catalog.

use super::message::{Id, Stamp};
use super::record::{Accusation, Card, Charge, Evidence, Tags};
use super::{Config, Me, Message, News, Swim};
use crate::catalog::Catalogued;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rumormill_core::identity::{Life, NodeId, Unsigned};
use rumormill_core::payload::Payload;
use rumormill_core::record::Record;
use rumormill_core::rng::mix;
use rumormill_core::time::Wall;

/// A contact as the runtime writes it: 192.0.2.1:7900.
const CONTACT: [u8; 8] = [0x81, 0x46, 192, 0, 2, 1, 0x1e, 0xdc];

fn card(tags: Tags, copied_from: Option<NodeId>) -> News {
    let card = Card {
        id: NodeId(0x0123_4567_89ab_cdef),
        life: Life { epoch: 3, session: 0xfeed_f00d_dead_beef },
        incarnation: 2,
        left: false,
        written: Wall(1_763_800_000_000),
        name: "web-1.example".into(),
        contact: Payload::from(&CONTACT[..]),
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

impl Catalogued for Swim<Unsigned> {
    type Config = Config;
    const NAME: &'static str = "swim";
    const ABOUT: &'static str = "membership: SWIM with Lifeguard";
    const PAPER: &'static str = "Das, Gupta, Motivala 2002 (SWIM); Dadgar, Phillips, Currey 2018 (Lifeguard)";
    const COST: &'static str = "one ping and one ack, whatever n";

    fn start(config: &Arc<Config>, me: NodeId, life: Life) -> Swim<Unsigned> {
        let card = Me {
            id: me,
            life,
            name: format!("node-{}", me.0),
            contact: Payload::EMPTY,
            tags: Payload::EMPTY,
            copied_from: None,
        };
        Swim::new(Config::clone(config), card, Unsigned)
    }

    fn check(config: &Config) -> Result<(), String> {
        config.check()
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let (nonce, owner) = (0x1122_3344_5566_7788, NodeId(9));
        let news = alloc::vec![
            card(Tags::Inline(Payload::from(&b"\xa1\x64role\x63web"[..])), None),
            accusation(Charge::Suspect),
        ];
        let more = alloc::vec![
            card(Tags::Hashed(5, 60_000), Some(NodeId(8))),
            accusation(Charge::Failed),
            accusation(Charge::Forget),
        ];
        let stamps = alloc::vec![Stamp { id: owner, hash: 5 }, Stamp { id: NodeId(8), hash: 4 }];
        alloc::vec![
            ("ping", Message::Ping { nonce, stream: false }),
            ("ack", Message::Ack { nonce, stream: true, root: 42 }),
            ("ping-req", Message::PingReq { nonce, target: owner }),
            ("relayed", Message::Relayed { nonce }),
            ("nack", Message::Nack { nonce }),
            ("news", Message::News(news.into())),
            ("sums", Message::Sums { sums: (0..256).map(mix).collect(), from_bucket: 3, after: None },),
            ("give", Message::Give { news: more.into(), done: true }),
            ("tags-want", Message::TagsWant { owner, hash: 5, offset: 0 }),
            (
                "tags-have",
                Message::TagsHave { owner, hash: 5, offset: 1, bytes: Payload::from(&[9; 100][..]) }
            ),
            (
                "stamps",
                Message::Stamps { buckets: Payload::from(&[1, 2][..]), stamps, next: Some(7), more: None }
            ),
            ("want", Message::Want(alloc::vec![Id(NodeId(1)), Id(owner)])),
        ]
    }
}
