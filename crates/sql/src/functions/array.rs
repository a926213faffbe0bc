//! Arrays: whether one holds a value, and their elements as text.

use super::text::fit;
use super::{Args, Function, function, int, string, truth};
use crate::error::{Error, SqlState};
use crate::types::Type::{self, Array, Bool, Float, Int, Interval, Numeric, Text, Time};
use crate::{array, decimal, literal, span};
use rumormill_core::table::Cell;
use rusqlite::types::{Value, ValueRef};
use std::cmp::Ordering;

pub const FUNCTIONS: &[Function] = &[
    Function { strict: false, ..function(".among", &[Bool, Array(&Bool)], Bool, |_, a| among(a, Bool)) },
    Function { strict: false, ..function(".among", &[Int, Array(&Int)], Bool, |_, a| among(a, Int)) },
    Function { strict: false, ..function(".among", &[Float, Array(&Float)], Bool, |_, a| among(a, Float)) },
    Function {
        strict: false,
        ..function(".among", &[Numeric, Array(&Numeric)], Bool, |_, a| among(a, Numeric))
    },
    Function { strict: false, ..function(".among", &[Text, Array(&Text)], Bool, |_, a| among(a, Text)) },
    Function { strict: false, ..function(".among", &[Time, Array(&Time)], Bool, |_, a| among(a, Time)) },
    Function {
        strict: false,
        ..function(".among", &[Interval, Array(&Interval)], Bool, |_, a| among(a, Interval))
    },
    Function {
        strict: false,
        variadic: true,
        ..function(".array", &[Text], Array(&Text), |_, a| {
            let element = |i: usize| match a[i] {
                ValueRef::Null => Ok(None),
                _ => string(a, i).map(|text| Some(text.to_owned())),
            };
            let elements: Result<Vec<_>, Error> = (0..a.len()).map(element).collect();
            fit(array::print(&elements?))
        })
    },
    function(".joined", &[Text, Text], Text, |_, a| {
        let elements = array::parse(string(a, 0)?)?;
        let texts: Vec<String> = elements.into_iter().flatten().collect();
        fit(texts.join(string(a, 1)?))
    }),
    // An empty array has no length.
    function(".length", &[Text, Int], Int, |_, a| {
        let length = array::parse(string(a, 0)?)?.len();
        Ok(if length == 0 || int(a, 1)? != 1 { Value::Null } else { whole(length) })
    }),
    function(".cardinality", &[Text], Int, |_, a| Ok(whole(array::parse(string(a, 0)?)?.len()))),
];

fn whole(count: usize) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// SQL's `value = ANY (array)`: null if no element is equal and one is null. Nothing is in an empty array, not even null.
fn among(args: &Args<'_>, ty: Type) -> Result<Value, Error> {
    if args[1] == ValueRef::Null {
        return Ok(Value::Null);
    }
    let mut unknown = false;
    for element in array::parse(string(args, 1)?)? {
        match element {
            None => unknown = true,
            Some(_) if args[0] == ValueRef::Null => unknown = true,
            Some(element) if equal(args[0], literal::parse(&element, ty)?, ty)? => return Ok(truth(true)),
            Some(_) => {}
        }
    }
    Ok(if unknown { Value::Null } else { truth(false) })
}

fn equal(value: ValueRef<'_>, element: Cell, ty: Type) -> Result<bool, Error> {
    Ok(match (value, element) {
        (ValueRef::Integer(value), Cell::Int(element) | Cell::Time(element)) => value == element,
        (ValueRef::Integer(value), Cell::Bool(element)) => (value != 0) == element,
        (ValueRef::Real(value), Cell::Float(element)) => value == element,
        (ValueRef::Text(value), Cell::Text(element)) => {
            let value = String::from_utf8_lossy(value);
            match ty {
                Numeric => decimal::compare(&value, &element) == Ordering::Equal,
                Interval => span::compare(&value, &element) == Ordering::Equal,
                _ => value == element,
            }
        }
        _ => return Err(Error::new(SqlState::INTERNAL, "values of different types")),
    })
}
