//! `cargo xtask bench agents`: what N agents on one machine cost, and how fast they find each other, beside serf in the same run.
//!
//! The sides take turns, each with a fresh cluster: all agents are started as fast as they start and join the first. Then each is
//! asked in turn until it sees all (once it does, it is left alone). Memory is read 30 s after the last start, then CPU and traffic over
//! an idle window in which nobody is asked anything. Run as root, it happens in a network namespace of its own, whose counters
//! count both sides' packets alike; otherwise traffic is left out.

use super::procfs::{self, Traffic};
use super::sides::{self, Agent, Side};
use super::stats::{Spread, digits, ratios};
use crate::shell;
use anyhow::{Context, Result, bail};
use rumormill_testkit::process::Scratch;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What to measure.
#[derive(clap::Args)]
pub struct Args {
    /// Agents in a cluster
    #[arg(long, default_value_t = 100)]
    nodes: usize,
    /// Clusters of each side
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Seconds after the last start at which memory is read
    #[arg(long, default_value_t = 30)]
    settle_s: u64,
    /// Seconds over which CPU and traffic are counted
    #[arg(long, default_value_t = 60)]
    idle_s: u64,
    /// Only this side: rumormill or serf
    #[arg(long)]
    only: Option<String>,
    /// This program instead of a fresh release build
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// We are in a network namespace of our own already
    #[arg(long, hide = true)]
    isolated: bool,
}

/// A cluster that has not converged by then is measured as it is, without this figure.
const CONVERGED_S_MAX: u64 = 180;

/// Measures, and writes `bench/agents/raw-N.jsonl`.
pub fn run(args: &Args) -> Result<()> {
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None if args.isolated => shell::target_dir()?.join("release/rumormill"),
        None => shell::release_binary()?, // where there still is a network to fetch from
    };
    if !args.isolated && rumormill_testkit::tools::find("root").is_ok() {
        let again: Vec<String> = std::env::args().skip(1).chain(["--isolated".to_owned()]).collect();
        return sides::rerun_in_own_network(&again);
    }
    let sides: Vec<Side> = sides::sides(binary)
        .into_iter()
        .filter(|side| args.only.as_deref().is_none_or(|only| only == side.name()))
        .collect();
    if sides.is_empty() {
        bail!("nothing to measure: --only takes rumormill or serf, and serf must be installed");
    }
    let dir = shell::root().join("bench/agents");
    std::fs::create_dir_all(&dir)?;
    let mut lines = vec![super::host()];
    for side in &sides {
        lines.push(json!({"kind": "version", "side": side.name(), "version": side.version()?}));
    }
    for run in 1..=args.runs {
        for side in &sides {
            eprintln!("{} agents of {}, run {run} of {}", args.nodes, side.name(), args.runs);
            let line = one(args, side, run).with_context(|| format!("{}, run {run}", side.name()))?;
            eprintln!("  {}", summary(&line));
            lines.push(line);
        }
    }
    let mut file = std::fs::File::create(dir.join(format!("raw-{:04}.jsonl", args.nodes)))?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    Ok(())
}

/// One cluster from its first start to its end.
fn one(args: &Args, side: &Side, run: usize) -> Result<Value> {
    let load = procfs::load1();
    let scratch = Scratch::new("bench");
    side.prepare(scratch.path())?;
    let first = Instant::now();
    let agents: Vec<Agent> = (0..args.nodes).map(|nth| side.start(nth, scratch.path())).collect();
    let last = Instant::now();
    let converged = converged(side, &agents, last);
    std::thread::sleep(Duration::from_secs(args.settle_s).saturating_sub(last.elapsed()));
    let pids = sides::pids(&agents);
    let (rss, pss): (Vec<f64>, Vec<f64>) =
        pids.iter().map(|pid| procfs::memory_kib(*pid)).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let cpu_all = || pids.iter().map(|pid| procfs::cpu_s(*pid)).collect::<Result<Vec<f64>>>();
    let (cpu, before, start) = (cpu_all()?, procfs::traffic()?, Instant::now());
    std::thread::sleep(Duration::from_secs(args.idle_s));
    let (cpu_after, after, idle_s) = (cpu_all()?, procfs::traffic()?, start.elapsed().as_secs_f64());
    let cpu_percent: Vec<f64> =
        cpu_after.iter().zip(&cpu).map(|(b, a)| round((b - a) / idle_s * 100.0)).collect();
    let blind = agents.iter().filter(|agent| side.sees(agent) != Some(args.nodes)).count();
    let mut line = json!({
        "kind": "run", "side": side.name(), "run": run, "nodes": args.nodes, "load": load,
        "starting_s": round((last - first).as_secs_f64()), "converged_s": converged.map(round),
        "settle_s": args.settle_s, "idle_s": round(idle_s), "see_fewer_at_end": blind,
        "rss_kib": rss, "pss_kib": pss, "cpu_percent": cpu_percent,
    });
    if args.isolated {
        add_traffic(&mut line, before, after, idle_s * args.nodes as f64);
    }
    Ok(line)
}

