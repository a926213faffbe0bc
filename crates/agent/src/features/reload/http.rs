//! The HTTP route of reload.

use crate::agent::Agent;
use crate::http::reply::Answer;
use crate::http::route::Route;
use crate::model;
use crate::refusal::Refusal;
use axum::Json;
use axum::extract::State;
use axum::routing::post;
use std::sync::Arc;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(reload))]
pub(super) struct Document;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new("/v1/reload", &["post"], post(reload))]
}

/// Read the configuration again, as SIGHUP does.
///
/// What can change in a running agent changes; the rest is named. A configuration that is not usable changes nothing.
#[utoipa::path(
    post, path = "/v1/reload", tag = "ops",
    responses(
        (status = 200, body = model::Reloaded),
        (status = 409, description = "There is nothing to read again.", body = model::Error),
        (status = 422, description = "It is not usable.", body = model::Error),
        (status = 503, description = "Its files cannot be read within two seconds.", body = model::Error),
    )
)]
pub async fn reload(State(agent): State<Arc<Agent>>) -> Answer<model::Reloaded> {
    // In a task of its own, which ends also when who asked has hung up.
    let reloaded = tokio::spawn(async move { agent.reload().await }).await;
    Ok(Json(reloaded.map_err(|_| Refusal::gone())??))
}
