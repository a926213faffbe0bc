//! Dates and times. All are UTC.

use super::{Args, Function, float, function, int, string, truth};
use crate::error::{Error, SqlState};
use crate::span::{self, DAY, SECOND, Span};
use crate::types::Type::{Bool, Float, Int, Interval, Numeric, Text, Time};
use crate::types::{date, days};
use rusqlite::types::Value;

const HOUR: i64 = 3_600 * SECOND;
/// 4714-11-24 BC and 294277-01-01: what PostgreSQL can carry.
const RANGE: std::ops::Range<i64> = -210_866_803_200_000_000..9_223_371_331_200_000_000;

pub const FUNCTIONS: &[Function] = &[
    function("now", &[], Time, |cx, _| Ok(Value::Integer(cx.now))),
    function("statement_timestamp", &[], Time, |cx, _| Ok(Value::Integer(cx.now))),
    function("transaction_timestamp", &[], Time, |cx, _| Ok(Value::Integer(cx.now))),
    function("clock_timestamp", &[], Time, |cx, _| Ok(Value::Integer(cx.now))),
    function("date_trunc", &[Text, Time], Time, |_, a| trunc(string(a, 0)?, int(a, 1)?)),
    function("date_part", &[Text, Time], Float, |_, a| as_float(part(string(a, 0)?, int(a, 1)?)?)),
    function("date_part", &[Text, Interval], Float, |_, a| as_float(part_of(string(a, 0)?, &span(a, 1)?)?)),
    function(".extract", &[Text, Time], Numeric, |_, a| as_numeric(part(string(a, 0)?, int(a, 1)?)?)),
    function(".extract", &[Text, Interval], Numeric, |_, a| {
        as_numeric(part_of(string(a, 0)?, &span(a, 1)?)?)
    }),
    function("date_bin", &[Interval, Time, Time], Time, |_, a| bin(&span(a, 0)?, int(a, 1)?, int(a, 2)?)),
    function("to_timestamp", &[Float], Time, |_, a| {
        let micros = (float(a, 0)? * 1e6).round_ties_even();
        if micros.abs() >= 9.2e18 {
            return Err(out_of_range());
        }
        within(micros as i64)
    }),
    function("age", &[Time], Interval, |cx, a| {
        shown(Ok(Span::age(cx.now - cx.now.rem_euclid(DAY), int(a, 0)?)))
    }),
    function("age", &[Time, Time], Interval, |_, a| shown(Ok(Span::age(int(a, 0)?, int(a, 1)?)))),
    function(".add", &[Time, Interval], Time, |_, a| within(span(a, 1)?.after(int(a, 0)?)?)),
    function(".sub", &[Time, Interval], Time, |_, a| within(span(a, 1)?.neg()?.after(int(a, 0)?)?)),
    function(".sub", &[Time, Time], Interval, |_, a| shown(Span::between(int(a, 0)?, int(a, 1)?))),
    // True while the series has a next value.
    function(".within", &[Int, Int, Int], Bool, |_, a| goes_on(int(a, 0)?, int(a, 1)?, int(a, 2)?.into())),
    function(".within", &[Time, Time, Interval], Bool, |_, a| {
        goes_on(int(a, 0)?, int(a, 1)?, span(a, 2)?.length())
    }),
    function(".add", &[Interval, Interval], Interval, |_, a| shown(span(a, 0)?.add(&span(a, 1)?))),
    function(".sub", &[Interval, Interval], Interval, |_, a| shown(span(a, 0)?.sub(&span(a, 1)?))),
    function(".neg", &[Interval], Interval, |_, a| shown(span(a, 0)?.neg())),
    function(".mul", &[Interval, Float], Interval, |_, a| {
        let factor = float(a, 1)?;
        shown(span(a, 0)?.scaled(|count| count * factor))
    }),
    function(".div", &[Interval, Float], Interval, |_, a| match float(a, 1)? {
        0.0 => Err(Error::new(SqlState::DIVISION_BY_ZERO, "division by zero")),
        divisor => shown(span(a, 0)?.scaled(|count| count / divisor)),
    }),
];

fn goes_on(value: i64, end: i64, step: i128) -> Result<Value, Error> {
    Ok(truth(match step {
        0 => return Err(Error::new(SqlState::INVALID_PARAMETER, "step size cannot equal zero")),
        1.. => value <= end,
        _ => value >= end,
    }))
}

fn span(args: &Args<'_>, i: usize) -> Result<Span, Error> {
    span::parse(string(args, i)?)
}

fn shown(span: Result<Span, Error>) -> Result<Value, Error> {
    span.map(|span| Value::Text(span.to_string()))
}

