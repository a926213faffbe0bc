//! No protocol lives on the simulator alone: each is driven over real UDP by the agent's runtime, with eight nodes.

use rumormill::core::identity::{Life, Unsigned};
use rumormill::core::payload::Payload;
use rumormill::core::peers::Peers;
use rumormill::core::stack::{Layer, Stack};
use rumormill::protocols::agree::{anti_entropy, bans};
use rumormill::protocols::detect::{self, Detector};
use rumormill::protocols::spread::{self, events, queries, rumor};
use rumormill::protocols::sum::{self, Aggregator, Truth};
use rumormill::runtime::{App, Book, Config, Handle, Keyring, Sockets, start};
use rumormill::{NodeId, Protocol, Time, Wall};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const NODES: u64 = 8;
/// How long a test waits for what it waits for: far more than any of this takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the nodes tell, with who told it.
struct Observer<E>(NodeId, mpsc::UnboundedSender<(NodeId, E)>);

impl<P> App<P> for Observer<P::Event>
where
    P: Protocol + Send + 'static,
    P::Event: Send,
{
    fn event(&mut self, event: P::Event, _: &mut Book, _: Time, _: Wall) {
        let _ = self.1.send((self.0, event)); // the test may be over
    }
}

struct Cluster<P: Protocol> {
    nodes: Vec<Handle<P>>,
    told: mpsc::UnboundedReceiver<(NodeId, P::Event)>,
}

