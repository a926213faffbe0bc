//! What is shown as rows: the definition of a table, and the cells of its rows. SQL, and whatever else prints tables, reads these.

use alloc::string::String;

/// What a column holds. A cell of it is that or null.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Text.
    Text,
    /// Text that is JSON.
    Json,
    /// A time of day and date: microseconds since 1970, UTC.
    Time,
}

/// A column of a table.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name: a lower-case word of SQL that needs no quotes.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it says, with its unit.
    pub about: &'static str,
}

/// A table.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name: a lower-case word of SQL that needs no quotes.
    pub name: &'static str,
    /// What one row is.
    pub about: &'static str,
    /// The columns that tell one row from all others; none if two rows may be equal.
    pub key: &'static [&'static str],
    /// Its columns, in the order of the cells of a row.
    pub columns: &'static [Column],
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Not known, or not there.
    Null,
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Int`].
    Int(i64),
    /// Of [`Kind::Float`].
    Float(f64),
    /// Of [`Kind::Text`] and [`Kind::Json`].
    Text(String),
    /// Of [`Kind::Time`]: microseconds since 1970, UTC.
    Time(i64),
}
