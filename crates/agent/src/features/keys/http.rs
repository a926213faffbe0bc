//! The cluster's keys: installed, used and removed on a running agent, and never given out.
//!
//! `/v1/keys/everywhere` acts on all live members; all else is local to the agent that is asked. Each agent keeps what changed in its key file, where it
//! may write it, or in its data directory, so that a restart goes on with it.

use crate::agent::Agent;
use crate::features::keys::everywhere::KeyChange;
use crate::features::keys::ring::Refused;
use crate::http::reply::{Answer, Body, Object};
use crate::http::route::Route;
use crate::model;
use crate::refusal::Refusal;
use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use rumormill_protocols::agree::keys::{Order, Secret};
use rumormill_runtime::keyring::{Fingerprint, Key, KeyringError};
use std::sync::Arc;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(keys, install, use_primary, remove, everywhere))]
pub(super) struct Document;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/v1/keys", &["get"], get(keys)),
        Route::new("/v1/keys/install", &["post"], post(install)),
        Route::new("/v1/keys/use", &["post"], post(use_primary)),
        Route::new("/v1/keys/remove", &["post"], post(remove)),
        Route::new("/v1/keys/everywhere", &["post"], post(everywhere)),
    ]
}

/// This agent's keys, by fingerprint.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", responses((status = 200, body = model::KeysList)))]
pub async fn keys(State(agent): State<Arc<Agent>>) -> Answer<model::KeysList> {
    Ok(list(&agent, "These are this agent's own keys; POST /v1/keys/everywhere lists those of all members."))
}

/// Install a key.
///
/// This agent opens what others seal with it, and goes on sealing with its primary one. Local to this agent. The key is never given out again.
#[utoipa::path(
    post, path = "/v1/keys/install", tag = "keys", request_body = model::KeyInstall,
    responses(
        (status = 200, body = model::KeysList), (status = 400, body = model::Error),
        (status = 409, description = "The agent runs without a key, or holds too many.", body = model::Error),
        (status = 503, description = "It cannot be kept.", body = model::Error),
    )
)]
pub async fn install(State(agent): State<Arc<Agent>>, Object(body): Object) -> Answer<model::KeysList> {
    // What cannot be read may still be a key: nothing of it is repeated in an error.
    let hint =
        "send {\"key\": …} with the 44 characters that rumormill keygen prints, or 64 hexadecimal digits";
    let request: model::KeyInstall =
        serde_json::from_slice(&body).map_err(|_| Refusal::invalid("this is no key", hint))?;
    let key = request.key.parse::<Key>().map_err(|error| Refusal::invalid(error.to_string(), hint))?;
    change(&agent, Order::Install(Secret(*key.bytes())), "install it on every agent before any uses it").await
}

/// Seal with an installed key from now on.
///
/// Only once every agent has it installed: those that have not cannot read this agent any more.
#[utoipa::path(
    post, path = "/v1/keys/use", tag = "keys", request_body = model::KeyChoice,
    responses(
        (status = 200, body = model::KeysList), (status = 400, body = model::Error), (status = 404, body = model::Error),
        (status = 409, description = "The agent runs without a key.", body = model::Error),
        (status = 503, description = "It cannot be kept.", body = model::Error),
    )
)]
pub async fn use_primary(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::KeyChoice>,
) -> Answer<model::KeysList> {
    let name = fingerprint(&request)?;
    change(&agent, Order::Use(name.0), "use it on every agent before any removes the old one").await
}

