//! The commands, one file for each kind.

pub mod agent;
pub mod bans;
pub mod config;
mod cost;
pub mod drill;
pub mod events;
pub mod keys;
pub mod lab;
pub mod manual;
pub mod members;
pub mod own;
mod payload;
mod progress;
pub mod query;
mod setting_flags;
pub mod sim;
pub mod sql;
pub mod version;
pub mod vitals;
pub mod watch;

use crate::cli::Command;
use crate::commands::keys::KeysCommand;
use crate::outcome::{Outcome, block_on};
use crate::show::Out;

/// Does what the command line says.
pub fn run(command: Command, out: &mut Out<'_>) -> Outcome {
    match command {
        Command::Agent(args) => agent::run(&args),
        Command::Members(args) => block_on(members::list(&args, out)),
        Command::Join(args) => block_on(own::join(&args, out)),
        Command::Leave(target) => block_on(own::leave(&target, out)),
        Command::Forget(args) => block_on(members::forget(&args, out)),
        Command::Ban(args) => block_on(bans::ban(&args, out)),
        Command::Unban(args) => block_on(bans::unban(&args, out)),
        Command::Bans(target) => block_on(bans::list(&target, out)),
        Command::Tags(args) => block_on(own::tags(&args, out)),
        Command::Info(args) => block_on(own::info(&args, out)),
        Command::Reload(target) => block_on(own::reload(&target, out)),
        Command::Why(args) => block_on(members::why(&args, out)),
        Command::Ping(args) => block_on(members::ping(&args, out)),
        Command::Reachability(args) => block_on(members::reachability(&args, out)),
        Command::Watch(args) => block_on(watch::watch(&args, out)),
        Command::Event(args) => block_on(events::publish(&args, out)),
        Command::Events(args) => block_on(events::list(&args, out)),
        Command::Query(args) => block_on(query::query(&args, out)),
        Command::Vitals(args) => block_on(vitals::vitals(&args, out)),
        Command::Sql(args) => block_on(sql::sql(&args, out)),
        Command::Drill(args) => block_on(drill::drill(&args, out)),
        Command::Keys { action: KeysCommand::List(args) } => block_on(keys::list(&args, out)),
        Command::Keys { action: KeysCommand::Install(args) } => block_on(keys::install(&args, out)),
        Command::Keys { action: KeysCommand::Use(args) } => block_on(keys::use_primary(&args, out)),
        Command::Keys { action: KeysCommand::Remove(args) } => block_on(keys::remove(&args, out)),
        Command::Keys { action: KeysCommand::Rotate(args) } => block_on(keys::rotate(&args, out)),
        Command::Keygen(args) => keys::keygen(&args, out),
        Command::Config { action } => config::run(&action, out),
        Command::Demo(args) => crate::demo::run(&args, out),
        Command::Lab { experiment } => lab::run(&experiment, out),
        Command::Sim { protocol } => sim::run(&protocol, out),
        Command::Completions { shell } => manual::completions(shell, out),
        Command::Man { dir } => manual::man(dir.as_deref(), out),
        Command::Version(args) => version::version(&args, out),
    }
}
