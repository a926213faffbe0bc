//! This agent's tags.

pub mod http;
pub mod model;
pub(crate) mod serf;
pub mod service;

use crate::feature::Feature;
use utoipa::OpenApi;

/// Tags.
pub const FEATURE: Feature = Feature {
    state: |parts, states| states.add(service::Tags::of(&parts.config)),
    live: &["tags"],
    apply: |agent, _, config| Box::pin(service::apply(agent, &config.tags)),
    routes: http::routes,
    document: http::Document::openapi,
    ..Feature::NONE
};