/// Remove a key.
///
/// What is sealed with it is refused from now on. The primary key stays.
#[utoipa::path(
    post, path = "/v1/keys/remove", tag = "keys", request_body = model::KeyChoice,
    responses(
        (status = 200, body = model::KeysList), (status = 400, body = model::Error), (status = 404, body = model::Error),
        (status = 409, description = "It is the primary one, or the agent runs without a key.", body = model::Error),
        (status = 503, description = "It cannot be kept.", body = model::Error),
    )
)]
pub async fn remove(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::KeyChoice>,
) -> Answer<model::KeysList> {
    let name = fingerprint(&request)?;
    if !agent.keyring().is_insecure() && !agent.keyring().list().contains(&name) {
        return Err(refusal(KeyringError::Unknown(name)));
    }
    let order = Order::Remove { fingerprint: name.0, revoke: false };
    change(&agent, order, "remove it on every agent").await
}

/// Have all live members act.
///
/// Each step goes on only after all have confirmed the one before; the answer tells what each did and holds, and, if it stopped, why, and how to go
/// on. May take as long as a member is silent: eight seconds a step, for each hundred of them.
#[utoipa::path(
    post, path = "/v1/keys/everywhere", tag = "keys", request_body = model::KeysRequest,
    responses(
        (status = 200, description = "What was done; `done` says whether all of it.", body = model::KeysEverywhere),
        (status = 400, body = model::Error),
        (status = 409, description = "The agent runs without a key.", body = model::Error),
        (status = 503, description = "Another change goes on through this agent.", body = model::Error),
    )
)]
pub async fn everywhere(
    State(agent): State<Arc<Agent>>,
    Object(body): Object,
) -> Answer<model::KeysEverywhere> {
    // What cannot be read may still hold a key: nothing of it is repeated in an error.
    let request: model::KeysRequest = serde_json::from_slice(&body).map_err(|_| {
        let hint = "GET /openapi.json describes what can be asked for: an action, and a key or a fingerprint";
        Refusal::invalid("this is no request about keys", hint)
    })?;
    let model::KeysRequest { action, key, fingerprint, force, revoke } = request;
    let wanted = KeyChange::of(action, key.as_deref(), fingerprint.as_deref(), force, revoke)?;
    // It goes on to its end, even if who asked hangs up.
    let course = tokio::spawn(async move { agent.keys_everywhere(wanted).await });
    course.await.unwrap_or_else(|_| Err(Refusal::gone())).map(Json)
}

async fn change(agent: &Arc<Agent>, order: Order, then: &str) -> Answer<model::KeysList> {
    let (_, fault) = agent.change_here(&order).await.map_err(refused)?;
    let fault = if fault.is_empty() { String::new() } else { format!(" But {fault}.") };
    Ok(list(agent, &format!("Done here alone: {then}.{fault}")))
}

fn list(agent: &Agent, note: &str) -> Json<model::KeysList> {
    let ring = agent.keyring();
    if ring.is_insecure() {
        let note = "This agent runs without a key: anybody who reaches its port can take part.".to_string();
        return Json(model::KeysList { keys: Vec::new(), note });
    }
    let keys = ring.list().into_iter().enumerate();
    let keys = keys.map(|(at, name)| model::KeyInfo { fingerprint: name.to_string(), primary: at == 0 });
    Json(model::KeysList { keys: keys.collect(), note: note.into() })
}

fn fingerprint(request: &model::KeyChoice) -> Result<Fingerprint, Refusal> {
    request.fingerprint.parse().map_err(|_| {
        // It may be a key by mistake, so it is not repeated.
        Refusal::invalid(
            "this is no fingerprint",
            "send {\"fingerprint\": …} with 16 digits that GET /v1/keys lists",
        )
    })
}

fn refused(refused: Refused) -> Refusal {
    match refused {
        Refused::Ring(error) => refusal(error),
        Refused::NotKept(_) => {
            let hint = "nothing was changed; the key file or the data directory must be writable, on a disk that answers";
            Refusal::unavailable(refused.to_string(), hint)
        }
    }
}

fn refusal(error: KeyringError) -> Refusal {
    let hint = "GET /v1/keys lists the keys of this agent";
    match error {
        KeyringError::Unknown(_) => Refusal::not_found(error.to_string(), hint),
        _ => Refusal::conflict(error.to_string(), hint),
    }
}
