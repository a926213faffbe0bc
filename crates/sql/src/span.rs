//! Spans of time: PostgreSQL's `interval`.
//!
//! Months, days and the rest are counted apart, since a month has no fixed length. Inside of SQLite a span is the text that PostgreSQL prints; the
//! collation [`COLLATION`] compares such texts as PostgreSQL does, a month as 30 days and a day as 24 hours.

use crate::error::{Error, SqlState};
use crate::types::{clock, date, days};
use std::cmp::Ordering;
use std::fmt;

/// The collation that compares spans.
pub const COLLATION: &str = "pg_interval";

/// Microseconds.
pub const SECOND: i64 = 1_000_000;
pub const DAY: i64 = 86_400 * SECOND;
const DAYS_OF_MONTH: i64 = 30;

/// A span of time.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub months: i64,
    pub days: i64,
    pub micros: i64,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let mut before_negative = false;
        let named = [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")];
        for (count, unit) in named.into_iter().filter(|(count, _)| *count != 0) {
            let sign = if before_negative && count > 0 { "+" } else { "" };
            let plural = if count == 1 { "" } else { "s" };
            parts.push(format!("{sign}{count} {unit}{plural}"));
            before_negative = count < 0;
        }
        if self.micros != 0 || parts.is_empty() {
            let sign = match (self.micros < 0, before_negative) {
                (true, _) => "-",
                (false, true) => "+",
                (false, false) => "",
            };
            parts.push(format!("{sign}{}", clock(self.micros.unsigned_abs())));
        }
        f.write_str(&parts.join(" "))
    }
}

fn out_of_range() -> Error {
    Error::new(SqlState::TIME_OUT_OF_RANGE, "interval out of range")
}

impl Span {
    /// A span of microseconds alone.
    pub fn of_micros(micros: i64) -> Self {
        Self { micros, ..Self::default() }
    }

    /// The gap between two times: whole days, and the rest.
    pub fn between(later: i64, earlier: i64) -> Result<Self, Error> {
        let gap = later.checked_sub(earlier).ok_or_else(out_of_range)?;
        Ok(Self { months: 0, days: gap / DAY, micros: gap % DAY })
    }

    /// Its length, a month as 30 days.
    pub fn length(&self) -> i128 {
        i128::from(self.months * DAYS_OF_MONTH + self.days) * i128::from(DAY) + i128::from(self.micros)
    }

    /// Its microseconds, if it has no months.
    pub fn micros_without_months(&self) -> Option<i64> {
        if self.months != 0 { None } else { i64::try_from(self.length()).ok() }
    }

    /// PostgreSQL keeps months and days in 32 bits.
    fn fit(months: Option<i64>, days: Option<i64>, micros: Option<i64>) -> Result<Self, Error> {
        let narrow = |count: Option<i64>| count.filter(|count| i32::try_from(*count).is_ok());
        match (narrow(months), narrow(days), micros) {
            (Some(months), Some(days), Some(micros)) => Ok(Self { months, days, micros }),
            _ => Err(out_of_range()),
        }
    }

    /// The sum.
    pub fn add(&self, other: &Self) -> Result<Self, Error> {
        Self::fit(
            self.months.checked_add(other.months),
            self.days.checked_add(other.days),
            self.micros.checked_add(other.micros),
        )
    }

    /// The same backwards.
    pub fn neg(&self) -> Result<Self, Error> {
        Self::fit(Some(-self.months), Some(-self.days), self.micros.checked_neg())
    }

    /// The difference.
    pub fn sub(&self, other: &Self) -> Result<Self, Error> {
        Self::fit(
            self.months.checked_sub(other.months),
            self.days.checked_sub(other.days),
            self.micros.checked_sub(other.micros),
        )
    }

    /// Each of its counts by `scale`; a part of a month becomes days, and a part of a day hours.
    pub fn scaled(&self, scale: impl Fn(f64) -> f64) -> Result<Self, Error> {
        let (months, days) = (scale(self.months as f64), scale(self.days as f64));
        let of_month = steady((months - months.trunc()) * DAYS_OF_MONTH as f64);
        let mut whole_days = days.trunc();
        let mut seconds = steady((days - days.trunc() + of_month - of_month.trunc()) * 86_400.0);
        if seconds.abs() >= 86_400.0 {
            whole_days += (seconds / 86_400.0).trunc();
            seconds -= (seconds / 86_400.0).trunc() * 86_400.0;
        }
        let micros = (scale(self.micros as f64) + seconds * 1e6).round_ties_even();
        let whole = |value: f64| (value.abs() < 9.2e18).then_some(value as i64);
        Self::fit(whole(months), whole(whole_days + of_month.trunc()), whole(micros))
    }

