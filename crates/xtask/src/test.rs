//! `cargo xtask test`: all tests, with the skipped ones named.
//!
//! A test that lacks a tool of the machine appends its name to the file in `RUMORMILL_SKIPS` (see `rumormill_testkit::tools`) and returns, which
//! cargo counts as passed. Here it is counted as skipped. What `--require` lists must be there.

use crate::shell;
use anyhow::{Context, Result, bail};
use rumormill_testkit::tools;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

/// What to test.
#[derive(clap::Args)]
pub struct Args {
    /// Tools whose lack is a failure: programs on the PATH, or root (user 0 with network namespaces)
    #[arg(long, value_delimiter = ',', value_name = "TOOL,…")]
    pub require: Vec<String>,
    /// Only tests whose name contains this
    #[arg(long, value_name = "PART")]
    pub filter: Option<String>,
    /// Print the N tests that took longest, with their wall-clock seconds; runs no doc tests
    #[arg(long, value_name = "N")]
    pub slowest: Option<usize>,
}

/// How many tests of a binary run at once, as libtest takes it.
const THREADS: &str = "RUST_TEST_THREADS";
/// So many on each core, since the stories with real agents mostly wait: on two cores 125 of them took 112 s, and 295 s two at a time.
const PER_CORE: usize = 3;

/// Counts over all test binaries.
#[derive(Default, Debug, PartialEq)]
struct Tally {
    passed: usize,
    failed: usize,
    ignored: Vec<String>,
    failures: Vec<String>,
    /// Seconds and name of each test, where the test binaries report them.
    times: Vec<(f64, String)>,
}

/// Builds and runs all tests.
pub fn run(args: &Args) -> Result<()> {
    let missing: Vec<_> = args
        .require
        .iter()
        .filter_map(|tool| Some(format!("{tool}: {}", tools::find(tool).err()?)))
        .collect();
    if !missing.is_empty() {
        bail!("required, but not on this machine:\n  {}", missing.join("\n  "));
    }
    eprintln!("building all tests and examples");
    shell::run(&mut shell::cargo(["test", "--workspace", "--no-run"]))?;

    let skips = shell::target_dir()?.join("skips.tsv");
    let _ = std::fs::remove_file(&skips); // of an earlier run
    let mut tally = Tally::default();
    run_all(args, &skips, &mut tally)?;
    let skipped = read_skips(&skips);
    for (name, why) in &skipped {
        println!("SKIPPED {name}: {why}");
    }
    for name in &tally.ignored {
        println!("SKIPPED {name}: ignored; it says itself what runs it");
    }
    for name in &tally.failures {
        println!("FAILED {name}");
    }
    tally.times.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (seconds, name) in tally.times.iter().take(args.slowest.unwrap_or(0)) {
        println!("{seconds:8.1} s  {name}");
    }
    let passed = tally.passed.saturating_sub(skipped.len());
    println!("{passed} passed, {} failed, {} skipped", tally.failed, skipped.len() + tally.ignored.len());
    if tally.failed > 0 {
        bail!("{} failed", tally.failed);
    }
    if passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Starts a test binary with `--report-time`, which libtest takes on a stable compiler only with this variable. It is set for the binaries alone,
/// since cargo would compile everything again with it.
const TIMED: &str =
    r#"["sh", "-c", "RUSTC_BOOTSTRAP=1 exec \"$0\" \"$@\" -Zunstable-options --report-time"]"#;

/// Runs units, stories, doc tests; examples are built beside them, so that tests can run those.
fn run_all(args: &Args, skips: &Path, tally: &mut Tally) -> Result<()> {
    let mut command = shell::cargo(["test", "--workspace", "--no-fail-fast"]);
    if args.slowest.is_some() {
        command.args([
            "--lib",
            "--bins",
            "--tests",
            "--config",
            &format!("target.'cfg(unix)'.runner={TIMED}"),
        ]);
    }
    command.arg("--").args(&args.filter);
    if std::env::var_os(THREADS).is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        command.env(THREADS, (cores * PER_CORE).to_string());
    }
    command.env(tools::SKIPS_ENV, skips).env(tools::REQUIRE_ENV, args.require.join(","));
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    for line in BufReader::new(child.stdout.take().context("cargo's output is piped")?).lines() {
        let line = line?;
        println!("{line}");
        tally.read(&line);
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        // A test binary that did not build, or was killed before it could say how it went.
        tally.failed += 1;
        tally.failures.push(format!("cargo test itself, with {status}"));
    }
    Ok(())
}

impl Tally {
    /// Takes in one line of a test binary's output.
    fn read(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            for part in rest.split(['.', ';']) {
                match part.trim().split_once(' ') {
                    Some((n, "passed")) => self.passed += n.parse::<usize>().unwrap_or(0),
                    Some((n, "failed")) => self.failed += n.parse::<usize>().unwrap_or(0),
                    _ => {}
                }
            }
        } else if let Some(rest) = line.strip_prefix("test ") {
            match rest.split_once(" ... ") {
                Some((name, how)) if how.starts_with("ignored") => self.ignored.push(name.into()),
                Some((name, how)) => {
                    if how.starts_with("FAILED") {
                        self.failures.push(name.into());
                    }
                    let seconds =
                        how.rsplit_once('<').and_then(|(_, time)| time.strip_suffix("s>")?.parse().ok());
                    self.times.extend(seconds.map(|seconds| (seconds, name.to_owned())));
                }
                None => {}
            }
        }
    }
}

/// Name and reason of each skipped test, once.
fn read_skips(file: &Path) -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(file).unwrap_or_default(); // none was skipped
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let (name, tool, reason) = (fields.next()?, fields.next()?, fields.next()?);
            Some((name.to_owned(), format!("needs {tool} ({reason})")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_libtest_are_counted() {
        let mut tally = Tally::default();
        for line in [
            "running 4 tests",
            "test a::b ... ok",
            "test a::c ... FAILED <1.250s>",
            "test a::d ... ignored, takes an hour: cargo xtask soak",
            "test src/lib.rs - needs (line 3) ... ok",
            "test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s",
        ] {
            tally.read(line);
        }
        let expected = Tally {
            passed: 9,
            failed: 1,
            ignored: vec!["a::d".into()],
            failures: vec!["a::c".into()],
            times: vec![(1.25, "a::c".into())],
        };
        assert_eq!(tally, expected);
    }
}
