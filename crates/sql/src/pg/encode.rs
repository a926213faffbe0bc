//! Cells in text and binary, and parameters back.

use crate::error::{Error, SqlState};
use crate::literal;
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
const DAY: i64 = 86_400_000_000;

/// PostgreSQL's type.
pub fn pg_type(ty: Type) -> PgType {
    match ty {
        Type::Bool => PgType::BOOL,
        Type::Int => PgType::INT8,
        Type::Float => PgType::FLOAT8,
        Type::Text => PgType::TEXT,
        Type::Json => PgType::JSON,
        Type::Time => PgType::TIMESTAMPTZ,
        Type::Interval => PgType::INTERVAL,
    }
}

/// Our type; none if its place decides.
pub fn own_type(ty: &PgType) -> Result<Option<Type>, Error> {
    Ok(Some(match *ty {
        PgType::BOOL => Type::Bool,
        PgType::INT2 | PgType::INT4 | PgType::INT8 | PgType::OID => Type::Int,
        PgType::FLOAT4 | PgType::FLOAT8 | PgType::NUMERIC => Type::Float,
        PgType::TEXT | PgType::VARCHAR | PgType::NAME | PgType::BPCHAR => Type::Text,
        PgType::JSON | PgType::JSONB => Type::Json,
        PgType::TIMESTAMPTZ | PgType::TIMESTAMP => Type::Time,
        PgType::INTERVAL => Type::Interval,
        PgType::UNKNOWN => return Ok(None),
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
            Type::Text | Type::Json => -1,
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
        let place = data.len();
        data.put_i32(-1);
        if binary {
            put_binary(&mut data, cell, column.ty);
        } else if let Some(text) = types::text(cell, column.ty) {
            data.put_slice(text.as_bytes());
        }
        if !matches!(cell, Cell::Null) {
            let length = i32::try_from(data.len() - place - 4).unwrap_or(i32::MAX);
            data[place..place + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
    DataRow::new(data, i16::try_from(columns.len()).unwrap_or(i16::MAX))
}

fn put_binary(data: &mut BytesMut, cell: &Cell, ty: Type) {
    match cell {
        Cell::Null => {}
        Cell::Bool(value) => data.put_u8(u8::from(*value)),
        Cell::Int(value) if ty == Type::Interval => {
            data.put_i64(value % DAY);
            data.put_i32(i32::try_from(value / DAY).unwrap_or(i32::MAX));
            data.put_i32(0);
        }
        Cell::Int(value) => data.put_i64(*value),
        Cell::Float(value) => data.put_f64(*value),
        Cell::Text(text) => data.put_slice(text.as_bytes()),
        Cell::Time(value) => data.put_i64(value - EPOCH),
    }
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
            let days = fixed(&whole[8..12]).map(i32::from_be_bytes).ok_or_else(wrong)?;
            if whole[12..] != [0; 4] {
                return Err(Error::unsupported("an interval of months or years"));
            }
            Cell::Int(i64::from(days).saturating_mul(DAY).saturating_add(micros))
        }
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
