//! One source of settings: a file, the environment, or the command's flags; and what is wrong with it.

use super::described::{CLIENT_TOKEN_FILE, CLIENT_VARIABLES, Described, ENV_FILE, ENV_PREFIX};
use super::foreign;
use super::kind::Raw;
use super::nearest::{known_elsewhere, nearest};
use super::partial::{self, Partial, Refused, SwimPartial};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The largest configuration file that is read, in bytes (our guess: tags alone may take 64 KiB).
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Nobody said anything.
    Default,
    /// A file, and the line in it.
    File {
        /// Which file.
        path: PathBuf,
        /// Counted from one; 0 is the whole file.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A flag of the command.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { path, line: 0 } => write!(f, "{}", path.display()),
            Source::File { path, line } => write!(f, "{}:{line}", path.display()),
            Source::Env(variable) => write!(f, "${variable}"),
            Source::Flag(flag) => write!(f, "--{flag}"),
        }
    }
}

/// How bad a [`Problem`] is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The agent does not start.
    Error,
    /// The agent starts, and somebody should look at it.
    Warning,
}

/// Something wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Which setting.
    pub key: String,
    /// Where the setting came from.
    pub source: Source,
    /// What is wrong, and what to do.
    pub text: String,
}

impl Problem {
    /// The problem for a reader who knows its severity, as that of a log line.
    pub fn unlabelled(&self) -> String {
        let Problem { key, source, text, .. } = self;
        if key.is_empty() { format!("({source}): {text}") } else { format!("{key} ({source}): {text}") }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{label}: {}", self.unlabelled())
    }
}

/// What one source says.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    pub(super) values: Partial,
    pub(super) swim: SwimPartial,
    sources: BTreeMap<String, Source>,
    pub(super) problems: Vec<Problem>,
}

