//! Members in the data directory: an agent that restarts finds the cluster by those that it knew.

use crate::agent::Agent;
use crate::describe::inside::Inside;
use crate::states::lock;
use crate::store::{KnownMember, MEMBERS_MAX, SAVE_INTERVAL_S};
use crate::warnings::About;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Duration;
use rumormill_protocols::member::swim::{self, Status};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Known members are not on disk. Cleared once they are.
const UNSAVED: About = About("members_unsaved");
/// The members of the last run could not be read. Cleared once members are saved anew.
pub(crate) const UNREAD: About = About("members_unread");

/// Members whose record changed since it was last saved.
#[derive(Default)]
pub(super) struct Unsaved {
    ids: Mutex<BTreeSet<NodeId>>,
    changed: Notify,
}

impl Unsaved {
    /// A member's record changed. Beyond [`MEMBERS_MAX`], it is saved when it changes again.
    pub(super) fn add(&self, id: NodeId) {
        let mut ids = lock(&self.ids);
        if ids.len() < MEMBERS_MAX {
            ids.insert(id);
            self.changed.notify_one();
        }
    }
}

/// Saves members that changed, and forgets those that left, at most every [`SAVE_INTERVAL_S`] seconds. The first ones are saved at once: an
/// agent that is killed right after it joined finds back by them.
pub(super) async fn stay_saved(agent: Arc<Agent>) {
    let unsaved = agent.state::<Unsaved>();
    loop {
        unsaved.changed.notified().await;
        let changed = std::mem::take(&mut *lock(&unsaved.ids));
        let again = changed.clone();
        let found = agent.inspect(move |inside| {
            let (mut live, mut gone) = (Vec::new(), Vec::new());
            for id in changed {
                match inside.node.swim.member(id) {
                    // The dead may only be behind a cut, so they are kept.
                    Some(member) if member.status != Status::Left => live.extend(known(member, inside)),
                    _ => gone.push(id),
                }
            }
            (live, gone)
        });
        let Ok((live, gone)) = found.await else { continue };
        if live.is_empty() && gone.is_empty() {
            continue; // it was about this node itself
        }
        if !save(&agent, live, gone).await {
            again.into_iter().for_each(|id| unsaved.add(id));
        }
        tokio::time::sleep(Duration::from_secs(SAVE_INTERVAL_S)).await;
    }
}

/// Saves the live members, to remember when they were last known to live. To be called when the agent stops.
pub(super) async fn save_all(agent: &Arc<Agent>) {
    let found = agent.inspect(|inside| {
        let live = inside.node.swim.members().filter(|member| member.status == Status::Alive);
        live.filter_map(|member| known(member, inside)).take(MEMBERS_MAX).collect::<Vec<_>>()
    });
    if let Ok(members) = found.await {
        save(agent, members, Vec::new()).await;
    }
}

async fn save(agent: &Agent, live: Vec<KnownMember>, gone: Vec<NodeId>) -> bool {
    let saved = agent.store.save_members(live, gone).await;
    agent.raise_unstored(UNSAVED, "the known members are not stored", &saved);
    if saved.is_ok() {
        agent.clear(UNREAD);
    }
    saved.is_ok()
}

fn known(member: swim::Member<'_>, inside: &Inside<'_>) -> Option<KnownMember> {
    let is_other = member.id != inside.node.swim.me().id;
    let live = matches!(member.status, Status::Alive | Status::Suspect);
    (is_other && live).then(|| KnownMember {
        id: member.id,
        name: member.card.name.clone(),
        contact: member.card.contact.to_vec(),
        seen: inside.wall,
    })
}
