//! One run of a handler's command: bounded in time and in output.
//!
//! A run is over when its shell has exited, whoever still holds the pipes: a process that the command put into the background is left alone,
//! as a shell leaves it, and what it prints later is lost. A command that exceeds its time, or outlives the agent, gets SIGTERM and later
//! SIGKILL, and so does all of its process group; a process that left the group (`setsid`) is out of reach.

use crate::config::CLIENT_VARIABLES;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::future::{Future, pending};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

/// What is kept of what a command says on each of its two outputs, in bytes, unless more is asked for (serf's agent: 8 KiB); it may say more,
/// which is thrown away.
pub const OUTPUT_BYTES_MAX: usize = 8 * 1024;
/// Time to read what the pipes still hold once the shell has exited (our guess: reading 64 KiB takes a hundredth of it). A run takes that long
/// only if another process holds its pipes open.
pub const OUTPUT_WAIT: Duration = Duration::from_millis(100);
/// Time from SIGTERM to SIGKILL (our guess: enough to remove a lock file or to end a transaction).
pub const TERM_GRACE: Duration = Duration::from_secs(2);
/// Time between two looks at whether the processes that got SIGTERM have ended (our guess).
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// With status 0.
    Done,
    /// With another status, by a signal, or it could not be started.
    Failed(String),
    /// It exceeded [`Limits::time`].
    TooLong,
    /// The agent stopped.
    Stopped,
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
    pub(crate) fn failed(why: String) -> Run {
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
    /// After so long it gets SIGTERM.
    pub time: Duration,
    /// So much of its standard output is kept.
    pub output_bytes: usize,
}

