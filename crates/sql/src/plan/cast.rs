//! Casts and literals.

use super::Planner;
use super::operator::{is_number, wider};
use super::typed::{Open, Ty, Typed, quoted};
use crate::error::{Error, SqlState};
use crate::functions::sqlite_name_of;
use crate::literal;
use crate::types::{Type, array_of};
use rumormill_core::table::Cell;
use sqlparser::ast::{DataType, Value};

/// The target of a cast.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Target {
    Type(Type),
    /// A whole number of so many bits.
    Bits(u8),
    /// `numeric` of so many digits, and so many of them behind the point.
    Places(i64, i64),
    /// Text of at most 63 characters.
    Name,
    /// At most so many characters.
    Characters(i64),
    /// The name, or the number, of a table.
    Relation,
    /// The name, or the number, of a type.
    TypeName,
    /// The name that this table of the catalog has in this column.
    Named(&'static str, &'static str),
}

impl Planner<'_> {
    /// A literal or a parameter.
    pub fn value(&mut self, value: &Value) -> Result<Typed, Error> {
        Ok(match value {
            Value::Null => Typed::open("NULL", Open::Null),
            Value::Boolean(value) => Typed::known(if *value { "1" } else { "0" }, Type::Bool),
            Value::Number(number, false) => number_literal(number)?,
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => open_text(text.clone()),
            Value::DollarQuotedString(text) => open_text(text.value.clone()),
            Value::UnicodeStringLiteral(text) => open_text(text.clone()),
            Value::Placeholder(name) => self.parameter(name)?,
            other => return Err(Error::unsupported(format!("the literal {other}"))),
        })
    }

    fn parameter(&mut self, name: &str) -> Result<Typed, Error> {
        let number = name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
        let Some(number) = number.filter(|n| (1..=super::PARAMS_MAX).contains(n)) else {
            return Err(Error::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter {name}"))
                .hint("Parameters are written $1, $2 and so on."));
        };
        if self.params.len() < number {
            self.params.resize(number, None);
        }
        let ty = match self.params[number - 1] {
            Some(ty) => Ty::Known(ty),
            None => Ty::Open(Open::Param(number - 1)),
        };
        Ok(Typed { sql: format!("?{number}"), ty })
    }

    /// The expression as a `want`, by what PostgreSQL converts without being told.
    pub fn coerce(&mut self, typed: Typed, want: Type) -> Result<String, Error> {
        match typed.ty {
            Ty::Known(ty) if ty == want => Ok(typed.sql),
            Ty::Known(Type::Int) if want == Type::Float => Ok(format!("CAST({} AS REAL)", typed.sql)),
            Ty::Known(Type::Int) if want == Type::Numeric => Ok(self.cast(typed, want)?.sql),
            Ty::Known(Type::Numeric) if want == Type::Float => Ok(self.cast(typed, want)?.sql),
            Ty::Known(ty) => Err(Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!("a value of type {} stands where type {} is needed", ty.name(), want.name()),
            )
            .hint("An explicit type cast may be needed, for example value::text.")),
            Ty::Open(Open::Null) => Ok("NULL".to_owned()),
            Ty::Open(Open::Text(text)) => Ok(cell_literal(&literal::parse(&text, want)?)),
            Ty::Open(Open::Param(i)) => {
                match self.params.get_mut(i) {
                    Some(Some(ty)) if *ty != want => {
                        let message = format!("inconsistent types deduced for parameter ${}", i + 1);
                        return Err(Error::new(SqlState("42P08"), message));
                    }
                    Some(slot) => *slot = Some(want),
                    None => {}
                }
                Ok(typed.sql)
            }
        }
    }

    /// The type that all of these can have.
    pub fn unify(&self, types: &[Ty], clause: &str) -> Result<Type, Error> {
        let mut common: Option<Type> = None;
        for ty in types {
            let Ty::Known(ty) = *ty else { continue };
            common = Some(match (common, ty) {
                (None, ty) => ty,
                (Some(common), ty) if common == ty => ty,
                (Some(common), ty) if is_number(common) && is_number(ty) => wider(common, ty),
                (Some(common), ty) => {
                    let message =
                        format!("{clause} types {} and {} cannot be matched", common.name(), ty.name());
                    return Err(Error::new(SqlState::DATATYPE_MISMATCH, message));
                }
            });
        }
        Ok(common.unwrap_or(Type::Text))
    }

    /// All of them as their common type.
    pub fn unified(&mut self, items: Vec<Typed>, clause: &str) -> Result<(Vec<String>, Type), Error> {
        let types: Vec<Ty> = items.iter().map(|item| item.ty.clone()).collect();
        let ty = self.unify(&types, clause)?;
        let items: Result<Vec<_>, _> = items.into_iter().map(|item| self.coerce(item, ty)).collect();
        Ok((items?, ty))
    }

    /// `CAST(… AS …)` and `…::…`.
    pub fn cast_to(&mut self, typed: Typed, data_type: &DataType) -> Result<Typed, Error> {
        let target = target(data_type)?;
        Ok(match target {
            Target::Type(ty) => self.cast(typed, ty)?,
            Target::Bits(bits) => {
                let whole = self.cast(typed, Type::Int)?;
                let name = sqlite_name_of(".in_range", &[Type::Int, Type::Int]);
                Typed::known(format!("{name}({}, {bits})", whole.sql), Type::Int)
            }
            Target::Places(digits, behind) => {
                let number = self.cast(typed, Type::Numeric)?;
                let name = sqlite_name_of(".places", &[Type::Numeric, Type::Int, Type::Int]);
                Typed::known(format!("{name}({}, {digits}, {behind})", number.sql), Type::Numeric)
            }
            Target::Name if typed.known_type() == Some(Type::Bool) => {
                return Err(Error::unsupported("a boolean as a name").hint("Cast it to text."));
            }
            Target::Name | Target::Characters(_) => {
                let count = if let Target::Characters(count) = target { count } else { 63 };
                let text = self.cast(typed, Type::Text)?;
                let name = sqlite_name_of("left", &[Type::Text, Type::Int]);
                Typed::known(format!("{name}({}, {count})", text.sql), Type::Text)
            }
            Target::Relation => self.regclass(typed)?,
            Target::TypeName => self.regtype(typed)?,
            Target::Named(table, column) => {
                let oid = self.coerce(typed, Type::Int)?;
                Typed::known(self.name_of(table, column, &oid), Type::Text)
            }
        })
    }

    /// The expression as a `want`, by an explicit conversion.
    pub fn cast(&mut self, typed: Typed, want: Type) -> Result<Typed, Error> {
        let Ty::Known(from) = typed.ty else {
            return Ok(Typed::known(self.coerce(typed, want)?, want));
        };
        let name = match (from, want) {
            (from, want) if from == want => return Ok(Typed::known(typed.sql, want)),
            (Type::Json, Type::Text) => return Ok(Typed::known(typed.sql, Type::Text)),
            // They are carried as text, but compared otherwise.
            (Type::Numeric | Type::Interval, Type::Text) => {
                return Ok(Typed::known(format!("({} COLLATE BINARY)", typed.sql), Type::Text));
            }
            (Type::Bool | Type::Int | Type::Float | Type::Time, Type::Text) => ".to_text",
            (Type::Text | Type::Int, Type::Bool) => ".to_bool",
            (Type::Text | Type::Bool | Type::Float | Type::Numeric, Type::Int) => ".to_int",
            (Type::Text | Type::Int | Type::Numeric, Type::Float) => ".to_float",
            (Type::Text | Type::Int | Type::Float, Type::Numeric) => ".to_numeric",
            (Type::Text, Type::Time) => ".to_time",
            (Type::Text, Type::Interval) => ".to_interval",
            (Type::Text, Type::Json) => ".to_json",
            // An array is carried as its text.
            (Type::Array(_), Type::Text) => return Ok(Typed::known(typed.sql, Type::Text)),
            (Type::Array(Type::Int | Type::Oid), Type::Array(Type::Int | Type::Oid)) => {
                return Ok(Typed::known(typed.sql, want));
            }
            _ => {
                let message = format!("cannot cast type {} to {}", from.name(), want.name());
                return Err(Error::new(SqlState::CANNOT_COERCE, message));
            }
        };
        Ok(Typed::known(format!("{}({})", sqlite_name_of(name, &[from]), typed.sql), want))
    }

    /// The expression as text, as `||` and `::text` show it.
    pub fn shown_as_text(&mut self, typed: Typed) -> Result<String, Error> {
        Ok(self.cast(typed, Type::Text)?.sql)
    }

    fn regclass(&mut self, typed: Typed) -> Result<Typed, Error> {
        match typed.ty {
            Ty::Open(Open::Text(text)) => {
                if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
                    return Ok(Typed::known(text, Type::Int));
                }
                let parts: Vec<_> = text.split('.').map(|p| p.trim_matches('"').to_owned()).collect();
                let found = match parts.as_slice() {
                    [name] => self.schema.find(None, name),
                    [namespace, name] => self.schema.find(Some(namespace), name),
                    _ => None,
                };
                let oid = found.and_then(|entry| crate::catalog::oid(self.schema, entry));
                oid.map(|oid| Typed::known(oid.to_string(), Type::Int)).ok_or_else(|| {
                    Error::new(SqlState::UNDEFINED_TABLE, format!("relation \"{text}\" does not exist"))
                })
            }
            Ty::Known(Type::Int) => {
                Ok(Typed::known(self.name_of("pg_class", "relname", &typed.sql), Type::Text))
            }
            Ty::Known(Type::Text) => Ok(Typed::known(self.relation_named(&typed.sql), Type::Int)),
            _ => Err(Error::unsupported("this cast to regclass")),
        }
    }

    fn regtype(&mut self, typed: Typed) -> Result<Typed, Error> {
        match typed.ty {
            Ty::Open(Open::Text(text)) => {
                crate::types::type_oid(&text).map(|oid| Typed::known(oid.to_string(), Type::Int)).ok_or_else(
                    || Error::new(SqlState::UNDEFINED_OBJECT, format!("type \"{text}\" does not exist")),
                )
            }
            Ty::Known(Type::Int) => {
                let name = sqlite_name_of("format_type", &[Type::Int, Type::Int]);
                Ok(Typed::known(format!("{name}({}, NULL)", typed.sql), Type::Text))
            }
            _ => Err(Error::unsupported("this cast to regtype")),
        }
    }
}

