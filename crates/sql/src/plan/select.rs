//! One SELECT: outputs, WHERE, GROUP BY, HAVING.

use super::scope::Scope;
use super::shape::{Core, comparable, direction, equatable, output_of};
use super::typed::{Ty, Typed, ordered};
use super::{Planner, folded};
use crate::error::{Error, SqlState};
use crate::types::Type;
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, OrderByExpr, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, Value, WildcardAdditionalOptions,
};

impl Planner<'_> {
    /// Plans one SELECT, sorted by `order`.
    pub fn select(&mut self, select: &Select, order: &[OrderByExpr]) -> Result<Core, Error> {
        refuse_foreign(select)?;
        self.deeper(|planner| {
            planner.scopes.push(Scope::default());
            let core = planner.select_in_scope(select, order);
            planner.scopes.pop();
            core
        })
    }

    fn scope(&mut self) -> &mut Scope {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    fn select_in_scope(&mut self, select: &Select, order: &[OrderByExpr]) -> Result<Core, Error> {
        let mut tail = self.from(&select.from)?;
        if let Some(selection) = &select.selection {
            let condition = self.condition(selection, "WHERE")?;
            tail.push_str(&format!(" WHERE {condition}"));
        }
        let groups = self.groups(select)?;
        let group_terms: Vec<_> = groups.iter().map(|(_, group)| term(group)).collect();
        let scope = self.scope();
        scope.groups = groups;
        scope.ungrouped = None;
        (scope.aggregates_allowed, scope.windows_allowed) = (true, true);
        let (items, exprs) = self.projection(&select.projection)?;
        self.scope().windows_allowed = false;
        if !group_terms.is_empty() {
            tail.push_str(&format!(" GROUP BY {}", group_terms.join(", ")));
        }
        if let Some(having) = &select.having {
            let condition = self.condition(having, "HAVING")?;
            tail.push_str(&format!(" HAVING {condition}"));
        }
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => {
                for (_, item) in &items {
                    equatable(&item.ty, "SELECT DISTINCT")?;
                }
                true
            }
            Some(Distinct::On(_)) => false,
        };
        self.scope().windows_allowed = true;
        let core = if let Some(Distinct::On(on)) = &select.distinct {
            self.distinct_on(on, order, items, &tail)?
        } else {
            tail.push_str(&self.order(order, &items, &exprs, distinct)?);
            Core { distinct, items, tail }
        };
        let scope = self.scope();
        let grouped = !group_terms.is_empty() || scope.aggregated || select.having.is_some();
        match &scope.ungrouped {
            Some(column) if grouped => Err(Error::new(
                SqlState::GROUPING,
                format!(
                    "column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function"
                ),
            )),
            _ => Ok(core),
        }
    }

    /// The terms of GROUP BY: expressions, positions and names of outputs.
    fn groups(&mut self, select: &Select) -> Result<Vec<(Expr, Typed)>, Error> {
        let GroupByExpr::Expressions(exprs, modifiers) = &select.group_by else {
            return Err(Error::unsupported("GROUP BY ALL"));
        };
        if !modifiers.is_empty() {
            return Err(Error::unsupported("this form of GROUP BY"));
        }
        let mut groups = Vec::new();
        for expr in exprs {
            let meant = match expr {
                Expr::Value(value) => by_position(select, &value.value)?,
                Expr::Identifier(ident) if self.find_here(&folded(ident)) => expr,
                Expr::Identifier(ident) => by_alias(select, &folded(ident)).unwrap_or(expr),
                _ => expr,
            };
            let group = self.expr(meant)?;
            let ty = group.ty.or_text();
            let group = Typed::known(self.coerce(group, ty)?, ty);
            comparable(&group.ty, "GROUP BY")?;
            groups.push((meant.clone(), group));
        }
        Ok(groups)
    }

    /// True if the FROM clause has a column of that name.
    fn find_here(&self, name: &str) -> bool {
        self.scopes.last().is_some_and(|scope| {
            scope.merged.iter().any(|c| c.name == name)
                || scope.relations.iter().any(|r| r.columns.iter().any(|c| c.name == name))
        })
    }

    /// The outputs, and for each its expression, if it has one.
    #[allow(clippy::type_complexity)] // two lists that belong together, once
    fn projection<'e>(
        &mut self,
        projection: &'e [SelectItem],
    ) -> Result<(Vec<(String, Typed)>, Vec<Option<&'e Expr>>), Error> {
        let (mut items, mut exprs) = (Vec::new(), Vec::new());
        for item in projection {
            let star = match item {
                SelectItem::UnnamedExpr(expr) => {
                    items.push((output_name(expr), self.expr(expr)?));
                    exprs.push(Some(expr));
                    continue;
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push((folded(alias), self.expr(expr)?));
                    exprs.push(Some(expr));
                    continue;
                }
                SelectItem::Wildcard(options) if is_plain(options) => self.star(None)?,
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                    if is_plain(options) =>
                {
                    let table = name.0.last().and_then(|part| part.as_ident());
                    self.star(table)?
                }
                other => return Err(Error::unsupported(format!("the output {other}"))),
            };
            exprs.extend(star.iter().map(|_| None));
            items.extend(star);
        }
        if items.is_empty() {
            return Err(Error::new(SqlState::SYNTAX, "SELECT without columns is not supported"));
        }
        Ok((items, exprs))
    }

    fn order(
        &mut self,
        order: &[OrderByExpr],
        items: &[(String, Typed)],
        exprs: &[Option<&Expr>],
        distinct: bool,
    ) -> Result<String, Error> {
        let mut terms = Vec::new();
        for term_of in order {
            let names = items.iter().map(|(name, _)| name.as_str());
            let place = match output_of(&term_of.expr, names)? {
                Some(place) => Some(place),
                None => exprs.iter().position(|expr| *expr == Some(&term_of.expr)),
            };
            let sorted = match place {
                Some(place) => Typed { sql: (place + 1).to_string(), ..items[place].1.clone() },
                None => {
                    let mut sorted = self.expr(&term_of.expr)?;
                    let place = items.iter().position(|(_, item)| item.sql == sorted.sql);
                    if let Some(place) = place {
                        sorted.sql = (place + 1).to_string();
                    } else if distinct {
                        let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                        return Err(Error::new(SqlState::INVALID_REFERENCE, message));
                    } else {
                        let ty = sorted.ty.or_text();
                        sorted = Typed::known(self.coerce(sorted, ty)?, ty);
                        sorted.sql = term(&sorted);
                    }
                    sorted
                }
            };
            comparable(&sorted.ty, "ORDER BY")?;
            terms.push(direction(&sorted.sql, sorted.ty.or_text(), &term_of.options)?);
        }
        Ok(if terms.is_empty() { String::new() } else { format!(" ORDER BY {}", terms.join(", ")) })
    }

    /// A condition.
    pub fn condition(&mut self, expr: &Expr, clause: &str) -> Result<String, Error> {
        let condition = self.expr(expr)?;
        match condition.ty {
            Ty::Known(Type::Bool) | Ty::Open(_) => self.coerce(condition, Type::Bool),
            Ty::Known(ty) => Err(Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!("argument of {clause} must be type boolean, not type {}", ty.name()),
            )),
        }
    }
}

