//! PostgreSQL's protocol over a node that knows many members: what `cargo xtask bench sql` asks. Arguments: the number of hosts, the password.
//!
//! The node is the agent's composite, in a task of its own on a runtime with one thread, as in an agent. It has heard the records and the vitals of all
//! members, and then nothing more. Tables, pages, engine and protocol are the agent's. It ends when its standard input does.

use rumormill_core::drive::{Driver, Limits, Scratch, Sink};
use rumormill_core::identity::{Life, NodeId, Unsigned};
use rumormill_core::observe::{Moment, Observe};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{Input, Protocol};
use rumormill_core::record::Record;
use rumormill_core::table::{Cell, Table};
use rumormill_core::time::{Time, Wall};
use rumormill_node::machine::Vitals;
use rumormill_node::{Everyone, Message, Node, TABLES};
use rumormill_protocols::agree::bans::{self, Bans};
use rumormill_protocols::agree::lww::{self, Lww, Version};
use rumormill_protocols::member::swim::record::{Card, TagMap, Tags};
use rumormill_protocols::member::swim::{self, Me, News, Swim};
use rumormill_protocols::spread::events::{self, Events};
use rumormill_protocols::spread::queries::{self, Queries};
use rumormill_sql::paged::{Each, Owner, rows};
use rumormill_sql::{Engine, Source, Wanted, pg};
use std::error::Error;
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::sync::mpsc;

/// Members in one message, and the time of all.
const BATCH: u64 = 20;
const WALL: Wall = Wall(1_700_000_000_000);

type Host = Node<Unsigned, Everyone>;
type Look = Box<dyn FnOnce(&Host) + Send>;

/// The effects of the node: none is wanted.
struct Nowhere;

impl Sink<Host> for Nowhere {
    fn datagram(&mut self, _: NodeId, _: &mut Vec<Message>, _: usize) {}
    fn single(&mut self, _: NodeId, _: Message, _: usize) {}
    fn stream(&mut self, _: NodeId, _: Message, _: usize) {}
    fn timer(&mut self, _: Time, _: <Host as Protocol>::Timer) {}
    fn watch(&mut self, _: NodeId, _: bool) {}
    fn event(&mut self, _: <Host as Protocol>::Event) {}
    fn shed(&mut self, _: NodeId, _: usize, _: usize) {}
}

fn life(id: u64) -> Life {
    Life { epoch: 1, session: id }
}

fn contact(id: u64) -> Payload {
    let [.., a, b] = id.to_be_bytes();
    Payload::from(&[0x81, 0x46, 10, 0, a, b, 0x1e, 0xdc][..])
}

fn tags(id: u64) -> Payload {
    let role = ["web", "db", "cache"][(id % 3) as usize];
    let tags = TagMap([("role", role), ("rack", "r17")].map(|(k, v)| (k.into(), v.into())).into());
    Payload::from(&tags.encoded()[..])
}

/// The record of a member.
fn card(id: u64) -> News {
    let card = Card {
        id: NodeId(id),
        life: life(id),
        incarnation: 1,
        left: false,
        written: WALL,
        name: format!("node-{id}"),
        contact: contact(id),
        tags: Tags::Inline(tags(id)),
        copied_from: None,
    };
    News::Card(Record::signed(card, &Unsigned))
}

/// The vitals of its machine.
fn vitals(id: u64) -> Payload {
    let load = 10 + (id * 37 % 400) as u32;
    let vitals = Vitals {
        load_1_centi: Some(load),
        load_5_centi: Some(load / 2),
        load_15_centi: Some(load / 3),
        cores: Some(8),
        cpu_busy_permille: Some(250),
        mem_total_kib: Some(32 << 20),
        mem_available_kib: Some(20 << 20),
        uptime_s: Some(86_400 + id),
        processes: Some(300),
        agent_rss_kib: Some(9_600),
        agent_cpu_ppm: Some(800),
        ..Vitals::default()
    };
    Payload::from(&vitals.encoded()[..])
}

