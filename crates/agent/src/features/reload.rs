//! The configuration, read again while the agent runs.

pub mod http;
pub mod model;
pub mod service;
mod table;

use crate::feature::Feature;
use utoipa::OpenApi;

/// Reload.
pub const FEATURE: Feature = Feature {
    state: |parts, states| states.add(service::Reload::of(&parts.config)),
    routes: http::routes,
    document: http::Document::openapi,
    tables: &[table::CONFIG],
    count: |_, agent, table| service::count(&agent.reloads(), table),
    about_self: |_, agent, info| info.reload = agent.reloads(),
    ..Feature::NONE
};
