//! Answers of the HTTP API: JSON, or an error as JSON with a status; and the extractors that read requests.

use crate::model;
use crate::refusal::{Kind, Refusal};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a body may take to arrive.
pub const BODY_WAIT: Duration = Duration::from_secs(10);

/// A handler's answer.
pub type Answer<T> = Result<Json<T>, Refusal>;

/// An error with its status: a [`Refusal`], or a request that HTTP itself does not allow.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpError {
    /// The status: 400 and above.
    pub status: StatusCode,
    /// The body.
    pub error: model::Error,
}

impl HttpError {
    /// An error with its status, what is wrong, and what to do.
    pub fn new(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> HttpError {
        let error = model::Error { error: error.into(), hint: hint.into(), candidates: Vec::new() };
        HttpError { status, error }
    }
}

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> HttpError {
        let Refusal { kind, error, hint, candidates } = refusal;
        let status = match kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Unusable => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        HttpError { status, error: model::Error { error, hint, candidates } }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        HttpError::from(self).into_response()
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.error)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A request's body: a JSON object of type `T`. Anything else is an error that names the reason.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = HttpError;
    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        let Object(bytes) = Object::from_request(request, state).await?;
        serde_json::from_slice(&bytes).map(Body).map_err(|error| {
            let (status, error) = match error.is_data() {
                true => {
                    (StatusCode::UNPROCESSABLE_ENTITY, format!("the body is not what was asked for: {error}"))
                }
                false => (StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}")),
            };
            HttpError::new(status, error, "GET /openapi.json describes the body of each request")
        })
    }
}

/// A request's body that is marked as JSON and begins like an object, not yet decoded. Requests with keys use it: no error may repeat any of it.
///
/// The mark (`Content-Type`) is required because a web page cannot send it without a preflight request; the brace, because serde would read a list
/// as an object.
pub struct Object(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Object {
    type Rejection = HttpError;
    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let hint = "send the header Content-Type: application/json";
            return Err(HttpError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body is not marked as JSON",
                hint,
            ));
        }
        let read = tokio::time::timeout(BODY_WAIT, Bytes::from_request(request, state)).await;
        let read = read.map_err(|_| {
            let hint = "send the whole body at once";
            HttpError::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time", hint)
        })?;
        let bytes = read.map_err(|rejection| {
            let hint = "send less, in several requests if need be";
            HttpError::new(rejection.status(), rejection.body_text(), hint)
        })?;
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => Ok(Object(bytes)),
            _ => Err(HttpError::new(
                StatusCode::BAD_REQUEST,
                "the body is no JSON object",
                "GET /openapi.json describes the body of each request",
            )),
        }
    }
}

/// The one parameter of a path. What is no UTF-8 is an error that names the reason.
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = HttpError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        let rejected = |rejection: PathRejection| {
            let hint = "write what is no ASCII as UTF-8, percent-encoded";
            HttpError::new(StatusCode::BAD_REQUEST, rejection.body_text(), hint)
        };
        Path::from_request_parts(parts, state).await.map(|Path(text)| Segment(text)).map_err(rejected)
    }
}

/// Query parameters of type `T`. Anything else is an error that names the reason.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = HttpError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        let rejected = |rejection: QueryRejection| {
            HttpError::new(
                StatusCode::BAD_REQUEST,
                rejection.body_text(),
                "GET /openapi.json describes the parameters of each request",
            )
        };
        Query::from_request_parts(parts, state).await.map(|Query(params)| Params(params)).map_err(rejected)
    }
}
