//! `rumormill man` and `rumormill completions`, generated from the command line's definition.

use crate::cli::Cli;
use crate::outcome::{Failure, Outcome};
use crate::show::Out;
use clap::CommandFactory;
use std::path::Path;

/// `rumormill completions`.
pub fn completions(shell: clap_complete::Shell, out: &mut Out<'_>) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rumormill", &mut script);
    out.raw(&script)
}

/// `rumormill man`: the main page to standard output, or all pages into a directory.
pub fn man(dir: Option<&Path>, out: &mut Out<'_>) -> Outcome {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        return out.raw(&page);
    };
    let cannot = |e| Failure::Failed(format!("cannot write manual pages into {}: {e}", dir.display()));
    std::fs::create_dir_all(dir).map_err(cannot)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(cannot)?;
    out.line(&format!("manual pages are in {0}; read one with `man -l {0}/rumormill.1`", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_defined() {
        Cli::command().debug_assert();
    }

    /// The commands without subcommands, as they are written.
    fn leaves(command: &clap::Command, written: &str, all: &mut Vec<(String, clap::Command)>) {
        if !command.has_subcommands() {
            all.push((written.to_owned(), command.clone()));
        }
        for sub in command.get_subcommands() {
            leaves(sub, &format!("{written} {}", sub.get_name()), all);
        }
    }

    /// A filter (`Only ...`) is left out for all; a file is named or there is none.
    #[test]
    fn every_option_that_takes_a_value_says_what_holds_without_it() {
        let mut all = Vec::new();
        leaves(&Cli::command(), "rumormill", &mut all);
        for (written, command) in all {
            // Before a command is built, clap counts switches among its options.
            let valued = |option: &&clap::Arg| option.get_action().takes_values();
            for option in command.get_opts().filter(valued).filter(|option| !option.is_required_set()) {
                let texts = option.get_help().into_iter().chain(option.get_long_help());
                let help: String = texts.map(ToString::to_string).collect();
                let is_filter = help.starts_with("Only ");
                let is_file = option.get_value_names().is_some_and(|names| {
                    names.iter().all(|name| ["FILE", "PATH", "DIR"].contains(&name.as_str()))
                });
                let says = help.contains("[default: ") || !option.get_default_values().is_empty();
                assert!(says || is_filter || is_file, "{written} {}: {help}", option.get_id());
            }
        }
    }

    #[test]
    fn there_is_a_manual_page_for_each_command() {
        let dir = tempfile::tempdir().unwrap();
        let mut told = Vec::new();
        man(Some(dir.path()), &mut Out::new(&mut told, false)).unwrap();
        for name in ["rumormill", "rumormill-agent", "rumormill-keys-install", "rumormill-sim-swim"] {
            let page = std::fs::read_to_string(dir.path().join(format!("{name}.1"))).unwrap();
            assert!(page.contains(".SH NAME"), "{name}: {page}");
        }
    }

    #[test]
    fn the_main_page_tells_the_exit_codes() {
        let mut page = Vec::new();
        man(None, &mut Out::new(&mut page, false)).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("no agent answers where one was looked for"), "{page}");
    }

    #[test]
    fn each_shell_gets_a_completion_script() {
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
            let mut script = Vec::new();
            completions(shell, &mut Out::new(&mut script, false)).unwrap();
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("reachability"), "{shell}");
        }
    }
}
