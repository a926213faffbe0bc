//! Errors, each with PostgreSQL's code.

use std::fmt;

/// One of PostgreSQL's five-character error codes (its appendix A).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct SqlState(pub &'static str);

impl SqlState {
    /// The statement uses something outside of the supported subset.
    pub const NOT_SUPPORTED: Self = Self("0A000");
    /// Text is longer than the engine carries.
    pub const TOO_LONG: Self = Self("54000");
    /// A number, a time or an interval left its range.
    pub const OUT_OF_RANGE: Self = Self("22003");
    /// A time cannot be read, or left its range.
    pub const TIME_OUT_OF_RANGE: Self = Self("22008");
    /// Division by zero.
    pub const DIVISION_BY_ZERO: Self = Self("22012");
    /// An argument of a function has a value that it does not take.
    pub const INVALID_PARAMETER: Self = Self("22023");
    /// Text cannot be read as a value of the type that is wanted.
    pub const INVALID_TEXT: Self = Self("22P02");
    /// A regular expression cannot be read.
    pub const INVALID_REGEX: Self = Self("2201B");
    /// A scalar subquery gave more than one row.
    pub const CARDINALITY: Self = Self("21000");
    /// The statement would change something; every table is read-only.
    pub const READ_ONLY: Self = Self("25006");
    /// The text is not SQL.
    pub const SYNTAX: Self = Self("42601");
    /// A name stands for nothing.
    pub const UNDEFINED_COLUMN: Self = Self("42703");
    /// No table of that name.
    pub const UNDEFINED_TABLE: Self = Self("42P01");
    /// No function of that name takes arguments of these types.
    pub const UNDEFINED_FUNCTION: Self = Self("42883");
    /// No such object, for example a type or a setting.
    pub const UNDEFINED_OBJECT: Self = Self("42704");
    /// A parameter that has no value.
    pub const UNDEFINED_PARAMETER: Self = Self("42P02");
    /// A name stands for two things.
    pub const AMBIGUOUS_COLUMN: Self = Self("42702");
    /// Two tables of a FROM clause have the same name.
    pub const DUPLICATE_ALIAS: Self = Self("42712");
    /// A column is neither grouped nor inside an aggregate.
    pub const GROUPING: Self = Self("42803");
    /// A window function stands where none may.
    pub const WINDOWING: Self = Self("42P20");
    /// An expression has another type than its place wants.
    pub const DATATYPE_MISMATCH: Self = Self("42804");
    /// A column of a list has no place there.
    pub const INVALID_REFERENCE: Self = Self("42P10");
    /// The type of a value cannot be converted.
    pub const CANNOT_COERCE: Self = Self("42846");
    /// The statement is nested too deep, or too large.
    pub const TOO_COMPLEX: Self = Self("54001");
    /// Too many statements run or wait.
    pub const TOO_MANY: Self = Self("53300");
    /// The statement needs more memory than it may have.
    pub const OUT_OF_MEMORY: Self = Self("53200");
    /// The answer has more rows than it may have.
    pub const LIMIT_EXCEEDED: Self = Self("54000");
    /// The statement ran out of time, or was cancelled.
    pub const CANCELED: Self = Self("57014");
    /// The engine ends.
    pub const SHUTDOWN: Self = Self("57P01");
    /// The program that shows the tables could not give their rows.
    pub const SOURCE: Self = Self("58000");
    /// A fault of this program.
    pub const INTERNAL: Self = Self("XX000");
}

/// Why a statement has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Its kind.
    pub code: SqlState,
    /// The failure and its reason.
    pub message: String,
    /// The place in the statement: the number of the character, from 1.
    pub position: Option<usize>,
    /// The advice, if there is one.
    pub hint: Option<String>,
}

impl Error {
    /// An error without position and hint.
    pub fn new(code: SqlState, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), position: None, hint: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with its place in the statement.
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        self.position.get_or_insert(position);
        self
    }

    /// The statement uses something outside of the supported subset.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(SqlState::NOT_SUPPORTED, format!("{what} is not supported"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, ". {hint}")?;
        }
        write!(f, " (SQLSTATE {})", self.code.0)
    }
}

impl std::error::Error for Error {}
