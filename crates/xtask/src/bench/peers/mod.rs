//! `cargo xtask bench peers`: our agent beside Debian's serf, both as black boxes, in one run on one machine, with their LAN profiles.
//!
//! The sides take turns, cluster by cluster (ours, serf's, ours, …), and never run at once. Both are observed alike: what they say of each other is read from their
//! logs by pipes, and of events each agent has one consumer that the kernel wakes (`GET /v1/events` that waits; serf's RPC `stream`).
//!
//! | module | what it does |
//! | --- | --- |
//! | `plan` | what is measured, how often, how long that takes |
//! | `place`, `net`, `quiet` | namespaces of our own; loss, cuts and counters by nftables; whether the machine was busy before |
//! | `cluster`, `observer`, `record` | the processes; the thread that reads what they say; what it read, and when |
//! | `lines`, `http`, `rpc`, `payload` | what either side's logs and APIs say |
//! | `life`, `cost`, `rate` (`search`, `load`), `pause` | the rows |
//! | `table` | the result, with the targets |

mod cluster;
mod cost;
mod http;
mod life;
mod lines;
mod load;
mod net;
mod observer;
mod pause;
mod payload;
mod place;
mod plan;
mod quiet;
mod rate;
mod record;
mod rpc;
mod search;
mod table;

use super::sides::{self, Side};
use crate::shell;
use anyhow::{Context, Result, bail};
use cluster::Cluster;
use place::Place;
use plan::{Plan, Row};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

pub use table::markdown as table;

/// What to measure.
#[derive(clap::Args)]
pub struct Args {
    /// A try in a few minutes at N=10; writes no result
    #[arg(long)]
    quick: bool,
    /// Only these rows, separated by commas
    #[arg(long, value_enum, value_delimiter = ',')]
    rows: Vec<Row>,
    /// Sizes of clusters, separated by commas; writes no result [default: 10,30,100; rates and pauses: 30]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(3..=250))]
    nodes: Vec<u64>,
    /// Clusters of each side and size, for what takes seconds [default: 4]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100))]
    trials: Option<u64>,
    /// The same for what takes minutes: cost, rates, pauses [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100))]
    long_trials: Option<u64>,
    /// From it everything follows that is drawn here
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this side, rumormill or serf; writes no result
    #[arg(long)]
    only: Option<String>,
    /// This program instead of a fresh release build
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// We are in namespaces of our own already; agents keep their data here
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

impl Args {
    fn plan(&self) -> Plan {
        let mut plan = if self.quick { Plan::quick() } else { Plan::whole() };
        if !self.rows.is_empty() {
            plan.rows = self.rows.clone();
        }
        if !self.nodes.is_empty() {
            plan.nodes = self.nodes.iter().map(|n| *n as usize).collect();
            (plan.rate_nodes, plan.pause_nodes) = (plan.nodes.clone(), plan.nodes.clone());
        }
        plan.trials = self.trials.map_or(plan.trials, |trials| trials as usize);
        plan.long_trials = self.long_trials.map_or(plan.long_trials, |trials| trials as usize);
        Plan { seed: self.seed, ..plan }
    }

    /// Whether it is a result to be written: which rows it has does not matter, since each has its own file.
    pub fn is_result(&self) -> bool {
        !self.quick && self.only.is_none() && self.nodes.is_empty()
    }
}

/// Measures, and writes a raw file for each row.
pub fn run(args: &Args) -> Result<()> {
    let lacks = place::lacks();
    if lacks.is_none() && args.inside.is_none() {
        if args.binary.is_none() {
            shell::release_binary()?; // where there still is a network to fetch from
        }
        place::rerun_inside()?;
    }
    let mut bench = Bench::new(args)?;
    bench.check_quiet()?;
    if let Some(why) = lacks {
        bench.skip(&why);
    }
    bench.measure();
    bench.finish(args)
}

/// A run under way.
pub struct Bench {
    sides: Vec<Side>,
    plan: Plan,
    place: Place,
    used_share: f64,
    load: f64,
    start: Instant,
    lines: BTreeMap<Row, Vec<Value>>,
    skipped: Vec<String>,
    failed: Vec<String>,
}

impl Bench {
    fn new(args: &Args) -> Result<Bench> {
        let binary = match &args.binary {
            Some(binary) => binary.clone(),
            None if args.inside.is_some() => shell::target_dir()?.join("release/rumormill"),
            None => shell::release_binary()?,
        };
        let mut sides = sides::sides(binary);
        if let Some(only) = &args.only {
            sides.retain(|side| side.name() == only);
            if sides.is_empty() {
                bail!("--only takes rumormill or serf, and serf must be installed");
            }
        } else if sides.len() < 2 {
            bail!(
                "there is no serf to compare with: apt install serf, or measure one side by --only rumormill"
            );
        }
        let (plan, place) = (args.plan(), place::here(args.inside.as_deref())?);
        let (lines, skipped, failed) = (BTreeMap::new(), Vec::new(), Vec::new());
        Ok(Bench {
            sides,
            plan,
            place,
            used_share: 0.0,
            load: 0.0,
            start: Instant::now(),
            lines,
            skipped,
            failed,
        })
    }

    fn check_quiet(&mut self) -> Result<()> {
        let estimate = self.plan.estimate_s(self.sides.len()) / 60.0;
        let names = self.plan.rows.iter().map(|row| row.name()).collect::<Vec<_>>().join(", ");
        eprintln!("{names}: about {estimate:.0} minutes; agents {}", self.place.text);
        self.load = super::procfs::load1();
        self.used_share = quiet::used_share()?;
        if self.used_share > quiet::BUSY_SHARE {
            eprintln!(
                "the machine is busy ({:.0} % of it in use before the run): figures will be shown, and nothing claimed",
                self.used_share * 100.0
            );
        }
        Ok(())
    }

