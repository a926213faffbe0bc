//! Aggregates and window functions.

use super::Planner;
use super::shape::{Call, comparable, direction};
use super::typed::{Ty, Typed, ordered};
use crate::error::{Error, SqlState};
use crate::functions::sqlite_name_of;
use crate::types::Type::{self, Bool, Float, Int, Interval, Numeric, Text};
use sqlparser::ast::{
    Expr, OrderByExpr, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};

/// The names of all aggregates.
pub const AGGREGATES: [&str; 19] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "every",
    "string_agg",
    "array_agg",
    "percentile_cont",
    "percentile_disc",
    "mode",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
];

/// True of the name of an aggregate.
pub fn is_aggregate(name: &str) -> bool {
    AGGREGATES.contains(&name)
}

/// True of the name of a variance or a standard deviation.
fn is_deviation(name: &str) -> bool {
    name.starts_with("std") || name.starts_with("var")
}

impl Planner<'_> {
    /// An aggregate, or a function over a window.
    pub fn aggregate(&mut self, call: &Call<'_>) -> Result<Typed, Error> {
        match call.over {
            None => self.plain_aggregate(call),
            Some(window) => self.windowed(call, window),
        }
    }

    fn plain_aggregate(&mut self, call: &Call<'_>) -> Result<Typed, Error> {
        let name = &call.name;
        let Some(scope) = self.scopes.last_mut() else {
            return Err(Error::new(SqlState::GROUPING, "aggregate functions are not allowed here"));
        };
        if scope.inside_aggregate {
            return Err(Error::new(SqlState::GROUPING, "aggregate function calls cannot be nested"));
        }
        if !scope.aggregates_allowed {
            let message = "aggregate functions are not allowed in WHERE, JOIN and GROUP BY";
            return Err(Error::new(SqlState::GROUPING, message));
        }
        scope.aggregated = true;
        scope.inside_aggregate = true;
        let windows = std::mem::take(&mut scope.windows_allowed);
        let here = scope.resolved;
        let outside = |planner: &Self| -> usize {
            let outer = planner.scopes.len().saturating_sub(1);
            planner.scopes[..outer].iter().map(|scope| scope.resolved).sum()
        };
        let before = outside(self);
        let planned = self.arguments(call);
        let after = outside(self);
        if let Some(scope) = self.scopes.last_mut() {
            scope.inside_aggregate = false;
            scope.windows_allowed = windows;
            // PostgreSQL takes an aggregate of outer columns alone as one of the outer query.
            if after > before && scope.resolved == here {
                return Err(Error::unsupported(format!("{name} over columns of an outer query")));
            }
        }
        let (inner, ty) = planned?;
        let sql = format!("{}{}", inner.sql, inner.filter);
        Ok(Typed::known(sql, ty).finish(&inner.after))
    }

    /// The call with its arguments, and what it gives.
    fn arguments(&mut self, call: &Call<'_>) -> Result<(Written, Type), Error> {
        let name = call.name.as_str();
        let filter = match call.filter {
            Some(filter) => format!(" FILTER (WHERE {})", self.condition(filter, "FILTER")?),
            None => String::new(),
        };
        if name == "count" && call.star && call.args.is_empty() && !call.distinct {
            return Ok((Written::new("count(*)", filter), Int));
        }
        if call.star || call.subquery.is_some() {
            return Err(Error::unsupported(format!("this form of {name}")));
        }
        let mut args = Vec::new();
        for arg in &call.args {
            args.push(self.expr(arg)?);
        }
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        if call.distinct
            && let Some(first) = args.first()
        {
            comparable(&first.ty, "DISTINCT")?;
        }
        if let "string_agg" | "array_agg" | "percentile_cont" | "percentile_disc" | "mode" = name {
            let (sql, ty) = self.keeping(call, args)?;
            return Ok((Written::new(&sql, filter), ty));
        }
        if !call.within.is_empty() {
            return Err(Error::unsupported(format!("WITHIN GROUP for {name}")));
        }
        if !call.order.is_empty() {
            return Err(Error::unsupported(format!("ORDER BY in {name}")));
        }
        let [arg] = <[Typed; 1]>::try_from(args)
            .map_err(|_| Error::new(SqlState::UNDEFINED_FUNCTION, format!("{name} takes one argument")))?;
        let ty = arg.ty.or_text();
        let (function, wanted, gives, after) = signature(name, ty)?;
        let sql = ordered(&self.coerce(arg, wanted)?, wanted);
        let mut written = Written::new(&format!("{function}({distinct}{sql})"), filter);
        written.after = after;
        Ok((written, gives))
    }

    pub fn order_list(&mut self, order: &[OrderByExpr]) -> Result<String, Error> {
        let mut terms = Vec::new();
        for term in order {
            if term.with_fill.is_some() {
                return Err(Error::unsupported("WITH FILL"));
            }
            let typed = self.expr(&term.expr)?;
            let ty = typed.ty.or_text();
            comparable(&Ty::Known(ty), "ORDER BY")?;
            terms.push(direction(&self.coerce(typed, ty)?, ty, &term.options)?);
        }
        Ok(terms.join(", "))
    }

    fn windowed(&mut self, call: &Call<'_>, window: &WindowType) -> Result<Typed, Error> {
        let allowed = self.scopes.last().is_some_and(|scope| scope.windows_allowed);
        if !allowed {
            let message = "window functions are allowed only in the list of outputs and in ORDER BY";
            return Err(Error::new(SqlState::WINDOWING, message));
        }
        let WindowType::WindowSpec(spec) = window else { return Err(Error::unsupported("a named window")) };
        if let Some(scope) = self.scopes.last_mut() {
            scope.windows_allowed = false;
        }
        let planned = self.window_call(call, spec);
        if let Some(scope) = self.scopes.last_mut() {
            scope.windows_allowed = true;
        }
        planned
    }

    fn window_call(&mut self, call: &Call<'_>, spec: &WindowSpec) -> Result<Typed, Error> {
        if call.distinct {
            return Err(Error::unsupported("DISTINCT in a window function"));
        }
        let name = call.name.as_str();
        let (written, ty) = match name {
            "row_number" | "rank" | "dense_rank" if call.args.is_empty() && call.filter.is_none() => {
                (Written::new(&format!("{name}()"), String::new()), Int)
            }
            "percent_rank" | "cume_dist" if call.args.is_empty() && call.filter.is_none() => {
                (Written::new(&format!("{name}()"), String::new()), Float)
            }
            "first_value" | "last_value" | "lag" | "lead" if call.filter.is_none() => {
                self.value_function(name, &call.args)?
            }
            // rusqlite registers these as plain aggregates.
            "array_agg" | "percentile_cont" | "percentile_disc" | "mode" => {
                return Err(Error::unsupported(format!("{name} over a window")));
            }
            _ if is_aggregate(name) && !is_deviation(name) => self.arguments(call)?,
            _ => return Err(Error::unsupported(format!("{name} over a window"))),
        };
        let over = self.window(spec)?;
        let sql = format!("{}{} OVER ({over})", written.sql, written.filter);
        Ok(Typed::known(sql, ty).finish(&written.after))
    }

    fn value_function(&mut self, name: &str, args: &[&Expr]) -> Result<(Written, Type), Error> {
        let shifts = matches!(name, "lag" | "lead");
        let [first, rest @ ..] = args else {
            return Err(Error::new(SqlState::UNDEFINED_FUNCTION, format!("{name} needs an argument")));
        };
        if !shifts && !rest.is_empty() || rest.len() > 2 {
            return Err(Error::new(SqlState::UNDEFINED_FUNCTION, format!("{name} has too many arguments")));
        }
        let mut alike = vec![self.expr(first)?];
        if let Some(otherwise) = rest.get(1) {
            alike.push(self.expr(otherwise)?);
        }
        let (alike, ty) = self.unified(alike, name)?;
        let mut list = vec![alike[0].clone()];
        if let Some(offset) = rest.first() {
            let offset = self.expr(offset)?;
            // SQLite takes a negative offset as none.
            let sql = self.coerce(offset, Int)?;
            if !sql.bytes().all(|b| b.is_ascii_digit()) {
                return Err(Error::unsupported(format!("{name} by an offset that is no whole number")));
            }
            list.push(sql);
        }
        list.extend(alike.get(1).cloned());
        Ok((Written::new(&format!("{name}({})", list.join(", ")), String::new()), ty))
    }

    fn window(&mut self, spec: &WindowSpec) -> Result<String, Error> {
        if spec.window_name.is_some() {
            return Err(Error::unsupported("a named window"));
        }
        let mut parts = Vec::new();
        let mut keys = Vec::new();
        for expr in &spec.partition_by {
            let typed = self.expr(expr)?;
            let ty = typed.ty.or_text();
            comparable(&Ty::Known(ty), "PARTITION BY")?;
            keys.push(ordered(&self.coerce(typed, ty)?, ty));
        }
        if !keys.is_empty() {
            parts.push(format!("PARTITION BY {}", keys.join(", ")));
        }
        let order = self.order_list(&spec.order_by)?;
        if !order.is_empty() {
            parts.push(format!("ORDER BY {order}"));
        }
        if let Some(frame) = &spec.window_frame {
            parts.push(frame_text(frame)?);
        }
        Ok(parts.join(" "))
    }
}

