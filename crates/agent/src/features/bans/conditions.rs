//! The condition that this agent itself is banned.

use crate::describe::Shape;
use crate::describe::inside::Inside;
use crate::describe::model::Warning;
use rumormill_protocols::agree::bans::Ban;

/// Adds the condition that this agent is banned.
pub(super) fn conditions(inside: &Inside<'_>, all: &mut Vec<Warning>) {
    if let Some(ban) = inside.node.bans.of(inside.node.swim.me().id) {
        let text = of_myself(ban, &Shape::new(inside).called(ban.by));
        all.push(Warning::holding("banned", "", text, ban.age_s(inside.wall)));
    }
}

/// The warning of an agent that is banned itself.
pub(crate) fn of_myself(ban: &Ban, by: &str) -> String {
    let reason = if ban.reason().is_empty() { String::new() } else { format!(" ({})", ban.reason()) };
    format!(
        "this agent is banned from the cluster by {by}{reason}: no member answers it until one lifts that"
    )
}