fn open_text(text: String) -> Typed {
    Typed::open(quoted(&text), Open::Text(text))
}

/// A number: bigint if it is a whole one that fits, else numeric.
fn number_literal(number: &str) -> Result<Typed, Error> {
    if number.bytes().all(|b| b.is_ascii_digit())
        && let Ok(value) = number.parse::<i64>()
    {
        return Ok(Typed::known(value.to_string(), Type::Int));
    }
    let value = literal::parse(number, Type::Numeric)?;
    Ok(Typed::known(cell_literal(&value), Type::Numeric))
}

/// A value as a literal of SQLite.
fn cell_literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Bool(value) => i64::from(*value).to_string(),
        // The least whole number has no literal: SQLite reads its digits first, and then negates.
        Cell::Int(i64::MIN) | Cell::Time(i64::MIN) => "(-9223372036854775807 - 1)".to_owned(),
        Cell::Int(value) | Cell::Time(value) if *value < 0 => format!("({value})"),
        Cell::Int(value) | Cell::Time(value) => value.to_string(),
        Cell::Float(value) if value.is_infinite() => {
            if *value > 0.0 { "9e999" } else { "(-9e999)" }.to_owned()
        }
        Cell::Float(value) if value.is_sign_negative() => format!("(-{:e})", -value),
        Cell::Float(value) => format!("{value:e}"),
        Cell::Text(text) => quoted(text),
    }
}

