//! Types of the columns of answers, and cells as text.

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
    /// `interval`: [`Cell::Int`], in microseconds.
    Interval,
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
    /// PostgreSQL's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int => "bigint",
            Self::Float => "double precision",
            Self::Text => "text",
            Self::Json => "json",
            Self::Time => "timestamp with time zone",
            Self::Interval => "interval",
        }
    }
}

/// The text of a cell as PostgreSQL writes it; none for null.
pub fn text(cell: &Cell, ty: Type) -> Option<String> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Bool(true) => "t".to_owned(),
        Cell::Bool(false) => "f".to_owned(),
        Cell::Int(micros) if ty == Type::Interval => interval(*micros),
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
    format!("{year:04}-{month:02}-{day:02} {}+00{era}", clock(micros.rem_euclid(DAY)))
}

/// `5 days 01:02:03.5`; a day has 24 hours.
pub fn interval(micros: i64) -> String {
    let (days, rest) = (micros / DAY, micros % DAY);
    let mut parts = Vec::new();
    if days != 0 {
        parts.push(format!("{days} day{}", if days == 1 { "" } else { "s" }));
    }
    if rest != 0 || days == 0 {
        let sign = match (rest < 0, days < 0) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        parts.push(format!("{sign}{}", clock(rest.abs())));
    }
    parts.join(" ")
}

fn clock(micros: i64) -> String {
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

/// PostgreSQL's types: number, internal name, SQL name, bytes (-1 if it varies), category.
pub const TYPES: [(i64, &str, &str, i64, &str); 14] = [
    (16, "bool", "boolean", 1, "B"),
    (18, "char", "\"char\"", 1, "Z"),
    (19, "name", "name", 64, "S"),
    (20, "int8", "bigint", 8, "N"),
    (21, "int2", "smallint", 2, "N"),
    (23, "int4", "integer", 4, "N"),
    (25, "text", "text", -1, "S"),
    (26, "oid", "oid", 4, "N"),
    (114, "json", "json", -1, "U"),
    (701, "float8", "double precision", 8, "N"),
    (1043, "varchar", "character varying", -1, "S"),
    (1184, "timestamptz", "timestamp with time zone", 8, "D"),
    (1186, "interval", "interval", 16, "T"),
    (1700, "numeric", "numeric", -1, "N"),
];

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
