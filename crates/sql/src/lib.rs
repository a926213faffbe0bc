//! SQL over tables that a program shows.
//!
//! A program implements [`Source`]: which tables it has ([`rumormill_core::table`]), and their rows now. [`Engine`] answers questions about them in a
//! subset of PostgreSQL's SQL, on threads of its own, within [`Limits`].
//!
//! | module | its job |
//! | --- | --- |
//! | `source` | the trait that the tables come from |
//! | `error` | errors, each with PostgreSQL's code |
//! | `types` | what a column of an answer holds, and its text |
//! | `engine` | threads, limits, and SQLite in its sandbox |

mod engine;
mod error;
mod source;
mod types;

pub use engine::{Cancel, Engine, Limits, OutColumn, Rows};
pub use error::{Error, SqlState};
pub use rumormill_core::table::{Cell, Column, Kind, Table};
pub use source::{Source, Wanted};
pub use types::{Type, text};
