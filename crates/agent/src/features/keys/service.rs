//! Orders of other members about keys, key recovery, and the end of removed keys.

use crate::agent::Agent;
use crate::features::keys::state::Request;
use crate::logging::limit::{self, Kind};
use crate::node::Call;
use crate::states::lock;
use crate::wall::wall;
use rumormill_core::time::Duration;
use rumormill_protocols::agree::keys::{self, Order};
use rumormill_runtime::RecoveryPacket;
use std::sync::Arc;

/// So often it is looked at least whether a removed key is to be forgotten (our guess: a clock may jump).
const EXPIRY_LOOK: Duration = Duration::from_secs(60);

/// What the protocol tells, in the node's task.
pub(crate) fn hear(agent: &Agent, event: keys::Event) {
    match event {
        keys::Event::Ordered { by, serial, order } => agent.keys().take(Request::Order { by, serial, order }),
        keys::Event::Reported { ticket, by, report } => agent.keys().reported(ticket, by, report),
    }
}

/// Does what others ask, one after the other, as long as the agent runs.
pub(crate) async fn serve(agent: Arc<Agent>) {
    let Some(mut to_do) = lock(&agent.keys().to_do).take() else { return };
    while let Some(request) = to_do.recv().await {
        match request {
            Request::Order { by, serial, order } => {
                let report = agent.carry_out(&order).await;
                if order != Order::List && limit::allows(Kind::Keys) {
                    tracing::info!(%by, refused = report.refusal(), "a member changed the cluster's keys here");
                }
                let _ = agent.call(Call::Keys(keys::Call::Report { to: by, serial, report })).await; // else it asks again
            }
            Request::Recovery(packet) if packet.is_grant => agent.take_grant(*packet).await,
            Request::Recovery(packet) => agent.grant_keys(*packet).await,
        }
    }
}

/// Forgets removed keys when their time is over, and keeps the ring again if it could not be kept where it belongs.
pub(crate) async fn expire(agent: Arc<Agent>) {
    loop {
        agent.keep_again().await;
        let now = wall();
        let next = agent.expire_removed().await.map_or(EXPIRY_LOOK, |until| until.since(now));
        let rest = next.clamp(Duration::from_secs(1), EXPIRY_LOOK);
        let _ = tokio::time::timeout(rest, agent.keys().removal.notified()).await;
    }
}

/// A member asks for the keys that it missed, or grants them.
pub(crate) fn take_packet(agent: &Agent, packet: RecoveryPacket) {
    agent.keys().take(Request::Recovery(Box::new(packet)));
}
