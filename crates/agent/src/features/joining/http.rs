//! The HTTP routes of joining and leaving.

use crate::agent::Agent;
use crate::http::reply::{Answer, Body};
use crate::http::route::Route;
use crate::model;
use axum::Json;
use axum::extract::State;
use axum::routing::post;
use std::sync::Arc;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(join, leave))]
pub(super) struct Document;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new("/v1/join", &["post"], post(join)), Route::new("/v1/leave", &["post"], post(leave))]
}

/// Join by these addresses.
///
/// Each is looked up and asked who it is. `id` is given where the exchange of members is through, so that both list each other; such an address
/// becomes one more seed. Otherwise `reason` and `error` say why not.
#[utoipa::path(
    post, path = "/v1/join", tag = "cluster", request_body = model::JoinRequest,
    responses((status = 200, body = model::JoinResult), (status = 400, body = model::Error))
)]
pub async fn join(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::JoinRequest>,
) -> Answer<model::JoinResult> {
    agent.join(request).await.map(Json)
}

/// Leave the cluster and stop.
///
/// Answers when the others have been told, or after a bounded wait; then the agent's process ends.
#[utoipa::path(post, path = "/v1/leave", tag = "cluster", responses((status = 200, body = model::Done)))]
pub async fn leave(State(agent): State<Arc<Agent>>) -> Answer<model::Done> {
    let told = agent.leave().await;
    let message = if told {
        "the others have been told; the agent stops"
    } else {
        "the agent stops; whether the others have been told is not certain"
    };
    Ok(Json(model::Done { done: true, message: message.into() }))
}
