//! `cargo xtask bench sql`: how long an aggregate over 1,024 hosts takes over PostgreSQL's protocol, beside a PostgreSQL server; and what SQL costs an
//! agent in memory.
//!
//! Our side is the example `sql_hosts` of the agent: its composite, tables, pages, engine and protocol, over a node that knows 1,024 and 10,000 members. The server
//! beside it has the same rows in a real table. One client of the harness asks both in turns, over loopback. Memory is that of release agents.

mod latency;
mod memory;
mod table;

pub use table::table;

use crate::shell;
use anyhow::{Result, bail};
use rumormill_testkit::tools::find;
use std::io::Write as _;
use std::path::PathBuf;

/// What to measure.
#[derive(clap::Args)]
pub struct Args {
    /// Blocks of statements of each side, in turns
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Statements in a block
    #[arg(long, default_value_t = 2_000)]
    statements: usize,
    /// Only one part: latency or memory
    #[arg(long)]
    only: Option<String>,
    /// This program instead of a fresh release build
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// A release build from before SQL, whose memory is measured beside it
    #[arg(long, value_name = "PATH")]
    before: Option<PathBuf>,
}

/// The statement of the issue.
pub const STATEMENT: &str = "SELECT count(*), avg(load1) FROM hosts";
/// The rows that it reads.
pub const HOSTS: [usize; 2] = [1_024, 10_000];

/// Measures, and writes `bench/sql/raw-*.jsonl`.
pub fn run(args: &Args) -> Result<()> {
    let wants = |part: &str| args.only.as_deref().is_none_or(|only| only == part);
    let mut done = false;
    if wants("latency") {
        for tool in ["postgres", "psql"] {
            if let Err(reason) = find(tool) {
                bail!("the server to compare with is missing: {reason}");
            }
        }
        write("latency", latency::measure(args.runs, args.statements)?)?;
        done = true;
    }
    if wants("memory") {
        let binary = match &args.binary {
            Some(binary) => binary.clone(),
            None => shell::release_binary()?,
        };
        write("memory", memory::measure(binary, args.before.clone())?)?;
        done = true;
    }
    if !done {
        bail!("--only takes latency or memory");
    }
    Ok(())
}

fn write(part: &str, lines: Vec<serde_json::Value>) -> Result<()> {
    let dir = shell::root().join("bench/sql");
    std::fs::create_dir_all(&dir)?;
    let mut file = std::fs::File::create(dir.join(format!("raw-{part}.jsonl")))?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    Ok(())
}
