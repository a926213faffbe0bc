//! `cargo xtask bench sim`: what the simulator costs at a million nodes, beside PeerSim 1.0.5.
//!
//! Our side is `rumormill lab`, as anybody runs it. PeerSim is compiled here from a directory with its public source and jars
//! (`--peersim`); without one our side is measured alone. Both average by the same plain push-pull gossip among a million nodes, each of which knows twenty
//! random others. What a run costs per cycle is the difference between a long and a short run, so that starting up and drawing the overlay
//! cancel out. Our laboratory asks for huge pages by itself; a JVM does so if it is told to, and is measured both ways.

use super::stats::{Spread, digits};
use crate::shell;
use anyhow::{Context, Result, bail};
use rumormill_testkit::process::Scratch;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What to measure.
#[derive(clap::Args)]
pub struct Args {
    /// Repetitions, ours and PeerSim's in turn
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Nodes of the large runs
    #[arg(long, default_value_t = 1_000_000)]
    nodes: u64,
    /// PeerSim 1.0.5: a directory with its source (`peersim/`, `example/aggregation`, `example/edaggregation`) and jars (JEP)
    #[arg(long)]
    peersim: Option<PathBuf>,
    /// This program instead of a fresh release build
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Nodes of the small runs, to which the large ones are compared.
const SMALL: u64 = 10_000;
/// Cycles of a short and of a long run of each engine.
const CYCLES: (u64, u64) = (2, 7);

/// Measures, and writes `bench/sim/raw-sim.jsonl`.
pub fn run(args: &Args) -> Result<()> {
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => shell::release_binary()?,
    };
    let peersim = args.peersim.as_deref().map(PeerSim::compile).transpose()?;
    if peersim.is_none() {
        eprintln!("no --peersim DIR: our side is measured alone");
    }
    let dir = shell::root().join("bench/sim");
    std::fs::create_dir_all(&dir)?;
    let mut lines = vec![super::host()];
    for run in 1..=args.runs {
        for (what, nodes, threads) in [("push", SMALL, 1), ("push", args.nodes, 1), ("push", args.nodes, 2)] {
            let line = epidemic(&binary, run, what, nodes, threads)?;
            eprintln!("run {run}: {line}");
            lines.push(line);
        }
        for engine in ["event", "cycle"] {
            for (side, algorithm) in [("rumormill", "plain-averaging"), ("rumormill-lossless", "averaging")] {
                lines.push(per_cycle(run, side, engine, args.nodes, |cycles| {
                    ours(&binary, algorithm, engine, args.nodes, cycles)
                })?);
            }
            for (side, flags) in
                [("peersim", &[][..]), ("peersim-huge", &["-XX:+UseTransparentHugePages"][..])]
            {
                if let Some(peersim) = &peersim {
                    lines.push(per_cycle(run, side, engine, args.nodes, |cycles| {
                        peersim.cpu_s(flags, engine, args.nodes, cycles)
                    })?);
                }
            }
        }
    }
    let mut file = std::fs::File::create(dir.join("raw-sim.jsonl"))?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    Ok(())
}

/// One push epidemic until the last node knows.
fn epidemic(binary: &Path, run: usize, what: &str, nodes: u64, threads: u32) -> Result<Value> {
    // The small one is over in no time: many in a row say more.
    let runs = (1_000_000 / nodes).clamp(1, 100);
    let text = shell::output(
        Command::new(binary)
            .args(["lab", "epidemic", "--strategy", what, "--removal", "none", "--json"])
            .args([
                "--nodes",
                &nodes.to_string(),
                "--runs",
                &runs.to_string(),
                "--threads",
                &threads.to_string(),
            ]),
    )?;
    let out: Value = serde_json::from_str(&text)?;
    Ok(json!({
        "kind": "epidemic", "strategy": what, "nodes": nodes, "run": run, "threads": threads, "runs": runs,
        "events": out["events"], "cpu_s": out["cpu_s"], "peak_rss_kib": out["peak_rss_kib"], "residue": out["residue"],
        "digest": out["digest"], "busy_s": out["busy_s"], "busy_max_s": out["busy_max_s"],
    }))
}

