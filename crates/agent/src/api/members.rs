//! Who is there, how they do, what was said about them, and whether they answer.

use super::failure::{Answer, Params};
use super::find::find;
use super::shape::{self, Shape};
use super::why;
use crate::model;
use crate::node::Call;
use crate::refusal::Refusal;
use crate::run::Agent;
use axum::Json;
use axum::extract::{Path, State};
use rumormill_core::identity::NodeId;
use rumormill_protocols::member::swim::{self, Status};
use serde::Deserialize;
use std::sync::Arc;
use tokio::task::JoinSet;
use utoipa::IntoParams;

/// Members that are pinged at the same time for `/v1/reachability` (our guess: far below what a period's probes cost a large cluster).
pub const REACHABILITY_CONCURRENT_MAX: usize = 16;

/// Which members.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MembersParams {
    /// Only of this status: `alive`, `suspect`, `dead`, `left` or `banned`; several are separated by commas.
    status: Option<String>,
    /// Only of this name.
    name: Option<String>,
    /// Only with this tag: `NAME=VALUE`, or `NAME` for any value.
    tag: Option<String>,
}

/// List members.
///
/// All that this agent knows, itself included, departed ones as long as they are remembered.
#[utoipa::path(
    get, path = "/v1/members", params(MembersParams),
    responses((status = 200, body = model::Members), (status = 400, body = model::Error))
)]
pub async fn members(
    State(agent): State<Arc<Agent>>,
    Params(params): Params<MembersParams>,
) -> Answer<model::Members> {
    let statuses = params.status.as_deref().map(|list| list.split(',').map(str::parse).collect());
    let statuses: Option<Vec<model::Status>> = match statuses.transpose() {
        Ok(statuses) => statuses,
        Err(error) => {
            let error: String = error;
            return Err(Refusal::invalid(error, "several are separated by commas: ?status=dead,left"));
        }
    };
    let tag = params.tag.map(|tag| match tag.split_once('=') {
        Some((name, value)) => (name.to_string(), Some(value.to_string())),
        None => (tag, None),
    });
    let matches = move |member: &swim::Member<'_>, status: model::Status| {
        statuses.as_ref().is_none_or(|statuses| statuses.contains(&status))
            && params.name.as_ref().is_none_or(|name| member.card.name == *name)
            && tag.as_ref().is_none_or(|(name, value)| {
                let tags = shape::tags(member);
                let found = tags.get(name);
                found.is_some() && (value.is_none() || found == value.as_ref())
            })
    };
    let (members, cursor) = agent.inspect(move |inside| Shape::new(inside).members(matches)).await?;
    let is_failing = |seed: &model::Seed| seed.state == model::SeedState::Failing;
    let failing_seeds = agent.seeds().into_iter().filter(is_failing).collect();
    Ok(Json(model::Members { members, cursor: cursor.to_string(), failing_seeds }))
}

/// One member.
#[utoipa::path(
    get, path = "/v1/members/{member}", params(("member" = String, Path, description = "An id, or a name: the one live member that carries it, or the only one.")),
    responses(
        (status = 200, body = model::Member), (status = 404, body = model::Error),
        (status = 409, description = "Several carry that name.", body = model::Error),
    )
)]
pub async fn member(State(agent): State<Arc<Agent>>, Path(member): Path<String>) -> Answer<model::Member> {
    let found = agent.inspect(move |inside| {
        let id = find(inside, &member)?;
        let found = inside.node.swim.member(id).map(|member| {
            let lacks_tags = member.tags.is_none().then_some(id);
            (Shape::new(inside).member(&member), lacks_tags)
        });
        found.ok_or_else(|| {
            let hint = format!("GET /v1/why/{id} tells what is still known of it");
            Refusal::not_found(format!("{id} is on no list any more"), hint)
        })
    });
    let (found, lacks_tags) = found.await??;
    if let Some(id) = lacks_tags {
        agent.call(Call::Swim(swim::Call::FetchTags(id))).await?; // they are here when somebody asks again
    }
    Ok(Json(found))
}

/// What was said about a member.
///
/// Who suspected it, marked it as failed or banned it, when, and on what evidence, oldest first, as far as this agent remembers.
#[utoipa::path(
    get, path = "/v1/why/{member}", params(("member" = String, Path, description = "An id, or a name: the one live member that carries it, or the only one.")),
    responses(
        (status = 200, body = model::Why), (status = 404, body = model::Error),
        (status = 409, description = "Several carry that name.", body = model::Error),
    )
)]
pub async fn why(State(agent): State<Arc<Agent>>, Path(member): Path<String>) -> Answer<model::Why> {
    let found = agent.inspect(move |inside| find(inside, &member).map(|id| why::why(inside, id))).await?;
    Ok(Json(found?))
}

