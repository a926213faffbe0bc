//! Exact decimal numbers.

use super::{Args, Function, float, function, int, string};
use crate::decimal::Decimal;
use crate::error::{Error, SqlState};
use crate::types::Type::{Float, Int, Numeric, Text};
use rusqlite::types::Value;

pub const FUNCTIONS: &[Function] = &[
    function(".add", &[Numeric, Numeric], Numeric, |_, a| shown(decimal(a, 0)?.add(&decimal(a, 1)?))),
    function(".sub", &[Numeric, Numeric], Numeric, |_, a| shown(decimal(a, 0)?.sub(&decimal(a, 1)?))),
    function(".mul", &[Numeric, Numeric], Numeric, |_, a| shown(decimal(a, 0)?.mul(&decimal(a, 1)?))),
    function(".div", &[Numeric, Numeric], Numeric, |_, a| shown(decimal(a, 0)?.div(&decimal(a, 1)?))),
    function(".mod", &[Numeric, Numeric], Numeric, |_, a| shown(decimal(a, 0)?.rem(&decimal(a, 1)?))),
    function(".neg", &[Numeric], Numeric, |_, a| shown(Ok(decimal(a, 0)?.neg()))),
    function("mod", &[Numeric, Numeric], Numeric, |_, a| shown(decimal(a, 0)?.rem(&decimal(a, 1)?))),
    function("div", &[Numeric, Numeric], Numeric, |_, a| shown(decimal(a, 0)?.div_whole(&decimal(a, 1)?))),
    function("abs", &[Numeric], Numeric, |_, a| shown(Ok(decimal(a, 0)?.abs()))),
    function("sign", &[Numeric], Numeric, |_, a| shown(Ok(decimal(a, 0)?.sign()))),
    function("ceil", &[Numeric], Numeric, |_, a| shown(Ok(decimal(a, 0)?.ceil()))),
    function("ceiling", &[Numeric], Numeric, |_, a| shown(Ok(decimal(a, 0)?.ceil()))),
    function("floor", &[Numeric], Numeric, |_, a| shown(Ok(decimal(a, 0)?.floor()))),
    function("trunc", &[Numeric], Numeric, |_, a| shown(decimal(a, 0)?.trunc(0))),
    function("trunc", &[Numeric, Int], Numeric, |_, a| shown(decimal(a, 0)?.trunc(int(a, 1)?))),
    function("round", &[Numeric], Numeric, |_, a| shown(decimal(a, 0)?.round(0))),
    function("round", &[Numeric, Int], Numeric, |_, a| shown(decimal(a, 0)?.round(int(a, 1)?))),
    // PostgreSQL has none for floats. An operator rounds the mean of a load by it.
    function("round", &[Float, Int], Numeric, |_, a| {
        shown(Decimal::of_float(float(a, 0)?)?.round(int(a, 1)?))
    }),
    function("sqrt", &[Numeric], Numeric, |_, a| shown(decimal(a, 0)?.sqrt())),
    function("scale", &[Numeric], Int, |_, a| Ok(Value::Integer(decimal(a, 0)?.scale().into()))),
    function(".to_int", &[Numeric], Int, |_, a| decimal(a, 0)?.to_int().map(Value::Integer)),
    function(".to_float", &[Numeric], Float, |_, a| Ok(Value::Real(decimal(a, 0)?.to_float()))),
    function(".to_numeric", &[Int], Numeric, |_, a| Ok(Value::Text(int(a, 0)?.to_string()))),
    function(".to_numeric", &[Float], Numeric, |_, a| shown(Decimal::of_float(float(a, 0)?))),
    function(".to_numeric", &[Text], Numeric, |_, a| match crate::literal::parse(string(a, 0)?, Numeric)? {
        rumormill_core::table::Cell::Text(text) => Ok(Value::Text(text)),
        _ => Ok(Value::Null),
    }),
    function(".places", &[Numeric, Int, Int], Numeric, |_, a| {
        places(&decimal(a, 0)?, int(a, 1)?, int(a, 2)?)
    }),
];

/// An argument.
pub fn decimal(args: &Args<'_>, i: usize) -> Result<Decimal, Error> {
    of_text(string(args, i)?)
}

/// The decimal that its text in SQLite means.
pub fn of_text(text: &str) -> Result<Decimal, Error> {
    let wrong = || Error::new(SqlState::INTERNAL, format!("{text:?} is no numeric"));
    Decimal::parse(text)?.ok_or_else(wrong)
}

fn shown(value: Result<Decimal, Error>) -> Result<Value, Error> {
    value.map(|value| Value::Text(value.to_string()))
}

/// `numeric(precision, scale)`.
fn places(value: &Decimal, precision: i64, scale: i64) -> Result<Value, Error> {
    let rounded = value.round(scale)?;
    let digits = rounded.abs().trunc(0)?.to_string();
    let whole = if digits == "0" { 0 } else { i64::try_from(digits.len()).unwrap_or(i64::MAX) };
    if whole > precision - scale {
        let message = "numeric field overflow";
        let hint = format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value less than 10^{}.",
            precision - scale
        );
        return Err(Error::new(SqlState::OUT_OF_RANGE, message).hint(hint));
    }
    Ok(Value::Text(rounded.to_string()))
}
