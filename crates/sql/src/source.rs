//! The source of tables.

pub use rumormill_core::table::Wanted;
use rumormill_core::table::{Cell, Table};
use std::ops::ControlFlow;

/// The tables of a program, and their rows.
pub trait Source: Send + Sync + 'static {
    /// The definitions of all tables. The engine asks once, when it starts.
    fn tables(&self) -> Vec<&'static Table>;

    /// Calls `each` with every row of `table` as it is now, until `each` answers `Break`.
    ///
    /// The engine calls this once per statement and table, on an SQL thread: it may block. Cells stand in the order of the table's columns; a cell of a
    /// column that is not in `wanted` is not read and may be [`Cell::Null`].
    ///
    /// # Errors
    /// With a sentence for the person who asked, if the rows cannot be had.
    fn rows(
        &self,
        table: &'static Table,
        wanted: Wanted,
        each: &mut dyn FnMut(Vec<Cell>) -> ControlFlow<()>,
    ) -> Result<(), String>;
}
