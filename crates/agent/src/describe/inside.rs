//! The node's state, as code sees it that runs inside the node's task.

use crate::describe::model::More;
use crate::identity::NodeKeys;
use crate::node::Node;
use crate::view::View;
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Time, Wall};

/// Adds fields to the JSON of a member.
pub type AboutMember = fn(&Inside<'_>, NodeId, &mut More);

/// The state that a look inside the node's task sees.
pub struct Inside<'a> {
    /// The node.
    pub node: &'a Node<NodeKeys>,
    /// Names, changes and pings, as membership told them.
    pub view: &'a View,
    /// This moment, monotonic.
    pub now: Time,
    /// This moment, as Unix time.
    pub wall: Wall,
    /// Fields that features add to the JSON of a member.
    pub about_member: &'a [AboutMember],
}
