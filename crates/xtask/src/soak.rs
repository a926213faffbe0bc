//! `cargo xtask soak`: what takes too long for the tests. It ends with the first failure, and says how to see it again.

mod listed;

use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// How long to run.
#[derive(clap::Args)]
pub struct Args {
    /// In minutes
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// The first seed; each round takes the next
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this workload, once, from that seed on
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// Tries of the workload `listed` in a round; each takes the next seed
    #[arg(long, default_value_t = 1_000)]
    tries: u64,
    /// The program to run, instead of a release build
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// A workload that can be run by itself.
#[derive(Copy, Clone, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    /// Real agents: what is published after listing a member is delivered at it
    Listed,
}

/// A setting of the simulator, and how many seconds of it must be clean of false deaths and converged at the end.
const WORKLOADS: [&[&str]; 5] = [
    &["--nodes", "100", "--kill", "5", "--seconds", "120"],
    &["--nodes", "100", "--loss", "0.05", "--kill", "5", "--seconds", "180"],
    &["--nodes", "100", "--partition", "0.5,60", "--seconds", "240"],
    &["--nodes", "100", "--pause", "0.1,2,5", "--seconds", "240"],
    &["--nodes", "1000", "--loss", "0.02", "--kill", "10", "--seconds", "180"],
];

/// How long something beside an agent stands still, in seconds.
const STALL_S: &str = "60";

/// First what stands still, then round after round: all workloads with a new seed, then tries with real agents, then one cluster of processes.
pub fn run(args: &Args) -> Result<()> {
    let binary = args.binary.clone().map_or_else(shell::release_binary, Ok)?;
    let start = Instant::now();
    if args.only == Some(Only::Listed) {
        listed::run(&binary, args.seed, args.tries)?;
        println!("{} tries, each delivered, {:.0} s", args.tries, start.elapsed().as_secs_f64());
        return Ok(());
    }
    stalls()?;
    let mut rounds = 0u64;
    while start.elapsed().as_secs_f64() < args.minutes * 60.0 || rounds == 0 {
        let seed = args.seed + rounds;
        for workload in WORKLOADS {
            simulate(&binary, workload, seed)?;
        }
        listed::run(&binary, args.seed + rounds * args.tries, args.tries)?;
        demo(&binary, if rounds % 4 == 3 { 32 } else { 8 })?;
        rounds += 1;
        eprintln!("round {rounds} (seed {seed}): clean, {:.0} s", start.elapsed().as_secs_f64());
    }
    println!("{rounds} rounds, no failure");
    Ok(())
}

/// A log that nobody reads, and a disk that hangs, for longer than in the tests.
fn stalls() -> Result<()> {
    let mut tests = shell::cargo(["test", "--quiet", "-p", "rumormill-cli", "--test", "process", "stalls::"]);
    shell::run(tests.env("RUMORMILL_STALL_S", STALL_S))
}

fn simulate(binary: &Path, workload: &[&str], seed: u64) -> Result<()> {
    let mut sim = Command::new(binary);
    sim.args(["sim", "swim", "--json", "--seed", &seed.to_string()]).args(workload);
    let again = shell::line(&sim);
    let found: Value = serde_json::from_str(&shell::output(&mut sim)?).with_context(|| again.clone())?;
    if found["converged"] != Value::Bool(true) {
        bail!("not converged at the end: {again}\n{found:#}");
    }
    Ok(())
}

fn demo(binary: &Path, nodes: u32) -> Result<()> {
    let mut demo = Command::new(binary);
    demo.args(["demo", "--script", "--json", "--nodes", &nodes.to_string()]);
    let again = shell::line(&demo);
    let found: Value = serde_json::from_str(&shell::output(&mut demo)?).with_context(|| again.clone())?;
    for name in ["false_suspicions", "false_deaths"] {
        if found[name] != 0 {
            eprintln!("note: {name} is {} in: {again}", found[name]);
        }
    }
    Ok(())
}
