//! The HTTP route of queries: one request, answered by a stream of JSON lines.

use crate::agent::{Agent, stopped};
use crate::audience::{Filter, TagPattern};
use crate::features::events::payload::{checked_name, payload_of, shown_payload};
use crate::features::queries::open::Reply;
use crate::features::queries::service::Asking;
use crate::features::queries::state::NewQuery;
use crate::http::reply::Body;
use crate::http::route::Route;
use crate::model::{self, QueryLine};
use crate::refusal::Refusal;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::stream::unfold;
use rumormill_core::words;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use utoipa::OpenApi;

/// The media type of lines of JSON.
const LINES: &str = "application/x-ndjson";
/// The largest body of a request, in bytes: 60 KiB of payload, each byte escaped (`\u0001` is six characters), and a filter.
pub const BODY_BYTES_MAX: usize = 512 * 1024;

#[derive(OpenApi)]
#[openapi(paths(query))]
pub(super) struct Document;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new("/v1/query", &["post"], post(query).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)))]
}

/// Ask the members, and stream what they answer.
///
/// One line of JSON for each thing that comes: `asked` first, then an `ack` for each member that is meant and has heard of it, an `answer` or
/// a `failed` for each that answered, and `done` with the sums: as soon as all that are meant have answered, at the latest when the time is over, and at
/// once if no listed live member is meant and no time was given. Closing the connection ends the query.
#[utoipa::path(
    post, path = "/v1/query", tag = "query", request_body = model::QueryRequest,
    responses(
        (status = 200, content_type = "application/x-ndjson", body = model::QueryLine),
        (status = 400, description = "Something makes no sense, such as a pattern.", body = model::Error),
        (status = 413, description = "A payload of more than 60 KiB, or of more than 64 KiB with names and patterns.", body = model::Error),
        (status = 503, description = "Too many queries or events are on their way.", body = model::Error),
    )
)]
pub async fn query(
    State(agent): State<Arc<Agent>>,
    Body(request): Body<model::QueryRequest>,
) -> Result<Response, Refusal> {
    let asking = agent.ask(checked(request)?).await?;
    let timeout_ms = u64::try_from(asking.timeout.as_millis()).unwrap_or(u64::MAX);
    let first = QueryLine::Asked { asked: asking.expected, timeout_ms };
    let lines = Lines { asking: Some(asking), first: Some(first), stop: agent.stopping() };
    let lines = unfold(lines, |mut lines| async { Some((lines.next().await?, lines)) });
    Ok(([(header::CONTENT_TYPE, LINES)], HttpBody::from_stream(lines)).into_response())
}

fn checked(request: model::QueryRequest) -> Result<NewQuery, Refusal> {
    let model::QueryRequest { name, payload, payload_base64, names, node, tags, timeout_ms } = request;
    let tags = tags.into_iter().map(|(key, pattern)| TagPattern { key, pattern }).collect();
    Ok(NewQuery {
        name: checked_name("query", &name)?,
        filter: Filter { names, node, tags },
        payload: payload_of(payload, payload_base64)?[..].into(),
        timeout: timeout_ms.map(Duration::from_millis),
    })
}

struct Lines {
    /// None after the end.
    asking: Option<Asking>,
    first: Option<QueryLine>,
    stop: watch::Receiver<bool>,
}

impl Lines {
    /// The next line; none at the end, and when the agent stops.
    async fn next(&mut self) -> Option<Result<Bytes, Infallible>> {
        let line = match self.first.take() {
            Some(first) => first,
            None => {
                let asking = self.asking.as_mut()?;
                let next = tokio::select! {
                    next = asking.next() => next?,
                    () = stopped(&mut self.stop) => return None,
                };
                line(next)
            }
        };
        if matches!(line, QueryLine::Done(_)) {
            self.asking = None;
        }
        let mut text = serde_json::to_vec(&line).expect("our own types can be written as JSON");
        text.push(b'\n');
        Some(Ok(text.into()))
    }
}

fn line(reply: Reply) -> QueryLine {
    match reply {
        Reply::Ack(who) => QueryLine::Ack { from: who.id.to_string(), name: who.name },
        Reply::Answer(who, payload) => {
            let (payload, payload_base64) = shown_payload(&payload);
            QueryLine::Answer { from: who.id.to_string(), name: who.name, payload, payload_base64 }
        }
        Reply::Failed(who, error) => QueryLine::Failed { from: who.id.to_string(), name: who.name, error },
        Reply::Done(sums) => QueryLine::Done(model::QuerySummary {
            asked: sums.asked,
            acknowledged: sums.acknowledged,
            answered: sums.answered,
            failed: sums.failed,
            late: sums.late,
            lost: sums.lost,
            took_ms: words::millis(sums.took),
        }),
    }
}
