//! Tables: their definitions, and the cells of their rows. SQL, and whatever else prints tables, reads these.

use crate::identity::NodeId;
use crate::time::Wall;
use alloc::string::{String, ToString};
use core::fmt::Write;

/// For [`row!`](crate::row).
#[doc(hidden)]
pub use alloc::vec::Vec;

/// The kind of a column's cells. A cell is of that kind, or null.
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
    /// The kind of its cells.
    pub kind: Kind,
    /// Its meaning, with its unit.
    pub about: &'static str,
}

/// A table.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name: a lower-case word of SQL that needs no quotes.
    pub name: &'static str,
    /// The thing that one row stands for.
    pub about: &'static str,
    /// The columns that tell one row from all others; none if two rows may be equal.
    pub key: &'static [&'static str],
    /// Its columns, in the order of the cells of a row.
    pub columns: &'static [Column],
}

impl Table {
    /// The place of a column among the cells of a row.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }
}

/// The columns of a table that a reader needs, by their position.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Wanted(u64);

impl Wanted {
    /// No column.
    pub const NONE: Wanted = Wanted(0);
    /// All columns.
    pub const ALL: Wanted = Wanted(u64::MAX);

    /// True if the reader needs the column at `position`. Columns from the 64th on share one bit.
    pub const fn has(self, position: usize) -> bool {
        self.0 & bit(position) != 0
    }

    /// These columns and the one at `position`.
    #[must_use]
    pub const fn with(self, position: usize) -> Wanted {
        Wanted(self.0 | bit(position))
    }

    /// Adds the column at `position`.
    pub const fn add(&mut self, position: usize) {
        *self = self.with(position);
    }

    /// The columns behind the first `count` ones, counted anew from 0: those of the second list of a [`join`].
    #[must_use]
    pub const fn behind(self, count: usize) -> Wanted {
        // The last bit stands for all later columns, which must stay wanted.
        let shared = if self.has(63) { u64::MAX << 63u64.saturating_sub(count as u64) } else { 0 };
        let count = if count < 63 { count } else { 63 };
        Wanted(self.0 >> count | shared)
    }
}

const fn bit(position: usize) -> u64 {
    1 << if position < 63 { position } else { 63 }
}

