//! Hints for people who come from Serf or Consul: which command does here what their word does there.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use rumormill_agent::config::{known_elsewhere, settings};

/// Words for which this program has another one, each with the command to run. Most are commands of Serf or Consul.
static WORDS: [(&str, &str); 20] = [
    (
        "acl",
        "there is no access list; whoever has the cluster's key is a member, and `rumormill ban MEMBER` keeps one out",
    ),
    ("catalog", "`rumormill members` lists the members, `rumormill vitals` the machines that they run on"),
    ("debug", "`rumormill info --counters` shows this agent and all that it counted"),
    (
        "exec",
        "`rumormill query NAME` asks members; each runs what its agent was started with (`--on 'query:NAME=COMMAND'`)",
    ),
    (
        "force-leave",
        "`rumormill forget MEMBER` drops a failed member from every list; `rumormill ban MEMBER` keeps one out that still runs",
    ),
    ("id", "`rumormill info` shows this agent's id, `rumormill members` those of all"),
    ("keyring", "`rumormill keys` lists, installs, uses, removes and rotates the cluster's keys"),
    (
        "kv",
        "there is no key-value store; `rumormill tags` labels a machine, `rumormill event` tells all members",
    ),
    ("list", "`rumormill members` lists the members"),
    ("ls", "`rumormill members` lists the members"),
    (
        "monitor",
        "`rumormill watch` shows the changes of the cluster, `rumormill events --follow` its events; an agent logs to its standard error",
    ),
    ("nodes", "`rumormill members` lists the members"),
    (
        "operator",
        "there is no leader and no raft; `rumormill members` lists the members, `rumormill info` shows this agent",
    ),
    ("peers", "`rumormill members` lists the members"),
    (
        "rtt",
        "`rumormill ping MEMBER` measures the round trip now, `rumormill members` shows the smoothed one",
    ),
    (
        "services",
        "`rumormill tags` labels a machine with what runs there, `rumormill members --tag` finds it",
    ),
    ("start", "`rumormill agent` runs this machine's agent; contrib/systemd has it as a service"),
    ("status", "`rumormill info` shows this agent, `rumormill members` the cluster"),
    ("stop", "`rumormill leave` makes the agent leave its cluster and end"),
    ("validate", "`rumormill config check` reads a configuration and shows what it amounts to"),
];

/// The error of the command line, with a hint where it is about one of [`WORDS`], or about a flag with a single dash.
pub fn hinted(error: Error, words: &[String]) -> Error {
    match error.kind() {
        ErrorKind::InvalidSubcommand => about_a_word(error),
        ErrorKind::UnknownArgument => about_a_flag(error, words),
        _ => error,
    }
}

/// Serf, Consul and other programs in Go write `-bind=ADDR`, which the parser reads as the flag `-b`; and they have flags of other names.
fn about_a_flag(mut error: Error, words: &[String]) -> Error {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return error };
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let is_it = |word: &&String| {
        let name = word.strip_prefix('-').unwrap_or_default();
        word.starts_with(argument.as_str()) && name.len() > 1 && name.starts_with(is_letter)
    };
    let single = words.iter().find(is_it);
    let written = single.map_or(argument.as_str(), String::as_str);
    let name = written.trim_start_matches('-').split('=').next().unwrap_or_default();
    let is_agent = words.iter().any(|word| word == "agent" || word == "check");
    let ours = known_elsewhere(name).filter(|_| is_agent);
    let hint = match (ours.and_then(|key| settings().find(|setting| setting.key == key)?.flag()), single) {
        (Some(flag), _) => format!("--{flag} does what --{name} does in Serf or Consul"),
        (None, Some(word)) => format!("flags have two dashes: -{word}"),
        (None, None) => return error,
    };
    error.remove(ContextKind::SuggestedArg);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    error
}

fn about_a_word(mut error: Error) -> Error {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    let known = WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    if let Some((_, hint)) = known {
        error.remove(ContextKind::SuggestedSubcommand); // a word of like letters says less
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![(*hint).into()]));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory, Parser};
    use std::collections::BTreeSet;

    fn told(words: &[&str]) -> (i32, String) {
        let written: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let error = hinted(Cli::try_parse_from(words).unwrap_err(), &written);
        (error.exit_code(), error.to_string())
    }

    #[test]
    fn a_word_of_serf_or_consul_is_refused_with_the_command_to_run() {
        for (word, command) in [
            ("force-leave", "rumormill forget"),
            ("monitor", "rumormill watch"),
            ("status", "rumormill info"),
            ("rtt", "rumormill ping"),
            ("keyring", "rumormill keys"),
            ("Force-Leave", "rumormill forget"),
        ] {
            let (code, text) = told(&["rumormill", word, "web-1"]);
            assert_eq!(code, 2, "{text}");
            assert!(text.contains("tip: ") && text.contains(command), "{text}");
            assert!(!text.contains("similar"), "one hint is enough: {text}");
        }
    }

    #[test]
    fn a_flag_with_one_dash_is_refused_with_the_one_of_two() {
        for (words, hint) in [
            (&["rumormill", "agent", "-bind=10.0.0.5"][..], "two dashes: --bind=10.0.0.5"),
            (&["rumormill", "query", "load", "-tag", "role=web"], "two dashes: --tag"),
            (&["rumormill", "event", "-name", "x"], "two dashes: --name"),
            (&["rumormill", "agent", "-node=web-1"], "--name does what --node does"),
            (&["rumormill", "agent", "--encrypt", "x"], "--key-file does what --encrypt does"),
        ] {
            let (code, text) = told(words);
            assert!(code == 2 && text.contains(hint) && !text.contains("as a value"), "{text}");
        }
        let (_, text) = told(&["rumormill", "lab", "epidemic", "--nodes", "-1"]);
        assert!(!text.contains("two dashes"), "a negative number is no flag: {text}");
    }

    #[test]
    fn other_mistakes_keep_the_hints_of_the_parser() {
        let (_, text) = told(&["rumormill", "member"]);
        assert!(text.contains("'members'"), "{text}");
        let (_, text) = told(&["rumormill", "members", "--no-such-flag"]);
        assert!(text.contains("--no-such-flag"), "{text}");
    }

    /// Serf 0.10's commands: each is one of ours, or has a hint.
    #[test]
    fn no_command_of_serf_is_left_without_an_answer() {
        let cli = Cli::command();
        let ours: BTreeSet<&str> = cli.get_subcommands().map(|command| command.get_name()).collect();
        for word in [
            "agent",
            "event",
            "force-leave",
            "info",
            "join",
            "keygen",
            "keys",
            "leave",
            "members",
            "monitor",
            "query",
            "reachability",
            "rtt",
            "tags",
            "version",
        ] {
            assert!(ours.contains(word) || WORDS.iter().any(|(known, _)| *known == word), "{word}");
        }
    }

    #[test]
    fn every_hint_names_commands_that_are_there() {
        let cli = Cli::command();
        let ours: BTreeSet<&str> = cli.get_subcommands().map(|command| command.get_name()).collect();
        for (word, hint) in &WORDS {
            assert!(!ours.contains(word), "{word} is a command here");
            let named: Vec<&str> = hint.split("`rumormill ").skip(1).collect();
            assert!(!named.is_empty(), "{word}");
            for text in named {
                let command = text.split([' ', '`']).next().unwrap();
                assert!(ours.contains(command), "{word}: {command}");
            }
        }
    }
}
