//! Dates and times. All are UTC.

use super::{Args, Function, float, function, int, string};
use crate::error::{Error, SqlState};
use crate::types::Type::{Float, Int, Interval, Text, Time};
use crate::types::{date, days};
use rusqlite::types::Value;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 4714-11-24 BC and 294277-01-01: what PostgreSQL can carry.
const RANGE: std::ops::Range<i64> = -210_866_803_200_000_000..9_223_371_331_200_000_000;

pub const FUNCTIONS: &[Function] = &[
    function("now", &[], Time, |cx, _| Ok(Value::Integer(cx.now))),
    function("statement_timestamp", &[], Time, |cx, _| Ok(Value::Integer(cx.now))),
    function("transaction_timestamp", &[], Time, |cx, _| Ok(Value::Integer(cx.now))),
    function("clock_timestamp", &[], Time, |cx, _| Ok(Value::Integer(cx.now))),
    function("date_trunc", &[Text, Time], Time, |_, a| trunc(string(a, 0)?, int(a, 1)?)),
    function("date_part", &[Text, Time], Float, |_, a| part(string(a, 0)?, int(a, 1)?)),
    function("date_part", &[Text, Interval], Float, |_, a| part_of(string(a, 0)?, int(a, 1)?)),
    function("date_bin", &[Interval, Time, Time], Time, |_, a| bin(int(a, 0)?, int(a, 1)?, int(a, 2)?)),
    function("to_timestamp", &[Float], Time, |_, a| {
        let micros = (float(a, 0)? * 1e6).round();
        if micros.abs() >= 9.2e18 {
            return Err(out_of_range());
        }
        within(Some(micros as i64))
    }),
    function("age", &[Time], Interval, |cx, a| gap(cx.now - cx.now.rem_euclid(DAY), int(a, 0)?)),
    function(".add", &[Time, Interval], Time, |_, a| within(int(a, 0)?.checked_add(int(a, 1)?))),
    function(".sub", &[Time, Interval], Time, |_, a| within(int(a, 0)?.checked_sub(int(a, 1)?))),
    function(".sub", &[Time, Time], Interval, |_, a| gap(int(a, 0)?, int(a, 1)?)),
    function(".add", &[Interval, Interval], Interval, |_, a| length(int(a, 0)?.checked_add(int(a, 1)?))),
    function(".sub", &[Interval, Interval], Interval, |_, a| length(int(a, 0)?.checked_sub(int(a, 1)?))),
    function(".neg", &[Interval], Interval, |_, a| length(int(a, 0)?.checked_neg())),
    function(".mul", &[Interval, Float], Interval, |_, a| scaled(a, float(a, 1)?)),
    function(".div", &[Interval, Float], Interval, |_, a| match float(a, 1)? {
        0.0 => Err(Error::new(SqlState::DIVISION_BY_ZERO, "division by zero")),
        divisor => scaled(a, 1.0 / divisor),
    }),
    function("make_interval_seconds", &[Int], Interval, |_, a| length(int(a, 0)?.checked_mul(SECOND))),
];

fn out_of_range() -> Error {
    Error::new(SqlState::TIME_OUT_OF_RANGE, "timestamp out of range")
}

fn within(micros: Option<i64>) -> Result<Value, Error> {
    micros.filter(|micros| RANGE.contains(micros)).map(Value::Integer).ok_or_else(out_of_range)
}

fn length(micros: Option<i64>) -> Result<Value, Error> {
    micros.map(Value::Integer).ok_or_else(|| Error::new(SqlState::TIME_OUT_OF_RANGE, "interval out of range"))
}

fn gap(later: i64, earlier: i64) -> Result<Value, Error> {
    length(later.checked_sub(earlier))
}

fn scaled(args: &Args<'_>, factor: f64) -> Result<Value, Error> {
    let micros = (int(args, 0)? as f64 * factor).round();
    length((micros.abs() < 9.2e18).then_some(micros as i64))
}

