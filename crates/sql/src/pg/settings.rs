//! Settings that a client has made with SET. Nothing but `statement_timeout` changes how a statement runs.

use crate::error::{Error, SqlState};
use std::collections::HashMap;
use std::time::Duration;

/// Settings that are kept: a client that sets ever new names must not fill the memory.
const KEPT_MAX: usize = 100;
/// Bytes of a value.
const VALUE_BYTES_MAX: usize = 1_000;

/// The settings of one connection.
#[derive(Debug, Default)]
pub struct Settings {
    own: HashMap<String, String>,
    /// The name of the program, as it told at its login.
    application: String,
}

impl Settings {
    /// The login told the name of the program.
    pub fn begin(&mut self, application: &str) {
        application.clone_into(&mut self.application);
    }

    /// The value of a setting, by its name in lower case. `longest` is the bound on a statement's time.
    pub fn show(&self, name: &str, longest: Duration) -> Result<String, Error> {
        if let Some(value) = self.own.get(name).cloned().or_else(|| crate::catalog::setting(name)) {
            return Ok(value);
        }
        match name {
            "statement_timeout" => Ok(format!("{}ms", longest.as_millis())),
            "application_name" => Ok(self.application.clone()),
            _ => {
                let message = format!("unrecognized configuration parameter \"{name}\"");
                Err(Error::new(SqlState::UNDEFINED_OBJECT, message))
            }
        }
    }

    /// Sets a value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let bad = || {
            let message = format!("invalid value for parameter \"{name}\": \"{value}\"");
            Error::new(SqlState::INVALID_PARAMETER, message)
        };
        if value.eq_ignore_ascii_case("default") {
            self.reset(Some(name));
            return Ok(());
        }
        if name == "statement_timeout" && value != "0" {
            milliseconds(value).ok_or_else(bad)?;
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(bad());
        }
        if self.own.len() < KEPT_MAX || self.own.contains_key(name) {
            self.own.insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    }

    /// Forgets a value, or all.
    pub fn reset(&mut self, name: Option<&str>) {
        match name {
            Some(name) => _ = self.own.remove(name),
            None => self.own.clear(),
        }
    }

    /// The connection's own time-out, if it has set one. It counts only if shorter than the engine's.
    pub fn timeout(&self) -> Option<Duration> {
        let own = milliseconds(self.own.get("statement_timeout")?)?;
        (!own.is_zero()).then_some(own)
    }
}

/// `500`, `500ms`, `2s`, `1 min`.
fn milliseconds(value: &str) -> Option<Duration> {
    match value.trim().parse::<u64>() {
        Ok(millis) => Some(Duration::from_millis(millis)),
        Err(_) => u64::try_from(crate::span::parse(value).ok()?.length()).ok().map(Duration::from_micros),
    }
}
