//! The node's state, as code sees it that runs inside the node's task.

use crate::describe::model::More;
use crate::identity::NodeKeys;
use crate::node::Node;
use crate::view::View;
use rumormill_core::identity::NodeId;
use rumormill_core::observe::Moment;
use rumormill_core::time::{Time, Wall};
use rumormill_runtime::Contact;

/// Adds fields to the JSON of a member.
pub type AboutMember = fn(&Inside<'_>, NodeId, &mut More);

/// The state that a look inside the node's task sees.
pub struct Inside<'a> {
    /// The node.
    pub node: &'a Node<NodeKeys>,
    /// Names, changes and pings, as membership told them.
    pub view: &'a View,
    /// The runtime's view of its sessions and addresses.
    pub seen: &'a rumormill_runtime::View<'a>,
    /// This moment, monotonic.
    pub now: Time,
    /// This moment, as Unix time.
    pub wall: Wall,
    /// Fields that features add to the JSON of a member.
    pub about_member: &'a [AboutMember],
}

impl Inside<'_> {
    /// This moment, for rows and figures of the node.
    pub fn moment(&self) -> Moment {
        Moment { now: self.now, wall: self.wall, addresses }
    }
}

/// The addresses of a contact; none if it cannot be read.
pub fn addresses(contact: &[u8]) -> Vec<String> {
    let contact = Contact::decode(contact).unwrap_or_default();
    contact.addresses().iter().map(ToString::to_string).collect()
}