impl Layer {
    /// Reads a TOML file.
    pub fn file(path: &Path) -> Layer {
        let read = std::fs::metadata(path).and_then(|meta| {
            if meta.len() > FILE_BYTES_MAX {
                let text = format!("larger than {FILE_BYTES_MAX} bytes");
                return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, text));
            }
            std::fs::read_to_string(path)
        });
        match read {
            Ok(text) => Layer::toml(&text, path),
            Err(e) => {
                let mut layer = Layer::default();
                let source = Source::File { path: path.into(), line: 0 };
                layer.refuse("config", source, format!("it cannot be read: {e}"));
                layer
            }
        }
    }

    /// Reads the text of a TOML file; `path` is only named.
    pub fn toml(text: &str, path: &Path) -> Layer {
        let mut layer = Layer::default();
        let at = |offset: usize| {
            let line = 1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count();
            Source::File { path: path.into(), line }
        };
        if let Some(fault) = foreign::fault(text, "the configuration", "bind = \"10.0.0.5:7900\"") {
            let all = "`rumormill config sample` prints a file with all settings";
            layer.refuse("", at(0), format!("{fault}. {all}"));
            return layer;
        }
        let (table, errors) = DeTable::parse_recoverable(text);
        for e in errors {
            layer.refuse("", at(e.span().map_or(0, |s| s.start)), e.message().to_string());
        }
        for (key, value) in table.get_ref() {
            let source = at(key.span().start);
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("swim", DeValue::Table(knobs)) => {
                    for (knob, value) in knobs {
                        let source = at(knob.span().start);
                        layer.take(&format!("swim.{}", knob.get_ref()), Raw::Toml(value.get_ref()), source);
                    }
                }
                (key, value) => layer.take(key, Raw::Toml(value), source),
            }
        }
        layer
    }

    /// Reads the variables that begin with [`ENV_PREFIX`]: `RUMORMILL_BIND`, `RUMORMILL_SWIM_PERIOD_MS`. An empty variable counts as unset.
    ///
    /// A variable that is no setting is passed over, with a warning if it is nearly one: orchestrators put variables of their own
    /// beside ours, and [`CLIENT_VARIABLES`] are for commands.
    pub fn env(vars: impl IntoIterator<Item = (String, String)>) -> Layer {
        let mut layer = Layer::default();
        for (variable, value) in vars {
            let Some(rest) = variable.strip_prefix(ENV_PREFIX) else { continue };
            if variable == ENV_FILE || value.trim().is_empty() {
                continue;
            }
            match partial::all().find(|setting| setting.variable() == variable) {
                Some(setting) => layer.take(setting.key, Raw::Text(&value), Source::Env(variable)),
                None => layer.pass_over(rest, &variable, &value),
            }
        }
        layer
    }

    /// Warns of a variable that was probably meant as a setting.
    fn pass_over(&mut self, rest: &str, variable: &str, value: &str) {
        let key = rest.to_ascii_lowercase();
        let key = key.strip_prefix("swim_").map_or(key.clone(), |knob| format!("swim.{knob}"));
        let text = if variable == CLIENT_TOKEN_FILE {
            // The resolver drops the warning if the agent has a token file.
            format!(
                "commands send its token; for the token that an agent asks for, set {ENV_PREFIX}LISTEN_{rest}"
            )
        } else if CLIENT_VARIABLES.contains(&variable) {
            // Only an agent can make something of these values.
            if value != "off" && !value.starts_with(':') {
                return;
            }
            format!("it is where commands ask an agent; {ENV_PREFIX}LISTEN_{rest} was probably meant")
        } else {
            let names: Vec<String> = partial::all().map(env_name).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let Some(meant) = nearest(&key, &names) else { return };
            let meant = meant.replace('.', "_").to_ascii_uppercase();
            format!("there is no such setting; {ENV_PREFIX}{meant} was probably meant")
        };
        let source = Source::Env(variable.into());
        self.problems.push(Problem { severity: Severity::Warning, key, source, text });
    }

    /// What the command's flags say.
    pub fn flags(values: Partial) -> Layer {
        Layer { values, ..Layer::default() }
    }

    /// The source of a value that this layer gave.
    pub(super) fn source(&self, key: &str) -> Source {
        let flag = || partial::named(key).and_then(Described::flag).unwrap_or_else(|| key.into());
        self.sources.get(key).cloned().unwrap_or_else(|| Source::Flag(flag()))
    }

    fn take(&mut self, key: &str, raw: Raw<'_>, source: Source) {
        let taken = match key.strip_prefix("swim.") {
            Some(knob) => self.swim.set(knob, raw),
            None => self.values.set(key, raw),
        };
        match taken {
            Ok(()) => {
                self.sources.insert(key.into(), source);
            }
            Err(Refused::Wants(what)) => self.refuse(key, source, format!("must be {what}")),
            Err(Refused::Unknown) => {
                let hint = match known_elsewhere(key).or_else(|| nearest(key, &keys())) {
                    Some(meant) => format!("; {} was probably meant", placed(meant)),
                    None => "; `rumormill config check` lists all there are".to_string(),
                };
                self.refuse(key, source, format!("there is no such setting{hint}"));
            }
        }
    }

    fn refuse(&mut self, key: &str, source: Source, text: String) {
        self.problems.push(Problem { severity: Severity::Error, key: key.into(), source, text });
    }
}

/// A key with the table that it belongs into.
fn placed(key: &str) -> String {
    match key.split_once('.') {
        Some((table, knob)) => format!("`{knob}` in [{table}]"),
        None => format!("`{key}`"),
    }
}

/// Every key that a file may hold.
fn keys() -> Vec<&'static str> {
    partial::all().map(|setting| setting.key).collect()
}

/// The variable of a setting in small letters, without what all have in common; `swim.` before SWIM's knobs.
fn env_name(setting: &Described) -> String {
    match setting.key {
        key if key.starts_with("swim.") => key.into(),
        _ => setting.variable().trim_start_matches(ENV_PREFIX).to_ascii_lowercase(),
    }
}
