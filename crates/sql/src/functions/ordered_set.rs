//! Aggregates that keep all values: percentiles, the most frequent value, arrays.

use super::host::Host;
use super::text::LONGEST;
use crate::error::{Error, SqlState};
use crate::{array, decimal, span};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use std::cmp::Ordering;
use std::sync::Arc;

#[derive(Copy, Clone, PartialEq)]
enum Kind {
    Continuous,
    Discrete,
    Mode,
    Array,
}

/// Makes the aggregates known to a connection: `pg_`, PostgreSQL's name, and for those that compare texts a letter for their type.
pub fn register<H: Host>(sqlite: &rusqlite::Connection, host: &Arc<H>) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let add = |name: &str, args: i32, kind: Kind, texts: fn(&str, &str) -> Ordering| {
        let set = OrderedSet { host: host.clone(), kind, texts };
        sqlite.create_aggregate_function(name, args, flags, set)
    };
    add("pg_percentile_cont", 3, Kind::Continuous, Ord::cmp)?;
    add("pg_array_agg", 1, Kind::Array, Ord::cmp)?;
    for (name, kind) in [("percentile_disc", Kind::Discrete), ("mode", Kind::Mode)] {
        add(&format!("pg_{name}_t"), 3, kind, Ord::cmp)?;
        add(&format!("pg_{name}_n"), 3, kind, decimal::compare)?;
        add(&format!("pg_{name}_d"), 3, kind, span::compare)?;
    }
    Ok(())
}

struct OrderedSet<H> {
    host: Arc<H>,
    kind: Kind,
    texts: fn(&str, &str) -> Ordering,
}

#[derive(Default)]
struct Values {
    kept: Vec<Value>,
    bytes: usize,
    fraction: Option<f64>,
    descending: bool,
}

impl<H: Host> OrderedSet<H> {
    fn take(&self, cx: &Context<'_>, values: &mut Values) -> Result<(), Error> {
        let value = cx.get_raw(0);
        if self.kind != Kind::Array {
            values.fraction = cx.get_raw(1).as_f64_or_null().unwrap_or(None);
            values.descending = cx.get_raw(2) == ValueRef::Integer(1);
            if value == ValueRef::Null {
                return Ok(());
            }
        }
        let text = if let ValueRef::Text(text) = value { text.len() } else { 0 };
        self.host.charge(size_of::<Value>() + text)?;
        values.bytes += text + 1;
        if self.kind == Kind::Array && values.bytes > LONGEST {
            return Err(Error::new(
                SqlState::TOO_LONG,
                format!("a text is longer than {} KiB", LONGEST >> 10),
            ));
        }
        let value = Value::try_from(value).map_err(|e| Error::new(SqlState::INTERNAL, e.to_string()))?;
        values.kept.push(value);
        Ok(())
    }

    fn compare(&self, a: &Value, b: &Value) -> Ordering {
        match (a, b) {
            (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
            (Value::Real(a), Value::Real(b)) => a.total_cmp(b),
            (Value::Text(a), Value::Text(b)) => (self.texts)(a, b),
            _ => Ordering::Equal,
        }
    }

    fn result(&self, mut values: Values) -> Result<Value, Error> {
        if self.kind == Kind::Array {
            return Ok(Value::Text(array::print(&elements(values.kept))));
        }
        let Some(fraction) = values.fraction else { return Ok(Value::Null) };
        if !(0.0..=1.0).contains(&fraction) {
            let message = format!("percentile value {fraction} is not between 0 and 1");
            return Err(Error::new(SqlState::OUT_OF_RANGE, message));
        }
        values.kept.sort_by(|a, b| self.compare(a, b));
        if values.descending {
            values.kept.reverse();
        }
        let kept = &values.kept;
        if kept.is_empty() {
            return Ok(Value::Null);
        }
        Ok(match self.kind {
            Kind::Discrete => {
                let place = (fraction * kept.len() as f64).ceil().max(1.0) as usize;
                kept[(place - 1).min(kept.len() - 1)].clone()
            }
            Kind::Mode => self.most_frequent(kept),
            Kind::Continuous | Kind::Array => continuous(kept, fraction),
        })
    }

    /// The first in order of those that are as frequent as any.
    fn most_frequent(&self, sorted: &[Value]) -> Value {
        let runs = sorted.chunk_by(|a, b| self.compare(a, b).is_eq());
        let longest = runs.fold(&sorted[..0], |best, run| if run.len() > best.len() { run } else { best });
        longest.first().cloned().unwrap_or(Value::Null)
    }
}

fn elements(values: Vec<Value>) -> Vec<Option<String>> {
    let element = |value| if let Value::Text(text) = value { Some(text) } else { None };
    values.into_iter().map(element).collect()
}

fn continuous(sorted: &[Value], fraction: f64) -> Value {
    let at = |place: f64| match sorted.get(place as usize) {
        Some(Value::Real(value)) => *value,
        _ => 0.0,
    };
    let place = fraction * (sorted.len() - 1) as f64;
    let (first, second) = (at(place.floor()), at(place.ceil()));
    Value::Real(if place.floor() == place.ceil() {
        first
    } else {
        first + (place - place.floor()) * (second - first)
    })
}

impl<H: Host> Aggregate<Values, Value> for OrderedSet<H> {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Values> {
        Ok(Values::default())
    }

    fn step(&self, cx: &mut Context<'_>, values: &mut Values) -> rusqlite::Result<()> {
        self.take(cx, values).map_err(|e| self.host.fail(e))
    }

    fn finalize(&self, _: &mut Context<'_>, values: Option<Values>) -> rusqlite::Result<Value> {
        values.map_or(Ok(Value::Null), |values| self.result(values)).map_err(|e| self.host.fail(e))
    }
}
