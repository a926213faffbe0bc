//! Queries: asked once, answered by all that are meant, and what is missing is said.

use super::agent::{Agent, DEADLINE_S, Story, all_hold, converge, program};
use data_encoding::BASE64;
use rumormill_testkit::{process, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;

/// Asks, and returns the lines of the answer; there are sums at its end.
fn ask(agent: &Agent, query: Value) -> Vec<Value> {
    let answer = agent.post("/v1/query", &query);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let lines: Vec<Value> = answer
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert_eq!((&lines[0]["kind"], &sums(&lines)["kind"]), (&json!("asked"), &json!("done")), "{lines:#?}");
    lines
}

fn sums(lines: &[Value]) -> &Value {
    lines.last().unwrap()
}

/// Asked, acknowledged, answered, failed.
fn counts(lines: &[Value]) -> [u64; 4] {
    ["asked", "acknowledged", "answered", "failed"].map(|name| sums(lines)[name].as_u64().unwrap())
}

fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

/// Names in lines of that kind, each once.
fn names<'a>(lines: &'a [Value], kind: &str) -> BTreeSet<&'a str> {
    let lines = of_kind(lines, kind);
    let names: BTreeSet<&str> = lines.iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), lines.len(), "nobody is told twice: {lines:#?}");
    names
}

/// Waits until agents know what was before them, so that they are told all that follows.
fn joined(agents: &[&Agent]) {
    wait::until_true("all know what was before them", DEADLINE_S, || {
        agents.iter().all(|agent| agent.info()["events"]["joined"] == true)
    });
}

#[test]
fn all_that_are_meant_answer_with_a_byte_or_with_fifty_kibibytes() {
    let story = Story::new("query");
    let answering = |name: &str, role: &str| {
        let load = "query:load=test $RUMORMILL_QUERY_NAME:$RUMORMILL_EVENT = load:query && printf 1";
        let large = "query:lar*=cat; head -c 51200 /dev/zero | tr '\\0' x; printf \" $RUMORMILL_NODE $RUMORMILL_QUERY_ASKER\"";
        story.agent(name).flag("--on", load).flag("--on", large).flag("--tag", &format!("role={role}"))
    };
    let first = answering("web1", "web").start();
    let rest =
        [("web2", "web"), ("db1", "db")].map(|(name, role)| answering(name, role).join(&first).start());
    let silent = story.agent("silent").join(&first).start();
    let agents = [&first, &rest[0], &rest[1], &silent];
    converge(&agents);
    joined(&agents);
    let small = ask(&rest[0], json!({ "name": "load", "node": "web.*|db1", "timeout_ms": 60_000 }));
    assert_eq!(counts(&small), [3, 3, 3, 0], "{small:#?}");
    assert_eq!(names(&small, "answer"), BTreeSet::from(["db1", "web1", "web2"]));
    assert_eq!(names(&small, "ack"), names(&small, "answer"));
    assert!(of_kind(&small, "answer").iter().all(|line| line["payload"] == "1"));

    let large =
        json!({ "name": "large", "payload": "how? ", "tags": { "role": "web|db" }, "timeout_ms": 60_000 });
    let large = ask(&rest[0], large);
    assert_eq!(counts(&large), [3, 3, 3, 0]);
    for line in of_kind(&large, "answer") {
        let (name, said) = (line["name"].as_str().unwrap(), line["payload"].as_str().unwrap());
        assert_eq!(said, format!("how? {} {name} web2", "x".repeat(51_200)));
    }

    let by_tag = ask(&first, json!({ "name": "load", "tags": { "role": "w.b" }, "timeout_ms": 60_000 }));
    assert_eq!(names(&by_tag, "answer"), BTreeSet::from(["web1", "web2"]));
    let by_both = ask(
        &silent,
        json!({ "name": "load", "tags": { "role": "web" }, "node": ".*2", "timeout_ms": 60_000 }),
    );
    assert_eq!((names(&by_both, "answer"), counts(&by_both)), (BTreeSet::from(["web2"]), [1, 1, 1, 0]));
    // One without a handler acknowledges, and no more; the time is waited for.
    let all = ask(&first, json!({ "name": "load", "timeout_ms": 2_000 }));
    assert_eq!((counts(&all), names(&all, "ack").len()), ([4, 4, 3, 0], 4));

    let said = silent.cli(&["query", "load", "--tag", "role=web", "--timeout", "60s"]);
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && text.contains("web1: 1\n"), "{said:?}");
    assert!(text.contains("2 asked, 2 acknowledged, 2 answered (after "), "{text}");
    let said = silent.cli(&["query", "load", "--node", "silent", "--timeout", "300ms"]);
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("1 of 1 did not answer"), "{said:?}");
    let lines = silent.cli_lines(&["query", "load", "--node", "db1", "--timeout", "60s", "--json"]);
    assert_eq!(counts(&lines), [1, 1, 1, 0]);
    // A question is no event, and no handler ran of those that were not meant.
    for agent in agents {
        assert_eq!(agent.ask("/v1/events").unwrap()["events"], json!([]));
    }
    assert_eq!(rest[1].info()["handlers"][1]["done"], 1);
    assert_eq!(silent.counted("queries_asked"), 4);
    let shown = silent.cli(&["info"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("queries     0 open of its own"), "{shown:?}");
}

