//! `rumormill sim`: protocols on the simulator.

mod answers;
mod scenario;
mod swim;

use self::scenario::RunArgs;
use self::swim::SwimArgs;
use crate::args::Given;
use crate::outcome::Outcome;
use crate::show::Out;
use clap::Subcommand;

/// `rumormill sim ...`.
#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// SWIM with Lifeguard: detection, load, false deaths, partitions that heal
    ///
    /// Runs the agent's own SWIM on the simulator and reports means over the runs. The same arguments give the same runs, bit
    /// for bit; `digest` is a sum over all deliveries of a hash of time, sender, receiver and content.
    Swim(Box<Given<SwimArgs>>),
    /// Any stack of protocols on any world, with faults and checks, from a file
    ///
    /// Exits 1 if a check fails, and prints the seed, the smallest plan of faults that was found to fail, and the command that
    /// repeats the run.
    Run(Box<RunArgs>),
}

/// `rumormill sim ...`.
pub fn run(protocol: &SimCommand, out: &mut Out<'_>) -> Outcome {
    match protocol {
        SimCommand::Swim(args) => swim::run(args, out),
        SimCommand::Run(args) => scenario::run(args, out),
    }
}
