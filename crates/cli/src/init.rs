//! The init process of a container whose first process is an agent.
//!
//! Process 1 of a PID namespace inherits every orphan and must reap it, else a handler that leaves processes in the background fills the process
//! table with zombies. The agent cannot do so: `waitpid(-1)` would take the exit status of its own handlers from the runtime. So an agent that is
//! started as process 1 starts the same program once more, and stays as the parent: it passes signals on, reaps, and exits as the child did
//! (128 + n for signal n, as shells say it). It does so before anything else of the agent exists, so that it stays small.

use crate::outcome::eprintln_quietly;
use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Pid, WaitOptions, WaitStatus, kill_process, wait};
use std::os::unix::process::{CommandExt, parent_id};
use std::process::{Command, ExitCode};

/// Signals that are passed on to the agent. SIGKILL and SIGSTOP cannot be, and what reports a fault of this process itself must not be.
const PASSED_ON: [Signal; 10] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGCONT,
    Signal::SIGTSTP,
    Signal::SIGWINCH,
];
/// What a shell adds to a signal's number.
const BY_SIGNAL: i32 = 128;

/// If this is process 1 and an agent is asked for: runs the program again as a child until that has ended, and returns its exit code. None if this
/// process is to do the work itself. To be called first of all: what is in memory by now stays there.
pub fn stand_in() -> Option<ExitCode> {
    if std::env::args_os().nth(1).is_none_or(|command| command != "agent") {
        return None;
    }
    if parent_id() == 1 {
        let _ = signals().thread_unblock(); // an init process like this one hands its signal mask down
    }
    if std::process::id() != 1 {
        return None;
    }
    match start() {
        Ok((child, signals)) => Some(serve(child, &signals)),
        Err(error) => {
            eprintln_quietly(&format!(
                "rumormill: process 1 cannot start the agent as a child of its own ({error}); the agent runs as process 1, and orphans are not reaped"
            ));
            None
        }
    }
}

/// Starts the program again, with the same arguments and files. Signals wait from here on, here until [`serve`] takes them, and in the child until it
/// has come as far as [`stand_in`].
fn start() -> std::io::Result<(Pid, SigSet)> {
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    let signals = signals();
    signals.thread_block()?;
    // A process group of its own: a terminal's Ctrl-C reaches one of both only, and comes once.
    let started = std::env::current_exe()
        .and_then(|program| Command::new(program).arg0(name).args(args).process_group(0).spawn());
    match started {
        Ok(child) => {
            let child = Pid::from_child(&child);
            let _ = rustix::termios::tcsetpgrp(std::io::stdin(), child); // there may be no terminal
            Ok((child, signals))
        }
        Err(error) => {
            signals.thread_unblock()?;
            Err(error)
        }
    }
}

/// What [`serve`] waits for.
fn signals() -> SigSet {
    PASSED_ON.into_iter().chain([Signal::SIGCHLD]).collect()
}

fn serve(child: Pid, signals: &SigSet) -> ExitCode {
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => {
                if let Some(status) = reap(child) {
                    return ExitCode::from(code(status));
                }
            }
            Ok(signal) => {
                if let Some(signal) = rustix::process::Signal::from_named_raw(signal as i32) {
                    let _ = kill_process(child, signal); // it has just ended: its SIGCHLD follows
                }
            }
            Err(_) => {} // interrupted: nothing has come
        }
    }
}

/// Reaps all that have ended; returns how `child` did, if it was among them. Several SIGCHLD may have come as one.
fn reap(child: Pid) -> Option<WaitStatus> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == child {
            ended = Some(status);
        }
    }
    ended
}

fn code(status: WaitStatus) -> u8 {
    let code = match status.terminating_signal() {
        Some(signal) => BY_SIGNAL + signal,
        None => status.exit_status().unwrap_or(1),
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}
