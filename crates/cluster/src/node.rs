//! The composite as a member runs it.

use crate::audience::compiled::CompiledFilters;
use crate::identity::NodeKeys;
use std::sync::Weak;

/// All protocols of a member.
pub type Node = rumormill_node::Node<NodeKeys, CompiledFilters>;
/// The runtime that drives them.
pub type Handle = rumormill_runtime::Handle<Node>;
/// The same without keeping the node running.
pub(crate) type WeakHandle = Weak<Handle>;