/// An expression as a term of GROUP BY or ORDER BY, where SQLite takes a whole number as a position.
fn term(typed: &Typed) -> String {
    if typed.sql.bytes().all(|b| b.is_ascii_digit() || b"()-+".contains(&b)) {
        return format!("({} + 0)", typed.sql);
    }
    ordered(&typed.sql, typed.ty.or_text())
}

fn by_position<'s>(select: &'s Select, value: &Value) -> Result<&'s Expr, Error> {
    let Value::Number(number, _) = value else {
        return Err(Error::new(SqlState::SYNTAX, "non-integer constant in GROUP BY"));
    };
    let place = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
    // Behind a star the positions are not those of the list.
    let stars = select.projection.iter().any(|item| expr_of(item).is_none());
    match place.and_then(|place| select.projection.get(place)).and_then(expr_of) {
        Some(expr) if !stars => Ok(expr),
        _ => Err(Error::new(
            SqlState::INVALID_REFERENCE,
            format!("GROUP BY position {number} is not in select list"),
        )),
    }
}

fn by_alias<'s>(select: &'s Select, name: &str) -> Option<&'s Expr> {
    select.projection.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } if folded(alias) == name => Some(expr),
        SelectItem::UnnamedExpr(expr) if output_name(expr) == name => Some(expr),
        _ => None,
    })
}

fn expr_of(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// The name that PostgreSQL gives to an output without one.
fn output_name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => folded(ident),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded).unwrap_or_default(),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => output_name(inner),
        Expr::Function(function) => {
            function.name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default()
        }
        Expr::Cast { expr: inner, data_type, .. } => match output_name(inner).as_str() {
            "?column?" => super::cast::short_name(data_type),
            name => name.to_owned(),
        },
        Expr::Case { else_result: Some(inner), .. } => match output_name(inner).as_str() {
            "?column?" => "case".to_owned(),
            name => name.to_owned(),
        },
        Expr::Case { .. } => "case".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Extract { .. } => "extract".to_owned(),
        Expr::Ceil { .. } => "ceil".to_owned(),
        Expr::Floor { .. } => "floor".to_owned(),
        Expr::Position { .. } => "position".to_owned(),
        Expr::Substring { .. } => "substring".to_owned(),
        Expr::Trim { .. } => "btrim".to_owned(),
        Expr::Interval(_) => "interval".to_owned(),
        Expr::Array(_) => "array".to_owned(),
        Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => "bool".to_owned(),
        Expr::TypedString(typed) => super::cast::short_name(&typed.data_type),
        Expr::Subquery(query) => match &*query.body {
            sqlparser::ast::SetExpr::Select(select) => match select.projection.first() {
                Some(SelectItem::UnnamedExpr(expr)) => output_name(expr),
                Some(SelectItem::ExprWithAlias { alias, .. }) => folded(alias),
                _ => "?column?".to_owned(),
            },
            _ => "?column?".to_owned(),
        },
        _ => "?column?".to_owned(),
    }
}

fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none()
}

/// The parser knows clauses of many dialects.
fn refuse_foreign(select: &Select) -> Result<(), Error> {
    if select.into.is_some() {
        return Err(super::parse::read_only("SELECT INTO"));
    }
    if !select.named_window.is_empty() {
        return Err(Error::unsupported("WINDOW"));
    }
    let foreign = select.top.is_some()
        || select.select_modifiers.is_some()
        || select.exclude.is_some()
        || !select.optimizer_hints.is_empty()
        || !select.lateral_views.is_empty()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || select.qualify.is_some()
        || select.value_table_mode.is_some()
        || select.flavor != SelectFlavor::Standard;
    if foreign { Err(Error::unsupported("a clause of another dialect")) } else { Ok(()) }
}
