//! Tags by Serf's RPC.

use crate::agent::Agent;
use crate::model;
use crate::serf_rpc::messages;
use crate::serf_rpc::reply::{Answer, Answered, text};
use std::sync::Arc;

/// Sets tags and deletes some. What is in both is set.
pub(crate) async fn tags(agent: &Arc<Agent>, asked: messages::Tags) -> Answered {
    let patch = model::TagsPatch { set: asked.tags, remove: asked.delete_tags };
    let patched = agent.patch_tags(patch).await;
    patched.map(|_| Answer::default()).map_err(|refusal| text(&refusal))
}
