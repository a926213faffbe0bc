//! Vitals: the machine, read every few seconds and gossiped as often as the budget allows.

pub mod http;
pub mod model;
mod service;

use crate::feature::{Feature, Heard};
use crate::node::Event;
use rumormill_core::words;
use utoipa::OpenApi;

/// Vitals.
pub const FEATURE: Feature = Feature {
    state: |parts, states| states.add(service::Budget::of(&parts.config)),
    prepare: |agent, node, life| {
        Box::pin(async move {
            service::prepare(agent, node, life);
            Ok(())
        })
    },
    tasks: |agent, tasks| {
        if agent.config.vitals {
            tasks.spawn(service::read_machine(agent.clone()));
        }
    },
    event: |_, event, _, _| match event {
        Event::Vitals(_) => Heard::Done,
        event => Heard::NotMine(event),
    },
    live: &["vitals_budget"],
    apply: |agent, _, config| Box::pin(service::apply(agent, config)),
    routes: http::routes,
    document: http::Document::openapi,
    about_self: |inside, _, info| {
        let vitals = inside.node.vitals.as_ref();
        info.vitals = vitals.is_some();
        info.vitals_interval_s = vitals.map(|vitals| words::seconds(vitals.put_interval()));
    },
    ..Feature::NONE
};
