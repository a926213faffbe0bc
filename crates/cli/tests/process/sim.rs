//! What `rumormill sim run` tells the shell.

use super::agent::program;
use rumormill_testkit::process::Scratch;
use serde_json::Value;
use std::process::{Command, Output};

/// A scenario in which nobody fails, with that besides.
fn run(rest: &str, flags: &[&str]) -> Output {
    let scratch = Scratch::new("sim-run");
    let file = scratch.join("scenario.toml");
    std::fs::write(&file, format!("stack = \"swim\"\nnodes = 8\ntime = \"20s\"\n{rest}")).unwrap();
    Command::new(program()).args(["sim", "run"]).arg(&file).args(flags).output().unwrap()
}

fn both(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_check_that_never_held_is_told_by_name_and_by_the_exit_code() {
    for (rest, flags) in [
        ("checks = [\"sometimes suspicion\"]", &[][..]),
        ("checks = [\"sometimes suspicion\", \"always no_false_death\"]\nruns = 3", &[]),
        ("checks = [\"sometimes suspicion\"]\nruns = 3", &["--run", "1"]),
    ] {
        let output = run(rest, flags);
        let (told, error) = both(&output);
        assert_eq!(output.status.code(), Some(1), "{rest}: {told}{error}");
        assert!(told.contains("sometimes suspicion: never") && !told.contains("hold\n"), "{told}");
        assert!(error.contains("check failed: sometimes suspicion"), "{error}");
    }
    let output = run("checks = [\"sometimes suspicion\"]", &["--json"]);
    let last: Value = both(&output).0.lines().last().map(|line| serde_json::from_str(line).unwrap()).unwrap();
    assert_eq!((output.status.code(), &last["ok"], &last["checks"]), (Some(1), &false.into(), &1.into()));
    let output = run("checks = [\"eventually views_agree within 5s after 1m\"]", &[]);
    assert_eq!(output.status.code(), Some(2), "it would never be asked: {output:?}");
}

#[test]
fn without_checks_it_says_that_none_were_given_and_a_run_that_does_not_exist_is_refused() {
    let output = run("", &[]);
    let (told, _) = both(&output);
    assert!(output.status.success() && told.contains("none were given"), "{told}");
    let output = run("checks = [\"always no_false_death\"]", &[]);
    assert!(output.status.success() && both(&output).0.contains("the only one holds"), "{output:?}");
    for wrong in [&["--run", "4294967295"][..], &["--runs", "0"]] {
        assert_eq!(run("", wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_scenario_in_another_language_is_told_that_it_is_toml() {
    let scratch = Scratch::new("sim-foreign");
    for (text, parts) in [
        ("{ \"stack\": \"swim\" }", &["this is JSON; a scenario is TOML", "`stack = \"swim\"`"][..]),
        ("stack: swim\nnodes: 5\n", &["this is YAML; a scenario is TOML", "--stacks"]),
    ] {
        let file = scratch.join("scenario.toml");
        std::fs::write(&file, text).unwrap();
        let output = Command::new(program()).args(["sim", "run"]).arg(&file).output().unwrap();
        let (_, error) = both(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn counts_are_shown_as_counts() {
    let (told, _) = both(&run("", &[]));
    let figure = |name: &str| {
        let line = told.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_else(|| panic!("no {name}: {told}"))
    };
    assert_eq!((figure("up"), figure("suspicions")), ("8", "0"), "{told}");
}