/// A node that knows `count` hosts, itself included.
fn node(count: u64) -> Host {
    let me = Me {
        id: NodeId(0),
        life: life(0),
        name: "node-0".into(),
        contact: contact(0),
        tags: tags(0),
        copied_from: None,
    };
    let positions = Events::new(events::Config::default(), life(0)).positions();
    let node = Node::new(
        Swim::new(swim::Config::lan(), me, Unsigned),
        Some(Lww::new(lww::Config::default(), life(0))),
        // It goes on where it was, so that it listens at once.
        Events::resume(events::Config::default(), life(0), &positions),
        Queries::new(queries::Config::default(), life(0)),
        Everyone,
        Bans::new(bans::Config::default(), Unsigned),
    );
    let limits = Limits::default();
    let (mut driver, mut scratch) = (Driver::new(node, NodeId(0), 1, &limits), Scratch::default());
    let mut input = |input: Input<Host>| {
        driver.input(&mut scratch, &mut Nowhere, Time::ZERO, WALL, input);
        driver.flush(&mut scratch, &mut Nowhere, Time::ZERO, WALL, &limits);
    };
    input(Input::Start);
    input(Input::Call(rumormill_node::Call::Vitals(lww::Call::Put(vitals(0)))));
    for first in (1..count).step_by(BATCH as usize) {
        let ids = first..count.min(first + BATCH);
        let news: Vec<News> = ids.clone().map(card).collect();
        input(Input::Message(NodeId(first), Message::Swim(swim::Message::News(news.into()))));
        let version = Version { epoch: 1, counter: 1 };
        let records = ids.map(|id| lww::Record::new(NodeId(id), version, WALL, vitals(id)));
        input(Input::Message(NodeId(first), Message::Vitals(lww::Message(records.collect()))));
    }
    driver.node
}

/// The tables of the node, as the agent reads them.
struct Hosts {
    looks: mpsc::Sender<Look>,
    runtime: tokio::runtime::Handle,
}

impl Owner for Hosts {
    type Seen<'a> = &'a Host;

    fn look<R: Send + 'static>(&self, look: impl FnOnce(&&Host) -> R + Send + 'static) -> Result<R, String> {
        let (tell, told) = sync_channel(1);
        let looks = self.looks.clone();
        self.runtime.spawn(async move {
            let look: Look = Box::new(move |node| drop(tell.send(look(&node))));
            let _ = looks.send(look).await; // else the sender is dropped
        });
        told.recv_timeout(Duration::from_secs(2)).map_err(|_| "the node does not answer".into())
    }
}

impl Source for Hosts {
    fn tables(&self) -> Vec<&'static Table> {
        TABLES.to_vec()
    }

    fn rows(&self, table: &'static Table, wanted: Wanted, each: &mut Each<'_>) -> Result<(), String> {
        let at = Moment { now: Time(1_000_000_000), wall: WALL, addresses: |_| Vec::new() };
        let row = move |node: &&Host, key| -> Option<Vec<Cell>> { node.row(table, key, wanted, &at) };
        rows(self, move |node: &&Host| node.keys(table), row, each)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(count), Some(password)) = (arguments.next(), arguments.next()) else {
        return Err("usage: sql_hosts HOSTS PASSWORD".into());
    };
    let node = node(count.parse()?);
    let (looks, mut asked) = mpsc::channel::<Look>(64);
    let source = Hosts { looks, runtime: tokio::runtime::Handle::current() };
    let engine = Engine::new(Arc::new(source), rumormill_sql::Limits::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new()); // an error ends it as well
        std::process::exit(0);
    });
    tokio::spawn(pg::serve(listener, engine, pg::Options::new(password), pg::Bound::new(8)));
    while let Some(look) = asked.recv().await {
        look(&node);
    }
    Ok(())
}
