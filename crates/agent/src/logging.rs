//! Where log lines go, and which of them.

use crate::config::LogFormat;
use std::io::IsTerminal;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Reads a filter: a level (`info`), or directives (`info,rumormill_runtime=debug`). Fails with a text that says what is wrong.
pub fn filter(text: &str) -> Result<Targets, String> {
    text.parse().map_err(|e| format!("{text:?}: {e}; a level is one of off, error, warn, info, debug, trace"))
}

/// Sends log lines to standard error from now on. Fails if the filter is wrong, or if somebody has done so before.
pub fn init(log: &str, format: LogFormat) -> Result<(), String> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter(log)?);
    let taken = match format {
        LogFormat::Text => {
            registry.with(lines.with_ansi(std::io::stderr().is_terminal()).with_target(false)).try_init()
        }
        LogFormat::Json => registry
            .with(lines.json().flatten_event(true).with_current_span(false).with_span_list(false))
            .try_init(),
    };
    taken.map_err(|e| format!("logging is set up already: {e}"))
}
