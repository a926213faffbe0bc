//! `cargo xtask`: everything that is done to the project rather than with it.

mod bench;
mod ci;
mod demo;
mod fuzz;
mod shell;
mod soak;
mod test;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Demo, tests, benchmarks and checks of the project.")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the program as the tests use it, and show a cluster: `rumormill demo ARGS…`
    Demo {
        /// What `rumormill demo` is given, for instance `--nodes 16`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run all tests: units, stories on the simulator, real processes, doc tests, examples
    Test(test::Args),
    /// Check what the compiler does not: layers, what the pure crates may know, sizes, leftovers
    Tidy,
    /// Everything a change must pass: format, clippy, documentation, tidy, tables, tests
    Ci(test::Args),
    /// Measure, and write the table: agents, peers, ping, sim, sql
    Bench {
        #[command(subcommand)]
        what: bench::What,
    },
    /// Write the tables of the benchmarks anew from their raw output
    Tables {
        /// Only compare, and fail if one differs
        #[arg(long)]
        check: bool,
    },
    /// Feed any bytes at all to the decoders, with libFuzzer
    Fuzz(fuzz::Args),
    /// Run for long: many seeds on the simulator, cluster after cluster of processes
    Soak(soak::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Demo { args } => demo::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Tidy => tidy::run(),
        Command::Ci(args) => ci::run(&args),
        Command::Bench { what } => bench::run(&what),
        Command::Tables { check } => bench::tables::run(check),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Soak(args) => soak::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: {e:#}");
            ExitCode::FAILURE
        }
    }
}
