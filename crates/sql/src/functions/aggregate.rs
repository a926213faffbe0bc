//! Aggregates that SQLite lacks: exact sums and means, sums of intervals, variance and standard deviation.

use super::host::Host;
use super::numeric::of_text;
use crate::decimal::Decimal;
use crate::error::{Error, SqlState};
use crate::span::{self, Span};
use rusqlite::functions::{Aggregate, Context, FunctionFlags, WindowAggregate};
use rusqlite::types::ValueRef;
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

/// PostgreSQL's name, whether it is of a sample, whether it is the root.
const DEVIATIONS: [(&str, bool, bool); 6] = [
    ("stddev", true, true),
    ("stddev_samp", true, true),
    ("stddev_pop", false, true),
    ("variance", true, false),
    ("var_samp", true, false),
    ("var_pop", false, false),
];

/// Makes the aggregates known to a connection: `pg_`, PostgreSQL's name, and a letter for the type of the argument as in `sqlite_name`.
pub fn register<H: Host>(sqlite: &rusqlite::Connection, host: &Arc<H>) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, mean) in [("sum", false), ("avg", true)] {
        let total = Total { host: host.clone(), mean, of: PhantomData::<fn() -> Decimals> };
        sqlite.create_window_function(format!("pg_{name}_n").as_str(), 1, flags, total)?;
        let total = Total { host: host.clone(), mean, of: PhantomData::<fn() -> Spans> };
        sqlite.create_window_function(format!("pg_{name}_d").as_str(), 1, flags, total)?;
    }
    extreme::<H, true, false>(sqlite, host, "pg_max_n")?;
    extreme::<H, false, false>(sqlite, host, "pg_min_n")?;
    extreme::<H, true, true>(sqlite, host, "pg_max_d")?;
    extreme::<H, false, true>(sqlite, host, "pg_min_d")?;
    for (name, sample, root) in DEVIATIONS {
        let aggregate = Deviation { sample, root };
        sqlite.create_aggregate_function(format!("pg_{name}_f").as_str(), 1, flags, aggregate)?;
        let aggregate = ExactDeviation { host: host.clone(), sample, root };
        sqlite.create_aggregate_function(format!("pg_{name}_n").as_str(), 1, flags, aggregate)?;
    }
    Ok(())
}

fn extreme<H: Host, const GREATEST: bool, const SPAN: bool>(
    sqlite: &rusqlite::Connection,
    host: &Arc<H>,
    name: &str,
) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let total = Total { host: host.clone(), mean: false, of: PhantomData::<fn() -> Extreme<GREATEST, SPAN>> };
    sqlite.create_window_function(name, 1, flags, total)
}

