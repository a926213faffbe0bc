//! Commands that an agent runs when something happens.

use super::agent::{Agent, DEADLINE_S, Story, converge};
use rumormill_testkit::process::run;
use rumormill_testkit::wait;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

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

/// Publishes an event of that name.
fn publish(agent: &Agent, name: &str) {
    let events = json!({ "events": [{ "name": name, "payload": "" }] });
    assert_eq!(agent.post("/v1/events", &events).status, 200);
}

#[test]
fn a_question_is_answered_when_the_shell_exits_whatever_it_left_in_the_background() {
    let story = Story::new("background");
    let pids = story.dir().join("pids");
    let left = |how: &str| format!("{how} & echo $! >> {}; echo started", pids.display());
    let agent = story
        .agent("n0")
        .flag("--on", &format!("query:bg={}", left("sleep 300")))
        .flag("--on", &format!("query:daemon={}", left("setsid sleep 300")))
        .flag("--on", "query:mute=exec >&- 2>&-; sleep 0.2; exit 3")
        .flag("--on", "query:much=head -c 100000 /dev/zero; echo done")
        .start();
    let answer = |name: &str| {
        let lines = agent.cli_lines(&["query", name, "--timeout", "60s", "--json"]);
        let of = |key: &str| lines.iter().find_map(|line| line[key].as_str().map(str::to_owned));
        (of("payload"), of("error"), lines)
    };
    for name in ["bg", "daemon"] {
        let (said, failure, lines) = answer(name);
        assert_eq!((said.as_deref(), failure), (Some("started\n"), None), "{name}: {lines:?}");
        assert_eq!(handler(&agent, &format!("query:{name}"))["done"], 1);
    }
    for pid in lines(&pids) {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.contains("sleep") && !state.contains(") Z "), "it was left alone: {state}");
        run(Command::new("kill").args(["-9", &pid]));
    }
    let (_, failure, lines) = answer("mute");
    assert!(failure.as_ref().is_some_and(|why| why.contains("exit status: 3")), "{lines:?}");
    let (_, failure, lines) = answer("much");
    assert!(
        failure.as_ref().is_some_and(|why| why.contains("the most that an answer may take")),
        "{lines:?}"
    );
}

#[test]
fn handlers_finish_when_the_agent_stops_and_are_told_before_they_are_killed() {
    let story = Story::new("stopping");
    let path = |name: &str| story.dir().join(name).display().to_string();
    let trap = |name: &str| {
        format!("trap 'echo TERM >> {0}; exit' TERM; echo begun > {0}; sleep 1000 & wait", path(name))
    };
    let deaf = format!("trap '' TERM; echo $$ > {}; sleep 1000; sleep 1000", path("deaf"));
    let quick = format!(
        "echo begun > {0}; while ! test -e {1}; do sleep 0.05; done; echo finished >> {0}",
        path("quick"),
        path("go")
    );
    let mut agent = story
        .agent("n0")
        .flag("--on", &format!("event:trap={}", trap("trap")))
        .flag("--on", &format!("event:deaf={deaf}"))
        .flag("--on", &format!("event:quick={quick}"))
        .start();
    ["trap", "deaf", "quick"].iter().for_each(|name| publish(&agent, name));
    let begun = |name: &str| !lines(&story.dir().join(name)).is_empty();
    wait::until_true("all run", DEADLINE_S, || ["trap", "deaf", "quick"].iter().all(|name| begun(name)));
    agent.process.interrupt();
    std::fs::write(story.dir().join("go"), "").unwrap();
    assert!(agent.process.wait(DEADLINE_S).success(), "{}", agent.process.log());
    assert_eq!(lines(&story.dir().join("quick")), ["begun", "finished"], "it had time to end by itself");
    assert_eq!(lines(&story.dir().join("trap")), ["begun", "TERM"], "it got SIGTERM, once");
    let deaf = &lines(&story.dir().join("deaf"))[0];
    let state = std::fs::read_to_string(format!("/proc/{deaf}/stat")).unwrap_or_default();
    assert!(!state.contains("(sh)") || state.contains(") Z "), "it was killed: {state}");
}

#[test]
fn a_handler_that_has_its_own_agent_leave_lives_to_finish() {
    let story = Story::new("own-leave");
    let told = story.dir().join("told");
    let leave = format!(
        "event:stop={} leave --socket $RUMORMILL_SOCKET > /dev/null; echo left: $? >> {}",
        super::agent::program(),
        told.display()
    );
    let by_signal = format!("event:signal=kill -TERM $PPID; sleep 0.5; echo finished >> {}", told.display());
    let mut agent = story.agent("n0").flag("--on", &leave).start();
    publish(&agent, "stop");
    assert!(agent.process.wait(DEADLINE_S).success(), "{}", agent.process.log());
    assert_eq!(lines(&told), ["left: 0"]);
    let mut agent = story.agent("n1").flag("--on", &by_signal).start();
    publish(&agent, "signal");
    assert!(agent.process.wait(DEADLINE_S).success(), "{}", agent.process.log());
    assert_eq!(lines(&told), ["left: 0", "finished"]);
}

#[test]
fn a_second_signal_ends_agent_and_handlers_at_once() {
    let story = Story::new("second-signal");
    let pid = story.dir().join("pid");
    let deaf = format!("event:deaf=trap '' TERM; echo $$ > {}; sleep 1000; sleep 1000", pid.display());
    let mut agent = story.agent("n0").flag("--on", &deaf).start();
    publish(&agent, "deaf");
    wait::until_true("it runs", DEADLINE_S, || !lines(&pid).is_empty());
    agent.process.interrupt();
    wait::until_true("it leaves", DEADLINE_S, || agent.process.log().contains("leaving the cluster"));
    // It may come while the agent leaves (which is then cut) or while it waits for its handler (it has left).
    wait::until_true("it ends", DEADLINE_S, || {
        agent.process.interrupt();
        agent.process.ended().is_some()
    });
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", lines(&pid)[0])).unwrap_or_default();
    wait::until_true("the handler is gone", DEADLINE_S, || state().is_empty() || state().contains(") Z "));
}

#[test]
fn a_handler_that_makes_no_sense_keeps_the_agent_from_starting_and_says_why() {
    let story = Story::new("handlers-wrong");
    let mut agent = story.agent("n0").flag("--on", "member-gone=true").launch();
    assert_eq!(agent.process.wait(DEADLINE_S).code(), Some(2));
    assert!(agent.process.log().contains("member-failed"), "{}", agent.process.log());
}
