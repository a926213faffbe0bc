//! `rumormill agent`.

use crate::args::{Switch, duration, key_value};
use crate::outcome::{Failure, Outcome, block_on};
use clap::Args;
use rumormill_agent::config::{Bytes, Lines, Partial, Span, load};
use rumormill_agent::logging;
use rumormill_agent::start::{self, Exit, RunError};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// `rumormill agent`.
#[derive(Clone, Debug, Default, Args)]
pub struct AgentArgs {
    /// A TOML file with settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// This node's name, a label [default: the host's name]
    #[arg(long)]
    pub name: Option<String>,
    /// Where to gossip, by UDP and TCP
    #[arg(long, value_name = "ADDR:PORT")]
    pub bind: Option<String>,
    /// Where others reach this node [default: found from --bind]
    #[arg(long, value_name = "ADDR:PORT", num_args = 1..)]
    pub advertise: Vec<String>,
    /// Members to join: addresses or DNS names (A, AAAA, SRV), with or without a port
    #[arg(long, visible_alias = "retry-join", value_name = "ADDR", num_args = 1..)]
    pub join: Vec<String>,
    /// End with an error after so many rounds in which no member to join answered; 0: try for ever [default: 0]
    #[arg(long, value_name = "N")]
    pub retry_max: Option<u64>,
    /// The longest wait between two such rounds; the first follow sooner [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub retry_interval: Option<Span>,
    /// A file of members to join, one a line, read again when it changes
    #[arg(long, value_name = "FILE")]
    pub join_file: Option<String>,
    /// The cluster's name; clusters of different names never merge
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// The file with the cluster's key; `rumormill keygen` makes one
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<String>,
    /// How long members that were away may catch up by a key after it was removed [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub keys_grace: Option<std::time::Duration>,
    /// Gossip without a key on addresses that others can reach
    #[arg(long)]
    pub insecure: bool,
    /// Where the HTTP API listens, or `off`
    #[arg(long, value_name = "ADDR:PORT")]
    pub http: Option<String>,
    /// A file with the token that the HTTP API asks for; needed away from loopback
    #[arg(long, value_name = "FILE")]
    pub http_token_file: Option<String>,
    /// The Unix socket of the same API, or `off` [default: in the data directory]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<String>,
    /// Where clients made for Serf are answered by its RPC protocol [default: nowhere]
    #[arg(long, value_name = "ADDR:PORT")]
    pub serf_rpc: Option<String>,
    /// A file with the token that Serf's RPC asks for (their -rpc-auth); needed away from loopback
    #[arg(long, value_name = "FILE")]
    pub serf_rpc_auth_file: Option<String>,
    /// Where identity, epoch and known members are kept; `none` keeps nothing
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Tags that the other members see
    #[arg(long = "tag", value_name = "K=V", num_args = 1.., value_parser = key_value)]
    pub tags: Vec<(String, String)>,
    /// Timing for one machine, one site, or sites far apart
    #[arg(long, value_parser = ["local", "lan", "wan"])]
    pub profile: Option<String>,
    /// Whether to gossip load, CPU, memory and more of this machine [default: on]
    #[arg(long, value_name = "on|off", value_enum, hide_possible_values = true)]
    pub vitals: Option<Switch>,
    /// Compute each member's suspicion level (phi accrual) from the arrivals of its vitals
    #[arg(long)]
    pub phi: bool,
    /// Bytes per second that this node sends at most, for example `8MiB`
    #[arg(long, value_name = "BYTES")]
    pub budget: Option<Bytes>,
    /// Bytes of events that are retained for whoever missed them, for example `4MiB` [default: 4 MiB]
    #[arg(long, value_name = "BYTES")]
    pub events_window: Option<Bytes>,
    /// Events published here that may be on their way; beyond it more are refused [default: 1024]
    #[arg(long, value_name = "COUNT")]
    pub events_queue: Option<u64>,
    /// On its first join, tell this agent's consumers of retained events from before it
    #[arg(long)]
    pub events_replay: bool,
    /// Run COMMAND when something happens: member-join, member-leave, member-failed, member-update, event:NAME (or event:PREFIX*), query:NAME (or
    /// query:PREFIX*), or `*` for all of these (may be repeated). Facts are in RUMORMILL_EVENT and other variables, a payload is on standard input;
    /// what the command of a query prints, at most 60 KiB, is the answer. A run ends when its shell exits; after 30 s it gets SIGTERM, and SIGKILL two
    /// seconds later
    #[arg(long, value_name = "WHAT=COMMAND")]
    pub on: Vec<String>,
    /// Where the host's root directory is seen from within a container; `proc` below it is read
    #[arg(long, value_name = "DIR")]
    pub host_root: Option<String>,
    /// Which log lines are written: a level, or directives such as `info,rumormill_runtime=debug`
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// How log lines are written
    #[arg(long, value_parser = ["text", "json"])]
    pub log_format: Option<String>,
    /// The name server to ask instead of the system's
    #[arg(long, value_name = "ADDR[:PORT]")]
    pub dns_server: Option<String>,
    /// Obey orders to drop and cut packets: for the demo and tests.
    #[arg(long, hide = true)]
    pub faults: bool,
    /// End, without leaving, as soon as standard input ends: for the demo and tests, whose agents must not outlive them.
    #[arg(long, hide = true)]
    pub exit_with_stdin: bool,
}