/// CPU seconds of one cycle: the difference of a long and a short run.
fn per_cycle(
    run: usize,
    side: &str,
    engine: &str,
    nodes: u64,
    cpu_s: impl Fn(u64) -> Result<f64>,
) -> Result<Value> {
    let (short, long) = CYCLES;
    let cost = (cpu_s(long)? - cpu_s(short)?) / (long - short) as f64;
    if cost <= 0.0 {
        bail!("{side}: {long} cycles took no longer than {short}: use more nodes");
    }
    let line = json!({"kind": "cycle", "side": side, "engine": engine, "nodes": nodes, "run": run, "cpu_s_per_cycle": cost});
    eprintln!("run {run}: {line}");
    Ok(line)
}

fn ours(binary: &Path, algorithm: &str, engine: &str, nodes: u64, cycles: u64) -> Result<f64> {
    let mut command = Command::new(binary);
    command.args(["lab", "aggregate", "--algorithm", algorithm, "--neighbours", "20", "--json"]);
    command.args(["--nodes", &nodes.to_string(), "--rounds", &cycles.to_string()]);
    command.args(if engine == "cycle" { &["--synchronous"][..] } else { &["--latency", "1ms,100ms"] });
    let out: Value = serde_json::from_str(&shell::output(&mut command)?)?;
    out["cpu_s"].as_f64().context("no cpu_s in the answer")
}

/// PeerSim, compiled.
struct PeerSim {
    classes: Scratch,
    class_path: String,
}

impl PeerSim {
    fn compile(source: &Path) -> Result<PeerSim> {
        let source = source.canonicalize().with_context(|| format!("--peersim {}", source.display()))?;
        let classes = Scratch::new("peersim");
        let files = |ending: &str| -> Result<Vec<String>> {
            let found = shell::output(Command::new("find").arg(&source).args(["-name", ending]))?;
            Ok(found.lines().map(str::to_owned).collect())
        };
        let jars = files("*.jar")?.join(":");
        let needed = |file: &String| {
            file.contains("/peersim/") && !file.contains("/extras/")
                || file.contains("/example/aggregation/")
                || file.contains("/example/edaggregation/")
        };
        let sources: Vec<String> = files("*.java")?.into_iter().filter(needed).collect();
        if sources.is_empty() {
            bail!("--peersim {} holds no source of PeerSim", source.display());
        }
        let mut javac = Command::new("javac");
        javac
            .args(["-nowarn", "-encoding", "ISO-8859-1", "-cp", &jars, "-d"])
            .arg(classes.path())
            .args(sources);
        shell::run(javac.stderr(Stdio::null()))?;
        let class_path = format!("{}:{jars}", classes.path().display());
        Ok(PeerSim { classes, class_path })
    }

    /// CPU seconds of one run.
    fn cpu_s(&self, flags: &[&str], engine: &str, nodes: u64, cycles: u64) -> Result<f64> {
        let config = self.classes.join("config.txt");
        std::fs::write(&config, config_text(engine, nodes, cycles))?;
        let script = r#"classes=$0 config=$1; shift; java -Xmx12g -XX:+UseSerialGC "$@" -cp "$classes" peersim.Simulator "$config" >/dev/null 2>&1 && times"#;
        let mut sh = Command::new("sh");
        let out = shell::output(sh.args(["-c", script, &self.class_path]).arg(&config).args(flags))?;
        // The second line is of the children: user and system, as 1m2.345s.
        let line = out.lines().nth(1).context("PeerSim did not run to its end")?;
        line.split_whitespace().map(seconds).sum()
    }
}

/// `1m2.345s`.
fn seconds(text: &str) -> Result<f64> {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m').context("no time of the shell's")?;
    Ok(minutes.parse::<f64>()? * 60.0 + seconds.parse::<f64>()?)
}

