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
    /// PostgreSQL's type is `numeric`. It is a float here, but rounds half away from zero and not half to even.
    pub numeric: bool,
}

impl Typed {
    /// An expression of a type that is known.
    pub fn known(sql: impl Into<String>, ty: Type) -> Self {
        Self { sql: sql.into(), ty: Ty::Known(ty), numeric: false }
    }

    /// A float that PostgreSQL has as `numeric`.
    pub fn numeric(sql: impl Into<String>) -> Self {
        Self { numeric: true, ..Self::known(sql, Type::Float) }
    }

    /// An expression whose type its place decides.
    pub fn open(sql: impl Into<String>, open: Open) -> Self {
        Self { sql: sql.into(), ty: Ty::Open(open), numeric: false }
    }

    /// True if PostgreSQL makes `numeric` of these together: at least one is, and none is a float.
    pub fn numeric_together(items: &[Self]) -> bool {
        items.iter().any(|item| item.numeric)
            && items.iter().all(|item| item.numeric || item.known_type() != Some(Type::Float))
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