/// The columns of one list behind those of another one. `N` is their number.
pub const fn join<const N: usize>(first: &[Column], second: &[Column]) -> [Column; N] {
    assert!(first.len() + second.len() == N, "N is the number of the columns of both lists");
    let mut all = [Column { name: "", kind: Kind::Text, about: "" }; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    all
}

/// The place of a column in a list. Where it is computed by the compiler, a name that is not there is an error of compilation.
pub const fn place(columns: &[Column], name: &str) -> usize {
    let mut at = 0;
    while at < columns.len() {
        if is_same(columns[at].name.as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("the table has no such column")
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// Makes a list of columns. The comment above a name says what the column says.
///
/// ```
/// use rumormill_core::table::{Column, Kind};
/// const COLUMNS: &[Column] = rumormill_core::columns! {
///     /// Its id.
///     id: Text,
///     /// Seconds since
///     /// it was heard.
///     heard_s: Float,
/// };
/// assert_eq!(COLUMNS[1], Column { name: "heard_s", kind: Kind::Float, about: "Seconds since it was heard." });
/// ```
#[macro_export]
macro_rules! columns {
    ($($(#[doc = $about:literal])+ $name:ident: $Kind:ident),+ $(,)?) => {
        &[$($crate::table::Column {
            name: stringify!($name),
            kind: $crate::table::Kind::$Kind,
            about: concat!($($about),+).trim_ascii(),
        }),+]
    };
}

/// Makes a row of its cells, in the order of the columns. A cell that is not wanted is null, and its expression does not run.
///
/// ```
/// use rumormill_core::table::{Cell, Wanted};
/// let row = rumormill_core::row![Wanted::NONE.with(1); unreachable!() as u64, "read"];
/// assert_eq!(row, [Cell::Null, Cell::from("read")]);
/// ```
#[macro_export]
macro_rules! row {
    ($wanted:expr; $($cell:expr),+ $(,)?) => {{
        let mut row = $crate::table::Vec::with_capacity([$(stringify!($cell)),+].len());
        $crate::push_row!(row, $wanted; $($cell),+);
        row
    }};
}

/// The same for a row that has its first cells already; `$wanted` counts from those on.
#[macro_export]
macro_rules! push_row {
    ($row:expr, $wanted:expr; $($cell:expr),+ $(,)?) => {{
        let wanted: $crate::table::Wanted = $wanted;
        let mut positions = 0usize..;
        let mut is_next_wanted = || positions.next().is_some_and(|position| wanted.has(position));
        $($row.push(match is_next_wanted() {
            true => $crate::table::Cell::from($cell),
            false => $crate::table::Cell::Null,
        });)+
    }};
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

impl Cell {
    /// A JSON list of texts.
    pub fn list<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Cell {
        let mut json = String::from("[");
        for (nth, item) in items.into_iter().enumerate() {
            json.push_str(if nth > 0 { "," } else { "" });
            quote(item.as_ref(), &mut json);
        }
        json.push(']');
        Cell::Text(json)
    }

    /// A JSON object with these texts by name.
    pub fn object<K: AsRef<str>, V: AsRef<str>>(fields: impl IntoIterator<Item = (K, V)>) -> Cell {
        let mut json = String::from("{");
        for (nth, (name, value)) in fields.into_iter().enumerate() {
            json.push_str(if nth > 0 { "," } else { "" });
            quote(name.as_ref(), &mut json);
            json.push(':');
            quote(value.as_ref(), &mut json);
        }
        json.push('}');
        Cell::Text(json)
    }
}

/// Appends a text as JSON has it.
fn quote(text: &str, json: &mut String) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\0'..='\u{1f}' => drop(write!(json, "\\u{:04x}", u32::from(c))), // writing to a string cannot fail
            _ => json.push(c),
        }
    }
    json.push('"');
}

impl From<bool> for Cell {
    fn from(value: bool) -> Cell {
        Cell::Bool(value)
    }
}

/// A number that does not fit becomes the greatest that does.
impl From<u64> for Cell {
    fn from(value: u64) -> Cell {
        Cell::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Cell {
        Cell::Int(value.into())
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Cell {
        Cell::from(value as u64)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Cell {
        Cell::Float(value)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl From<NodeId> for Cell {
    fn from(id: NodeId) -> Cell {
        Cell::Text(id.to_string())
    }
}

impl From<Wall> for Cell {
    fn from(at: Wall) -> Cell {
        Cell::Time(i64::try_from(at.0.saturating_mul(1_000)).unwrap_or(i64::MAX))
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_objects_are_json_whatever_their_texts_hold() {
        let odd = "a\"b\\c\nd\u{1}é";
        assert_eq!(Cell::list([odd, ""]), Cell::from("[\"a\\\"b\\\\c\\u000ad\\u0001é\",\"\"]"));
        assert_eq!(Cell::list::<&str>([]), Cell::from("[]"));
        assert_eq!(Cell::object([("k", odd), ("l", "2")]), {
            Cell::from("{\"k\":\"a\\\"b\\\\c\\u000ad\\u0001é\",\"l\":\"2\"}")
        });
    }

    #[test]
    fn wanted_columns_of_a_joined_list_are_counted_from_its_second_part() {
        let wanted = Wanted::NONE.with(1).with(5).with(80);
        assert_eq!([0, 1, 5, 6, 63, 90].map(|at| wanted.has(at)), [false, true, true, false, true, true]);
        let behind = wanted.behind(4);
        assert_eq!([0, 1, 2, 58].map(|at| behind.has(at)), [false, true, false, false]);
        assert_eq!([59, 63, 70].map(|at| behind.has(at)), [true; 3], "each of these may be the 80th");
        assert_eq!(Wanted::ALL.behind(29), Wanted::ALL);
    }

    #[test]
    fn columns_of_two_lists_stand_in_their_order_and_are_found_by_name() {
        const FIRST: &[Column] = columns! {
            /// Whose.
            id: Text,
        };
        const BOTH: [Column; 2] = join(FIRST, FIRST);
        let table = Table { name: "t", about: "", key: &["id"], columns: &BOTH };
        assert_eq!((table.position("id"), table.position("ids")), (Some(0), None));
        const ID: usize = place(&BOTH, "id");
        assert_eq!(ID, 0);
        assert_eq!(BOTH[1].about, "Whose.");
    }
}
