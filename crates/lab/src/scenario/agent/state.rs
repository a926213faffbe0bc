//! The members' own state: their agreement.

use super::config::Node;
use super::member::{Member, is_up};
use crate::scenario::part::View;
use rumormill_core::identity::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// A member's knowledge of one id: the ban, its version, whether it is lifted, and its author.
type Word = (NodeId, u64, bool, NodeId);

/// Whether the live members that are not banned agree on their list, on tags, bans and events.
pub fn views_agree(view: &dyn View<Member>) -> Result<(), String> {
    let (members, common) = admitted(view);
    let Some(first) = members.first() else { return Ok(()) };
    for id in &members {
        if words(&view.node(*id).node) != common {
            return Err(format!("node {} knows other bans than most", id.0));
        }
    }
    let root = |id: NodeId| (view.node(id).node.swim.root(), view.node(id).node.events.root());
    lists(view, *first, &members)?;
    for id in &members {
        if !view.node(*id).node.events.is_joined() {
            return Err(format!("node {} has not joined the stream of events", id.0));
        }
        if root(*id).0 != root(*first).0 {
            lists(view, *id, &members)?;
            return Err(format!("nodes {} and {} know different cards of the same members", first.0, id.0));
        }
        if root(*id).1 != root(*first).1 {
            return Err(format!("nodes {} and {} hold different events", first.0, id.0));
        }
    }
    Ok(())
}

fn lists(view: &dyn View<Member>, id: NodeId, members: &BTreeSet<NodeId>) -> Result<(), String> {
    let listed: BTreeSet<NodeId> =
        view.node(id).node.swim.members().filter(is_up).map(|row| row.id).collect();
    if let Some(wrong) = listed.difference(members).next() {
        return Err(format!("node {} lists node {}, which is not there", id.0, wrong.0));
    }
    if let Some(missing) = members.difference(&listed).next() {
        return Err(format!("node {} does not list node {}", id.0, missing.0));
    }
    Ok(())
}

/// Live members that are not banned, and the bans that most live members know. A banned member hears of no further bans, and no other member
/// hears of its own.
pub fn admitted(view: &dyn View<Member>) -> (BTreeSet<NodeId>, Vec<Word>) {
    let mut known: BTreeMap<Vec<Word>, usize> = BTreeMap::new();
    view.live().for_each(|id| *known.entry(words(&view.node(id).node)).or_default() += 1);
    let common = known.into_iter().max_by_key(|(_, members)| *members).unwrap_or_default().0;
    let is_out = |id: &NodeId| common.iter().any(|(banned, _, lifted, _)| banned == id && !lifted);
    (view.live().filter(|id| !is_out(id)).collect(), common)
}

/// The highest suspicion level that a live member has of another member that is up; 0 where phi is off.
pub fn live_level_max(view: &dyn View<Member>) -> f64 {
    let levels = view.live().flat_map(|by| view.node(by).suspicion_levels(view.now()));
    levels.filter(|(about, _)| view.is_up(*about)).map(|(_, level)| level).fold(0.0, f64::max)
}

fn words(node: &Node) -> Vec<Word> {
    node.bans.iter().map(|ban| (ban.id, ban.version, ban.lifted, ban.by)).collect()
}
