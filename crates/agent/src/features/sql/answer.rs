//! Answers as JSON.

use super::model::{SqlAnswer, SqlColumn};
use crate::refusal::Refusal;
use crate::wall::wall;
use rumormill_sql::{Cell, Error, Rows, Type, text};
use serde_json::Value;
use std::time::{Duration, UNIX_EPOCH};

/// An answer as JSON has it.
pub fn answer(rows: Rows) -> SqlAnswer {
    let Rows { columns, rows, .. } = rows;
    let types: Vec<Type> = columns.iter().map(|column| column.ty).collect();
    let row = |row: Vec<Cell>| row.into_iter().zip(&types).map(|(cell, ty)| value(cell, *ty)).collect();
    SqlAnswer {
        rows: rows.into_iter().map(row).collect(),
        columns: columns
            .into_iter()
            .map(|column| SqlColumn { name: column.name, kind: column.ty.name().into() })
            .collect(),
        as_of: time(i64::try_from(wall().0).unwrap_or(i64::MAX).saturating_mul(1_000)),
    }
}

/// A cell. A number that JSON does not have is text.
fn value(cell: Cell, ty: Type) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Bool(value) => value.into(),
        Cell::Int(value) => value.into(),
        Cell::Float(value) if value.is_finite() => value.into(),
        Cell::Text(json) if ty == Type::Json => serde_json::from_str(&json).unwrap_or(Value::String(json)),
        Cell::Text(number) if ty == Type::Numeric => numeric(number),
        Cell::Text(text) => text.into(),
        Cell::Time(micros) => time(micros).into(),
        cell => text(&cell).into(),
    }
}

/// A numeric as the number nearest to it that programs read from JSON. A whole one too large for 64 bits is text, which keeps its digits.
fn numeric(text: String) -> Value {
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => Some(whole),
        Some(_) => None,
        None => Some(text.as_str()),
    };
    match (whole.map(str::parse::<i64>), text.parse::<f64>()) {
        (Some(Ok(whole)), _) => whole.into(),
        (None, Ok(number)) if number.is_finite() => number.into(),
        _ => text.into(),
    }
}

/// Microseconds since 1970 as RFC 3339; before 1970 as PostgreSQL writes it.
fn time(micros: i64) -> String {
    match u64::try_from(micros) {
        Ok(micros) if micros < 253_402_300_800_000_000 => {
            humantime::format_rfc3339_micros(UNIX_EPOCH + Duration::from_micros(micros)).to_string()
        }
        _ => text(&Cell::Time(micros)).unwrap_or_default(),
    }
}

/// The values of parameters.
pub(super) fn params(values: Vec<Value>) -> Result<Vec<Cell>, Refusal> {
    let cell = |(at, value): (usize, Value)| {
        Ok(match value {
            Value::Null => Cell::Null,
            Value::Bool(value) => Cell::Bool(value),
            Value::Number(number) => match number.as_i64() {
                Some(number) => Cell::Int(number),
                None => Cell::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Cell::Text(text),
            Value::Array(_) | Value::Object(_) => {
                let hint = "a parameter is null, true, false, a number or text; write lists into the statement: IN ($1, $2)";
                return Err(Refusal::invalid(format!("${} is a list or an object", at + 1), hint));
            }
        })
    };
    values.into_iter().enumerate().map(cell).collect()
}

/// Why a statement has no answer. Its code is PostgreSQL's (SQLSTATE).
pub(super) fn refusal(error: &Error) -> Refusal {
    let at = error.position.map(|at| format!(" at character {at}")).unwrap_or_default();
    let text = format!("{}{at} (SQLSTATE {})", error.message, error.code.0);
    let hint = |otherwise: &str| error.hint.clone().unwrap_or_else(|| otherwise.into());
    match &error.code.0[..2] {
        "53" | "57" | "58" | "XX" => {
            Refusal::unavailable(text, hint("ask for less, or try again in a moment"))
        }
        _ => Refusal::invalid(text, hint("`rumormill sql --tables` lists all tables with their columns")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_of_cell_is_the_json_that_a_program_expects() {
        for (cell, ty, expected) in [
            (Cell::Null, Type::Int, json!(null)),
            (Cell::Int(-7), Type::Int, json!(-7)),
            (Cell::Float(0.5), Type::Float, json!(0.5)),
            (Cell::Float(f64::INFINITY), Type::Float, json!("Infinity")),
            (Cell::from("{\"a\":[1]}"), Type::Json, json!({"a": [1]})),
            (Cell::from("{"), Type::Json, json!("{")),
            (Cell::from("{}"), Type::Text, json!("{}")),
            (Cell::Time(1_500_000), Type::Time, json!("1970-01-01T00:00:01.500000Z")),
            (Cell::from("00:01:30"), Type::Interval, json!("00:01:30")),
            (Cell::from("1.50"), Type::Numeric, json!(1.5)),
            (Cell::from("3.0000000000000000"), Type::Numeric, json!(3)),
            (Cell::from("0.33333333333333333333"), Type::Numeric, json!(1.0 / 3.0)),
            (Cell::from("99999999999999999999"), Type::Numeric, json!("99999999999999999999")),
        ] {
            assert_eq!(value(cell.clone(), ty), expected, "{cell:?}");
        }
        for out_of_range in [i64::MIN, -1, i64::MAX] {
            assert!(!time(out_of_range).is_empty());
        }
    }

    #[test]
    fn a_parameter_is_a_value_and_no_list() {
        let cells = params(vec![json!(null), json!(true), json!(7), json!(0.5), json!("x")]).unwrap();
        assert_eq!(cells, [Cell::Null, true.into(), Cell::Int(7), 0.5.into(), "x".into()]);
        assert_eq!(params(vec![json!([1])]).unwrap_err().error, "$1 is a list or an object");
    }
}
