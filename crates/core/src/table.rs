//! Tables: their definitions, and the cells of their rows. SQL, and whatever else prints tables, reads these.

use crate::identity::NodeId;
use crate::time::Wall;
use alloc::string::{String, ToString};
use core::fmt::Write;

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
    fn columns_of_two_lists_stand_in_their_order_and_are_found_by_name() {
        const FIRST: &[Column] = columns! {
            /// Whose.
            id: Text,
        };
        const BOTH: [Column; 2] = join(FIRST, FIRST);
        let table = Table { name: "t", about: "", key: &["id"], columns: &BOTH };
        assert_eq!((table.position("id"), table.position("ids")), (Some(0), None));
        assert_eq!(BOTH[1].about, "Whose.");
    }
}
