//! What a scenario needs to know about a protocol, and how two of them are put on top of each other.

use rumormill_core::identity::{Life, NodeId};
use rumormill_core::protocol::{Change, Protocol};
use rumormill_core::rng::mix;
use rumormill_core::stack::{Layer, Stack, Told};
use rumormill_core::time::Time;
use rumormill_sim::Sim;
use rumormill_sim::plan::History;
use serde::Serialize;
use std::collections::BTreeMap;

/// The call of a part's protocol.
pub type CallOf<P> = <<P as Part>::Node as Protocol>::Call;
/// The event of a part's protocol.
pub type EventOf<P> = <<P as Part>::Node as Protocol>::Event;
/// What is asked of a run: nothing is wrong, or what is.
pub type Check<P> = Box<dyn Fn(&dyn View<<P as Part>::Node>, &<P as Part>::Seen) -> Result<(), String>>;
/// Names with what they mean, for messages that say what there is.
pub type Names = Vec<(&'static str, &'static str)>;

/// A protocol as scenarios use it.
pub trait Part: 'static {
    /// The protocol.
    type Node: Protocol<Call: Send + 'static, Message: Send + 'static, Timer: Send + 'static, Event: Send + 'static>
        + Send
        + 'static;
    /// What is remembered of what its nodes told.
    type Seen: Default + 'static;

    /// A node, for its life of that number. `kept` is the node of its last life, unless it was wiped.
    fn make(&self, id: NodeId, life: u32, kept: Option<&Self::Node>) -> Self::Node;
    /// What it is asked right after it has started. `alone`: no view beneath it tells it who is there.
    fn greet(&self, id: NodeId, life: u32, alone: bool) -> Vec<CallOf<Self>>;
    /// The calls that it knows by name.
    fn calls(&self) -> Names;
    /// One of them.
    ///
    /// # Errors
    /// If the argument is none for that call.
    fn call(&self, id: NodeId, call: &str, with: &str) -> Result<CallOf<Self>, String>;
    /// What it is asked when a view beneath it changes.
    fn follow(_change: Change) -> Option<CallOf<Self>> {
        None
    }
    /// Remembers an event.
    fn see(&self, seen: &mut Self::Seen, at: Time, id: NodeId, event: &EventOf<Self>);
    /// Remembers that a call was made.
    fn see_call(&self, seen: &mut Self::Seen, call: &Called);
    /// Looks at the nodes, right before the checks are asked.
    fn look(&self, _seen: &mut Self::Seen, _view: &dyn View<Self::Node>) {}
    /// An event as a line of the output.
    fn tell(event: &EventOf<Self>) -> Line;
    /// Figures of this moment, always the same ones in the same order.
    fn measure(&self, view: &dyn View<Self::Node>, seen: &Self::Seen) -> Vec<(&'static str, f64)>;
    /// The checks that it knows by name.
    fn checks(&self) -> Names;
    /// One of them, with what stands in brackets behind its name.
    ///
    /// # Errors
    /// If there is none of that name, or the argument is none.
    fn check(&self, name: &str, with: Option<&str>) -> Result<Check<Self>, String>;
    /// Bytes that one of so many nodes allocates, about.
    fn heap_bytes(&self, nodes: u64) -> u64;
}

/// An event as it is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// What happened.
    pub event: &'static str,
    /// To or about which node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<u64>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Line {
    /// About a node.
    pub fn about(event: &'static str, id: NodeId) -> Line {
        Line { event, about: Some(id.0), detail: None }
    }

    /// About something else.
    pub fn of(event: &'static str, detail: Option<String>) -> Line {
        Line { event, about: None, detail }
    }
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Called {
    /// Of whom.
    pub id: NodeId,
    /// When.
    pub at: Time,
    /// What was asked.
    pub call: String,
    /// With what.
    pub with: String,
}

/// The nodes of a running simulation, as far as checks and figures may see them.
pub trait View<N> {
    /// The time.
    fn now(&self) -> Time;
    /// Those that are up.
    fn live<'a>(&'a self) -> Box<dyn Iterator<Item = NodeId> + 'a>;
    /// Whether it is up.
    fn is_up(&self, id: NodeId) -> bool;
    /// When its life began, the last one.
    fn since(&self, id: NodeId) -> Time;
    /// Its protocol.
    fn node(&self, id: NodeId) -> &N;
    /// What the plan has done so far.
    fn history(&self) -> &History;
}

/// A simulation, and when its nodes started.
pub(super) struct Whole<'a, N: Protocol> {
    pub sim: &'a Sim<N>,
    pub since: &'a Since,
    pub history: &'a History,
}

/// When nodes started: those of the beginning by a rule, later starts by name.
#[derive(Debug, Default)]
pub(super) struct Since {
    pub restarted: BTreeMap<NodeId, Time>,
    pub first: BTreeMap<NodeId, Time>,
}

