//! Membership: probing and forgetting members, and what follows from an event of the protocol.

use crate::agent::Agent;
use crate::features::membership::find::find_departed;
use crate::features::membership::{forgotten, known};
use crate::identity::NodeKeys;
use crate::logging::limit::{self, Kind};
use crate::node::{Call, Node};
use crate::refusal::Refusal;
use crate::{model, view};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::time::{Duration, Wall};
use rumormill_protocols::member::swim::{self, Event, Status};
use rumormill_runtime::Book;
use std::sync::Arc;

/// An answer to a ping that has not come by then will not come: the node was started anew (our guess: ten of its periods on a wide network).
const PONG_WAIT: Duration = Duration::from_secs(60);

impl Agent {
    /// Probes a member now; none if no answer came in time.
    pub async fn ping(&self, id: NodeId) -> Result<Option<Duration>, Refusal> {
        let waiting = self.view().await_pong(id);
        let (pong, is_first) = waiting.ok_or_else(|| Refusal::busy("too many pings are under way"))?;
        if is_first {
            self.call(Call::Swim(swim::Call::Ping(id))).await?;
        }
        let answer = tokio::time::timeout(PONG_WAIT, pong).await;
        answer.map_err(|_| Refusal::gone())?.map_err(|_| Refusal::gone())
    }

    /// Has the whole cluster forget departed members. Returns their ids.
    pub async fn forget(self: &Arc<Self>, request: model::ForgetRequest) -> Result<Vec<NodeId>, Refusal> {
        let model::ForgetRequest { member, all } = request;
        let ids = self.inspect(move |inside| find_departed(inside, &member, all)).await??;
        for id in &ids {
            self.call(Call::Swim(swim::Call::Forget(*id))).await?;
        }
        Ok(ids)
    }
}

/// Brings the address book up to date, at the moment at which the protocol emits the event. False if nothing else follows from the event.
pub(super) fn enter(event: &Event, book: &mut Book) -> bool {
    match event {
        Event::Contact(id, life, contact) => {
            book.runs(*id, *life);
            if let Err(error) = book.learn(*id, contact) {
                tracing::debug!(%id, %error, "a member's contact cannot be read");
            }
            return false;
        }
        Event::Forgotten(id) => book.forget(*id),
        _ => {}
    }
    true
}

/// Acts on an event once the node can be looked at.
pub(super) fn hear(agent: &Arc<Agent>, event: &Event, node: &Node<NodeKeys>, me: NodeId, now: Wall) {
    match event {
        Event::LeftCluster => return agent.has_left(),
        Event::Superseded(life) => return superseded(agent, me, *life),
        _ => {}
    }
    let change = view::change(event);
    let member = change.and_then(|(_, id)| node.swim.member(id));
    let named = member.map(|m| (m.card.name.as_str(), matches!(m.status, Status::Alive | Status::Suspect)));
    if let Some((what, id)) = change {
        agent.state::<known::Unsaved>().add(id);
        log(event, id, named.map_or("", |(name, _)| name), what.as_str());
    }
    if let Event::Forgotten(_) = event {
        agent.state::<forgotten::Changed>().0.notify_one();
    }
    agent.view().on_swim(event, named, now);
}

fn log(event: &Event, id: NodeId, name: &str, what: &str) {
    let is_quiet = matches!(event, Event::Changed(_) | Event::Tags(_));
    if !is_quiet && !limit::allows(Kind::Member) {
        return;
    }
    match event {
        Event::Failed(_) => tracing::warn!(%id, name, "member failed"),
        Event::Suspected(_) => tracing::info!(%id, name, "member suspected"),
        Event::Changed(_) | Event::Tags(_) => tracing::debug!(%id, name, "member {what}"),
        _ => tracing::info!(%id, name, "member {what}"),
    }
}

/// Another process runs under this node's id in a greater life. The runtime and membership may both report it: the second report changes nothing.
pub(crate) fn superseded(agent: &Agent, me: NodeId, life: Life) {
    if !agent.superseded.send_if_modified(|of| of.replace(me) != Some(me)) {
        return;
    }
    tracing::error!(
        id = %me,
        epoch = life.epoch,
        "this node's id runs elsewhere in a greater life: its data directory was copied; this agent makes itself a new identity"
    );
}
