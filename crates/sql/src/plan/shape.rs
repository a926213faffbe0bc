//! Types that the planner's files hand to each other: queries in the making, calls, and rules that several clauses share.

use super::folded;
use super::typed::{Ty, Typed, ordered};
use crate::error::{Error, SqlState};
use crate::types::Type;
use sqlparser::ast::{
    Expr, OrderByExpr, OrderByOptions, OrderBySort, Query, TableAlias, UnaryOperator, Value, WindowType,
};

/// A query of SQLite whose columns are `c1`, `c2` and so on, with their names and types.
pub struct Body {
    pub sql: String,
    pub columns: Vec<(String, Ty)>,
}

/// A SELECT of SQLite whose outputs can still change their types.
pub struct Core {
    pub distinct: bool,
    pub items: Vec<(String, Typed)>,
    /// From FROM on.
    pub tail: String,
}

impl Core {
    /// Its text.
    pub fn into_body(self) -> Body {
        let outputs: Vec<_> = self
            .items
            .iter()
            .enumerate()
            .map(|(i, (_, item))| format!("{} AS c{}", ordered(&item.sql, item.ty.or_text()), i + 1))
            .collect();
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        let sql = format!("SELECT {distinct}{}{}", outputs.join(", "), self.tail);
        Body { sql, columns: self.items.into_iter().map(|(name, item)| (name, item.ty)).collect() }
    }
}

/// A query that WITH has named.
pub struct Cte {
    pub name: String,
    pub sqlite: String,
    pub columns: Vec<(String, Ty)>,
}

/// A call as the parser gives it, with what is allowed taken apart.
pub struct Call<'a> {
    pub name: String,
    pub args: Vec<&'a Expr>,
    pub star: bool,
    pub distinct: bool,
    pub order: &'a [OrderByExpr],
    /// WITHIN GROUP.
    pub within: &'a [OrderByExpr],
    pub filter: Option<&'a Expr>,
    pub over: Option<&'a WindowType>,
    pub subquery: Option<&'a Query>,
}

/// Gives the columns of a subquery the names of `AS name (a, b)`.
pub fn rename(body: &mut Body, alias: &TableAlias) -> Result<(), Error> {
    let names = alias_columns(alias, body.columns.len())?;
    for (column, new) in body.columns.iter_mut().zip(names) {
        column.0 = new;
    }
    Ok(())
}

/// The names of `AS name (a, b)`.
pub fn alias_columns(alias: &TableAlias, most: usize) -> Result<Vec<String>, Error> {
    if alias.at.is_some() || alias.columns.iter().any(|column| column.data_type.is_some()) {
        return Err(Error::unsupported("this form of an alias"));
    }
    if alias.columns.len() > most {
        let name = folded(&alias.name);
        let message = format!("table \"{name}\" has {most} columns available but more were specified");
        return Err(Error::new(SqlState::INVALID_REFERENCE, message));
    }
    Ok(alias.columns.iter().map(|column| folded(&column.name)).collect())
}

/// The output that a term of ORDER BY means by its position or name.
pub fn output_of<'n>(expr: &Expr, names: impl Iterator<Item = &'n str>) -> Result<Option<usize>, Error> {
    match expr {
        Expr::Value(value) => {
            let Value::Number(number, _) = &value.value else {
                return Err(Error::new(SqlState::SYNTAX, "non-integer constant in ORDER BY"));
            };
            let count = names.count();
            match number.parse::<usize>() {
                Ok(place) if (1..=count).contains(&place) => Ok(Some(place - 1)),
                _ => {
                    let message = format!("ORDER BY position {number} is not in select list");
                    Err(Error::new(SqlState::INVALID_REFERENCE, message))
                }
            }
        }
        Expr::UnaryOp { op: UnaryOperator::Minus, expr: number } if matches!(&**number, Expr::Value(value) if matches!(value.value, Value::Number(..))) =>
        {
            let message = format!("ORDER BY position {expr} is not in select list");
            Err(Error::new(SqlState::INVALID_REFERENCE, message))
        }
        Expr::Identifier(ident) => {
            let wanted = folded(ident);
            let mut places = names.enumerate().filter(|(_, name)| *name == wanted).map(|(i, _)| i);
            match (places.next(), places.next()) {
                (Some(_), Some(_)) => {
                    let message = format!("ORDER BY \"{wanted}\" is ambiguous");
                    Err(Error::new(SqlState::AMBIGUOUS_COLUMN, message))
                }
                (found, _) => Ok(found),
            }
        }
        _ => Ok(None),
    }
}

/// `sql` as a term of ORDER BY. PostgreSQL takes null as the greatest value, SQLite as the least.
pub fn direction(sql: &str, ty: Type, options: &OrderByOptions) -> Result<String, Error> {
    let descending = match &options.sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(OrderBySort::Using(_)) => return Err(Error::unsupported("ORDER BY … USING")),
    };
    let nulls_first = options.nulls_first.unwrap_or(descending);
    let (way, nulls) = (if descending { "DESC" } else { "ASC" }, if nulls_first { "FIRST" } else { "LAST" });
    Ok(format!("{} {way} NULLS {nulls}", ordered(sql, ty)))
}

/// An error for a type whose equal values cannot be told. The text of some arrays is the same for all equal ones.
pub fn equatable(ty: &Ty, clause: &str) -> Result<(), Error> {
    match ty {
        Ty::Known(Type::Array(Type::Bool | Type::Int | Type::Oid | Type::Text | Type::Time)) => Ok(()),
        _ => comparable(ty, clause),
    }
}

/// An error for a type that cannot be compared.
pub fn comparable(ty: &Ty, clause: &str) -> Result<(), Error> {
    if ty.is_comparable() {
        return Ok(());
    }
    let name = ty.or_text().name();
    let message = format!("could not identify an ordering operator for type {name} in {clause}");
    Err(Error::new(SqlState::UNDEFINED_FUNCTION, message).hint("Cast it: column::text."))
}
