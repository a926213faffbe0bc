//! Aggregates that SQLite lacks: variance and standard deviation.

use super::host::Host;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use std::sync::Arc;

/// PostgreSQL's name, whether it is of a sample, whether it is the root.
pub const DEVIATIONS: [(&str, bool, bool); 6] = [
    ("stddev", true, true),
    ("stddev_samp", true, true),
    ("stddev_pop", false, true),
    ("variance", true, false),
    ("var_samp", true, false),
    ("var_pop", false, false),
];

/// Makes the aggregates known to a connection, by the name `pg_` and PostgreSQL's.
pub fn register<H: Host>(sqlite: &rusqlite::Connection, _: &Arc<H>) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, sample, root) in DEVIATIONS {
        let aggregate = Deviation { sample, root };
        sqlite.create_aggregate_function(format!("pg_{name}").as_str(), 1, flags, aggregate)?;
    }
    Ok(())
}

struct Deviation {
    sample: bool,
    root: bool,
}

/// The running sums of Youngs and Cramer: what PostgreSQL computes, to the last digit.
#[derive(Default)]
struct Running {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Aggregate<Running, Option<f64>> for Deviation {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Running> {
        Ok(Running::default())
    }

    fn step(&self, cx: &mut Context<'_>, running: &mut Running) -> rusqlite::Result<()> {
        let Some(value) = cx.get::<Option<f64>>(0)? else { return Ok(()) };
        running.count += 1.0;
        running.sum += value;
        if running.count > 1.0 {
            let gap = value * running.count - running.sum;
            running.squares += gap * gap / (running.count * (running.count - 1.0));
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, running: Option<Running>) -> rusqlite::Result<Option<f64>> {
        let running = running.unwrap_or_default();
        let divisor = if self.sample { running.count - 1.0 } else { running.count };
        if divisor <= 0.0 {
            return Ok(None);
        }
        let variance = running.squares / divisor;
        Ok(Some(if self.root { variance.sqrt() } else { variance }))
    }
}