    /// The time that lies this span after `time`.
    pub fn after(&self, time: i64) -> Result<i64, Error> {
        let range = || Error::new(SqlState::TIME_OUT_OF_RANGE, "timestamp out of range");
        let mut time = time;
        if self.months != 0 {
            let (year, month, of_month) = date(time.div_euclid(DAY));
            let months = year * 12 + month - 1 + self.months;
            let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
            let of_month = of_month.min(crate::types::length_of_month(year, month));
            let midnight = days(year, month, of_month).checked_mul(DAY).ok_or_else(range)?;
            time = midnight.checked_add(time.rem_euclid(DAY)).ok_or_else(range)?;
        }
        let of_days = self.days.checked_mul(DAY).ok_or_else(range)?;
        time.checked_add(of_days).and_then(|time| time.checked_add(self.micros)).ok_or_else(range)
    }

    /// Years, months and days from one time to another, as a calendar counts them.
    pub fn age(later: i64, earlier: i64) -> Self {
        if later < earlier {
            let age = Self::age_forward(earlier, later);
            return Self { months: -age.months, days: -age.days, micros: -age.micros };
        }
        Self::age_forward(later, earlier)
    }

    fn age_forward(later: i64, earlier: i64) -> Self {
        let (year, month, day) = date(later.div_euclid(DAY));
        let (from_year, from_month, from_day) = date(earlier.div_euclid(DAY));
        let mut micros = later.rem_euclid(DAY) - earlier.rem_euclid(DAY);
        let mut days = day - from_day;
        let mut months = (year - from_year) * 12 + month - from_month;
        if micros < 0 {
            micros += DAY;
            days -= 1;
        }
        if days < 0 {
            // The month that the earlier time lies in lends its days.
            days += crate::types::length_of_month(from_year, from_month);
            months -= 1;
        }
        Self { months, days, micros }
    }
}

/// Rounds away what floats add to a whole number of microseconds.
fn steady(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

/// Compares two canonical texts as spans.
pub fn compare(a: &str, b: &str) -> Ordering {
    let length = |text: &str| parse(text).map_or(0, |span| span.length());
    length(a).cmp(&length(b))
}

/// `5 minutes`, `1 day 02:30:00`, `-90s`, `1h30m`, `2 hours ago`.
pub fn parse(word: &str) -> Result<Span, Error> {
    let bad = || crate::types::unreadable(word, crate::types::Type::Interval);
    let lower = word.to_ascii_lowercase();
    let (body, ago) = match lower.strip_suffix("ago") {
        Some(body) => (body.trim_end(), true),
        None => (lower.as_str(), false),
    };
    let mut total = Span::default();
    let mut rest = body.trim();
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || "+-.:".contains(c))).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let after = after.trim_start();
        if number.contains(':') {
            let negative = number.starts_with('-');
            let micros = clock_of(number.trim_start_matches(['+', '-'])).ok_or_else(bad)?;
            total = total.add(&Span::of_micros(if negative { -micros } else { micros }))?;
            rest = after;
            continue;
        }
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (mut unit, after) = after.split_at(end);
        let after = after.trim_start();
        if unit.is_empty() && !after.is_empty() {
            // A number before a time of day counts days; before anything else it counts nothing.
            let next = after.split(' ').next().unwrap_or_default();
            unit = if next.contains(':') { "day" } else { "?" };
        }
        total = total.add(&amount(number, unit).ok_or_else(bad)??)?;
        rest = after;
    }
    if ago { total.neg() } else { Ok(total) }
}

/// `2:30`, `02:30:00.5` in microseconds.
fn clock_of(word: &str) -> Option<i64> {
    let mut parts = word.split(':');
    let mut whole = || -> Option<i64> { parts.next()?.parse::<u32>().ok().map(i64::from) };
    let (hours, minutes) = (whole()?, whole()?);
    let seconds = parts.next().map_or(Some(0), |text| {
        let seconds: f64 =
            text.bytes().all(|b| b.is_ascii_digit() || b == b'.').then(|| text.parse().ok())??;
        (seconds < 60.0).then_some((seconds * 1e6).round_ties_even() as i64)
    })?;
    (minutes < 60 && parts.next().is_none()).then_some((hours * 60 + minutes) * 60 * SECOND + seconds)
}

