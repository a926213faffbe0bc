//! Counters of events, for `/metrics` and `/v1/self`.

use crate::describe::inside::Inside;
use crate::features::events::state::EventService;
use crate::metrics::Table;
use crate::model;
use rumormill_protocols::spread::events::Events;

/// How events stand; `window_bytes_max` is the agent's setting.
pub fn info(inside: &Inside<'_>, service: &EventService, window_bytes_max: usize) -> model::EventsInfo {
    let events = &inside.node.events;
    model::EventsInfo {
        joined: events.is_joined(),
        window_events: events.window_events(),
        window_bytes: events.window_bytes(),
        window_bytes_max,
        spreading: events.hot_len(),
        readable: service.log.len(),
        durable_waiting: service.pending.durable().0,
    }
}

/// Adds what the agent counts of them, beside the node.
pub fn count(service: &EventService, table: &mut Table) {
    table.add(Events::shed(service.log.shed()).with(&[("cause", "feed")]));
    let mut gauge = |name, help, value: usize| table.gauge(name, help, &[], value as f64);
    gauge("events_feed", "Events retained for consumers", service.log.len());
    gauge("events_feed_bytes", "Bytes of events retained for consumers", service.log.bytes());
    let help = "Durable events that others are not known to hold";
    gauge("events_durable_waiting", help, service.pending.durable().0);
}
