//! The `rumormill` command: the agent, everything that is asked of it, the demo and the simulator.

mod args;
mod cli;
mod client;
mod commands;
mod demo;
mod hints;
mod huge_pages;
mod idle_code;
mod init;
mod lines;
mod outcome;
mod show;
mod sse;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = init::stand_in() {
        return code;
    }
    let cli = cli::Cli::try_parse().unwrap_or_else(|error| {
        let words: Vec<String> =
            std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        hints::hinted(error, &words).exit()
    });
    if has_scattered_events(&cli.command) {
        huge_pages::ask();
    }
    let mut stdout = std::io::BufWriter::new(std::io::stdout());
    let mut out = show::Out::new(&mut stdout, show::Out::wants_color());
    let done = commands::run(cli.command, &mut out).and_then(|()| out.flush());
    let code = match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = out.flush(); // what was found out before it failed; if nobody reads it, so be it
            failure.report()
        }
    };
    rumormill_agent::logging::flush();
    code
}

/// Whether it runs nodes in no order. In synchronous rounds they run one beside the other, and huge pages cost more to clear than they save.
fn has_scattered_events(command: &cli::Command) -> bool {
    match command {
        cli::Command::Lab { experiment: commands::lab::LabCommand::Aggregate(given) } => {
            !given.args.synchronous
        }
        cli::Command::Sim { .. } => true,
        _ => false,
    }
}
