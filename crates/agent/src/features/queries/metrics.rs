//! Counters of queries, for `/metrics` and `/v1/self`.

use crate::describe::inside::Inside;
use crate::features::queries::state::QueryService;
use crate::metrics::Table;
use crate::model;
use rumormill_protocols::spread::queries::Counters;

/// How queries stand.
pub fn info(inside: &Inside<'_>) -> model::QueriesInfo {
    let queries = &inside.node.queries;
    model::QueriesInfo { open: queries.open_len(), known: queries.asked_len() }
}

/// Adds what is counted of queries.
pub fn count(inside: &Inside<'_>, service: &QueryService, table: &mut Table) {
    let queries = &inside.node.queries;
    let counters = queries.counters();
    let here = [
        ("queries_failed", "Answers that came and said that something failed", service.open.failed()),
        (
            "queries_unreadable",
            "Questions whose filter could not be read here, or not be afforded",
            inside.node.unreadable_filters(),
        ),
    ];
    for (name, help, value) in plain(&counters).into_iter().chain(here) {
        table.count(name, help, &[], value);
    }
    let help = "Questions, answers and messages about them that were dropped, by cause";
    let filters = ("filters", inside.node.shed_filters());
    for (cause, value) in shed(&counters, service).into_iter().chain([filters]) {
        table.count("queries_shed", help, &[("cause", cause)], value);
    }
    table.gauge("queries_open", "Queries of this agent that are open", &[], queries.open_len() as f64);
    let help = "Queries that reached this agent and are not over";
    table.gauge("queries_known", help, &[], queries.asked_len() as f64);
}

fn plain(c: &Counters) -> [(&'static str, &'static str, u64); 13] {
    [
        ("queries_asked", "Queries asked here", c.asked),
        ("queries_refused", "Queries refused here", c.refused),
        ("queries_heard", "Questions heard of", c.heard),
        ("queries_told", "Questions that were still open when they were heard of", c.told),
        ("queries_late", "Questions and answers that were over when they came", c.late),
        ("queries_answers", "Answers given here", c.answers),
        ("queries_replies_sent", "Acks, offers and answers sent, repeated ones included", c.replies_sent),
        ("queries_relays_asked", "Of these, given to another to pass on", c.relays_asked),
        ("queries_relayed", "Messages passed on for others", c.relayed),
        ("queries_unconfirmed", "Acks, offers and answers given up without a confirmation", c.unconfirmed),
        ("queries_replies", "Acks, offers and answers that came", c.replies),
        ("queries_replies_useless", "Of these, known before or too late", c.useless),
        ("queries_rejected", "Questions and messages against the rules", c.rejected),
    ]
}

fn shed(c: &Counters, service: &QueryService) -> [(&'static str, u64); 6] {
    [
        ("asked", c.shed_asked),
        ("answers", c.shed_answers),
        ("relays", c.shed_relays),
        ("answerers", c.shed_answerers),
        ("budget", c.shed),
        ("unread", service.open.lost()),
    ]
}
