//! Figures as rows. An agent adds those that it alone knows.

use rumormill_core::columns;
use rumormill_core::table::{Cell, Table};

/// Counters.
pub static COUNTERS: Table = Table {
    name: "counters",
    about: "What this node counts and measures, as in /metrics.",
    key: &["name", "labels"],
    columns: columns! {
        /// Its name; in /metrics `rumormill_` stands before it, and `_total` behind a counter's.
        name: Text,
        /// Names and values that tell it from others of its name, as a JSON object.
        labels: Json,
        /// `counter`, which only goes up, or `gauge`.
        kind: Text,
        /// Its value now.
        value: Float,
        /// Its meaning.
        about: Text,
    },
};

/// A figure as a row.
pub fn counter_row<'a>(
    name: &str,
    labels: impl Iterator<Item = (&'static str, &'a str)>,
    is_count: bool,
    value: f64,
    about: &'static str,
) -> Vec<Cell> {
    let kind = if is_count { "counter" } else { "gauge" };
    vec![name.into(), Cell::object(labels), kind.into(), value.into(), about.into()]
}
