//! Orders to forget a member, kept in the data directory: an agent that restarts does not take a forgotten member back from one that missed the order.

use super::agent::{Agent, lock};
use crate::identity::NodeKeys;
use rumormill_core::wire;
use rumormill_protocols::member::swim::{Orders, Swim};
use std::sync::Arc;

/// Name of the setting that keeps them.
const NAME: &str = "orders";

/// Hands the kept orders to a node that is not yet started.
pub(super) fn recall(agent: &Agent, swim: &mut Swim<NodeKeys>) {
    let kept = lock(&agent.store).get(NAME).map_err(|error| error.to_string());
    let kept = kept
        .and_then(|kept| kept.as_deref().map(wire::decode::<Orders>).transpose().map_err(|e| e.to_string()));
    match kept {
        Ok(kept) => swim.recall(kept.unwrap_or_default()),
        Err(error) => agent.warn(format!(
            "cannot read from the data directory which members were forgotten ({error}); the other members will tell this agent again"
        )),
    }
}

/// Saves the orders when a member was forgotten, as long as the agent runs.
pub(super) async fn stay_saved(agent: Arc<Agent>) {
    loop {
        agent.orders_changed.notified().await;
        let Ok(orders) = agent.inspect(|inside| inside.node.swim.orders()).await else { continue };
        let mut bytes = Vec::new();
        wire::put(&orders, &mut bytes);
        let store = agent.clone();
        // On a thread of its own: a disk that hangs must not keep this node from gossiping.
        let saved = tokio::task::spawn_blocking(move || lock(&store.store).put(NAME, &bytes)).await;
        if let Ok(Err(error)) = saved {
            agent.warn(format!("cannot save which members were forgotten: {error}"));
        }
    }
}
