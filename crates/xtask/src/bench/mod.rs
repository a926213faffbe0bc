//! `cargo xtask bench …`: each benchmark writes its raw output beside its table, and only `tables` turns the one into the other.

mod agents;
mod peers;
mod ping;
mod procfs;
mod sides;
mod sim;
mod sql;
mod stats;
pub mod tables;

use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What to measure.
#[derive(clap::Subcommand)]
pub enum What {
    /// Agents on one machine: joining, memory, idle CPU and traffic, side by side with serf
    Agents(agents::Args),
    /// Our agent beside Debian's serf: joining, events, rates, detection, false deaths, costs
    Peers(peers::Args),
    /// What one handled ping with its ack costs SWIM at different sizes, side by side with foca
    Ping(ping::Args),
    /// What the simulator costs at a million nodes, side by side with PeerSim
    Sim(sim::Args),
    /// An aggregate over 1,024 hosts, side by side with PostgreSQL, and what SQL costs an agent in memory
    Sql(sql::Args),
}

/// Writes the table of a benchmark from the lines of its raw files.
pub type Render = fn(&[Value]) -> Result<String>;

/// Every benchmark that has a table: its directory below `bench/`, the table's file, and how it is written.
pub const TABLES: [(&str, &str, Render); 5] = [
    ("agents", "README.md", agents::table),
    ("peers", "RESULTS.md", peers::table),
    ("ping", "README.md", ping::table),
    ("sim", "README.md", sim::table),
    ("sql", "RESULTS.md", sql::table),
];

/// Measures, then writes the tables.
pub fn run(what: &What) -> Result<()> {
    match what {
        What::Agents(args) => agents::run(args)?,
        What::Peers(args) if !args.is_result() => return peers::run(args),
        What::Peers(args) => peers::run(args)?,
        What::Ping(args) => ping::run(args)?,
        What::Sim(args) => sim::run(args)?,
        What::Sql(args) => sql::run(args)?,
    }
    tables::run(false)
}

/// All lines of all `raw-*.jsonl` in `dir`, by file name.
pub fn raw_files(dir: &Path) -> Result<Vec<Value>> {
    let mut lines = Vec::new();
    for file in raw_names(dir) {
        let text = std::fs::read_to_string(&file)?;
        for line in text.lines() {
            lines.push(serde_json::from_str(line).with_context(|| format!("{}: {line}", file.display()))?);
        }
    }
    Ok(lines)
}

fn raw_names(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("raw-") && name.ends_with(".jsonl")
        })
        .collect();
    names.sort();
    names
}

/// The machine as a raw file's first line: a figure without its machine says nothing.
fn host() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    serde_json::json!({
        "kind": "host",
        "cpu": field(&read("/proc/cpuinfo"), "model name"),
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load": procfs::load1(),
    })
}

/// The machine for people.
fn host_line(line: &Value) -> String {
    let text = |name: &str| line[name].as_str().unwrap_or("?").to_owned();
    format!("{} cores of {}, {}, Linux {}", line["cores"], text("cpu"), text("memory"), text("kernel"))
}
