//! An expression of SQLite with its type.

use crate::types::Type;
use crate::{decimal, span};

/// The type of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Ty {
    /// It has this one.
    Known(Type),
    /// Its place decides.
    Open(Open),
}

/// Expressions that have no type of their own.
#[derive(Clone, Debug, PartialEq)]
pub enum Open {
    /// NULL.
    Null,
    /// A literal in quotes.
    Text(String),
    /// A parameter, by its position from 0.
    Param(usize),
}

/// An expression of SQLite with its type.
#[derive(Clone, Debug)]
pub struct Typed {
    /// Its text; it can stand anywhere without parentheses.
    pub sql: String,
    /// Its type.
    pub ty: Ty,
}

impl Typed {
    /// An expression of a type that is known.
    pub fn known(sql: impl Into<String>, ty: Type) -> Self {
        Self { sql: sql.into(), ty: Ty::Known(ty) }
    }

    /// An expression whose type its place decides.
    pub fn open(sql: impl Into<String>, open: Open) -> Self {
        Self { sql: sql.into(), ty: Ty::Open(open) }
    }

    /// Its type, if it has one.
    pub fn known_type(&self) -> Option<Type> {
        match self.ty {
            Ty::Known(ty) => Some(ty),
            Ty::Open(_) => None,
        }
    }

    /// Its type's name for a message.
    pub fn type_name(&self) -> &'static str {
        self.known_type().map_or("unknown", Type::name)
    }
}

impl Ty {
    /// The type; text where the place decided nothing.
    pub fn or_text(&self) -> Type {
        match self {
            Self::Known(ty) => *ty,
            Self::Open(_) => Type::Text,
        }
    }
}

/// The expression where SQLite compares its values: decimals and intervals are text there, and have a collation that compares them by value. A
/// collation inside of another expression would have effect on it, so it is undone for text.
pub fn ordered(sql: &str, ty: Type) -> String {
    match ty {
        Type::Numeric => format!("({sql} COLLATE {})", decimal::COLLATION),
        Type::Interval => format!("({sql} COLLATE {})", span::COLLATION),
        Type::Text if sql.contains("COLLATE") => format!("({sql} COLLATE BINARY)"),
        _ => sql.to_owned(),
    }
}

/// The first of `items`, for a comparison with the others. A collation inside of another one would have effect on the comparison too, unless the first
/// names its own.
pub fn compared(items: &[String], ty: Type) -> String {
    let first = items.first().map_or("NULL", String::as_str);
    match ty {
        Type::Text if items.iter().any(|item| item.contains("COLLATE")) => {
            format!("({first} COLLATE BINARY)")
        }
        ty => ordered(first, ty),
    }
}

/// `text` as a literal of SQLite.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
