//! From a statement in PostgreSQL's dialect to one in SQLite's that gives the same rows.
//!
//! Nothing of the text is passed on: each part of the syntax tree that is known is written anew, with a type for each expression, and all else is
//! refused. So a name of the statement never reaches SQLite, and a function or an operator means what PostgreSQL means by it.
//!
//! | file | its job |
//! | --- | --- |
//! | `parse` | the text's syntax tree, within bounds |
//! | `scope` | which column a name means |
//! | `query` | WITH, set operations, ORDER BY, LIMIT |
//! | `select` | one SELECT: outputs, WHERE, GROUP BY, HAVING |
//! | `distinct_on` | the first row of each group |
//! | `from` | tables and joins |
//! | `series` | `generate_series` |
//! | `expr` | expressions |
//! | `operator` | operators, by the types of their operands |
//! | `call` | calls of functions |
//! | `aggregate` | aggregates and window functions |
//! | `ordered_set` | aggregates over sorted values |
//! | `array` | arrays, `= ANY (…)` |
//! | `nearest` | the name that somebody may have meant |
//! | `catalog` | calls that only clients' catalog queries make |
//! | `shape` | what these files hand to each other |
//! | `cast` | casts and literals |
//! | `typed` | an expression of SQLite with its type |

mod aggregate;
mod array;
mod call;
mod cast;
mod catalog;
mod distinct_on;
mod expr;
mod from;
mod nearest;
mod operator;
mod ordered_set;
pub mod parse;
mod query;
mod scope;
mod select;
mod series;
mod shape;
mod typed;

use crate::error::{Error, SqlState};
use crate::schema::{Entry, Schema};
use crate::source::Wanted;
use crate::types::{OutColumn, Type};
use scope::Scope;
use sqlparser::ast::{Ident, Query};
use std::collections::BTreeMap;

/// Nested expressions and queries; more would exhaust the stack.
const DEPTH_MAX: usize = 200;
/// Parameters of a statement.
const PARAMS_MAX: usize = 1_000;

/// A statement for SQLite.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its text.
    pub sqlite: String,
    /// The columns of its answer.
    pub columns: Vec<OutColumn>,
    /// The types of its parameters.
    pub params: Vec<Type>,
    /// The tables and columns that it reads.
    pub reads: Vec<(Entry, Wanted)>,
}

/// Plans a query. `given` are the types of parameters that the client names itself.
pub fn plan(schema: &Schema, sql: &str, query: &Query, given: &[Option<Type>]) -> Result<Plan, Error> {
    let mut planner = Planner {
        schema,
        text: sql,
        params: given.to_vec(),
        scopes: Vec::new(),
        ctes: Vec::new(),
        reads: BTreeMap::new(),
        names: 0,
        depth: 0,
    };
    let body = planner.query(query, true)?;
    let name = |(name, ty): (String, typed::Ty)| OutColumn { name, ty: ty.or_text() };
    Ok(Plan {
        sqlite: body.sql,
        columns: body.columns.into_iter().map(name).collect(),
        params: planner.params.into_iter().map(|ty| ty.unwrap_or(Type::Text)).collect(),
        reads: planner.reads.into_values().collect(),
    })
}

/// The planner's state on the way through a statement.
struct Planner<'a> {
    schema: &'a Schema,
    text: &'a str,
    /// The types of parameters, as far as their places have shown.
    params: Vec<Option<Type>>,
    /// The names that are visible, innermost last.
    scopes: Vec<Scope>,
    /// The queries that WITH has named, innermost last.
    ctes: Vec<shape::Cte>,
    reads: BTreeMap<usize, (Entry, Wanted)>,
    names: usize,
    depth: usize,
}

impl Planner<'_> {
    /// A name that nothing else has.
    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("t{}", self.names)
    }

    /// Runs `inner` one level deeper.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth == DEPTH_MAX {
            return Err(Error::new(SqlState::TOO_COMPLEX, "the statement is nested too deep"));
        }
        self.depth += 1;
        let found = inner(self);
        self.depth -= 1;
        found
    }

    /// The error, with the place of `ident`.
    fn at(&self, error: Error, ident: &Ident) -> Error {
        match parse::offset(self.text, ident.span.start.line, ident.span.start.column) {
            Some(position) => error.at(position),
            None => error,
        }
    }
}

/// A name as PostgreSQL folds it: lower case unless quoted.
fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}
