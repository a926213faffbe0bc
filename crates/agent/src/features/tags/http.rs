//! The HTTP routes of tags.

use crate::agent::Agent;
use crate::http::reply::{Answer, Body};
use crate::http::route::Route;
use crate::{describe, model};
use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::get;
use std::sync::Arc;
use utoipa::OpenApi;

/// The largest body of a request, in bytes: 64 KiB of tags may be six times as long in JSON.
pub const BODY_BYTES_MAX: usize = 512 * 1024;

#[derive(OpenApi)]
#[openapi(paths(tags, put_tags, patch_tags))]
pub(super) struct Document;

pub(super) fn routes() -> Vec<Route> {
    let serve = get(tags).put(put_tags).patch(patch_tags).layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    vec![Route::new("/v1/tags", &["get", "put", "patch"], serve)]
}

/// This agent's tags.
#[utoipa::path(get, path = "/v1/tags", tag = "cluster", responses((status = 200, body = model::Tags)))]
pub async fn tags(State(agent): State<Arc<Agent>>) -> Answer<model::Tags> {
    let tags = agent.inspect(|inside| describe::tags(&inside.node.swim.me())).await?;
    Ok(Json(model::Tags { tags }))
}

/// Replace this agent's tags.
///
/// Kept in the data directory: they hold after a restart, and win over those of the configuration.
#[utoipa::path(
    put, path = "/v1/tags", tag = "cluster", request_body = model::Tags,
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
    Ok(Json(model::Tags { tags: agent.replace_tags(request.tags).await? }))
}

/// Change some of this agent's tags.
#[utoipa::path(
    patch, path = "/v1/tags", tag = "cluster", request_body = model::TagsPatch,
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
    Ok(Json(model::Tags { tags: agent.patch_tags(request).await? }))
}
