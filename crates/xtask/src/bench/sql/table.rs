//! The tables of `bench/sql/RESULTS.md`.

use super::{HOSTS, STATEMENT};
use crate::bench::host_line;
use crate::bench::stats::{Spread, digits, ratios};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write as _;

/// Upper bounds on our time in microseconds, by rows and quantile.
const US_MAX: [(usize, &str, f64); 3] =
    [(HOSTS[0], "p50", 1_000.0), (HOSTS[0], "p99", 5_000.0), (HOSTS[1], "p50", 15_000.0)];
/// Upper bound on our median over PostgreSQL's, at the smallest size.
const RATIO_MAX: f64 = 3.0;
/// Upper bound on what SQL adds to an agent that was never asked, and to one that was, in MiB.
const GROWTH_MAX: [f64; 2] = [1.0, 8.0];
const KIB_PER_MIB: f64 = 1024.0;

/// The tables from their raw lines.
pub fn table(raw: &[Value]) -> Result<String> {
    let mut text = String::from(
        "# SQL\n\n\
         Written by `cargo xtask bench sql` from the `raw-*.jsonl` beside it. Our side is the example `sql_hosts` of the agent, in release: the agent's\n\
         composite with its members and their vitals, its tables read in pages inside the node's task, the engine and PostgreSQL's protocol, on a runtime\n\
         with one thread. The server beside it has the same rows in a real table, analyzed. One client asks both in turns over loopback. Times are from the\n\
         first byte sent to the last byte read; shown is the median over the runs, with the smallest and largest run.\n",
    );
    let mut hosts: Vec<_> = raw.iter().filter(|line| line["kind"] == "host").map(host_line).collect();
    hosts.dedup();
    writeln!(text, "\nMachine: {}.", hosts.join("; "))?;
    latency(&mut text, raw)?;
    memory(&mut text, raw)?;
    Ok(text)
}

fn latency(text: &mut String, raw: &[Value]) -> Result<()> {
    let lines: Vec<&Value> = raw.iter().filter(|line| line["kind"] == "latency").collect();
    if lines.is_empty() {
        return Ok(());
    }
    let version = raw.iter().find_map(|line| line["postgresql"].as_str()).context("no version")?;
    writeln!(text, "\n## `{STATEMENT}`\n\nBeside PostgreSQL {version}. Microseconds.\n")?;
    text.push_str("| | rumormill | PostgreSQL | ratio | wanted |\n| --- | --- | --- | --- | --- |\n");
    for hosts in HOSTS {
        for (protocol, title) in [
            ("simple", "simple query"),
            ("extended", "extended, parsed each time"),
            ("prepared", "extended, prepared before"),
        ] {
            for name in ["p50", "p99"] {
                let of = |side: &str| -> Vec<f64> {
                    let lines = lines.iter().filter(|line| {
                        line["side"] == side && line["protocol"] == protocol && line["rows"] == hosts
                    });
                    lines.filter_map(|line| line[format!("{name}_us")].as_f64()).collect()
                };
                let (ours, theirs) = (of("rumormill"), of("postgresql"));
                let (Some(mine), Some(ratio)) = (Spread::of(&ours), ratios(&ours, &theirs)) else { continue };
                let theirs = Spread::of(&theirs).map_or("-".into(), |spread| spread.show());
                let (mine_shown, wanted) = (mine.show(), wanted(hosts, name, mine.median, ratio.median));
                let ratio = ratio.show();
                writeln!(
                    text,
                    "| {hosts} rows, {title}: {name} | {mine_shown} | {theirs} | {ratio} | {wanted} |"
                )?;
            }
        }
    }
    Ok(())
}

/// The bounds, and whether they are met.
fn wanted(hosts: usize, name: &str, us: f64, ratio: f64) -> String {
    let bound = US_MAX.iter().find(|(rows, of, _)| *rows == hosts && *of == name);
    let mut all: Vec<_> =
        bound.map(|(.., most)| format!("<= {most}: {}", verdict(us <= *most))).into_iter().collect();
    if hosts == HOSTS[0] && name == "p50" {
        all.push(format!("ratio <= {RATIO_MAX}: {}", verdict(ratio <= RATIO_MAX)));
    }
    if all.is_empty() { "-".into() } else { all.join("; ") }
}

fn memory(text: &mut String, raw: &[Value]) -> Result<()> {
    let of = |asked: &str| -> Option<Spread> {
        let line = raw.iter().find(|line| line["kind"] == "memory" && line["asked"] == asked)?;
        let each: Vec<f64> = line["rss_kib"].as_array()?.iter().filter_map(Value::as_f64).collect();
        Spread::of(&each.iter().map(|kib| kib / KIB_PER_MIB).collect::<Vec<_>>())
    };
    let (before, Some(never)) = (of("before"), of("never")) else { return Ok(()) };
    writeln!(text, "\n## Resident memory of an agent, MiB\n")?;
    text.push_str("Each of five agents of one cluster; growth is from one median to the next.\n\n");
    text.push_str("| | RSS | grows by | wanted |\n| --- | --- | --- | --- |\n");
    let mut row = |title: &str, spread: Spread, over: Option<Spread>, most: f64| {
        let (growth, wanted) = match over.map(|over| spread.median - over.median) {
            Some(growth) => (digits(growth), format!("<= {most}: {}", verdict(growth <= most))),
            None => ("-".into(), "-".into()),
        };
        writeln!(text, "| {title} | {} | {growth} | {wanted} |", spread.show())
    };
    if let Some(before) = before {
        row("before SQL", before, None, 0.0)?;
    }
    row("never asked", never, before, GROWTH_MAX[0])?;
    if let Some(asked) = of("asked") {
        row("asked 120 statements", asked, Some(never), GROWTH_MAX[1])?;
    }
    Ok(())
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_says_what_is_met() {
        let latency = |side: &str, p50: f64| json!({"kind": "latency", "side": side, "protocol": "simple", "rows": 1_024, "p50_us": p50, "p99_us": 2.0 * p50});
        let memory = |asked: &str, kib: f64| json!({"kind": "memory", "asked": asked, "rss_kib": [kib, kib]});
        let mut raw = vec![
            json!({"kind": "host", "cpu": "a CPU", "cores": 2, "memory": "4 kB", "kernel": "6"}),
            json!({"kind": "version", "postgresql": "15"}),
            latency("rumormill", 500.0),
            latency("postgresql", 100.0),
            memory("never", 9_216.0),
            memory("asked", 12_288.0),
        ];
        let text = table(&raw).unwrap();
        let row =
            "| 1024 rows, simple query: p50 | 500 | 100 | 5.00 | <= 1000: met; ratio <= 3: **missed** |";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("| never asked | 9.00 | - | - |"), "{text}");
        assert!(text.contains("| asked 120 statements | 12.0 | 3.00 | <= 8: met |"), "{text}");
        raw.push(memory("before", 7_168.0));
        assert!(table(&raw).unwrap().contains("| never asked | 9.00 | 2.00 | <= 1: **missed** |"));
    }
}
