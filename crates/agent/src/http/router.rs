//! The router: the routes of all features behind one guard. `/openapi.json` describes the same routes, which a test compares.

use crate::agent::Agent;
use crate::features::FEATURES;
use crate::http::guard::{self, Guard};
use crate::http::reply::HttpError;
use crate::http::route::Route;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::{Router, middleware};
use std::sync::Arc;

/// The largest body of a request in bytes, where its route names no other bound.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Every route there is.
pub fn table() -> Vec<Route> {
    FEATURES.iter().flat_map(|feature| (feature.routes)()).collect()
}

/// The API of `agent`, as a listener behind `guard` serves it.
pub fn router(agent: Arc<Agent>, guard: Guard) -> Router {
    let routes =
        table().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.serve));
    routes
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(agent)
}

async fn no_such_path(uri: Uri) -> HttpError {
    let error = format!("there is nothing at {}", uri.path());
    HttpError::new(StatusCode::NOT_FOUND, error, "GET /openapi.json lists all there is")
}

async fn no_such_method(method: Method, uri: Uri) -> HttpError {
    let error = format!("{} does not answer {method}", uri.path());
    HttpError::new(StatusCode::METHOD_NOT_ALLOWED, error, "GET /openapi.json lists the methods of each path")
}
