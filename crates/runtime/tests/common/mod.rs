//! A toy protocol on real loopback sockets, and what the stories about it need.
#![allow(dead_code)] // each story uses its part

use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::Life;
use rumormill_core::payload::Payload;
use rumormill_core::{Cx, Duration, Input, Lane, Loss, Message, NodeId, Protocol, Time, Via, Wall};
use rumormill_runtime::{App, Book, Cause, Config, Contact, Handle, Key, Keyring, Sockets, View, start};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;

/// Says what it is told to say, answers what wants an answer, and tells what it hears.
#[derive(Default)]
pub struct Toy {
    pub heard: usize,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
pub struct Word {
    #[n(0)]
    pub number: u64,
    /// Whether hearing it again does no harm.
    #[n(1)]
    pub tame: bool,
    #[n(2)]
    pub wants_answer: bool,
    #[n(3)]
    pub load: Payload,
}

impl Word {
    pub fn tame(number: u64) -> Word {
        Word { number, tame: true, wants_answer: false, load: Payload::EMPTY }
    }
    pub fn wild(number: u64) -> Word {
        Word { tame: false, ..Word::tame(number) }
    }
    pub fn question(number: u64) -> Word {
        Word { wants_answer: true, ..Word::tame(number) }
    }
    pub fn loaded(number: u64, bytes: usize) -> Word {
        Word { load: Payload::from(&vec![7; bytes][..]), ..Word::tame(number) }
    }
}

impl Message for Word {
    const LANES: &'static [Lane] = &[Lane::new("tame"), Lane::new("wild")];
    fn lane(&self) -> usize {
        usize::from(!self.tame)
    }
    fn replayable(&self) -> bool {
        self.tame
    }
}

pub enum Call {
    Say(NodeId, Via, Word),
    Learn(NodeId, Payload),
    Forget(NodeId),
    Runs(NodeId, Life),
    Watch(NodeId, bool),
    After(Duration, u64),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Contact(NodeId, Payload),
    Forget(NodeId),
    Runs(NodeId, Life),
    Heard(NodeId, u64, usize),
    Lost(NodeId, Loss),
    Shed(NodeId, usize),
    Tick(u64, Time),
}

impl Protocol for Toy {
    type Call = Call;
    type Message = Word;
    type Timer = u64;
    type Event = Event;
    const FILLS: bool = false;
    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start | Input::Spare(..) => {}
            Input::Call(Call::Say(to, Via::Auto, word)) => cx.send(to, word),
            Input::Call(Call::Say(to, Via::Stream, word)) => cx.stream(to, word),
            Input::Call(Call::Learn(id, contact)) => cx.emit(Event::Contact(id, contact)),
            Input::Call(Call::Forget(id)) => cx.emit(Event::Forget(id)),
            Input::Call(Call::Runs(id, life)) => cx.emit(Event::Runs(id, life)),
            Input::Call(Call::Watch(id, on)) => cx.watch(id, on),
            Input::Call(Call::After(delay, tag)) => cx.after(delay, tag),
            Input::Message(from, word) => {
                self.heard += 1;
                if word.wants_answer {
                    cx.send(from, Word { wants_answer: false, ..word.clone() });
                }
                cx.emit(Event::Heard(from, word.number, word.load.len()));
            }
            Input::Timer(tag) => cx.emit(Event::Tick(tag, cx.now)),
            Input::Shed(to, word) => cx.emit(Event::Shed(to, word.lane())),
            Input::Lost(from, loss) => cx.emit(Event::Lost(from, loss)),
            Input::Peer(_) => {}
        }
    }
}

/// What the application was told.
#[derive(Clone, Default)]
pub struct Log {
    pub events: Arc<Mutex<Vec<Event>>>,
    pub superseded: Arc<Mutex<Vec<Life>>>,
    pub batches: Arc<Mutex<usize>>,
}

impl App<Toy> for Log {
    fn event(&mut self, event: Event, book: &mut Book, _: Time, _: Wall) {
        match &event {
            Event::Contact(id, contact) => book.learn(*id, contact).unwrap(),
            Event::Forget(id) => book.forget(*id),
            Event::Runs(id, life) => drop(book.runs(*id, *life)),
            _ => {}
        }
        self.events.lock().unwrap().push(event);
    }
    fn after(&mut self, _: &Toy, _: &View<'_>) {
        *self.batches.lock().unwrap() += 1;
    }
    fn superseded(&mut self, life: Life) {
        self.superseded.lock().unwrap().push(life);
    }
}

/// A running toy.
pub struct Node {
    pub handle: Handle<Toy>,
    pub log: Log,
    pub contact: Contact,
}

