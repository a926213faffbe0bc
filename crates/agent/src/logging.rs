//! Where log lines go, and which of them.

pub mod limit;
pub mod tap;

use crate::config::LogFormat;
use std::io::IsTerminal;
use std::sync::OnceLock;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

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
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
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
