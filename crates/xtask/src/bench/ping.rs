//! `cargo xtask bench ping`: what one handled ping with its ack costs at n = 100, 1,000 and 10,000 members, in a quiet cluster, beside foca.
//!
//! The program is `bench/ping`, a workspace of its own. Instructions come from callgrind, if it is there: those of a run with pings less
//! those of a run without, so that building the cluster cancels out; they hardly vary. Nanoseconds depend on the machine.

use super::stats::{Spread, digits};
use crate::shell;
use anyhow::{Context, Result};
use rumormill_testkit::process::Scratch;
use rumormill_testkit::tools::find;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// What to measure.
#[derive(clap::Args)]
pub struct Args {
    /// Timed repetitions of each size
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Pings in each repetition
    #[arg(long, default_value_t = 200_000)]
    pings: usize,
}

const SIDES: [&str; 2] = ["rumormill", "foca"];
const SIZES: [u64; 3] = [100, 1_000, 10_000];
/// Pings under callgrind, where each instruction is counted and costs fifty.
const COUNTED_PINGS: usize = 20_000;
/// What a ping may cost at the largest size, over what it costs at the smallest.
const GROWTH_MAX: f64 = 3.0;

/// Measures, and writes `bench/ping/raw-ping.jsonl`.
pub fn run(args: &Args) -> Result<()> {
    let dir = shell::root().join("bench/ping");
    let target = shell::target_dir()?.join("bench-ping");
    let mut build = shell::cargo(["build", "--release", "--manifest-path", "bench/ping/Cargo.toml"]);
    shell::run(build.env("CARGO_TARGET_DIR", &target))?;
    let program = target.join("release/ping-cost");
    let mut lines = vec![super::host()];
    for run in 1..=args.runs {
        for side in SIDES {
            for n in SIZES {
                let out = shell::output(Command::new(&program).args([
                    side,
                    &n.to_string(),
                    &args.pings.to_string(),
                ]))?;
                let ns: f64 = out.trim().parse()?;
                eprintln!("run {run}: {side} at {n}: {ns:.0} ns");
                lines.push(json!({"kind": "time", "side": side, "members": n, "run": run, "ns": ns}));
            }
        }
    }
    if find("valgrind").is_ok() {
        for side in SIDES {
            for n in SIZES {
                let count = instructions(&program, side, n)?;
                eprintln!("{side} at {n}: {count:.0} instructions");
                lines
                    .push(json!({"kind": "instructions", "side": side, "members": n, "instructions": count}));
            }
        }
    } else {
        eprintln!("valgrind is not here: no instruction counts");
    }
    let mut file = std::fs::File::create(dir.join("raw-ping.jsonl"))?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    Ok(())
}

/// Instructions per ping: the difference of two whole runs.
fn instructions(program: &Path, side: &str, n: u64) -> Result<f64> {
    let scratch = Scratch::new("callgrind");
    let total = |pings: usize| -> Result<f64> {
        let out = scratch.join(&format!("out-{pings}"));
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", out.display()));
        shell::output(valgrind.arg(program).args([side, &n.to_string(), &pings.to_string()]))?;
        let text = std::fs::read_to_string(&out)?;
        let line =
            text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
        Ok(line.context("callgrind wrote no total")?.trim().parse()?)
    };
    Ok((total(COUNTED_PINGS)? - total(0)?) / COUNTED_PINGS as f64)
}

/// The table from its raw lines.
pub fn table(raw: &[Value]) -> Result<String> {
    let mut text = String::from(
        "# What a ping costs\n\n\
         Written by `cargo xtask bench ping` from the `raw-*.jsonl` beside it: one member of a quiet cluster of n decodes a ping from a random peer,\n\
         handles it, and encodes the ack. Without seal and socket on either side. Instructions by callgrind, as the difference of a run with pings\n\
         and one without; they include drawing the peer and encoding the ping, alike on both sides. Time as median [min..max] over the runs.\n",
    );
    let host = raw.iter().find(|line| line["kind"] == "host").context("a raw file without its machine")?;
    writeln!(text, "\nMachine: {} cores of {}.\n", host["cores"], host["cpu"].as_str().unwrap_or("?"))?;
    text.push_str(
        "| | n = 100 | 1,000 | 10,000 | 10,000 over 100 | wanted |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for (kind, field, unit) in [("instructions", "instructions", "instructions"), ("time", "ns", "ns")] {
        for side in SIDES {
            let at = |n: u64| -> Option<Spread> {
                let found: Vec<f64> = raw
                    .iter()
                    .filter(|line| line["kind"] == kind && line["side"] == side && line["members"] == n)
                    .filter_map(|line| line[field].as_f64())
                    .collect();
                Spread::of(&found)
            };
            let all: Vec<Spread> = SIZES.into_iter().filter_map(at).collect();
            let [small, middle, large] = all[..] else { continue };
            let growth = large.median / small.median;
            let wanted = if side == "rumormill" { format!("<= {GROWTH_MAX}") } else { "-".into() };
            writeln!(
                text,
                "| {side}, {unit} | {} | {} | {} | {} | {wanted} |",
                small.show(),
                middle.show(),
                large.show(),
                digits(growth)
            )?;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_the_largest_size_over_the_smallest() {
        let mut raw = vec![json!({"kind": "host", "cores": 2, "cpu": "a CPU"})];
        for (n, ns) in SIZES.into_iter().zip([100.0, 150.0, 250.0]) {
            raw.push(json!({"kind": "time", "side": "rumormill", "members": n, "run": 1, "ns": ns}));
        }
        let table = table(&raw).unwrap();
        assert!(table.contains("| rumormill, ns | 100 | 150 | 250 | 2.50 | <= 3 |"), "{table}");
    }
}
