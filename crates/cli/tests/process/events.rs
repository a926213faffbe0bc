//! Application events: told everywhere, once, in order; kept over crashes; refused aloud.

use super::agent::{Agent, DEADLINE_S, Story, converge};
use rumormill_testkit::wait;
use serde_json::{Value, json};

/// Publishes one event, which must be taken, and returns its id.
fn publish(agent: &Agent, event: Value) -> String {
    let answer = agent.post("/v1/events", &json!({ "events": [event] }));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    body["events"][0]["id"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

/// All that an agent has to read after `cursor`, and the cursor behind it.
fn read(agent: &Agent, cursor: &str) -> (Vec<Value>, String) {
    let (mut events, mut cursor) = (Vec::new(), cursor.to_owned());
    loop {
        let page = agent.ask(&format!("/v1/events?cursor={cursor}")).unwrap_or_default();
        assert!(page["gap"].is_null(), "{page:#}");
        cursor = page["cursor"].as_str().unwrap_or(&cursor).to_owned();
        match page["events"].as_array() {
            Some(more) if !more.is_empty() => events.extend(more.iter().cloned()),
            _ => return (events, cursor),
        }
    }
}

fn payloads(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["payload"].as_str().unwrap_or("?")).collect()
}

/// Reads until an agent was told all of `wanted` after `cursor`; returns all payloads, and the cursor behind them.
fn told(agent: &Agent, cursor: &str, wanted: &[&str]) -> (Vec<String>, String) {
    let what = format!("{} is told {wanted:?}", agent.name());
    let ((events, cursor), _) = wait::until(&what, DEADLINE_S, || {
        let (events, cursor) = read(agent, cursor);
        wanted.iter().all(|one| payloads(&events).contains(one)).then_some((events, cursor))
    });
    (payloads(&events).into_iter().map(str::to_owned).collect(), cursor)
}

/// Waits until agents know what was before them, so that they are told all that follows.
fn joined(agents: &[&Agent]) {
    wait::until_true("all know what was before them", DEADLINE_S, || {
        agents.iter().all(|agent| agent.info()["events"]["joined"] == true)
    });
}

#[test]
fn an_event_of_one_agent_is_told_at_all_others_with_its_payload() {
    let story = Story::new("event");
    let agents = story.cluster(4);
    joined(&agents.iter().collect::<Vec<_>>());
    let said = agents[0].cli(&["event", "deploy", "v1 to größer", "--wait", "covered", "--timeout", "30s"]);
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && text.contains("covered"), "{text}{said:?}");
    let large = "0123456789abcdef".repeat(4 * 1024);
    let id = publish(&agents[1], json!({ "name": "large", "payload": large }));
    publish(&agents[2], json!({ "name": "bytes", "payload_base64": "/wAB", "unordered": true }));
    for agent in &agents {
        told(agent, "start", &["v1 to größer", &large]);
        let lines = agent.cli_lines(&["events", "--name", "lar*", "--json"]);
        assert_eq!((lines.len(), &lines[0]["id"]), (1, &json!(id)), "{}", agent.name());
        assert_eq!(lines[0]["origin_name"], "n1");
        wait::until_true("any bytes are told as they are", DEADLINE_S, || {
            read(agent, "start").0.iter().any(|event| event["payload_base64"] == "/wAB")
        });
    }
}

/// Whether an agent's database holds an event with that payload, read as bytes, since the agent holds it locked.
fn is_on_disk(agent: &Agent, payload: &str) -> bool {
    ["rumormill.db", "rumormill.db-wal"].iter().any(|file| {
        let bytes = std::fs::read(agent.setup.dir.join(file)).unwrap_or_default();
        // The name, and the payload with its length before it, as CBOR has them.
        let item = [&b"\x41n"[..], &[0x40 + payload.len() as u8], payload.as_bytes()].concat();
        bytes.windows(item.len()).any(|window| window == item)
    })
}

#[test]
fn after_kill_9_nothing_is_lost_and_after_a_clean_restart_nothing_is_told_twice() {
    let story = Story::new("event-lives");
    let mut agents = story.cluster(3);
    joined(&agents.iter().collect::<Vec<_>>());
    let say = |agent: &Agent, text: &str| publish(agent, json!({ "name": "n", "payload": text }));
    say(&agents[0], "one");
    let (before, cursor) = told(&agents[2], "start", &["one"]);
    assert_eq!(before, ["one"]);
    wait::until_true("that is on disk", DEADLINE_S, || is_on_disk(&agents[2], "one"));
    say(&agents[1], "two");
    told(&agents[2], &cursor, &["two"]);

    agents[2].process.kill();
    say(&agents[0], "three");
    say(&agents[1], "four");
    let back = agents.remove(2).restart();
    agents.push(back);
    let (mut after, cursor) = told(&agents[2], &cursor, &["two", "three", "four"]);
    after.retain(|text| !["one", "two"].contains(&text.as_str())); // of the last second before the crash
    after.sort();
    assert_eq!(after, ["four", "three"]);

    // A clean end: Ctrl-C, and a start from the same directory.
    agents[2].process.interrupt();
    assert!(agents[2].process.wait(DEADLINE_S).success());
    say(&agents[0], "five");
    let back = agents.remove(2).restart();
    agents.push(back);
    let (after, cursor) = told(&agents[2], &cursor, &["five"]);
    assert_eq!(after, ["five"]);
    converge(&agents.iter().collect::<Vec<_>>());
    say(&agents[2], "six");
    say(&agents[1], "seven");
    let (mut after, _) = told(&agents[2], &cursor, &["six", "seven"]);
    after.sort();
    assert_eq!(after, ["seven", "six"]);
    // What was told in earlier lives can still be read.
    let all = read(&agents[2], "start").0;
    assert!(payloads(&all).contains(&"one"), "{all:#?}");
}

