//! `rumormill demo`: a cluster of real agents on this machine, live in the terminal or by a script.

pub mod args;
mod chronicle;
mod cluster;
mod help;
mod interrupted;
mod legend;
mod picture;
mod screen;
mod script;
mod tally;
mod wrap;

use crate::demo::args::DemoArgs;
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
