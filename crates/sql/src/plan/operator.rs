//! Operators, by the types of their operands.

use super::Planner;
use super::shape::comparable;
use super::typed::{Ty, Typed, compared};
use crate::error::{Error, SqlState};
use crate::functions::sqlite_name_of;
use crate::types::Type::{self, Bool, Float, Int, Interval, Json, Numeric, Text, Time};
use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

impl Planner<'_> {
    /// An operator between two expressions.
    pub fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Typed, Error> {
        match op {
            BinaryOperator::And => self.logic("AND", left, right),
            BinaryOperator::Or => self.logic("OR", left, right),
            BinaryOperator::PGCustomBinaryOperator(parts) => match parts.last().map(String::as_str) {
                Some("~") => self.regex(".regex", left, right, false),
                Some("!~") => self.regex(".regex", left, right, true),
                Some("~*") => self.regex(".iregex", left, right, false),
                Some("=") => self.comparison("=", left, right),
                _ => Err(Error::unsupported(format!("the operator {op}"))),
            },
            BinaryOperator::PGRegexMatch => self.regex(".regex", left, right, false),
            BinaryOperator::PGRegexNotMatch => self.regex(".regex", left, right, true),
            BinaryOperator::PGRegexIMatch => self.regex(".iregex", left, right, false),
            BinaryOperator::PGRegexNotIMatch => self.regex(".iregex", left, right, true),
            BinaryOperator::PGLikeMatch => self.like(".like", left, right, None, false),
            BinaryOperator::PGNotLikeMatch => self.like(".like", left, right, None, true),
            BinaryOperator::PGILikeMatch => self.like(".ilike", left, right, None, false),
            BinaryOperator::PGNotILikeMatch => self.like(".ilike", left, right, None, true),
            BinaryOperator::PGStartsWith => self.call_named("starts_with", &[left, right]),
            BinaryOperator::Eq => self.comparison("=", left, right),
            BinaryOperator::NotEq => self.comparison("<>", left, right),
            BinaryOperator::Lt => self.comparison("<", left, right),
            BinaryOperator::LtEq => self.comparison("<=", left, right),
            BinaryOperator::Gt => self.comparison(">", left, right),
            BinaryOperator::GtEq => self.comparison(">=", left, right),
            BinaryOperator::Plus => self.arithmetic(".add", "+", left, right),
            BinaryOperator::Minus => self.arithmetic(".sub", "-", left, right),
            BinaryOperator::Multiply => self.arithmetic(".mul", "*", left, right),
            BinaryOperator::Divide => self.arithmetic(".div", "/", left, right),
            BinaryOperator::Modulo => self.arithmetic(".mod", "%", left, right),
            BinaryOperator::PGExp => self.call_named("power", &[left, right]),
            BinaryOperator::StringConcat => self.concatenation(left, right),
            BinaryOperator::Arrow => self.json(".get", Json, left, right),
            BinaryOperator::LongArrow => self.json(".text", Text, left, right),
            BinaryOperator::HashArrow => self.json_path(".get", Json, left, right),
            BinaryOperator::HashLongArrow => self.json_path(".text", Text, left, right),
            _ => Err(Error::unsupported(format!("the operator {op}"))),
        }
    }

    /// An operator before an expression.
    pub fn unary(&mut self, op: UnaryOperator, expr: &Expr) -> Result<Typed, Error> {
        match op {
            UnaryOperator::Not => {
                let sql = self.condition(expr, "NOT")?;
                Ok(Typed::known(format!("(NOT {sql})"), Bool))
            }
            UnaryOperator::Plus => {
                let typed = self.expr(expr)?;
                let ty = typed.known_type().unwrap_or(Float);
                if !is_number(ty) {
                    let message = format!("operator does not exist: + {}", ty.name());
                    return Err(Error::new(SqlState::UNDEFINED_FUNCTION, message));
                }
                Ok(Typed::known(self.coerce(typed, ty)?, ty))
            }
            UnaryOperator::Minus => {
                // The least whole number is the negation of one that does not fit.
                if let Expr::Value(value) = expr
                    && value.value.to_string() == "9223372036854775808"
                {
                    return Ok(Typed::known("(-9223372036854775807 - 1)", Int));
                }
                let typed = self.expr(expr)?;
                let ty = typed.known_type().unwrap_or(Float);
                if !is_number(ty) && ty != Interval {
                    let message = format!("operator does not exist: - {}", ty.name());
                    return Err(Error::new(SqlState::UNDEFINED_FUNCTION, message));
                }
                let sql = format!("{}({})", sqlite_name_of(".neg", &[ty]), self.coerce(typed, ty)?);
                Ok(Typed::known(sql, ty))
            }
            _ => Err(Error::unsupported(format!("the operator {op}"))),
        }
    }

    /// A chain of one of AND and OR, which the parser nests to the left, is planned as a list.
    fn logic(&mut self, word: &str, left: &Expr, right: &Expr) -> Result<Typed, Error> {
        let mut terms = vec![right];
        let mut rest = left;
        while let Expr::BinaryOp { left, op, right } = rest
            && op.to_string() == word
        {
            terms.push(right);
            rest = left;
        }
        terms.push(rest);
        let mut conditions = Vec::new();
        for term in terms.into_iter().rev() {
            conditions.push(self.condition(term, word)?);
        }
        // SQLite nests a chain to the left as well, and bounds its depth: halves keep the tree flat.
        Ok(Typed::known(balanced(&conditions, word), Bool))
    }

    /// A comparison of two expressions.
    pub fn comparison(&mut self, op: &str, left: &Expr, right: &Expr) -> Result<Typed, Error> {
        if let (Expr::Tuple(left), Expr::Tuple(right)) = (left, right)
            && matches!(op, "=" | "<>")
            && left.len() == right.len()
            && !left.is_empty()
        {
            let mut terms = Vec::new();
            for (left, right) in left.iter().zip(right) {
                terms.push(self.comparison(op, left, right)?.sql);
            }
            return Ok(Typed::known(balanced(&terms, if op == "=" { "AND" } else { "OR" }), Bool));
        }
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        self.compare(op, left, right)
    }

    /// A comparison of two expressions that are planned.
    pub fn compare(&mut self, op: &str, left: Typed, right: Typed) -> Result<Typed, Error> {
        let (l, r) = (left.known_type(), right.known_type());
        let ty = match (l, r) {
            // SQLite compares a whole number and a float exactly, PostgreSQL after it has made a float of the whole one.
            (Some(l), Some(r)) if is_number(l) && is_number(r) => wider(l, r),
            (Some(l), Some(r)) if l != r => {
                return Err(Error::new(
                    SqlState::UNDEFINED_FUNCTION,
                    format!("operator does not exist: {} {op} {}", l.name(), r.name()),
                )
                .hint("No operator matches these types. An explicit type cast may be needed."));
            }
            (l, r) => l.or(r).unwrap_or(Text),
        };
        comparable(&Ty::Known(ty), op)?;
        let items = [self.coerce(left, ty)?, self.coerce(right, ty)?];
        Ok(Typed::known(format!("({} {op} {})", compared(&items, ty), items[1]), Bool))
    }

    fn regex(&mut self, name: &str, left: &Expr, right: &Expr, negated: bool) -> Result<Typed, Error> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let (left, right) = (self.coerce(left, Text)?, self.coerce(right, Text)?);
        let not = if negated { "NOT " } else { "" };
        let function = sqlite_name_of(name, &[Text, Text]);
        Ok(Typed::known(format!("({not}{function}({left}, {right}))"), Bool))
    }

    fn concatenation(&mut self, left: &Expr, right: &Expr) -> Result<Typed, Error> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let is_text = |typed: &Typed| matches!(typed.known_type(), None | Some(Text));
        if !is_text(&left) && !is_text(&right) {
            let message = format!("operator does not exist: {} || {}", left.type_name(), right.type_name());
            return Err(Error::new(SqlState::UNDEFINED_FUNCTION, message));
        }
        let (left, right) = (self.shown_as_text(left)?, self.shown_as_text(right)?);
        Ok(Typed::known(format!("({left} || {right})"), Text))
    }

    fn json(&mut self, name: &str, gives: Type, left: &Expr, right: &Expr) -> Result<Typed, Error> {
        let (left, key) = (self.expr(left)?, self.expr(right)?);
        let left = self.coerce(left, Json)?;
        let ty = if key.known_type() == Some(Int) { Int } else { Text };
        let key = self.coerce(key, ty)?;
        Ok(Typed::known(format!("{}({left}, {key})", sqlite_name_of(name, &[Json, ty])), gives))
    }

    fn json_path(&mut self, name: &str, gives: Type, left: &Expr, right: &Expr) -> Result<Typed, Error> {
        const PATH: Type = Type::Array(&Text);
        let (left, path) = (self.expr(left)?, self.expr(right)?);
        let (left, path) = (self.coerce(left, Json)?, self.coerce(path, PATH)?);
        Ok(Typed::known(format!("{}({left}, {path})", sqlite_name_of(name, &[Json, PATH])), gives))
    }

    fn arithmetic(&mut self, name: &str, op: &str, left: &Expr, right: &Expr) -> Result<Typed, Error> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let Some((l, r, gives)) = operands(op, &left, &right) else {
            let message = format!("operator does not exist: {} {op} {}", left.type_name(), right.type_name());
            return Err(Error::new(SqlState::UNDEFINED_FUNCTION, message)
                .hint("No operator matches these types. An explicit type cast may be needed."));
        };
        let (left, right) = (self.coerce(left, l)?, self.coerce(right, r)?);
        // The commutative ones are listed once.
        let (left, right, l, r) = match (l, r) {
            (Interval, Time) | (Float, Interval) => (right, left, r, l),
            _ => (left, right, l, r),
        };
        let sql = format!("{}({left}, {right})", sqlite_name_of(name, &[l, r]));
        Ok(Typed::known(sql, gives))
    }
}

