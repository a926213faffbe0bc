//! The connection's services for functions.

use crate::error::Error;

/// The connection as functions see it: the statement's start, and a place for an error with its code.
pub trait Host: Send + Sync + 'static {
    /// The start of the statement, microseconds since 1970.
    fn now(&self) -> i64;
    /// Counts `bytes` that the statement holds from now on; an error if they are too many.
    fn charge(&self, bytes: usize) -> Result<(), Error>;
    /// Counts the bytes that a call has read and made. An error ends a statement whose time is over: SQLite looks at the clock only between many calls.
    fn worked(&self, bytes: usize) -> Result<(), Error>;
    /// Keeps the error, which SQLite would reduce to its text.
    fn fail(&self, error: Error) -> rusqlite::Error;
}
