//! The result of reading the settings: every effective value with its source, and every problem.

use super::Config;
use super::layer::{Problem, Severity, Source};
use serde::Serialize;
use std::fmt;

/// One setting as it will be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name; `swim.` before SWIM's knobs.
    pub key: String,
    /// Its effective value, as text.
    pub value: String,
    /// Where the value comes from.
    pub source: Source,
}

/// What [`load`](super::load) found.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    #[serde(skip)]
    pub(super) config: Option<Config>,
    /// Every setting, in the order of the documentation.
    pub settings: Vec<Setting>,
    /// Every problem, errors first.
    pub problems: Vec<Problem>,
}

impl Checked {
    /// Whether an agent would start with these settings.
    pub fn is_ok(&self) -> bool {
        self.config.is_some()
    }

    /// Those problems that keep the agent from starting.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|p| p.severity == Severity::Error)
    }

    /// The settings, and the warnings to log; or all problems, one per line.
    pub fn into_config(self) -> Result<(Config, Vec<Problem>), ConfigError> {
        match self.config {
            Some(config) => Ok((config, self.problems)),
            None => Err(ConfigError(self.problems)),
        }
    }
}

/// The table that `rumormill config check` prints, then the problems.
impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn(&Setting) -> usize| self.settings.iter().map(of).max().unwrap_or(0);
        let keys = width(|s| s.key.chars().count());
        let values = width(|s| s.value.chars().count()).min(VALUE_COLUMNS_MAX);
        for Setting { key, value, source } in &self.settings {
            writeln!(f, "{key:keys$}  {value:values$}  {source}")?;
        }
        if !self.problems.is_empty() {
            writeln!(f)?;
        }
        self.problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))
    }
}

/// Longer values push their source to the right instead of widening the whole table.
const VALUE_COLUMNS_MAX: usize = 40;

/// The settings are not fit to start with.
#[derive(Debug)]
pub struct ConfigError(pub Vec<Problem>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not usable")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}
