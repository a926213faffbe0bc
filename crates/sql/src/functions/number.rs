//! Arithmetic that refuses to overflow, and rounding.

use super::{Args, Function, float, function, int};
use crate::error::{Error, SqlState};
use crate::types::Type::{Float, Int, Interval, Numeric};
use crate::{decimal, span};
use rusqlite::types::{Value, ValueRef};
use std::cmp::Ordering;

pub const FUNCTIONS: &[Function] = &[
    function(".add", &[Int, Int], Int, |_, a| whole(int(a, 0)?.checked_add(int(a, 1)?))),
    function(".sub", &[Int, Int], Int, |_, a| whole(int(a, 0)?.checked_sub(int(a, 1)?))),
    function(".mul", &[Int, Int], Int, |_, a| whole(int(a, 0)?.checked_mul(int(a, 1)?))),
    function(".div", &[Int, Int], Int, |_, a| whole(int(a, 0)?.checked_div(divisor(a)?))),
    function(".mod", &[Int, Int], Int, |_, a| whole(int(a, 0)?.checked_rem(divisor(a)?).or(Some(0)))),
    function(".neg", &[Int], Int, |_, a| whole(int(a, 0)?.checked_neg())),
    function(".add", &[Float, Float], Float, |_, a| real(a, float(a, 0)? + float(a, 1)?)),
    function(".sub", &[Float, Float], Float, |_, a| real(a, float(a, 0)? - float(a, 1)?)),
    function(".mul", &[Float, Float], Float, |_, a| real(a, float(a, 0)? * float(a, 1)?)),
    function(".div", &[Float, Float], Float, |_, a| match float(a, 1)? {
        0.0 => Err(by_zero()),
        divisor => real(a, float(a, 0)? / divisor),
    }),
    function(".neg", &[Float], Float, |_, a| Ok(Value::Real(-float(a, 0)?))),
    function("mod", &[Int, Int], Int, |_, a| whole(int(a, 0)?.checked_rem(divisor(a)?).or(Some(0)))),
    function("div", &[Int, Int], Int, |_, a| whole(int(a, 0)?.checked_div(divisor(a)?))),
    function("abs", &[Int], Int, |_, a| whole(int(a, 0)?.checked_abs())),
    function("abs", &[Float], Float, |_, a| Ok(Value::Real(float(a, 0)?.abs()))),
    function("sign", &[Float], Float, |_, a| {
        let value = float(a, 0)?;
        Ok(Value::Real(if value == 0.0 { 0.0 } else { value.signum() }))
    }),
    function("ceil", &[Float], Float, |_, a| Ok(Value::Real(float(a, 0)?.ceil()))),
    function("ceiling", &[Float], Float, |_, a| Ok(Value::Real(float(a, 0)?.ceil()))),
    function("floor", &[Float], Float, |_, a| Ok(Value::Real(float(a, 0)?.floor()))),
    function("trunc", &[Float], Float, |_, a| Ok(Value::Real(float(a, 0)?.trunc()))),
    function("round", &[Float], Float, |_, a| Ok(Value::Real(float(a, 0)?.round_ties_even()))),
    function("sqrt", &[Float], Float, |_, a| match float(a, 0)? {
        value if value < 0.0 => {
            Err(Error::new(SqlState("2201F"), "cannot take square root of a negative number"))
        }
        value => Ok(Value::Real(value.sqrt())),
    }),
    function("power", &[Float, Float], Float, |_, a| power(a)),
    function("pow", &[Float, Float], Float, |_, a| power(a)),
    function("exp", &[Float], Float, |_, a| real(a, float(a, 0)?.exp())),
    function("ln", &[Float], Float, |_, a| Ok(Value::Real(positive(a)?.ln()))),
    function("log", &[Float], Float, |_, a| Ok(Value::Real(positive(a)?.log10()))),
    function("log10", &[Float], Float, |_, a| Ok(Value::Real(positive(a)?.log10()))),
    function(".finite", &[Float], Float, |_, a| real(&[], float(a, 0)?)),
    Function { strict: false, ..function(".limit", &[Int], Int, |_, a| rows(a, "LIMIT", -1)) },
    Function { strict: false, ..function(".offset", &[Int], Int, |_, a| rows(a, "OFFSET", 0)) },
    function(".one", &[Int], Int, |_, a| match int(a, 0)? {
        count if count > 1 => {
            let message = "more than one row returned by a subquery used as an expression";
            Err(Error::new(SqlState::CARDINALITY, message))
        }
        count => Ok(Value::Integer(count)),
    }),
    Function {
        strict: false,
        variadic: true,
        ..function(".greatest", &[Int], Int, |_, a| extreme(a, Ordering::Greater, Ord::cmp))
    },
    Function {
        strict: false,
        variadic: true,
        ..function(".least", &[Int], Int, |_, a| extreme(a, Ordering::Less, Ord::cmp))
    },
    Function {
        strict: false,
        variadic: true,
        ..function(".greatest", &[Numeric], Numeric, |_, a| extreme(a, Ordering::Greater, decimal::compare))
    },
    Function {
        strict: false,
        variadic: true,
        ..function(".least", &[Numeric], Numeric, |_, a| extreme(a, Ordering::Less, decimal::compare))
    },
    Function {
        strict: false,
        variadic: true,
        ..function(".greatest", &[Interval], Interval, |_, a| extreme(a, Ordering::Greater, span::compare))
    },
    Function {
        strict: false,
        variadic: true,
        ..function(".least", &[Interval], Interval, |_, a| extreme(a, Ordering::Less, span::compare))
    },
    function("pi", &[], Float, |_, _| Ok(Value::Real(std::f64::consts::PI))),
];