fn out_of_range() -> Error {
    Error::new(SqlState::TIME_OUT_OF_RANGE, "timestamp out of range")
}

fn within(micros: i64) -> Result<Value, Error> {
    if RANGE.contains(&micros) { Ok(Value::Integer(micros)) } else { Err(out_of_range()) }
}

/// A part of a time: a whole number, divided by ten to the power of its digits behind the point.
struct Part {
    number: i64,
    digits: u32,
}

impl Part {
    fn whole(number: i64) -> Self {
        Self { number, digits: 0 }
    }
}

fn as_float(part: Part) -> Result<Value, Error> {
    Ok(Value::Real(part.number as f64 / f64::from(10_u32.pow(part.digits))))
}

fn as_numeric(part: Part) -> Result<Value, Error> {
    let number = crate::decimal::Decimal::parse(&format!("{}e-{}", part.number, part.digits))?;
    Ok(number.map_or(Value::Null, |number| Value::Text(number.to_string())))
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
    within(match unit.as_str() {
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
    })
}

fn part(unit: &str, micros: i64) -> Result<Part, Error> {
    let day = micros.div_euclid(DAY);
    let (year, month, of_month) = date(day);
    let unit = unit.to_ascii_lowercase();
    Ok(Part::whole(match unit.as_str() {
        "epoch" => return Ok(Part { number: micros, digits: 6 }),
        // There is no year 0.
        "year" | "years" => year - i64::from(year <= 0),
        "quarter" => (month - 1) / 3 + 1,
        "month" | "months" => month,
        "week" | "weeks" => week(day).1,
        "isoyear" => week(day).0 - i64::from(week(day).0 <= 0),
        "day" | "days" => of_month,
        "dow" => (day + 4).rem_euclid(7),
        "isodow" => (day + 3).rem_euclid(7) + 1,
        "doy" => day - days(year, 1, 1) + 1,
        _ => return of_clock(&unit, micros.rem_euclid(DAY)).ok_or_else(|| unit_error(&unit)),
    }))
}

/// The ISO year and week of a day: the week's Thursday decides.
fn week(day: i64) -> (i64, i64) {
    let thursday = day - (day + 3).rem_euclid(7) + 3;
    let (year, _, _) = date(thursday);
    (year, (thursday - days(year, 1, 1)) / 7 + 1)
}

fn part_of(unit: &str, span: &Span) -> Result<Part, Error> {
    let unit = unit.to_ascii_lowercase();
    Ok(Part::whole(match unit.as_str() {
        "epoch" => {
            // A year has 365.25 days here, and a month 30.
            let quarters = 1_461 * (span.months / 12) + 120 * (span.months % 12) + 4 * span.days;
            let micros = quarters.checked_mul(DAY / 4).and_then(|days| days.checked_add(span.micros));
            let out_of_range = || Error::new(SqlState::TIME_OUT_OF_RANGE, "interval out of range");
            return Ok(Part { number: micros.ok_or_else(out_of_range)?, digits: 6 });
        }
        "year" | "years" => span.months / 12,
        "quarter" => span.months % 12 / 3 + 1,
        "month" | "months" => span.months % 12,
        "day" | "days" => span.days,
        _ => return of_clock(&unit, span.micros).ok_or_else(|| unit_error(&unit)),
    }))
}

fn of_clock(unit: &str, micros: i64) -> Option<Part> {
    let of_minute = micros % (60 * SECOND);
    Some(Part::whole(match unit {
        "hour" | "hours" => micros / HOUR,
        "minute" | "minutes" => micros / (60 * SECOND) % 60,
        "second" | "seconds" => return Some(Part { number: of_minute, digits: 6 }),
        "millisecond" | "milliseconds" => return Some(Part { number: of_minute, digits: 3 }),
        "microsecond" | "microseconds" => of_minute,
        _ => return None,
    }))
}

fn bin(stride: &Span, time: i64, origin: i64) -> Result<Value, Error> {
    let Some(stride) = stride.micros_without_months() else {
        let message = "timestamps cannot be binned into intervals containing months or years";
        return Err(Error::new(SqlState::NOT_SUPPORTED, message));
    };
    if stride <= 0 {
        return Err(Error::new(SqlState::TIME_OUT_OF_RANGE, "stride must be greater than zero"));
    }
    let gap = time.checked_sub(origin).ok_or_else(out_of_range)?;
    within(time - gap.rem_euclid(stride))
}

/// Whether `length_of_month` and `date` agree is tested here, since both serve times.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_its_number_are_the_same() {
        for day in (-1_000_000..1_000_000).step_by(97) {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
            assert!(of_month <= crate::types::length_of_month(year, month));
        }
    }
}
