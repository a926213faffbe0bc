//! Application events: publishing, the event log, cursors.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`log`] | events and losses in order, for consumers with cursors |
//! | [`entry`] | entries of the log, places, cursors |
//! | `origin_usage` | the bytes of each origin in the log: the origin that takes most sheds first |
//! | [`pending`] | publishers that wait for an outcome, and durable events that no majority is known to hold |

pub mod config;
pub mod entry;
pub mod http;
pub mod log;
mod metrics;
pub mod model;
mod origin_usage;
pub(crate) mod payload;
pub mod pending;
pub mod publish;
pub(crate) mod serf;
pub mod service;
pub mod state;
pub(crate) mod store;
mod table;

use crate::feature::{Feature, Heard};
use crate::node::Event;
use entry::Kept;
use state::{EventService, Saving};
use std::sync::Mutex;
use utoipa::OpenApi;

/// Application events.
pub const FEATURE: Feature = Feature {
    state: |parts, states| {
        let (who, bytes_max) = (parts.store.who(), parts.config.events.window_bytes);
        states.add(Mutex::new(EventService::new(who.keys.id(), who.epoch, &Kept::default(), bytes_max)));
        states.add(Saving::default());
    },
    prepare: |agent, node, life| Box::pin(service::prepare(agent, node, life)),
    started: |agent| Box::pin(service::keep_again(agent)),
    tasks: |agent, tasks| {
        tasks.spawn(service::stay_saved(agent.clone()));
        tasks.spawn(service::ask_about_durable(agent.clone()));
    },
    event: |agent, event, _, wall| match event {
        Event::Events(event) => {
            service::hear(agent, event, wall);
            Heard::Done
        }
        event => Heard::NotMine(event),
    },
    save: |agent| Box::pin(service::save_last(agent)),
    routes: http::routes,
    document: http::Document::openapi,
    tables: &[table::EVENTS],
    count: |_, agent, table| metrics::count(&agent.event_service(), table),
    about_self: |inside, agent, info| {
        info.events = metrics::info(inside, &agent.event_service(), agent.config.events.window_bytes);
    },
    ..Feature::NONE
};
