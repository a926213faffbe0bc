//! Cells in text and binary, and parameters back.

use crate::array;
use crate::decimal::Decimal;
use crate::error::{Error, SqlState};
use crate::literal;
use crate::span::{self, Span};
use crate::types::OutColumn;
use crate::types::{self, Type};
use bytes::{BufMut, BytesMut};
use pgwire::api::Type as PgType;
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldFormat, FieldInfo};
use pgwire::messages::data::DataRow;
use rumormill_core::table::Cell;

/// 2000-01-01, from which PostgreSQL counts, in microseconds since 1970.
const EPOCH: i64 = 946_684_800_000_000;

/// PostgreSQL's type.
pub fn pg_type(ty: Type) -> PgType {
    match ty {
        Type::Bool => PgType::BOOL,
        Type::Int => PgType::INT8,
        Type::Float => PgType::FLOAT8,
        Type::Text => PgType::TEXT,
        Type::Json => PgType::JSON,
        Type::Time => PgType::TIMESTAMPTZ,
        Type::Numeric => PgType::NUMERIC,
        Type::Interval => PgType::INTERVAL,
        Type::Oid => PgType::OID,
        Type::Array(_) => {
            u32::try_from(types::oid_of(ty)).ok().and_then(PgType::from_oid).unwrap_or(PgType::TEXT_ARRAY)
        }
    }
}

/// Our type; none if its place decides.
pub fn own_type(ty: &PgType) -> Result<Option<Type>, Error> {
    Ok(Some(match *ty {
        PgType::BOOL => Type::Bool,
        PgType::INT2 | PgType::INT4 | PgType::INT8 | PgType::OID => Type::Int,
        PgType::FLOAT4 | PgType::FLOAT8 => Type::Float,
        PgType::NUMERIC => Type::Numeric,
        PgType::TEXT | PgType::VARCHAR | PgType::NAME | PgType::BPCHAR => Type::Text,
        PgType::JSON | PgType::JSONB => Type::Json,
        PgType::TIMESTAMPTZ | PgType::TIMESTAMP => Type::Time,
        PgType::INTERVAL => Type::Interval,
        PgType::UNKNOWN => return Ok(None),
        PgType::BOOL_ARRAY => Type::Array(&Type::Bool),
        PgType::INT2_ARRAY | PgType::INT4_ARRAY | PgType::INT8_ARRAY => Type::Array(&Type::Int),
        PgType::OID_ARRAY => Type::Array(&Type::Oid),
        PgType::FLOAT4_ARRAY | PgType::FLOAT8_ARRAY => Type::Array(&Type::Float),
        PgType::NUMERIC_ARRAY => Type::Array(&Type::Numeric),
        PgType::TEXT_ARRAY | PgType::VARCHAR_ARRAY | PgType::NAME_ARRAY | PgType::BPCHAR_ARRAY => {
            Type::Array(&Type::Text)
        }
        PgType::TIMESTAMPTZ_ARRAY | PgType::TIMESTAMP_ARRAY => Type::Array(&Type::Time),
        PgType::INTERVAL_ARRAY => Type::Array(&Type::Interval),
        _ => return Err(Error::unsupported(format!("a parameter of type {}", ty.name()))),
    }))
}

/// The description of the columns of an answer.
pub fn fields(columns: &[OutColumn], format: Option<&Format>) -> Vec<FieldInfo> {
    let field = |(i, column): (usize, &OutColumn)| {
        let format = format.map_or(FieldFormat::Text, |format| format.format_for(i));
        let size = match column.ty {
            Type::Bool => 1,
            Type::Int | Type::Float | Type::Time => 8,
            Type::Interval => 16,
            Type::Oid => 4,
            Type::Text | Type::Json | Type::Numeric | Type::Array(_) => -1,
        };
        FieldInfo::new(column.name.clone(), None, None, pg_type(column.ty), format).with_type_size(size)
    };
    columns.iter().enumerate().map(field).collect()
}

/// A row.
pub fn row(cells: &[Cell], columns: &[OutColumn], format: Option<&Format>) -> DataRow {
    let mut data = BytesMut::with_capacity(cells.len() * 12);
    for (i, (cell, column)) in cells.iter().zip(columns).enumerate() {
        let binary = format.is_some_and(|format| format.is_binary(i));
        if binary {
            put_sized(&mut data, cell, column.ty);
            continue;
        }
        match types::text(cell) {
            None => data.put_i32(-1),
            Some(text) => {
                data.put_i32(i32::try_from(text.len()).unwrap_or(i32::MAX));
                data.put_slice(text.as_bytes());
            }
        }
    }
    DataRow::new(data, i16::try_from(columns.len()).unwrap_or(i16::MAX))
}

fn put_binary(data: &mut BytesMut, cell: &Cell, ty: Type) {
    match cell {
        Cell::Null => {}
        Cell::Bool(value) => data.put_u8(u8::from(*value)),
        Cell::Int(value) if ty == Type::Oid => data.put_u32(u32::try_from(*value).unwrap_or(u32::MAX)),
        Cell::Int(value) => data.put_i64(*value),
        Cell::Float(value) => data.put_f64(*value),
        Cell::Text(text) if ty == Type::Numeric => {
            if let Ok(Some(number)) = Decimal::parse(text) {
                data.put_slice(&number.to_binary());
            }
        }
        Cell::Text(text) if ty == Type::Interval => {
            if let Ok(span) = span::parse(text) {
                data.put_i64(span.micros);
                data.put_i32(i32::try_from(span.days).unwrap_or(i32::MAX));
                data.put_i32(i32::try_from(span.months).unwrap_or(i32::MAX));
            }
        }
        Cell::Text(text) => match ty {
            Type::Array(element) => put_array(data, text, *element),
            _ => data.put_slice(text.as_bytes()),
        },
        Cell::Time(value) => data.put_i64(value - EPOCH),
    }
}