/// The machine a member runs on.
///
/// The newest vitals of it that arrived here, and how old they are.
#[utoipa::path(
    get, path = "/v1/vitals/{member}", params(("member" = String, Path, description = "An id, or a name: the one live member that carries it, or the only one.")),
    responses(
        (status = 200, body = model::Vitals), (status = 404, body = model::Error),
        (status = 409, description = "Several carry that name.", body = model::Error),
    )
)]
pub async fn vitals(State(agent): State<Arc<Agent>>, Path(member): Path<String>) -> Answer<model::Vitals> {
    let found = agent.inspect(move |inside| {
        let id = find(inside, &member)?;
        if inside.node.vitals.is_none() {
            let hint = "start it with --vitals on";
            return Err(Refusal::not_found("this agent was started with vitals off", hint));
        }
        let vitals = inside.node.swim.member(id).and_then(|member| Shape::new(inside).vitals(&member));
        vitals.ok_or_else(|| {
            let hint = "they come within a minute or so of a member's start, unless it was started with vitals off or is gone";
            Refusal::not_found(format!("no vitals of {id} have arrived here"), hint)
        })
    });
    Ok(Json(found.await??))
}

/// Probe a member now.
///
/// By datagram, from this agent, directly. No answer in time is an answer: `rtt_ms` is null.
#[utoipa::path(
    get, path = "/v1/ping/{member}", params(("member" = String, Path, description = "An id, or a name: the one live member that carries it, or the only one.")),
    responses(
        (status = 200, body = model::Ping), (status = 404, body = model::Error),
        (status = 409, description = "Several carry that name.", body = model::Error),
        (status = 503, description = "Too many pings at once.", body = model::Error),
    )
)]
pub async fn ping(State(agent): State<Arc<Agent>>, Path(member): Path<String>) -> Answer<model::Ping> {
    let found = agent.inspect(move |inside| {
        let id = find(inside, &member)?;
        Ok::<_, Refusal>(inside.node.swim.member(id).map(|member| target(&member)))
    });
    let target = found.await??;
    let (id, answer) = target.ok_or_else(|| Refusal::not_found("it is on no list any more", "ask again"))?;
    pinged(agent, id, answer).await.map(Json)
}

/// Probe every live member now.
///
/// At most 16 at a time, so that it costs the cluster little; those that do not answer come first.
#[utoipa::path(get, path = "/v1/reachability", responses((status = 200, body = model::Reachability)))]
pub async fn reachability(State(agent): State<Arc<Agent>>) -> Answer<model::Reachability> {
    let targets = agent.inspect(|inside| {
        let me = inside.node.swim.me().id;
        let live = |m: &swim::Member<'_>| m.id != me && matches!(m.status, Status::Alive | Status::Suspect);
        inside.node.swim.members().filter(live).map(|member| target(&member)).collect::<Vec<_>>()
    });
    let mut targets = targets.await?.into_iter();
    let mut running = JoinSet::new();
    let mut pings = Vec::new();
    loop {
        while running.len() < REACHABILITY_CONCURRENT_MAX
            && let Some((id, answer)) = targets.next()
        {
            running.spawn(pinged(agent.clone(), id, answer));
        }
        match running.join_next().await {
            Some(done) => pings.push(done.map_err(|_| Refusal::gone())??),
            None => break,
        }
    }
    pings.sort_by(|a, b| (a.rtt_ms.is_some(), &a.name, &a.id).cmp(&(b.rtt_ms.is_some(), &b.name, &b.id)));
    let reached = pings.iter().filter(|ping| ping.rtt_ms.is_some()).count();
    Ok(Json(model::Reachability { reached, unreached: pings.len() - reached, pings }))
}

fn target(member: &swim::Member<'_>) -> (NodeId, model::Ping) {
    let answer = model::Ping {
        id: member.id.to_string(),
        name: member.card.name.clone(),
        status: shape::status(member.status),
        rtt_ms: None,
    };
    (member.id, answer)
}

async fn pinged(agent: Arc<Agent>, id: NodeId, answer: model::Ping) -> Result<model::Ping, Refusal> {
    let rtt = agent.ping(id).await?;
    Ok(model::Ping { rtt_ms: rtt.map(shape::millis), ..answer })
}
