//! The nodes of a running simulation, as an output may look at them: each shows what its protocols observe of themselves ([`Observe`]), as an agent does.

use super::part::{Part, SimView, View};
use rumormill_core::identity::NodeId;
use rumormill_core::observe::Observe;
use rumormill_core::time::{Time, Wall};

/// The nodes of a running simulation, whatever their protocols are.
pub trait Nodes {
    /// The simulated time.
    fn now(&self) -> Time;
    /// All nodes that were started, in the order of their ids.
    fn known(&self) -> Vec<NodeId>;
    /// True if a node is up.
    fn is_up(&self, id: NodeId) -> bool;
    /// Begin of the last life of a node.
    fn since(&self, id: NodeId) -> Time;
    /// The time that a node's wall clock shows.
    fn wall(&self, id: NodeId) -> Wall;
    /// The parts of a node that show tables and counters.
    fn observe(&self, id: NodeId) -> Vec<&dyn Observe>;
}

/// The nodes of a part.
pub(super) struct NodesOf<'a, P: Part>(pub SimView<'a, P::Node>);

impl<P: Part> Nodes for NodesOf<'_, P> {
    fn now(&self) -> Time {
        self.0.now()
    }
    fn known(&self) -> Vec<NodeId> {
        let mut ids: Vec<NodeId> = self.0.known().collect();
        ids.sort_unstable();
        ids
    }
    fn is_up(&self, id: NodeId) -> bool {
        self.0.is_up(id)
    }
    fn since(&self, id: NodeId) -> Time {
        self.0.since(id)
    }
    fn wall(&self, id: NodeId) -> Wall {
        self.0.wall(id)
    }
    fn observe(&self, id: NodeId) -> Vec<&dyn Observe> {
        P::observe(self.0.node(id))
    }
}
