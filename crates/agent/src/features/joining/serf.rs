//! Joining and leaving by Serf's RPC.

use crate::agent::Agent;
use crate::model;
use crate::serf_rpc::messages;
use crate::serf_rpc::reply::{Answer, Answered, text};
use std::sync::Arc;

/// Joins by these addresses. An error if no member answered.
pub(crate) async fn join(agent: &Arc<Agent>, asked: messages::Join) -> Answered {
    let request = model::JoinRequest { addresses: asked.existing };
    let joined = agent.join(request).await.map_err(|refusal| text(&refusal))?;
    let num = joined.addresses.iter().filter(|one| one.id.is_some()).count();
    let errors = joined.addresses.iter().filter_map(|one| Some((&one.address, one.error.as_ref()?)));
    let errors: Vec<String> = errors.map(|(at, error)| format!("{at}: {error}")).collect();
    let error = if num == 0 { errors.join("; ") } else { String::new() };
    let num = messages::Joined { num: u32::try_from(num).unwrap_or(u32::MAX) };
    Ok(Answer { error, ..Answer::of(&num) })
}

/// Leaves, and has the agent end.
pub(crate) async fn leave(agent: &Arc<Agent>) -> Answered {
    match agent.leave().await {
        true => Ok(Answer::default()),
        false => Err("the agent stops; whether the others have been told is not certain".into()),
    }
}
