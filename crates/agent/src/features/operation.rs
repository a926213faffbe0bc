//! The agent itself: state, health, metrics, warnings.

mod conditions;
pub mod http;
mod metrics;
pub mod model;
mod table;

use crate::agent::Agent;
use crate::feature::Feature;
use crate::{build, logging};
use model::SelfInfo;
use rumormill_core::words;
use utoipa::OpenApi;

/// The agent itself. The last of the features: what it gathers, the others have added before.
pub const FEATURE: Feature = Feature {
    live: &["log"],
    apply: |_, _, config| Box::pin(async move { logging::set_filter(&config.log) }),
    routes: http::routes,
    document: http::Document::openapi,
    tables: &[table::COUNTERS, table::WARNINGS],
    count: metrics::own,
    conditions: |_, agent, all| conditions::own(agent, all),
    about_self: |_, agent, info| about_self(agent, info),
    ..Feature::NONE
};

fn about_self(agent: &Agent, info: &mut SelfInfo) {
    info.cluster = agent.config.cluster.clone();
    info.profile = agent.config.profile.to_string();
    info.version = build::VERSION.into();
    info.commit = build::commit().into();
    info.uptime_s = words::seconds(agent.uptime());
    info.pid = std::process::id();
    if let Some(listens) = agent.listens() {
        info.gossip = listens.gossip.to_string();
        info.http = listens.http.map(|address| address.to_string());
        info.socket = listens.socket.as_ref().map(|path| path.display().to_string());
    }
    info.data_dir = agent.config.data_dir.as_ref().map(|path| path.display().to_string());
    info.faults = agent.config.faults;
}