/// The shell's process group. It is killed when this is dropped, unless the shell has exited by itself.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, signal); // it may be gone
        }
    }

    /// Returns once no process is in it.
    async fn gone(&self) {
        while self.0.is_some_and(|pid| test_kill_process_group(pid).is_ok()) {
            sleep(LOOK_INTERVAL).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// A command that runs. Its process group is killed when this is dropped, unless the shell has exited by itself.
pub struct Process {
    child: Child,
    group: Group,
    pipes: Pipes,
}

impl Process {
    /// Starts `sh -c command` with these variables beside the agent's own and `input` on its standard input.
    ///
    /// # Errors
    /// If the system starts no shell.
    pub fn start(
        command: &str,
        facts: &[(&'static str, String)],
        input: Vec<u8>,
        limits: Limits,
    ) -> std::io::Result<Process> {
        let mut shell = Command::new("sh");
        // Where the agent's own shell asked an agent is not where this agent is asked.
        for name in CLIENT_VARIABLES {
            shell.env_remove(name);
        }
        shell.arg("-c").arg(command).envs(facts.iter().map(|(name, value)| (name, value)));
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = shell.process_group(0).kill_on_drop(true).spawn()?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id as i32)));
        let pipes = Pipes {
            stdin: child.stdin.take(),
            input,
            written: 0,
            stdout: child.stdout.take(),
            output: Kept::new(limits.output_bytes),
            stderr: child.stderr.take(),
            errors: Kept::new(OUTPUT_BYTES_MAX),
        };
        Ok(Process { child, group, pipes })
    }

    /// Waits until the shell exits, the time is over, or `stop` is ready. A run that is not over by itself goes on until [`Process::terminate`].
    pub async fn watch(&mut self, time: Duration, stop: impl Future<Output = ()>) -> Run {
        let end = tokio::select! {
            biased;
            status = self.child.wait() => ended(status),
            () = stop => End::Stopped,
            () = sleep(time) => End::TooLong,
            () = self.pipes.carry() => unreachable!("the pipes are carried for ever"),
        };
        if !matches!(end, End::TooLong | End::Stopped) {
            self.group.0 = None; // what it left in the background is no longer ours
            let _ = timeout(OUTPUT_WAIT, self.pipes.empty()).await; // somebody else may hold them open
        }
        let Pipes { output, errors, .. } = &self.pipes;
        Run { end, output: output.bytes.clone(), is_cut: output.is_cut, errors: errors.bytes.clone() }
    }

    /// Ends what is not over by itself: SIGTERM to the whole group, and SIGKILL to what is left of it after [`TERM_GRACE`]. It may go on
    /// printing meanwhile.
    pub async fn terminate(mut self) {
        if self.group.0.is_none() {
            return;
        }
        self.group.signal(Signal::TERM);
        let over = async {
            let _ = self.child.wait().await;
            self.group.gone().await;
        };
        tokio::select! {
            biased;
            _ = timeout(TERM_GRACE, over) => {}
            () = self.pipes.carry() => unreachable!("the pipes are carried for ever"),
        }
        drop(self.group);
        let _ = self.child.wait().await; // it is dead by now, and leaves no zombie
    }
}

fn ended(status: std::io::Result<ExitStatus>) -> End {
    match status {
        Ok(status) if status.success() => End::Done,
        Ok(status) => End::Failed(status.to_string()),
        Err(error) => End::Failed(error.to_string()),
    }
}

/// Both directions of a run, so that no pipe fills up.
struct Pipes {
    stdin: Option<ChildStdin>,
    input: Vec<u8>,
    written: usize,
    stdout: Option<ChildStdout>,
    output: Kept,
    stderr: Option<ChildStderr>,
    errors: Kept,
}

impl Pipes {
    /// Feeds and reads for ever. May be dropped at any time, and called again.
    async fn carry(&mut self) {
        let Pipes { stdin, input, written, stdout, output, stderr, errors } = self;
        tokio::join!(feed(stdin, input, written), output.take(stdout), errors.take(stderr));
        pending().await
    }

    /// Reads until nobody holds the other ends.
    async fn empty(&mut self) {
        self.stdin = None;
        tokio::join!(self.output.take(&mut self.stdout), self.errors.take(&mut self.stderr));
    }
}

/// Writes the rest of the input. The command need not read it.
async fn feed(stdin: &mut Option<ChildStdin>, input: &[u8], written: &mut usize) {
    while let Some(to) = stdin {
        match to.write(&input[*written..]).await {
            Ok(count @ 1..) => *written += count,
            Ok(0) | Err(_) => *stdin = None,
        }
    }
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

    /// Reads to the end, and keeps the beginning.
    async fn take(&mut self, from: &mut Option<impl AsyncRead + Unpin>) {
        let mut buffer = [0; 4096];
        while let Some(pipe) = from {
            let Ok(count @ 1..) = pipe.read(&mut buffer).await else {
                *from = None;
                return;
            };
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

    /// A run to its end, with nobody to stop it.
    async fn run(command: &str, facts: &[(&'static str, String)], input: &[u8], limits: Limits) -> Run {
        let mut process = Process::start(command, facts, input.to_vec(), limits).unwrap();
        let run = process.watch(limits.time, pending()).await;
        process.terminate().await;
        run
    }

    /// Whether a process has ended; a busy system takes its time to end one that was killed.
    async fn ends(pid: &str) -> bool {
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        for _ in 0..1_000 {
            if state().is_empty() || [") Z ", ") X "].iter().any(|over| state().contains(over)) {
                return true;
            }
            sleep(Duration::from_millis(10)).await;
        }
        false
    }

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
        let mute = run("exec >&- 2>&-; sleep 0.2; exit 4", &[], b"", LONG).await;
        assert!(matches!(&mute.end, End::Failed(why) if why.contains('4')), "it is waited for: {mute:?}");
    }

    #[tokio::test]
    async fn what_a_command_leaves_in_the_background_is_neither_waited_for_nor_ended() {
        for command in ["sleep 300 & echo $!", "setsid sleep 300 & echo $!"] {
            let done = run(command, &[], b"", LONG).await;
            assert_eq!(done.end, End::Done, "{command}");
            let pid = String::from_utf8(done.output).unwrap().trim().to_string();
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            assert!(state.is_ok_and(|state| !state.contains(") Z ")), "{command}: it runs on");
            let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
            rustix::process::kill_process(pid, Signal::KILL).unwrap();
        }
        let loud = run("yes >&2 & exit 0", &[], b"", LONG).await; // until nobody reads it any more
        assert_eq!(loud.end, End::Done);
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_told_to_end_with_all_that_it_started() {
        let limits = Limits { time: Duration::from_secs(1), ..LONG };
        let hung = run(
            "trap 'echo bye > $OUT; exit' TERM; sleep 1000 & echo $!; wait",
            &[("OUT", out("told"))],
            b"",
            limits,
        )
        .await;
        assert_eq!(hung.end, End::TooLong);
        let said = hung.said();
        assert!(ends(said.trim()).await, "{said} runs");
        assert_eq!(std::fs::read_to_string(out("told")).unwrap(), "bye\n", "it had time to say so");
        std::fs::remove_file(out("told")).unwrap();
    }

    /// The shell is gone at once, and a child of it that ends in an orderly way still has its time; its output may go on.
    #[tokio::test]
    async fn all_of_the_group_have_the_same_time_to_end() {
        let limits = Limits { time: Duration::from_millis(500), ..LONG };
        let child = "sh -c 'trap \"echo late; sleep 0.3; echo late > $OUT; exit\" TERM; sleep 1000 & wait' & echo $!; wait";
        let hung = run(child, &[("OUT", out("late"))], b"", limits).await;
        assert_eq!(hung.end, End::TooLong);
        assert_eq!(std::fs::read_to_string(out("late")).unwrap(), "late\n");
        std::fs::remove_file(out("late")).unwrap();
    }

    #[tokio::test]
    async fn one_that_ignores_that_is_killed() {
        let limits = Limits { time: Duration::from_millis(500), ..LONG };
        let deaf = run("trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000", &[], b"", limits).await;
        assert_eq!(deaf.end, End::TooLong);
        assert!(ends(deaf.said().trim()).await, "{deaf:?}");
    }

    #[tokio::test]
    async fn one_that_is_dropped_is_killed() {
        let mut process = Process::start("sleep 1000 & echo $!; wait", &[], Vec::new(), LONG).unwrap();
        let run = process.watch(LONG.time, sleep(Duration::from_secs(1))).await;
        assert_eq!(run.end, End::Stopped);
        drop(process);
        assert!(ends(run.said().trim()).await, "{run:?}");
    }

    fn out(name: &str) -> String {
        std::env::temp_dir()
            .join(format!("rumormill-handler-{name}-{}", std::process::id()))
            .display()
            .to_string()
    }
}