/// Values that can be added up, and taken out again when a window leaves them behind.
trait Quantity: Default + RefUnwindSafe + UnwindSafe + Send + 'static {
    /// Adds a value, and answers how many bytes more are kept.
    fn add(&mut self, value: ValueRef<'_>) -> Result<usize, Error>;
    fn remove(&mut self, value: ValueRef<'_>) -> Result<(), Error>;
    fn sum(&self) -> Result<String, Error>;
    fn mean(&self, count: i64) -> Result<String, Error>;
}

struct Total<H, Q> {
    host: Arc<H>,
    mean: bool,
    of: PhantomData<fn() -> Q>,
}

struct Running<Q> {
    count: i64,
    sum: Q,
}

impl<H: Host, Q: Quantity> Total<H, Q> {
    fn result(&self, running: Option<&Running<Q>>) -> rusqlite::Result<Option<String>> {
        let text = match running {
            None | Some(Running { count: 0, .. }) => return Ok(None),
            Some(running) if self.mean => running.sum.mean(running.count),
            Some(running) => running.sum.sum(),
        };
        text.map(Some).map_err(|e| self.host.fail(e))
    }
}

impl<H: Host, Q: Quantity> Aggregate<Running<Q>, Option<String>> for Total<H, Q> {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Running<Q>> {
        Ok(Running { count: 0, sum: Q::default() })
    }

    fn step(&self, cx: &mut Context<'_>, running: &mut Running<Q>) -> rusqlite::Result<()> {
        let value = cx.get_raw(0);
        if value != ValueRef::Null {
            running.count += 1;
            let grown = running.sum.add(value);
            grown.and_then(|bytes| self.host.charge(bytes)).map_err(|e| self.host.fail(e))?;
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, running: Option<Running<Q>>) -> rusqlite::Result<Option<String>> {
        self.result(running.as_ref())
    }
}

impl<H: Host, Q: Quantity> WindowAggregate<Running<Q>, Option<String>> for Total<H, Q> {
    fn value(&self, running: Option<&mut Running<Q>>) -> rusqlite::Result<Option<String>> {
        self.result(running.map(|running| &*running))
    }

    fn inverse(&self, cx: &mut Context<'_>, running: &mut Running<Q>) -> rusqlite::Result<()> {
        let value = cx.get_raw(0);
        if value != ValueRef::Null {
            running.count -= 1;
            running.sum.remove(value).map_err(|e| self.host.fail(e))?;
        }
        Ok(())
    }
}

fn text<'a>(value: ValueRef<'a>) -> Result<&'a str, Error> {
    value.as_str().map_err(|e| Error::new(SqlState::INTERNAL, e.to_string()))
}

fn decimal(value: ValueRef<'_>) -> Result<Decimal, Error> {
    match value {
        ValueRef::Integer(value) => Ok(Decimal::from(value)),
        other => of_text(text(other)?),
    }
}

/// A sum of decimals, and how many of them have which scale: the sum shows the greatest.
#[derive(Default)]
struct Decimals {
    sum: Option<Decimal>,
    scales: BTreeMap<u32, i64>,
}

impl Quantity for Decimals {
    fn add(&mut self, value: ValueRef<'_>) -> Result<usize, Error> {
        let value = decimal(value)?;
        *self.scales.entry(value.scale()).or_default() += 1;
        self.sum = Some(match &self.sum {
            Some(sum) => sum.add(&value)?,
            None => value,
        });
        Ok(0)
    }

    fn remove(&mut self, value: ValueRef<'_>) -> Result<(), Error> {
        let value = decimal(value)?;
        if let Some(count) = self.scales.get_mut(&value.scale()) {
            *count -= 1;
            if *count == 0 {
                self.scales.remove(&value.scale());
            }
        }
        if let Some(sum) = &self.sum {
            let scale = self.scales.last_key_value().map_or(0, |(scale, _)| *scale);
            self.sum = Some(sum.sub(&value)?.at_scale(scale));
        }
        Ok(())
    }

    fn sum(&self) -> Result<String, Error> {
        Ok(self.sum.as_ref().map(Decimal::to_string).unwrap_or_default())
    }

    fn mean(&self, count: i64) -> Result<String, Error> {
        let sum = self.sum.clone().unwrap_or_else(|| Decimal::from(0));
        Ok(sum.div(&Decimal::from(count))?.to_string())
    }
}

#[derive(Default)]
struct Spans(Span);

impl Quantity for Spans {
    fn add(&mut self, value: ValueRef<'_>) -> Result<usize, Error> {
        self.0 = self.0.add(&span::parse(text(value)?)?)?;
        Ok(0)
    }

    fn remove(&mut self, value: ValueRef<'_>) -> Result<(), Error> {
        self.0 = self.0.sub(&span::parse(text(value)?)?)?;
        Ok(())
    }

    fn sum(&self) -> Result<String, Error> {
        Ok(self.0.to_string())
    }

    fn mean(&self, count: i64) -> Result<String, Error> {
        Ok(self.0.scaled(|part| part / count as f64)?.to_string())
    }
}

/// The greatest or the least of decimals or spans: of equal ones, which may look different, the last. Values that a later one beats are not kept.
#[derive(Default)]
struct Extreme<const GREATEST: bool, const SPAN: bool> {
    kept: VecDeque<(u64, String)>,
    /// The most values that were kept at once.
    peak: usize,
    added: u64,
    removed: u64,
}

