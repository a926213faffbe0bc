//! The trait: a gossip protocol as a state machine.
//!
//! A run is a pure function of (state, seed, inputs). What drives a protocol is the simulator, the agent, a test or a
//! program of one's own; it hands in [`Input`]s and carries out [`Output`]s. [`Protocol::handle`] cannot fail: bad bytes die
//! in [`wire`], and a broken invariant is an `assert!`.

use crate::identity::NodeId;
pub use crate::lane::Lane;
pub use crate::peers::{Change, Peers};
use crate::rng::Rng;
use crate::time::{Duration, Time, Wall};
use crate::wire::{self, Wire};
use core::cell::Cell;
use core::fmt::Debug;

/// A gossip protocol as a state machine: a run is a pure function of (state, seed, inputs).
pub trait Protocol: Sized {
    /// What the application, or the layer above, asks of it.
    type Call;
    /// What it says to its peers.
    type Message: Message;
    /// What it asks to be reminded of. It carries what shows it stale, so nothing is ever cancelled.
    type Timer;
    /// What it tells the application, or the layer above.
    type Event;
    /// Whether it has use for what is left of a datagram: if not, [`Input::Spare`] is not handed in.
    const FILLS: bool;
    /// Takes one input and pushes what follows from it into `cx`. One `match`: the protocol's table of contents.
    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>);
}

/// What a protocol says to its peers.
pub trait Message: Wire + Clone + Debug {
    /// The lanes of this message type: the budget is shared among them, and traffic is counted by them.
    const LANES: &'static [Lane];
    /// The place in [`LANES`](Message::LANES) of the lane that this message takes.
    fn lane(&self) -> usize {
        0
    }
    /// Whether hearing it again from the past does no harm: a merge that only goes up, a question, an answer that
    /// carries the asker's nonce. All else is refused from a session that has not proved that it is live.
    fn replayable(&self) -> bool {
        false
    }
}

/// How a message travels.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Via {
    /// In a datagram; over the stream if it does not fit one.
    Auto,
    /// Over the stream, always: for bulk, and to reach a peer whose datagrams are blocked.
    Stream,
}

/// Why something did not arrive. A hint; only [`Loss::Replaced`] is proof.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Loss {
    /// Nobody listens there.
    Refused,
    /// The connection broke.
    Reset,
    /// Nothing came back in time.
    TimedOut,
    /// The driver knows no address for this peer.
    Unknown,
    /// The peer's process is gone: at the address where this node had confirmed it, another peer answered this node's own attempt to reach it.
    Replaced(NodeId),
}

/// What is handed to a protocol.
pub enum Input<P: Protocol> {
    /// The first input, once.
    Start,
    /// The application, or the layer above, asks for something.
    Call(P::Call),
    /// A peer says something.
    Message(NodeId, P::Message),
    /// What it wanted to be reminded of.
    Timer(P::Timer),
    /// A datagram to that peer leaves now and has so many bytes to spare.
    Spare(NodeId, usize),
    /// The driver gives this message to that peer back: it was dropped for the budget and does not count as sent.
    Shed(NodeId, P::Message),
    /// Something did not arrive, for this reason.
    Lost(NodeId, Loss),
    /// The peers have changed; [`Cx::peers`] shows them as they are now.
    Peer(Change),
}

/// What a protocol pushes out.
pub enum Output<P: Protocol> {
    /// Say this to that peer.
    Send(NodeId, Via, P::Message),
    /// Remind me after this long.
    Timer(Duration, P::Timer),
    /// From now on tell me (or no longer) when the connection to this peer breaks.
    Watch(NodeId, bool),
    /// The peers change. All protocols of this node are told so right after the present input.
    Peer(Change),
    /// Tell the application, or the layer above.
    Event(P::Event),
}

