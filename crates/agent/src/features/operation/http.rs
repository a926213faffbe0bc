//! The HTTP routes about the agent itself: its state, its health, its metrics, the description of the API.

use crate::agent::Agent;
use crate::feature::Features;
use crate::features::operation::{conditions, metrics};
use crate::http::reply::Answer;
use crate::http::route::Route;
use crate::http::shared_answers;
use crate::refusal::Refusal;
use crate::{metrics as format, model};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use utoipa::openapi::{Object, RefOr, Schema};
use utoipa::{OpenApi, ToSchema};

/// How long the node's task may take to answer for the agent to be healthy (our guess: twice what a period takes on one site).
pub const HEALTH_WAIT: Duration = Duration::from_secs(2);

#[derive(OpenApi)]
#[openapi(paths(itself, healthz, prometheus, openapi))]
pub(super) struct Document;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/v1/self", &["get"], get(itself)),
        Route::new("/healthz", &["get"], get(healthz)),
        Route::new("/metrics", &["get"], get(prometheus)),
        Route::new("/openapi.json", &["get"], get(openapi)),
    ]
}

#[derive(OpenApi)]
#[openapi(info(
    title = "rumormill agent",
    description = "The admin API of one agent of a rumormill cluster. On loopback no token is asked for, but the Host and Origin headers are checked; any other address asks for a bearer token. Every error is JSON with `error` and `hint`.",
    license(name = "MIT OR Apache-2.0"),
))]
struct Whole;

/// The OpenAPI description of all features' routes, and of the fields that they add to a member, as JSON.
fn document(features: &Features) -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut whole = Whole::openapi();
        features.0.iter().for_each(|feature| whole.merge((feature.document)()));
        if let Some(components) = &mut whole.components
            && let Some(RefOr::T(Schema::Object(member))) =
                components.schemas.get_mut(&*model::Member::name())
        {
            features.0.iter().for_each(|feature| add_fields(member, (feature.member_schema)()));
        }
        shared_answers::describe(&mut whole);
        let mut whole = serde_json::to_value(&whole).expect("our own description can be written as JSON");
        exclude_second_forms(&mut whole["components"]["schemas"]);
        whole.to_string()
    })
}

/// A payload has two forms, text and base64, and a request gives one of them. The crate that describes the API has no word for that.
fn exclude_second_forms(schemas: &mut Value) {
    for schema in schemas.as_object_mut().into_iter().flat_map(|schemas| schemas.values_mut()) {
        let names = schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys());
        let both = names.clone().find_map(|name| {
            let text = name.strip_suffix("_base64")?;
            names.clone().any(|name| name == text).then(|| json!({"required": [text, name]}))
        });
        // Bodies of requests alone refuse a field that they do not know.
        if let Some(both) = both.filter(|_| schema["additionalProperties"] == false) {
            schema["not"] = both;
        }
    }
}

/// Adds the fields of one object to those of another one.
fn add_fields(to: &mut Object, from: RefOr<Schema>) {
    if let RefOr::T(Schema::Object(from)) = from {
        to.properties.extend(from.properties);
        to.required.extend(from.required);
    }
}

/// This agent.
#[utoipa::path(get, path = "/v1/self", tag = "ops", responses((status = 200, body = model::SelfInfo)))]
pub async fn itself(State(agent): State<Arc<Agent>>) -> Answer<model::SelfInfo> {
    let inner = agent.clone();
    let gathered = agent.inspect(move |inside| {
        let mut info = model::SelfInfo::default();
        for feature in inner.state::<Features>().0 {
            (feature.about_self)(inside, &inner, &mut info);
        }
        let conditions = conditions::conditions(inside, &inner);
        let hold = conditions.iter().filter(|warning| warning.cleared_s.is_none());
        info.warnings = hold.map(|warning| warning.text.clone()).collect();
        info.conditions = conditions;
        info.counters = metrics::table(inside, &inner).counters();
        info
    });
    Ok(Json(gathered.await?))
}

/// Whether the agent works.
///
/// 200 if the node's task, which does the work, answers within two seconds.
#[utoipa::path(
    get, path = "/healthz", tag = "ops",
    responses((status = 200, body = model::Healthz), (status = 503, description = "It does not answer.", body = model::Error))
)]
pub async fn healthz(State(agent): State<Arc<Agent>>) -> Answer<model::Healthz> {
    let asked = agent.inspect(|inside| (inside.node.swim.health(), inside.node.swim.live_len()));
    match tokio::time::timeout(HEALTH_WAIT, asked).await {
        Ok(Ok((health, live))) => {
            Ok(Json(model::Healthz { ok: true, health: Some(health), live: Some(live) }))
        }
        Ok(Err(_)) | Err(_) => Err(Refusal::gone()),
    }
}

/// Counters for Prometheus.
///
/// In the OpenMetrics text format if it is accepted, else in Prometheus's own.
#[utoipa::path(
    get, path = "/metrics", tag = "ops",
    responses((status = 200, content_type = "text/plain", body = String), (status = 503, body = model::Error))
)]
pub async fn prometheus(State(agent): State<Arc<Agent>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let inner = agent.clone();
    let table = agent.inspect(move |inside| metrics::table(inside, &inner)).await?;
    let text = table.openmetrics(agent.histograms());
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    Ok(if accepts.into_iter().any(|accepted| accepted.contains("application/openmetrics-text")) {
        ([(header::CONTENT_TYPE, format::OPENMETRICS)], text).into_response()
    } else {
        ([(header::CONTENT_TYPE, format::PLAIN)], format::plain(&text)).into_response()
    })
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "ops",
    responses((status = 200, content_type = "application/json", body = serde_json::Value))
)]
pub async fn openapi(State(agent): State<Arc<Agent>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document(agent.state())).into_response()
}
