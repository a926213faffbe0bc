//! The admin API: JSON over HTTP, on TCP and on a Unix socket.
//!
//! | module | what it answers |
//! | --- | --- |
//! | `members` | who is there, how they do, what was said about them, whether they answer |
//! | `cluster` | joining, leaving, forgetting, tags |
//! | `events` | publishing events, and reading them |
//! | `query` | asking the members, and streaming what they answer |
//! | `bans` | who is kept out of the cluster |
//! | `keys` | the cluster's keys, by fingerprint: this agent's, and all members' |
//! | `watch` | what holds now, then what changes |
//! | `ops` | the agent itself, its health, its counters, faults on purpose |
//! | [`guard`] | who may ask |
//! | [`failure`] | why not |
//! | [`serve`] | listeners and connections |
//!
//! [`table`] is the one list of routes; `/openapi.json` describes the same ones, which a test compares.

mod bans;
pub(crate) mod cluster;
mod conditions;
pub mod events;
mod events_counted;
pub mod failure;
mod find;
pub mod guard;
mod keys;
mod members;
mod ops;
mod queries_counted;
pub mod query;
pub(crate) mod refuse;
pub mod serve;
pub(crate) mod shape;
mod watch;
mod why;

pub use watch::WATCHERS_MAX;

use crate::run::Agent;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::routing::{MethodRouter, delete, get, post};
use failure::HttpError;
use guard::Guard;
use std::sync::{Arc, OnceLock};
use utoipa::OpenApi;

/// The largest body of a request to `/v1/tags`, in bytes: 64 KiB of tags may be six times as long in JSON.
pub const TAGS_BODY_BYTES_MAX: usize = 512 * 1024;
/// The largest body of any other request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// One path.
pub struct Route {
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// The methods it answers, in lower case.
    pub methods: &'static [&'static str],
    serve: MethodRouter<Arc<Agent>>,
}

/// Every route there is.
pub fn table() -> Vec<Route> {
    let route = |path, methods, serve| Route { path, methods, serve };
    let tags = get(cluster::tags).put(cluster::put_tags).patch(cluster::patch_tags);
    vec![
        route("/v1/members", &["get"], get(members::members)),
        route("/v1/members/{member}", &["get"], get(members::member)),
        route("/v1/why/{member}", &["get"], get(members::why)),
        route("/v1/vitals/{member}", &["get"], get(members::vitals)),
        route("/v1/ping/{member}", &["get"], get(members::ping)),
        route("/v1/reachability", &["get"], get(members::reachability)),
        route("/v1/watch", &["get"], get(watch::watch)),
        route(
            "/v1/events",
            &["get", "post"],
            get(events::events).post(events::publish).layer(DefaultBodyLimit::max(events::BODY_BYTES_MAX)),
        ),
        route("/v1/query", &["post"], post(query::query).layer(DefaultBodyLimit::max(query::BODY_BYTES_MAX))),
        route("/v1/join", &["post"], post(cluster::join)),
        route("/v1/leave", &["post"], post(cluster::leave)),
        route("/v1/forget", &["post"], post(cluster::forget)),
        route("/v1/bans", &["get", "post"], get(bans::bans).post(bans::ban)),
        route("/v1/bans/{member}", &["delete"], delete(bans::unban)),
        route("/v1/tags", &["get", "put", "patch"], tags.layer(DefaultBodyLimit::max(TAGS_BODY_BYTES_MAX))),
        route("/v1/keys", &["get"], get(keys::keys)),
        route("/v1/keys/install", &["post"], post(keys::install)),
        route("/v1/keys/use", &["post"], post(keys::use_primary)),
        route("/v1/keys/remove", &["post"], post(keys::remove)),
        route("/v1/keys/everywhere", &["post"], post(keys::everywhere)),
        route("/v1/self", &["get"], get(ops::itself)),
        route("/v1/reload", &["post"], post(ops::reload)),
        route("/v1/faults", &["post"], post(ops::faults)),
        route("/healthz", &["get"], get(ops::healthz)),
        route("/metrics", &["get"], get(ops::prometheus)),
        route("/openapi.json", &["get"], get(ops::openapi)),
    ]
}

/// The API of `agent`, as a listener behind `guard` serves it.
pub fn router(agent: Arc<Agent>, guard: Guard) -> Router {
    let routes =
        table().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.serve));
    routes
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(agent)
}

async fn nowhere(uri: Uri) -> HttpError {
    HttpError::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {}", uri.path()),
        "GET /openapi.json lists all there is",
    )
}

async fn not_so(method: Method, uri: Uri) -> HttpError {
    let error = format!("{} does not answer {method}", uri.path());
    HttpError::new(StatusCode::METHOD_NOT_ALLOWED, error, "GET /openapi.json lists the methods of each path")
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "rumormill agent",
        description = "The admin API of one agent of a rumormill cluster. On loopback no token is asked for, but the Host and Origin headers are checked; any other address asks for a bearer token. Every error is JSON with `error` and `hint`.",
        license(name = "MIT OR Apache-2.0"),
    ),
    paths(
        members::members,
        members::member,
        members::why,
        members::vitals,
        members::ping,
        members::reachability,
        watch::watch,
        events::events,
        events::publish,
        query::query,
        cluster::join,
        cluster::leave,
        cluster::forget,
        bans::bans,
        bans::ban,
        bans::unban,
        cluster::tags,
        cluster::put_tags,
        cluster::patch_tags,
        keys::keys,
        keys::install,
        keys::use_primary,
        keys::remove,
        keys::everywhere,
        ops::itself,
        ops::reload,
        ops::faults,
        ops::healthz,
        ops::prometheus,
        ops::openapi,
    ),
    components(schemas(crate::model::WatchState, crate::model::WatchGap))
)]
struct Document;

/// The OpenAPI description of [`table`], as JSON.
pub fn document() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| Document::openapi().to_json().expect("our own description can be written as JSON"))
}
