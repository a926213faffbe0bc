//! Processes that are gone when the test ends, however it ends.

use crate::pipe::Unread;
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running process, killed and reaped when dropped. What it prints goes to a file, which is shown if the test panics.
///
/// Its standard input is a pipe that closes when we end, even by `kill -9`: a program that watches it need not outlive us.
pub struct Guard {
    child: Child,
    log: PathBuf,
}

impl Guard {
    /// Starts `command` with its output going to `log` (appended, so that a restart tells both lives).
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn spawn(mut command: Command, log: &Path) -> Guard {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log);
        let file = file.unwrap_or_else(|e| panic!("cannot write {}: {e}", log.display()));
        let other = file.try_clone().expect("a file handle can be duplicated");
        command.stdin(Stdio::piped()).stdout(file).stderr(other);
        Guard::child(command, log)
    }

    /// Starts `command` with both its outputs going to that pipe.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn spawn_into(mut command: Command, unread: &Unread, log: &Path) -> Guard {
        command.stdin(Stdio::piped()).stdout(unread.writer()).stderr(unread.writer());
        Guard::child(command, log)
    }

    fn child(mut command: Command, log: &Path) -> Guard {
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        Guard { child, log: log.to_owned() }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends it a signal; nothing if it is gone.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process(pid, signal); // it may have ended by itself: then there is nobody to tell
        }
    }

    /// `kill -STOP`.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// `kill -CONT`.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether its own thread is gone: a process of which another thread waits for a frozen disk is that long before it can be reaped.
    pub fn is_over(&mut self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
        self.ended().is_some() || matches!(state, Some(Some('Z')))
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// After `deadline_s` seconds, with its output.
    pub fn wait(&mut self, deadline_s: u64) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            let waited = start.elapsed().as_secs();
            assert!(waited < deadline_s, "still running after {deadline_s} s:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.lines().rev().take(30).collect::<Vec<_>>();
            eprintln!("--- the last lines of {}", self.log.display());
            tail.iter().rev().for_each(|line| eprintln!("    {line}"));
        }
    }
}

/// Runs `command` to its end and returns what it printed on standard output.
///
/// # Panics
/// If it cannot be started or fails, with what it said.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A directory of a test's own, removed with all its content when dropped, and kept if the test panics.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one below the system's temporary directory; `name` is only to recognise it by.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn new(name: &str) -> Scratch {
        Scratch::below(&std::env::temp_dir(), name)
    }

    /// Makes one in `base`, for instance one that is on no disk.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn below(base: &Path, name: &str) -> Scratch {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("rumormill-{name}-{}-{nth}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path); // of an earlier process with the same id
        std::fs::create_dir_all(&path).unwrap_or_else(|e| panic!("cannot make {}: {e}", path.display()));
        Scratch(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path inside it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- kept: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0); // what cannot be removed is the system's to clean
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guarded_process_is_gone_when_the_guard_is() {
        let scratch = Scratch::new("guard");
        let mut sleeper = Command::new("sleep");
        sleeper.arg("1000");
        let guard = Guard::spawn(sleeper, &scratch.join("log"));
        let stat = PathBuf::from(format!("/proc/{}", guard.pid()));
        assert!(stat.exists());
        guard.stop();
        drop(guard);
        assert!(!stat.exists());
    }

    #[test]
    fn what_a_process_printed_can_be_read() {
        let scratch = Scratch::new("printed");
        let mut echo = Command::new("sh");
        echo.args(["-c", "echo out; echo err >&2; exit 3"]);
        let mut guard = Guard::spawn(echo, &scratch.join("log"));
        assert_eq!(guard.wait(60).code(), Some(3));
        assert_eq!(guard.log(), "out\nerr\n");
    }
}
