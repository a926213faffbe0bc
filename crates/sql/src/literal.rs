//! Values of each type from their text, as PostgreSQL reads it; used by literals, casts and parameters.

use crate::decimal::Decimal;
use crate::error::{Error, SqlState};
use crate::span::{self, DAY, SECOND};
use crate::types::{Type, days, length_of_month, text, unreadable};
use rumormill_core::table::Cell;

/// The value of `input` as a `ty`.
pub fn parse(input: &str, ty: Type) -> Result<Cell, Error> {
    if input.contains('\0') {
        return Err(Error::new(SqlState("22021"), "text must not hold a zero byte"));
    }
    let word = input.trim();
    match ty {
        Type::Text => Some(Cell::Text(input.to_owned())),
        Type::Json => {
            serde_json::from_str::<serde::de::IgnoredAny>(input).is_ok().then(|| Cell::Text(input.to_owned()))
        }
        Type::Bool => boolean(word).map(Cell::Bool),
        Type::Int | Type::Oid => return integer(word).map(Cell::Int),
        Type::Float => return float(word).map(Cell::Float),
        Type::Time => time(word).map(Cell::Time),
        Type::Interval => return span::parse(word).map(|span| Cell::Text(span.to_string())),
        Type::Numeric => return numeric(word).map(Cell::Text),
        Type::Array(element) => return array(word, *element).map(Cell::Text),
    }
    .ok_or_else(|| unreadable(word, ty))
}

/// `cell` as a `ty`: itself if it is one, else by its text.
pub fn convert(cell: &Cell, ty: Type) -> Result<Cell, Error> {
    match (cell, ty) {
        (Cell::Null, _)
        | (Cell::Bool(_), Type::Bool)
        | (Cell::Int(_), Type::Int)
        | (Cell::Float(_), Type::Float)
        | (Cell::Time(_), Type::Time) => Ok(cell.clone()),
        (Cell::Int(value), Type::Float) => Ok(Cell::Float(*value as f64)),
        (Cell::Bool(value), _) => parse(if *value { "true" } else { "false" }, ty),
        _ => parse(&text(cell).unwrap_or_default(), ty),
    }
}

fn boolean(word: &str) -> Option<bool> {
    let word = word.to_ascii_lowercase();
    let starts = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&word);
    if starts("true", 1) || starts("yes", 1) || word == "on" || word == "1" {
        return Some(true);
    }
    (starts("false", 1) || starts("no", 1) || starts("off", 2) || word == "0").then_some(false)
}

fn integer(word: &str) -> Result<i64, Error> {
    word.parse().map_err(|_| {
        let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            let message = format!("value \"{word}\" is out of range for type bigint");
            return Error::new(SqlState::OUT_OF_RANGE, message);
        }
        unreadable(word, Type::Int)
    })
}

fn float(word: &str) -> Result<f64, Error> {
    let known = match word.to_ascii_lowercase().as_str() {
        "inf" | "infinity" | "+infinity" | "+inf" => Some(f64::INFINITY),
        "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
        "nan" => return Err(Error::unsupported("NaN")),
        _ if !word.bytes().any(|b| b.is_ascii_digit()) => None,
        _ => word.parse::<f64>().ok(),
    };
    match known {
        Some(value) if value.is_infinite() && word.bytes().any(|b| b.is_ascii_digit()) => Err(Error::new(
            SqlState::OUT_OF_RANGE,
            format!("\"{word}\" is out of range for type double precision"),
        )),
        Some(value) => Ok(value),
        None => Err(unreadable(word, Type::Float)),
    }
}

fn array(word: &str, element: Type) -> Result<String, Error> {
    let mut elements = crate::array::parse(word)?;
    for text in elements.iter_mut().flatten() {
        *text = crate::types::text(&parse(text, element)?).unwrap_or_default();
    }
    Ok(crate::array::print(&elements))
}

fn numeric(word: &str) -> Result<String, Error> {
    if let "nan" | "inf" | "infinity" | "+infinity" | "+inf" | "-inf" | "-infinity" =
        word.to_ascii_lowercase().as_str()
    {
        return Err(Error::unsupported("NaN and an infinite numeric"));
    }
    let number = Decimal::parse(word)?.ok_or_else(|| unreadable(word, Type::Numeric))?;
    Ok(number.to_string())
}

/// `2026-11-30[( |T)13:59[:17[.5]]][Z|+01[:30]]`; without a zone it is UTC.
pub fn time(word: &str) -> Option<i64> {
    if word == "epoch" {
        return Some(0);
    }
    let (date, rest) = word.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let real = (1..=12).contains(&month) && day >= 1 && day <= length_of_month(year, month);
    if parts.next().is_some() || !real || year == 0 {
        return None;
    }
    let midnight = days(year, month, day) * DAY;
    let rest = rest.trim_start_matches(['T', 't', ' ']);
    if rest.is_empty() {
        return Some(midnight);
    }
    let zone = rest.find(['Z', 'z', '+', '-', 'U', 'u', ' ']).unwrap_or(rest.len());
    let (clock_text, zone_text) = rest.split_at(zone);
    let of_day = clock(clock_text)?;
    Some(midnight + of_day - offset(zone_text.trim())?)
}

fn digits(word: &str, count: usize) -> Option<i64> {
    (word.len() == count && word.bytes().all(|b| b.is_ascii_digit())).then(|| word.parse().ok())?
}

/// `13:59[:17[.5]]` in microseconds.
fn clock(word: &str) -> Option<i64> {
    let mut parts = word.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let seconds = parts.next().map_or(Some(0), fraction)?;
    let fits = hour <= 24 && minute < 60 && seconds < 60 * SECOND && parts.next().is_none();
    let micros = (hour * 60 + minute) * 60 * SECOND + seconds;
    (fits && micros <= DAY).then_some(micros)
}

/// `17[.5]` in microseconds, rounded.
fn fraction(word: &str) -> Option<i64> {
    let (whole, part) = word.split_once('.').unwrap_or((word, ""));
    if whole.len() > 12 || whole.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole = digits(whole, whole.len())?;
    let scaled = if part.is_empty() { 0.0 } else { format!("0.{part}").parse::<f64>().ok()? * 1e6 };
    Some(whole * SECOND + scaled.round() as i64)
}

/// `Z`, `UTC`, `+01`, `+01:30`, `-0130` in microseconds.
fn offset(word: &str) -> Option<i64> {
    if word.is_empty() || word.eq_ignore_ascii_case("z") || word.eq_ignore_ascii_case("utc") {
        return Some(0);
    }
    let sign = if word.starts_with('-') { -1 } else { 1 };
    let numbers = word.strip_prefix(['+', '-'])?.replace(':', "");
    let (hours, minutes) = match numbers.len() {
        1 | 2 => (numbers.parse::<i64>().ok()?, 0),
        4 => (digits(&numbers[..2], 2)?, digits(&numbers[2..], 2)?),
        _ => return None,
    };
    (hours <= 15 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60 * SECOND)
}
