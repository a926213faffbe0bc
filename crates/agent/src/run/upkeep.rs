//! What a running agent does besides: it saves whom it knows, reads its machine, and tells the service manager that it lives.

use super::agent::{Agent, lock};
use super::warnings::About;
use crate::aside::Aside;
use crate::host::{INTERVAL_S, Machine};
use crate::node::Call;
use crate::store::{KnownMember, MEMBERS_MAX, NotStored, SAVE_INTERVAL_S};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::time::{Duration, Time};
use rumormill_protocols::agree::latest;
use rumormill_protocols::member::swim::{self, Status};
use sd_notify::NotifyState;
use std::sync::{Arc, OnceLock};

/// How long after the first reading of the machine the second follows, which has rates (our guess: soon enough for who looks at once).
const FIRST_RATES: Duration = Duration::from_secs(1);

impl Agent {
    /// Raises or clears the warning that something is not stored. While the disk hangs the store itself complains.
    pub(super) fn raise_unstored<T>(&self, about: About, what: &str, stored: &Result<T, NotStored>) {
        match stored {
            Ok(_) => self.clear(about),
            Err(NotStored::Hangs { .. }) => {}
            Err(error) => self.raise(about, format!("{what}: {error}")),
        }
    }

    /// What a person should know of the data directory while it does not answer.
    pub fn store_complaint(&self) -> Option<String> {
        self.store.complaint()
    }

    /// How often something was not stored because the disk did not answer in time.
    pub fn store_gave_up(&self) -> u64 {
        self.store.gave_up()
    }

    /// For how long the data directory has not answered, in seconds; 0 while it does.
    pub fn store_hangs_s(&self) -> f64 {
        self.store.hangs().map_or(0.0, |hangs| hangs.as_secs_f64())
    }
}

/// Saves members that changed, and forgets those that left, at most every [`SAVE_INTERVAL_S`] seconds. The first that it meets are saved at once: whoever
/// is killed right after it joined finds back by them.
pub(super) async fn save_members(agent: Arc<Agent>) {
    loop {
        agent.save.notified().await;
        let changed = std::mem::take(&mut *lock(&agent.unsaved));
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
            again.into_iter().for_each(|id| agent.unsaved(id));
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
    agent.raise_unstored(About::MembersUnsaved, "the known members are not stored", &saved);
    if saved.is_ok() {
        agent.clear(About::MembersUnread);
    }
    saved.is_ok()
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
            let call = if gossip { latest::Call::Put(value) } else { latest::Call::Keep(value) };
            if agent.call(Call::Vitals(call)).await.is_ok() && gossip {
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

/// Tells the service manager, if there is one. It may not read what it is sent, so that is done on a thread of its own.
pub(super) fn tell(state: &[NotifyState<'_>]) {
    static MANAGER: OnceLock<Option<Aside<()>>> = OnceLock::new();
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let start = || Aside::start("notify", "the service manager".into(), ()).ok();
    let lines: Vec<String> = state.iter().map(ToString::to_string).collect();
    let notify = move |_: &mut ()| {
        let states: Vec<NotifyState<'_>> = lines.iter().map(|line| NotifyState::Custom(line)).collect();
        if let Err(error) = sd_notify::notify(&states) {
            tracing::warn!(%error, "the service manager does not hear us");
        }
    };
    if !MANAGER.get_or_init(start).as_ref().is_some_and(|manager| manager.tell(notify)) {
        tracing::debug!("the service manager does not read: it is not told");
    }
}