    fn skip(&mut self, why: &str) {
        self.plan.rows.retain(|row| {
            if row.needs_root() {
                self.skipped.push(format!("{row}: {why}"));
                eprintln!("skipped: {row}: {why}");
            }
            !row.needs_root()
        });
    }

    fn measure(&mut self) {
        let plan = self.plan.clone();
        let sides = self.sides.clone();
        if Row::LIFE.iter().any(|row| plan.has(*row)) {
            self.each(&plan.nodes, plan.trials, |bench, n, trial| {
                sides.iter().for_each(|side| {
                    bench.one("life", side.name(), n, trial, |b| life::run(b, side, n, trial))
                });
            });
        }
        if plan.has(Row::Cost) {
            self.each(&plan.nodes, plan.long_trials, |bench, n, trial| {
                sides.iter().for_each(|side| {
                    bench.one("cost", side.name(), n, trial, |b| cost::run(b, side, n, trial))
                });
            });
        }
        for (row, seconds) in [Row::Rate10s, Row::Rate40s].into_iter().zip(plan.rate_s) {
            if plan.has(row) {
                self.each(&plan.rate_nodes, plan.long_trials, |bench, n, trial| {
                    bench.one(row.name(), "each side", n, trial, |b| rate::run(b, row, seconds, n, trial));
                });
            }
        }
        for row in Row::PAUSES.into_iter().filter(|row| plan.has(*row)) {
            self.each(&plan.pause_nodes, plan.long_trials, |bench, n, trial| {
                sides.iter().for_each(|side| {
                    bench.one(row.name(), side.name(), n, trial, |b| pause::run(b, row, side, n, trial));
                });
            });
        }
    }

    fn each(&mut self, nodes: &[usize], trials: usize, mut work: impl FnMut(&mut Bench, usize, usize)) {
        for n in nodes {
            (1..=trials).for_each(|trial| work(self, *n, trial));
        }
    }

    /// One step that may fail without ending the others.
    fn one(
        &mut self,
        what: &str,
        who: &str,
        n: usize,
        trial: usize,
        work: impl FnOnce(&mut Bench) -> Result<()>,
    ) {
        let minutes = self.start.elapsed().as_secs_f64() / 60.0;
        eprintln!("[{minutes:.1} min] {what}: {n} agents of {who}, trial {trial}");
        if let Err(error) = work(self) {
            let text = format!("{what}: {n} agents of {who}, trial {trial}: {error:#}");
            eprintln!("  failed: {error:#}");
            self.failed.push(text);
        }
    }

    /// A figure of a row.
    fn note(&mut self, row: Row, side: &Side, n: usize, trial: usize, figures: Value) {
        self.add("figure", row, side, n, trial, figures);
    }

    /// Something on the way to one.
    fn note_step(&mut self, row: Row, side: &Side, n: usize, trial: usize, figures: Value) {
        self.add("step", row, side, n, trial, figures);
    }

    fn add(&mut self, kind: &str, row: Row, side: &Side, n: usize, trial: usize, figures: Value) {
        if !self.plan.has(row) {
            return;
        }
        eprintln!("  {row}, {}: {figures}", side.name());
        let mut line = json!({"kind": kind, "row": row.name(), "side": side.name(), "n": n, "trial": trial});
        for (name, value) in figures.as_object().into_iter().flatten() {
            line[name] = value.as_f64().map_or(value.clone(), |x| json!((x * 1e6).round() / 1e6));
        }
        self.lines.entry(row).or_default().push(line);
    }

    /// Says what went wrong while a cluster was heard.
    fn complain(&self, cluster: &Cluster) {
        for problem in cluster.observer.record().problems.iter().take(5) {
            eprintln!("  of {}: {problem}", cluster.side.name());
        }
    }

    /// What there is to know of a row besides its figures.
    fn head(&self, row: Row) -> Result<Value> {
        let versions = self.sides.iter().map(Side::version).collect::<Result<Vec<_>>>()?;
        Ok(json!({
            "kind": "run", "row": row.name(), "versions": versions, "machine": super::host(),
            "date": humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            "load": self.load, "used_share": (self.used_share * 1e3).round() / 1e3,
            "is_busy": self.used_share > quiet::BUSY_SHARE, "place": self.place.text,
            "is_tmpfs": self.place.is_tmpfs, "seed": self.plan.seed,
        }))
    }

    fn finish(mut self, args: &Args) -> Result<()> {
        let lines = std::mem::take(&mut self.lines);
        let mut all = Vec::new();
        for (row, lines) in lines {
            let raw: Vec<Value> = std::iter::once(self.head(row)?).chain(lines).collect();
            if args.is_result() {
                self.write(row, &raw)?;
            }
            all.extend(raw);
        }
        match args.json {
            true => println!("{:#}", table::json(&all, &self.skipped, &self.failed)),
            false => print!("{}", table::markdown(&all)?),
        }
        self.skipped.iter().for_each(|skipped| eprintln!("skipped: {skipped}"));
        match &self.failed[..] {
            [] => Ok(()),
            failed => bail!("{} trials failed:\n{}", failed.len(), failed.join("\n")),
        }
    }

    fn write(&self, row: Row, raw: &[Value]) -> Result<()> {
        let dir = shell::root().join("bench/peers");
        std::fs::create_dir_all(&dir)?;
        let file = dir.join(format!("raw-{row}.jsonl"));
        let text: String = raw.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}
