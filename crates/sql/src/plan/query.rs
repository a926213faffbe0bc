//! WITH, set operations, ORDER BY, LIMIT.

use super::shape::{Body, Core, Cte, comparable, direction, equatable, output_of};
use super::typed::{Ty, Typed, ordered};
use super::{Planner, folded};
use crate::error::{Error, SqlState};
use crate::types::Type;
use sqlparser::ast::{
    Expr, LimitClause, OrderBy, OrderByExpr, OrderByKind, Query, SetExpr, SetOperator, SetQuantifier, Value,
    Values,
};

/// One side of a set operation.
enum Leaf {
    Core(Core),
    Body(Body),
}

impl Planner<'_> {
    /// Plans a query; `settle` gives text to a column whose type nothing has decided.
    pub fn query(&mut self, query: &Query, settle: bool) -> Result<Body, Error> {
        self.deeper(|planner| {
            let visible = planner.ctes.len();
            let body = planner.whole_query(query, settle);
            planner.ctes.truncate(visible);
            body
        })
    }

    fn whole_query(&mut self, query: &Query, settle: bool) -> Result<Body, Error> {
        if !query.locks.is_empty() {
            return Err(super::parse::read_only("SELECT FOR UPDATE"));
        }
        let foreign = query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty();
        if foreign {
            return Err(Error::unsupported("a clause of another dialect"));
        }
        let with = self.with(query)?;
        let order = order_terms(query.order_by.as_ref())?;
        let limit = self.limit(query)?;
        let mut body = match &*query.body {
            SetExpr::Select(select) => {
                let mut core = self.select(select, &order)?;
                if settle {
                    self.settle(&mut core)?;
                }
                core.into_body()
            }
            SetExpr::Query(inner) => {
                let inner = self.query(inner, settle)?;
                self.ordered(inner, &order)?
            }
            other => {
                let body = self.set_expression(other)?;
                self.ordered(body, &order)?
            }
        };
        // A query in parentheses may have a WITH and a LIMIT of its own.
        let bare = with.is_empty() && limit.is_empty();
        if !bare && !matches!(*query.body, SetExpr::Select(_)) {
            body.sql = format!("SELECT {} FROM ({})", columns(body.columns.len()), body.sql);
        }
        body.sql = format!("{with}{}{limit}", body.sql);
        Ok(body)
    }

    fn with(&mut self, query: &Query) -> Result<String, Error> {
        let Some(with) = &query.with else { return Ok(String::new()) };
        let mut parts = Vec::new();
        for cte in &with.cte_tables {
            let name = folded(&cte.alias.name);
            if with.recursive
                && let Some(part) = self.recursive(cte)?
            {
                parts.push(part);
                continue;
            }
            let mut body = self.query(&cte.query, true)?;
            super::shape::rename(&mut body, &cte.alias)?;
            let sqlite = self.fresh();
            parts.push(format!("{sqlite} AS ({})", body.sql));
            self.ctes.push(Cte { name, sqlite, columns: body.columns });
        }
        let recursive = if with.recursive { "RECURSIVE " } else { "" };
        Ok(format!("WITH {recursive}{} ", parts.join(", ")))
    }

    /// A query of WITH RECURSIVE that is a start and a step; none if it is another one.
    fn recursive(&mut self, cte: &sqlparser::ast::Cte) -> Result<Option<String>, Error> {
        let SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } = &*cte.query.body
        else {
            return Ok(None);
        };
        let operator = operator(SetOperator::Union, *set_quantifier)?;
        let whole = &cte.query;
        if whole.with.is_some()
            || whole.order_by.is_some()
            || whole.limit_clause.is_some()
            || whole.fetch.is_some()
        {
            return Err(Error::unsupported("WITH, ORDER BY and LIMIT in a recursive query"));
        }
        let start = self.leaf(left)?;
        let types: Vec<Type> = (0..start.width()).map(|i| start.ty(i).or_text()).collect();
        let columns = start.names().into_iter().zip(types.iter().map(|ty| Ty::Known(*ty))).collect();
        let mut body = Body { sql: self.leaf_of_types(start, &types)?, columns };
        super::shape::rename(&mut body, &cte.alias)?;
        let sqlite = self.fresh();
        let name = folded(&cte.alias.name);
        self.ctes.push(Cte { name, sqlite: sqlite.clone(), columns: body.columns });
        let step = self.leaf(right)?;
        if step.width() != types.len() {
            let message = "each UNION query must have the same number of columns";
            return Err(Error::new(SqlState::SYNTAX, message));
        }
        let step = self.leaf_of_types(step, &types)?;
        let names = self::columns(types.len());
        Ok(Some(format!("{sqlite}({names}) AS ({} {operator} {step})", body.sql)))
    }

    /// The types of outputs that nothing decided become text.
    fn settle(&mut self, core: &mut Core) -> Result<(), Error> {
        for (_, item) in &mut core.items {
            if item.known_type().is_none() {
                *item = Typed::known(self.coerce(item.clone(), Type::Text)?, Type::Text);
            }
        }
        Ok(())
    }

    /// A query whose rows are sorted by its outputs alone.
    fn ordered(&mut self, body: Body, order: &[OrderByExpr]) -> Result<Body, Error> {
        if order.is_empty() {
            return Ok(body);
        }
        let mut terms = Vec::new();
        for term in order {
            let Some(place) = output_of(&term.expr, body.columns.iter().map(|(name, _)| name.as_str()))?
            else {
                let message = "ORDER BY after a set operation takes only names and positions of columns";
                return Err(Error::new(SqlState::NOT_SUPPORTED, message)
                    .hint("Put the set operation into FROM: SELECT … FROM (… UNION …) AS x ORDER BY …"));
            };
            comparable(&body.columns[place].1, "ORDER BY")?;
            let ty = body.columns[place].1.or_text();
            terms.push(direction(&(place + 1).to_string(), ty, &term.options)?);
        }
        let columns = columns(body.columns.len());
        let sql = format!("SELECT {columns} FROM ({}) ORDER BY {}", body.sql, terms.join(", "));
        Ok(Body { sql, columns: body.columns })
    }

    fn set_expression(&mut self, set: &SetExpr) -> Result<Body, Error> {
        match set {
            SetExpr::SetOperation { .. } => self.set_operation(set),
            SetExpr::Values(values) => self.values(values),
            SetExpr::Query(query) => self.query(query, false),
            SetExpr::Select(select) => Ok(self.select(select, &[])?.into_body()),
            SetExpr::Table(table) => {
                let name = table.table_name.clone().into_iter();
                let parts: Vec<_> = table.schema_name.clone().into_iter().chain(name).collect();
                self.whole_table(&parts)
            }
            SetExpr::Insert(_) => Err(super::parse::read_only("INSERT")),
            SetExpr::Update(_) => Err(super::parse::read_only("UPDATE")),
            SetExpr::Delete(_) => Err(super::parse::read_only("DELETE")),
            SetExpr::Merge(_) => Err(super::parse::read_only("MERGE")),
        }
    }

    /// A chain of set operations, which SQLite too takes from left to right. What PostgreSQL groups otherwise becomes a subquery.
    fn set_operation(&mut self, set: &SetExpr) -> Result<Body, Error> {
        let mut operators = Vec::new();
        let mut right_sides = Vec::new();
        let mut left = set;
        while let SetExpr::SetOperation { left: inner, op, set_quantifier, right } = left {
            operators.push(operator(*op, *set_quantifier)?);
            right_sides.push(&**right);
            left = inner;
        }
        let mut leaves = vec![self.leaf(left)?];
        for right in right_sides.into_iter().rev() {
            leaves.push(self.leaf(right)?);
        }
        operators.reverse();
        let width = leaves[0].width();
        if leaves.iter().any(|leaf| leaf.width() != width) {
            let message = "each UNION, INTERSECT or EXCEPT query must have the same number of columns";
            return Err(Error::new(SqlState::SYNTAX, message));
        }
        let names = leaves[0].names();
        let mut types = Vec::with_capacity(width);
        for i in 0..width {
            let of_column: Vec<Ty> = leaves.iter().map(|leaf| leaf.ty(i)).collect();
            types.push(self.unify(&of_column, "UNION, INTERSECT or EXCEPT")?);
        }
        if operators.iter().any(|op| *op != "UNION ALL") {
            for ty in &types {
                equatable(&Ty::Known(*ty), "UNION, INTERSECT or EXCEPT")?;
            }
        }
        let mut sql = String::new();
        for (i, leaf) in leaves.into_iter().enumerate() {
            if i > 0 {
                sql.push_str(&format!(" {} ", operators[i - 1]));
            }
            sql.push_str(&self.leaf_of_types(leaf, &types)?);
        }
        Ok(Body { sql, columns: names.into_iter().zip(types.into_iter().map(Ty::Known)).collect() })
    }

    fn leaf(&mut self, set: &SetExpr) -> Result<Leaf, Error> {
        self.deeper(|planner| match set {
            SetExpr::Select(select) => Ok(Leaf::Core(planner.select(select, &[])?)),
            other => Ok(Leaf::Body(planner.set_expression(other)?)),
        })
    }

    /// The text of one side, with its columns converted to the common types.
    fn leaf_of_types(&mut self, leaf: Leaf, types: &[Type]) -> Result<String, Error> {
        match leaf {
            Leaf::Core(mut core) => {
                for ((_, item), ty) in core.items.iter_mut().zip(types) {
                    *item = Typed::known(self.coerce(item.clone(), *ty)?, *ty);
                }
                Ok(core.into_body().sql)
            }
            Leaf::Body(body) => {
                let mut outputs = Vec::new();
                for (i, ((_, own), ty)) in body.columns.iter().zip(types).enumerate() {
                    let name = format!("c{}", i + 1);
                    // What was open inside the subquery is text outside of it.
                    let column = Typed::known(name.clone(), own.or_text());
                    let converted = match own {
                        Ty::Known(_) => self.coerce(column, *ty)?,
                        Ty::Open(_) => self.cast(column, *ty)?.sql,
                    };
                    outputs.push(format!("{} AS {name}", ordered(&converted, *ty)));
                }
                Ok(format!("SELECT {} FROM ({})", outputs.join(", "), body.sql))
            }
        }
    }

    fn values(&mut self, values: &Values) -> Result<Body, Error> {
        let width = values.rows.first().map_or(0, |row| row.content.len());
        if width == 0 || values.rows.iter().any(|row| row.content.len() != width) {
            return Err(Error::new(SqlState::SYNTAX, "VALUES lists must all be the same length"));
        }
        let mut rows = Vec::new();
        for row in &values.rows {
            rows.push(row.content.iter().map(|e| self.expr(e)).collect::<Result<Vec<_>, _>>()?);
        }
        let mut types = Vec::new();
        for i in 0..width {
            let of_column: Vec<Ty> = rows.iter().map(|row| row[i].ty.clone()).collect();
            types.push(self.unify(&of_column, "VALUES")?);
        }
        let mut lines = Vec::new();
        for row in rows {
            let mut cells = Vec::new();
            for (cell, ty) in row.into_iter().zip(&types) {
                cells.push(ordered(&self.coerce(cell, *ty)?, *ty));
            }
            lines.push(format!("({})", cells.join(", ")));
        }
        let outputs: Vec<_> = (1..=width).map(|i| format!("column{i} AS c{i}")).collect();
        let sql = format!("SELECT {} FROM (VALUES {})", outputs.join(", "), lines.join(", "));
        let name = |(i, ty)| (format!("column{}", i + 1), Ty::Known(ty));
        Ok(Body { sql, columns: types.into_iter().enumerate().map(name).collect() })
    }

    fn limit(&mut self, query: &Query) -> Result<String, Error> {
        let (mut limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(_) => return Err(Error::unsupported("this form of LIMIT")),
        };
        let one = Expr::Value(Value::Number("1".into(), false).into());
        if let Some(fetch) = &query.fetch {
            if fetch.with_ties || fetch.percent || limit.is_some() {
                return Err(Error::unsupported("this form of FETCH"));
            }
            limit = Some(fetch.quantity.as_ref().unwrap_or(&one));
        }
        let mut sql = String::new();
        if limit.is_some() || offset.is_some() {
            let limit = match limit {
                Some(limit) => self.count(limit, "LIMIT")?,
                None => "-1".to_owned(),
            };
            sql = format!(" LIMIT {limit}");
        }
        if let Some(offset) = offset {
            sql.push_str(&format!(" OFFSET {}", self.count(offset, "OFFSET")?));
        }
        Ok(sql)
    }

    /// A number of rows: not negative, and without columns.
    fn count(&mut self, expr: &Expr, clause: &str) -> Result<String, Error> {
        let scopes = std::mem::take(&mut self.scopes);
        let count = self.expr(expr).and_then(|count| self.coerce(count, Type::Int));
        self.scopes = scopes;
        let name = crate::functions::sqlite_name_of(&format!(".{}", clause.to_lowercase()), &[Type::Int]);
        Ok(format!("{name}({})", count?))
    }
}

