//! The name that somebody may have meant.

use super::Planner;
use crate::functions;
use crate::schema::Namespace;

/// Bytes of the longest wrong name for which a better one is looked for.
const LONGEST: usize = 63;

/// The closest of `known`, if one is close enough to be meant.
pub fn nearest<T>(wrong: &str, known: impl Iterator<Item = T>, name: impl Fn(&T) -> &str) -> Option<T> {
    if wrong.len() > LONGEST {
        return None;
    }
    let most = (wrong.chars().count() / 3).clamp(1, 4);
    let distances = known.map(|item| (strsim::osa_distance(wrong, name(&item)), item));
    distances
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, item)| item)
}

impl Planner<'_> {
    /// Advice about a column that nothing has.
    pub fn column_hint(&self, wrong: &str, table: Option<&str>) -> Option<String> {
        let relations = self.scopes.iter().rev().flat_map(|scope| &scope.relations);
        let relations = relations.filter(|relation| table.is_none_or(|table| relation.name == table));
        let columns =
            relations.flat_map(|relation| relation.columns.iter().map(move |column| (relation, column)));
        let (relation, column) = nearest(wrong, columns, |(_, column)| &column.name)?;
        let table = if relation.name.is_empty() { String::new() } else { format!("{}.", relation.name) };
        Some(format!("Perhaps you meant to reference the column \"{table}{}\".", column.name))
    }

    /// Advice about a table that stands before a column, but in no FROM clause.
    pub fn qualifier_hint(&self, wrong: &str) -> Option<String> {
        let mut relations = self.scopes.iter().rev().flat_map(|scope| &scope.relations);
        // A table with an alias is known by the alias alone.
        let aliased = relations.clone().find(|r| r.entry.is_some_and(|entry| entry.table.name == wrong));
        let found = aliased.or_else(|| nearest(wrong, &mut relations, |relation| &relation.name))?;
        (!found.name.is_empty())
            .then(|| format!("Perhaps you meant to reference the table alias \"{}\".", found.name))
    }

    /// Advice about a table that there is not.
    pub fn table_hint(&self, namespace: Option<&str>, wrong: &str) -> String {
        let searched =
            |of: Namespace| namespace.map_or(of == Namespace::Public, |wanted| wanted == of.name());
        let tables =
            self.schema.entries.iter().filter(|entry| searched(entry.namespace)).map(|e| e.table.name);
        let named = self.ctes.iter().filter(|_| namespace.is_none()).map(|cte| cte.name.as_str());
        match nearest(wrong, tables.chain(named), |name| name) {
            Some(name) => format!("Perhaps you meant the table \"{name}\"."),
            None => "\\d lists the tables.".to_owned(),
        }
    }
}

/// Advice about a function that there is not.
pub fn function_hint(wrong: &str) -> String {
    let names = functions::all().map(|function| function.name).filter(|name| !name.starts_with('.'));
    let names = names.chain(super::aggregate::AGGREGATES);
    match nearest(wrong, names, |name| name) {
        Some(name) => format!("Perhaps you meant the function \"{name}\". \\df lists the functions."),
        None => "\\df lists the functions.".to_owned(),
    }
}
