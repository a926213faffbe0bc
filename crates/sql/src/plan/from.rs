//! Tables and joins.

use super::scope::{Relation, Visible};
use super::shape::{Body, Cte, alias_columns, rename};
use super::typed::Ty;
use super::{Planner, folded};
use crate::error::{Error, SqlState};
use crate::schema::Entry;
use crate::source::Wanted;
use sqlparser::ast::{
    Ident, Join, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor, TableWithJoins,
};

/// The side of a join that keeps rows without partner.
#[derive(Copy, Clone, PartialEq)]
enum Kept {
    None,
    Left,
    Right,
    Both,
}

impl Planner<'_> {
    /// The FROM clause; nothing if there is none.
    pub fn from(&mut self, items: &[TableWithJoins]) -> Result<String, Error> {
        let mut parts = Vec::new();
        for item in items {
            let (sql, outer) = self.tree(item)?;
            // A comma binds less than JOIN; SQLite takes both from left to right, which differs only for what keeps rows of the right side.
            parts.push(if outer && !parts.is_empty() { format!("({sql})") } else { sql });
        }
        Ok(if parts.is_empty() { String::new() } else { format!(" FROM {}", parts.join(", ")) })
    }

    fn tree(&mut self, item: &TableWithJoins) -> Result<(String, bool), Error> {
        let mut sql = self.factor(&item.relation)?;
        let mut outer = false;
        for join in &item.joins {
            let (text, kept) = self.join(join)?;
            outer |= kept != Kept::None;
            sql.push_str(&text);
        }
        Ok((sql, outer))
    }

    fn join(&mut self, join: &Join) -> Result<(String, Kept), Error> {
        let (word, kept, constraint) = match &join.join_operator {
            JoinOperator::Join(on) | JoinOperator::Inner(on) => ("JOIN", Kept::None, on),
            JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => ("LEFT JOIN", Kept::Left, on),
            JoinOperator::Right(on) | JoinOperator::RightOuter(on) => ("RIGHT JOIN", Kept::Right, on),
            JoinOperator::FullOuter(on) => ("FULL JOIN", Kept::Both, on),
            JoinOperator::CrossJoin(on) => ("CROSS JOIN", Kept::None, on),
            _ => return Err(Error::unsupported("this kind of join")),
        };
        if join.global {
            return Err(Error::unsupported("GLOBAL JOIN"));
        }
        let cross = word == "CROSS JOIN";
        let before = self.scopes.last().map_or(0, |scope| scope.relations.len());
        let right = self.factor(&join.relation)?;
        let condition = match constraint {
            JoinConstraint::On(on) if !cross => self.condition(on, "JOIN/ON")?,
            JoinConstraint::Using(names) if !cross => {
                let names: Result<Vec<_>, _> = names.iter().map(using_name).collect();
                self.merge(before, &names?, kept)?
            }
            JoinConstraint::Natural if !cross => {
                let names = self.shared_names(before);
                self.merge(before, &names, kept)?
            }
            JoinConstraint::None if cross => "1".to_owned(),
            _ => return Err(Error::new(SqlState::SYNTAX, "a join needs ON or USING, CROSS JOIN neither")),
        };
        let word = if cross { "JOIN" } else { word };
        Ok((format!(" {word} {right} ON {condition}"), kept))
    }

    /// The names of columns that both sides have.
    fn shared_names(&self, before: usize) -> Vec<String> {
        let Some(scope) = self.scopes.last() else { return Vec::new() };
        let (left, right) = scope.relations.split_at(before);
        let known = |name: &str| {
            scope.merged.iter().any(|c| c.name == name)
                || left.iter().flat_map(|r| &r.columns).any(|c| c.name == name && !c.merged)
        };
        let names = right.iter().flat_map(|r| &r.columns).filter(|c| !c.merged && known(&c.name));
        names.map(|c| c.name.clone()).collect()
    }

    /// Makes one column of each pair of that name. Answers the condition of the join.
    fn merge(&mut self, before: usize, names: &[String], kept: Kept) -> Result<String, Error> {
        let mut conditions = Vec::new();
        let mut made = Vec::new();
        for name in names {
            let left = self.take(name, 0..before, true)?;
            let relations = self.scopes.last().map_or(0, |scope| scope.relations.len());
            let right = self.take(name, before..relations, false)?;
            let compared = self.compare("=", known(&left), known(&right))?;
            conditions.push(compared.sql);
            let sql = match kept {
                Kept::None | Kept::Left => left.sql.clone(),
                Kept::Right => right.sql.clone(),
                Kept::Both => format!("coalesce({}, {})", left.sql, right.sql),
            };
            made.push(Visible { name: name.clone(), sql, ty: left.ty, merged: false });
        }
        if let Some(scope) = self.scopes.last_mut() {
            made.append(&mut scope.merged);
            scope.merged = made;
        }
        Ok(if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") })
    }

    /// The column of that name on one side, which from now on only its qualified name means.
    fn take(
        &mut self,
        name: &str,
        relations: std::ops::Range<usize>,
        merged_too: bool,
    ) -> Result<Visible, Error> {
        let missing = || {
            let message = format!("column \"{name}\" specified in USING clause does not exist on both sides");
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        };
        let Some(scope) = self.scopes.last_mut() else { return Err(missing()) };
        let mut found = Vec::new();
        if merged_too && let Some(i) = scope.merged.iter().position(|c| c.name == name) {
            found.push(scope.merged.remove(i));
        }
        for relation in &mut scope.relations[relations] {
            for (i, column) in relation.columns.iter_mut().enumerate() {
                if column.name == name && !column.merged {
                    found.push(column.clone());
                    column.merged = true;
                    if let Some(entry) = relation.entry {
                        self.reads.entry(entry.id()).or_insert((entry, Wanted::NONE)).1.add(i);
                    }
                }
            }
        }
        match found.len() {
            0 => Err(missing()),
            1 => found.pop().ok_or_else(missing),
            _ => Err(Error::new(
                SqlState::AMBIGUOUS_COLUMN,
                format!("common column name \"{name}\" appears more than once in left table"),
            )),
        }
    }

    fn factor(&mut self, factor: &TableFactor) -> Result<String, Error> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_directives,
                inheritance: None,
            } if with_hints.is_empty() && partitions.is_empty() && index_directives.is_empty() => {
                let parts: Option<Vec<_>> = name.0.iter().map(|part| part.as_ident().cloned()).collect();
                self.table(&parts.unwrap_or_default(), alias.as_ref())
            }
            TableFactor::Table {
                name,
                alias,
                args: Some(args),
                with_ordinality: false,
                sample: None,
                ..
            } if name.to_string().eq_ignore_ascii_case("generate_series")
                || name.to_string().eq_ignore_ascii_case("pg_catalog.generate_series") =>
            {
                self.series(&args.args, alias.as_ref())
            }
            TableFactor::Table { name, args: Some(_), .. } => {
                Err(Error::unsupported(format!("the function {name} in FROM")).hint("generate_series is."))
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                // A subquery in FROM does not see its neighbours.
                let scope = self.scopes.pop();
                let body = self.query(subquery, true);
                self.scopes.extend(scope);
                let mut body = body?;
                if let Some(alias) = alias {
                    rename(&mut body, alias)?;
                }
                let name = alias.as_ref().map(|alias| folded(&alias.name));
                let sqlite = self.fresh();
                self.add_relation(name.unwrap_or_default(), &sqlite, &body.columns)?;
                Ok(format!("({}) AS {sqlite}", body.sql))
            }
            TableFactor::Derived { lateral: true, .. } => Err(Error::unsupported("LATERAL")),
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.deeper(|planner| Ok(format!("({})", planner.tree(table_with_joins)?.0)))
            }
            other => Err(Error::unsupported(format!("in FROM, {other}"))),
        }
    }

    fn table(&mut self, parts: &[Ident], alias: Option<&TableAlias>) -> Result<String, Error> {
        let Some(last) = parts.last() else { return Err(Error::unsupported("this name of a table")) };
        let shown = alias.map_or_else(|| folded(last), |alias| folded(&alias.name));
        let sqlite = self.fresh();
        if let ([name], Some(cte)) = (parts, self.cte(&folded(last))) {
            _ = name;
            let (source, mut body) =
                (cte.sqlite.clone(), Body { sql: String::new(), columns: cte.columns.clone() });
            if let Some(alias) = alias {
                rename(&mut body, alias)?;
            }
            self.add_relation(shown, &sqlite, &body.columns)?;
            return Ok(format!("{source} AS {sqlite}"));
        }
        let entry = self.entry(parts)?;
        let mut columns: Vec<_> = entry
            .table
            .columns
            .iter()
            .map(|column| Visible {
                name: column.name.to_owned(),
                sql: format!("{sqlite}.\"{}\"", column.name),
                ty: column.kind.into(),
                merged: false,
            })
            .collect();
        if let Some(alias) = alias {
            for (column, new) in columns.iter_mut().zip(alias_columns(alias, entry.table.columns.len())?) {
                column.name = new;
            }
        }
        self.reads.entry(entry.id()).or_insert((entry, Wanted::NONE));
        self.add(Relation {
            namespace: alias.is_none().then(|| entry.namespace.name()),
            name: shown,
            columns,
            entry: Some(entry),
        })?;
        Ok(format!("\"{}\" AS {sqlite}", entry.sqlite_name()))
    }

    fn cte(&self, name: &str) -> Option<&Cte> {
        self.ctes.iter().rev().find(|cte| cte.name == name)
    }

    /// The table that a name means.
    pub fn entry(&self, parts: &[Ident]) -> Result<Entry, Error> {
        let folded_parts: Vec<String> = parts.iter().map(folded).collect();
        // A catalog's name in front is the database's, of which there is one.
        let (namespace, name) = match folded_parts.as_slice() {
            [name] => (None, name),
            [namespace, name] | [_, namespace, name] => (Some(namespace.as_str()), name),
            _ => return Err(Error::unsupported("this name of a table")),
        };
        let found = self.schema.find(namespace, name).ok_or_else(|| {
            let message = format!("relation \"{}\" does not exist", folded_parts.join("."));
            Error::new(SqlState::UNDEFINED_TABLE, message).hint(self.table_hint(namespace, name))
        });
        match (found, parts.first()) {
            (Err(error), Some(first)) => Err(self.at(error, first)),
            (found, _) => found,
        }
    }

    /// `TABLE name`.
    pub fn whole_table(&mut self, parts: &[Ident]) -> Result<Body, Error> {
        self.scopes.push(super::scope::Scope::default());
        let from = self.table(parts, None);
        let items = from.and_then(|from| Ok((from, self.star(None)?)));
        self.scopes.pop();
        let (from, items) = items?;
        let core = super::shape::Core { distinct: false, items, tail: format!(" FROM {from}") };
        Ok(core.into_body())
    }

    pub fn add_relation(
        &mut self,
        name: String,
        sqlite: &str,
        columns: &[(String, Ty)],
    ) -> Result<(), Error> {
        let visible = |(i, (name, ty)): (usize, &(String, Ty))| Visible {
            name: name.clone(),
            sql: format!("{sqlite}.c{}", i + 1),
            ty: ty.or_text(),
            merged: false,
        };
        let columns = columns.iter().enumerate().map(visible).collect();
        self.add(Relation { name, namespace: None, columns, entry: None })
    }

    fn add(&mut self, relation: Relation) -> Result<(), Error> {
        let Some(scope) = self.scopes.last_mut() else {
            return Err(Error::new(SqlState::INTERNAL, "a table outside of a SELECT"));
        };
        if !relation.name.is_empty() && scope.relations.iter().any(|r| r.name == relation.name) {
            let message = format!("table name \"{}\" specified more than once", relation.name);
            return Err(Error::new(SqlState::DUPLICATE_ALIAS, message));
        }
        scope.relations.push(relation);
        Ok(())
    }
}

fn known(column: &Visible) -> super::typed::Typed {
    super::typed::Typed::known(column.sql.clone(), column.ty)
}

fn using_name(name: &ObjectName) -> Result<String, Error> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(folded),
        _ => None,
    }
    .ok_or_else(|| Error::new(SqlState::SYNTAX, "USING takes names of columns"))
}