/// The type's name as PostgreSQL names an output that is only a cast.
pub fn short_name(data_type: &DataType) -> String {
    match target(data_type) {
        Ok(Target::Type(Type::Array(element))) => short_name_of(*element),
        Ok(Target::Type(ty)) => short_name_of(ty),
        Ok(Target::Bits(16)) => "int2",
        Ok(Target::Bits(_)) => "int4",
        Ok(Target::Places(..)) => "numeric",
        Ok(Target::Characters(_)) => "varchar",
        Ok(Target::Name) => "name",
        Ok(Target::Relation) => "regclass",
        Ok(Target::TypeName) => "regtype",
        Ok(Target::Named(table, _)) => table,
        Err(_) => "?column?",
    }
    .to_owned()
}

fn short_name_of(ty: Type) -> &'static str {
    let oid = crate::types::oid_of(ty);
    crate::types::TYPES.iter().find(|known| known.0 == oid).map_or("?column?", |known| known.1)
}

fn target(data_type: &DataType) -> Result<Target, Error> {
    target_of(&data_type.to_string().to_lowercase())
}

fn array_target(element: &str) -> Result<Target, Error> {
    let element = match target_of(element)? {
        _ if element == "oid" => Type::Oid,
        Target::Type(ty) => ty,
        Target::Bits(_) => Type::Int,
        Target::Name | Target::Characters(_) => Type::Text,
        _ => return Err(Error::unsupported(format!("an array of {element}"))),
    };
    let array = array_of(element).map(Target::Type);
    array.ok_or_else(|| Error::unsupported("an array of several dimensions"))
}

