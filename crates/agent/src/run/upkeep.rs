//! What a running agent does besides: it saves whom it knows, reads its machine, and tells the service manager that it lives.

use super::agent::{Agent, lock};
use super::warnings::About;
use crate::host::{INTERVAL_S, Machine};
use crate::node::Call;
use crate::store::{KnownMember, MEMBERS_MAX, SAVE_INTERVAL_S};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::time::{Duration, Time};
use rumormill_protocols::member::swim::{self, Status};
use sd_notify::NotifyState;
use std::sync::Arc;

/// How long after the first reading of the machine the second follows, which has rates (our guess: soon enough for who looks at once).
const FIRST_RATES: Duration = Duration::from_secs(1);

/// Saves members that changed, and forgets those that left, at most every [`SAVE_INTERVAL_S`] seconds. The first that it meets are saved at once: whoever
/// is killed right after it joined finds back by them.
pub(super) async fn save_members(agent: Arc<Agent>) {
    loop {
        agent.save.notified().await;
        let changed = std::mem::take(&mut *lock(&agent.unsaved));
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
        if !save(&agent, live.clone(), gone.clone()).await {
            live.iter().map(|member| member.id).chain(gone).for_each(|id| agent.unsaved(id)); // to be tried again
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

/// Saves members and forgets others; returns whether both are done. On a thread of its own: a disk that hangs must not keep this node from gossiping.
async fn save(agent: &Arc<Agent>, members: Vec<KnownMember>, gone: Vec<NodeId>) -> bool {
    let store = agent.clone();
    let saved = tokio::task::spawn_blocking(move || {
        let mut store = lock(&store.store);
        store.save_members(&members)?;
        store.forget_members(&gone)
    });
    match saved.await {
        Ok(Ok(())) => {
            agent.clear(About::MembersUnsaved);
            agent.clear(About::MembersUnread);
            true
        }
        Ok(Err(error)) => {
            agent.raise(About::MembersUnsaved, format!("the known members are not saved: {error}"));
            false
        }
        Err(_) => false, // the program ends
    }
}

fn known(member: swim::Member<'_>, inside: &super::Inside<'_>) -> Option<KnownMember> {
    let is_other = member.id != inside.node.swim.me().id;
    let live = matches!(member.status, Status::Alive | Status::Suspect);
    (is_other && live).then(|| KnownMember {
        id: member.id,
        name: member.card.name.clone(),
        contact: member.card.contact.to_vec(),
        seen: inside.wall,
    })
}

/// Reads the machine every [`INTERVAL_S`] seconds, for who asks this agent, and gossips it as often as the budget makes it worth.
pub(super) async fn read_machine(agent: Arc<Agent>) {
    let mut machine = Machine::new(&agent.config.host_root);
    let mut gossiped: Option<Time> = None;
    machine.read(); // rates are known from the second reading on
    tokio::time::sleep(FIRST_RATES).await;
    loop {
        let vitals = machine.read();
        let due = agent.inspect(move |inside| {
            let interval = inside.node.vitals.as_ref().map_or(Duration::MAX, |vitals| vitals.put_interval());
            (inside.now, gossiped.is_none_or(|last| inside.now.since(last) + FIRST_RATES / 2 >= interval))
        });
        if let Ok((now, gossip)) = due.await {
            let value = Payload::from(&vitals.encoded()[..]);
            if agent.call(Call::Vitals { value, gossip }).await.is_ok() && gossip {
                gossiped = Some(now);
            }
        } else {
            gossiped = None; // a new node has said nothing yet
        }
        tokio::time::sleep(Duration::from_secs(INTERVAL_S)).await;
    }
}

/// Has the node's task, which gossips, feed the service manager's watchdog, if there is one: who only runs beside it proves nothing.
pub(super) async fn feed_watchdog(agent: Arc<Agent>) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    loop {
        let lives = agent.inspect(|_| tell(&[NotifyState::Watchdog])).await.is_ok();
        // Half of it, as sd_watchdog_enabled(3) advises; while a new node is being made there is soon another.
        tokio::time::sleep(if lives { limit / 2 } else { limit / 16 }).await;
    }
}

/// Tells the service manager, if there is one.
pub(super) fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager does not hear us");
    }
}
