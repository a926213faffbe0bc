//! Commands that an agent runs when something happens.

use super::agent::{Agent, DEADLINE_S, Story, converge};
use rumormill_testkit::wait;
use serde_json::{Value, json};
use std::path::Path;

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// What an agent says of its handler on that.
fn handler(agent: &Agent, on: &str) -> Value {
    let info = agent.info();
    let handlers = info["handlers"].as_array().cloned().unwrap_or_default();
    handlers.into_iter().find(|handler| handler["on"] == on).unwrap_or_default()
}

#[test]
fn commands_are_run_on_events_and_failures_and_one_that_hangs_or_crashes_disturbs_nobody() {
    let story = Story::new("handlers");
    let first = story.agent("n0").start();
    let (events, failed) = (story.dir().join("events"), story.dir().join("failed"));
    let on_event = format!(
        "event:deploy*=echo \"$RUMORMILL_EVENT_NAME of $RUMORMILL_EVENT_ORIGIN at $RUMORMILL_NODE: $(cat)\" >> {}",
        events.display()
    );
    let on_failed = format!("member-failed=echo \"$RUMORMILL_MEMBER_NAME\" >> {}", failed.display());
    let watching = story
        .agent("n1")
        .join(&first)
        .flag("--on", &on_event)
        .flag("--on", &on_failed)
        .flag("--on", "event:hang=sleep 1000")
        .flag("--on", "event:crash=kill -SEGV $$")
        .start();
    let mut third = story.agent("n2").join(&first).start();
    converge(&[&first, &watching, &third]);
    wait::until_true("it knows what was before it", DEADLINE_S, || {
        watching.info()["events"]["joined"] == true
    });

    let name = |name: &str| json!({ "name": name, "payload": "v1, \"to\" all" });
    let all: Vec<Value> = ["hang", "hang", "crash", "other", "deploy", "deployed"].map(name).to_vec();
    assert_eq!(first.post("/v1/events", &json!({ "events": all })).status, 200);
    wait::until_true("both events are handled", DEADLINE_S, || lines(&events).len() == 2);
    let origin = first.info()["member"]["id"].as_str().unwrap().to_owned();
    let mut said = lines(&events);
    said.sort();
    let expected = ["deploy", "deployed"].map(|name| format!("{name} of {origin} at n1: v1, \"to\" all"));
    assert_eq!(said, expected);
    wait::until_true("the crash is counted", DEADLINE_S, || handler(&watching, "event:crash")["failed"] == 1);
    assert_eq!(handler(&watching, "event:hang")["running"], 2);
    assert_eq!(watching.counted("handler_runs"), 3);

    third.process.kill();
    wait::until_true("the failure is handled", DEADLINE_S, || lines(&failed) == ["n2"]);
    let shown = watching.cli(&["info"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("event:deploy*: 2 done, 0 failed"), "{shown:?}");

    // A clean restart handles nothing twice.
    let mut watching = watching;
    watching.process.interrupt();
    assert!(watching.process.wait(DEADLINE_S).success());
    let watching = watching.restart();
    converge(&[&first, &watching]);
    assert_eq!(first.post("/v1/events", &json!({ "events": [name("deploy2")] })).status, 200);
    wait::until_true("a third is handled", DEADLINE_S, || lines(&events).len() >= 3);
    assert!(lines(&events)[2].starts_with("deploy2 "), "{:?}", lines(&events));
    assert_eq!(lines(&events).len(), 3);
}

#[test]
fn a_handler_that_makes_no_sense_keeps_the_agent_from_starting_and_says_why() {
    let story = Story::new("handlers-wrong");
    let mut agent = story.agent("n0").flag("--on", "member-gone=true").launch();
    assert_eq!(agent.process.wait(DEADLINE_S).code(), Some(2));
    assert!(agent.process.log().contains("member-failed"), "{}", agent.process.log());
}
