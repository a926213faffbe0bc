//! The flags of `rumormill event` and `rumormill events`.

use super::{Target, duration};
use clap::{Args, ValueEnum};
use std::time::Duration;

/// `rumormill event`.
#[derive(Debug, Args)]
pub struct EventArgs {
    /// What kind of event it is, such as `deploy`: at most 255 bytes
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it says, at most 64 KiB; `-` reads it from standard input
    #[arg(value_name = "PAYLOAD")]
    pub payload: Option<String>,
    /// Told everywhere as soon as it comes, not in the order in which this agent publishes
    #[arg(long)]
    pub unordered: bool,
    /// For who was away, only the latest of this name counts
    #[arg(long)]
    pub coalesce: bool,
    /// On disk before the command ends, and offered again after a crash until others hold it
    #[arg(long)]
    pub durable: bool,
    /// For what to wait: `queued` is this agent's memory, no more; `covered` asks a sample of a few random members; `all` asks every live member, and names those that have not confirmed that they will deliver it
    #[arg(long, value_enum, value_name = "WHAT", default_value = "queued")]
    pub wait: WaitArg,
    /// With `--wait covered` or `--wait all`: the longest time to wait, at most a minute
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// For what a publisher waits, on the command line.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum WaitArg {
    /// It is in the agent's memory, and on its way
    Queued,
    /// It is known how many of a few random members will deliver it
    Covered,
    /// Every live member has confirmed that it will deliver it
    All,
}

/// `rumormill events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Go on until Ctrl-C, as events come
    #[arg(long)]
    pub follow: bool,
    /// Where to begin: `start` (all that is retained), `now`, or a cursor that was shown before
    #[arg(long, value_name = "start|now|CURSOR", default_value = "start")]
    pub from: String,
    /// Only events of this name; with a `*` at its end, of those that begin so
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// So many at most
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}
