//! Expressions.

use super::Planner;
use super::typed::{Open, Ty, Typed, compared, quoted};
use crate::error::{Error, SqlState};
use crate::functions::sqlite_name_of;
use crate::types::Type;
use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, Expr, InTarget, Interval, Query, TrimWhereField, Value,
};

impl Planner<'_> {
    /// Plans an expression.
    pub fn expr(&mut self, expr: &Expr) -> Result<Typed, Error> {
        if let Some(scope) = self.scopes.last()
            && !scope.inside_aggregate
            && let Some((_, group)) = scope.groups.iter().find(|(group, _)| group == expr)
        {
            return Ok(group.clone());
        }
        self.deeper(|planner| planner.expr_of(expr))
    }

    fn expr_of(&mut self, expr: &Expr) -> Result<Typed, Error> {
        match expr {
            Expr::Identifier(ident)
                if ident.quote_style.is_none() && super::catalog::is_word(&ident.value) =>
            {
                self.word(&ident.value)
            }
            Expr::Identifier(ident) => self.column(std::slice::from_ref(ident)),
            Expr::CompoundIdentifier(parts) => self.column(parts),
            Expr::Value(value) => self.value(&value.value),
            Expr::Nested(inner) => self.expr(inner),
            Expr::Collate { expr, collation } => self.collated(expr, &collation.to_string()),
            Expr::IsNull(inner) => self.test(inner, "IS NULL"),
            Expr::IsNotNull(inner) => self.test(inner, "IS NOT NULL"),
            Expr::IsTrue(inner) => self.test_truth(inner, "IS 1"),
            Expr::IsNotTrue(inner) => self.test_truth(inner, "IS NOT 1"),
            Expr::IsFalse(inner) => self.test_truth(inner, "IS 0"),
            Expr::IsNotFalse(inner) => self.test_truth(inner, "IS NOT 0"),
            Expr::IsUnknown(inner) => self.test_truth(inner, "IS NULL"),
            Expr::IsNotUnknown(inner) => self.test_truth(inner, "IS NOT NULL"),
            Expr::IsDistinctFrom(left, right) => self.comparison("IS NOT", left, right),
            Expr::IsNotDistinctFrom(left, right) => self.comparison("IS", left, right),
            Expr::In { expr, target, negated, global: false } => self.in_target(expr, target, *negated),
            Expr::Between { expr, negated, low, high } => self.between(expr, *negated, low, high),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => self.any(left, right, false),
            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => self.any(left, right, true),
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(".like", expr, pattern, escape_char.as_deref(), *negated)
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like(".ilike", expr, pattern, escape_char.as_deref(), *negated)
            }
            Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, format: None } => {
                let typed = self.expr(expr)?;
                self.cast_to(typed, data_type)
            }
            Expr::TypedString(typed) if !typed.uses_odbc_syntax && is_text(&typed.value.value) => {
                let text = self.value(&typed.value.value)?;
                self.cast_to(text, &typed.data_type)
            }
            Expr::Interval(interval) => self.interval(interval),
            Expr::Array(array) => self.array_literal(&array.elem),
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Exists { subquery, negated } => {
                let body = self.query(subquery, true)?;
                let not = if *negated { "NOT " } else { "" };
                Ok(Typed::known(format!("({not}EXISTS ({}))", body.sql), Type::Bool))
            }
            Expr::Subquery(query) => self.scalar(query),
            Expr::Function(function) => self.function(function),
            other => self.syntax_of_functions(other),
        }
    }

    /// Functions with a syntax of their own.
    fn syntax_of_functions(&mut self, expr: &Expr) -> Result<Typed, Error> {
        let text = |text: &str| Expr::Value(Value::SingleQuotedString(text.to_owned()).into());
        match expr {
            Expr::AtTimeZone { timestamp, time_zone } => {
                let zone = self.expr(time_zone)?;
                match zone.ty {
                    Ty::Open(Open::Text(zone)) if zone.eq_ignore_ascii_case("utc") => {
                        let time = self.expr(timestamp)?;
                        Ok(Typed::known(self.coerce(time, Type::Time)?, Type::Time))
                    }
                    _ => Err(Error::unsupported("a time zone other than 'UTC'")),
                }
            }
            Expr::Extract { field, expr, .. } => {
                self.call_named(".extract", &[&text(&field.to_string()), expr])
            }
            Expr::Ceil { expr, field } if is_plain(field) => self.call_named("ceil", &[expr]),
            Expr::Floor { expr, field } if is_plain(field) => self.call_named("floor", &[expr]),
            Expr::Position { expr, r#in } => self.call_named("strpos", &[r#in, expr]),
            Expr::Substring { expr, substring_from: Some(from), substring_for, special: _, shorthand: _ } => {
                match substring_for {
                    Some(count) => self.call_named("substring", &[expr, from, count]),
                    None => self.call_named("substring", &[expr, from]),
                }
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "btrim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let listed = trim_characters.as_deref().unwrap_or_default();
                match (trim_what, listed) {
                    (Some(what), []) => self.call_named(name, &[expr, what]),
                    (None, [what]) => self.call_named(name, &[expr, what]),
                    (None, []) => self.call_named(name, &[expr]),
                    _ => Err(Error::unsupported("this form of trim")),
                }
            }
            Expr::TypedString(typed) => {
                let message = format!("syntax error at or near \"{}\"", typed.value);
                Err(Error::new(SqlState::SYNTAX, message))
            }
            other => {
                let shown: String = other.to_string().chars().take(60).collect();
                Err(Error::unsupported(format!("the expression {shown}")))
            }
        }
    }

    /// All text is compared by its bytes, which is what "C" says; the default collation is that one.
    fn collated(&mut self, expr: &Expr, collation: &str) -> Result<Typed, Error> {
        const KNOWN: [&str; 5] = ["default", "\"default\"", "\"C\"", "\"POSIX\"", "\"ucs_basic\""];
        if !KNOWN.contains(&collation.trim_start_matches("pg_catalog.")) {
            return Err(Error::unsupported(format!("the collation {collation}")));
        }
        self.expr(expr)
    }

    fn test(&mut self, expr: &Expr, test: &str) -> Result<Typed, Error> {
        let typed = self.expr(expr)?;
        let ty = typed.ty.or_text();
        let sql = self.coerce(typed, ty)?;
        Ok(Typed::known(format!("({sql} {test})"), Type::Bool))
    }

    fn test_truth(&mut self, expr: &Expr, test: &str) -> Result<Typed, Error> {
        let sql = self.condition(expr, test)?;
        Ok(Typed::known(format!("({sql} {test})"), Type::Bool))
    }

    fn in_target(&mut self, expr: &Expr, target: &InTarget, negated: bool) -> Result<Typed, Error> {
        match target {
            InTarget::List(list) => self.in_list(expr, &list.iter().collect::<Vec<_>>(), negated),
            InTarget::Subquery(query) => self.in_query(expr, query, negated),
            _ => Err(Error::unsupported("this form of IN")),
        }
    }

    pub fn in_list(&mut self, expr: &Expr, list: &[&Expr], negated: bool) -> Result<Typed, Error> {
        let mut items = vec![self.expr(expr)?];
        for item in list {
            items.push(self.expr(item)?);
        }
        let (items, ty) = self.unified(items, "IN").map_err(|e| no_operator(e, "="))?;
        super::shape::comparable(&Ty::Known(ty), "IN")?;
        let not = if negated { "NOT " } else { "" };
        let left = compared(&items, ty);
        Ok(Typed::known(format!("({left} {not}IN ({}))", items[1..].join(", ")), Type::Bool))
    }

    pub fn in_query(&mut self, expr: &Expr, query: &Query, negated: bool) -> Result<Typed, Error> {
        let left = self.expr(expr)?;
        let body = self.query(query, true)?;
        let [(_, of_column)] = body.columns.as_slice() else {
            return Err(Error::new(SqlState::SYNTAX, "subquery has too many columns"));
        };
        let column = Typed::known("c1", of_column.or_text());
        let (items, ty) = self.unified(vec![left, column], "IN").map_err(|e| no_operator(e, "="))?;
        super::shape::comparable(&Ty::Known(ty), "IN")?;
        let not = if negated { "NOT " } else { "" };
        let left = compared(&items, ty);
        let sql = format!("({left} {not}IN (SELECT {} FROM ({})))", items[1], body.sql);
        Ok(Typed::known(sql, Type::Bool))
    }

    fn between(&mut self, expr: &Expr, negated: bool, low: &Expr, high: &Expr) -> Result<Typed, Error> {
        let items = vec![self.expr(expr)?, self.expr(low)?, self.expr(high)?];
        let (items, ty) = self.unified(items, "BETWEEN").map_err(|e| no_operator(e, ">="))?;
        super::shape::comparable(&Ty::Known(ty), "BETWEEN")?;
        let not = if negated { "NOT " } else { "" };
        let left = compared(&items, ty);
        let sql = format!("({left} {not}BETWEEN {} AND {})", items[1], items[2]);
        Ok(Typed::known(sql, Type::Bool))
    }

    /// LIKE and its relatives, by the name of their function.
    pub fn like(
        &mut self,
        name: &str,
        expr: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        negated: bool,
    ) -> Result<Typed, Error> {
        let (text, pattern) = (self.expr(expr)?, self.expr(pattern)?);
        let (text, pattern) = (self.coerce(text, Type::Text)?, self.coerce(pattern, Type::Text)?);
        let escape = match escape {
            None => "'\\'".to_owned(),
            Some(escape) => {
                let escape = self.expr(escape)?;
                self.coerce(escape, Type::Text)?
            }
        };
        let function = sqlite_name_of(name, &[Type::Text, Type::Text, Type::Text]);
        let not = if negated { "NOT " } else { "" };
        Ok(Typed::known(format!("({not}{function}({text}, {pattern}, {escape}))"), Type::Bool))
    }

    fn interval(&mut self, interval: &Interval) -> Result<Typed, Error> {
        let Expr::Value(value) = &*interval.value else {
            return Err(Error::unsupported("an interval that is no literal")
                .hint("Multiply: amount * interval '1 second'."));
        };
        let plain = interval.leading_precision.is_none()
            && interval.last_field.is_none()
            && interval.fractional_seconds_precision.is_none();
        let (Value::SingleQuotedString(text), true) = (&value.value, plain) else {
            return Err(Error::unsupported("this form of interval"));
        };
        let text = match &interval.leading_field {
            Some(unit) => format!("{text} {}", unit.to_string().to_lowercase()),
            None => text.clone(),
        };
        let span = crate::span::parse(&text)?;
        Ok(Typed::known(quoted(&span.to_string()), Type::Interval))
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Result<Typed, Error> {
        let mut heads = Vec::new();
        let mut sql = String::from("(CASE");
        match operand {
            None => {
                for when in conditions {
                    heads.push(self.condition(&when.condition, "CASE/WHEN")?);
                }
            }
            Some(operand) => {
                let mut items = vec![self.expr(operand)?];
                for when in conditions {
                    items.push(self.expr(&when.condition)?);
                }
                let (items, ty) = self.unified(items, "CASE").map_err(|e| no_operator(e, "="))?;
                super::shape::comparable(&Ty::Known(ty), "CASE")?;
                sql.push(' ');
                sql.push_str(&compared(&items, ty));
                heads.extend(items.into_iter().skip(1));
            }
        }
        let mut results = Vec::new();
        for when in conditions {
            results.push(self.expr(&when.result)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.expr(otherwise)?);
        }
        let (results, ty) = self.unified(results, "CASE")?;
        for (head, result) in heads.iter().zip(&results) {
            sql.push_str(&format!(" WHEN {head} THEN {result}"));
        }
        if let (Some(last), true) = (results.last(), results.len() > heads.len()) {
            sql.push_str(&format!(" ELSE {last}"));
        }
        sql.push_str(" END)");
        Ok(Typed::known(sql, ty))
    }

    /// A subquery as a value. SQLite takes the first of several rows, PostgreSQL refuses them.
    fn scalar(&mut self, query: &Query) -> Result<Typed, Error> {
        let body = self.query(query, true)?;
        let [(_, ty)] = body.columns.as_slice() else {
            return Err(Error::new(SqlState::SYNTAX, "subquery must return only one column"));
        };
        let one = sqlite_name_of(".one", &[Type::Int]);
        let sql = format!(
            "(SELECT CASE {one}(count(*)) WHEN 1 THEN max(c1) END FROM (SELECT c1 FROM ({}) LIMIT 2))",
            body.sql
        );
        Ok(Typed::known(sql, ty.or_text()))
    }
}

/// The parser's empty field says that there is none.
fn is_plain(field: &CeilFloorKind) -> bool {
    matches!(field, CeilFloorKind::DateTimeField(sqlparser::ast::DateTimeField::NoDateTime))
}

/// The parser takes any value behind a type's name; PostgreSQL a text in quotes.
fn is_text(value: &Value) -> bool {
    matches!(
        value,
        Value::SingleQuotedString(_)
            | Value::EscapedStringLiteral(_)
            | Value::UnicodeStringLiteral(_)
            | Value::DollarQuotedString(_)
    )
}

/// A mismatch of operands is a missing operator.
pub fn no_operator(error: Error, operator: &str) -> Error {
    if error.code != SqlState::DATATYPE_MISMATCH {
        return error;
    }
    let message = format!("operator does not exist: {operator} ({})", error.message);
    Error::new(SqlState::UNDEFINED_FUNCTION, message)
        .hint("No operator matches these types. An explicit type cast may be needed.")
}