#[test]
fn who_joins_late_is_told_nothing_from_before_unless_it_wants_it() {
    let story = Story::new("event-late");
    let first = story.agent("n0").start();
    let second = story.agent("n1").join(&first).start();
    converge(&[&first, &second]);
    joined(&[&first, &second]);
    for text in ["one", "two"] {
        publish(&first, json!({ "name": "n", "payload": text }));
    }
    told(&second, "start", &["one", "two"]);
    let late = story.agent("n2").join(&first).start();
    let replaying = story.agent("n3").join(&first).switch("--events-replay").start();
    joined(&[&late, &replaying]);
    assert_eq!(told(&replaying, "start", &["one", "two"]).0, ["one", "two"]);
    publish(&second, json!({ "name": "n", "payload": "three" }));
    assert_eq!(told(&late, "start", &["three"]).0, ["three"]);
    assert_eq!(told(&replaying, "start", &["three"]).0, ["one", "two", "three"]);
    // It retains what it was not told of, for others.
    wait::until_true("the late one holds all", DEADLINE_S, || late.info()["events"]["window_events"] == 3);
}

#[test]
fn a_full_queue_is_an_error_and_so_is_what_makes_no_sense() {
    let story = Story::new("event-full");
    let agent = story.agent("n0").flag("--events-queue", "2").start();
    let event = json!({ "name": "n", "payload": "x" });
    let answer = agent.post("/v1/events", &json!({ "events": vec![&event; 5] }));
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let states: Vec<&str> =
        body["events"].as_array().unwrap().iter().map(|event| event["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["queued", "queued", "refused", "refused", "refused"], "{body:#}");
    assert!(body["events"][2]["error"].as_str().unwrap().contains("full"));
    assert_eq!(agent.counted("events_refused"), 3);
    assert_eq!(read(&agent, "start").0.len(), 2, "it hears itself, and nothing else");

    let refused = |body: Value| agent.post("/v1/events", &body).status;
    assert_eq!(refused(json!({ "events": [] })), 400);
    assert_eq!(refused(json!({ "events": [{ "name": "" }] })), 400);
    assert_eq!(refused(json!({ "events": [{ "name": "n".repeat(256) }] })), 400);
    assert_eq!(refused(json!({ "events": [{ "name": "n", "payload": "x".repeat(64 * 1024 + 1) }] })), 413);
    assert_eq!(refused(json!({ "events": [{ "name": "n", "payload_base64": "?" }] })), 400);
    assert_eq!(refused(json!({ "events": [{ "name": "n", "colour": 1 }] })), 422);
    let said = agent.cli(&["events", "--from", "nonsense"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("no cursor"), "{said:?}");
    assert_eq!(agent.cli(&["event", &"n".repeat(256)]).status.code(), Some(1));
}

#[test]
fn a_durable_event_outlives_the_kill_9_of_its_publisher_before_anybody_heard_of_it() {
    let story = Story::new("event-durable");
    let mut agents = story.cluster(2);
    joined(&agents.iter().collect::<Vec<_>>());
    publish(&agents[0], json!({ "name": "n", "payload": "heard" }));
    let (_, cursor) = told(&agents[1], "start", &["heard"]);
    // Cut off, so that nobody hears of it.
    let cut = agents[0].post("/v1/faults", &json!({ "block": [agents[1].setup.bind] }));
    assert_eq!(cut.status, 200, "{}", cut.body);
    let id = publish(&agents[0], json!({ "name": "n", "payload": "durable", "durable": true }));
    agents[0].process.kill();
    assert!(read(&agents[1], &cursor).0.is_empty(), "nobody heard of it");
    let back = agents.remove(0).restart();
    agents.insert(0, back);
    told(&agents[1], &cursor, &["durable"]);
    let (events, _) = read(&agents[1], &cursor);
    assert_eq!((events.len(), &events[0]["id"]), (1, &json!(id)), "once, and as what it was published");
    wait::until_true("its publisher learns that it is elsewhere", DEADLINE_S, || {
        agents[0].info()["events"]["durable_waiting"] == 0
    });
    assert_eq!(payloads(&read(&agents[0], "start").0).iter().filter(|text| **text == "durable").count(), 1);
}
