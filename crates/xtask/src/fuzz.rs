//! `cargo xtask fuzz`: any bytes at all into the decoders, by libFuzzer.
//!
//! The functions under fuzz are those of `crates/hostile`, which the ordinary tests run as well on a few thousand mutated inputs. The
//! stable compiler will do: cargo-fuzz needs flags that are unstable in name, and `RUSTC_BOOTSTRAP` lets them pass.
//!
//! `sql` hands any text to the SQL engine. `cargo xtask fuzz statements` needs no libFuzzer: it edits the statements of the engine's tests, seed after
//! seed, and compares the rows with those of a real PostgreSQL, if one is installed.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::process::Command;
use std::time::{Duration, Instant};

/// The targets, as `fuzz/Cargo.toml` names them.
pub const TARGETS: [&str; 4] = ["decode", "seal", "contact", "sql"];
/// Edited statements, without libFuzzer.
const STATEMENTS: &str = "statements";
/// The statements that the tests of SQL edit, and from which the fuzzer starts.
const LIST: &str = "crates/sql/tests/statements.sql";

/// Where the inputs are written that the fuzzer starts from.
const SEEDS: &str = "fuzz/seeds";

/// What to fuzz.
#[derive(clap::Args)]
pub struct Args {
    /// One of decode, seal, contact, sql, all of them, one after the other, if none is named; or statements
    target: Option<String>,
    /// How long each, in minutes
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The sanitizer, as `cargo fuzz --sanitizer` takes it; none is the fastest, and all of this is safe Rust
    #[arg(long, default_value = "none")]
    sanitizer: String,
}

/// Fuzzes for the time asked for, and fails with the input that broke an assertion.
pub fn run(args: &Args) -> Result<()> {
    if args.target.as_deref() == Some(STATEMENTS) {
        return statements(args.minutes);
    }
    let targets: Vec<&str> = match &args.target {
        None => TARGETS.to_vec(),
        Some(name) => vec![
            *TARGETS
                .iter()
                .find(|t| *t == name)
                .with_context(|| format!("{name} is none of {}, {STATEMENTS}", TARGETS.join(", ")))?,
        ],
    };
    install()?;
    write_seeds()?;
    for target in targets {
        shell::step(&format!("fuzz {target}"), || one(target, args))?;
    }
    Ok(())
}

/// Writes the inputs that the fuzzer starts from: those of the hostile tests, of which the golden packets are one part.
fn write_seeds() -> Result<()> {
    let mut write =
        shell::cargo(["run", "--quiet", "--package", "rumormill-hostile", "--example", "write_seeds"]);
    shell::run(write.arg(shell::root().join(SEEDS)))?;
    let list = std::fs::read_to_string(shell::root().join(LIST))?;
    let seeds = shell::root().join(SEEDS).join("sql");
    std::fs::create_dir_all(&seeds)?;
    for (nth, statement) in
        list.lines().filter(|line| !line.is_empty() && !line.starts_with("--")).enumerate()
    {
        std::fs::write(seeds.join(format!("{nth:03}")), statement)?;
    }
    Ok(())
}

/// Runs the tests that edit statements, with a new seed each time, for so long.
fn statements(minutes: f64) -> Result<()> {
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let first = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    for seed in first.. {
        let mut test = shell::cargo(["test", "--quiet", "--package", "rumormill-sql"]);
        test.args(["--test", "hostile", "--test", "compare"]).env("RUMORMILL_SEED", seed.to_string());
        shell::run(&mut test).with_context(|| format!("RUMORMILL_SEED={seed}"))?;
        if Instant::now() >= end {
            eprintln!("{} seeds from {first} on", seed - first + 1);
            break;
        }
    }
    Ok(())
}

fn one(target: &str, args: &Args) -> Result<()> {
    let seconds = (args.minutes * 60.0).ceil().max(1.0) as u64;
    let corpus = shell::root().join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&corpus)?;
    let mut fuzz = shell::cargo(["fuzz", "run", "--sanitizer", &args.sanitizer, target]);
    fuzz.arg(&corpus).arg(shell::root().join(SEEDS).join(target)).arg("--");
    fuzz.arg(format!("-max_total_time={seconds}"));
    // A datagram is at most 64 KiB, most are far smaller; lengths grow by themselves up to this.
    fuzz.args(["-max_len=4096", "-print_final_stats=1", "-timeout=5"]);
    shell::run(bootstrap(&mut fuzz))
}

/// Compiles the targets without libFuzzer's flags: that they still fit the code.
pub fn check() -> Result<()> {
    let target_dir = shell::target_dir()?;
    let mut check =
        shell::cargo(["check", "--quiet", "--no-default-features", "--manifest-path", "fuzz/Cargo.toml"]);
    shell::run(check.env("CARGO_TARGET_DIR", target_dir))
}

fn bootstrap(command: &mut Command) -> &mut Command {
    command.env("RUSTC_BOOTSTRAP", "1")
}

fn install() -> Result<()> {
    let there = shell::cargo(["fuzz", "--version"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()?;
    if there.success() {
        return Ok(());
    }
    eprintln!("cargo-fuzz is not here: installing it");
    if shell::run(&mut shell::cargo(["install", "cargo-fuzz", "--locked"])).is_err() {
        bail!("cargo-fuzz could not be installed: run `cargo install cargo-fuzz --locked` by hand");
    }
    Ok(())
}
