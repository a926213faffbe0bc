//! The agent's composite, without keys.

use rumormill_agent::audience::compiled::CompiledFilters;
use rumormill_agent::node::Node;
use rumormill_core::identity::{Life, NodeId, Unsigned};
use rumormill_core::payload::Payload;
use rumormill_protocols::agree::bans::{self, Bans};
use rumormill_protocols::agree::lww::Lww;
use rumormill_protocols::member::swim::{self, Me, Swim};
use rumormill_protocols::spread::events::{self, Events};
use rumormill_protocols::spread::queries::{self, Queries};

/// A node that knows nobody and of no events. `vitals` makes what spreads its machine's readings, if anything does.
pub fn node(id: u64, vitals: impl FnOnce(Life) -> Option<Lww>) -> Node<Unsigned> {
    node_with(swim::Config::lan(), id, vitals)
}

/// The same with other settings of SWIM.
pub fn node_with(config: swim::Config, id: u64, vitals: impl FnOnce(Life) -> Option<Lww>) -> Node<Unsigned> {
    let life = Life { epoch: 1, session: id + 1 };
    let me = Me {
        id: NodeId(id),
        life,
        name: format!("n{id}"),
        contact: Payload::EMPTY,
        tags: Payload::EMPTY,
        copied_from: None,
    };
    let events = Events::new(events::Config::default(), life);
    let queries = Queries::new(queries::Config::default(), life);
    let bans = Bans::new(bans::Config::default(), Unsigned);
    let swim = Swim::new(config, me, Unsigned);
    Node::new(swim, vitals(life), events, queries, CompiledFilters::default(), bans)
}
