//! The command line: one definition, from which help, manual pages and completions come.

pub mod agent;
pub mod events;
pub mod keys;
pub mod lab;
pub mod query;
pub mod sim;

pub use agent::AgentArgs;
pub use events::{EventArgs, EventsArgs};
pub use keys::{KeyFileArgs, KeyIdArgs, KeyRemoveArgs, KeyRotateArgs, KeyUseArgs, KeysCommand, KeysListArgs};
pub use query::QueryArgs;
pub use sim::SwimArgs;

use crate::outcome::EXIT_CODES;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Who is in the cluster, who failed, and who says so: by gossip, without servers.
#[derive(Debug, Parser)]
#[command(name = "rumormill", version, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run this machine's agent, until Ctrl-C, which leaves the cluster gracefully
    ///
    /// Settings come from a TOML file (--config), from the environment (RUMORMILL_BIND, RUMORMILL_JOIN, ...) and from flags;
    /// the later wins. `rumormill config check` takes the same flags and shows what they amount to.
    /// Without a key it gossips only on loopback, unless told --insecure.
    Agent(Box<AgentArgs>),
    /// List the members of the cluster
    Members(MembersArgs),
    /// Make the agent join a cluster through other agents
    Join(JoinArgs),
    /// Make the agent leave its cluster and end
    Leave(Target),
    /// Drop a failed or departed member from every list in the cluster
    Forget(ForgetArgs),
    /// Keep a member out of the cluster, though it has the key: all take it for dead and take nothing from it
    ///
    /// Members that are away now, and those that join later, learn it too; it lasts until `unban`. It acts on the member's identity.
    /// Whoever has the cluster's key can make another one: `keys rotate`, then `keys remove --revoke`, keeps the machine out as well.
    Ban(BanArgs),
    /// Let in again who was banned: it comes back by itself
    Unban(MemberArgs),
    /// List who is banned, by whom, and why
    Bans(Target),
    /// Show or change this agent's tags
    Tags(TagsArgs),
    /// Show this agent: identity, addresses, traffic, counters
    Info(Target),
    /// Make the agent read its configuration again, as SIGHUP does: show what changed, and what needs a restart
    Reload(Target),
    /// Tell why a member was suspected or declared dead: who said so, when, on what evidence
    Why(MemberArgs),
    /// Probe a member from this agent and show the round trip
    Ping(PingArgs),
    /// Probe every member from this agent and list who answers, and how fast
    Reachability(ReachabilityArgs),
    /// Show what changes in the cluster, as it changes
    Watch(WatchArgs),
    /// Publish an event: every member is told, and whoever was away catches up
    Event(EventArgs),
    /// Show the events that were told at this agent, and follow them
    Events(EventsArgs),
    /// Ask all members, or some, and show what they answer as it comes
    ///
    /// Members answer by a handler (`rumormill agent --on 'query:NAME=COMMAND'`); one without acknowledges and is silent. Ends as soon as all that are
    /// meant have answered, at the latest when the time is over. Exits 0 only if all have answered.
    Query(QueryArgs),
    /// Show load, CPU, memory and more of a member's machine, or of all
    Vitals(VitalsArgs),
    /// Manage the cluster's keys on all members while they run (keys are never shown)
    ///
    /// Each command asks every live member, and tells who did it; --local acts on the one agent alone. What changed is kept in each agent's key file,
    /// or in its data directory where the file cannot be written.
    Keys {
        /// What to do with them.
        #[command(subcommand)]
        action: KeysCommand,
    },
    /// Make a new cluster key
    Keygen(KeygenArgs),
    /// Work with configurations
    Config {
        /// What to do with it.
        #[command(subcommand)]
        action: ConfigCommand,
    },
    /// Start a cluster of real agents on this machine and watch it live, or play a script with it
    ///
    /// The agents run on loopback with a fresh key. The live view shows how they see each other; keys kill, pause, restart and
    /// partition them. The script (--script, and wherever there is no terminal) starts them, kills one with `kill -9`, restarts it
    /// and lets one leave, measures how long the others take to agree, and exits 0 only if all of it happened.
    Demo(DemoArgs),
    /// The laboratory: epidemics, aggregates, the papers' tables, advice
    ///
    /// All of it runs the library's own protocol code on the simulator, with up to a million nodes and more.
    Lab {
        /// Which experiment.
        #[command(subcommand)]
        experiment: lab::LabCommand,
    },
    /// Run protocols on the simulator
    Sim {
        /// Which protocol.
        #[command(subcommand)]
        protocol: SimCommand,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write all manual pages into a directory
    Man {
        /// Where to write them; without it the main page is printed.
        dir: Option<PathBuf>,
    },
    /// Show this program's version, what it was built from, and the formats it speaks
    Version(VersionArgs),
}