/// The same in PeerSim's words: averaging by push-pull among `nodes`, each with 20 random neighbours; latency 1 to 100 ms, a cycle of 1 s.
fn config_text(engine: &str, nodes: u64, cycles: u64) -> String {
    let common = format!(
        "random.seed 1\nnetwork.size {nodes}\nprotocol.link peersim.core.IdleProtocol\nprotocol.avg.linkable link\n\
         init.rnd peersim.dynamics.WireKOut\ninit.rnd.protocol link\ninit.rnd.k 20\n\
         init.lin peersim.vector.LinearDistribution\ninit.lin.protocol avg\ninit.lin.min 0\ninit.lin.max 100\n"
    );
    match engine {
        "event" => format!(
            "{common}simulation.endtime {}\nsimulation.logtime {}\nprotocol.urt peersim.transport.UniformRandomTransport\n\
             protocol.urt.mindelay 1\nprotocol.urt.maxdelay 100\nprotocol.avg example.edaggregation.AverageED\nprotocol.avg.step 1000\n\
             protocol.avg.transport urt\ninit.sch peersim.edsim.CDScheduler\ninit.sch.protocol avg\ninit.sch.randstart\n",
            cycles * 1000,
            cycles * 1000,
        ),
        _ => format!(
            "{common}simulation.cycles {cycles}\nprotocol.avg example.aggregation.AverageFunction\ncontrol.shf peersim.cdsim.Shuffle\n"
        ),
    }
}

/// What is wanted of a figure.
enum Wanted {
    AtMost(f64),
    AtLeast(f64),
}

/// What the table says of itself.
const ABOUT: &str = "# The simulator at a million nodes\n\n\
     Written by `cargo xtask bench sim` from the `raw-*.jsonl` beside it. An event is one input that a protocol handles. The epidemic is\n\
     `rumormill lab epidemic --strategy push --removal none`, to the last node. Averaging is `rumormill lab aggregate --algorithm plain-averaging\n\
     --neighbours 20`, which says and does what PeerSim 1.0.5's AverageED does (event engine, latencies of 1 to 100 ms, cycles of 1 s), beside that and\n\
     AverageFunction (cycle engine: there an exchange is a call, here a timer and two messages), the serial collector's CPU time included. Our\n\
     laboratory asks for huge pages by itself; the JVM by default does not, and is shown with them, too. `--algorithm averaging` is the agent's own,\n\
     which loses no mass. Neighbours are the same random others throughout a run on both sides: PeerSim lists them, ours are computed when one is\n\
     picked (`core::peers::ImplicitPeers`). Median [min..max] over the runs; ratios run by run.\n";

/// The table from its raw lines.
pub fn table(raw: &[Value]) -> Result<String> {
    let mut text = String::from(ABOUT);
    let host = raw.iter().find(|line| line["kind"] == "host").context("a raw file without its machine")?;
    writeln!(
        text,
        "\nMachine: {} cores of {}; load {} before.\n",
        host["cores"],
        host["cpu"].as_str().unwrap_or("?"),
        host["load"]
    )?;
    text.push_str("| | measured | wanted |\n| --- | --- | --- |\n");
    let raw = Raw(raw);
    let rows = raw.epidemic_rows().into_iter().chain(raw.exchange_rows("event", "events", 6.0));
    for (name, values, wanted) in rows.chain(raw.exchange_rows("cycle", "synchronous cycles", 2.0)) {
        let Some(spread) = Spread::of(&values) else { continue };
        let wanted = match wanted {
            None => "-".into(),
            Some(Wanted::AtMost(most)) => format!("<= {}", digits(most)),
            Some(Wanted::AtLeast(least)) => format!(">= {}", digits(least)),
        };
        writeln!(text, "| {name} | {} | {wanted} |", spread.show())?;
    }
    let digests = |threads: u64| {
        let of = raw.epidemic_lines(raw.largest(), threads);
        of.filter_map(|line| line["digest"].as_str()).collect::<std::collections::BTreeSet<_>>()
    };
    let same = digests(1) == digests(2) && digests(1).len() == 1;
    writeln!(
        text,
        "\nDigests of one thread and of two, in all runs: {}.",
        if same { "the same" } else { "DIFFERENT" }
    )?;
    Ok(text)
}

/// A row: its name, the value of each run, and what is wanted.
type Row = (String, Vec<f64>, Option<Wanted>);

/// The raw lines of a benchmark.
struct Raw<'a>(&'a [Value]);

impl<'a> Raw<'a> {
    fn largest(&self) -> u64 {
        self.0.iter().filter_map(|line| line["nodes"].as_u64()).max().unwrap_or_default()
    }

