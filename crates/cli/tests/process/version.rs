//! What a binary says it is.

use super::agent::{Story, program};
use rumormill_testkit::process::run;
use serde_json::Value;
use std::process::Command;

#[test]
fn the_command_and_the_agent_it_runs_tell_the_same_commit() {
    let told: Value =
        serde_json::from_str(&run(Command::new(program()).args(["version", "--json"]))).unwrap();
    let (version, commit) = (told["version"].as_str().unwrap(), told["commit"].as_str().unwrap());
    assert_eq!(run(Command::new(program()).arg("--version")), format!("rumormill {version}\n"));
    let text = run(Command::new(program()).arg("version"));
    assert!(text.starts_with(&format!("rumormill {version}\ncommit      {commit}\n")), "{text}");

    let story = Story::new("version");
    let agent = story.agent("n0").start();
    assert_eq!(agent.info()["commit"], commit);
    let metrics = agent.text("/metrics");
    let line = format!("rumormill_build_info{{version=\"{version}\",commit=\"{commit}\"}} 1.0\n");
    assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
}
