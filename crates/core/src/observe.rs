//! Observation of a protocol: its figures, and its state as tables.
//!
//! `/metrics`, the counters of `/v1/self`, the laboratory and SQL read a protocol by this trait. What only an agent knows, it adds to it.

use crate::table::{Cell, Table, Wanted};
use crate::time::{Time, Wall};
use alloc::string::String;
use alloc::vec::Vec;

/// The place of a row in its table.
pub type Key = [u64; 3];

/// The moment of a look, and how the driver reads what is opaque to protocols.
#[derive(Copy, Clone, Debug)]
pub struct Moment {
    /// This node's monotonic clock.
    pub now: Time,
    /// Its wall clock.
    pub wall: Wall,
    /// The addresses in a contact, as text.
    pub addresses: fn(&[u8]) -> Vec<String>,
}

/// The value of a figure.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Value {
    /// A count: it only goes up.
    Count(u64),
    /// A measure: it goes up and down.
    Gauge(f64),
}

/// A number with its name, as it stands now.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Figure<'a> {
    /// Its name: a word in lower case.
    pub name: &'a str,
    /// Its meaning. Figures of one name have one meaning, and differ in their labels.
    pub help: &'static str,
    /// Names and values that tell it from others of its name.
    pub labels: &'a [(&'static str, &'a str)],
    /// Its value.
    pub value: Value,
}

impl<'a> Figure<'a> {
    /// A count.
    pub fn count(name: &'a str, help: &'static str, value: u64) -> Figure<'a> {
        Figure { name, help, labels: &[], value: Value::Count(value) }
    }

    /// A measure.
    pub fn gauge(name: &'a str, help: &'static str, value: f64) -> Figure<'a> {
        Figure { name, help, labels: &[], value: Value::Gauge(value) }
    }

    /// The same with labels.
    pub fn with(self, labels: &'a [(&'static str, &'a str)]) -> Figure<'a> {
        Figure { labels, ..self }
    }
}

/// A protocol, or a node of several, that shows its figures and tables.
///
/// Rows are read by their keys, so that a large table is read in pages and the node works between two of them: a row that was there when the keys
/// were listed, and is still there when its page is read, is seen once, as it is at that moment.
pub trait Observe {
    /// Its figures.
    fn figures(&self, at: &Moment, each: &mut dyn FnMut(Figure<'_>));
    /// Its tables.
    fn tables(&self) -> &'static [&'static Table] {
        &[]
    }
    /// The keys of all rows of a table, in no order. None for a table of another protocol.
    fn keys(&self, _table: &Table) -> Vec<Key> {
        Vec::new()
    }
    /// A row; none if it is gone. A cell that is not wanted may be null.
    fn row(&self, _table: &Table, _key: Key, _wanted: Wanted, _at: &Moment) -> Option<Vec<Cell>> {
        None
    }
}
