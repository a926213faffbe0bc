//! Arrays, and `= ANY (…)`.

use super::Planner;
use super::expr::no_operator;
use super::operator::{is_number, wider};
use super::shape::comparable;
use super::typed::{Open, Ty, Typed};
use crate::error::{Error, SqlState};
use crate::functions::sqlite_name_of;
use crate::types::Type::{self, Array, Bool, Int, Text};
use crate::types::array_of;
use sqlparser::ast::Expr;

impl Planner<'_> {
    /// `= ANY (…)`, and `<> ALL (…)`, which is its negation.
    pub fn any(&mut self, left: &Expr, right: &Expr, negated: bool) -> Result<Typed, Error> {
        match right {
            Expr::Nested(inner) => self.any(left, inner, negated),
            Expr::Cast { expr, data_type: sqlparser::ast::DataType::Array(_), .. }
                if matches!(&**expr, Expr::Array(_)) =>
            {
                self.any(left, expr, negated)
            }
            Expr::Array(array) if array.elem.is_empty() => {
                Ok(Typed::known(i64::from(negated).to_string(), Bool))
            }
            Expr::Array(array) => self.in_list(left, &array.elem.iter().collect::<Vec<_>>(), negated),
            Expr::Subquery(query) => self.in_query(left, query, negated),
            other if super::catalog::is_array_of_catalog(other) => self.any_of_catalog(left, other, negated),
            other => self.among(left, other, negated),
        }
    }

    /// `left = ANY (right)` where `right` is an array as a value, for example a parameter.
    fn among(&mut self, left: &Expr, right: &Expr, negated: bool) -> Result<Typed, Error> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let element = match right.ty {
            Ty::Known(Array(element)) => Some(element.plain()),
            Ty::Open(_) => None,
            Ty::Known(_) => {
                let message = "op ANY/ALL (array) requires array on right side";
                return Err(Error::new(SqlState("42809"), message));
            }
        };
        let ty = match (left.known_type(), element) {
            (Some(left), Some(element)) if is_number(left) && is_number(element) => wider(left, element),
            (Some(left), Some(element)) if left != element => {
                let message = format!("types {} and {}[] do not match", left.name(), element.name());
                return Err(no_operator(Error::new(SqlState::DATATYPE_MISMATCH, message), "="));
            }
            (left, element) => left.or(element).unwrap_or(Text),
        };
        comparable(&Ty::Known(ty), "ANY")?;
        let array = array_of(ty).ok_or_else(|| Error::unsupported("an array of arrays"))?;
        let left = self.coerce(left, ty)?;
        // The elements of an array of numbers are read as what they are compared with.
        let right = if right.known_type().is_some() { right.sql } else { self.coerce(right, array)? };
        let not = if negated { "NOT " } else { "" };
        Ok(Typed::known(format!("({not}{}({left}, {right}))", sqlite_name_of(".among", &[ty, array])), Bool))
    }

    /// `ARRAY[…]`.
    pub fn array_literal(&mut self, elements: &[Expr]) -> Result<Typed, Error> {
        if elements.is_empty() {
            let error = Error::new(SqlState("42P18"), "cannot determine type of empty array");
            return Err(error.hint("Explicitly cast to the desired type, for example '{}'::bigint[]."));
        }
        let mut items = Vec::new();
        for element in elements {
            items.push(self.expr(element)?);
        }
        let (items, ty) = self.unified(items, "ARRAY")?;
        let array = array_of(ty).ok_or_else(|| Error::unsupported("an array of several dimensions"))?;
        let mut texts = Vec::new();
        for item in items {
            texts.push(self.element(item, ty)?);
        }
        Ok(Typed::known(format!("{}({})", sqlite_name_of(".array", &[Text]), texts.join(", ")), array))
    }

    /// A value as the text of an element.
    pub fn element(&mut self, sql: String, ty: Type) -> Result<String, Error> {
        match ty {
            Bool => Ok(format!("(CASE {sql} WHEN 1 THEN 't' WHEN 0 THEN 'f' END)")),
            ty => self.shown_as_text(Typed::known(sql, ty)),
        }
    }

    /// Functions of arrays as values; none if it is another one, or if its argument is no array.
    pub fn array_call(&mut self, name: &str, args: &[&Expr]) -> Result<Option<Typed>, Error> {
        let (function, wanted, gives): (_, &[Type], _) = match name {
            "array_to_string" => (".joined", &[Text], Text),
            "array_length" => (".length", &[Int], Int),
            "cardinality" => (".cardinality", &[], Int),
            _ => return Ok(None),
        };
        let [array, rest @ ..] = args else { return Ok(None) };
        let array = self.expr(array)?;
        let sql = match array.ty {
            Ty::Known(Array(_)) => array.sql,
            Ty::Open(Open::Null) => "NULL".to_owned(),
            _ => return Err(Error::unsupported(format!("{name} of anything but an array"))),
        };
        if rest.len() != wanted.len() {
            return Err(Error::unsupported(format!("this form of {name}")));
        }
        let mut list = vec![sql];
        for (arg, ty) in rest.iter().zip(wanted) {
            let typed = self.expr(arg)?;
            list.push(self.coerce(typed, *ty)?);
        }
        let types: Vec<Type> = std::iter::once(Text).chain(wanted.iter().copied()).collect();
        Ok(Some(Typed::known(format!("{}({})", sqlite_name_of(function, &types), list.join(", ")), gives)))
    }
}
