//! `cargo xtask soak`: what takes too long for the tests. It ends with the first failure, and says how to see it again.

mod listed;

use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ops::Range;
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
    /// Tries of the workload `listed` in a round, and of `agent` by itself; each takes the next seed
    #[arg(long, default_value_t = 1_000)]
    tries: u64,
    /// Only sweep that many cuts, one for each seed from --seed on; 1000 take about half an hour
    #[arg(long, value_name = "N")]
    cuts: Option<u64>,
    /// The program to run, instead of a release build
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// A workload that can be run by itself.
#[derive(Copy, Clone, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    /// Real agents: what is published after listing a member is delivered at it
    Listed,
    /// On the simulator: the agent's composite under faults and load, at each of its sizes
    Agent,
}

/// Cuts in each round.
const CUTS: u64 = 20;

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

/// All that an agent runs, under faults and load drawn from the seed, with so many nodes.
const AGENT: (&str, [&str; 3]) = ("crates/lab/scenarios/agent.toml", ["60", "300", "1000"]);

/// First what stands still, then round after round: all workloads and the agent's scenario with a new seed, then tries with real agents, then one
/// cluster of processes.
pub fn run(args: &Args) -> Result<()> {
    let binary = args.binary.clone().map_or_else(shell::release_binary, Ok)?;
    let start = Instant::now();
    if let Some(cuts) = args.cuts {
        return sweep(&binary, args.seed..args.seed + cuts);
    }
    if args.only == Some(Only::Listed) {
        listed::run(&binary, args.seed, args.tries)?;
        println!("{} tries, each delivered, {:.0} s", args.tries, start.elapsed().as_secs_f64());
        return Ok(());
    }
    if args.only == Some(Only::Agent) {
        (args.seed..args.seed + args.tries).try_for_each(|seed| agent(&binary, seed))?;
        println!("{} seeds, no failure, {:.0} s", args.tries, start.elapsed().as_secs_f64());
        return Ok(());
    }
    stalls()?;
    let mut rounds = 0u64;
    while start.elapsed().as_secs_f64() < args.minutes * 60.0 || rounds == 0 {
        let seed = args.seed + rounds;
        for workload in WORKLOADS {
            simulate(&binary, workload, seed)?;
        }
        agent(&binary, seed)?;
        sweep(&binary, seed * CUTS..(seed + 1) * CUTS)?;
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
    if found["never_separated_failed"] != 0 {
        bail!("a member was failed that nothing had separated: {again}\n{found:#}");
    }
    Ok(())
}

/// One cut for each seed, which decides all of it: 8 to 200 nodes, 2 to 50 % of them cut off, for 5 to 300 s. Members that no fault separated must never
/// fail each other, and in the end all views must agree.
fn sweep(binary: &Path, seeds: Range<u64>) -> Result<()> {
    let mut stale_s = Vec::new();
    for seed in seeds.clone() {
        let (nodes, share, seconds) = cut(seed);
        let partition = format!("{share},{seconds}");
        let mut sim = Command::new(binary);
        sim.args(["sim", "swim", "--json", "--seed", &seed.to_string()]);
        sim.args(["--nodes", &nodes.to_string(), "--partition", &partition]);
        let again = shell::line(&sim);
        let found: Value = serde_json::from_str(&shell::output(&mut sim)?).with_context(|| again.clone())?;
        if found["never_separated_failed"] != 0 || found["converged"] != Value::Bool(true) {
            bail!(
                "a member was failed that nothing had separated, or the cluster is not one: {again}\n{found:#}"
            );
        }
        stale_s.extend(found["stale_failed_s"].as_f64());
    }
    stale_s.sort_by(f64::total_cmp);
    let at = |share: f64| stale_s[((stale_s.len() - 1) as f64 * share) as usize];
    eprintln!(
        "cuts of seeds {seeds:?}: none failed a member that nothing separated; stale failures lasted {:.1} s (median), {:.1} s (99 %), {:.1} s at most",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

/// The cut of that seed: nodes, the share of them that is cut off, seconds. Small clusters and short cuts are as frequent as large and long ones.
fn cut(seed: u64) -> (u64, f64, u64) {
    let mut drawn = seed;
    let mut uniform = || {
        // splitmix64 (Steele, Lea, Flood 2014)
        drawn = drawn.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = drawn;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut between = |low: f64, high: f64| low * (high / low).powf(uniform());
    let (nodes, share, seconds) = (between(8.0, 200.0), between(0.02, 0.5), between(5.0, 300.0));
    let nodes = nodes.round();
    // At least one node is cut off.
    ((nodes as u64), (share.max(1.0 / nodes) * 1_000.0).ceil() / 1_000.0, seconds.round() as u64)
}

/// The agent's scenario with this seed at each of its sizes, a line each: after a failure `--seed` goes on from the seed of the last line.
fn agent(binary: &Path, seed: u64) -> Result<()> {
    for nodes in AGENT.1 {
        let start = Instant::now();
        let found = scenario(binary, AGENT.0, nodes, seed)?;
        let figure = |name: &str| found["figures"][name].as_f64().unwrap_or_default();
        eprintln!(
            "agent, {nodes} nodes, seed {seed}: {} inputs, {} deliveries, {} failures, {} of them wrong, {:.0} s",
            found["events"],
            figure("deliveries"),
            figure("failures"),
            figure("failures_wrong"),
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// Runs a scenario file and returns what it came to. If a check fails the command prints the smallest plan that fails, and how to see it again.
fn scenario(binary: &Path, file: &str, nodes: &str, seed: u64) -> Result<Value> {
    let mut sim = Command::new(binary);
    sim.current_dir(shell::root()).args(["sim", "run", file, "--json", "--nodes", nodes]);
    sim.args(["--seed", &seed.to_string()]);
    let lines = shell::output(&mut sim)?;
    serde_json::from_str(lines.lines().last().unwrap_or_default()).with_context(|| shell::line(&sim))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cuts_of_a_thousand_seeds_cover_all_sizes_shares_and_times() {
        let all: Vec<(u64, f64, u64)> = (1..=1_000).map(cut).collect();
        assert!(
            all.iter().all(|(n, share, s)| (8..=200).contains(n) && *share <= 0.501 && (5..=300).contains(s))
        );
        assert!(all.iter().any(|(n, share, s)| *n < 12 && *share > 0.4 && *s < 10));
        assert!(all.iter().any(|(n, share, s)| *n > 150 && *share < 0.05 && *s > 200));
    }
}