impl AgentArgs {
    /// What the flags say about the agent's settings; nothing where no flag was given.
    pub fn partial(&self) -> Partial {
        let list = |values: &Vec<String>| (!values.is_empty()).then(|| values.clone());
        Partial {
            name: self.name.clone(),
            bind: self.bind.clone(),
            advertise: list(&self.advertise),
            join: list(&self.join),
            join_file: self.join_file.clone(),
            retry_max: self.retry_max,
            retry_interval: self.retry_interval,
            cluster: self.cluster.clone(),
            key_file: self.key_file.clone(),
            keys_grace_s: self.keys_grace.map(|grace| grace.as_secs()),
            insecure: self.insecure.then_some(true),
            http: self.http.clone(),
            http_token_file: self.http_token_file.clone(),
            socket: self.socket.clone(),
            serf_rpc: self.serf_rpc.clone(),
            serf_rpc_auth_file: self.serf_rpc_auth_file.clone(),
            data_dir: self.data_dir.clone(),
            tags: (!self.tags.is_empty()).then(|| self.tags.iter().cloned().collect()),
            profile: self.profile.clone(),
            vitals: self.vitals.map(Switch::is_on),
            phi: self.phi.then_some(true),
            budget: self.budget,
            on: (!self.on.is_empty()).then(|| Lines(self.on.clone())),
            events_window: self.events_window,
            events_queue: self.events_queue,
            events_replay: self.events_replay.then_some(true),
            host_root: self.host_root.clone(),
            log: self.log.clone(),
            log_format: self.log_format.clone(),
            dns_server: self.dns_server.clone(),
            faults: self.faults.then_some(true),
            ..Partial::default()
        }
    }
}

/// `rumormill agent`: runs until Ctrl-C, SIGTERM or `rumormill leave`, and then leaves the cluster.
pub fn run(args: &AgentArgs) -> Outcome {
    let checked = load(args.config.as_deref(), args.partial());
    let (config, warnings) = checked.into_config().map_err(|e| Failure::Usage(e.to_string()))?;
    logging::init(&config.log, config.log_format, config.serf_rpc.is_some()).map_err(Failure::Usage)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    rumormill_agent::build::set_commit(super::version::COMMIT);
    block_on(async {
        let running = start::run(config, shutdown());
        let exit = match args.exit_with_stdin {
            false => running.await,
            true => tokio::select! {
                exit = running => exit,
                ended = stdin_ended() => return Err(ended),
            },
        };
        how_it_ended(exit)
    })
}

async fn shutdown() {
    if let Err(error) = start::interrupted().await {
        tracing::error!("{error}; only kill -9 ends this agent");
        std::future::pending::<()>().await;
    }
}

