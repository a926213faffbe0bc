//! Where log lines go, and which of them.
//!
//! Nothing here waits for who reads: the log, the greeting and what a panic says go by queues to threads that write (`lines`).

pub mod limit;
mod lines;
pub mod tap;

use crate::config::LogFormat;
use lines::Lines;
use rumormill_core::words;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::Duration;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

/// How long the last lines may take when the program ends (`tracing-appender` waits as long).
const FLUSH_WAIT: Duration = Duration::from_secs(1);

/// Standard error, once [`init`] has set it up: one for the whole process, as the output itself is.
static ERRORS: OnceLock<Lines> = OnceLock::new();
/// Standard output, once somebody was greeted.
static GREETINGS: OnceLock<Lines> = OnceLock::new();

/// Changes the filter of what [`init`] set up: one for the whole process, as logging itself is.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Reads a filter: a level (`info`), or directives (`info,rumormill_runtime=debug`). Fails with a text that says what is wrong.
pub fn filter(text: &str) -> Result<Targets, String> {
    let levels = "a level is one of off, error, warn, info, debug, trace";
    // A lone word that is no level would be read as the one target to be heard: a typing error would silence all others.
    let words = text.split(',').map(str::trim).filter(|word| !word.contains('='));
    for word in words {
        if word.is_empty() || word.parse::<LevelFilter>().is_err() {
            return Err(format!("{text:?}: {word:?} is no level; {levels}"));
        }
    }
    text.parse().map_err(|e| format!("{text:?}: {e}; {levels}"))
}

/// Sends log lines to standard error from now on, and, if `tapped`, to [`tap`]. Fails if the filter is wrong, or if somebody has done so before.
pub fn init(log: &str, format: LogFormat, tapped: bool) -> Result<(), String> {
    let errors = to_errors().map_err(|e| format!("standard error cannot be written: {e}"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(move || Sink(errors));
    let (filter, handle) = reload::Layer::new(filter(log)?);
    let registry = tracing_subscriber::registry();
    let taken = match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal()).with_target(false);
            registry.with(lines.with_filter(filter)).with(tapped.then(tap::layer)).try_init()
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            registry.with(lines.with_filter(filter)).with(tapped.then(tap::layer)).try_init()
        }
    };
    taken.map_err(|e| format!("logging is set up already: {e}"))?;
    let _ = FILTER.set(handle); // `try_init` succeeds once
    Ok(())
}

/// The queue to standard error. A panic goes there as well: the lock of Rust's own standard error would be held by a write that waits.
fn to_errors() -> io::Result<&'static Lines> {
    if let Some(lines) = ERRORS.get() {
        return Ok(lines);
    }
    let shed =
        |lost| tracing::warn!(lost, "lines of this log were lost: standard error was not read in time");
    let lines = Lines::start("log", io::stderr().as_fd().try_clone_to_owned()?, shed)?;
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        print(&format!("thread '{}' {panic}\n", thread.name().unwrap_or("-")));
        if cfg!(panic = "abort") {
            flush();
        }
    }));
    Ok(ERRORS.get_or_init(|| lines))
}

/// One line at a time, as the log makes them.
struct Sink(&'static Lines);

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes to standard error: without waiting for who reads it, once logging is set up.
pub fn print(text: &str) {
    match ERRORS.get() {
        Some(lines) => lines.push(text.as_bytes()),
        None => drop(io::stderr().write_all(text.as_bytes())), // nobody may be reading
    }
}

/// Writes to standard output without waiting for who reads it.
pub fn greet(text: &str) {
    let start = || Lines::start("greeting", io::stdout().as_fd().try_clone_to_owned()?, |_| ());
    match GREETINGS.get().map_or_else(start, |lines| Ok(lines.clone())) {
        Ok(lines) => GREETINGS.get_or_init(|| lines).push(text.as_bytes()),
        Err(error) => tracing::warn!(%error, "standard output cannot be written"),
    }
}

/// Waits until all that was said is written, a second at most for each output. To be called before the program ends.
pub fn flush() {
    for lines in [&ERRORS, &GREETINGS].into_iter().filter_map(OnceLock::get) {
        lines.flush(FLUSH_WAIT);
    }
}

/// How many lines of the log were lost.
pub fn lost() -> u64 {
    ERRORS.get().map_or(0, Lines::lost)
}

/// A warning for people who ask the agent, while nobody reads its log, and for how many seconds nobody has.
pub fn complaint() -> Option<(String, f64)> {
    let lines = ERRORS.get()?;
    let unread = lines.unread()?;
    let lost = lines.lost();
    let lost = words::count(lost, "line");
    let text = format!("standard error is not read, so this agent's log waits; {lost} of it lost so far");
    Some((text, words::seconds(unread)))
}

/// Writes these log lines from now on. Fails if the filter is wrong, or if logging was set up by somebody else.
pub fn set_filter(text: &str) -> Result<(), String> {
    let filter = filter(text)?;
    let handle = FILTER.get().ok_or("the program around this agent has set up logging itself")?;
    handle.reload(filter).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_directives_and_a_misspelt_level_is_no_target() {
        for fine in ["info", "off", "WARN", "info,rumormill_runtime=debug", "rumormill_agent=trace, warn"] {
            assert!(filter(fine).is_ok(), "{fine}: {:?}", filter(fine));
        }
        for wrong in ["loud", "inf", "", "info,loud", "rumormill_agent=loud"] {
            let error = filter(wrong).unwrap_err();
            assert!(error.contains("a level is one of"), "{error}");
        }
    }
}
