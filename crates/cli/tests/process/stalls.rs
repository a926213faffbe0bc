//! Something beside an agent stands still: nobody reads its log, its disk hangs, its service manager sleeps. Its gossip and its API go on.
//!
//! `RUMORMILL_STALL_S` is how long the API is asked again and again meanwhile; if it is not set each route is asked once.

use super::agent::{Agent, DEADLINE_S, Story, all_hold, converge, program};
use rumormill_testkit::disk::Freezing;
use rumormill_testkit::pipe::Unread;
use rumormill_testkit::{needs, wait};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

/// Whoever asks is answered within this: the two seconds that a disk is given, and what a busy test machine adds.
const ANSWER_MAX: Duration = Duration::from_secs(12);
/// An identity that nobody has.
const NOBODY: &str = "00000000000000aa";
/// What promises that something is on disk.
const PROMISES: [(&str, &str); 6] = [
    ("post", "/v1/events"),
    ("put", "/v1/tags"),
    ("patch", "/v1/tags"),
    ("post", "/v1/keys/install"),
    ("post", "/v1/keys/use"),
    ("post", "/v1/keys/remove"),
];

/// What is asked of an agent that stands beside something that stands still.
struct Asked<'a> {
    victim: &'a Agent<'a>,
    /// Another member, which lives.
    other: &'a Agent<'a>,
    /// A member that failed.
    failed: &'a str,
    keys: Keys,
}

/// Fingerprints of keys that the victim holds, and a key that it does not hold.
struct Keys {
    primary: String,
    second: String,
    new: String,
}

fn new_key() -> String {
    let output = Command::new(program()).arg("keygen").output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap().trim().to_owned()
}

impl Keys {
    /// Installs a second key there.
    fn of(victim: &Agent) -> Keys {
        let installed = victim.post("/v1/keys/install", &json!({ "key": new_key() }));
        assert_eq!(installed.status, 200, "{installed:?}");
        let keys = victim.info()["keys"].clone();
        let name = |nth: usize| keys[nth].as_str().unwrap().to_owned();
        Keys { primary: name(0), second: name(1), new: new_key() }
    }
}