impl<P> Cluster<P>
where
    P: Protocol + Send + 'static,
    P::Call: Send,
    P::Message: Send,
    P::Timer: Send,
    P::Event: Send,
{
    /// Eight nodes, each with the addresses of all others.
    async fn new(make: impl Fn(Life) -> P) -> Cluster<P> {
        let (sender, told) = mpsc::unbounded_channel();
        let mut nodes = Vec::new();
        for i in 0..NODES {
            let life = Life { epoch: 1, session: 0xfeed + i };
            let config = Config::new("127.0.0.1:0".parse().unwrap(), Keyring::insecure(), NodeId(i), life);
            let sockets = Sockets::bind(&config).unwrap();
            nodes
                .push(start(config, sockets, make(life), Observer(NodeId(i), sender.clone())).await.unwrap());
        }
        for node in &nodes {
            for other in nodes.iter().filter(|other| other.me() != node.me()) {
                assert_eq!(node.resolve(other.local_addr()).await.unwrap(), other.me());
            }
        }
        Cluster { nodes, told }
    }

    /// All become peers.
    async fn meet(&self) {
        for node in &self.nodes {
            node.meet(Peers::Everyone(NODES)).await.unwrap();
        }
    }

    /// Asks the same of all nodes.
    async fn call_all(&self, call: impl Fn(NodeId) -> P::Call) {
        for node in &self.nodes {
            node.call(call(node.me())).await.unwrap();
        }
    }

    /// Waits until `enough` says so of what has been told so far.
    async fn until(&mut self, mut enough: impl FnMut(NodeId, P::Event) -> bool) {
        let wait = async {
            while let Some((who, event)) = self.told.recv().await {
                if enough(who, event) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("it does not come about");
    }

    async fn end(self) {
        for node in &self.nodes {
            let dropped = node.counters().dropped;
            let undecodable = dropped.iter().find(|(cause, _)| cause.contains("decod"));
            assert!(undecodable.is_none_or(|(_, count)| *count == 0), "{dropped:?}");
            node.shutdown().await;
        }
    }
}

/// One update, published by one of them, is delivered exactly once by each.
async fn spreads<P>(make: impl Fn(Life) -> P)
where
    P: spread::Spreader,
{
    let mut cluster = Cluster::new(make).await;
    cluster.meet().await;
    let payload = Payload::from(&b"have you heard?"[..]);
    cluster.nodes[3].call(spread::Call::Publish(payload.clone())).await.unwrap();
    let mut delivered = std::collections::BTreeMap::new();
    cluster
        .until(|who, event| {
            if let spread::Event::Delivered { update, .. } = event {
                assert_eq!((update.id.origin, &update.payload), (NodeId(3), &payload));
                assert!(delivered.insert(who, update.id).is_none(), "{who} delivers it twice");
            }
            delivered.len() == NODES as usize
        })
        .await;
    cluster.end().await;
}

const PERIOD: Duration = Duration::from_millis(50);

/// A story, whichever protocol it is about.
type Story = Pin<Box<dyn Future<Output = ()>>>;

struct Spreads;

impl spread::Visit for Spreads {
    type Out = Story;
    fn visit<P: spread::Spreader>(self) -> Story {
        println!("{}", P::NAME);
        // A fanout of far more than all: what is told once must reach each of eight.
        let choice = Default::default();
        let trial = spread::Trial {
            choice,
            period: PERIOD,
            jitter: Duration::ZERO,
            fanout: Some(30),
            switch: None,
            seed: 1,
        };
        let config = Arc::new(P::setup(&trial).config);
        Box::pin(spreads(move |life| P::start(&config, NodeId(0), life)))
    }
}

#[tokio::test]
async fn an_update_of_every_spreader_reaches_all() {
    for story in spread::each(|| Spreads) {
        story.await;
    }
}

#[tokio::test]
async fn rumors_pushed_or_pulled_reach_all() {
    use rumor::{Config, Direction, Removal, Rumor};
    for direction in [Direction::Push, Direction::Pull] {
        let config = Config { direction, removal: Removal::Never, period: PERIOD, ..Default::default() };
        spreads(|life| Rumor::new(config.clone(), life)).await;
    }
}

struct SumsUp;

impl sum::Visit for SumsUp {
    type Out = Story;
    fn visit<P: Aggregator>(self) -> Story {
        Box::pin(sums_up::<P>())
    }
}

/// Each node has a value; all come to know what these come to, or each is alarmed once.
async fn sums_up<P: Aggregator>() {
    println!("{}", P::NAME);
    let config = Arc::new(P::paced(PERIOD));
    let value = |id: u64| 50.0 + 10.0 * id as f64;
    let mut cluster = Cluster::new(|life| P::start(&config, NodeId(0), life)).await;
    cluster.meet().await;
    cluster.call_all(|id| sum::Call::Set(value(id.0))).await;
    let truth = P::truth(&config);
    if let Truth::Between(..) = truth {
        let mut alarmed = std::collections::BTreeSet::new();
        cluster
            .until(|who, event| {
                if let sum::Event::Crossed { above, .. } = event {
                    assert!(above && alarmed.insert(who), "{who} is alarmed twice, or calmed");
                }
                alarmed.len() == NODES as usize
            })
            .await;
        return cluster.end().await;
    }
    let truth = truth.of((0..NODES).map(value).collect());
    let all_near = async {
        loop {
            let mut near = 0;
            for node in &cluster.nodes {
                let found = node.inspect(|node, _| node.settled()).await.unwrap();
                near += usize::from(found.is_some_and(|found| (found / truth - 1.0).abs() <= P::ERROR));
            }
            if near == NODES as usize {
                return;
            }
            tokio::time::sleep(PERIOD).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_near).await.expect("they do not find it");
    cluster.end().await;
}

#[tokio::test]
async fn every_aggregator_finds_what_the_values_come_to() {
    for story in sum::each(|| SumsUp) {
        story.await;
    }
}

struct Detects;

impl detect::Visit for Detects {
    type Out = Story;
    fn visit<P: Detector>(self) -> Story {
        Box::pin(detects::<P>())
    }
}

/// One of eight ends, and all that watch it come to suspect it.
async fn detects<P: Detector>() {
    println!("{}", P::NAME);
    let config = Arc::new(P::paced(4 * PERIOD));
    let mut cluster = Cluster::new(|life| P::start(&config, NodeId(0), life)).await;
    cluster.meet().await;
    tokio::time::sleep(20 * PERIOD).await; // some heartbeats, or the story is about one that was never heard
    cluster.nodes.remove(3).shutdown().await;
    let mut by = std::collections::BTreeSet::new();
    cluster
        .until(|who, event| {
            // On a busy machine others may be suspected for a while.
            if let detect::Event::Suspected { peer: NodeId(3), level } = event {
                assert!(level > 0.0);
                by.insert(who);
            }
            by.len() == NODES as usize - 1
        })
        .await;
    cluster.end().await;
}

#[tokio::test]
async fn every_detector_notices_that_a_node_ended() {
    for story in detect::each(|| Detects) {
        story.await;
    }
}

/// One entry, written by one of them, is held by all.
async fn agrees(compare: anti_entropy::Compare, direction: anti_entropy::Direction) {
    let config = anti_entropy::Config { compare, direction, period: PERIOD, ..Default::default() };
    let mut cluster = Cluster::new(|_| anti_entropy::AntiEntropy::new(config.clone())).await;
    cluster.meet().await;
    let (key, value) = (Payload::from(&b"motd"[..]), Payload::from(&b"hello"[..]));
    let put = anti_entropy::Call::Put { key: key.clone(), value: value.clone() };
    cluster.nodes[5].call(put).await.unwrap();
    let mut changed = std::collections::BTreeSet::new();
    cluster
        .until(|who, event| {
            let anti_entropy::Event::Changed { key: heard, .. } = event;
            assert_eq!(heard, key);
            assert!(changed.insert(who), "{who} changes it twice");
            changed.len() == NODES as usize
        })
        .await;
    cluster.end().await;
}

#[tokio::test]
async fn anti_entropy_makes_stores_equal_however_they_are_compared() {
    use anti_entropy::{Compare, Direction};
    let recent = Compare::Recent(Duration::from_secs(10));
    for compare in [Compare::Full, Compare::Checksum, recent, Compare::PeelBack, Compare::Merkle] {
        for direction in [Direction::Push, Direction::Pull, Direction::PushPull] {
            agrees(compare, direction).await;
        }
    }
}

/// One of them bans a stranger, and all are told of it once.
#[tokio::test]
async fn a_ban_reaches_all_once() {
    let config = bans::Config { period: PERIOD, ..Default::default() };
    let mut cluster = Cluster::new(|_| bans::Bans::new(config.clone(), Unsigned)).await;
    cluster.meet().await;
    let reason = Payload::from(&b"it answers for others"[..]);
    let say = bans::Call::Say { id: NodeId(900), lifted: false, reason, name: None };
    cluster.nodes[2].call(say).await.unwrap();
    let mut told = std::collections::BTreeSet::new();
    cluster
        .until(|who, event| {
            let bans::Event::Changed(ban) = event else { panic!("{who}: {event:?}") };
            assert!(ban.id == NodeId(900) && told.insert(who), "{who}: {ban:?}");
            told.len() == NODES as usize
        })
        .await;
    cluster.end().await;
}

/// Each node publishes one event that fits a datagram and one of the largest, which takes the stream.
#[tokio::test]
async fn events_reach_all_once_in_the_order_of_their_origin_and_the_publisher_hears_how_far() {
    let config = events::Config { join_period: PERIOD, ..Default::default() };
    let mut cluster = Cluster::new(|life| events::Events::new(config.clone(), life)).await;
    cluster.meet().await;
    for node in &cluster.nodes {
        let wait = async {
            while !node.inspect(|node, _| node.is_joined()).await.unwrap() {
                tokio::time::sleep(PERIOD).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("they do not find out what was before them");
    }
    let large = vec![7; events::PAYLOAD_BYTES_MAX];
    for node in &cluster.nodes {
        for (ticket, payload) in [(1, &b"have you heard?"[..]), (2, &large)] {
            let (name, payload) = (Payload::from(&b"news"[..]), Payload::from(payload));
            let publish = events::Publish {
                ticket,
                name,
                payload,
                unordered: false,
                coalesce: false,
                cover: events::Cover::Sample,
                question: false,
            };
            node.call(events::Call::Publish(publish)).await.unwrap();
        }
    }
    let (mut told, mut covered) = (std::collections::BTreeMap::new(), 0);
    let all = (NODES * NODES * 2) as usize;
    cluster
        .until(|who, event| {
            match event {
                events::Event::Delivered(item) => {
                    assert!(told.insert((who, item.id), item.payload.len()).is_none(), "{who}: twice");
                    let seq = item.id.seq;
                    let first = events::EventId { seq: 1, ..item.id };
                    assert!(seq == 1 || told.contains_key(&(who, first)), "{who}: out of order");
                    assert_eq!(item.payload.len(), if seq == 1 { 15 } else { large.len() });
                }
                events::Event::Covered { held, asked, .. } => {
                    assert!(held <= asked && asked > 0);
                    covered += 1;
                }
                events::Event::Queued { .. } | events::Event::Joined => {}
                other => panic!("{who}: {other:?}"),
            }
            told.len() == all && covered == NODES * 2
        })
        .await;
    cluster.end().await;
}

/// One node asks all, who answer with a byte each or with more than a datagram holds; the application is the test.
#[tokio::test]
async fn a_query_is_answered_by_all_with_small_answers_and_large_ones() {
    type Node = Stack<queries::Queries, events::Events>;
    let config = events::Config { join_period: PERIOD, ..Default::default() };
    let mut cluster = Cluster::<Node>::new(|life| {
        let queries = queries::Queries::new(queries::Config::default(), life);
        Stack::new(queries, events::Events::new(config.clone(), life))
    })
    .await;
    cluster.meet().await;
    for node in &cluster.nodes {
        let wait = async {
            while !node.inspect(|node, _| node.lower.is_joined()).await.unwrap() {
                tokio::time::sleep(PERIOD).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("they do not find out what was before them");
    }
    for (ticket, bytes) in [(1, 1), (2, 50 * 1024)] {
        let text = |text: &str| Payload::from(text.as_bytes());
        let (name, filter, body) = (text("load"), text(""), text("how?"));
        let expected = NODES as u32;
        let ask = queries::Ask { ticket, name, filter, body, timeout: PATIENCE, expected };
        cluster.nodes[3].call(Layer::Upper(queries::Call::Ask(ask))).await.unwrap();
        let nodes = cluster.nodes.clone();
        let call = |who: NodeId, call| {
            let node = nodes.iter().find(|node| node.me() == who).unwrap().clone();
            tokio::spawn(async move { node.call(call).await });
        };
        let mut answered = std::collections::BTreeSet::new();
        cluster
            .until(|who, event| {
                match event {
                    Layer::Upper(queries::Event::Spread(queries::SpreadQuestion {
                        name, payload, ..
                    })) => {
                        let publish = events::Publish {
                            ticket,
                            name,
                            payload,
                            unordered: true,
                            coalesce: false,
                            cover: events::Cover::Nobody,
                            question: true,
                        };
                        call(who, Layer::Lower(events::Call::Publish(publish)));
                    }
                    Layer::Upper(queries::Event::Asked { id, .. }) => {
                        let answer = Payload::from(&vec![who.0 as u8; bytes][..]);
                        call(who, Layer::Upper(queries::Call::Answer(id, answer)));
                    }
                    Layer::Upper(queries::Event::Answered { from, body, .. }) => {
                        assert_eq!(body[..], vec![from.0 as u8; bytes]);
                        assert!(answered.insert(from), "{from}: twice");
                    }
                    Layer::Upper(queries::Event::Done { summary, .. }) => {
                        let all = NODES as u32;
                        let sums = queries::Summary { expected: all, acked: all, answered: all, untaken: 0 };
                        assert_eq!((answered.len() as u64, summary), (NODES, sums));
                        return true;
                    }
                    _ => {}
                }
                false
            })
            .await;
    }
    cluster.end().await;
}