fn unit_error(unit: &str) -> Error {
    let shown: String = unit.chars().take(30).collect();
    Error::new(SqlState::INVALID_PARAMETER, format!("unit \"{shown}\" not recognized for a time"))
}

fn trunc(unit: &str, micros: i64) -> Result<Value, Error> {
    let day = micros.div_euclid(DAY);
    let (year, month, _) = date(day);
    let start = |year, month| days(year, month, 1) * DAY;
    let unit = unit.to_ascii_lowercase();
    within(Some(match unit.as_str() {
        "microsecond" | "microseconds" => micros,
        "millisecond" | "milliseconds" => micros - micros.rem_euclid(1_000),
        "second" | "seconds" => micros - micros.rem_euclid(SECOND),
        "minute" | "minutes" => micros - micros.rem_euclid(60 * SECOND),
        "hour" | "hours" => micros - micros.rem_euclid(HOUR),
        "day" | "days" => day * DAY,
        // 1970-01-01 was a Thursday; weeks begin on Monday.
        "week" | "weeks" => (day - (day + 3).rem_euclid(7)) * DAY,
        "month" | "months" => start(year, month),
        "quarter" => start(year, (month - 1) / 3 * 3 + 1),
        "year" | "years" => start(year, 1),
        _ => return Err(unit_error(&unit)),
    }))
}

fn part(unit: &str, micros: i64) -> Result<Value, Error> {
    let day = micros.div_euclid(DAY);
    let of_day = micros.rem_euclid(DAY);
    let (year, month, of_month) = date(day);
    let unit = unit.to_ascii_lowercase();
    let value = match unit.as_str() {
        "epoch" => micros as f64 / 1e6,
        "year" | "years" => year as f64,
        "quarter" => ((month - 1) / 3 + 1) as f64,
        "month" | "months" => month as f64,
        "day" | "days" => of_month as f64,
        "dow" => (day + 4).rem_euclid(7) as f64,
        "isodow" => ((day + 3).rem_euclid(7) + 1) as f64,
        "doy" => (day - days(year, 1, 1) + 1) as f64,
        _ => return of_clock(&unit, of_day).map(Value::Real).ok_or_else(|| unit_error(&unit)),
    };
    Ok(Value::Real(value))
}

fn part_of(unit: &str, micros: i64) -> Result<Value, Error> {
    let unit = unit.to_ascii_lowercase();
    let value = match unit.as_str() {
        "epoch" => micros as f64 / 1e6,
        "day" | "days" => (micros / DAY) as f64,
        _ => of_clock(&unit, micros % DAY).ok_or_else(|| unit_error(&unit))?,
    };
    Ok(Value::Real(value))
}

fn of_clock(unit: &str, of_day: i64) -> Option<f64> {
    let of_minute = of_day % (60 * SECOND);
    Some(match unit {
        "hour" | "hours" => (of_day / HOUR) as f64,
        "minute" | "minutes" => (of_day / (60 * SECOND) % 60) as f64,
        "second" | "seconds" => of_minute as f64 / 1e6,
        "millisecond" | "milliseconds" => of_minute as f64 / 1e3,
        "microsecond" | "microseconds" => of_minute as f64,
        _ => return None,
    })
}

fn bin(stride: i64, time: i64, origin: i64) -> Result<Value, Error> {
    if stride <= 0 {
        return Err(Error::new(SqlState::TIME_OUT_OF_RANGE, "stride must be greater than zero"));
    }
    let gap = time.checked_sub(origin).ok_or_else(out_of_range)?;
    within(Some(time - gap.rem_euclid(stride)))
}

/// Whether `length_of_month` and `date` agree is tested here, since both serve times.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::literal;

    #[test]
    fn a_day_and_its_number_are_the_same() {
        for day in (-1_000_000..1_000_000).step_by(97) {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
            assert!(of_month <= literal::length_of_month(year, month));
        }
    }
}
