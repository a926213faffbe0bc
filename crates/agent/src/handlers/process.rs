//! One run of a command: bounded in time and in what it may say; whatever it does, it is gone afterwards.

use rustix::process::{Pid, Signal, kill_process_group};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// What is kept of what a command says on each of its two outputs, in bytes, unless more is asked for (serf's agent: 8 KiB); it may say more,
/// which is thrown away.
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
    /// The beginning of its standard output.
    pub output: Vec<u8>,
    /// Whether it said more there than was kept.
    pub is_cut: bool,
    /// The beginning of its standard error.
    pub errors: Vec<u8>,
}

impl Run {
    fn failed(why: String) -> Run {
        Run { end: End::Failed(why), output: Vec::new(), is_cut: false, errors: Vec::new() }
    }

    /// The beginning of both outputs, for a log.
    pub fn said(&self) -> String {
        let of =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(OUTPUT_BYTES_MAX)]).into_owned();
        of(&self.output) + &of(&self.errors)
    }
}

/// What a run may take.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// After so long it is killed.
    pub time: Duration,
    /// So much of its standard output is kept.
    pub output_bytes: usize,
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
pub async fn run(command: &str, facts: &[(&'static str, String)], input: &[u8], limits: Limits) -> Run {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).envs(facts.iter().map(|(name, value)| (name, value)));
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell.process_group(0).kill_on_drop(true);
    let mut child = match shell.spawn() {
        Ok(child) => child,
        Err(error) => return Run::failed(error.to_string()),
    };
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id as i32)));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(input).await; // it need not read
        }
    };
    let (mut output, mut errors) = (Kept::new(limits.output_bytes), Kept::new(OUTPUT_BYTES_MAX));
    let all = async {
        tokio::join!(feed, output.take(stdout), errors.take(stderr));
        child.wait().await
    };
    let ended = tokio::time::timeout(limits.time, all).await;
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
    Run { end, output: output.bytes, is_cut: output.is_cut, errors: errors.bytes }
}

/// The beginning of an output.
struct Kept {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_cut: bool,
}

impl Kept {
    fn new(bytes_max: usize) -> Kept {
        Kept { bytes: Vec::new(), bytes_max, is_cut: false }
    }

    /// Reads all, and keeps the beginning.
    async fn take(&mut self, from: Option<impl AsyncRead + Unpin>) {
        let Some(mut from) = from else { return };
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let room = self.bytes_max - self.bytes.len();
            self.bytes.extend_from_slice(&buffer[..count.min(room)]);
            self.is_cut |= count > room;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Limits = Limits { time: Duration::from_secs(60), output_bytes: OUTPUT_BYTES_MAX };

    #[tokio::test]
    async fn a_command_gets_facts_and_input_and_is_heard() {
        let facts = [("RUMORMILL_EVENT", "event".to_string())];
        let done = run("echo $RUMORMILL_EVENT; cat; echo oh >&2", &facts, b"payload\n", LONG).await;
        assert_eq!((&done.end, done.is_cut), (&End::Done, false));
        assert_eq!((&done.output[..], &done.errors[..]), (&b"event\npayload\n"[..], &b"oh\n"[..]));
        assert_eq!(done.said(), "event\npayload\noh\n");
    }

    #[tokio::test]
    async fn one_that_fails_or_does_not_read_or_says_too_much_harms_nobody() {
        let failed = run("exit 3", &[], &[7; 1 << 20], LONG).await;
        assert!(matches!(&failed.end, End::Failed(why) if why.contains('3')), "{failed:?}");
        let crashed = run("kill -SEGV $$", &[], b"", LONG).await;
        assert!(matches!(crashed.end, End::Failed(_)), "{crashed:?}");
        let loud = run("yes | head -c 1000000", &[], b"", LONG).await;
        assert_eq!((loud.end, loud.output.len(), loud.is_cut), (End::Done, OUTPUT_BYTES_MAX, true));
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_all_that_it_started() {
        let limits = Limits { time: Duration::from_secs(3), ..LONG };
        let hung = run("sleep 1000 & echo $!; wait", &[], b"", limits).await;
        assert_eq!(hung.end, End::Killed);
        let said = hung.said();
        let child = said.trim();
        // A busy system takes its time to end who was killed.
        let state = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let is_over = || state().is_empty() || [") Z ", ") X "].iter().any(|over| state().contains(over));
        for _ in 0..1_000 {
            if is_over() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it runs: {}", state());
    }
}