fn target_of(data_type: &str) -> Result<Target, Error> {
    let plain = data_type.trim_start_matches("pg_catalog.").trim_matches('"');
    if let Some(element) = plain.strip_suffix("[]") {
        return array_target(element);
    }
    let (name, size) = match plain.split_once('(') {
        Some((name, size)) => (name.trim_end(), Some(size.trim_end_matches(')').trim())),
        None => (plain, None),
    };
    let unsupported = || Error::unsupported(format!("the type {data_type}"));
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| unsupported());
    Ok(match (name, size) {
        ("bool" | "boolean", None) => Target::Type(Type::Bool),
        ("int8" | "bigint" | "oid" | "xid", None) => Target::Type(Type::Int),
        ("int" | "int4" | "integer", None) => Target::Bits(32),
        ("int2" | "smallint", None) => Target::Bits(16),
        ("float8" | "double precision" | "float", None) => Target::Type(Type::Float),
        ("float4" | "real", None) => {
            return Err(unsupported().hint("Use double precision, which has more digits."));
        }
        ("numeric" | "decimal", None) => Target::Type(Type::Numeric),
        ("numeric" | "decimal", Some(size)) => {
            let (digits, behind) = match size.split_once(',') {
                Some((digits, behind)) => (number(digits)?, number(behind)?),
                None => (number(size)?, 0),
            };
            if !(1..=1_000).contains(&digits) || !(-1_000..=1_000).contains(&behind) {
                return Err(Error::new(SqlState::INVALID_PARAMETER, "numeric precision is out of range"));
            }
            Target::Places(digits, behind)
        }
        ("text" | "varchar" | "character varying" | "regproc" | "cstring", None) => Target::Type(Type::Text),
        ("name", None) => Target::Name,
        ("char", None) => Target::Characters(1),
        ("varchar" | "character varying", Some(size)) => Target::Characters(number(size)?),
        ("json" | "jsonb", None) => Target::Type(Type::Json),
        ("timestamptz" | "timestamp with time zone" | "timestamp" | "timestamp without time zone", None) => {
            Target::Type(Type::Time)
        }
        ("interval", None) => Target::Type(Type::Interval),
        ("regclass", None) => Target::Relation,
        ("regtype", None) => Target::TypeName,
        ("regnamespace", None) => Target::Named("pg_namespace", "nspname"),
        ("regrole", None) => Target::Named("pg_roles", "rolname"),
        ("date", None) => {
            return Err(
                unsupported().hint("Use date_trunc('day', time), which gives the day's first moment.")
            );
        }
        _ => return Err(unsupported()),
    })
}
