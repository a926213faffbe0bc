//! The agent's settings as flags: name, help, default and values of each come from the list of settings.

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use rumormill_agent::config::{self, Described, Partial};
use rumormill_agent::reference;
use std::sync::LazyLock;

/// The agent's settings that flags give; the others are unset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettingFlags(pub Partial);

/// The settings that have a flag, with its name.
static FLAGS: LazyLock<Vec<(&'static Described, String)>> =
    LazyLock::new(|| config::settings().filter_map(|setting| Some((setting, setting.flag()?))).collect());

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<SettingFlags, Error> {
        let mut said = Partial::default();
        for (setting, _) in FLAGS.iter() {
            let Some(values) = matches.get_many::<String>(setting.key) else { continue };
            let values: Vec<String> = values.cloned().collect();
            if !said.take_flag(setting.key, &values) {
                return Err(Error::raw(ErrorKind::InvalidValue, refusal(setting))); // each value was accepted before
            }
        }
        Ok(SettingFlags(said))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = SettingFlags::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let default_of = reference::default_of();
        command.args(FLAGS.iter().map(|(setting, name)| flag(setting, name, &default_of(setting))))
    }

    fn augment_args_for_update(command: Command) -> Command {
        SettingFlags::augment_args(command)
    }
}

fn refusal(setting: &Described) -> String {
    format!("must be {}", setting.wants)
}

/// The flag of a setting. Short help has meaning and default, long help its variable too.
fn flag(setting: &'static Described, name: &'static str, default: &str) -> Arg {
    let help = format!("{} [default: {default}]", setting.about().trim_end_matches('.'));
    let long_help = format!("{help} [env: {}]", setting.variable());
    let flag = Arg::new(setting.key)
        .long(name)
        .help(help)
        .long_help(long_help)
        .help_heading(setting.group)
        .hide(setting.is_hidden())
        .visible_aliases(setting.alias);
    if setting.is_switch() {
        let flag = flag.value_name("on|off").num_args(0..=1).require_equals(true).default_missing_value("on");
        return flag.hide_possible_values(true).value_parser(PossibleValuesParser::new(["on", "off"]));
    }
    let flag = flag.value_name(setting.value);
    let choices = setting.choices();
    if !choices.is_empty() {
        return flag.hide_possible_values(true).value_parser(PossibleValuesParser::new(choices));
    }
    let flag = flag.value_parser(move |text: &str| match (setting.accepts)(text) {
        true => Ok(text.to_string()),
        false => Err(refusal(setting)),
    });
    match setting.key {
        "on" => flag.action(ArgAction::Append), // one command each, for it may hold blanks and commas
        _ if setting.many => flag.action(ArgAction::Append).num_args(1..),
        _ => flag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory, Parser};
    use rumormill_agent::config::{Bytes, Lines, Seconds, Span};
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn said(flags: &[&str]) -> Partial {
        let words = ["rumormill", "agent"].iter().chain(flags);
        match Cli::try_parse_from(words).map(|cli| cli.command) {
            Ok(crate::cli::Command::Agent(args)) => args.partial(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_flags_nothing_is_said() {
        assert_eq!(said(&[]), Partial::default());
    }

    #[test]
    fn each_flag_says_its_setting() {
        let flags = "--name web --join 10.0.0.1 10.0.0.2:7900 --retry-join seed.example --retry-max 3 --retry-interval 90s --tag a=1 b=x=y \
                     --vitals off --phi --budget 1MiB --insecure --profile wan --keys-grace 24h --events-replay=off --faults";
        let expected = Partial {
            name: Some("web".into()),
            join: Some(vec!["10.0.0.1".into(), "10.0.0.2:7900".into(), "seed.example".into()]),
            tags: Some(BTreeMap::from([("a".into(), "1".into()), ("b".into(), "x=y".into())])),
            retry_max: Some(3),
            retry_interval: Some(Span(Duration::from_secs(90))),
            vitals: Some(false),
            phi: Some(true),
            budget: Some(Bytes(1 << 20)),
            insecure: Some(true),
            profile: Some("wan".into()),
            keys_grace_s: Some(Seconds(86_400)),
            events_replay: Some(false),
            faults: Some(true),
            ..Partial::default()
        };
        assert_eq!(said(&flags.split_whitespace().collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_list_is_given_by_commas_by_blanks_and_by_repeating_its_flag() {
        let list = |texts: &[&str]| Some(texts.iter().map(ToString::to_string).collect::<Vec<_>>());
        for flags in [
            &["--join", "a,b", "--advertise", "1.2.3.4,[::1]:7", "--http-host", "x,y"][..],
            &["--join", "a, b", "--advertise", "1.2.3.4", "[::1]:7", "--http-host", "x", "--http-host", "y"],
            &[
                "--join",
                "a",
                "--join",
                "b",
                "--advertise",
                "1.2.3.4",
                "--advertise",
                "[::1]:7,",
                "--http-host=x,y",
            ],
        ] {
            let said = said(flags);
            assert_eq!(said.join, list(&["a", "b"]), "{flags:?}");
            assert_eq!(said.advertise, list(&["1.2.3.4", "[::1]:7"]), "{flags:?}");
            assert_eq!(said.http_hosts, list(&["x", "y"]), "{flags:?}");
        }
        let tags = said(&["--tag", "role=web,rack=7", "--tag", "disks=a,b"]).tags.unwrap();
        let tags: Vec<String> = tags.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
        assert_eq!(tags, ["disks:a,b", "rack:7", "role:web"]);
        let on = said(&["--on", "event:a=x 1,2\necho y", "--on", "*=z"]).on;
        assert_eq!(on, Some(Lines(vec!["event:a=x 1,2\necho y".into(), "*=z".into()])));
    }

    #[test]
    fn a_wrong_flag_is_a_usage_error() {
        for wrong in [
            &["--tag", "novalue"][..],
            &["--profile", "moon"],
            &["--budget", "many"],
            &["--vitals", "maybe"],
            &["--retry-max", "-1"],
            &["--keys-grace", "soon"],
            &["--phi=perhaps"],
        ] {
            let words = ["rumormill", "agent"].iter().chain(wrong);
            assert_eq!(Cli::try_parse_from(words).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }

    #[test]
    fn help_has_a_group_a_default_and_a_variable_for_each_flag_and_examples() {
        let mut command = Cli::command();
        let agent = command.find_subcommand_mut("agent").unwrap();
        let (short, long) = (agent.render_help().to_string(), agent.render_long_help().to_string());
        let shown: Vec<_> = FLAGS.iter().filter(|(setting, _)| !setting.is_hidden()).collect();
        for (setting, name) in &shown {
            let flag = format!("--{name}");
            for help in [&short, &long] {
                assert!(help.contains(&flag) && help.contains(&format!("\n{}:\n", setting.group)), "{flag}");
            }
            assert!(long.contains(&setting.variable()), "{flag}");
        }
        assert_eq!(short.matches("[default:").count(), shown.len(), "{short}");
        assert!(short.contains("Examples:") && long.contains("Examples:"));
        assert!(!long.contains("--faults"));
    }
}
