//! Queries: a question to members, and their replies.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`service`] | asks, and answers queries that reach this agent |
//! | [`open`] | queries that this agent asked: each asker reads at its own pace, bounded in bytes |
//! | [`answer`] | a reply as it travels |

pub mod http;
mod metrics;
pub mod model;
pub(crate) mod serf;
pub mod service;
pub mod state;

pub use rumormill_cluster::queries::{answer, open};

use crate::feature::{Feature, Heard};
use crate::node::Event;
use rumormill_protocols::spread::queries;
use state::QueryService;
use std::sync::Mutex;
use utoipa::OpenApi;

/// Queries.
pub const FEATURE: Feature = Feature {
    state: |_, states| states.add(Mutex::new(QueryService::default())),
    prepare: |agent, _, _| {
        Box::pin(async move {
            agent.query_service().open.begin_anew();
            Ok(())
        })
    },
    event: |agent, event, _, _| match event {
        Event::Queries(queries::Event::Sent { ticket }) => {
            agent.query_service().open.begun(ticket);
            Heard::Done
        }
        event @ Event::Queries(_) => Heard::Later(event),
        event => Heard::NotMine(event),
    },
    after: |agent, event, node, _| {
        if let Event::Queries(event) = event {
            let named = |id| node.swim.member(id).map(|member| member.card.name.clone()).unwrap_or_default();
            agent.query_service().hear(event, named);
        }
    },
    routes: http::routes,
    document: http::Document::openapi,
    count: |_, agent, table| metrics::count(&agent.query_service(), table),
    about_self: |inside, _, info| info.queries = metrics::info(inside),
    ..Feature::NONE
};
