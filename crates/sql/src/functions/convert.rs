//! Casts.

use super::{Args, Function, float, function, int, string, truth};
use crate::error::{Error, SqlState};
use crate::literal;
use crate::types::Type::{self, Bool, Float, Int, Interval, Json, Text, Time};
use crate::types::{self};
use rumormill_core::table::Cell;
use rusqlite::types::Value;

pub const FUNCTIONS: &[Function] = &[
    function(".to_text", &[Bool], Text, |_, a| {
        Ok(Value::Text(if int(a, 0)? != 0 { "true" } else { "false" }.to_owned()))
    }),
    function(".to_text", &[Int], Text, |_, a| Ok(Value::Text(int(a, 0)?.to_string()))),
    function(".to_text", &[Float], Text, |_, a| Ok(Value::Text(types::float(float(a, 0)?)))),
    function(".to_text", &[Time], Text, |_, a| Ok(Value::Text(types::time(int(a, 0)?)))),
    function(".to_bool", &[Text], Bool, |_, a| read(a, Bool)),
    function(".to_bool", &[Int], Bool, |_, a| Ok(truth(int(a, 0)? != 0))),
    function(".to_int", &[Text], Int, |_, a| read(a, Int)),
    function(".to_int", &[Bool], Int, |_, a| Ok(Value::Integer(int(a, 0)?))),
    function(".to_int", &[Float], Int, |_, a| {
        let value = float(a, 0)?.round_ties_even();
        // 2^63 is the first that does not fit.
        if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) {
            return Err(Error::new(SqlState::OUT_OF_RANGE, "bigint out of range"));
        }
        Ok(Value::Integer(value as i64))
    }),
    function(".to_float", &[Text], Float, |_, a| read(a, Float)),
    function(".to_float", &[Int], Float, |_, a| Ok(Value::Real(int(a, 0)? as f64))),
    function(".to_time", &[Text], Time, |_, a| read(a, Time)),
    function(".to_interval", &[Text], Interval, |_, a| read(a, Interval)),
    function(".to_json", &[Text], Json, |_, a| read(a, Json)),
    function(".in_range", &[Int, Int], Int, |_, a| {
        let (value, bits) = (int(a, 0)?, int(a, 1)?);
        let bound = 1_i64 << (bits - 1);
        if (-bound..bound).contains(&value) {
            return Ok(Value::Integer(value));
        }
        let name = if bits == 16 { "smallint" } else { "integer" };
        Err(Error::new(SqlState::OUT_OF_RANGE, format!("{name} out of range")))
    }),
];

fn read(args: &Args<'_>, ty: Type) -> Result<Value, Error> {
    Ok(match literal::parse(string(args, 0)?, ty)? {
        Cell::Null => Value::Null,
        Cell::Bool(value) => truth(value),
        Cell::Int(value) | Cell::Time(value) => Value::Integer(value),
        Cell::Float(value) => Value::Real(value),
        Cell::Text(value) => Value::Text(value),
    })
}
