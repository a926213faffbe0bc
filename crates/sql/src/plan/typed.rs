//! An expression of SQLite with its type.

use crate::types::Type;

/// The type of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Ty {
    /// It has this one.
    Known(Type),
    /// Its place decides.
    Open(Open),
}

/// What has no type of its own.
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

/// `text` as a literal of SQLite.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
