//! Membership: members, verdicts about them, probes, changes as a stream, orders to forget.

pub(crate) mod find;
mod forgotten;
pub mod http;
pub(crate) mod known;
mod metrics;
pub mod model;
pub(crate) mod serf;
pub mod service;
mod table;
pub mod watch;
mod why;

use crate::feature::{Feature, Heard};
use crate::node::Event;
use utoipa::OpenApi;

/// Membership.
pub const FEATURE: Feature = Feature {
    state: |_, states| {
        states.add(known::Unsaved::default());
        states.add(forgotten::Changed::default());
    },
    prepare: |agent, node, _| {
        Box::pin(async move {
            forgotten::recall(agent, &mut node.swim).await;
            Ok(())
        })
    },
    tasks: |agent, tasks| {
        tasks.spawn(known::stay_saved(agent.clone()));
        tasks.spawn(forgotten::stay_saved(agent.clone()));
    },
    event: |_, event, book, _| match event {
        Event::Swim(event) if service::enter(&event, book) => Heard::Later(Event::Swim(event)),
        Event::Swim(_) => Heard::Done,
        event => Heard::NotMine(event),
    },
    after: |agent, event, node, view| {
        if let Event::Swim(event) = event {
            service::hear(agent, &event, node, view.me, view.wall);
        }
    },
    save: |agent| Box::pin(known::save_all(agent)),
    routes: http::routes,
    document: http::Document::openapi,
    tables: &[table::PEERS, table::SESSIONS],
    count: |inside, _, table| metrics::count(inside, table),
    conditions: |inside, _, all| metrics::conditions(inside, all),
    about_self: |inside, _, info| metrics::about_self(inside, info),
    ..Feature::NONE
};
