//! The reference of all settings and the commented sample file, made from the list of settings, the defaults as they resolve, and the features' live settings.
//!
//! And the reference of all tables. `docs/settings.md`, `docs/rumormill.toml` and `docs/sql.md` are their committed copies; the test `reference` compares and writes them.

mod tables;

pub use tables::{tables, tables_markdown, type_of};

use crate::config::{self, Described, Layer, Partial, Profile};
use crate::features::FEATURES;
use serde::Serialize;
use std::collections::BTreeMap;

/// Columns of the sample file's comments.
const COLUMNS: usize = 100;

/// A setting in the reference.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its name in a file; `swim.` before SWIM's knobs.
    pub key: &'static str,
    /// The heading under which it stands.
    pub group: &'static str,
    /// Its environment variable.
    pub environment: String,
    /// Its flag of `rumormill agent`; none if there is no flag.
    pub flag: Option<String>,
    /// The placeholder of its value, or all its values separated by `|`; empty: its flag alone switches it on.
    pub value: &'static str,
    /// Its default, as text.
    pub default: String,
    /// Its default, or an example where the default is none, in TOML.
    pub example: String,
    /// A reload changes it in a running agent.
    pub live: bool,
    /// Its meaning.
    pub about: &'static str,
}

/// Every setting that documents show, group by group.
pub fn entries() -> Vec<Entry> {
    let defaults = Defaults::resolved();
    config::settings().filter(|setting| !setting.is_hidden()).map(|setting| defaults.entry(setting)).collect()
}

/// The defaults for sites far apart, for one site and for one machine, by key.
struct Defaults([BTreeMap<String, String>; 3]);

impl Defaults {
    fn resolved() -> Defaults {
        Defaults([Profile::Lan, Profile::Local, Profile::Wan].map(|profile| {
            let flags = Partial { profile: Some(profile.to_string()), ..Partial::default() };
            let checked = config::resolve(vec![Layer::flags(flags)], None);
            checked.settings.into_iter().map(|setting| (setting.key, setting.value)).collect()
        }))
    }

    fn entry(&self, setting: &Described) -> Entry {
        let [lan, ..] = self.of(setting.key);
        let example = setting.example.unwrap_or(lan);
        Entry {
            key: setting.key,
            group: setting.group,
            environment: setting.variable(),
            flag: setting.flag().map(|flag| format!("--{flag}")),
            value: setting.value,
            default: self.shown(setting),
            example: (setting.toml)(example).unwrap_or_default(),
            live: FEATURES.iter().any(|feature| feature.live.contains(&setting.key)),
            about: setting.about(),
        }
    }

    fn of(&self, key: &str) -> [&str; 3] {
        self.0.each_ref().map(|values| values.get(key).map_or("", String::as_str))
    }

    /// The default of one site, and those of the other profiles that differ from it.
    fn shown(&self, setting: &Described) -> String {
        if let Some(words) = setting.default {
            return words.into();
        }
        let [lan, local, wan] = self.of(setting.key);
        let others = [("local", local), ("wan", wan)]
            .map(|(profile, value)| (value != lan).then(|| format!("{profile}: {value}")));
        let others: Vec<String> = others.into_iter().flatten().collect();
        match (lan, &others[..]) {
            ("", _) => "none".into(),
            (lan, []) => lan.into(),
            (lan, others) => format!("{lan} ({})", others.join(", ")),
        }
    }
}

/// The default of a setting, as the help of its flag shows it.
pub fn default_of() -> impl Fn(&Described) -> String {
    let defaults = Defaults::resolved();
    move |setting| defaults.shown(setting)
}

const INTRODUCTION: &str = "\
# Settings of the agent

Made from the code by `rumormill config settings`; `--json` prints the same for programs.

A setting comes from a TOML file (`--config FILE`, or the variable `RUMORMILL_CONFIG`), from the environment, or from a flag of `rumormill agent`; the
later source wins. `rumormill config check` takes the same flags and shows each value with its source. [rumormill.toml](rumormill.toml) is a file with all
settings, commented out.

- An empty variable counts as unset.
- A list is `[\"a\", \"b\"]` in the file, and `a,b` in a variable or a flag; a flag may be repeated.
- Tags are a table in the file, and `K=V,K=V` elsewhere.
- The commands of `on` may hold commas: a variable has one a line, and each `--on` is one.
- A switch is `true` or `false` in the file, and `on` or `off` elsewhere; a flag without a value is `on`.
- `live`: `rumormill reload` (SIGHUP, `systemctl reload`) changes it in a running agent. All others need a restart, and the reload lists them.
- A default that depends on the profile is that of `lan`, with those that differ in brackets.

Commands that ask an agent read variables of their own, so that an agent started from the same shell does not listen where another one does:

| variable | flag | meaning |
| --- | --- | --- |
| `RUMORMILL_HTTP` | `--http` | address of the agent's HTTP API |
| `RUMORMILL_SOCKET` | `--socket` | the agent's Unix socket; it is asked in place of the address |
| `RUMORMILL_HTTP_TOKEN_FILE` | `--token-file` | file with the token that the agent asks for |

Without them a command asks where an agent with this environment and no flags listens, with that agent's token.
";

/// The reference, in Markdown.
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_string();
    let mut group = "";
    for entry in entries() {
        if entry.group != group {
            group = entry.group;
            text += &format!(
                "\n## {group}\n\n{}| key | flag | variable | default | live | meaning |\n",
                note(group)
            );
            text += "| --- | --- | --- | --- | --- | --- |\n";
        }
        let flag = match &entry.flag {
            None => "-".into(),
            Some(flag) => format!("`{}`", format!("{flag} {}", entry.value).trim()),
        };
        let live = if entry.live { "yes" } else { "-" };
        let key = entry.key.trim_start_matches("swim.");
        let cells = [
            format!("`{key}`"),
            flag,
            format!("`{}`", entry.environment),
            entry.default,
            live.into(),
            entry.about.into(),
        ];
        text += &format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    text
}

/// What must be known of a group before its table.
fn note(group: &str) -> &'static str {
    match group {
        "SWIM" => {
            "In the file these keys stand in the table `[swim]`. Each value is the profile's unless it is set; few clusters need that.\n\n"
        }
        _ => "",
    }
}

const SAMPLE: &str = "\
# Settings of a rumormill agent. Each stands here commented out, with its default or, where there is
# none, with an example. Remove the # directly before a setting to set it.
#
#   rumormill agent --config FILE          reads this file
#   rumormill config check --config FILE   shows what it amounts to, and where each value comes from
#
# `rumormill config sample` prints this file; docs/settings.md has the variables and flags.
";

/// A configuration file with every setting, commented out.
pub fn sample() -> String {
    let mut text = SAMPLE.to_string();
    let mut group = "";
    for entry in entries() {
        if entry.group != group {
            group = entry.group;
            text += &format!("\n# --- {group} ---\n");
            if group == "SWIM" {
                text += "\n#[swim]\n";
            }
        }
        let live = if entry.live { " A reload changes it live." } else { "" };
        let end = if entry.about.ends_with('.') { "" } else { "." };
        let about = format!("{}{end} Default: {}.{live}", entry.about, entry.default);
        text +=
            &format!("\n{}#{} = {}\n", comment(&about), entry.key.trim_start_matches("swim."), entry.example);
    }
    text
}

/// Lines of a comment.
fn comment(text: &str) -> String {
    let (mut lines, mut line) = (String::new(), String::from("#"));
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines += &format!("{line}\n");
            line = "#".into();
        }
        line += &format!(" {word}");
    }
    format!("{lines}{line}\n")
}
