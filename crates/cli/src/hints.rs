//! Hints for people who come from Serf or Consul: which command does here what their word does there.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

/// Words for which this program has another one, each with the command to run. Most are commands of Serf or Consul.
static WORDS: [(&str, &str); 11] = [
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
    ("keyring", "`rumormill keys` lists, installs, uses, removes and rotates the cluster's keys"),
    (
        "kv",
        "there is no key-value store; `rumormill tags` labels a machine, `rumormill event` tells all members",
    ),
    (
        "monitor",
        "`rumormill watch` shows the changes of the cluster, `rumormill events --follow` its events; an agent logs to its standard error",
    ),
    (
        "rtt",
        "`rumormill ping MEMBER` measures the round trip now, `rumormill members` shows the smoothed one",
    ),
    (
        "services",
        "`rumormill tags` labels a machine with what runs there, `rumormill members --tag` finds it",
    ),
    ("status", "`rumormill info` shows this agent, `rumormill members` the cluster"),
    ("validate", "`rumormill config check` reads a configuration and shows what it amounts to"),
];

/// The error of the command line, with a hint where it is about one of [`WORDS`].
pub fn hinted(mut error: Error) -> Error {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return error;
    }
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
        let error = hinted(Cli::try_parse_from(words).unwrap_err());
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
