//! A protocol as scenarios use it, and the stack of two protocols.

use rumormill_core::identity::{Life, NodeId};
use rumormill_core::observe::Observe;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::Protocol;
use rumormill_core::rng::mix;
use rumormill_core::stack::{Layer, Stack, Subscriber};
use rumormill_core::time::{Time, Wall};
use rumormill_sim::Sim;
use rumormill_sim::plan::History;
use serde::Serialize;
use std::collections::BTreeMap;

/// The call of a part's protocol.
pub type CallOf<P> = <<P as Part>::Node as Protocol>::Call;
/// The event of a part's protocol.
pub type EventOf<P> = <<P as Part>::Node as Protocol>::Event;
/// The verdict of a check: nothing, or what is wrong.
pub type Check<P> = Box<dyn Fn(&dyn View<<P as Part>::Node>, &<P as Part>::Seen) -> Result<(), String>>;
/// Names with their meaning, for messages that list them.
pub type Names = Vec<(&'static str, &'static str)>;

/// A protocol as scenarios use it.
pub trait Part: 'static {
    /// The protocol.
    type Node: Protocol<Call: Send + 'static, Message: Send + 'static, Timer: Send + 'static, Event: Send + 'static>
        + Send
        + 'static;
    /// The record of the run.
    type Seen: Default + 'static;

    /// Makes a node for its life of that number. `kept` is the node of the life before, unless it was wiped.
    fn make(&self, id: NodeId, life: u32, kept: Option<&Self::Node>) -> Self::Node;
    /// The peers of a node where no membership beneath says who is there.
    fn peers(&self, _id: NodeId) -> Option<Peers> {
        None
    }
    /// The calls of a node right after each start.
    fn first_calls(&self, _id: NodeId, _life: u32) -> Vec<CallOf<Self>> {
        Vec::new()
    }
    /// The named calls.
    fn calls(&self) -> Names;
    /// The call of that name.
    ///
    /// # Errors
    /// If the call does not take this argument.
    fn call(&self, id: NodeId, call: &str, with: &str) -> Result<CallOf<Self>, String>;
    /// Records an event.
    fn see(&self, seen: &mut Self::Seen, at: Time, id: NodeId, event: &EventOf<Self>);
    /// Records a call.
    fn see_call(&self, seen: &mut Self::Seen, call: &CallRecord);
    /// Reads the nodes, right before the checks run.
    fn look(&self, _seen: &mut Self::Seen, _view: &dyn View<Self::Node>) {}
    /// An event as a line of the output.
    fn tell(event: &EventOf<Self>) -> Line;
    /// The parts of a node that show tables and counters.
    fn observe(_node: &Self::Node) -> Vec<&dyn Observe> {
        Vec::new()
    }
    /// A sample of figures: always the same ones in the same order.
    fn measure(&self, view: &dyn View<Self::Node>, seen: &Self::Seen) -> Vec<(&'static str, f64)>;
    /// The named checks.
    fn checks(&self) -> Names;
    /// The check of that name, with the argument in the brackets behind it.
    ///
    /// # Errors
    /// If there is no check of that name, or it does not take this argument.
    fn check(&self, name: &str, with: Option<&str>) -> Result<Check<Self>, String>;
    /// Bytes of memory that a node allocates in a cluster of this size, about.
    fn heap_bytes(&self, nodes: u64) -> u64;
}

/// An event as it is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Its name.
    pub event: &'static str,
    /// The node that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<u64>,
    /// Further text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Line {
    /// An event about a node.
    pub fn about(event: &'static str, id: NodeId) -> Line {
        Line { event, about: Some(id.0), detail: None }
    }

    /// An event about something else.
    pub fn of(event: &'static str, detail: Option<String>) -> Line {
        Line { event, about: None, detail }
    }
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// The node that was called.
    pub id: NodeId,
    /// Time of the call.
    pub at: Time,
    /// Name of the call.
    pub call: String,
    /// Argument of the call.
    pub with: String,
}