/// A call in SQLite's words, its FILTER, and what converts its value.
struct Written {
    sql: String,
    filter: String,
    after: String,
}

impl Written {
    fn new(sql: &str, filter: String) -> Self {
        Self { sql: sql.to_owned(), filter, after: String::new() }
    }
}

impl Typed {
    /// The value of the function `after` of this one; the same if there is none.
    fn finish(mut self, after: &str) -> Self {
        if !after.is_empty() {
            self.sql = format!("{after}({})", self.sql);
        }
        self
    }
}

/// SQLite's function, the type that its argument is converted to, what it gives, and what converts that.
fn signature(name: &str, ty: Type) -> Result<(String, Type, Type, String), Error> {
    let plain = |function: &str, wanted, gives| Ok((function.to_owned(), wanted, gives, String::new()));
    match (name, ty) {
        ("count", ty) => plain("count", ty, Int),
        // SQLite's sum of floats becomes infinite where PostgreSQL's is an error.
        ("sum", Float) => Ok(("sum".to_owned(), Float, Float, sqlite_name_of(".finite", &[Float]))),
        ("avg", Float) => Ok(("avg".to_owned(), Float, Float, sqlite_name_of(".finite", &[Float]))),
        ("sum", Int) => plain("sum", Int, Int),
        ("avg", Int) => plain("pg_avg_n", Int, Numeric),
        ("sum" | "avg" | "min" | "max", Numeric) => plain(&format!("pg_{name}_n"), Numeric, Numeric),
        ("sum" | "avg" | "min" | "max", Interval) => plain(&format!("pg_{name}_d"), Interval, Interval),
        ("min" | "max", Int | Float | Text | Type::Time) => plain(name, ty, ty),
        ("bool_and" | "every", Bool) => plain("min", Bool, Bool),
        ("bool_or", Bool) => plain("max", Bool, Bool),
        (deviation, Float) if is_deviation(deviation) => plain(&format!("pg_{deviation}_f"), Float, Float),
        (deviation, Int | Numeric) if is_deviation(deviation) => {
            plain(&format!("pg_{deviation}_n"), ty, Numeric)
        }
        _ => Err(Error::new(
            SqlState::UNDEFINED_FUNCTION,
            format!("function {name}({}) does not exist", ty.name()),
        )
        .hint("No aggregate of that name takes this type. An explicit type cast may be needed.")),
    }
}

