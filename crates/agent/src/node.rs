//! The composed protocol as the agent uses it: filters of queries are compiled by [`audience`](crate::audience).

pub use rumormill_node::{Call, Event, Message, Timer, Vitals};

/// One agent's protocols.
pub type Node<K> = rumormill_node::Node<K, crate::audience::compiled::CompiledFilters>;
