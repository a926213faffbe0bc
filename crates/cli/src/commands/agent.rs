//! `rumormill agent`.

use crate::commands::setting_flags::SettingFlags;
use crate::idle_code;
use crate::outcome::{Failure, Outcome, block_on};
use clap::Args;
use rumormill_agent::config::{Partial, load};
use rumormill_agent::logging;
use rumormill_agent::start::{self, Exit, RunError};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// The text below the help of `rumormill agent`.
pub const EXAMPLES: &str = "\
Examples:
  rumormill keygen key
      a key, which all members share
  rumormill agent --key-file key --bind :7900
      the first member, on all interfaces
  rumormill agent --key-file key --bind :7900 --join 10.0.0.6,10.0.0.7
      one more, which joins through either of two members
  rumormill agent --key-file key --on 'member-failed=./page.sh'
      run a command when a member fails
  rumormill agent --config /etc/rumormill/rumormill.toml
      settings from a file

`rumormill config sample` prints a file with every setting, commented out;
`rumormill config settings` their reference.";

/// `rumormill agent`.
#[derive(Clone, Debug, Default, Args)]
pub struct AgentArgs {
    /// A TOML file with settings [env: RUMORMILL_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingFlags,
    /// End, without leaving, as soon as standard input ends: for the demo and tests, whose agents must not outlive them.
    #[arg(long, hide = true)]
    pub exit_with_stdin: bool,
}

impl AgentArgs {
    /// The agent's settings that flags give; the others are unset.
    pub fn partial(&self) -> Partial {
        self.settings.0.clone()
    }
}

/// `rumormill agent`: runs until Ctrl-C, SIGTERM or `rumormill leave`, and then leaves the cluster.
pub fn run(args: &AgentArgs) -> Outcome {
    let checked = load(args.config.as_deref(), args.partial());
    let (config, warnings) = checked.into_config().map_err(|e| Failure::Usage(e.to_string()))?;
    logging::init(&config.log, config.log_format, config.serf_rpc.is_some()).map_err(Failure::Usage)?;
    for warning in warnings {
        tracing::warn!("{}", warning.unlabelled());
    }
    rumormill_agent::build::set_commit(super::version::COMMIT);
    block_on(async {
        tokio::spawn(idle_code::give_back_from_time_to_time());
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
    use std::net::SocketAddr;

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
        let settings = SettingFlags(Partial { bind: Some("not an address".into()), ..Partial::default() });
        let args = AgentArgs { settings, ..AgentArgs::default() };
        assert_eq!(run(&args).unwrap_err().code(), 2);
    }
}
