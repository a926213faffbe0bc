//! Types of the columns of answers, and cells as text.

use crate::error::{Error, SqlState};
use rumormill_core::table::{Cell, Kind};

/// The type of an expression.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `boolean`: [`Cell::Bool`].
    Bool,
    /// `bigint`: [`Cell::Int`].
    Int,
    /// `double precision`: [`Cell::Float`].
    Float,
    /// `text`: [`Cell::Text`].
    Text,
    /// `json`: [`Cell::Text`].
    Json,
    /// `timestamp with time zone`: [`Cell::Time`].
    Time,
    /// `numeric`: [`Cell::Text`], as PostgreSQL prints it.
    Numeric,
    /// `interval`: [`Cell::Text`], as PostgreSQL prints it.
    Interval,
    /// An array of these: [`Cell::Text`], as PostgreSQL prints it.
    Array(&'static Type),
    /// `oid`, as the element of an array alone; elsewhere such a number is a `bigint`.
    Oid,
}

impl From<Kind> for Type {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Bool => Self::Bool,
            Kind::Int => Self::Int,
            Kind::Float => Self::Float,
            Kind::Text => Self::Text,
            Kind::Json => Self::Json,
            Kind::Time => Self::Time,
        }
    }
}

impl Type {
    /// The type of a single value of it.
    pub fn plain(self) -> Self {
        if self == Self::Oid { Self::Int } else { self }
    }

    /// PostgreSQL's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int => "bigint",
            Self::Float => "double precision",
            Self::Text => "text",
            Self::Json => "json",
            Self::Time => "timestamp with time zone",
            Self::Numeric => "numeric",
            Self::Interval => "interval",
            Self::Oid => "oid",
            Self::Array(element) => match element {
                Self::Bool => "boolean[]",
                Self::Int => "bigint[]",
                Self::Float => "double precision[]",
                Self::Text => "text[]",
                Self::Json => "json[]",
                Self::Time => "timestamp with time zone[]",
                Self::Numeric => "numeric[]",
                Self::Interval => "interval[]",
                Self::Oid => "oid[]",
                Self::Array(_) => "array",
            },
        }
    }
}

/// The text of a cell as PostgreSQL writes it; none for null.
pub fn text(cell: &Cell) -> Option<String> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Bool(true) => "t".to_owned(),
        Cell::Bool(false) => "f".to_owned(),
        Cell::Int(value) => value.to_string(),
        Cell::Float(value) => float(*value),
        Cell::Text(text) => text.clone(),
        Cell::Time(micros) => time(*micros),
    })
}

/// The shortest decimal that reads back as `value`; with an exponent where PostgreSQL writes one.
pub fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    if (-4..15).contains(&power) {
        return format!("{value}");
    }
    format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}

const DAY: i64 = 86_400_000_000;

/// `2026-11-30 13:59:17.5+00`.
pub fn time(micros: i64) -> String {
    let (year, month, day) = date(micros.div_euclid(DAY));
    let era = if year <= 0 { " BC" } else { "" };
    let year = if year <= 0 { 1 - year } else { year };
    format!("{year:04}-{month:02}-{day:02} {}+00{era}", clock(micros.rem_euclid(DAY).unsigned_abs()))
}

/// `01:02:03.5`; more than 24 hours stay hours.
pub fn clock(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match micros % 1_000_000 {
        0 => text,
        fraction => format!("{text}.{fraction:06}").trim_end_matches('0').to_owned(),
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar (Hinnant's `civil_from_days`).
pub fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The error for text that is no value of a type.
pub fn unreadable(input: &str, ty: Type) -> Error {
    let shown: String = input.chars().take(60).collect();
    // Text that has the form of a date names a day that there is not.
    let dated = word_is_date(input);
    let code = match ty {
        Type::Time if dated => SqlState::TIME_OUT_OF_RANGE,
        Type::Time | Type::Interval => SqlState("22007"),
        _ => SqlState::INVALID_TEXT,
    };
    Error::new(code, format!("invalid input syntax for type {}: \"{shown}\"", ty.name()))
}

fn word_is_date(word: &str) -> bool {
    let form = |(i, b): (usize, u8)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() };
    word.len() >= 10 && word.bytes().take(10).enumerate().all(form)
}

/// The days of a month.
pub fn length_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day, counted from 1970-01-01, of a date (Hinnant's `days_from_civil`).
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutColumn {
    /// Its name.
    pub name: String,
    /// The type of its cells.
    pub ty: Type,
}

/// PostgreSQL's types: number, internal name, SQL name, bytes (-1 if it varies), category, and of an array the number of its elements' type.
pub const TYPES: [(i64, &str, &str, i64, &str, i64); 23] = [
    (16, "bool", "boolean", 1, "B", 0),
    (18, "char", "\"char\"", 1, "Z", 0),
    (19, "name", "name", 64, "S", 0),
    (20, "int8", "bigint", 8, "N", 0),
    (21, "int2", "smallint", 2, "N", 0),
    (23, "int4", "integer", 4, "N", 0),
    (25, "text", "text", -1, "S", 0),
    (26, "oid", "oid", 4, "N", 0),
    (114, "json", "json", -1, "U", 0),
    (199, "_json", "json[]", -1, "A", 114),
    (701, "float8", "double precision", 8, "N", 0),
    (1000, "_bool", "boolean[]", -1, "A", 16),
    (1009, "_text", "text[]", -1, "A", 25),
    (1016, "_int8", "bigint[]", -1, "A", 20),
    (1022, "_float8", "double precision[]", -1, "A", 701),
    (1028, "_oid", "oid[]", -1, "A", 26),
    (1043, "varchar", "character varying", -1, "S", 0),
    (1184, "timestamptz", "timestamp with time zone", 8, "D", 0),
    (1185, "_timestamptz", "timestamp with time zone[]", -1, "A", 1184),
    (1186, "interval", "interval", 16, "T", 0),
    (1187, "_interval", "interval[]", -1, "A", 1186),
    (1231, "_numeric", "numeric[]", -1, "A", 1700),
    (1700, "numeric", "numeric", -1, "N", 0),
];

/// The type of arrays of these; none if these are arrays.
pub fn array_of(element: Type) -> Option<Type> {
    Some(Type::Array(match element {
        Type::Bool => &Type::Bool,
        Type::Int => &Type::Int,
        Type::Float => &Type::Float,
        Type::Text => &Type::Text,
        Type::Json => &Type::Json,
        Type::Time => &Type::Time,
        Type::Numeric => &Type::Numeric,
        Type::Interval => &Type::Interval,
        Type::Oid => &Type::Oid,
        Type::Array(_) => return None,
    }))
}

/// The number of the type of a column.
pub fn oid_of(ty: Type) -> i64 {
    match ty {
        Type::Bool => 16,
        Type::Int => 20,
        Type::Float => 701,
        Type::Text => 25,
        Type::Json => 114,
        Type::Time => 1184,
        Type::Interval => 1186,
        Type::Numeric => 1700,
        Type::Oid => 26,
        Type::Array(element) => TYPES.iter().find(|ty| ty.5 == oid_of(*element)).map_or(0, |ty| ty.0),
    }
}

/// The number of a type by either of its names.
pub fn type_oid(name: &str) -> Option<i64> {
    let name = name.trim_start_matches("pg_catalog.").to_lowercase();
    TYPES.iter().find(|ty| ty.1 == name || ty.2 == name).map(|ty| ty.0)
}

/// The SQL name of a type by its number.
pub fn type_name(oid: i64) -> Option<&'static str> {
    TYPES.iter().find(|ty| ty.0 == oid).map(|ty| ty.2)
}
