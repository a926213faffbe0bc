//! The tables of counters and of warnings.

use super::{conditions, metrics};
use crate::tables::{AgentTable, Read};
use rumormill_core::columns;
use rumormill_core::table::Table;
use rumormill_node::{COUNTERS as TABLE, counter_row};

/// Counters.
pub(super) const COUNTERS: AgentTable = AgentTable {
    table: &TABLE,
    read: Read::Inside(|inside, agent| {
        let table = metrics::table(inside, agent);
        let rows = table.values().map(|(name, labels, is_count, value, about)| {
            counter_row(
                name,
                labels.iter().map(|(label, value)| (*label, value.as_str())),
                is_count,
                value,
                about,
            )
        });
        rows.collect()
    }),
};

/// Warnings.
pub(super) const WARNINGS: AgentTable = AgentTable {
    table: &Table {
        name: "warnings",
        about: "Conditions of this agent that a person should know: those that hold, and those that ended lately.",
        key: &["about", "subject"],
        columns: columns! {
            /// The warning's subject: a word that never changes, as in the labels of /metrics.
            about: Text,
            /// The one of several warnings of that kind; empty where there is one.
            subject: Text,
            /// True while the warning holds.
            holds: Bool,
            /// The warning, as a sentence.
            text: Text,
            /// Seconds for which it has held, or since it began if it is over.
            since_s: Float,
            /// Seconds since it was met last.
            last_s: Float,
            /// The times that the fault was met.
            count: Int,
            /// Seconds since it was over; null while it holds.
            cleared_s: Float,
        },
    },
    read: Read::Inside(|inside, agent| {
        let rows = conditions::conditions(inside, agent).into_iter().map(|warning| {
            vec![
                warning.about.into(),
                warning.of.into(),
                warning.cleared_s.is_none().into(),
                warning.text.into(),
                warning.since_s.into(),
                warning.last_s.into(),
                warning.count.into(),
                warning.cleared_s.into(),
            ]
        });
        rows.collect()
    }),
};
