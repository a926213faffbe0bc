//! A protocol of one's own, stacked on SWIM, run unchanged on the simulator and over UDP.
//!
//! `Rumor` is the simplest epidemic there is: who hears something new tells it to `FANOUT` random peers, in each of `ROUNDS` rounds
//! (infect and die, with a longer life). Whom it may talk to it is told by the membership below it.

use rumormill::core::identity::{Life, Unsigned};
use rumormill::core::stack::{Layer, Stack, Subscriber};
use rumormill::runtime::{App, Book, Config, Contact, Handle, Keyring, Sockets, start};
use rumormill::swim::{self, Me};
use rumormill::{Change, Cx, Input, Lane, Message, NodeId, Protocol, Swim, Time, Wall};
use rumormill_sim::{Sim, World};
use std::collections::BTreeSet;
use std::time::Duration;

const FANOUT: usize = 3;
const ROUNDS: u32 = 4;
const ROUND: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Rumor {
    heard: BTreeSet<u64>,
}

enum Call {
    Tell(u64),
}

#[derive(Clone, Debug, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
#[cbor(transparent)]
struct Said(#[n(0)] u64);

struct Again {
    what: u64,
    left: u32,
}

impl Message for Said {
    const LANES: &'static [Lane] = &[Lane::new("rumor")];
    fn replayable(&self) -> bool {
        true // hearing it again changes nothing
    }
}

impl Protocol for Rumor {
    type Call = Call;
    type Message = Said;
    type Timer = Again;
    type Event = u64;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Call(Call::Tell(what)) => self.hear(cx, what),
            Input::Message(_, Said(what)) => self.hear(cx, what),
            Input::Timer(Again { what, left }) => self.spread(cx, what, left),
            Input::Start | Input::Spare(..) | Input::Shed(..) | Input::Lost(..) | Input::Peer(_) => {}
        }
    }
}

impl Rumor {
    fn hear(&mut self, cx: &mut Cx<'_, Self>, what: u64) {
        if self.heard.insert(what) {
            cx.emit(what);
            self.spread(cx, what, ROUNDS);
        }
    }

    fn spread(&mut self, cx: &mut Cx<'_, Self>, what: u64, left: u32) {
        for _ in 0..FANOUT {
            if let Some(peer) = cx.peers.pick(cx.me, cx.rng) {
                cx.send(peer, Said(what));
            }
        }
        if left > 1 {
            cx.after(ROUND, Again { what, left: left - 1 });
        }
    }
}

/// The membership's view is the rumor's.
impl Subscriber<swim::Event> for Rumor {
    fn change_for(event: &swim::Event) -> Option<Change> {
        event.change()
    }
}

type Node = Stack<Rumor, Swim<Unsigned>>;

fn node(i: u64, contact: Option<&Contact>) -> Node {
    let (life, contact) =
        (Life { epoch: 1, session: 0xbeef + i }, contact.map(Contact::payload).unwrap_or_default());
    let (name, tags) = (format!("node-{i}"), Default::default());
    let me = Me { id: NodeId(i), life, name, contact, tags, copied_from: None };
    Stack::new(Rumor::default(), Swim::new(swim::Config::local(), me, Unsigned))
}

fn on_the_simulator(n: u64) {
    let mut sim = Sim::new(World { loss: 0.05, ..World::default() }, 1);
    (0..n).for_each(|i| sim.spawn(NodeId(i), node(i, None), Time::ZERO));
    (1..n).for_each(|i| sim.call(NodeId(i), Layer::Lower(swim::Call::Join(NodeId(0)))));
    sim.run_for(Duration::from_secs(10), &mut |_, _, _| {});
    let told = sim.now();
    let mut last = told;
    sim.call(NodeId(7), Layer::Upper(Call::Tell(42)));
    sim.run_for(Duration::from_secs(2), &mut |at, _, event| {
        if matches!(event, Layer::Upper(42)) {
            last = at;
        }
    });
    let informed = sim.ids().filter(|id| sim.node(*id).upper.heard.contains(&42)).count() as u64;
    println!("simulator: {informed} of {n} know, the last after {:?}", last.since(told));
    assert_eq!(informed, n);
}

struct Observer;

impl App<Node> for Observer {
    fn event(&mut self, event: Layer<u64, swim::Event>, book: &mut Book, _: Time, _: Wall) {
        if let Layer::Lower(swim::Event::Contact(id, life, contact)) = event {
            _ = book.runs(id, life).learn(id, &contact);
        }
    }
}

async fn over_udp(n: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut handles: Vec<Handle<Node>> = Vec::new();
    for i in 0..n {
        let life = Life { epoch: 1, session: 0xbeef + i };
        let config = Config::new("127.0.0.1:0".parse()?, Keyring::insecure(), NodeId(i), life);
        let sockets = Sockets::bind(&config)?;
        let node = node(i, Some(sockets.contact()));
        handles.push(start(config, sockets, node, Observer).await?);
        if let Some(first) = handles.first().filter(|_| i > 0) {
            let seed = handles[i as usize].resolve(first.local_addr()).await?;
            handles[i as usize].call(Layer::Lower(swim::Call::Join(seed))).await?;
        }
    }
    for handle in &handles {
        while handle.inspect(|node, _| node.lower.live_len()).await? < n as usize {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    handles[1].call(Layer::Upper(Call::Tell(42))).await?;
    for handle in &handles {
        while !handle.inspect(|node, _| node.upper.heard.contains(&42)).await? {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    println!("over UDP: all {n} know");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    on_the_simulator(200);
    over_udp(5).await
}
