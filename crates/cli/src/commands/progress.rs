//! A line on standard error that says how far something has come, on a terminal only.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two updates of the line.
const INTERVAL: Duration = Duration::from_millis(200);

/// The line.
pub struct Progress {
    is_shown: bool,
    told: Instant,
    begun: Instant,
}

impl Progress {
    /// Shown if standard error is a terminal.
    pub fn new() -> Progress {
        let now = Instant::now();
        Progress { is_shown: std::io::stderr().is_terminal(), told: now, begun: now }
    }

    /// Seconds since the beginning.
    pub fn elapsed_s(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Shows what `text` gives, if it is time to.
    pub fn tell(&mut self, text: impl FnOnce() -> String) {
        if self.is_shown && self.told.elapsed() >= INTERVAL {
            self.told = Instant::now();
            let _ = write!(std::io::stderr(), "\r{}\x1b[K", text()); // it is only progress
        }
    }

    /// Takes the line away.
    pub fn end(&self) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