/// What a protocol may know and do while it handles one input. Lent by the driver, kept by nobody.
pub struct Cx<'a, P: Protocol> {
    /// Monotonic.
    pub now: Time,
    /// Unix time, which may be off, drift or jump.
    pub wall: Wall,
    /// Who I am.
    pub me: NodeId,
    /// The peers of this node: one set for all its protocols.
    pub peers: &'a Peers,
    /// My random source.
    pub rng: &'a mut Rng,
    /// Bytes that may be sent now without being shed, as of the start of this handler.
    pub room: usize,
    /// Where outputs go: the simulator's wheel, the agent's packer, a test's `Vec`.
    pub out: &'a mut dyn FnMut(Output<P>),
}

impl<P: Protocol> Cx<'_, P> {
    /// Says `message` to `to`, in a datagram if it fits one.
    pub fn send(&mut self, to: NodeId, message: P::Message) {
        (self.out)(Output::Send(to, Via::Auto, message));
    }

    /// Says `message` to `to` over the stream.
    pub fn stream(&mut self, to: NodeId, message: P::Message) {
        (self.out)(Output::Send(to, Via::Stream, message));
    }

    /// Asks to be reminded of `timer` after `delay`.
    pub fn after(&mut self, delay: Duration, timer: P::Timer) {
        (self.out)(Output::Timer(delay, timer));
    }

    /// Tells the application, or the layer above.
    pub fn emit(&mut self, event: P::Event) {
        (self.out)(Output::Event(event));
    }

    /// Asks to be told (or no longer) of a broken connection to `peer`.
    pub fn watch(&mut self, peer: NodeId, on: bool) {
        (self.out)(Output::Watch(peer, on));
    }

    /// Publishes a change of the peers to all protocols of this node.
    pub fn publish(&mut self, change: Change) {
        (self.out)(Output::Peer(change));
    }

    /// Runs `body` with these peers in place of the node's: for a protocol with a view of its own.
    pub fn among<R>(&mut self, peers: &Peers, body: impl FnOnce(&mut Cx<'_, P>) -> R) -> R {
        body(&mut Cx {
            now: self.now,
            wall: self.wall,
            me: self.me,
            peers,
            rng: self.rng,
            room: self.room,
            out: self.out,
        })
    }

    /// Runs `body`, and adds to `taken` the bytes that it says to `peer` in datagrams: how several protocols share spare room.
    pub fn counted<R>(
        &mut self,
        peer: NodeId,
        taken: &Cell<usize>,
        body: impl FnOnce(&mut Cx<'_, P>) -> R,
    ) -> R {
        let out = &mut *self.out;
        let mut counting = |output: Output<P>| {
            if let Output::Send(to, Via::Auto, message) = &output
                && *to == peer
            {
                taken.set(taken.get() + wire::len(message));
            }
            out(output);
        };
        body(&mut Cx {
            now: self.now,
            wall: self.wall,
            me: self.me,
            peers: self.peers,
            rng: self.rng,
            room: self.room,
            out: &mut counting,
        })
    }

    /// Lends the context to an inner protocol: its messages and timers are wrapped, its events go to `on_event`.
    pub fn lend<Q: Protocol, R>(
        &mut self,
        message: impl Fn(Q::Message) -> P::Message,
        timer: impl Fn(Q::Timer) -> P::Timer,
        mut on_event: impl FnMut(Q::Event),
        body: impl FnOnce(&mut Cx<'_, Q>) -> R,
    ) -> R {
        let out = &mut *self.out;
        let mut inner = |output: Output<Q>| match output {
            Output::Send(to, via, m) => out(Output::Send(to, via, message(m))),
            Output::Timer(delay, t) => out(Output::Timer(delay, timer(t))),
            Output::Watch(peer, on) => out(Output::Watch(peer, on)),
            Output::Peer(change) => out(Output::Peer(change)),
            Output::Event(event) => on_event(event),
        };
        body(&mut Cx {
            now: self.now,
            wall: self.wall,
            me: self.me,
            peers: self.peers,
            rng: self.rng,
            room: self.room,
            out: &mut inner,
        })
    }
}