/// The types to which the operands of an operator are converted, and what it gives.
fn operands(op: &str, left: &Typed, right: &Typed) -> Option<(Type, Type, Type)> {
    let (l, r) = match (&left.ty, &right.ty) {
        (Ty::Known(l), Ty::Known(r)) => (*l, *r),
        // PostgreSQL takes an untyped operand as being of the other's type, if there is such an operator.
        (Ty::Known(Time), Ty::Open(_)) if op == "+" => (Time, Interval),
        (Ty::Open(_), Ty::Known(Time)) if op == "+" => (Interval, Time),
        (Ty::Known(Interval), Ty::Open(_)) if matches!(op, "*" | "/") => (Interval, Float),
        (Ty::Known(known), Ty::Open(_)) | (Ty::Open(_), Ty::Known(known)) => (*known, *known),
        (Ty::Open(_), Ty::Open(_)) => return None,
    };
    match (l, op, r) {
        (Int, _, Int) => Some((Int, Int, Int)),
        (l, _, r) if is_number(l) && is_number(r) => match (wider(l, r), op) {
            (Float, "%") => None,
            (ty, _) => Some((ty, ty, ty)),
        },
        (Time, "+" | "-", Interval) => Some((Time, Interval, Time)),
        (Interval, "+", Time) => Some((Interval, Time, Time)),
        (Time, "-", Time) => Some((Time, Time, Interval)),
        (Interval, "+" | "-", Interval) => Some((Interval, Interval, Interval)),
        (Interval, "*" | "/", r) if is_number(r) => Some((Interval, Float, Interval)),
        (l, "*", Interval) if is_number(l) => Some((Float, Interval, Interval)),
        _ => None,
    }
}

/// True of the types of numbers.
pub fn is_number(ty: Type) -> bool {
    matches!(ty, Int | Numeric | Float)
}

/// The type to which PostgreSQL converts two numbers that stand together.
pub fn wider(left: Type, right: Type) -> Type {
    match (left, right) {
        (Float, _) | (_, Float) => Float,
        (Numeric, _) | (_, Numeric) => Numeric,
        _ => Int,
    }
}

/// The terms joined by `word`, as a tree of the least depth.
fn balanced(terms: &[String], word: &str) -> String {
    match terms {
        [] => String::from("1"),
        [term] => term.clone(),
        _ => {
            let (left, right) = terms.split_at(terms.len() / 2);
            format!("({} {word} {})", balanced(left, word), balanced(right, word))
        }
    }
}
