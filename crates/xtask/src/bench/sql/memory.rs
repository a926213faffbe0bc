//! Resident memory of agents that were never asked in SQL, and of the same agents once they were.

use crate::bench::sides::{self, API_PORT, Agent, Side};
use crate::bench::{host, procfs};
use anyhow::{Context, Result};
use rumormill_testkit::http::Place;
use rumormill_testkit::process::Scratch;
use rumormill_testkit::wait;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Agents in a cluster.
const AGENTS: usize = 5;
/// From the last start to the first reading.
const SETTLE: Duration = Duration::from_secs(30);
/// Rounds in which each statement is asked.
const ROUNDS: usize = 20;

/// Statements of the kinds that a person asks: an aggregate, a join, a sort, a regular expression, JSON, the catalog.
const STATEMENTS: [&str; 6] = [
    "SELECT count(*), avg(load1) FROM hosts",
    "SELECT m.name, v.load1, p.address FROM members m JOIN vitals v ON v.id = m.id LEFT JOIN peers p ON p.id = m.id ORDER BY v.load1 DESC",
    "SELECT name, kind, value FROM counters WHERE name ~ '^swim' ORDER BY value DESC, name",
    "SELECT tags->>'role' AS role, count(*) FROM hosts GROUP BY 1 ORDER BY 1",
    "SELECT setting, value FROM config ORDER BY setting",
    "SELECT table_name, column_name FROM information_schema.columns ORDER BY 1, 2",
];

/// Measures.
pub fn measure(binary: PathBuf, before: Option<PathBuf>) -> Result<Vec<Value>> {
    let mut lines = vec![host()];
    if let Some(before) = before {
        lines.push(line("before", &cluster(&Side::Rumormill(before), false)?.0));
    }
    let (never, asked) = cluster(&Side::Rumormill(binary), true)?;
    lines.push(line("never", &never));
    lines.push(line("asked", &asked));
    Ok(lines)
}

fn line(what: &str, rss_kib: &[f64]) -> Value {
    eprintln!("{what}: {rss_kib:?} KiB");
    json!({"kind": "memory", "asked": what, "agents": AGENTS, "load": procfs::load1(), "rss_kib": rss_kib})
}

/// The memory of each agent of a cluster, before and after it was asked.
fn cluster(side: &Side, asks: bool) -> Result<(Vec<f64>, Vec<f64>)> {
    let scratch = Scratch::new("bench-sql");
    side.prepare(scratch.path())?;
    side.uncache()?;
    let agents: Vec<Agent> = (0..AGENTS).map(|nth| side.start(nth, scratch.path())).collect();
    wait::until_true("all see all", 60, || agents.iter().all(|agent| side.sees(agent) == Some(AGENTS)));
    std::thread::sleep(SETTLE);
    let memory = || -> Result<Vec<f64>> {
        sides::pids(&agents).into_iter().map(|pid| Ok(procfs::memory_kib(pid)?.0)).collect()
    };
    let never = memory()?;
    if asks {
        for nth in 0..AGENTS {
            let place = Place::Tcp(SocketAddr::from((sides::host(nth), API_PORT)));
            for statement in STATEMENTS.iter().cycle().take(ROUNDS * STATEMENTS.len()) {
                place.post("/v1/sql", &json!({"sql": statement})).context(*statement)?;
            }
        }
    }
    Ok((never, memory()?))
}