fn frame_text(frame: &WindowFrame) -> Result<String, Error> {
    let units = match frame.units {
        WindowFrameUnits::Rows => "ROWS",
        WindowFrameUnits::Range => "RANGE",
        WindowFrameUnits::Groups => "GROUPS",
    };
    let bound = |bound: &WindowFrameBound| -> Result<String, Error> {
        let (offset, way) = match bound {
            WindowFrameBound::CurrentRow => return Ok("CURRENT ROW".to_owned()),
            WindowFrameBound::Preceding(offset) => (offset, "PRECEDING"),
            WindowFrameBound::Following(offset) => (offset, "FOLLOWING"),
        };
        match offset.as_deref() {
            None => Ok(format!("UNBOUNDED {way}")),
            Some(Expr::Value(value)) if units != "RANGE" => {
                let number = value.value.to_string();
                let rows = number.parse::<u32>().map_err(|_| Error::unsupported("this frame of a window"))?;
                Ok(format!("{rows} {way}"))
            }
            Some(_) => Err(Error::unsupported("this frame of a window")),
        }
    };
    let start = bound(&frame.start_bound)?;
    let end = frame.end_bound.as_ref().map_or(Ok("CURRENT ROW".to_owned()), bound)?;
    Ok(format!("{units} BETWEEN {start} AND {end}"))
}
