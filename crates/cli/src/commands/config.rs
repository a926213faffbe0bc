//! `rumormill config`: what file, environment and flags amount to; which settings there are.

use crate::commands::agent::AgentArgs;
use crate::outcome::{Failure, Outcome};
use crate::show::{Out, clean, count};
use clap::{Args, Subcommand};
use rumormill_agent::config::{Checked, load};
use rumormill_agent::reference;

/// `rumormill config ...`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read file, environment and flags as `agent` would, and show what they amount to
    Check(Box<ConfigCheckArgs>),
    /// Print a configuration file with every setting, commented out, with its default or an example
    Sample,
    /// Print the reference of all settings: key, flag, variable, default, meaning, and whether a reload changes it live
    Settings(ConfigSettingsArgs),
}

/// `rumormill config check`.
#[derive(Debug, Args)]
pub struct ConfigCheckArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
    /// The same flags as `agent`.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// `rumormill config settings`.
#[derive(Debug, Args)]
pub struct ConfigSettingsArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// `rumormill config ...`.
pub fn run(action: &ConfigCommand, out: &mut Out<'_>) -> Outcome {
    match action {
        ConfigCommand::Check(args) => {
            tell(&load(args.agent.config.as_deref(), args.agent.partial()), args.json, out)
        }
        ConfigCommand::Sample => out.raw(reference::sample().as_bytes()),
        ConfigCommand::Settings(args) if args.json => out.json(&reference::entries()),
        ConfigCommand::Settings(_) => out.raw(reference::markdown().as_bytes()),
    }
}

fn tell(checked: &Checked, json: bool, out: &mut Out<'_>) -> Outcome {
    match json {
        true => out.json(checked)?,
        false => checked.to_string().lines().try_for_each(|line| out.line(&clean(line)))?,
    }
    match checked.errors().count() {
        0 if checked.is_ok() => Ok(()),
        n => Err(Failure::Usage(format!("the agent would not start: {}", count(n, "error")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_agent::config::{Partial, load_with};

    fn told(file: &str, vars: &[(&str, &str)], flags: Partial, json: bool) -> (String, Option<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rumormill.toml");
        std::fs::write(&path, file).unwrap();
        let home = dir.path().display().to_string();
        let vars = vars.iter().copied().chain([("HOME", home.as_str())]);
        let vars = vars.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let checked = load_with(Some(&path), vars, flags);
        let mut written = Vec::new();
        let outcome = tell(&checked, json, &mut Out::new(&mut written, false));
        (String::from_utf8(written).unwrap(), outcome.err().map(|failure| failure.code()))
    }

    /// The value and the source of one setting, out of the printed table.
    fn setting<'t>(table: &'t str, key: &str) -> Vec<&'t str> {
        let line = table.lines().find(|line| line.split_whitespace().next() == Some(key));
        line.unwrap_or_else(|| panic!("{key} in {table}")).split_whitespace().skip(1).collect()
    }

    #[test]
    fn each_setting_is_shown_with_where_it_comes_from() {
        let flags = Partial { name: Some("from-flag".into()), ..Partial::default() };
        let file = "name = \"from-file\"\ncluster = \"from-file\"\nprofile = \"wan\"\n";
        let (table, code) = told(file, &[("RUMORMILL_CLUSTER", "from-env")], flags, false);
        assert_eq!(code, None, "{table}");
        assert_eq!(setting(&table, "name"), ["from-flag", "--name"]);
        assert_eq!(setting(&table, "cluster"), ["from-env", "$RUMORMILL_CLUSTER"]);
        assert_eq!(setting(&table, "profile")[0], "wan");
        assert!(setting(&table, "profile")[1].ends_with("rumormill.toml:3"), "{table}");
        assert_eq!(setting(&table, "bind").last(), Some(&"default"));
    }

    #[test]
    fn all_errors_are_told_at_once_and_the_exit_code_says_usage() {
        let (table, code) = told("nmae = \"x\"\nprofile = \"moon\"\n", &[], Partial::default(), false);
        assert_eq!(code, Some(2));
        assert!(table.contains("nmae") && table.contains("moon"), "{table}");
    }

    #[test]
    fn programs_get_the_same_as_json() {
        let (json, code) = told("profile = \"lan\"\n", &[], Partial::default(), true);
        assert_eq!(code, None);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let settings = json["settings"].as_array().unwrap();
        let profile = settings.iter().find(|setting| setting["key"] == "profile").unwrap();
        assert_eq!(profile["value"], "lan");
        assert_eq!(json["problems"], serde_json::json!([]));
    }

    #[test]
    fn the_settings_are_printed_as_a_reference_as_json_and_as_a_file() {
        let printed = |action: ConfigCommand| {
            let mut written = Vec::new();
            run(&action, &mut Out::new(&mut written, false)).unwrap();
            String::from_utf8(written).unwrap()
        };
        let markdown = printed(ConfigCommand::Settings(ConfigSettingsArgs { json: false }));
        assert!(
            markdown
                .contains("| `http` | `--http ADDR:PORT` | `RUMORMILL_LISTEN_HTTP` | 127.0.0.1:7901 | - |"),
            "{markdown}"
        );
        let json: serde_json::Value =
            serde_json::from_str(&printed(ConfigCommand::Settings(ConfigSettingsArgs { json: true })))
                .unwrap();
        let tags = json.as_array().unwrap().iter().find(|setting| setting["key"] == "tags").unwrap();
        assert_eq!((&tags["live"], &tags["flag"]), (&serde_json::json!(true), &serde_json::json!("--tag")));
        assert!(printed(ConfigCommand::Sample).contains("\n#join = [\"10.0.0.6\", \"seeds.example.org\"]\n"));
    }
}
