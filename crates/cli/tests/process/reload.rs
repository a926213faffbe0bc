//! The configuration read again: by SIGHUP, and by `rumormill reload`.

use super::agent::{Agent, DEADLINE_S, Story, converge, program};
use rumormill_testkit::process::run;
use rumormill_testkit::wait;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::process::Command;

/// The names of the settings in a list of changes.
fn keys(changes: &Value) -> Vec<&str> {
    changes.as_array().unwrap().iter().map(|change| change["key"].as_str().unwrap()).collect()
}

fn tags(agent: &Agent) -> Value {
    agent.ask("/v1/tags").unwrap()["tags"].clone()
}

#[test]
fn what_can_change_does_what_cannot_is_named_and_a_broken_file_changes_nothing() {
    let story = Story::new("reload");
    let other = story.agent("n1").start();
    let file = story.dir().join("rumormill.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("log = \"warn\"\nbudget = \"8 MiB\"\ntags = { role = \"web\", rack = \"1\" }\n");
    let mut agent = story.agent("n0").flag("--config", file.to_str().unwrap()).start();
    assert!(agent.cli(&["tags", "--set", "owner=ops"]).status.success());
    let nothing = agent.cli_json(&["reload"]);
    assert_eq!((&nothing["changed"], &nothing["restart"]), (&json!([]), &json!([])));

    let joined = format!("join = [\"{}\"]\n", other.setup.bind);
    write(
        &(joined.clone()
            + "log = \"debug\"\nbudget = \"4 MiB\"\nvitals_budget = 4096\ntags = { role = \"db\" }\n"),
    );
    let told = agent.cli_json(&["reload"]);
    assert_eq!(keys(&told["changed"]), ["join", "log", "tags", "vitals_budget"], "{told:#}");
    assert_eq!(told["restart"], json!([{ "key": "budget", "from": "8 MiB/s", "to": "4 MiB/s" }]));
    assert_eq!(tags(&agent), json!({ "role": "db", "owner": "ops" }));
    converge(&[&agent, &other]);
    wait::until_true("debug lines are written", DEADLINE_S, || agent.process.log().contains("DEBUG"));

    write("log = \"loud\"\ntags = { role = \"cache\" }\nno_such = 1\n");
    let refused = agent.cli(&["reload"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        said.contains("no_such") && said.contains("loud") && said.contains("nothing was changed"),
        "{said}"
    );
    assert_eq!(tags(&agent), json!({ "role": "db", "owner": "ops" }));
    let info = agent.cli(&["info"]);
    let info = String::from_utf8_lossy(&info.stdout);
    assert!(info.contains("2 done, 1 refused") && info.contains("waiting for a restart: budget"), "{info}");

    write("tags = { role = \"cache\" }\n");
    agent.process.signal(Signal::HUP);
    wait::until_true("SIGHUP is heard", DEADLINE_S, || {
        tags(&agent) == json!({ "role": "cache", "owner": "ops" })
    });
    assert!(agent.process.ended().is_none());
}

#[test]
fn a_key_file_that_has_more_keys_adds_them_and_one_that_has_less_removes_none() {
    let story = Story::new("reload-keys");
    let (key, more) = (story.dir().join("key"), story.other_key());
    let both = [&key, &more].map(|path| std::fs::read_to_string(path).unwrap());
    let agent = story.agent("n0").start();
    let keys = || agent.ask("/v1/keys").unwrap()["keys"].as_array().unwrap().len();
    let third = run(Command::new(program()).arg("keygen"));
    assert_eq!(agent.post("/v1/keys/install", &json!({ "key": third.trim() })).status, 200);
    assert_eq!(keys(), 2);

    std::fs::write(&key, both.concat()).unwrap();
    let told = agent.cli_json(&["reload"]);
    assert_eq!(keys(), 3, "{told:#}");
    assert!(told["changed"][0]["to"].as_str().unwrap().ends_with(" installed"), "{told:#}");
    assert!(told["warnings"].to_string().contains("stays installed"), "{told:#}");

    std::fs::write(&key, &both[0]).unwrap();
    let told = agent.cli_json(&["reload"]);
    assert_eq!((keys(), &told["changed"]), (3, &json!([])), "{told:#}");
    assert_eq!(told["warnings"].as_array().unwrap().len(), 2, "{told:#}");
}
