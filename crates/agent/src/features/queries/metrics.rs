//! Counters of queries, for `/metrics` and `/v1/self`.

use crate::describe::inside::Inside;
use crate::features::queries::state::QueryService;
use crate::metrics::Table;
use crate::model;
use rumormill_protocols::spread::queries::Queries;

/// How queries stand.
pub fn info(inside: &Inside<'_>) -> model::QueriesInfo {
    let queries = &inside.node.queries;
    model::QueriesInfo { open: queries.open_len(), known: queries.asked_len() }
}

/// Adds what the agent counts of them, beside the node.
pub fn count(service: &QueryService, table: &mut Table) {
    let help = "Answers that came and said that something failed";
    table.count("queries_failed", help, &[], service.open.failed());
    table.add(Queries::shed(service.open.lost()).with(&[("cause", "unread")]));
}