/// The nodes of a running simulation, as checks and figures see them.
pub trait View<N> {
    /// The simulated time.
    fn now(&self) -> Time;
    /// The nodes that are up.
    fn live<'a>(&'a self) -> Box<dyn Iterator<Item = NodeId> + 'a>;
    /// All nodes that were started, in the order of their starts.
    fn known<'a>(&'a self) -> Box<dyn Iterator<Item = NodeId> + 'a>;
    /// Whether a node is up.
    fn is_up(&self, id: NodeId) -> bool;
    /// Begin of the last life of a node.
    fn since(&self, id: NodeId) -> Time;
    /// The time that a node's wall clock shows.
    fn wall(&self, id: NodeId) -> Wall;
    /// The protocol of a node.
    fn node(&self, id: NodeId) -> &N;
    /// The faults so far.
    fn history(&self) -> &History;
}

/// A simulation, with the start times of its nodes.
pub(super) struct SimView<'a, N: Protocol> {
    pub sim: &'a Sim<N>,
    pub since: &'a Since,
    pub history: &'a History,
}

/// Start times of nodes: those of the beginning by a rule, later ones by node.
#[derive(Debug, Default)]
pub(super) struct Since {
    pub restarted: BTreeMap<NodeId, Time>,
    pub first: BTreeMap<NodeId, Time>,
}

impl<N: Protocol> View<N> for SimView<'_, N> {
    fn now(&self) -> Time {
        self.sim.now()
    }
    fn live<'a>(&'a self) -> Box<dyn Iterator<Item = NodeId> + 'a> {
        Box::new(self.sim.live_ids())
    }
    fn known<'a>(&'a self) -> Box<dyn Iterator<Item = NodeId> + 'a> {
        Box::new(self.sim.ids())
    }
    fn is_up(&self, id: NodeId) -> bool {
        self.sim.has(id) && self.sim.is_up(id)
    }
    fn since(&self, id: NodeId) -> Time {
        let Since { restarted, first } = self.since;
        restarted.get(&id).or_else(|| first.get(&id)).copied().unwrap_or(Time::ZERO)
    }
    fn wall(&self, id: NodeId) -> Wall {
        self.sim.wall(id)
    }
    fn node(&self, id: NodeId) -> &N {
        self.sim.node(id)
    }
    fn history(&self) -> &History {
        self.history
    }
}

/// One layer of each node.
pub(super) struct LayerView<'a, N, M> {
    pub view: &'a dyn View<N>,
    pub layer: fn(&N) -> &M,
}

impl<N, M> View<M> for LayerView<'_, N, M> {
    fn now(&self) -> Time {
        self.view.now()
    }
    fn live<'a>(&'a self) -> Box<dyn Iterator<Item = NodeId> + 'a> {
        self.view.live()
    }
    fn known<'a>(&'a self) -> Box<dyn Iterator<Item = NodeId> + 'a> {
        self.view.known()
    }
    fn is_up(&self, id: NodeId) -> bool {
        self.view.is_up(id)
    }
    fn since(&self, id: NodeId) -> Time {
        self.view.since(id)
    }
    fn wall(&self, id: NodeId) -> Wall {
        self.view.wall(id)
    }
    fn node(&self, id: NodeId) -> &M {
        (self.layer)(self.view.node(id))
    }
    fn history(&self) -> &History {
        self.view.history()
    }
}

/// The identity of a node in its life of that number.
pub(super) fn life(id: NodeId, life: u32) -> Life {
    let epoch = u64::from(life) + 1;
    Life { epoch, session: mix(id.0 ^ mix(epoch)) }
}

/// `U` on `L`, the view of which gives `U` its peers.
pub struct On<U, L> {
    /// The upper protocol.
    pub upper: U,
    /// The protocol that keeps the view.
    pub lower: L,
}

