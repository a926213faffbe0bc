//! Fault injection for tests and demonstrations.

pub mod http;
pub mod model;

use crate::feature::Feature;
use utoipa::OpenApi;

/// Fault injection.
pub const FEATURE: Feature =
    Feature { routes: http::routes, document: http::Document::openapi, ..Feature::NONE };