/// PostgreSQL's binary array: dimensions, whether an element is null, the type of the elements, their count, the first index, the elements.
fn put_array(data: &mut BytesMut, text: &str, element: Type) {
    let elements = array::parse(text).unwrap_or_default();
    data.put_i32(i32::from(!elements.is_empty()));
    data.put_i32(i32::from(elements.iter().any(Option::is_none)));
    data.put_u32(pg_type(element).oid());
    if elements.is_empty() {
        return;
    }
    data.put_i32(i32::try_from(elements.len()).unwrap_or(i32::MAX));
    data.put_i32(1);
    for text in elements {
        let cell = text.and_then(|text| literal::parse(&text, element).ok()).unwrap_or(Cell::Null);
        put_sized(data, &cell, element);
    }
}

/// The length of a value, and the value; -1 alone is null.
fn put_sized(data: &mut BytesMut, cell: &Cell, ty: Type) {
    let place = data.len();
    data.put_i32(-1);
    put_binary(data, cell, ty);
    if !matches!(cell, Cell::Null) {
        let length = i32::try_from(data.len() - place - 4).unwrap_or(i32::MAX);
        data[place..place + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// The text of a binary array.
fn array_text(bytes: &[u8], element: Type) -> Result<String, Error> {
    let wrong = || Error::new(SqlState("22P03"), "a binary array cannot be read");
    let word = |at: usize| -> Result<i32, Error> {
        let word = bytes.get(at..at + 4).and_then(fixed).ok_or_else(wrong)?;
        Ok(i32::from_be_bytes(word))
    };
    let (dimensions, oid) = (word(0)?, word(8)?);
    let mut elements = Vec::new();
    match dimensions {
        0 => return Ok(array::print(&elements)),
        1 => {}
        _ => return Err(Error::unsupported("an array of several dimensions")),
    }
    let pg = u32::try_from(oid).ok().and_then(PgType::from_oid).ok_or_else(wrong)?;
    let mut at = 20;
    for _ in 0..word(12)? {
        let length = word(at)?;
        at += 4;
        let Ok(length) = usize::try_from(length) else {
            elements.push(None);
            continue;
        };
        let value = bytes.get(at..at + length).ok_or_else(wrong)?;
        at += length;
        elements.push(types::text(&parameter(Some(value), true, &pg, element)?));
    }
    Ok(array::print(&elements))
}

/// The value of a parameter that came as `bytes` of the client's type.
pub fn parameter(bytes: Option<&[u8]>, binary: bool, pg: &PgType, want: Type) -> Result<Cell, Error> {
    let Some(bytes) = bytes else { return Ok(Cell::Null) };
    if !binary {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Error::new(SqlState("22021"), "a parameter is not UTF-8"))?;
        return literal::parse(text, want);
    }
    let wrong = || {
        let message = format!("a binary parameter of type {} has {} bytes", pg.name(), bytes.len());
        Error::new(SqlState("22P03"), message)
    };
    if let Type::Array(element) = want {
        return literal::parse(&array_text(bytes, *element)?, want);
    }
    let cell = match *pg {
        PgType::BOOL => Cell::Bool(fixed::<1>(bytes).ok_or_else(wrong)?[0] != 0),
        PgType::INT2 => Cell::Int(i16::from_be_bytes(fixed(bytes).ok_or_else(wrong)?).into()),
        PgType::INT4 => Cell::Int(i32::from_be_bytes(fixed(bytes).ok_or_else(wrong)?).into()),
        PgType::OID => Cell::Int(u32::from_be_bytes(fixed(bytes).ok_or_else(wrong)?).into()),
        PgType::INT8 => Cell::Int(i64::from_be_bytes(fixed(bytes).ok_or_else(wrong)?)),
        PgType::FLOAT4 => Cell::Float(f32::from_be_bytes(fixed(bytes).ok_or_else(wrong)?).into()),
        PgType::FLOAT8 => Cell::Float(f64::from_be_bytes(fixed(bytes).ok_or_else(wrong)?)),
        PgType::TIMESTAMPTZ | PgType::TIMESTAMP => {
            let micros = i64::from_be_bytes(fixed(bytes).ok_or_else(wrong)?);
            Cell::Time(micros.checked_add(EPOCH).ok_or_else(wrong)?)
        }
        PgType::INTERVAL => {
            let whole: [u8; 16] = fixed(bytes).ok_or_else(wrong)?;
            let micros = fixed(&whole[..8]).map(i64::from_be_bytes).ok_or_else(wrong)?;
            let days = fixed(&whole[8..12]).map(i32::from_be_bytes).ok_or_else(wrong)?.into();
            let months = fixed(&whole[12..]).map(i32::from_be_bytes).ok_or_else(wrong)?.into();
            Cell::Text(Span { months, days, micros }.to_string())
        }
        PgType::NUMERIC => Cell::Text(Decimal::of_binary(bytes)?.ok_or_else(wrong)?.to_string()),
        PgType::JSONB => text(bytes.strip_prefix(&[1]).ok_or_else(wrong)?)?,
        PgType::TEXT | PgType::VARCHAR | PgType::NAME | PgType::BPCHAR | PgType::JSON | PgType::UNKNOWN => {
            text(bytes)?
        }
        _ => return Err(Error::unsupported(format!("a binary parameter of type {}", pg.name()))),
    };
    literal::convert(&cell, want)
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn text(bytes: &[u8]) -> Result<Cell, Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cell::Text(text.to_owned())),
        Err(_) => Err(Error::new(SqlState("22021"), "a parameter is not UTF-8")),
    }
}