impl Leaf {
    fn width(&self) -> usize {
        match self {
            Self::Core(core) => core.items.len(),
            Self::Body(body) => body.columns.len(),
        }
    }

    fn names(&self) -> Vec<String> {
        match self {
            Self::Core(core) => core.items.iter().map(|(name, _)| name.clone()).collect(),
            Self::Body(body) => body.columns.iter().map(|(name, _)| name.clone()).collect(),
        }
    }

    fn ty(&self, i: usize) -> Ty {
        match self {
            Self::Core(core) => core.items[i].1.ty.clone(),
            Self::Body(body) => body.columns[i].1.clone(),
        }
    }
}

/// `c1, c2, …`
pub fn columns(count: usize) -> String {
    (1..=count).map(|i| format!("c{i}")).collect::<Vec<_>>().join(", ")
}

fn operator(op: SetOperator, quantifier: SetQuantifier) -> Result<&'static str, Error> {
    match (op, quantifier) {
        (SetOperator::Union, SetQuantifier::All) => Ok("UNION ALL"),
        (SetOperator::Union, SetQuantifier::None | SetQuantifier::Distinct) => Ok("UNION"),
        (SetOperator::Intersect, SetQuantifier::None | SetQuantifier::Distinct) => Ok("INTERSECT"),
        (SetOperator::Except, SetQuantifier::None | SetQuantifier::Distinct) => Ok("EXCEPT"),
        _ => Err(Error::unsupported(format!("{op} {quantifier}"))),
    }
}

/// The terms of an ORDER BY clause.
pub fn order_terms(order: Option<&OrderBy>) -> Result<Vec<OrderByExpr>, Error> {
    let Some(order) = order else { return Ok(Vec::new()) };
    match &order.kind {
        OrderByKind::Expressions(terms)
            if order.interpolate.is_none() && terms.iter().all(|t| t.with_fill.is_none()) =>
        {
            Ok(terms.clone())
        }
        _ => Err(Error::unsupported("this form of ORDER BY")),
    }
}