impl Asked<'_> {
    /// The body that goes with a request. A route that is not here is new, and to be added.
    fn body(&self, method: &str, path: &str) -> Value {
        let Keys { primary, second, new } = &self.keys;
        match (method, path) {
            ("get" | "delete", _) => Value::Null,
            ("post", "/v1/events") => json!({ "events": [{ "name": "stall", "durable": true }] }),
            ("post", "/v1/query") => json!({ "name": "stall", "timeout_ms": 200 }),
            ("post", "/v1/join") => json!({ "addresses": [self.other.setup.bind] }),
            ("post", "/v1/forget") => json!({ "member": self.failed }),
            ("post", "/v1/bans") => json!({ "member": NOBODY, "reason": "stall" }),
            ("put", "/v1/tags") => json!({ "tags": { "put": "x" } }),
            ("patch", "/v1/tags") => json!({ "set": { "patched": "x" } }),
            ("post", "/v1/keys/install") => json!({ "key": new }),
            ("post", "/v1/keys/use") => json!({ "fingerprint": primary }),
            ("post", "/v1/keys/remove") => json!({ "fingerprint": second }),
            ("post", "/v1/keys/everywhere") => json!({ "action": "list" }),
            ("post", "/v1/faults") => json!({ "clear": true }),
            ("post", "/v1/reload") => json!({}),
            ("post", "/v1/sql") => json!({ "sql": "SELECT count(*) FROM members" }),
            _ => panic!("{method} {path} is new: say how it is asked"),
        }
    }

    /// Asks all that the API describes but to leave. Each is answered in time: what promises the disk with `promised`, all else with 200.
    fn ask_all(&self, promised: u16) {
        let document = self.victim.ask("/openapi.json").expect("it describes itself");
        let mut asked = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys().filter(|_| path != "/v1/leave") {
                let member = if path.starts_with("/v1/bans/") { NOBODY } else { self.other.name() };
                let statement = if path == "/v1/sql/subscribe" { "?sql=SELECT%201" } else { "" };
                let (body, at) = (self.body(method, path), path.replace("{member}", member) + statement);
                let begun = Instant::now();
                let status = self.victim.place.status(
                    &method.to_uppercase(),
                    &at,
                    Some(&body).filter(|b| !b.is_null()),
                );
                let status = status.unwrap_or_else(|e| panic!("{method} {path} is not answered: {e}"));
                assert!(begun.elapsed() < ANSWER_MAX, "{method} {path}: {:?}", begun.elapsed());
                let is_promise = PROMISES.contains(&(method.as_str(), path.as_str()));
                assert_eq!(status, if is_promise { promised } else { 200 }, "{method} {path}");
                asked += 1;
            }
        }
        assert!(asked > 25, "{asked}");
    }

    /// The same again and again, for as long as the environment says.
    fn ask_long(&self, promised: u16) {
        let seconds = std::env::var("RUMORMILL_STALL_S").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(seconds) {
            let status = self.victim.place.status("GET", "/v1/self", None);
            assert_eq!(status.ok(), Some(200));
            let tags =
                self.victim.place.status("PATCH", "/v1/tags", Some(&json!({ "set": { "again": "x" } })));
            assert_eq!(tags.ok(), Some(promised));
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// No observer has suspected that member, nor found it failed.
fn assert_never_suspected(observers: &[&Agent], victim: &str) {
    for observer in observers {
        let why = observer.ask(&format!("/v1/why/{victim}")).expect("it answers");
        let verdicts = why["verdicts"].as_array().unwrap();
        let against =
            |verdict: &&Value| ["suspected", "declared_failed"].contains(&verdict["what"].as_str().unwrap());
        let against: Vec<&Value> = verdicts.iter().filter(against).collect();
        assert!(against.is_empty(), "{} says of {victim}: {against:#?}", observer.name());
    }
}

/// Beside a victim that stands there: one joins by it, fails, another joins and leaves; it reads its configuration again.
fn a_day_in_the_life(story: &Story, victim: &Agent, others: &[&Agent]) {
    let all = |more: &[&Agent]| converge(&[others, &[victim], more].concat());
    let mut failing = story.agent("failing").join(victim).start();
    all(&[&failing]);
    failing.process.kill();
    let mut leaving = story.agent("leaving").join(victim).start();
    let everybody = [others, &[victim]].concat();
    all_hold(everybody.iter().copied(), "leaving", "alive");
    leaving.process.interrupt();
    assert!(leaving.process.wait(DEADLINE_S).success());
    let done = victim.info()["reload"]["done"].as_u64().unwrap_or_default();
    victim.process.signal(Signal::HUP);
    wait::until_true("it has read its configuration again", DEADLINE_S, || {
        victim.info()["reload"]["done"].as_u64() > Some(done)
    });
    for agent in everybody {
        wait::until_true("who left is known", DEADLINE_S, || agent.holds("leaving", "left"));
        wait::until_true("who failed is known", DEADLINE_S, || agent.holds("failing", "failed"));
    }
}

/// It has what the API is asked about.
fn wait_until_vitals(victim: &Agent, of: &str) {
    wait::until_true("vitals are gossiped", DEADLINE_S, || victim.ask(&format!("/v1/vitals/{of}")).is_some());
}

#[test]
fn an_agent_whose_log_nobody_reads_gossips_answers_and_leaves() {
    let story = Story::new("unread");
    let (log, first) = (Unread::new(), story.agent("n0").start());
    let second = story.agent("n1").join(&first).start();
    let setup = story.agent("victim").join(&first).key(&story.own_key("victim")).flag("--log", "info");
    let mut victim = setup.flag("--on", "event:*=echo loud; exit 1").start_into(&log);
    converge(&[&first, &second, &victim]);
    wait_until_vitals(&victim, "n0");
    let keys = Keys::of(&victim);

    log.fill();
    a_day_in_the_life(&story, &victim, &[&first, &second]);
    let asked = Asked { victim: &victim, other: &first, failed: "failing", keys };
    asked.ask_all(200);
    asked.ask_long(200);
    wait::until_true("a handler has failed", DEADLINE_S, || victim.counted("handler_runs") > 0);
    let warned = || victim.info()["warnings"].to_string().contains("standard error is not read");
    wait::until_true("it says that nobody reads its log", DEADLINE_S, warned);
    assert_never_suspected(&[&first, &second], "victim");

    assert_eq!(victim.post("/v1/leave", &json!({})).status, 200);
    all_hold([&first, &second], "victim", "left");
    assert!(victim.process.wait(DEADLINE_S).success(), "nothing keeps it from ending");
}

#[test]
fn when_a_log_is_read_again_one_line_says_how_many_lines_were_lost() {
    let story = Story::new("read-again");
    let log = Unread::new();
    // 8 KB a run, in a queue of 1 MiB. Runs that fail are summed up when they are many; at this level each is told.
    let loud = "event:loud=head -c 8000 /dev/zero | tr '\\0' x";
    let setup = story.agent("n0").flag("--log", "info,rumormill_agent=debug").flag("--on", loud);
    let mut agent = setup.start_into(&log);
    log.fill();
    let events: Vec<Value> = (0..200).map(|_| json!({ "name": "loud" })).collect();
    assert_eq!(agent.post("/v1/events", &json!({ "events": events })).status, 200);
    wait::until_true("lines are lost", DEADLINE_S, || agent.counted("log_lines_lost") > 0);
    wait::until_true("all runs have ended", DEADLINE_S, || agent.counted("handler_runs") == 200);
    let read = log.read();
    wait::until_true("the warning is gone", DEADLINE_S, || {
        !agent.info()["warnings"].to_string().contains("standard error")
    });
    let lost = agent.counted("log_lines_lost");
    assert!(agent.text("/metrics").contains(&format!("rumormill_log_lines_lost_total {lost}\n")));
    agent.process.interrupt();
    assert!(agent.process.wait(DEADLINE_S).success());
    let read = read.join().unwrap();
    let told: Vec<&str> = read.lines().filter(|line| line.contains("lines of this log were lost")).collect();
    assert!(told.len() == 1 && told[0].contains(&format!("lost={lost}")), "{told:?}");
    assert!(read.contains("leaving the cluster"), "it is whole again");
}

#[test]
fn an_agent_whose_disk_hangs_gossips_answers_refuses_what_it_cannot_store_and_leaves() {
    needs!("root", "losetup", "mkfs.ext4", "fsfreeze");
    let story = Story::new("frozen");
    let (disk, first) = (Freezing::mount(), story.agent("n0").start());
    let second = story.agent("n1").join(&first).start();
    let key = disk.path().join("key");
    std::fs::copy(story.dir().join("key"), &key).unwrap();
    let setup = story.agent("victim").join(&first).key(&key).dir(&disk.path().join("data"));
    let mut victim = setup.socket(&disk.path().join("socket")).start();
    converge(&[&first, &second, &victim]);
    wait_until_vitals(&victim, "n0");
    let keys = Keys::of(&victim);
    let (before, bind) = (victim.info()["keys"].clone(), victim.setup.bind.clone());

    let frozen = disk.freeze();
    let refused = victim.cli(&["tags", "--set", "note=frozen"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("not stored"), "{said}");
    a_day_in_the_life(&story, &victim, &[&first, &second]);
    let asked = Asked { victim: &victim, other: &first, failed: "failing", keys };
    asked.ask_all(503);
    asked.ask_long(503);
    let info = victim.info();
    assert_eq!(info["keys"], before, "a key order that cannot be kept changes nothing");
    assert_eq!(info["member"]["tags"], json!({}));
    assert!(info["warnings"].to_string().contains("has not answered for"), "{:#}", info["warnings"]);
    assert!(victim.counted("store_gave_up") > 0);
    assert_never_suspected(&[&first, &second], "victim");

    assert_eq!(victim.post("/v1/leave", &json!({})).status, 200);
    all_hold([&first, &second], "victim", "left");
    wait::until_true("it is over, and its sockets are closed", DEADLINE_S, || victim.process.is_over());
    UdpSocket::bind(&bind).expect("nobody receives there any more");
    TcpListener::bind(&bind).expect("nobody listens there any more");
    drop(frozen);
    assert!(victim.process.wait(DEADLINE_S).success());
    let setup = victim.setup.clone();
    drop(victim);
    let again = setup.start();
    converge(&[&first, &second, &again]);
    assert_eq!(again.info()["member"]["tags"], json!({}), "what was refused is not there");
    assert_eq!(again.info()["keys"], before);
}

#[test]
fn a_disk_that_thaws_holds_what_was_acknowledged_and_not_what_was_refused() {
    needs!("root", "losetup", "mkfs.ext4", "fsfreeze");
    let story = Story::new("thawed");
    let (disk, first) = (Freezing::mount(), story.agent("n0").start());
    let victim = story.agent("victim").join(&first).dir(&disk.path().join("data")).start();
    converge(&[&first, &victim]);
    let publish = |name: &str| {
        victim.post("/v1/events", &json!({ "events": [{ "name": name, "durable": true }] })).status
    };
    let tag = |name: &str| {
        victim.place.status("PATCH", "/v1/tags", Some(&json!({ "set": { name: "x" } }))).expect("it answers")
    };
    assert_eq!((publish("before"), tag("before")), (200, 200));
    let frozen = disk.freeze();
    // The first of them is at the disk when it is given up; the others never come to it.
    assert_eq!((tag("refused"), publish("refused"), tag("refused too")), (503, 503, 503));
    let third = story.agent("n1").join(&first).start();
    converge(&[&first, &victim, &third]);
    drop(frozen);
    wait::until_true("it is stored again", DEADLINE_S, || tag("after") == 200);
    assert!(!victim.info()["warnings"].to_string().contains("answer"), "{:#}", victim.info()["warnings"]);
    assert_eq!(publish("after"), 200);
    let victim = victim.restart(); // kill -9, at once
    converge(&[&first, &victim, &third]);
    assert_eq!(victim.info()["member"]["tags"], json!({ "before": "x", "after": "x" }));
    let told = victim.ask("/v1/events").expect("it answers");
    let named = |name: &str| told["events"].as_array().unwrap().iter().any(|event| event["name"] == name);
    assert!(named("before") && named("after"), "{told:#}");
}

#[test]
fn an_agent_whose_service_manager_does_not_read_gossips_on() {
    let story = Story::new("deaf-manager");
    let first = story.agent("n0").start();
    let path = story.dir().join("notify.sock");
    let _unread = UnixDatagram::bind(&path).unwrap();
    let setup = story.agent("victim").join(&first).flag("--log", "debug");
    let mut command = setup.command();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "20000");
    let victim = setup.launch_as(command);
    wait::until_true("it answers", DEADLINE_S, || victim.ask("/healthz").is_some());
    converge(&[&first, &victim]);
    wait::until_true("the manager's queue is full", DEADLINE_S, || {
        victim.process.log().contains("the service manager does not read")
    });
    converge(&[&first, &victim]);
    assert_never_suspected(&[&first], "victim");
}
