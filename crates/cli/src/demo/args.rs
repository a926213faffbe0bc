//! The arguments of `rumormill demo`.

use crate::args::duration;
use clap::Args;
use std::time::Duration;

/// `rumormill demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many agents
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(3..=200))]
    pub nodes: u32,
    /// Play the script instead of showing the live view; the default without a terminal
    #[arg(long)]
    pub script: bool,
    /// With the script: print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Keep the directory with data and logs of the agents
    #[arg(long)]
    pub keep: bool,
    /// With the script: give up after so long
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = duration)]
    pub deadline: Duration,
}
