//! The HTTP routes of SQL. A statement only reads, so it needs what a GET needs, also where it is sent by POST.

use super::answer::{answer, params, refusal};
use super::subscribe::Subscription;
use crate::agent::Agent;
use crate::http::reply::{Body, Params};
use crate::http::route::Route;
use crate::http::stream;
use crate::model;
use crate::refusal::Refusal;
use axum::extract::State;
use axum::http::header;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream::Stream;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use utoipa::{IntoParams, OpenApi};

#[derive(OpenApi)]
#[openapi(paths(sql, subscribe), components(schemas(model::SqlAnswer, model::SqlChange)))]
pub(super) struct Document;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/v1/sql", &["post"], post(sql)),
        Route::new("/v1/sql/subscribe", &["get"], get(subscribe)),
    ]
}

/// Ask in SQL.
///
/// One SELECT over the agent's tables, in a subset of PostgreSQL's SQL; `rumormill sql --tables` lists tables and columns. It runs for two seconds at
/// most, and changes nothing. Rows of members are copied in pages: each is as it was when its page was read.
#[utoipa::path(
    post, path = "/v1/sql", tag = "sql", request_body = model::SqlRequest,
    responses(
        (status = 200, body = model::SqlAnswer),
        (status = 400, description = "The statement has a fault, such as an unknown column, or would write.", body = model::Error),
        (status = 503, description = "It takes too long or too much memory, or too many are under way.", body = model::Error),
    )
)]
pub async fn sql(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::SqlRequest>,
) -> Result<Response, Refusal> {
    let model::SqlRequest { sql, params: values } = request;
    // The JSON is written on the statement's thread: an answer may be large.
    let json = move |rows: Result<_, _>| {
        rows.map(|rows| serde_json::to_vec(&answer(rows)).expect("our own types can be written as JSON"))
    };
    let json = agent.sql(&sql, &params(values)?, json).await?.map_err(|error| refusal(&error))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

/// The statement.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SubscribeParams {
    /// The statement. Leave ages out of it, or each row changes every second.
    #[param(format = "sql")]
    sql: String,
    /// The columns of the answer that tell its rows apart, separated by commas: `id` if there is one, else all columns.
    #[param(format = "columns")]
    key: Option<String>,
    /// The stream ends after so many seconds. Without it the stream goes on until either side closes it.
    #[param(minimum = 0)]
    for_s: Option<f64>,
}

/// Subscribe to a statement: server-sent events.
///
/// `state` (a `SqlAnswer`) comes first, then a `change` (a `SqlChange`) whenever the answer differs from the one before: it is looked for when membership
/// changes or an event is delivered, ten times a second at most, and once a second anyway. A slow reader gets one change for all that it missed.
/// `error` (an `Error`) says why the statement has no answer any more, and ends the stream.
#[utoipa::path(
    get, path = "/v1/sql/subscribe", tag = "sql", params(SubscribeParams),
    responses(
        (status = 200, content_type = "text/event-stream", body = model::SqlEvent),
        (status = 400, description = "The statement has a fault, or the answer more than 4096 rows.", body = model::Error),
        (status = 503, description = "Too many subscriptions, or the statement takes too long.", body = model::Error),
    )
)]
pub async fn subscribe(
    State(agent): State<Arc<Agent>>,
    Params(params): Params<SubscribeParams>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let SubscribeParams { sql, key, for_s } = params;
    let subscription = Subscription::open(agent, sql, key, stream::end(for_s)?).await?;
    Ok(stream::answer(subscription.events()))
}
