//! A setting as its sources name it: key, variable and flag, and what a person needs to know of it.

/// The environment variables that are settings begin with this.
pub const ENV_PREFIX: &str = "RUMORMILL_";
/// Names the file, and is no setting itself.
pub const ENV_FILE: &str = "RUMORMILL_CONFIG";
/// The variables by which a command finds the agent. These are no settings: an agent must not listen where its shell's commands ask another agent.
pub const CLIENT_VARIABLES: [&str; 3] = ["RUMORMILL_HTTP", "RUMORMILL_SOCKET", CLIENT_TOKEN_FILE];
/// The file with the token that a command sends.
pub const CLIENT_TOKEN_FILE: &str = "RUMORMILL_HTTP_TOKEN_FILE";
/// The group of settings that only tests and the demo use; no document shows them.
const HIDDEN: &str = "For tests";

/// A setting, as its list describes it.
#[derive(Copy, Clone, Debug)]
pub struct Described {
    /// Its name in a file; `swim.` before SWIM's knobs.
    pub key: &'static str,
    /// The heading under which it stands.
    pub group: &'static str,
    /// Its meaning, with a blank before it.
    pub doc: &'static str,
    /// The placeholder of its value, or all its values separated by `|`; empty: the flag alone switches it on.
    pub value: &'static str,
    /// The values that the setting takes, for the message that refuses another one.
    pub wants: &'static str,
    /// The setting is a list: its flag takes several values, and may be repeated.
    pub many: bool,
    /// Its default in words, where that is no constant.
    pub default: Option<&'static str>,
    /// An example in the form of the environment, where the default is none.
    pub example: Option<&'static str>,
    /// Another name of its flag.
    pub alias: Option<&'static str>,
    /// Accepts a text of a variable or a flag if the setting can be read from it.
    pub accepts: fn(&str) -> bool,
    /// A value as a variable gives it, in TOML.
    pub toml: fn(&str) -> Option<String>,
}

impl Described {
    /// Its meaning.
    pub fn about(&self) -> &'static str {
        self.doc.trim()
    }

    /// Its environment variable.
    pub fn variable(&self) -> String {
        let name = match self.key {
            "http" | "http_token_file" | "socket" => format!("LISTEN_{}", self.key),
            key => key.replace('.', "_"),
        };
        format!("{ENV_PREFIX}{}", name.to_ascii_uppercase())
    }

    /// Its flag without the dashes; none if there is no flag.
    pub fn flag(&self) -> Option<String> {
        match self.key {
            key if key.starts_with("swim.") => None,
            // Flags that may be given more than once are named in the singular.
            "tags" => Some("tag".into()),
            "http_hosts" => Some("http-host".into()),
            "keys_grace_s" => Some("keys-grace".into()),
            key => Some(key.replace('_', "-")),
        }
    }

    /// Its values, if they are few.
    pub fn choices(&self) -> Vec<&'static str> {
        if self.value.contains('|') { self.value.split('|').collect() } else { Vec::new() }
    }

    /// A switch has a flag without a value.
    pub fn is_switch(&self) -> bool {
        self.value.is_empty()
    }

    /// A hidden setting is for tests: documents leave it out.
    pub fn is_hidden(&self) -> bool {
        self.group == HIDDEN
    }
}
