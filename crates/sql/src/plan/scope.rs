//! Resolution of names to columns.

use super::typed::{Ty, Typed};
use super::{Planner, folded};
use crate::error::{Error, SqlState};
use crate::schema::Entry;
use crate::types::Type;
use sqlparser::ast::{Expr, Ident};

/// A column that a name can mean.
#[derive(Clone, Debug)]
pub struct Visible {
    pub name: String,
    pub sql: String,
    pub ty: Type,
    /// USING made one column of this and another: only a qualified name means it.
    pub merged: bool,
}

/// A table, a subquery or a WITH query of a FROM clause.
#[derive(Clone, Debug)]
pub struct Relation {
    pub name: String,
    pub namespace: Option<&'static str>,
    pub columns: Vec<Visible>,
    /// The table that its rows come from, if it is one.
    pub entry: Option<Entry>,
}

/// The columns that are visible in one SELECT.
#[derive(Debug, Default)]
pub struct Scope {
    pub relations: Vec<Relation>,
    /// Columns that USING made of two.
    pub merged: Vec<Visible>,
    /// The expressions that GROUP BY lists.
    pub groups: Vec<(Expr, Typed)>,
    /// Aggregates may stand here.
    pub aggregates_allowed: bool,
    /// Window functions may stand here.
    pub windows_allowed: bool,
    /// An aggregate was seen.
    pub aggregated: bool,
    /// A column outside of aggregates that GROUP BY does not list.
    pub ungrouped: Option<String>,
    /// The arguments of an aggregate are being planned.
    pub inside_aggregate: bool,
    /// Columns that were resolved here since the counter was read.
    pub resolved: usize,
}

/// A column that was found, and how many scopes further out.
struct Found {
    sql: String,
    ty: Type,
    name: String,
    entry: Option<(Entry, usize)>,
}

impl Planner<'_> {
    /// The column that a name means: `column`, `table.column` or `namespace.table.column`.
    pub fn column(&mut self, parts: &[Ident]) -> Result<Typed, Error> {
        let (last, qualifier) = match parts {
            [last] => (last, None),
            [table, last] => (last, Some((None, folded(table)))),
            [namespace, table, last] => (last, Some((Some(folded(namespace)), folded(table)))),
            _ => return Err(Error::unsupported("a name of more than three parts")),
        };
        let name = folded(last);
        for level in (0..self.scopes.len()).rev() {
            let found = self.scopes[level].find(&name, qualifier.as_ref());
            match found.map_err(|e| self.at(e, last))? {
                Some(found) => return Ok(self.use_column(level, found)),
                None => continue,
            }
        }
        let (error, hint) = match &qualifier {
            None => (
                Error::new(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist")),
                self.column_hint(&name, None),
            ),
            Some((_, table)) if self.scopes.iter().any(|s| s.relations.iter().any(|r| r.name == *table)) => (
                Error::new(SqlState::UNDEFINED_COLUMN, format!("column {table}.{name} does not exist")),
                self.column_hint(&name, Some(table)),
            ),
            Some((_, table)) => (
                Error::new(
                    SqlState::UNDEFINED_TABLE,
                    format!("missing FROM-clause entry for table \"{table}\""),
                ),
                self.qualifier_hint(table),
            ),
        };
        let error = Error { hint, ..error };
        Err(self.at(error, last))
    }

    fn use_column(&mut self, level: usize, found: Found) -> Typed {
        if let Some((entry, position)) = found.entry {
            self.reads.entry(entry.id()).or_insert((entry, crate::source::Wanted::NONE)).1.add(position);
        }
        let scope = &mut self.scopes[level];
        scope.resolved += 1;
        let grouped = scope.groups.iter().any(|(_, group)| group.sql == found.sql);
        if !scope.inside_aggregate && !grouped && scope.ungrouped.is_none() {
            scope.ungrouped = Some(found.name);
        }
        Typed::known(found.sql, found.ty)
    }

    /// All columns that `*` or `table.*` means, with their names.
    pub fn star(&mut self, table: Option<&Ident>) -> Result<Vec<(String, Typed)>, Error> {
        let Some(scope) = self.scopes.last() else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let wanted = table.map(folded);
        if wanted.is_none() {
            found.extend(scope.merged.iter().map(|c| (c.clone(), None)));
        }
        let mut known = false;
        for relation in &scope.relations {
            if wanted.as_ref().is_some_and(|wanted| *wanted != relation.name) {
                continue;
            }
            known = true;
            for (i, column) in relation.columns.iter().enumerate() {
                if wanted.is_some() || !column.merged {
                    found.push((column.clone(), relation.entry.map(|entry| (entry, i))));
                }
            }
        }
        if let (Some(table), false) = (table, known) {
            let wrong = folded(table);
            let message = format!("missing FROM-clause entry for table \"{wrong}\"");
            let error = Error::new(SqlState::UNDEFINED_TABLE, message);
            return Err(self.at(Error { hint: self.qualifier_hint(&wrong), ..error }, table));
        }
        let level = self.scopes.len() - 1;
        let use_it = |(column, entry): (Visible, Option<(Entry, usize)>)| {
            let found = Found { sql: column.sql, ty: column.ty, name: column.name.clone(), entry };
            (column.name, self.use_column(level, found))
        };
        Ok(found.into_iter().map(use_it).collect())
    }
}

impl Scope {
    fn find(&self, name: &str, qualifier: Option<&(Option<String>, String)>) -> Result<Option<Found>, Error> {
        let mut found: Option<Found> = None;
        let mut add = |column: &Visible, entry: Option<(Entry, usize)>| {
            if found.is_some() {
                let message = format!("column reference \"{name}\" is ambiguous");
                return Err(Error::new(SqlState::AMBIGUOUS_COLUMN, message));
            }
            let shown = match &entry {
                Some((entry, _)) => format!("{}.{name}", entry.table.name),
                None => name.to_owned(),
            };
            found = Some(Found { sql: column.sql.clone(), ty: column.ty, name: shown, entry });
            Ok(())
        };
        if qualifier.is_none() {
            for column in self.merged.iter().filter(|c| c.name == name) {
                add(column, None)?;
            }
        }
        for relation in &self.relations {
            if !relation.is(qualifier) {
                continue;
            }
            for (i, column) in relation.columns.iter().enumerate() {
                if column.name == name && (qualifier.is_some() || !column.merged) {
                    add(column, relation.entry.map(|entry| (entry, i)))?;
                }
            }
        }
        Ok(found)
    }
}

impl Relation {
    /// True if a qualified name can mean a column of this relation.
    fn is(&self, qualifier: Option<&(Option<String>, String)>) -> bool {
        match qualifier {
            None => true,
            Some((None, table)) => self.name == *table,
            Some((Some(namespace), table)) => {
                self.name == *table && self.namespace.is_some_and(|own| own == namespace)
            }
        }
    }
}

impl Ty {
    /// True if values of the type can be compared, sorted and grouped.
    pub fn is_comparable(&self) -> bool {
        !matches!(self, Ty::Known(Type::Json | Type::Array(_)))
    }
}
