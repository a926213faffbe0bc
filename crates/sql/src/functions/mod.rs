//! PostgreSQL's functions and operators, where SQLite has none or another meaning.
//!
//! One list serves both sides: the planner reads the signatures, each connection registers the functions.
//!
//! | file | its functions |
//! | --- | --- |
//! | `number` | arithmetic that refuses to overflow, rounding |
//! | `numeric` | exact decimal numbers |
//! | `text` | text, LIKE and regular expressions |
//! | `time` | dates and times, `extract` |
//! | `to_char` | times as text |
//! | `array` | arrays |
//! | `json` | `->` and `->>` |
//! | `convert` | casts |
//! | `catalog` | what clients' catalog queries call |
//! | `aggregate` | aggregates that SQLite lacks |
//! | `ordered_set` | aggregates that keep all values |
//! | `host` | what a connection does for functions |
//! | `register` | how they become functions of a connection |

mod aggregate;
mod array;
mod catalog;
mod convert;
mod host;
mod json;
mod number;
mod numeric;
mod ordered_set;
mod register;
mod text;
mod time;
mod to_char;

pub use host::Host;
pub use register::register;

use crate::error::Error;
use crate::types::Type;
use rusqlite::types::{Value, ValueRef};

/// The statement as its functions see it.
pub struct Cx {
    /// The start of the statement, microseconds since 1970.
    pub now: i64,
    /// The cost of a call beside its arguments and its result, in bytes that could be read in that time.
    pub work: std::cell::Cell<usize>,
}

/// The values of a call.
pub type Args<'a> = [ValueRef<'a>];

/// A function.
pub struct Function {
    /// PostgreSQL's name. One that begins with a dot is an operator or a cast, and no name that a person can write.
    pub name: &'static str,
    /// The types of its arguments; the last repeats if `variadic`.
    pub args: &'static [Type],
    /// The type of its result.
    pub gives: Type,
    /// Null if any argument is.
    pub strict: bool,
    /// Any number of the last argument.
    pub variadic: bool,
    /// The function.
    pub call: fn(&Cx, &Args<'_>) -> Result<Value, Error>,
}

const fn function(
    name: &'static str,
    args: &'static [Type],
    gives: Type,
    call: fn(&Cx, &Args<'_>) -> Result<Value, Error>,
) -> Function {
    Function { name, args, gives, strict: true, variadic: false, call }
}

/// All functions.
pub fn all() -> impl Iterator<Item = &'static Function> {
    let lists = [
        number::FUNCTIONS,
        numeric::FUNCTIONS,
        text::FUNCTIONS,
        time::FUNCTIONS,
        to_char::FUNCTIONS,
        array::FUNCTIONS,
        json::FUNCTIONS,
        convert::FUNCTIONS,
        catalog::FUNCTIONS,
    ];
    lists.into_iter().flatten()
}

/// The name by which SQLite knows a function: PostgreSQL's, and its types, since SQLite does not tell functions apart by types.
pub fn sqlite_name(function: &Function) -> String {
    let mut name = String::from("pg_");
    name.extend(function.name.chars().map(|c| if c == '.' { '_' } else { c }));
    for ty in function.args {
        name.push('_');
        if matches!(ty, Type::Array(_)) {
            name.push('a');
        }
        name.push(letter(*ty));
    }
    name
}

fn letter(ty: Type) -> char {
    match ty {
        Type::Bool => 'b',
        Type::Int => 'i',
        Type::Float => 'f',
        Type::Text => 't',
        Type::Json => 'j',
        Type::Time => 'w',
        Type::Interval => 'd',
        Type::Numeric => 'n',
        Type::Oid => 'o',
        Type::Array(element) => letter(*element),
    }
}

fn int(args: &Args<'_>, i: usize) -> Result<i64, Error> {
    match args.get(i) {
        Some(ValueRef::Integer(value)) => Ok(*value),
        other => Err(wrong(i, "an integer", other)),
    }
}

fn float(args: &Args<'_>, i: usize) -> Result<f64, Error> {
    match args.get(i) {
        Some(ValueRef::Real(value)) => Ok(*value),
        Some(ValueRef::Integer(value)) => Ok(*value as f64),
        other => Err(wrong(i, "a number", other)),
    }
}

fn string<'a>(args: &Args<'a>, i: usize) -> Result<&'a str, Error> {
    match args.get(i) {
        Some(ValueRef::Text(bytes)) => std::str::from_utf8(bytes).map_err(|_| wrong(i, "UTF-8", None)),
        other => Err(wrong(i, "text", other)),
    }
}

fn wrong(i: usize, wanted: &str, found: Option<&ValueRef<'_>>) -> Error {
    let message = format!("argument {} is not {wanted}: {:?}", i + 1, found.map(ValueRef::data_type));
    Error::new(crate::error::SqlState::INTERNAL, message)
}

fn truth(value: bool) -> Value {
    Value::Integer(i64::from(value))
}

/// The SQLite name of a function that is in the list.
pub fn sqlite_name_of(name: &str, args: &[Type]) -> String {
    let found = all().find(|function| function.name == name && function.args == args);
    debug_assert!(found.is_some(), "no function {name}{args:?}");
    found.map(sqlite_name).unwrap_or_default()
}

/// The numbers of functions in the catalog.
const FUNCTION_OIDS: i64 = 9_000;
/// The first number behind them.
pub const FUNCTION_OIDS_END: i64 = 11_000;

/// The functions that a person can call, with their numbers.
pub fn named_functions() -> impl Iterator<Item = (i64, &'static Function)> {
    let named = all().filter(|function| !function.name.starts_with('.'));
    (FUNCTION_OIDS..FUNCTION_OIDS_END).zip(named)
}

/// The function with that number.
pub fn function_of(oid: i64) -> Option<&'static Function> {
    named_functions().find(|(known, _)| *known == oid).map(|(_, function)| function)
}