/// `rumormill version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

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
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// `rumormill members`.
#[derive(Debug, Args)]
pub struct MembersArgs {
    /// Only members in this state (may be repeated)
    #[arg(long, value_enum, value_name = "STATE")]
    pub status: Vec<StatusArg>,
    /// Only members whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Only members that carry this tag, with this value if one is given (may be repeated: all must hold)
    #[arg(long = "tag", value_name = "K[=V]")]
    pub tags: Vec<String>,
    /// Show more columns
    #[arg(long)]
    pub detailed: bool,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// A member's state, on the command line.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatusArg {
    /// It answers
    Alive,
    /// It did not answer and has not yet contradicted
    Suspect,
    /// It failed
    Dead,
    /// It left of its own will
    Left,
    /// It is kept out of the cluster by a ban
    Banned,
}

/// `rumormill join`.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// Addresses or DNS names of members, with or without a port (default 7900)
    #[arg(required = true, value_name = "ADDR")]
    pub seeds: Vec<String>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
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

/// `rumormill forget`.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The member's name or id
    #[arg(value_name = "NAME|ID")]
    pub member: String,
    /// Forget all failed and departed members of that name
    #[arg(long)]
    pub all: bool,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill ban`.
#[derive(Debug, Args)]
pub struct BanArgs {
    /// The member's name or id; the id may be of one that no member knows yet
    #[arg(value_name = "NAME|ID")]
    pub member: String,
    /// Why, in at most 200 bytes: all members, and the one it is about, are told
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill tags`.
#[derive(Debug, Args)]
pub struct TagsArgs {
    /// Set a tag (may be repeated)
    #[arg(long, value_name = "K=V", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Delete a tag (may be repeated)
    #[arg(long, value_name = "K")]
    pub delete: Vec<String>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill ping`.
#[derive(Debug, Args)]
pub struct PingArgs {
    /// The member's name or id
    #[arg(value_name = "NAME|ID")]
    pub member: String,
    /// How many times, one a second
    #[arg(long, short = 'c', default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill reachability`.
#[derive(Debug, Args)]
pub struct ReachabilityArgs {
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Go on after this event instead of starting with the present state
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill vitals`.
#[derive(Debug, Args)]
pub struct VitalsArgs {
    /// The member's name or id; without it all members are listed
    #[arg(value_name = "NAME|ID")]
    pub member: Option<String>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill keygen`.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// The file to make (mode 0600, never overwritten); without it the key is printed
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `rumormill config ...`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read file, environment and flags as `agent` would, and show what they amount to
    Check(Box<ConfigCheckArgs>),
}

/// `rumormill config check`.
#[derive(Debug, Args)]
pub struct ConfigCheckArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
    /// The same flags as `agent`.
    #[command(flatten)]
    pub agent: AgentArgs,
}

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

/// `rumormill sim ...`.
#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// SWIM with Lifeguard: detection, load, false deaths, partitions that heal
    ///
    /// Runs the agent's own SWIM on the simulator and reports means over the runs. The same arguments give the same runs, bit
    /// for bit; `digest` is a sum over all deliveries of a hash of time, sender, receiver and content.
    Swim(Box<SwimArgs>),
    /// Any stack of protocols on any world, with faults and checks, from a file
    ///
    /// Exits 1 if a check fails, and prints the seed, the smallest plan of faults that was found to fail, and the command that
    /// repeats the run.
    Run(lab::RunArgs),
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

/// Reads a time such as `90s` or `3m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| format!("{e}; write for example 90s or 3m"))
}
