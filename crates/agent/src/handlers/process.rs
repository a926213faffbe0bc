//! One run of a command: bounded in time and in what it may say; whatever it does, it is gone afterwards.

use rustix::process::{Pid, Signal, kill_process_group};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// What is kept of what a command says on each of its two outputs, in bytes (serf's agent: 8 KiB); it may say more, which is thrown away.
pub const OUTPUT_BYTES_MAX: usize = 8 * 1024;

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// With status 0.
    Done,
    /// With another status, by a signal, or it could not be started.
    Failed(String),
    /// It took too long, and was killed with all that it had started.
    Killed,
}

/// How it ended, and what it said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// How it ended.
    pub end: End,
    /// The beginning of its standard output, then of its standard error.
    pub said: String,
}

/// A process group that is killed when this is dropped, unless it has ended by itself.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, Signal::KILL); // it may be gone
        }
    }
}

/// Runs `sh -c command` with these variables beside the agent's own and `input` on its standard input.
pub async fn run(command: &str, facts: &[(&'static str, String)], input: &[u8], limit: Duration) -> Run {
    let failed = |error: std::io::Error| Run { end: End::Failed(error.to_string()), said: String::new() };
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).envs(facts.iter().map(|(name, value)| (name, value)));
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell.process_group(0).kill_on_drop(true);
    let mut child = match shell.spawn() {
        Ok(child) => child,
        Err(error) => return failed(error),
    };
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id as i32)));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(input).await; // it need not read
        }
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let all = async {
        tokio::join!(feed, take(stdout, &mut out), take(stderr, &mut err));
        child.wait().await
    };
    let ended = tokio::time::timeout(limit, all).await;
    let end = match ended {
        Ok(Ok(status)) if status.success() => End::Done,
        Ok(Ok(status)) => End::Failed(status.to_string()),
        Ok(Err(error)) => End::Failed(error.to_string()),
        Err(_) => End::Killed,
    };
    if end != End::Killed {
        group.0 = None;
    }
    drop(group);
    if end == End::Killed {
        let _ = child.wait().await; // it is dead by now, and leaves no zombie
    }
    out.extend(err);
    Run { end, said: String::from_utf8_lossy(&out).into_owned() }
}

/// Reads all, and keeps the beginning.
async fn take(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let room = OUTPUT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&buffer[..count.min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_command_gets_facts_and_input_and_is_heard() {
        let facts = [("RUMORMILL_EVENT", "event".to_string())];
        let done = run("echo $RUMORMILL_EVENT; cat; echo oh >&2", &facts, b"payload\n", LONG).await;
        assert_eq!(done, Run { end: End::Done, said: "event\npayload\noh\n".into() });
    }

    #[tokio::test]
    async fn one_that_fails_or_does_not_read_or_says_too_much_harms_nobody() {
        let failed = run("exit 3", &[], &[7; 1 << 20], LONG).await;
        assert!(matches!(&failed.end, End::Failed(why) if why.contains('3')), "{failed:?}");
        let crashed = run("kill -SEGV $$", &[], b"", LONG).await;
        assert!(matches!(crashed.end, End::Failed(_)), "{crashed:?}");
        let loud = run("yes | head -c 1000000", &[], b"", LONG).await;
        assert_eq!((loud.end, loud.said.len()), (End::Done, OUTPUT_BYTES_MAX));
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_all_that_it_started() {
        let hung = run("sleep 1000 & echo $!; wait", &[], b"", Duration::from_millis(500)).await;
        assert_eq!(hung.end, End::Killed);
        let child = hung.said.trim();
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z ") || state.contains(") X "), "{state}");
    }
}
