//! The HTTP route of fault injection.

use crate::agent::Agent;
use crate::features::membership::find::{find, id};
use crate::http::reply::{Body, HttpError};
use crate::http::route::Route;
use crate::model;
use crate::refusal::Refusal;
use axum::Json;
use axum::extract::State;
use axum::routing::post;
use rumormill_core::identity::NodeId;
use rumormill_runtime::faults::{Faults, FaultsError};
use std::net::SocketAddr;
use std::sync::Arc;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(faults))]
pub(super) struct Document;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new("/v1/faults", &["post"], post(faults))]
}

/// Break something on purpose.
///
/// For demonstrations and tests: answers only in an agent that was started with fault injection, 404 otherwise.
#[utoipa::path(
    post, path = "/v1/faults", tag = "ops", request_body = model::FaultsRequest,
    responses(
        (status = 200, body = model::Faults),
        (status = 404, description = "The agent injects no faults, or a member is not known.", body = model::Error),
        (status = 409, description = "Several members carry a name.", body = model::Error),
    )
)]
pub async fn faults(
    State(agent): State<Arc<Agent>>,
    body: Result<Body<model::FaultsRequest>, HttpError>,
) -> Result<Json<model::Faults>, HttpError> {
    let Some(faults) = agent.faults().filter(Faults::is_enabled) else {
        let hint = "start the agent with --faults, for a demonstration or a test alone";
        return Err(Refusal::not_found("this agent injects no faults", hint).into());
    };
    let Body(request) = body?;
    let to_block = peers(&agent, &request.block).await?;
    let to_unblock = peers(&agent, &request.unblock).await?;
    let change = || {
        if request.clear {
            faults.clear()?;
        }
        to_block.iter().try_for_each(|peer| match peer {
            Peer::Address(address) => faults.block_address(*address),
            Peer::Member(id) => faults.block(*id),
        })?;
        to_unblock.iter().try_for_each(|peer| match peer {
            Peer::Address(address) => faults.unblock_address(*address),
            Peer::Member(id) => faults.unblock(*id),
        })?;
        request.loss.map_or(Ok(()), |loss| faults.drop_datagrams(0.0, loss))?;
        request.datagrams_blocked.map_or(Ok(()), |blocked| faults.block_datagrams(blocked))
    };
    change().map_err(|error: FaultsError| {
        Refusal::invalid(error.to_string(), "GET /openapi.json describes the body")
    })?;
    let state = faults.state();
    tracing::warn!(?state, "faults are injected as asked for");
    let ids = state.blocked.iter().map(NodeId::to_string);
    let blocked = ids.chain(state.blocked_addresses.iter().map(SocketAddr::to_string)).collect();
    Ok(Json(model::Faults { blocked, loss: state.drop_out, datagrams_blocked: state.datagrams_blocked }))
}

enum Peer {
    Address(SocketAddr),
    Member(NodeId),
}

/// Ids are taken as they are: a cut may be asked for before its victim is known.
async fn peers(agent: &Arc<Agent>, texts: &[String]) -> Result<Vec<Peer>, Refusal> {
    let mut peers = Vec::new();
    for text in texts {
        peers.push(match (text.parse(), id(text)) {
            (Ok(address), _) => Peer::Address(address),
            (Err(_), Some(id)) => Peer::Member(id),
            (Err(_), None) => {
                let text = text.clone();
                Peer::Member(agent.inspect(move |inside| find(inside, &text)).await??)
            }
        });
    }
    Ok(peers)
}