type Both<U, L> = Stack<<U as Part>::Node, <L as Part>::Node>;

fn upper<U: Part, L: Part>(node: &Both<U, L>) -> &U::Node {
    &node.upper
}

fn lower<U: Part, L: Part>(node: &Both<U, L>) -> &L::Node {
    &node.lower
}

impl<U: Part<Node: Subscriber<EventOf<L>>>, L: Part> Part for On<U, L> {
    type Node = Both<U, L>;
    type Seen = (U::Seen, L::Seen);

    fn make(&self, id: NodeId, life: u32, kept: Option<&Self::Node>) -> Self::Node {
        let above = self.upper.make(id, life, kept.map(upper::<U, L>));
        let below = self.lower.make(id, life, kept.map(lower::<U, L>));
        Stack::new(above, below)
    }

    fn first_calls(&self, id: NodeId, life: u32) -> Vec<CallOf<Self>> {
        let above = self.upper.first_calls(id, life).into_iter().map(Layer::Upper);
        let below = self.lower.first_calls(id, life).into_iter().map(Layer::Lower);
        above.chain(below).collect()
    }

    fn calls(&self) -> Names {
        [self.upper.calls(), self.lower.calls()].concat()
    }

    fn call(&self, id: NodeId, call: &str, with: &str) -> Result<CallOf<Self>, String> {
        if self.upper.calls().iter().any(|(name, _)| *name == call) {
            return self.upper.call(id, call, with).map(Layer::Upper);
        }
        self.lower.call(id, call, with).map(Layer::Lower)
    }

    fn see(&self, seen: &mut Self::Seen, at: Time, id: NodeId, event: &EventOf<Self>) {
        match event {
            Layer::Upper(event) => self.upper.see(&mut seen.0, at, id, event),
            Layer::Lower(event) => self.lower.see(&mut seen.1, at, id, event),
        }
    }

    fn see_call(&self, seen: &mut Self::Seen, call: &CallRecord) {
        self.upper.see_call(&mut seen.0, call);
        self.lower.see_call(&mut seen.1, call);
    }

    fn look(&self, seen: &mut Self::Seen, view: &dyn View<Self::Node>) {
        self.upper.look(&mut seen.0, &LayerView { view, layer: upper::<U, L> });
        self.lower.look(&mut seen.1, &LayerView { view, layer: lower::<U, L> });
    }

    fn tell(event: &EventOf<Self>) -> Line {
        match event {
            Layer::Upper(event) => U::tell(event),
            Layer::Lower(event) => L::tell(event),
        }
    }

    fn observe(node: &Self::Node) -> Vec<&dyn Observe> {
        U::observe(&node.upper).into_iter().chain(L::observe(&node.lower)).collect()
    }

    fn measure(&self, view: &dyn View<Self::Node>, seen: &Self::Seen) -> Vec<(&'static str, f64)> {
        let mut figures = self.upper.measure(&LayerView { view, layer: upper::<U, L> }, &seen.0);
        figures.extend(self.lower.measure(&LayerView { view, layer: lower::<U, L> }, &seen.1));
        figures
    }

    fn checks(&self) -> Names {
        [self.upper.checks(), self.lower.checks()].concat()
    }

    fn check(&self, name: &str, with: Option<&str>) -> Result<Check<Self>, String> {
        if self.upper.checks().iter().any(|(known, _)| *known == name) {
            let check = self.upper.check(name, with)?;
            return Ok(Box::new(move |view, seen| check(&LayerView { view, layer: upper::<U, L> }, &seen.0)));
        }
        let check = self.lower.check(name, with)?;
        Ok(Box::new(move |view, seen| check(&LayerView { view, layer: lower::<U, L> }, &seen.1)))
    }

    fn heap_bytes(&self, nodes: u64) -> u64 {
        self.upper.heap_bytes(nodes) + self.lower.heap_bytes(nodes)
    }
}