pub fn key(n: u8) -> Keyring {
    Keyring::new(Key::new([n; 32]))
}

pub fn life(epoch: u64) -> Life {
    Life { epoch, session: 0x5e55_0000 + epoch } // the same for all ids: nothing may depend on their being different
}

pub fn config(id: u64) -> Config {
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config::new(bind, key(1), NodeId(id), life(1));
    // Stories run side by side and ports are used again: each has a cluster of its own, named after its thread.
    let story = std::thread::current().name().unwrap_or("toys").chars().take(60).collect();
    Config { seed: Some(id), faults: true, cluster: story, ..config }
}

pub async fn launch(config: Config) -> Node {
    let sockets = Sockets::bind(&config).unwrap();
    let contact = sockets.contact().clone();
    let log = Log::default();
    let handle = start(config, sockets, Toy::default(), log.clone()).await.unwrap();
    Node { handle, log, contact }
}

/// Nodes 1..=n that know each other's contacts.
pub async fn cluster(n: u64) -> Vec<Node> {
    let mut nodes = vec![];
    for id in 1..=n {
        nodes.push(launch(config(id)).await);
    }
    for a in &nodes {
        for b in &nodes {
            a.learn(b).await;
        }
    }
    nodes
}

impl Node {
    pub fn id(&self) -> NodeId {
        self.handle.me()
    }
    pub fn address(&self) -> SocketAddr {
        self.handle.local_addr()
    }
    pub async fn learn(&self, other: &Node) {
        if self.id() != other.id() {
            self.learn_at(other.id(), other.contact.addresses()[0]).await;
        }
    }
    pub async fn learn_at(&self, id: NodeId, at: SocketAddr) {
        self.call(Call::Learn(id, Contact::new([at]).payload())).await;
    }
    pub async fn call(&self, call: Call) {
        self.handle.call(call).await.unwrap();
    }
    pub async fn say(&self, to: &Node, word: Word) {
        self.call(Call::Say(to.id(), Via::Auto, word)).await;
    }
    pub async fn stream(&self, to: &Node, word: Word) {
        self.call(Call::Say(to.id(), Via::Stream, word)).await;
    }
    pub fn saw(&self, event: &Event) -> bool {
        self.log.events.lock().unwrap().contains(event)
    }
    pub fn heard(&self, from: &Node, number: u64) -> bool {
        let events = self.log.events.lock().unwrap();
        events.iter().any(|e| matches!(e, Event::Heard(id, n, _) if *id == from.id() && *n == number))
    }
    pub fn times_heard(&self, number: u64) -> usize {
        let events = self.log.events.lock().unwrap();
        events.iter().filter(|e| matches!(e, Event::Heard(_, n, _) if *n == number)).count()
    }
    pub fn dropped(&self, cause: Cause) -> u64 {
        self.handle.counters().dropped(cause)
    }
    /// Both know of each other that they are live.
    pub async fn shake_hands(&self, other: &Node, number: u64) {
        until("an answer", || async {
            self.say(other, Word::question(number)).await;
            soon(|| self.heard(other, number)).await
        })
        .await;
        until("a confirmed word", || async {
            self.say(other, Word::wild(number)).await;
            soon(|| other.heard(self, number)).await
        })
        .await;
    }
}

/// Waits a moment for something that is likely.
pub async fn soon(done: impl Fn() -> bool) -> bool {
    for _ in 0..50 {
        if done() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    done()
}

/// Waits for something that must come, with a deadline for slow machines.
pub async fn until<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let start = std::time::Instant::now();
    while !done().await {
        assert!(start.elapsed() < Duration::from_secs(30), "{what} did not come");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits for a plain condition.
pub async fn wait(what: &str, done: impl Fn() -> bool) {
    until(what, || std::future::ready(done())).await;
}

/// A datagram relay that keeps what passes, from the first to the second and back.
pub struct Tap {
    pub address: SocketAddr,
    pub kept: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Tap {
    pub async fn between(from: SocketAddr, to: SocketAddr) -> Tap {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let kept = Arc::new(Mutex::new(vec![]));
        let keep = kept.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 2_048];
            while let Ok((length, source)) = socket.recv_from(&mut buffer).await {
                let target = if source == from { to } else { from };
                if source == from {
                    keep.lock().unwrap().push(buffer[..length].to_vec());
                }
                let _ = socket.send_to(&buffer[..length], target).await;
            }
        });
        Tap { address, kept }
    }
    pub fn last(&self) -> Vec<u8> {
        self.kept.lock().unwrap().last().cloned().unwrap()
    }
}
