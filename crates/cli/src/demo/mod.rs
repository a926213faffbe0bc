//! `rumormill demo`: a cluster of real agents on this machine, live in the terminal or by a script.

mod chronicle;
mod cluster;
mod picture;
mod screen;
mod script;
mod tally;

use crate::args::DemoArgs;
use crate::outcome::{Outcome, block_on};
use crate::show::Out;
use std::io::IsTerminal;

/// `rumormill demo`: the live view on a terminal, else the script.
pub fn run(args: &DemoArgs, out: &mut Out<'_>) -> Outcome {
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    match is_terminal && !args.script && !args.json {
        true => block_on(screen::show(args, out)),
        false => block_on(script::play(args, out)),
    }
}

/// Resolves when somebody wants the demo to end from outside: Ctrl-C, `kill`, a closed terminal.
async fn interrupted() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done,
        _ = terminated.recv() => Ok(()),
        _ = hung_up.recv() => Ok(()),
    }
}
