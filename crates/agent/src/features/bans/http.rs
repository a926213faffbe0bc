//! The HTTP routes of bans.

use crate::agent::Agent;
use crate::describe::Shape;
use crate::describe::inside::Inside;
use crate::features::bans::named::named;
use crate::features::membership::find::{find, id};
use crate::http::reply::{Answer, Body, Segment};
use crate::http::route::Route;
use crate::model;
use crate::refusal::Refusal;
use axum::Json;
use axum::extract::State;
use axum::routing::{delete, get};
use rumormill_core::identity::NodeId;
use rumormill_core::words;
use rumormill_protocols::agree::bans::Ban;
use std::sync::Arc;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(bans, ban, unban))]
pub(super) struct Document;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/v1/bans", &["get", "post"], get(bans).post(ban)),
        Route::new("/v1/bans/{member}", &["delete"], delete(unban)),
    ]
}

/// What every ban is told with: it acts on an identity, and whoever has the key can make another one.
const HINT: &str = "Whoever has the cluster's key can come back as another member: `rumormill keys rotate`, then `keys remove --revoke` \
                    of the old one, keeps the machine out as well";

/// Who is banned.
#[utoipa::path(get, path = "/v1/bans", tag = "bans", responses((status = 200, body = model::BansList)))]
pub async fn bans(State(agent): State<Arc<Agent>>) -> Answer<model::BansList> {
    let mut bans = agent.inspect(list).await?;
    bans.sort_by(|a, b| a.age_s.total_cmp(&b.age_s));
    Ok(Json(model::BansList { bans }))
}

fn list(inside: &Inside<'_>) -> Vec<model::BanInfo> {
    let shape = Shape::new(inside);
    let info = |ban: &Ban| model::BanInfo {
        id: ban.id.to_string(),
        name: name(inside, ban),
        by: ban.by.to_string(),
        by_name: shape.name(ban.by),
        age_s: ban.age_s(inside.wall),
        reason: ban.reason().into(),
    };
    inside.node.bans.iter().filter(|ban| !ban.lifted).map(info).collect()
}

/// The name that a banned member has, or had when it was banned: its card is forgotten, and its ban is not.
fn name(inside: &Inside<'_>, ban: &Ban) -> Option<String> {
    Shape::new(inside).name(ban.id).or_else(|| ban.name().map(str::to_string))
}

/// Ban a member.
///
/// All members mark it as failed, take nothing from it, and give it nothing, also those that are away now or join later. It lasts until it is
/// lifted. It acts on the identity: whoever has the cluster's key can make another one.
#[utoipa::path(
    post, path = "/v1/bans", tag = "bans", request_body = model::BanRequest,
    responses(
        (status = 200, body = model::Done), (status = 400, body = model::Error), (status = 404, body = model::Error),
        (status = 409, description = "It is this agent, several carry that name, or too many are banned.", body = model::Error),
    )
)]
pub async fn ban(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::BanRequest>,
) -> Answer<model::Done> {
    let model::BanRequest { member, reason } = request;
    let text = member.clone();
    let found = agent.inspect(move |inside| find(inside, &text)).await?;
    let (id, is_known) = match (found, id(&member)) {
        (Ok(id), _) => (id, true),
        (Err(_), Some(id)) => (id, false),
        (Err(refusal), None) => return Err(refusal),
    };
    let note = agent.ban(id, false, &reason).await?;
    let whom = words::with_id(&member, id);
    let whom = match is_known {
        true => format!("{whom} is banned: all members are being told"),
        false => format!("{whom} is banned, whom no member here knows so far: all members are being told"),
    };
    let note = note.map(|note| format!("; but {note}")).unwrap_or_default();
    Ok(Json(model::Done { done: true, message: format!("{whom}{note}. {HINT}") }))
}

/// Lift a ban.
///
/// The member comes back by itself, if it still runs and has the cluster's key.
#[utoipa::path(
    delete, path = "/v1/bans/{member}", tag = "bans",
    params(("member" = String, Path, description = "The id of who is banned, or its name if only one of the banned carries it")),
    responses((status = 200, body = model::Done), (status = 404, body = model::Error), (status = 409, body = model::Error))
)]
pub async fn unban(State(agent): State<Arc<Agent>>, Segment(member): Segment) -> Answer<model::Done> {
    let text = member.clone();
    let found = agent.inspect(move |inside| match id(&text) {
        Some(id) => Ok(id),
        None => banned(inside, &text),
    });
    let id = found.await??;
    let note = agent.ban(id, true, "").await?;
    let note = note.map(|note| format!("; but {note}")).unwrap_or_default();
    let whom = words::with_id(&member, id);
    let message =
        format!("{whom} is no longer banned: all members are being told, and it comes back by itself{note}");
    Ok(Json(model::Done { done: true, message }))
}

/// Who of the banned carries that name.
fn banned(inside: &Inside<'_>, name: &str) -> Result<NodeId, Refusal> {
    let found = named(inside, name);
    match found[..] {
        [id] => Ok(id),
        [] => Err(Refusal::not_found(
            format!("nobody who is banned is called {name:?} or has that id"),
            "GET /v1/bans lists who is",
        )),
        _ => Err(Refusal::conflict(
            format!("{} who are banned carry the name {name:?}", found.len()),
            "ask by id",
        )),
    }
}