fn how_it_ended(exit: Result<Exit, RunError>) -> Outcome {
    match exit {
        Ok(Exit::Left) => Ok(()),
        Ok(Exit::Unheard) => {
            tracing::warn!("left, but it is not certain that any other member heard of it");
            Ok(())
        }
        Ok(Exit::Cut) => {
            Err(Failure::Failed("stopped at once, without leaving: the others will mark it as failed".into()))
        }
        Err(
            error @ (RunError::Key { .. }
            | RunError::Token { .. }
            | RunError::NoToken(_)
            | RunError::NoSerfRpcToken(_)),
        ) => Err(Failure::Usage(error.to_string())),
        Err(error) => Err(Failure::Failed(error.to_string())),
    }
}

/// Waits for the end of standard input, which must be a pipe; says then why the agent ends.
async fn stdin_ended() -> Failure {
    let opened = io::stdin().as_fd().try_clone_to_owned().and_then(pipe::Receiver::from_owned_fd);
    let mut stdin = match opened {
        Ok(stdin) => stdin,
        Err(error) => {
            return Failure::Usage(format!("--exit-with-stdin needs a pipe for standard input: {error}"));
        }
    };
    let mut ignored = [0; 64];
    while let Ok(1..) = stdin.read(&mut ignored).await {}
    Failure::Failed("whoever started this agent is gone: standard input ended".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use std::time::Duration;

    #[test]
    fn how_an_agent_ended_decides_the_exit_code() {
        assert!(how_it_ended(Ok(Exit::Left)).is_ok());
        assert!(how_it_ended(Ok(Exit::Unheard)).is_ok());
        assert_eq!(how_it_ended(Ok(Exit::Cut)).unwrap_err().code(), 1);
        assert_eq!(how_it_ended(Err(RunError::NodeStopped)).unwrap_err().code(), 1);
        let open = RunError::NoToken(SocketAddr::from(([0, 0, 0, 0], 7901)));
        assert_eq!(how_it_ended(Err(open)).unwrap_err().code(), 2);
    }

    #[test]
    fn settings_that_cannot_work_are_a_usage_error() {
        let args = AgentArgs { bind: Some("not an address".into()), ..AgentArgs::default() };
        assert_eq!(run(&args).unwrap_err().code(), 2);
    }

    fn partial(flags: &[&str]) -> Partial {
        let words = ["rumormill", "agent"].iter().chain(flags);
        match Cli::try_parse_from(words).map(|cli| cli.command) {
            Ok(Command::Agent(args)) => args.partial(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_flags_nothing_is_said() {
        assert_eq!(partial(&[]), Partial::default());
    }

    #[test]
    fn each_flag_says_its_setting() {
        let said = partial(&[
            "--name",
            "web",
            "--join",
            "10.0.0.1",
            "10.0.0.2:7900",
            "--retry-join",
            "seed.example",
            "--retry-max",
            "3",
            "--retry-interval",
            "90s",
            "--tag",
            "a=1",
            "b=x=y",
            "--vitals",
            "off",
            "--phi",
            "--budget",
            "1 MiB",
            "--insecure",
            "--profile",
            "wan",
            "--faults",
        ]);
        let expected = Partial {
            name: Some("web".into()),
            join: Some(vec!["10.0.0.1".into(), "10.0.0.2:7900".into(), "seed.example".into()]),
            tags: Some(BTreeMap::from([("a".into(), "1".into()), ("b".into(), "x=y".into())])),
            retry_max: Some(3),
            retry_interval: Some(Span(Duration::from_secs(90))),
            vitals: Some(false),
            phi: Some(true),
            budget: Some(Bytes(1 << 20)),
            insecure: Some(true),
            profile: Some("wan".into()),
            faults: Some(true),
            ..Partial::default()
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn a_wrong_flag_is_a_usage_error() {
        for wrong in
            [&["--tag", "novalue"][..], &["--profile", "moon"], &["--budget", "many"], &["--vitals", "maybe"]]
        {
            let words = ["rumormill", "agent"].iter().chain(wrong);
            assert_eq!(Cli::try_parse_from(words).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }
}