impl<const GREATEST: bool, const SPAN: bool> Quantity for Extreme<GREATEST, SPAN> {
    fn add(&mut self, value: ValueRef<'_>) -> Result<usize, Error> {
        let value = text(value)?;
        let wanted = if GREATEST { Ordering::Greater } else { Ordering::Less };
        let compare = if SPAN { span::compare } else { crate::decimal::compare };
        while self.kept.back().is_some_and(|(_, last)| compare(last, value) != wanted) {
            self.kept.pop_back();
        }
        self.kept.push_back((self.added, value.to_owned()));
        self.added += 1;
        let grown = self.kept.len() > self.peak;
        self.peak = self.peak.max(self.kept.len());
        Ok(if grown { size_of::<(u64, String)>() + value.len() } else { 0 })
    }

    fn remove(&mut self, _: ValueRef<'_>) -> Result<(), Error> {
        while self.kept.front().is_some_and(|(place, _)| *place <= self.removed) {
            self.kept.pop_front();
        }
        self.removed += 1;
        Ok(())
    }

    fn sum(&self) -> Result<String, Error> {
        Ok(self.kept.front().map(|(_, value)| value.clone()).unwrap_or_default())
    }

    fn mean(&self, _: i64) -> Result<String, Error> {
        self.sum()
    }
}

struct Deviation {
    sample: bool,
    root: bool,
}

/// The running sums of Youngs and Cramer: what PostgreSQL computes, to the last digit.
#[derive(Default)]
struct Moments {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Aggregate<Moments, Option<f64>> for Deviation {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Moments> {
        Ok(Moments::default())
    }

    fn step(&self, cx: &mut Context<'_>, running: &mut Moments) -> rusqlite::Result<()> {
        let Some(value) = cx.get::<Option<f64>>(0)? else { return Ok(()) };
        running.count += 1.0;
        running.sum += value;
        if running.count > 1.0 {
            let gap = value * running.count - running.sum;
            running.squares += gap * gap / (running.count * (running.count - 1.0));
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, running: Option<Moments>) -> rusqlite::Result<Option<f64>> {
        let running = running.unwrap_or_default();
        let divisor = if self.sample { running.count - 1.0 } else { running.count };
        if divisor <= 0.0 {
            return Ok(None);
        }
        let variance = running.squares / divisor;
        Ok(Some(if self.root { variance.sqrt() } else { variance }))
    }
}

struct ExactDeviation<H> {
    host: Arc<H>,
    sample: bool,
    root: bool,
}

/// Count, sum, and sum of squares.
struct ExactMoments(i64, Decimal, Decimal);

impl<H: Host> Aggregate<ExactMoments, Option<String>> for ExactDeviation<H> {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<ExactMoments> {
        Ok(ExactMoments(0, Decimal::from(0), Decimal::from(0)))
    }

    fn step(&self, cx: &mut Context<'_>, running: &mut ExactMoments) -> rusqlite::Result<()> {
        let value = cx.get_raw(0);
        if value == ValueRef::Null {
            return Ok(());
        }
        let mut take = |value: Decimal| -> Result<(), Error> {
            running.0 += 1;
            running.1 = running.1.add(&value)?;
            running.2 = running.2.add(&value.mul(&value)?)?;
            Ok(())
        };
        decimal(value).and_then(&mut take).map_err(|e| self.host.fail(e))
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        running: Option<ExactMoments>,
    ) -> rusqlite::Result<Option<String>> {
        let Some(ExactMoments(count, sum, squares)) = running else { return Ok(None) };
        if count - i64::from(self.sample) <= 0 {
            return Ok(None);
        }
        let deviation = sum.deviation(&squares, count, self.sample, self.root);
        deviation.map(|value| Some(value.to_string())).map_err(|e| self.host.fail(e))
    }
}
