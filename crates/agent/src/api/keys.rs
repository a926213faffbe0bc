//! The cluster's keys: installed, used and removed on a running agent, and never given out.
//!
//! All of it is local to the agent that is asked. To rotate a cluster's key: install the new one on every agent, then use it on every agent, then
//! remove the old one from every agent; and put it into the key files as their first line, which restarts read.

use super::failure::{Answer, Body, Failure, Object};
use crate::model;
use crate::run::Agent;
use axum::Json;
use axum::extract::State;
use rumormill_runtime::keyring::{Fingerprint, Key, KeyringError};
use std::sync::Arc;

/// This agent's keys, by fingerprint.
#[utoipa::path(get, path = "/v1/keys", responses((status = 200, body = model::KeysList)))]
pub async fn keys(State(agent): State<Arc<Agent>>) -> Answer<model::KeysList> {
    Ok(list(
        &agent,
        "To rotate: install the new key on every agent, then use it on every agent, then remove the old one.",
    ))
}

/// Install a key.
///
/// This agent opens what others seal with it, and goes on sealing with its primary one. Local to this agent, and not written to its key file. The key
/// is never given out again.
#[utoipa::path(
    post, path = "/v1/keys/install", request_body = model::KeyInstall,
    responses(
        (status = 200, body = model::KeysList), (status = 400, body = model::Error),
        (status = 409, description = "The agent runs without a key, or holds too many.", body = model::Error),
    )
)]
pub async fn install(State(agent): State<Arc<Agent>>, Object(body): Object) -> Answer<model::KeysList> {
    // What cannot be read may still be a key: nothing of it is repeated in an error.
    let request: Result<model::KeyInstall, _> = serde_json::from_slice(&body);
    let key = request.ok().and_then(|request| request.key.parse::<Key>().ok()).ok_or_else(|| {
        let hint =
            "send {\"key\": …} with the 44 characters that rumormill keygen prints, or 64 hexadecimal digits";
        Failure::bad("this is no key", hint)
    })?;
    let name = agent.keyring().install(key).map_err(failure)?;
    tracing::warn!(fingerprint = %name, "a cluster key was installed");
    Ok(list(
        &agent,
        "Installed here alone: install it on every agent before any uses it, and write it to the key files.",
    ))
}

/// Seal with an installed key from now on.
///
/// Only once every agent has it installed: those that have not cannot read this agent any more.
#[utoipa::path(
    post, path = "/v1/keys/use", request_body = model::KeyChoice,
    responses(
        (status = 200, body = model::KeysList), (status = 400, body = model::Error), (status = 404, body = model::Error),
        (status = 409, description = "The agent runs without a key.", body = model::Error),
    )
)]
pub async fn use_primary(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::KeyChoice>,
) -> Answer<model::KeysList> {
    let name = fingerprint(&request)?;
    agent.keyring().use_primary(name).map_err(failure)?;
    tracing::warn!(fingerprint = %name, "packets are sealed with another cluster key from now on");
    Ok(list(
        &agent,
        "In use here alone: use it on every agent before any removes the old one, and put it first in the key files.",
    ))
}

/// Remove a key.
///
/// What is sealed with it is refused from now on. The primary key stays.
#[utoipa::path(
    post, path = "/v1/keys/remove", request_body = model::KeyChoice,
    responses(
        (status = 200, body = model::KeysList), (status = 400, body = model::Error), (status = 404, body = model::Error),
        (status = 409, description = "It is the primary one, or the agent runs without a key.", body = model::Error),
    )
)]
pub async fn remove(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::KeyChoice>,
) -> Answer<model::KeysList> {
    let name = fingerprint(&request)?;
    agent.keyring().remove(name).map_err(failure)?;
    tracing::warn!(fingerprint = %name, "a cluster key was removed");
    Ok(list(&agent, "Removed here alone: remove it on every agent, and from the key files."))
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

fn fingerprint(request: &model::KeyChoice) -> Result<Fingerprint, Failure> {
    request.fingerprint.parse().map_err(|_| {
        // It may be a key by mistake, so it is not repeated.
        Failure::bad(
            "this is no fingerprint",
            "send {\"fingerprint\": …} with 16 digits that GET /v1/keys lists",
        )
    })
}

fn failure(error: KeyringError) -> Failure {
    let hint = "GET /v1/keys lists the keys of this agent";
    match error {
        KeyringError::Unknown(_) => Failure::not_found(error.to_string(), hint),
        _ => Failure::conflict(error.to_string(), hint),
    }
}