fn add_traffic(line: &mut Value, before: Traffic, after: Traffic, agent_seconds: f64) {
    line["udp_per_agent_s"] = json!(round((after.datagrams - before.datagrams) / agent_seconds));
    line["ip_bytes_per_agent_s"] = json!(round((after.ip_bytes - before.ip_bytes) / agent_seconds));
    line["tcp_segments_per_agent_s"] = json!(round((after.segments - before.segments) / agent_seconds));
}

/// Seconds from `last` until every agent has been seen to see all; none if that did not happen in time.
fn converged(side: &Side, agents: &[Agent], last: Instant) -> Option<f64> {
    for (nth, agent) in agents.iter().enumerate() {
        while side.sees(agent).is_none_or(|seen| seen < agents.len()) {
            if last.elapsed().as_secs() > CONVERGED_S_MAX {
                let seen = side.sees(agent);
                eprintln!("  agent {nth} sees {seen:?} of {} after {CONVERGED_S_MAX} s", agents.len());
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Some(last.elapsed().as_secs_f64())
}

fn round(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}

fn numbers(line: &Value, name: &str) -> Vec<f64> {
    match &line[name] {
        Value::Array(all) => all.iter().filter_map(Value::as_f64).collect(),
        one => one.as_f64().into_iter().collect(),
    }
}

fn summary(line: &Value) -> String {
    let median = |name: &str| Spread::of(&numbers(line, name)).map_or("-".into(), |s| s.show());
    format!(
        "converged {} s; RSS {} KiB, PSS {} KiB, CPU {} %, UDP {}/s, IP {} B/s; load {}",
        median("converged_s"),
        median("rss_kib"),
        median("pss_kib"),
        median("cpu_percent"),
        median("udp_per_agent_s"),
        median("ip_bytes_per_agent_s"),
        line["load"]
    )
}

/// A row of the table: what it is, the raw field, what it is divided by, and the bound it is held to.
type Row = (&'static str, &'static str, f64, Option<f64>);

const ROWS: [Row; 8] = [
    ("converged, s after the last start", "converged_s", 1.0, Some(3.0)),
    ("resident memory (RSS), MiB per agent", "rss_kib", 1024.0, Some(10.0)),
    ("proportional memory (PSS), MiB per agent", "pss_kib", 1024.0, None),
    ("CPU when idle, % of a core per agent", "cpu_percent", 1.0, Some(0.2)),
    ("UDP datagrams sent, per agent and second", "udp_per_agent_s", 1.0, None),
    ("TCP segments sent, per agent and second", "tcp_segments_per_agent_s", 1.0, None),
    ("IP bytes sent, per agent and second", "ip_bytes_per_agent_s", 1.0, None),
    ("agents that did not see all at the end", "see_fewer_at_end", 1.0, Some(0.0)),
];

/// The table from its raw lines.
pub fn table(raw: &[Value]) -> Result<String> {
    let mut text = String::from(
        "# Agents on one machine\n\n\
         Written by `cargo xtask bench agents` from the `raw-*.jsonl` beside it. Each figure is taken per run as the mean over the agents; shown is the\n\
         median over the runs, with the smallest and largest run. The ratio is ours over serf's, run by run. Our vitals and sealing are on; serf\n\
         gossips in the clear and carries no vitals. Bytes count IP headers. `most` is the worst single agent of any run.\n",
    );
    let versions: Vec<_> = raw.iter().filter(|line| line["kind"] == "version").collect();
    let mut sizes: Vec<u64> = raw.iter().filter_map(|line| line["nodes"].as_u64()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut hosts: Vec<_> = raw.iter().filter(|line| line["kind"] == "host").map(super::host_line).collect();
    hosts.dedup();
    writeln!(text, "\nMachine: {}.", hosts.join("; "))?;
    let mut names: Vec<_> = versions.iter().filter_map(|line| line["version"].as_str()).collect();
    names.sort_unstable();
    names.dedup();
    writeln!(text, "Versions: {}.", names.join(", "))?;
    for nodes in sizes {
        size_table(&mut text, raw, nodes)?;
    }
    Ok(text)
}

fn size_table(text: &mut String, raw: &[Value], nodes: u64) -> Result<()> {
    let runs = |side: &str| -> Vec<&Value> {
        raw.iter().filter(|line| line["nodes"] == nodes && line["side"] == side).collect()
    };
    let (ours, theirs) = (runs("rumormill"), runs("serf"));
    let loads: Vec<f64> = ours.iter().chain(&theirs).flat_map(|line| numbers(line, "load")).collect();
    let loads = Spread::of(&loads).context("runs without a load average")?;
    writeln!(
        text,
        "\n## {nodes} agents\n\n{} runs of ours, {} of serf's; load average before each run {}.\n",
        ours.len(),
        theirs.len(),
        loads.show()
    )?;
    text.push_str("| | wanted | rumormill | most | serf | ratio |\n| --- | --- | --- | --- | --- | --- |\n");
    for (title, field, unit, bound) in ROWS {
        let means = |lines: &[&Value]| -> Vec<f64> {
            lines
                .iter()
                .filter_map(|line| {
                    let all = numbers(line, field);
                    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64 / unit)
                })
                .collect()
        };
        let most = ours.iter().flat_map(|line| numbers(line, field)).reduce(f64::max);
        let (a, b) = (means(&ours), means(&theirs));
        let show = |spread: Option<Spread>| spread.map_or("-".into(), |s| s.show());
        let ratio = if b.contains(&0.0) { None } else { ratios(&a, &b) };
        writeln!(
            text,
            "| {title} | {} | {} | {} | {} | {} |",
            bound.map_or("-".into(), |max| format!("<= {max}")),
            show(Spread::of(&a)),
            most.map_or("-".into(), |most| digits(most / unit)),
            show(Spread::of(&b)),
            show(ratio)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_the_raw_lines_say() {
        let run = |side: &str, converged: f64, rss: [f64; 2]| json!({"kind": "run", "side": side, "nodes": 2, "load": 1.0, "converged_s": converged, "rss_kib": rss, "see_fewer_at_end": 0});
        let raw = [
            json!({"kind": "host", "cpu": "a CPU", "cores": 2, "memory": "4 kB", "kernel": "6"}),
            json!({"kind": "version", "side": "serf", "version": "serf 1"}),
            run("rumormill", 1.0, [1024.0, 3072.0]),
            run("serf", 2.0, [4096.0, 4096.0]),
            run("rumormill", 3.0, [2048.0, 2048.0]),
            run("serf", 2.0, [4096.0, 4096.0]),
        ];
        let table = table(&raw).unwrap();
        assert!(table.contains("2 cores of a CPU"), "{table}");
        let row = |name: &str| table.lines().find(|line| line.contains(name)).unwrap().to_owned();
        let converged = "| <= 3 | 2.00 [1.00..3.00] | 3.00 | 2.00 | 1.00 [0.500..1.50] |";
        assert!(row("converged").ends_with(converged), "{}", row("converged"));
        assert!(row("RSS").ends_with("| <= 10 | 2.00 | 3.00 | 4.00 | 0.500 |"), "{}", row("RSS"));
        assert!(row("UDP").ends_with("| - | - | - | - | - |"), "{}", row("UDP"));
    }
}