    fn epidemic_lines(&self, nodes: u64, threads: u64) -> impl Iterator<Item = &'a Value> {
        let lines = self.0.iter();
        lines.filter(move |l| l["kind"] == "epidemic" && l["nodes"] == nodes && l["threads"] == threads)
    }

    fn epidemics(&self, nodes: u64, threads: u64, of: &dyn Fn(&Value) -> Option<f64>) -> Vec<f64> {
        self.epidemic_lines(nodes, threads).filter_map(of).collect()
    }

    /// Million exchanges per CPU second of one side, for each run.
    fn exchanges(&self, side: &str, engine: &str) -> Vec<f64> {
        let these =
            self.0.iter().filter(|l| l["kind"] == "cycle" && l["side"] == side && l["engine"] == engine);
        these.filter_map(|l| Some(l["nodes"].as_f64()? / l["cpu_s_per_cycle"].as_f64()? / 1e6)).collect()
    }

    fn epidemic_rows(&self) -> Vec<Row> {
        let n = self.largest();
        let cpu = |line: &Value| line["cpu_s"].as_f64();
        let memory = |line: &Value| Some(line["peak_rss_kib"].as_f64()? / 1024.0);
        let rate = |line: &Value| Some(line["events"].as_f64()? / line["cpu_s"].as_f64()? / 1e6);
        let speedup = |line: &Value| Some(line["busy_s"].as_f64()? / line["busy_max_s"].as_f64()?);
        let row = |name: String, values, wanted| (name, values, Some(wanted));
        vec![
            row(format!("push epidemic, n = {n}: CPU s"), self.epidemics(n, 1, &cpu), Wanted::AtMost(10.0)),
            row("the same: peak RSS, MiB".into(), self.epidemics(n, 1, &memory), Wanted::AtMost(1024.0)),
            row(
                "the same: million events per CPU s".into(),
                self.epidemics(n, 1, &rate),
                Wanted::AtLeast(3.5),
            ),
            row(
                format!("time per event at n = {n} over n = {SMALL}"),
                ratio(self.epidemics(SMALL, 1, &rate), self.epidemics(n, 1, &rate)),
                Wanted::AtMost(2.0),
            ),
            row(
                format!("two threads, n = {n}: CPU of both over the slower's, summed over windows"),
                self.epidemics(n, 2, &speedup),
                Wanted::AtLeast(1.6),
            ),
        ]
    }

    fn exchange_rows(&self, engine: &str, what: &str, wanted: f64) -> Vec<Row> {
        let of = |side: &str| self.exchanges(side, engine);
        vec![
            (format!("plain averaging, {what}: million exchanges per CPU s"), of("rumormill"), None),
            (format!("PeerSim's {engine} engine"), of("peersim"), None),
            ("ratio".into(), ratio(of("rumormill"), of("peersim")), Some(Wanted::AtLeast(wanted))),
            (format!("PeerSim's {engine} engine, with huge pages"), of("peersim-huge"), None),
            ("ratio".into(), ratio(of("rumormill"), of("peersim-huge")), None),
            (format!("averaging that loses no mass, {what}"), of("rumormill-lossless"), None),
        ]
    }
}

/// Run by run.
fn ratio(ours: Vec<f64>, theirs: Vec<f64>) -> Vec<f64> {
    ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_ratios_run_by_run() {
        let mut raw = vec![json!({"kind": "host", "cores": 2, "cpu": "a CPU", "load": 0.1})];
        for (run, ours, theirs) in [(1, 0.5, 4.0), (2, 1.0, 6.0)] {
            for (side, cost) in [("rumormill", ours), ("peersim", theirs)] {
                raw.push(json!({"kind": "cycle", "side": side, "engine": "event", "nodes": 1_000_000, "run": run, "cpu_s_per_cycle": cost}));
            }
            for threads in [1, 2] {
                raw.push(json!({"kind": "epidemic", "nodes": 1_000_000, "threads": threads, "events": 8e6, "cpu_s": 2.0,
                    "peak_rss_kib": 1024, "digest": "a", "busy_s": 3.0, "busy_max_s": 2.0}));
            }
        }
        let table = table(&raw).unwrap();
        assert!(table.contains("| ratio | 7.00 [6.00..8.00] | >= 6.00 |"), "{table}");
        assert!(table.contains("million events per CPU s | 4.00 | >= 3.50 |"), "{table}");
        assert!(table.contains("in all runs: the same."), "{table}");
    }

    #[test]
    fn the_shells_times_are_read() {
        assert_eq!(seconds("1m2.5s").unwrap(), 62.5);
        assert!(seconds("x").is_err());
    }
}
