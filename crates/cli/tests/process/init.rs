//! An agent that is the first process of a PID namespace, as in a container.

use super::agent::{Agent, DEADLINE_S, Setup, Story};
use rumormill_testkit::process::run;
use rumormill_testkit::{needs, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

/// The agent as process 1 of a namespace of its own. The process that is guarded is `unshare`, which ends as it does.
fn contained<'a>(setup: Setup<'a>, how: &[&str]) -> Agent<'a> {
    let agent = setup.command();
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--kill-child"])
        .args(how)
        .arg(agent.get_program())
        .args(agent.get_args());
    setup.launch_as(command)
}

fn answers(agent: &mut Agent) {
    wait::until("it answers", DEADLINE_S, || {
        let ended = agent.process.ended();
        assert!(ended.is_none(), "it ended with {ended:?}:\n{}", agent.process.log());
        agent.ask("/healthz")
    });
}

/// Children of a process, by their number outside.
fn children(pid: i32) -> Vec<i32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// What `/proc` says of a process under that key.
fn status(pid: i32, key: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// Pages of the program's file that the process has written, in KiB: relocations and variables.
fn written_of_program(pid: i32) -> u64 {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let (mut is_program, mut sum) = (false, 0);
    for line in maps.lines() {
        match line.strip_prefix("Anonymous:") {
            Some(kib) if is_program => sum += kib.trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0),
            None if line.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_lowercase()) => {
                is_program = line.ends_with(path.to_str().expect("the path is text"));
            }
            _ => {}
        }
    }
    sum
}

/// The init process, and the agent below it.
fn both(agent: &Agent) -> (i32, i32) {
    let init = children(agent.process.pid() as i32)[0];
    (init, children(init)[0])
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn publish(agent: &Agent, name: &str) {
    let events = json!({ "events": [{ "name": name, "payload": "" }] });
    assert_eq!(agent.post("/v1/events", &events).status, 200);
}

#[test]
fn orphans_of_handlers_are_reaped_and_the_parent_stays_small() {
    needs!("root", "unshare");
    let story = Story::new("orphans");
    // Each leaves an orphan that ends soon, one of them in a session of its own.
    let orphans = "event:orphans=sh -c 'sleep 0.1 & sleep 0.1 & setsid sleep 0.1 & exit 0'; true";
    let setup = story.agent("n0").flag("--on", orphans).flag("--on", "event:fails=exit 3");
    let mut agent = contained(setup, &["--mount-proc"]);
    answers(&mut agent);
    for _ in 0..10 {
        publish(&agent, "orphans");
    }
    publish(&agent, "fails");
    let handlers = |nth: usize| agent.info()["handlers"][nth].clone();
    wait::until_true("all have run", DEADLINE_S, || handlers(0)["done"] == 10);
    wait::until_true("what handlers return is known", DEADLINE_S, || handlers(1)["failed"] == 1);
    let (init, child) = both(&agent);
    wait::until_true("no zombie is left", DEADLINE_S, || children(init) == [child]);
    assert_eq!(status(init, "NSpid").split_whitespace().last(), Some("1"));
    let kib = |key: &str| -> u64 { status(init, key).trim_end_matches(" kB").trim().parse().unwrap_or(0) };
    println!(
        "the init process: {} KiB of its own, {} KiB of the program's file",
        kib("RssAnon"),
        kib("RssFile")
    );
    // The loader writes relocations, as many as the program has. Heap and stack are the parent's own.
    let own = kib("RssAnon").saturating_sub(written_of_program(init));
    assert!((1..512).contains(&own), "{own} KiB");
    assert_eq!(status(init, "Threads"), "1");
}

#[test]
fn signals_to_process_1_reach_the_agent_and_its_exit_code_is_that_of_the_agent() {
    needs!("root", "unshare");
    let story = Story::new("forwarded");
    for word in [Signal::TERM, Signal::INT] {
        let mut agent = contained(story.agent("n0"), &["--mount-proc"]);
        answers(&mut agent);
        signal(both(&agent).0, Signal::HUP);
        wait::until_true("it reads its configuration again", DEADLINE_S, || {
            agent.info()["reload"]["done"].as_u64() > Some(0)
        });
        signal(both(&agent).0, word);
        assert_eq!(agent.process.wait(DEADLINE_S).code(), Some(0), "{}", agent.process.log());
        assert!(agent.process.log().contains("leaving the cluster"), "{}", agent.process.log());
    }
    // One that is killed: 128 + 9. One that cannot start: 2, as without an init process.
    let mut agent = contained(story.agent("n1"), &["--mount-proc"]);
    answers(&mut agent);
    signal(both(&agent).1, Signal::KILL);
    let ended = agent.process.wait(DEADLINE_S);
    assert_eq!((ended.code(), ended.signal()), (Some(137), None));
    let mut agent = contained(story.agent("n2").flag("--on", "member-gone=true"), &["--mount-proc"]);
    assert_eq!(agent.process.wait(DEADLINE_S).code(), Some(2));
}

/// Without a `/proc` of the namespace: orphans are reaped there too.
#[test]
fn a_namespace_that_still_sees_the_proc_of_the_host_is_served_the_same() {
    needs!("root", "unshare");
    let story = Story::new("host-proc");
    let mut agent = contained(story.agent("n0").flag("--on", "event:orphan=sleep 0.1 & true"), &[]);
    answers(&mut agent);
    publish(&agent, "orphan");
    wait::until_true("it has run", DEADLINE_S, || agent.info()["handlers"][0]["done"] == 1);
    let (init, child) = both(&agent);
    wait::until_true("no zombie is left", DEADLINE_S, || children(init) == [child]);
    signal(init, Signal::TERM);
    assert!(agent.process.wait(DEADLINE_S).success());
}

/// A handler of a contained agent has it leave: the container ends when the handler has finished.
#[test]
fn a_contained_handler_that_stops_its_agent_lives_to_finish() {
    needs!("root", "unshare");
    let story = Story::new("contained-leave");
    let told = story.dir().join("told");
    let stop = format!(
        "event:stop={} leave --socket $RUMORMILL_SOCKET > /dev/null; echo left: $? >> {}",
        super::agent::program(),
        told.display()
    );
    let mut agent = contained(story.agent("n0").flag("--on", &stop), &["--mount-proc"]);
    answers(&mut agent);
    publish(&agent, "stop");
    assert!(agent.process.wait(DEADLINE_S).success(), "{}", agent.process.log());
    assert_eq!(std::fs::read_to_string(&told).unwrap(), "left: 0\n");
}

#[test]
fn an_agent_that_is_not_process_1_has_no_parent_of_its_own() {
    let story = Story::new("no-init");
    let agent = story.agent("n0").start();
    let ours = agent.info()["pid"].as_u64().unwrap();
    assert_eq!(ours, u64::from(agent.process.pid()));
    run(Command::new("kill").args(["-0", &ours.to_string()]));
}
