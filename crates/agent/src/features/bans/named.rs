//! Names of banned members, which outlive their cards.

use crate::describe::Shape;
use crate::describe::inside::Inside;
use rumormill_core::identity::NodeId;
use rumormill_protocols::agree::bans::Ban;

/// Banned members of a name: the name that they have now, or the one that they had when they were banned.
pub(crate) fn named(inside: &Inside<'_>, name: &str) -> Vec<NodeId> {
    let carries = |ban: &&Ban| {
        ban.name() == Some(name) || Shape::new(inside).name(ban.id).is_some_and(|known| known == name)
    };
    inside.node.bans.iter().filter(|ban| !ban.lifted).filter(carries).map(|ban| ban.id).collect()
}
