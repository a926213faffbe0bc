//! Our SWIM, driven as the agent drives it: bytes in, packed datagrams out, spare room offered. Without the seal, which does not know
//! how large a cluster is.

use crate::Pinged;
use rumormill_core::drive::{Driver, Limits, Scratch, Sink};
use rumormill_core::identity::{Life, Unsigned};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::Input;
use rumormill_core::record::Record;
use rumormill_core::time::{Time, Wall};
use rumormill_core::{NodeId, wire};
use rumormill_protocols::member::swim::record::{Card, Tags};
use rumormill_protocols::member::swim::{Config, Event, Me, Message, News, Swim, Timer};

type Node = Swim<Unsigned>;

/// One member that knows all the others and has nothing left to tell.
pub struct Member {
    driver: Driver<Node>,
    scratch: Scratch<Node>,
    sent: Sent,
    limits: Limits,
    now: Time,
    nonce: u64,
}

/// What left, as bytes; and whether news wants its next round.
#[derive(Default)]
struct Sent {
    out: Vec<u8>,
    bytes: usize,
    gossip: Option<Time>,
}

impl Sink<Node> for Sent {
    fn datagram(&mut self, _: NodeId, messages: &mut Vec<Message>, _: usize) {
        self.out.clear();
        messages.iter().for_each(|message| wire::put(message, &mut self.out));
        self.bytes += self.out.len();
    }
    fn single(&mut self, to: NodeId, message: Message, bytes: usize) {
        self.datagram(to, &mut vec![message], bytes);
    }
    fn stream(&mut self, _: NodeId, _: Message, bytes: usize) {
        self.bytes += bytes;
    }
    fn timer(&mut self, at: Time, timer: Timer) {
        if matches!(timer, Timer::Gossip) {
            self.gossip = Some(at);
        }
    }
    fn watch(&mut self, _: NodeId, _: bool) {}
    fn event(&mut self, _: Event) {}
    fn shed(&mut self, _: NodeId, _: usize, _: usize) {}
}

/// What a member of that index says of itself.
fn card(id: usize) -> News {
    News::Card(Record::signed(
        Card {
            id: NodeId(id as u64),
            life: Life { epoch: 1, session: id as u64 },
            incarnation: 1,
            left: false,
            written: Wall(1_700_000_000_000),
            name: format!("node-{id}"),
            contact: Payload::from(&[0x81, 0x46, 10, 0, 0, 1, 0x1e, 0xdc][..]),
            tags: Tags::Inline(Payload::EMPTY),
            copied_from: None,
        },
        &Unsigned,
    ))
}

impl Member {
    /// Member 0 of a cluster of `members`: it has heard of all, and has passed on what it heard.
    pub fn of(members: usize) -> Member {
        let me = Me {
            id: NodeId(0),
            life: Life { epoch: 1, session: 1 },
            name: "node-0".into(),
            contact: Payload::EMPTY,
            tags: Payload::EMPTY,
            copied_from: None,
        };
        let limits = Limits { budget_bytes_per_s: 1 << 40, ..Limits::default() };
        let swim = Swim::new(Config::lan(), me, Unsigned);
        let mut member = Member {
            driver: Driver::new(swim, NodeId(0), 1, &limits),
            scratch: Scratch::default(),
            sent: Sent::default(),
            limits,
            now: Time::ZERO,
            nonce: 0,
        };
        member.input(Input::Start);
        let ids: Vec<usize> = (1..members).collect();
        for some in ids.chunks(100) {
            let news: Vec<News> = some.iter().map(|id| card(*id)).collect();
            member.input(Input::Message(NodeId(some[0] as u64), Message::News(news.into())));
        }
        assert_eq!(member.driver.node.live_len(), members);
        // Only rounds of news: no period begins, so nobody is probed and nobody is missed.
        for _ in 0..1_000_000 {
            match member.sent.gossip.take() {
                Some(at) if member.driver.node.news_len() > 0 => {
                    member.now = at;
                    member.input(Input::Timer(Timer::Gossip));
                }
                _ => break,
            }
        }
        assert_eq!(member.driver.node.news_len(), 0, "the cluster is not quiet");
        member
    }

    fn input(&mut self, input: Input<Node>) {
        let Member { driver, scratch, sent, limits, now, .. } = self;
        driver.input(scratch, sent, *now, Wall(1_700_000_000_000), input);
        driver.flush(scratch, sent, *now, Wall(1_700_000_000_000), limits);
    }
}

impl Pinged for Member {
    fn ping_from(&mut self, _: usize) -> Vec<u8> {
        self.nonce += 1;
        let mut bytes = Vec::new();
        wire::put(&Message::Ping { nonce: rumormill_core::rng::mix(self.nonce), stream: false }, &mut bytes);
        bytes
    }

    fn handle(&mut self, peer: usize, ping: &[u8]) -> usize {
        self.now.0 += 1_000_000;
        self.sent.bytes = 0;
        let message = wire::decode(ping).expect("it was encoded here");
        self.input(Input::Message(NodeId(peer as u64), message));
        self.sent.bytes
    }
}
