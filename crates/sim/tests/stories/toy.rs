//! A protocol that does what it is told and tells what it sees.

use minicbor::{CborLen, Decode, Encode};
use rumormill_core::protocol::{Cx, Input, Lane, Loss, Message, Protocol};
use rumormill_core::time::{Duration, Time, Wall};
use rumormill_core::{NodeId, drive::Limits};
use rumormill_sim::{Latency, Sim, World};
use std::collections::BTreeSet;

/// Pings, echoes, and passes rumours on to random peers, `fanout` of them every `period`, as long as they are new.
#[derive(Default)]
pub struct Toy {
    pub peers: Vec<NodeId>,
    pub period: Option<Duration>,
    pub known: BTreeSet<u64>,
    /// How often to say, in answer to what was shed, as much again.
    pub apologies: u32,
}

pub enum Call {
    Say(NodeId, Say),
    Stream(NodeId, Say),
    Remind(Duration, u64),
    Spread(u64),
    Watch(NodeId, bool),
    Draw,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
pub enum Say {
    #[n(0)]
    Ping(#[n(0)] u64),
    #[n(1)]
    Echo(#[n(0)] u64),
    #[n(2)]
    Rumour(#[n(0)] u64),
    /// Said once, never answered.
    #[n(3)]
    Note(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Answered by the next lower number, down to zero.
    #[n(4)]
    Countdown(#[n(0)] u64),
}

pub enum Timer {
    Round,
    Remind(u64),
}

#[derive(Debug, PartialEq)]
pub enum Event {
    Started,
    Reminded(u64),
    Pinged(NodeId, u64),
    Echoed(NodeId, u64),
    Heard(u64),
    Noted(NodeId, u8),
    Counted(u64),
    Lost(NodeId, Loss),
    Shed,
    Drawn(u64, Wall),
}

impl Message for Say {
    const LANES: &'static [Lane] = &[Lane::new("toy")];
}

impl Protocol for Toy {
    type Call = Call;
    type Message = Say;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = true;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => {
                cx.emit(Event::Started);
                if let Some(period) = self.period {
                    let phase = cx.rng.within(period);
                    cx.after(phase, Timer::Round);
                }
            }
            Input::Call(Call::Say(to, say)) => cx.send(to, say),
            Input::Call(Call::Stream(to, say)) => cx.stream(to, say),
            Input::Call(Call::Remind(after, what)) => cx.after(after, Timer::Remind(what)),
            Input::Call(Call::Spread(rumour)) => drop(self.known.insert(rumour)),
            Input::Call(Call::Watch(peer, on)) => cx.watch(peer, on),
            Input::Call(Call::Draw) => {
                let drawn = cx.rng.next();
                cx.emit(Event::Drawn(drawn, cx.wall));
            }
            Input::Message(from, say) => self.on_message(cx, from, say),
            Input::Timer(Timer::Remind(what)) => cx.emit(Event::Reminded(what)),
            Input::Timer(Timer::Round) => {
                for rumour in &self.known {
                    if let Some(peer) = cx.rng.pick(&self.peers) {
                        cx.send(*peer, Say::Rumour(*rumour));
                    }
                }
                cx.after(self.period.expect("it was set before"), Timer::Round);
            }
            Input::Shed(peer, _) => {
                cx.emit(Event::Shed);
                if self.apologies > 0 {
                    self.apologies -= 1;
                    cx.send(peer, note(1_000, 99));
                }
            }
            Input::Lost(peer, loss) => cx.emit(Event::Lost(peer, loss)),
            Input::Peer(_) => {}
            Input::Spare(..) => {}
        }
    }
}

impl Toy {
    fn on_message(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, say: Say) {
        match say {
            Say::Ping(n) => {
                cx.emit(Event::Pinged(from, n));
                cx.send(from, Say::Echo(n));
            }
            Say::Echo(n) => cx.emit(Event::Echoed(from, n)),
            Say::Rumour(rumour) => {
                if self.known.insert(rumour) {
                    cx.emit(Event::Heard(rumour));
                }
            }
            Say::Note(bytes) => cx.emit(Event::Noted(from, bytes[0])),
            Say::Countdown(n) => {
                cx.emit(Event::Counted(n));
                if n > 0 {
                    cx.send(from, Say::Countdown(n - 1));
                }
            }
        }
    }
}

pub type Seen = Vec<(Time, NodeId, Event)>;

pub const A: NodeId = NodeId(0);
pub const B: NodeId = NodeId(1);
pub const C: NodeId = NodeId(2);

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn at_ms(n: u64) -> Time {
    Time::ZERO + ms(n)
}

/// A world in which everything takes 10 ms.
pub fn ten_ms() -> World {
    World { latency: Latency::Constant(ms(10)), ..World::default() }
}

/// `n` nodes 0..n that do what they are told, started.
pub fn sim(world: World, seed: u64, n: u64) -> Sim<Toy> {
    let mut sim = Sim::new(world, seed);
    for id in 0..n {
        sim.spawn(NodeId(id), Toy::default(), Time::ZERO);
    }
    run(&mut sim, 0);
    sim
}

/// `n` nodes that spread what they know to random peers every second.
pub fn gossips(world: World, seed: u64, n: u64) -> Sim<Toy> {
    let mut sim = Sim::new(world, seed);
    for id in 0..n {
        let peers = (0..n).filter(|peer| *peer != id).map(NodeId).collect();
        let toy = Toy { peers, period: Some(ms(1_000)), ..Toy::default() };
        sim.spawn(NodeId(id), toy, Time::ZERO);
    }
    sim
}

/// Runs for so many milliseconds and returns what was seen.
pub fn run(sim: &mut Sim<Toy>, for_ms: u64) -> Seen {
    let mut seen = vec![];
    sim.run_for(ms(for_ms), &mut |at, id, event| seen.push((at, id, event)));
    seen
}

/// The events of one node, without their times.
pub fn of(seen: &Seen, id: NodeId) -> Vec<&Event> {
    seen.iter().filter(|(_, who, _)| *who == id).map(|(_, _, event)| event).collect()
}

/// How many know this rumour.
pub fn knowing(sim: &Sim<Toy>, rumour: u64) -> usize {
    sim.ids().filter(|id| sim.node(*id).known.contains(&rumour)).count()
}

pub fn note(n: usize, first: u8) -> Say {
    let mut bytes = vec![0; n.max(1)];
    bytes[0] = first;
    Say::Note(bytes)
}

pub fn budget(bytes_per_s: u64) -> Limits {
    Limits { budget_bytes_per_s: bytes_per_s, ..Limits::default() }
}
