//! Why a request was not carried out: a status, what is wrong, and what to do about it. Always JSON.

use crate::model;
use crate::store::NotStored;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a body may take to arrive.
pub const BODY_WAIT: Duration = Duration::from_secs(10);

/// What a handler answers.
pub type Answer<T> = Result<Json<T>, Failure>;

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The status: 400 and above.
    pub status: StatusCode,
    /// The body.
    pub error: model::Error,
}

impl Failure {
    /// A failure with its status, what is wrong, and what to do.
    pub fn new(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Failure {
        let error = model::Error { error: error.into(), hint: hint.into(), candidates: Vec::new() };
        Failure { status, error }
    }

    /// 400: the request makes no sense.
    pub fn bad(error: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, error, hint)
    }

    /// 404: there is no such thing.
    pub fn not_found(error: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::new(StatusCode::NOT_FOUND, error, hint)
    }

    /// 409: not as things are.
    pub fn conflict(error: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::new(StatusCode::CONFLICT, error, hint)
    }

    /// 403: not from there.
    pub fn forbidden(error: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::new(StatusCode::FORBIDDEN, error, hint)
    }

    /// 503: too many of these at once.
    pub fn busy(error: impl Into<String>) -> Failure {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, error, "try again in a moment")
    }

    /// 503: the disk refused it, or does not answer.
    pub fn not_stored(error: &NotStored, hint: &str) -> Failure {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, format!("not stored: {error}"), hint)
    }

    /// 503: the node's task did not answer.
    pub fn gone() -> Failure {
        let hint =
            "the agent is starting, stopping or overloaded: try again in a moment, and look at its log";
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the node does not answer", hint)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.error)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A JSON object, refused with a reason if it is not what was asked for.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;
    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let Object(bytes) = Object::from_request(request, state).await?;
        serde_json::from_slice(&bytes).map(Body).map_err(|error| {
            let (status, error) = match error.is_data() {
                true => {
                    (StatusCode::UNPROCESSABLE_ENTITY, format!("the body is not what was asked for: {error}"))
                }
                false => (StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}")),
            };
            Failure::new(status, error, "GET /openapi.json describes the body of each request")
        })
    }
}

/// A body that is marked as JSON and begins like an object: unread, for those who must not repeat any of it.
///
/// The mark is asked for because a web page cannot set it without being asked first; the brace, because serde would take a list for an object.
pub struct Object(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Object {
    type Rejection = Failure;
    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let hint = "send the header Content-Type: application/json";
            return Err(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body is not marked as JSON",
                hint,
            ));
        }
        let read = tokio::time::timeout(BODY_WAIT, Bytes::from_request(request, state)).await;
        let read = read.map_err(|_| {
            let hint = "send the whole body at once";
            Failure::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time", hint)
        })?;
        let bytes = read.map_err(|rejection| {
            let hint = "send less, in several requests if need be";
            Failure::new(rejection.status(), rejection.body_text(), hint)
        })?;
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => Ok(Object(bytes)),
            _ => Err(Failure::bad(
                "the body is no JSON object",
                "GET /openapi.json describes the body of each request",
            )),
        }
    }
}

/// Query parameters, refused with a reason if they are not what was asked for.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let rejected = |rejection: QueryRejection| {
            Failure::bad(rejection.body_text(), "GET /openapi.json describes the parameters of each request")
        };
        Query::from_request_parts(parts, state).await.map(|Query(params)| Params(params)).map_err(rejected)
    }
}
