//! SQL over tables that a program shows.
//!
//! A program implements [`Source`]: which tables it has ([`rumormill_core::table`]), and their rows now. [`Engine`] answers questions about them in a
//! subset of PostgreSQL's SQL, on threads of its own, within [`Limits`].
//!
//! | module | its job |
//! | --- | --- |
//! | `source` | the trait that the tables come from |
//! | `paged` | tables that a busy task owns |
//! | `error` | errors, each with PostgreSQL's code |
//! | `types` | what a column of an answer holds, and its text |
//! | `literal` | values from their text |
//! | `decimal` | exact numbers: `numeric` |
//! | `array` | arrays |
//! | `span` | spans of time: `interval` |
//! | `schema` | which tables there are, and under which names |
//! | `catalog` | PostgreSQL's catalog, made from the definitions of the tables |
//! | `plan` | from PostgreSQL's dialect to SQLite's |
//! | `functions` | PostgreSQL's functions and operators |
//! | `pg` | PostgreSQL's protocol (feature `pg`) |
//! | `engine` | threads, limits, and SQLite in its sandbox |

mod array;
mod catalog;
mod decimal;
mod engine;
mod error;
mod functions;
mod literal;
pub mod paged;
#[cfg(feature = "pg")]
pub mod pg;
mod plan;
mod schema;
mod source;
mod span;
mod types;

/// The dialect and its differences from PostgreSQL, in Markdown.
pub const DIALECT: &str = include_str!("dialect.md");

pub use engine::{Cancel, Described, Engine, Limits, Request, Rows, count_memory_by_thread};
pub use error::{Error, SqlState};
pub use rumormill_core::table::{Cell, Column, Kind, Table};
pub use source::{Source, Wanted};
pub use types::{OutColumn, Type, text};
