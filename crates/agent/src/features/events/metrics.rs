//! Counters of events, for `/metrics` and `/v1/self`.

use crate::describe::inside::Inside;
use crate::features::events::state::EventService;
use crate::metrics::Table;
use crate::model;
use rumormill_protocols::spread::events::Counters;

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

/// Adds what is counted of events.
pub fn count(inside: &Inside<'_>, service: &EventService, table: &mut Table) {
    let events = &inside.node.events;
    let counters = events.counters();
    for (name, help, value) in plain(&counters) {
        table.count(name, help, &[], value);
    }
    let help = "Events and messages about them that were dropped, by cause";
    let before_join = [("before_join", inside.node.shed_before_join())];
    for (cause, value) in shed(&counters, service).into_iter().chain(before_join) {
        table.count("events_shed", help, &[("cause", cause)], value);
    }
    let mut gauge = |name, help, value: usize| table.gauge(name, help, &[], value as f64);
    gauge("events_window", "Events retained for others", events.window_events());
    gauge("events_window_bytes", "Bytes of events retained for others", events.window_bytes());
    gauge("events_spreading", "Events that are still passed on", events.hot_len());
    gauge("events_feed", "Events retained for consumers", service.log.len());
    gauge("events_feed_bytes", "Bytes of events retained for consumers", service.log.bytes());
    let help = "Durable events that others are not known to hold";
    gauge("events_durable_waiting", help, service.pending.durable().0);
}

fn plain(c: &Counters) -> [(&'static str, &'static str, u64); 16] {
    [
        ("events_published", "Events published here", c.published),
        ("events_refused", "Events refused here", c.refused),
        ("events_delivered", "Events told to this agent's consumers", c.delivered),
        ("events_lost", "Events told to be lost", c.gap_events),
        ("events_untold", "Events that came when their place had been passed", c.untold),
        ("events_pushed_first", "Events that came first by a push", c.news_pushed),
        ("events_repaired", "Events that came first by repair, or were asked for", c.news_repaired),
        ("events_pushes_sent", "Pushes of events", c.pushes_sent),
        ("events_pushes_useless", "Pushes that came and were known", c.useless),
        ("events_comparisons", "Comparisons with a peer begun", c.roots_sent),
        ("events_digests_sent", "Lists of what is held sent", c.digests_sent),
        ("events_wants_sent", "Questions for events sent", c.wants_sent),
        ("events_given", "Events given in answer to such", c.events_given),
        ("events_covers_sent", "Questions how far an event came sent", c.covers_sent),
        ("events_unanswered", "Questions not answered, because there were too many", c.unanswered),
        ("events_rejected", "Events and messages against the rules", c.rejected),
    ]
}

fn shed(c: &Counters, service: &EventService) -> [(&'static str, u64); 8] {
    [
        ("window", c.shed_window),
        ("spreading", c.shed_hot),
        ("old_life", c.shed_lives),
        ("waiting", c.shed_holdback),
        ("sources", c.refused_sources),
        ("budget_pushes", c.shed_pushes),
        ("budget_talk", c.shed_talk),
        ("feed", service.log.shed()),
    ]
}
