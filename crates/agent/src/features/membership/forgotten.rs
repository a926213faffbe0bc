//! Orders to forget a member, kept in the data directory: an agent that restarts does not take a forgotten member back from one that missed the order.

use crate::agent::Agent;
use crate::identity::NodeKeys;
use crate::warnings::About;
use rumormill_core::time::Duration;
use rumormill_core::wire;
use rumormill_protocols::member::swim::{Orders, Swim};
use std::sync::Arc;
use tokio::sync::Notify;

/// A member was forgotten: the orders are to be saved.
#[derive(Default)]
pub(super) struct Changed(pub Notify);

/// Orders to forget members are not on disk. Cleared once they are.
const UNSAVED: About = About("orders_unsaved");
/// The orders in the data directory were unreadable. Cleared once they are saved anew.
const UNREAD: About = About("orders_unread");
/// Name of the setting that keeps them.
const NAME: &str = "orders";
/// How long after a failure they are saved again (our guess: a disk that is full or hangs stays so for a while).
const SAVE_AGAIN: Duration = Duration::from_secs(5);

/// Hands the kept orders to a node that is not yet started.
pub(super) async fn recall(agent: &Agent, swim: &mut Swim<NodeKeys>) {
    let kept = agent.store.get(NAME).await.map_err(|error| error.to_string());
    let kept = kept
        .and_then(|kept| kept.as_deref().map(wire::decode::<Orders>).transpose().map_err(|e| e.to_string()));
    match kept {
        Ok(kept) => swim.recall(kept.unwrap_or_default()),
        Err(error) => agent.raise(
            UNREAD,
            format!(
                "cannot read from the data directory which members were forgotten ({error}); the other members tell this agent again"
            ),
        ),
    }
}

/// Saves the orders when a member was forgotten, again until it is done, as long as the agent runs.
pub(super) async fn stay_saved(agent: Arc<Agent>) {
    loop {
        agent.state::<Changed>().0.notified().await;
        while !save(&agent).await {
            tokio::time::sleep(SAVE_AGAIN).await;
        }
    }
}

/// Returns whether there is nothing more to save.
async fn save(agent: &Arc<Agent>) -> bool {
    // Without a node there is nothing to save; the next one was recalled from what is kept.
    let Ok(orders) = agent.inspect(|inside| inside.node.swim.orders()).await else { return true };
    let mut bytes = Vec::new();
    wire::put(&orders, &mut bytes);
    let stored = agent.store.put(NAME, bytes).await;
    agent.raise_unstored(UNSAVED, "the orders to forget members are not stored", &stored);
    if stored.is_ok() {
        agent.clear(UNREAD);
    }
    stored.is_ok()
}
