//! The flags of `rumormill query`.

use super::{Target, duration, key_value};
use clap::Args;
use std::time::Duration;

/// `rumormill query`.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// What kind of query it is, such as `load`: at most 255 bytes
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What is asked, at most 60 KiB; `-` reads it from standard input
    #[arg(value_name = "PAYLOAD")]
    pub payload: Option<String>,
    /// Ask only members whose whole name matches this regular expression
    #[arg(long, value_name = "RE")]
    pub node: Option<String>,
    /// Ask only members that have this tag, its whole value matching the regular expression (may be repeated: all must hold)
    #[arg(long = "tag", value_name = "K=RE", value_parser = key_value)]
    pub tags: Vec<(String, String)>,
    /// Take answers for so long, 10 minutes at most [default: 16 gossip intervals for each power of ten of the members: 6.4s for 10 to 99 on one site]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}