#[test]
fn handlers_that_hang_crash_or_say_too_much_are_answers_and_keep_nobody_waiting() {
    let story = Story::new("query-wrong");
    let first = story.agent("n0").flag("--on", "query:*=printf ok").start();
    let other = |name: &str, on: &str| story.agent(name).join(&first).flag("--on", on).start();
    let agents = [
        other("hangs", "query:wrong=echo $$; exec sleep 1000"),
        other("crashes", "query:wrong=echo it broke >&2; kill -SEGV $$"),
        other("fails", "query:wrong=exit 3"),
        other("long", "query:wrong=head -c 61441 /dev/zero"),
        other("all-says", "*=printf \"$RUMORMILL_EVENT\""),
        other("all-silent", "*=exit 1"),
    ];
    let all: Vec<&Agent> = [&first].into_iter().chain(&agents).collect();
    converge(&all);
    joined(&all);
    let lines = ask(&first, json!({ "name": "wrong", "timeout_ms": 6_000 }));
    assert_eq!(counts(&lines), [7, 7, 6, 4], "{lines:#?}");
    assert_eq!(names(&lines, "answer"), BTreeSet::from(["all-says", "n0"]));
    let failed = of_kind(&lines, "failed");
    let why = |name: &str| {
        let line =
            failed.iter().find(|line| line["name"] == name).unwrap_or_else(|| panic!("{name}: {failed:#?}"));
        line["error"].as_str().unwrap().to_owned()
    };
    assert!(why("hangs").contains("killed after"), "{}", why("hangs"));
    assert!(
        why("crashes").contains("signal: 11") && why("crashes").contains("it broke"),
        "{}",
        why("crashes")
    );
    assert!(why("fails").contains("exit status: 3"), "{}", why("fails"));
    assert!(why("long").contains("more than 60 KiB"), "{}", why("long"));
    assert_eq!((agents[0].counted("killed"), agents[3].counted("failed")), (1, 1));
    assert_eq!(first.counted("queries_failed"), 4);
    // And none of them is worse for it.
    let lines = ask(&agents[0], json!({ "name": "right", "node": "n0|all-says", "timeout_ms": 60_000 }));
    assert_eq!(counts(&lines), [2, 2, 2, 0]);

    let refused = |body: Value| first.post("/v1/query", &body);
    for (body, word) in [
        (json!({ "name": "" }), "empty"),
        (json!({ "name": "n", "node": "(" }), "no pattern"),
        (json!({ "name": "n", "tags": { "k": "\\w{9999}" } }), "no pattern"),
        (json!({ "name": "n", "timeout_ms": 0 }), "cannot wait"),
        (json!({ "name": "n", "timeout_ms": 3_600_000 }), "cannot wait"),
    ] {
        let answer = refused(body);
        assert!(answer.status == 400 && answer.body.contains(word), "{}: {}", answer.status, answer.body);
    }
    assert_eq!(refused(json!({ "name": "n", "payload": "x".repeat(60 * 1024 + 1) })).status, 413);
    let said = first.cli(&["query", "n", "--node", "*"]);
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("regular expression"), "{said:?}");
}

#[test]
fn one_that_dies_while_it_is_asked_is_missing_in_the_sums_and_ctrl_c_ends_a_query_at_once() {
    let story = Story::new("query-lost");
    let first = story.agent("n0").flag("--on", "query:slow=printf here").start();
    let second = story.agent("n1").join(&first).flag("--on", "query:slow=printf here").start();
    let mut dying = story.agent("n2").join(&first).flag("--on", "query:slow=sleep 1000").start();
    converge(&[&first, &second, &dying]);
    joined(&[&first, &second, &dying]);
    let socket = story.dir().join("n0.sock");
    let asking = |name: &str, timeout: &str| {
        let mut command = Command::new(program());
        command.args(["query", name, "--timeout", timeout, "--json", "--socket"]).arg(&socket);
        process::Guard::spawn(command, &story.dir().join(format!("asking-{timeout}")))
    };
    let mut query = asking("slow", "10s");
    wait::until_true("the one is at it", DEADLINE_S, || dying.info()["handlers"][0]["running"] == 1);
    dying.process.kill();
    assert_eq!(query.wait(DEADLINE_S).code(), Some(1));
    let log = query.log();
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let [asked, acknowledged, answered, failed] = counts(&lines);
    assert_eq!((asked, answered, failed), (3, 2, 0), "{log}");
    assert!((2..=3).contains(&acknowledged), "{log}");
    assert!(log.contains("1 of 3 did not answer"), "{log}");

    let mut query = asking("unhandled", "9m");
    wait::until_true("it is open", DEADLINE_S, || first.info()["queries"]["open"] == 1);
    query.interrupt();
    assert_eq!(query.wait(DEADLINE_S).code(), Some(1));
    assert!(query.log().contains("interrupted"), "{}", query.log());
    wait::until_true("it is cancelled", DEADLINE_S, || first.info()["queries"]["open"] == 0);
}

