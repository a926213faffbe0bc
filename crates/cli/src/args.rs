//! Arguments that several commands share.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Which agent is asked, and how the answer is shown.
#[derive(Clone, Debug, Default, Args)]
pub struct Target {
    /// The agent's HTTP address [env: RUMORMILL_HTTP] [default: its Unix socket in the default data directory, then
    /// 127.0.0.1:7901]
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "socket")]
    pub http: Option<String>,
    /// The agent's Unix socket [env: RUMORMILL_SOCKET]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// A file with the token that the agent asks for, away from loopback [env: RUMORMILL_HTTP_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Print JSON, for programs; what comes bit by bit (events, queries, watch) is an object a line
    #[arg(long)]
    pub json: bool,
}

/// A command about one member.
#[derive(Debug, Args)]
pub struct MemberArgs {
    /// The member's name or id
    #[arg(value_name = "NAME|ID")]
    pub member: String,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// Arguments, and which of them the person gave: a default is nobody's wish.
#[derive(Debug)]
pub struct Given<T> {
    /// The arguments.
    pub args: T,
    /// The names of those on the command line, as they are written there.
    pub names: Vec<String>,
}

impl<T> Given<T> {
    /// The names.
    pub fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }
}

impl<T: Args> Args for Given<T> {
    fn augment_args(command: Command) -> Command {
        T::augment_args(command)
    }
    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T: FromArgMatches> FromArgMatches for Given<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }
    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        let names = names(matches);
        Ok(Given { args: T::from_arg_matches_mut(matches)?, names })
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.names.extend(names(matches));
        self.args.update_from_arg_matches(matches)
    }
}

fn names(matches: &ArgMatches) -> Vec<String> {
    let given = |id: &&clap::Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
    matches.ids().filter(given).map(|id| id.as_str().replace('_', "-")).collect()
}

/// `on` or `off`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// With it
    On,
    /// Without it
    Off,
}

impl Switch {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == Switch::On
    }
}

/// Reads `K=V`.
pub fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("the key before `=` is empty".into()),
        Some((key, value)) => Ok((key.into(), value.into())),
        None => Err("expected KEY=VALUE, for example `role=web`".into()),
    }
}

/// Checks `K` or `K=RE`.
pub fn tag_pattern(text: &str) -> Result<String, String> {
    match text.strip_prefix('=') {
        Some(_) => Err("the key before `=` is empty".into()),
        None => Ok(text.into()),
    }
}

/// Reads a time such as `90s` or `3m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| format!("{e}; write for example 90s or 3m"))
}

/// Reads a probability.
pub fn probability(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(p) if (0.0..=1.0).contains(&p) => Ok(p),
        Ok(p) => Err(format!("{p} is not between 0 and 1")),
        Err(_) => Err(format!("`{text}` is not a number between 0 and 1")),
    }
}
