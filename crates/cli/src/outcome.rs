//! How a command ends: what it tells the person, and the exit code it tells the shell.

use std::fmt;
use std::process::ExitCode;

/// The exit codes, as `--help` and the manual show them.
pub const EXIT_CODES: &str = "Exit codes:
  0  it was done
  1  it was understood and tried, but failed (no answer to a ping, no such member, ...)
  2  the command line, or a file it names, is wrong
  3  no agent answers where one was looked for";

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The thing asked for was tried and failed: exit code 1.
    Failed(String),
    /// The command line, or a file that it names, is wrong: exit code 2.
    Usage(String),
    /// No agent could be reached: exit code 3.
    NoAgent(String),
    /// Whoever read our output stopped reading: exit code 0, and nothing is said.
    Unread,
}

/// What every command returns.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Runs a command's work on a runtime of one thread. Blocking calls that hang, such as the look-up of a name, are left behind.
pub fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

impl Failure {
    /// The exit code for the shell.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Unread => 0,
            Failure::Failed(_) => 1,
            Failure::Usage(_) => 2,
            Failure::NoAgent(_) => 3,
        }
    }

    /// Says on standard error what went wrong, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if !matches!(self, Failure::Unread) {
            eprintln_quietly(&format!("rumormill: {self}"));
        }
        ExitCode::from(self.code())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Failed(text) | Failure::Usage(text) | Failure::NoAgent(text) => f.write_str(text),
            Failure::Unread => f.write_str("nobody reads the output"),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::Failed(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        match error.io_error_kind() {
            Some(std::io::ErrorKind::BrokenPipe) => Failure::Unread,
            _ => Failure::Failed(format!("cannot write JSON: {error}")),
        }
    }
}

/// A line on standard error; unlike `eprintln!` it does not panic when nobody reads it, nor does an agent wait until somebody does.
pub fn eprintln_quietly(line: &str) {
    rumormill_agent::logging::print(&format!("{line}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_fail_has_its_own_exit_code() {
        assert_eq!(Failure::Unread.code(), 0);
        assert_eq!(Failure::Failed(String::new()).code(), 1);
        assert_eq!(Failure::Usage(String::new()).code(), 2);
        assert_eq!(Failure::NoAgent(String::new()).code(), 3);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::from(closed).code(), 0);
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(Failure::from(full).code(), 1);
    }
}
