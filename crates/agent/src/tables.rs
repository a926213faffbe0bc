//! Tables of what the agent knows. Those of its node come from the node itself ([`Observe`](rumormill_core::observe::Observe)).

use crate::agent::Agent;
use crate::describe::inside::Inside;
use rumormill_core::observe::{Key, Moment};
use rumormill_core::table::{Cell, Table, Wanted};
pub use rumormill_sql::paged::Each;
use std::sync::Arc;

/// A table of a feature.
#[derive(Copy, Clone)]
pub struct AgentTable {
    /// Its definition.
    pub table: &'static Table,
    /// Reads its rows.
    pub read: Read,
}

/// The way to read the rows of a table.
#[derive(Copy, Clone)]
pub enum Read {
    /// All at once inside the node's task: a few rows.
    Inside(fn(&Inside<'_>, &Arc<Agent>) -> Vec<Vec<Cell>>),
    /// By keys, in pages inside the node's task.
    Keyed {
        /// The keys of all rows, in no order.
        keys: fn(&Inside<'_>) -> Vec<Key>,
        /// A row; none if it is gone. A cell that is not wanted may be null.
        row: fn(&Inside<'_>, Key, Wanted) -> Option<Vec<Cell>>,
    },
    /// Outside of it, on a thread that may block, in pages if there are many.
    Outside(fn(&Agent, &Moment, &mut Each<'_>)),
}