impl<N: Protocol> View<N> for Whole<'_, N> {
    fn now(&self) -> Time {
        self.sim.now()
    }
    fn live<'a>(&'a self) -> Box<dyn Iterator<Item = NodeId> + 'a> {
        Box::new(self.sim.live_ids())
    }
    fn is_up(&self, id: NodeId) -> bool {
        self.sim.has(id) && self.sim.is_up(id)
    }
    fn since(&self, id: NodeId) -> Time {
        let Since { restarted, first } = self.since;
        restarted.get(&id).or_else(|| first.get(&id)).copied().unwrap_or(Time::ZERO)
    }
    fn node(&self, id: NodeId) -> &N {
        self.sim.node(id)
    }
    fn history(&self) -> &History {
        self.history
    }
}

/// One layer of each node.
pub(super) struct Through<'a, N, M> {
    pub view: &'a dyn View<N>,
    pub layer: fn(&N) -> &M,
}

impl<N, M> View<M> for Through<'_, N, M> {
    fn now(&self) -> Time {
        self.view.now()
    }
    fn live<'a>(&'a self) -> Box<dyn Iterator<Item = NodeId> + 'a> {
        self.view.live()
    }
    fn is_up(&self, id: NodeId) -> bool {
        self.view.is_up(id)
    }
    fn since(&self, id: NodeId) -> Time {
        self.view.since(id)
    }
    fn node(&self, id: NodeId) -> &M {
        (self.layer)(self.view.node(id))
    }
    fn history(&self) -> &History {
        self.view.history()
    }
}

/// Who a node is in its life of that number.
pub(super) fn life(id: NodeId, life: u32) -> Life {
    let epoch = u64::from(life) + 1;
    Life { epoch, session: mix(id.0 ^ mix(epoch)) }
}

/// `U` on `L`, whose view tells it who is there.
pub struct On<U, L> {
    /// What it is about.
    pub upper: U,
    /// What keeps the view.
    pub lower: L,
}

type Both<U, L> = Stack<<U as Part>::Node, <L as Part>::Node>;

fn upper<U: Part, L: Part>(node: &Both<U, L>) -> &U::Node {
    &node.upper
}

fn lower<U: Part, L: Part>(node: &Both<U, L>) -> &L::Node {
    &node.lower
}

impl<U: Part<Node: Told<EventOf<L>>>, L: Part> Part for On<U, L> {
    type Node = Both<U, L>;
    type Seen = (U::Seen, L::Seen);

    fn make(&self, id: NodeId, life: u32, kept: Option<&Self::Node>) -> Self::Node {
        let above = self.upper.make(id, life, kept.map(upper::<U, L>));
        let below = self.lower.make(id, life, kept.map(lower::<U, L>));
        Stack::new(above, below)
    }

    fn greet(&self, id: NodeId, life: u32, alone: bool) -> Vec<CallOf<Self>> {
        let above = self.upper.greet(id, life, false).into_iter().map(Layer::Upper);
        let below = self.lower.greet(id, life, alone).into_iter().map(Layer::Lower);
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

    fn see_call(&self, seen: &mut Self::Seen, call: &Called) {
        self.upper.see_call(&mut seen.0, call);
        self.lower.see_call(&mut seen.1, call);
    }

    fn look(&self, seen: &mut Self::Seen, view: &dyn View<Self::Node>) {
        self.upper.look(&mut seen.0, &Through { view, layer: upper::<U, L> });
        self.lower.look(&mut seen.1, &Through { view, layer: lower::<U, L> });
    }

    fn tell(event: &EventOf<Self>) -> Line {
        match event {
            Layer::Upper(event) => U::tell(event),
            Layer::Lower(event) => L::tell(event),
        }
    }

    fn measure(&self, view: &dyn View<Self::Node>, seen: &Self::Seen) -> Vec<(&'static str, f64)> {
        let mut figures = self.upper.measure(&Through { view, layer: upper::<U, L> }, &seen.0);
        figures.extend(self.lower.measure(&Through { view, layer: lower::<U, L> }, &seen.1));
        figures
    }

    fn checks(&self) -> Names {
        [self.upper.checks(), self.lower.checks()].concat()
    }

    fn check(&self, name: &str, with: Option<&str>) -> Result<Check<Self>, String> {
        if self.upper.checks().iter().any(|(known, _)| *known == name) {
            let check = self.upper.check(name, with)?;
            return Ok(Box::new(move |view, seen| check(&Through { view, layer: upper::<U, L> }, &seen.0)));
        }
        let check = self.lower.check(name, with)?;
        Ok(Box::new(move |view, seen| check(&Through { view, layer: lower::<U, L> }, &seen.1)))
    }

    fn heap_bytes(&self, nodes: u64) -> u64 {
        self.upper.heap_bytes(nodes) + self.lower.heap_bytes(nodes)
    }
}