#[test]
fn a_query_that_means_nobody_listed_ends_at_once_and_with_a_time_waits_for_a_member_that_comes_back() {
    let story = Story::new("query-nobody");
    let first = story.agent("n0").flag("--tag", "role=web").start();
    let away = story.agent("n1").join(&first).flag("--tag", "role=db").flag("--on", "query:load=printf 7");
    let mut away = away.start();
    converge(&[&first, &away]);
    joined(&[&first, &away]);
    away.process.kill();
    all_hold([&first], "n1", "failed");
    for words in [
        &["--tag", "nobody=1"][..],
        &["--node", "NOBODY"],
        &["--tag", "role=db"],
        &["--tag", "role=web", "--node", "n1"],
    ] {
        let said = first.cli(&[&["query", "load"], words].concat());
        assert_eq!(said.status.code(), Some(1), "{said:?}");
        let text = String::from_utf8_lossy(&said.stderr);
        assert!(text.contains("nobody was asked") && text.contains("members --detailed"), "{text}");
        assert!(String::from_utf8_lossy(&said.stdout).starts_with("0 asked, 0 acknowledged"), "{said:?}");
        let lines = first.cli_lines(&[&["query", "load", "--json"], words].concat());
        assert_eq!(
            (lines.len(), &lines[0]["asked"], &lines[0]["timeout_ms"]),
            (2, &json!(0), &json!(0)),
            "{lines:?}"
        );
        assert_eq!(counts(&lines), [0, 0, 0, 0]);
    }
    let lines = ask(&first, json!({ "name": "load", "names": ["n2"] }));
    assert_eq!((counts(&lines), lines.len()), ([0, 0, 0, 0], 2));
    let large = first
        .post("/v1/query", &json!({ "name": "n", "names": ["n2"], "payload": "x".repeat(60 * 1024 + 1) }));
    assert_eq!((large.status, first.counted("queries_asked")), (413, 0), "{}", large.body);

    let command = first.cli_command(&["query", "load", "--tag", "role=db", "--timeout", "9m", "--json"]);
    let mut waiting = process::Guard::spawn(command, &story.dir().join("waiting"));
    wait::until_true("it is open", DEADLINE_S, || first.info()["queries"]["open"] == 1);
    let _back = away.setup.clone().start();
    wait::until_true("the member that came back answers", DEADLINE_S, || {
        waiting.log().contains("\"payload\":\"7\"")
    });
    waiting.interrupt();
    assert_eq!(waiting.wait(DEADLINE_S).code(), Some(1));
}

#[test]
fn any_sixty_kibibytes_are_a_payload_and_come_back_as_they_were_sent() {
    let story = Story::new("query-bytes");
    let echo = story.agent("n0").flag("--on", "query:echo=cat").start();
    let agent = story.agent("n1").join(&echo).start();
    converge(&[&echo, &agent]);
    joined(&[&echo, &agent]);
    let any = (0..=255).cycle().take(60 * 1024).collect();
    for (name, bytes) in [("no-text", any), ("text-that-json-escapes", vec![1; 60 * 1024])] {
        let file = story.dir().join(name);
        std::fs::write(&file, &bytes).unwrap();
        let words =
            ["query", "echo", "--payload-file", file.to_str().unwrap(), "--node", "n0|other", "--json"];
        let lines = agent.cli_lines(&[&words[..], &["--timeout", "60s"]].concat());
        let answer = of_kind(&lines, "answer")[0];
        let back = match answer["payload"].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => BASE64.decode(answer["payload_base64"].as_str().unwrap().as_bytes()).unwrap(),
        };
        assert!(back == bytes, "{name}: {} bytes came back", back.len());
    }
}

/// A hundred real agents; the sums are exact.
#[test]
fn a_hundred_agents_answer() {
    let story = Story::new("query-hundred");
    let start = |nth: usize| {
        let on = "query:who=printf \"$RUMORMILL_NODE\"";
        story.agent(&format!("n{nth}")).flag("--on", on).flag("--log", "warn")
    };
    let first = start(0).start();
    let rest: Vec<Agent> = (1..100).map(|nth| start(nth).join(&first).launch()).collect();
    wait::until_true("all see each other", DEADLINE_S, || {
        [&first].into_iter().chain(&rest).all(|agent| {
            let info = agent.info();
            info["live"] == 100 && info["events"]["joined"] == true
        })
    });
    let asker = &rest[41];
    let lines = ask(asker, json!({ "name": "who", "timeout_ms": 60_000 }));
    assert_eq!(counts(&lines), [100, 100, 100, 0], "{}", sums(&lines));
    assert_eq!(names(&lines, "answer").len(), 100);
    assert!(of_kind(&lines, "answer").iter().all(|line| line["payload"] == line["name"]));
    println!("{}", sums(&lines));
}
