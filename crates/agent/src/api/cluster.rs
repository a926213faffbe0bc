//! What changes the cluster: joining, leaving, forgetting, tags.

use super::failure::{Answer, Body};
use super::find::find_departed;
use super::shape;
use crate::model;
use crate::node::Call;
use crate::refusal::Refusal;
use crate::run::Agent;
use axum::Json;
use axum::extract::State;
use rumormill_protocols::member::swim;
use rumormill_protocols::member::swim::record::{TAGS_BYTES_MAX, TagMap};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Addresses in one request to join.
pub const JOIN_ADDRESSES_MAX: usize = 64;

/// Join by these addresses.
///
/// Each is looked up and asked who it is. `id` is given where the exchange of members is through, so that both list each other; such an address
/// becomes one more seed. Otherwise `reason` and `error` say why not.
#[utoipa::path(
    post, path = "/v1/join", request_body = model::JoinRequest,
    responses((status = 200, body = model::JoinResult), (status = 400, body = model::Error))
)]
pub async fn join(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::JoinRequest>,
) -> Answer<model::JoinResult> {
    if request.addresses.is_empty() {
        return Err(Refusal::invalid("no address is given", "send {\"addresses\": [\"10.0.0.1:7900\"]}"));
    }
    if request.addresses.len() > JOIN_ADDRESSES_MAX {
        let error =
            format!("{} addresses at once; {JOIN_ADDRESSES_MAX} are the most", request.addresses.len());
        return Err(Refusal::invalid(
            error,
            "one that answers is enough: the rest of the cluster is learnt from it",
        ));
    }
    Ok(Json(model::JoinResult { addresses: agent.join(&request.addresses).await }))
}

/// Leave the cluster and stop.
///
/// Answers when the others have been told, or after a bounded wait; then the agent's process ends.
#[utoipa::path(post, path = "/v1/leave", responses((status = 200, body = model::Done)))]
pub async fn leave(State(agent): State<Arc<Agent>>) -> Answer<model::Done> {
    let told = agent.leave().await;
    let message = if told {
        "the others have been told; the agent stops"
    } else {
        "the agent stops; whether the others have been told is not certain"
    };
    Ok(Json(model::Done { done: true, message: message.into() }))
}

/// Forget a departed member.
///
/// It is dropped from every list in the cluster, and does not come back from members that were cut off meanwhile. It comes back by itself if it
/// still runs. A live member is not forgotten. With `all`, every departed member of that name is.
#[utoipa::path(
    post, path = "/v1/forget", request_body = model::ForgetRequest,
    responses(
        (status = 200, body = model::Done), (status = 404, body = model::Error),
        (status = 409, description = "It is alive, or several departed members carry that name.", body = model::Error),
    )
)]
pub async fn forget(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::ForgetRequest>,
) -> Answer<model::Done> {
    let model::ForgetRequest { member, all } = request;
    let ids = agent.inspect(move |inside| find_departed(inside, &member, all)).await??;
    for id in &ids {
        agent.call(Call::Swim(swim::Call::Forget(*id))).await?;
    }
    let message = match &ids[..] {
        [id] => format!("{id} is being forgotten in the whole cluster"),
        _ => format!("{} departed members are being forgotten in the whole cluster", ids.len()),
    };
    Ok(Json(model::Done { done: true, message }))
}

/// This agent's tags.
#[utoipa::path(get, path = "/v1/tags", responses((status = 200, body = model::Tags)))]
pub async fn tags(State(agent): State<Arc<Agent>>) -> Answer<model::Tags> {
    let tags = agent.inspect(|inside| shape::tags(&inside.node.swim.me())).await?;
    Ok(Json(model::Tags { tags }))
}

/// Replace this agent's tags.
///
/// Kept in the data directory: they hold after a restart, and win over those of the configuration.
#[utoipa::path(
    put, path = "/v1/tags", request_body = model::Tags,
    responses(
        (status = 200, body = model::Tags),
        (status = 413, description = "More than 64 KiB.", body = model::Error),
        (status = 503, description = "They cannot be kept.", body = model::Error),
    )
)]
pub async fn put_tags(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::Tags>,
) -> Answer<model::Tags> {
    let _one_at_a_time = agent.tags_lock().await;
    set(&agent, request.tags).await
}

/// Change some of this agent's tags.
#[utoipa::path(
    patch, path = "/v1/tags", request_body = model::TagsPatch,
    responses(
        (status = 200, description = "All tags, as they are now.", body = model::Tags),
        (status = 413, description = "More than 64 KiB.", body = model::Error),
        (status = 503, description = "They cannot be kept.", body = model::Error),
    )
)]
pub async fn patch_tags(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::TagsPatch>,
) -> Answer<model::Tags> {
    let _one_at_a_time = agent.tags_lock().await;
    let mut tags = agent.inspect(|inside| shape::tags(&inside.node.swim.me())).await?;
    request.remove.iter().for_each(|name| {
        tags.remove(name);
    });
    tags.extend(request.set);
    set(&agent, tags).await
}

async fn set(agent: &Agent, tags: BTreeMap<String, String>) -> Answer<model::Tags> {
    if tags.keys().any(String::is_empty) {
        return Err(Refusal::invalid("a tag has no name", "give every tag a name"));
    }
    let map = TagMap(tags);
    let encoded = map.encoded();
    if encoded.len() > TAGS_BYTES_MAX {
        let error = format!("the tags take {} bytes; {TAGS_BYTES_MAX} are the most", encoded.len());
        let hint = "remove some: tags are for telling members apart, not for storing data";
        return Err(Refusal::too_large(error, hint));
    }
    agent.set_tags(&encoded).await?;
    Ok(Json(model::Tags { tags: map.0 }))
}
