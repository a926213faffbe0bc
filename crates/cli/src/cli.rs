//! The command line: one definition, from which help, manual pages and completions come. Each command's arguments stand with it, in `commands`.

use crate::args::{MemberArgs, Target};
use crate::commands::agent::{AgentArgs, EXAMPLES};
use crate::commands::bans::BanArgs;
use crate::commands::config::ConfigCommand;
use crate::commands::drill::DrillArgs;
use crate::commands::events::{EventArgs, EventsArgs};
use crate::commands::keys::{KeygenArgs, KeysCommand};
use crate::commands::lab::LabCommand;
use crate::commands::members::{ForgetArgs, MembersArgs, PingArgs, ReachabilityArgs};
use crate::commands::own::{InfoArgs, JoinArgs, TagsArgs};
use crate::commands::query::QueryArgs;
use crate::commands::sim::SimCommand;
use crate::commands::sql::SqlArgs;
use crate::commands::version::VersionArgs;
use crate::commands::vitals::VitalsArgs;
use crate::commands::watch::WatchArgs;
use crate::demo::args::DemoArgs;
use crate::outcome::EXIT_CODES;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

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
    /// the later wins. An empty variable counts as unset. `rumormill config check` takes the same flags and shows what they amount to.
    /// Without a key it gossips only on loopback, unless told --insecure.
    #[command(after_help = EXAMPLES)]
    Agent(Box<AgentArgs>),
    /// List the members of the cluster
    Members(MembersArgs),
    /// Make the agent join a cluster through other agents
    Join(JoinArgs),
    /// Make the agent leave its cluster and end
    Leave(Target),
    /// Drop a failed or departed member from every list in the cluster
    Forget(ForgetArgs),
    /// Keep a member out of the cluster, though it has the key: all members mark it as failed and take nothing from it
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
    /// Show this agent: identity, addresses, keys, events, warnings; with --counters all that it counted
    Info(InfoArgs),
    /// Make the agent read its configuration again, as SIGHUP does: show what changed, and what needs a restart
    Reload(Target),
    /// Show why a member was suspected or marked as failed: the signer, the time and the evidence
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
    /// meant have answered, at the latest when the time is over. If no live member that the agent lists is meant, nobody is asked; with --timeout the query goes
    /// out all the same, for members that come back within that time. Exits 0 only if all have answered.
    Query(QueryArgs),
    /// Show load, CPU, memory and more of a member's machine, or of all
    Vitals(VitalsArgs),
    /// Ask the agent in SQL: members, vitals, events, keys, bans, counters and more are tables
    ///
    /// Reads only, in a subset of PostgreSQL's SQL: rumormill sql "SELECT name, load1 FROM hosts ORDER BY load1 DESC LIMIT 5". Without a statement
    /// it is a prompt with history and completion, or reads statements from a pipe. `--tables` lists all tables and columns.
    Sql(SqlArgs),
    /// Show an aggregate of the hosts by group, then the hosts that make it so
    ///
    /// rumormill drill "avg(load1)" --by role: the average of each role, and in each group the hosts that raise or lower it most.
    Drill(DrillArgs),
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
        experiment: LabCommand,
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
