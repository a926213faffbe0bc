//! `to_char(time, pattern)`.

use super::text::fit;
use super::{Function, function, int, string};
use crate::error::Error;
use crate::span::{DAY, SECOND};
use crate::types::Type::{Text, Time};
use crate::types::{date, days};
use rusqlite::types::Value;

pub const FUNCTIONS: &[Function] =
    &[function("to_char", &[Time, Text], Text, |_, a| to_char(int(a, 0)?, string(a, 1)?))];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The patterns that are known, a longer one before one that it begins with.
const PATTERNS: [&str; 37] = [
    "HH24", "HH12", "YYYY", "MONTH", "Month", "month", "IYYY", "DDD", "DAY", "Day", "day", "MON", "Mon",
    "mon", "YYY", "YY", "MM", "DD", "DY", "Dy", "dy", "HH", "MI", "SS", "MS", "US", "IW", "ID", "AM", "PM",
    "am", "pm", "TZ", "OF", "Y", "D", "Q",
];

/// Patterns of PostgreSQL that begin with a known one, and mean something else.
const ELSEWHERE: [&str; 5] = ["Y,YYY", "SSSS", "IDDD", "TZH", "TZM"];

fn to_char(micros: i64, pattern: &str) -> Result<Value, Error> {
    let moment = Moment::of(micros);
    let mut out = String::new();
    let mut rest = pattern;
    'next: while let Some(first) = rest.chars().next() {
        if first == '"' {
            let quoted = rest[1..].split('"').next().unwrap_or_default();
            if quoted.contains('\\') {
                return Err(unknown(rest));
            }
            out.push_str(quoted);
            rest = rest.get(quoted.len() + 2..).unwrap_or_default();
            continue;
        }
        let (unpadded, bare) = match rest.strip_prefix("FM") {
            Some(bare) => (true, bare),
            None => (false, rest),
        };
        let begins = |with: &str| bare.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
        if ELSEWHERE.into_iter().any(begins) {
            return Err(unknown(rest));
        }
        for known in PATTERNS {
            let Some(head) = bare.get(..known.len()) else { continue };
            // Names tell by their case how they are written; numbers do not care.
            let named = known.bytes().any(|b| b.is_ascii_lowercase()) || moment.name(known).is_some();
            if head == known || !named && head.eq_ignore_ascii_case(known) {
                let shown = moment.shown(known, unpadded);
                out.push_str(&shown);
                rest = &bare[known.len()..];
                if rest.get(..2).is_some_and(|suffix| suffix.eq_ignore_ascii_case("th")) {
                    return Err(Error::unsupported("the suffix TH in to_char"));
                }
                continue 'next;
            }
        }
        if first.is_ascii_alphanumeric() || first == '\\' {
            return Err(unknown(rest));
        }
        out.push(first);
        rest = &rest[first.len_utf8()..];
    }
    fit(out)
}

fn unknown(pattern: &str) -> Error {
    let shown: String = pattern.chars().take(30).collect();
    Error::unsupported(format!("the pattern {shown:?} in to_char")).hint(
        "Put text into double quotes; known are YYYY, MM, DD, HH24, MI, SS, MS, US and names of months and days.",
    )
}

struct Moment {
    year: i64,
    month: i64,
    of_month: i64,
    day: i64,
    micros: i64,
}

impl Moment {
    fn of(micros: i64) -> Self {
        let day = micros.div_euclid(DAY);
        let (year, month, of_month) = date(day);
        let year = if year <= 0 { 1 - year } else { year };
        Self { year, month, of_month, day, micros: micros.rem_euclid(DAY) }
    }

    /// A pattern that stands for a word, in the pattern's case; and the blanks that PostgreSQL adds to it.
    fn name(&self, pattern: &str) -> Option<(String, usize)> {
        let weekday = WEEKDAYS[usize::try_from((self.day + 4).rem_euclid(7)).unwrap_or(0)];
        let month = MONTHS[usize::try_from(self.month - 1).unwrap_or(0)];
        let (name, width) = match pattern.to_ascii_uppercase().as_str() {
            "MONTH" => (month, 9),
            "DAY" => (weekday, 9),
            "MON" => (&month[..3], 0),
            "DY" => (&weekday[..3], 0),
            "AM" | "PM" => (if self.micros < DAY / 2 { "AM" } else { "PM" }, 0),
            "TZ" => ("UTC", 0),
            _ => return None,
        };
        let cased = if pattern.bytes().all(|b| b.is_ascii_uppercase()) {
            name.to_ascii_uppercase()
        } else if pattern.bytes().all(|b| b.is_ascii_lowercase()) {
            name.to_ascii_lowercase()
        } else {
            name.to_owned()
        };
        Some((cased, width))
    }

    fn shown(&self, pattern: &str, unpadded: bool) -> String {
        if let Some((name, width)) = self.name(pattern) {
            return if unpadded { name } else { format!("{name:<width$}") };
        }
        let hour = self.micros / (3_600 * SECOND);
        let thursday = self.day - (self.day + 3).rem_euclid(7) + 3;
        let (number, width) = match pattern {
            "YYYY" => (self.year, 4),
            "YYY" => (self.year.rem_euclid(1_000), 3),
            "YY" => (self.year.rem_euclid(100), 2),
            "Y" => (self.year.rem_euclid(10), 1),
            "IYYY" => (date(thursday).0, 4),
            "IW" => ((thursday - days(date(thursday).0, 1, 1)) / 7 + 1, 2),
            "ID" => ((self.day + 3).rem_euclid(7) + 1, 1),
            "Q" => ((self.month - 1) / 3 + 1, 1),
            "MM" => (self.month, 2),
            "DDD" => (self.day - days(date(self.day).0, 1, 1) + 1, 3),
            "DD" => (self.of_month, 2),
            "D" => ((self.day + 4).rem_euclid(7) + 1, 1),
            "HH24" => (hour, 2),
            "HH" | "HH12" => ((hour + 11) % 12 + 1, 2),
            "MI" => (self.micros / (60 * SECOND) % 60, 2),
            "SS" => (self.micros / SECOND % 60, 2),
            "MS" => (self.micros % SECOND / 1_000, 3),
            "US" => (self.micros % SECOND, 6),
            _ => return "+00".to_owned(),
        };
        if unpadded && !matches!(pattern, "MS" | "US") {
            number.to_string()
        } else {
            format!("{number:0width$}")
        }
    }
}