/// So many of a unit; none if there is no such unit or number.
fn amount(number: &str, unit: &str) -> Option<Result<Span, Error>> {
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0
        || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let sign = if number.starts_with('-') { -1 } else { 1 };
    let count: Option<i64> = if whole.is_empty() { Some(0) } else { whole.parse().ok() };
    let count = count.map(|count| sign * count);
    let part = format!("0.{fraction}0").parse::<f64>().ok()? * if sign < 0 { -1.0 } else { 1.0 };
    let micros = |length: i64| {
        let count = count?.checked_mul(length)?;
        count.checked_add((part * length as f64).round_ties_even() as i64)
    };
    // A part of some days: days, and the rest of one.
    let part_of_days = |days: i64| {
        let days = part * days as f64;
        (days.trunc() as i64, ((days - days.trunc()) * DAY as f64).round_ties_even() as i64)
    };
    let of_days = |each: i64| {
        let (days, rest) = part_of_days(each);
        Span::fit(Some(0), count.and_then(|count| count.checked_mul(each)?.checked_add(days)), Some(rest))
    };
    Some(match unit {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" => {
            Span::fit(Some(0), Some(0), micros(1))
        }
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => {
            Span::fit(Some(0), Some(0), micros(1_000))
        }
        "" | "s" | "sec" | "secs" | "second" | "seconds" => Span::fit(Some(0), Some(0), micros(SECOND)),
        "m" | "min" | "mins" | "minute" | "minutes" => Span::fit(Some(0), Some(0), micros(60 * SECOND)),
        "h" | "hr" | "hrs" | "hour" | "hours" => Span::fit(Some(0), Some(0), micros(3_600 * SECOND)),
        "d" | "day" | "days" => of_days(1),
        "w" | "week" | "weeks" => of_days(7),
        "mon" | "mons" | "month" | "months" => {
            let (days, rest) = part_of_days(DAYS_OF_MONTH);
            Span::fit(count, Some(days), Some(rest))
        }
        "y" | "yr" | "yrs" | "year" | "years" => {
            let months = (part * 12.0).round_ties_even() as i64;
            Span::fit(count.and_then(|count| count.checked_mul(12)?.checked_add(months)), Some(0), Some(0))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected texts are PostgreSQL 15's.
    #[test]
    fn spans_are_read_and_printed_as_postgresql_does() {
        for (text, shown) in [
            ("24 hours", "24:00:00"),
            ("1 day", "1 day"),
            ("-1 day", "-1 days"),
            ("1 02:03:04", "1 day 02:03:04"),
            ("-1 day 02:03", "-1 days +02:03:00"),
            ("1 day -1 s", "1 day -00:00:01"),
            ("1h30m", "01:30:00"),
            ("90 s ago", "-00:01:30"),
            ("1.5 days", "1 day 12:00:00"),
            ("1.5 months", "1 mon 15 days"),
            ("1.5 years", "1 year 6 mons"),
            ("14 months", "1 year 2 mons"),
            ("1.5 weeks", "10 days 12:00:00"),
            ("0", "00:00:00"),
            ("0.000001", "00:00:00.000001"),
        ] {
            let span = parse(text).unwrap();
            assert_eq!(span.to_string(), shown, "{text}");
            assert_eq!(parse(shown).unwrap(), span, "{shown}");
        }
        for wrong in ["", "day", "1 2 days", "1 fortnight", "1:60", "- 1 day", "ago", "1.2.3 s"] {
            assert_eq!(parse(wrong).unwrap_err().code.0, "22007", "{wrong}");
        }
        assert_eq!(compare("24:00:00", "1 day"), Ordering::Equal);
        assert_eq!(compare("1 mon", "31 days"), Ordering::Less);
    }

    #[test]
    fn a_month_later_is_the_last_day_where_there_is_no_such_day() {
        let day = |year, month, of_month| days(year, month, of_month) * DAY;
        let later = |text: &str, time| parse(text).unwrap().after(time).unwrap();
        assert_eq!(later("1 month", day(2026, 1, 31)), day(2026, 2, 28));
        assert_eq!(later("-1 year", day(2024, 2, 29)), day(2023, 2, 28));
        assert_eq!(Span::age(day(2026, 3, 1), day(2026, 1, 31)).to_string(), "1 mon 1 day");
        assert_eq!(Span::age(day(2026, 1, 31), day(2026, 3, 1)).to_string(), "-1 mons -1 days");
    }
}