fn whole(value: Option<i64>) -> Result<Value, Error> {
    value.map(Value::Integer).ok_or_else(|| Error::new(SqlState::OUT_OF_RANGE, "bigint out of range"))
}

/// A result that is infinite or not a number is an error, unless an argument was infinite. SQLite has no NaN.
fn real(args: &Args<'_>, value: f64) -> Result<Value, Error> {
    let infinite = (0..args.len()).any(|i| float(args, i).is_ok_and(f64::is_infinite));
    if value.is_nan() || value.is_infinite() && !infinite {
        return Err(Error::new(SqlState::OUT_OF_RANGE, "value out of range: overflow"));
    }
    Ok(Value::Real(value))
}

fn divisor(args: &Args<'_>) -> Result<i64, Error> {
    match int(args, 1)? {
        0 => Err(by_zero()),
        value => Ok(value),
    }
}

fn by_zero() -> Error {
    Error::new(SqlState::DIVISION_BY_ZERO, "division by zero")
}

fn positive(args: &Args<'_>) -> Result<f64, Error> {
    match float(args, 0)? {
        0.0 => Err(Error::new(SqlState("2201E"), "cannot take logarithm of zero")),
        value if value < 0.0 => {
            Err(Error::new(SqlState("2201E"), "cannot take logarithm of a negative number"))
        }
        value => Ok(value),
    }
}

fn power(args: &Args<'_>) -> Result<Value, Error> {
    let (base, exponent) = (float(args, 0)?, float(args, 1)?);
    if base == 0.0 && exponent < 0.0 {
        return Err(Error::new(SqlState("2201F"), "zero raised to a negative power is undefined"));
    }
    if base < 0.0 && exponent.fract() != 0.0 {
        let message = "a negative number raised to a non-integer power yields a complex result";
        return Err(Error::new(SqlState("2201F"), message));
    }
    real(args, base.powf(exponent))
}

/// A number of rows: null is `otherwise`, and a negative one is refused, which SQLite takes as no bound.
fn rows(args: &Args<'_>, clause: &str, otherwise: i64) -> Result<Value, Error> {
    if matches!(args.first(), Some(ValueRef::Null)) {
        return Ok(Value::Integer(otherwise));
    }
    match int(args, 0)? {
        negative if negative < 0 => {
            let code = if clause == "LIMIT" { SqlState("2201W") } else { SqlState("2201X") };
            Err(Error::new(code, format!("{clause} must not be negative")))
        }
        count => Ok(Value::Integer(count)),
    }
}

/// The greatest or least of values of one type; null only if all are.
fn extreme(args: &Args<'_>, wanted: Ordering, texts: fn(&str, &str) -> Ordering) -> Result<Value, Error> {
    let mut best = ValueRef::Null;
    for arg in args {
        let order = match (arg, &best) {
            (ValueRef::Null, _) => continue,
            (_, ValueRef::Null) => wanted,
            (ValueRef::Integer(a), ValueRef::Integer(b)) => a.cmp(b),
            (ValueRef::Real(a), ValueRef::Real(b)) => a.total_cmp(b),
            (ValueRef::Text(a), ValueRef::Text(b)) => {
                texts(&String::from_utf8_lossy(a), &String::from_utf8_lossy(b))
            }
            _ => return Err(Error::new(SqlState::INTERNAL, "values of different types")),
        };
        if order == wanted {
            best = *arg;
        }
    }
    Ok(match best {
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(value) => Value::Text(String::from_utf8_lossy(value).into_owned()),
        ValueRef::Null | ValueRef::Blob(_) => Value::Null,
    })
}
