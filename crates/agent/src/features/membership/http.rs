//! The HTTP routes of membership: members, verdicts about them, probes, orders to forget.

use crate::agent::Agent;
use crate::audience::tags::{PATTERN_HINT, TagFilter};
use crate::describe::{self, Shape};
use crate::features::membership::find::find;
use crate::features::membership::{watch, why};
use crate::http::reply::{Answer, Body, Params, Segment};
use crate::http::route::Route;
use crate::model;
use crate::node::Call;
use crate::refusal::Refusal;
use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use rumormill_core::identity::NodeId;
use rumormill_core::words;
use rumormill_protocols::member::swim::{self, Status};
use serde::Deserialize;
use std::sync::Arc;
use tokio::task::JoinSet;
use utoipa::{IntoParams, OpenApi};

/// Members that are pinged at the same time for `/v1/reachability` (our guess: far below what a period's probes cost a large cluster).
pub const REACHABILITY_CONCURRENT_MAX: usize = 16;

#[derive(OpenApi)]
#[openapi(
    paths(members, member, why, ping, reachability, forget, watch::watch),
    components(schemas(model::WatchState, model::WatchChange, model::WatchGap))
)]
pub(super) struct Document;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/v1/members", &["get"], get(members)),
        Route::new("/v1/members/{member}", &["get"], get(member)),
        Route::new("/v1/why/{member}", &["get"], get(why)),
        Route::new("/v1/ping/{member}", &["get"], get(ping)),
        Route::new("/v1/reachability", &["get"], get(reachability)),
        Route::new("/v1/watch", &["get"], get(watch::watch)),
        Route::new("/v1/forget", &["post"], post(forget)),
    ]
}

/// Which members.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MembersParams {
    /// Only of this status: `alive`, `suspect`, `failed`, `left` or `banned`; several are separated by commas.
    #[param(pattern = "^(alive|suspect|failed|left|banned)(,(alive|suspect|failed|left|banned))*$")]
    status: Option<String>,
    /// Only of this name.
    name: Option<String>,
    /// Only with this tag: `NAME=PATTERN`, a regular expression for the whole value, as in queries; or `NAME` for any value.
    tag: Option<String>,
}

/// List members.
///
/// All that this agent knows, itself included, departed ones as long as they are remembered.
#[utoipa::path(
    get, path = "/v1/members", tag = "members", params(MembersParams),
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
            return Err(Refusal::invalid(error, "several are separated by commas: ?status=failed,left"));
        }
    };
    let tags = TagFilter::parse(params.tag.as_slice())
        .map_err(|error| Refusal::invalid(error.to_string(), PATTERN_HINT))?;
    let matches = move |member: &swim::Member<'_>, status: model::Status| {
        statuses.as_ref().is_none_or(|statuses| statuses.contains(&status))
            && params.name.as_ref().is_none_or(|name| member.card.name == *name)
            && (tags.is_empty() || tags.matches(&describe::tags(member)))
    };
    let (members, cursor) = agent.inspect(move |inside| Shape::new(inside).members(matches)).await?;
    let is_failing = |seed: &model::Seed| seed.state == model::SeedState::Failing;
    let failing_seeds = agent.seeds().into_iter().filter(is_failing).collect();
    Ok(Json(model::Members { members, cursor: cursor.to_string(), failing_seeds }))
}

/// One member.
#[utoipa::path(
    get, path = "/v1/members/{member}", tag = "members", params(("member" = String, Path, description = "An id, or a name: the one live member that carries it, or the only one.")),
    responses(
        (status = 200, body = model::Member), (status = 404, body = model::Error),
        (status = 409, description = "Several carry that name.", body = model::Error),
    )
)]
pub async fn member(State(agent): State<Arc<Agent>>, Segment(member): Segment) -> Answer<model::Member> {
    let found = agent.inspect(move |inside| {
        let id = find(inside, &member)?;
        let found = inside.node.swim.member(id).map(|member| {
            let lacks_tags = member.tags.is_none().then_some(id);
            (Shape::new(inside).member(&member), lacks_tags)
        });
        found.ok_or_else(|| {
            let hint = format!("GET /v1/why/{id} tells what is still known of it");
            let error = format!("{} is on no list any more", words::with_id(&member, id));
            Refusal::not_found(error, hint)
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
    get, path = "/v1/why/{member}", tag = "members", params(("member" = String, Path, description = "An id, or a name: the one live member that carries it, or the only one.")),
    responses(
        (status = 200, body = model::Why), (status = 404, body = model::Error),
        (status = 409, description = "Several carry that name.", body = model::Error),
    )
)]
pub async fn why(State(agent): State<Arc<Agent>>, Segment(member): Segment) -> Answer<model::Why> {
    let found = agent.inspect(move |inside| find(inside, &member).map(|id| why::why(inside, id))).await?;
    Ok(Json(found?))
}

/// Probe a member now.
///
/// By datagram, from this agent, directly. No answer in time is an answer: `rtt_ms` is null.
#[utoipa::path(
    get, path = "/v1/ping/{member}", tag = "members", params(("member" = String, Path, description = "An id, or a name: the one live member that carries it, or the only one.")),
    responses(
        (status = 200, body = model::Ping), (status = 404, body = model::Error),
        (status = 409, description = "Several carry that name.", body = model::Error),
        (status = 503, description = "Too many pings at once.", body = model::Error),
    )
)]
pub async fn ping(State(agent): State<Arc<Agent>>, Segment(member): Segment) -> Answer<model::Ping> {
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
#[utoipa::path(get, path = "/v1/reachability", tag = "members", responses((status = 200, body = model::Reachability)))]
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

/// Forget a departed member.
///
/// It is dropped from every list in the cluster, and does not come back from members that were cut off meanwhile. It comes back by itself if it
/// still runs. A live member is not forgotten. With `all`, every departed member of that name is.
#[utoipa::path(
    post, path = "/v1/forget", tag = "cluster", request_body = model::ForgetRequest,
    responses(
        (status = 200, body = model::Done), (status = 404, body = model::Error),
        (status = 409, description = "It is alive, or several departed members carry that name.", body = model::Error),
    )
)]
pub async fn forget(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::ForgetRequest>,
) -> Answer<model::Done> {
    let member = request.member.clone();
    let forgotten = agent.forget(request).await?;
    let message = match &forgotten[..] {
        [id] => format!("{} is being forgotten in the whole cluster", words::with_id(&member, id)),
        ids => {
            format!("{} departed members called {member} are being forgotten in the whole cluster", ids.len())
        }
    };
    Ok(Json(model::Done { done: true, message }))
}

fn target(member: &swim::Member<'_>) -> (NodeId, model::Ping) {
    let answer = model::Ping {
        id: member.id.to_string(),
        name: member.card.name.clone(),
        status: describe::status(member.status),
        rtt_ms: None,
    };
    (member.id, answer)
}

async fn pinged(agent: Arc<Agent>, id: NodeId, answer: model::Ping) -> Result<model::Ping, Refusal> {
    let rtt = agent.ping(id).await?;
    Ok(model::Ping { rtt_ms: rtt.map(words::millis), ..answer })
}
