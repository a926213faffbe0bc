//! A join that cannot succeed is told at both ends, with its reason, and is over when it succeeds.

use super::agent::{Agent, DEADLINE_S, Setup, Story, converge};
use rumormill_testkit::netns::{Fault, Hosts};
use rumormill_testkit::ports::loopback_host;
use rumormill_testkit::{needs, wait};
use serde_json::Value;

/// How the seed of that name stands.
fn seed(agent: &Agent, name: &str) -> Option<Value> {
    agent.info()["seeds"].as_array()?.iter().find(|seed| seed["seed"] == name).cloned()
}

/// Waits until the seed fails for that reason, and looks at every place where that is to be seen.
fn fails(agent: &Agent, name: &str, reason: &str) {
    let fails =
        || seed(agent, name).is_some_and(|seed| seed["state"] == "failing" && seed["reason"] == reason);
    wait::until_true(&format!("{name} fails: {reason}"), DEADLINE_S, fails);
    let stands = seed(agent, name).unwrap();
    assert!(!stands["hint"].as_str().unwrap_or_default().is_empty(), "what to do: {stands:#}");
    let told = format!("seed {name}: ");
    wait::until_true("the log is told", DEADLINE_S, || agent.process.log().contains(&told));
    let members = String::from_utf8(agent.cli(&["members"]).stdout).unwrap();
    assert!(members.contains(&format!("not joined by seed {name}: ")), "{members}");
    let info = String::from_utf8(agent.cli(&["info"]).stdout).unwrap();
    assert!(info.contains(&format!("seed        {name}: ")), "{info}");
    assert_eq!(agent.cli_json(&["members"])["failing_seeds"][0]["reason"], reason);
    let metrics = agent.text("/metrics");
    assert!(metrics.contains(&format!("rumormill_seeds_failing{{reason=\"{reason}\"}} 1")), "{metrics}");
}

/// `rumormill join` fails for a reason with these words.
fn join_fails(agent: &Agent, name: &str, words: &[&str]) {
    let output = agent.cli(&["join", name]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    words.iter().for_each(|words| assert!(text.contains(words), "{words:?} is not in: {text}"));
    assert!(!text.contains("joined"), "{text}");
}

fn tries(agent: &Agent, name: &str) -> u64 {
    seed(agent, name).and_then(|seed| seed["tries"].as_u64()).unwrap_or(0)
}

fn often(setup: Setup<'_>) -> Setup<'_> {
    setup.flag("--retry-interval", "100ms")
}

#[test]
fn a_seed_where_nobody_listens_is_told_once_and_no_more_once_somebody_does() {
    let story = Story::new("silence-refused");
    let address = format!("{}:7900", loopback_host());
    let joiner = often(story.agent("n1")).flag("--join", &address).start();
    fails(&joiner, &address, "refused");
    join_fails(&joiner, &address, &["nobody listens there"]);
    wait::until_true("it is tried some more", DEADLINE_S, || tries(&joiner, &address) >= 4);
    let lines = |text: &str| joiner.process.log().lines().filter(|line| line.contains(text)).count();
    let told = lines(&format!("seed {address}: "));
    assert!(told <= 2, "at once and then after a minute: {}", joiner.process.log());
    let later = story.agent_at("n0", &address).start();
    converge(&[&joiner, &later]);
    wait::until_true("the seed is joined", DEADLINE_S, || {
        seed(&joiner, &address).is_some_and(|seed| seed["state"] == "joined" && seed["reason"].is_null())
    });
    assert_eq!(joiner.cli_json(&["members"])["failing_seeds"], serde_json::json!([]));
    assert_eq!(lines("joined"), lines("joined the cluster") + 1, "{}", joiner.process.log());
    assert!(joiner.cli(&["join", &address]).status.success());
}

/// A joiner with other secrets than its seed: what it is told, and what the seed is told.
fn is_kept_out(joiner: &Agent, member: &Agent, reason: &str, words: &[&str], guess: &str) {
    let address = &member.setup.bind;
    fails(joiner, address, reason);
    join_fails(joiner, address, words);
    wait::until_true("the seed tells of it", DEADLINE_S, || {
        member.process.log().contains("do not open")
            && member.info()["strangers"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["guess"] == guess))
    });
    let before = member.counted("unreadable");
    wait::until_true("more of it comes", DEADLINE_S, || member.counted("unreadable") > before);
    let lines = member.process.log().lines().filter(|line| line.contains("do not open")).count();
    assert!(lines <= 2, "at once and then after a minute: {}", member.process.log());
    assert!(member.text("/metrics").contains(&format!("rumormill_strangers_total{{guess=\"{guess}\"}}")));
}

#[test]
fn another_cluster_of_the_same_key_is_told_by_its_name_and_not_as_another_key() {
    let story = Story::new("silence-cluster");
    let member = story.agent("n0").flag("--cluster", "blue").start();
    let joiner = often(story.agent("n1")).flag("--cluster", "green").join(&member).start();
    let words = ["the cluster name differs", "named \"blue\"", "--cluster is \"green\""];
    is_kept_out(&joiner, &member, "other_cluster", &words, "other_cluster");
    let log = joiner.process.log();
    assert!(!log.contains("key file"), "no advice about keys: {log}");
}

#[test]
fn another_key_is_told_as_that_and_neither_end_learns_anything() {
    let story = Story::new("silence-key");
    let member = story.agent("n0").start();
    let joiner = often(story.agent("n1")).key(&story.other_key()).join(&member).start();
    is_kept_out(
        &joiner,
        &member,
        "other_key",
        &["the key or cluster name differs", "keys list"],
        "other_key",
    );
}

#[test]
fn another_key_and_another_name_are_told_as_either() {
    let story = Story::new("silence-both");
    let member = story.agent("n0").flag("--cluster", "blue").start();
    let joiner =
        often(story.agent("n1")).key(&story.other_key()).flag("--cluster", "green").join(&member).start();
    is_kept_out(
        &joiner,
        &member,
        "other_key",
        &["the key or cluster name differs", "--cluster"],
        "other_key",
    );
}

#[test]
fn an_agent_without_a_key_is_told_so_at_both_ends() {
    let story = Story::new("silence-no-key");
    let member = story.agent("n0").start();
    let joiner = often(story.agent("n1")).without_key().join(&member).start();
    is_kept_out(&joiner, &member, "other_key", &["this node has no cluster key"], "no_key");
}

#[test]
fn where_tcp_is_blocked_nobody_is_joined_and_it_is_said_until_tcp_passes() {
    needs!("root", "ip", "nft");
    let (story, hosts) = (Story::new("silence-tcp"), Hosts::new());
    hosts.fault(Fault::NoStreams);
    let member = story.agent_on(&hosts, 0, 0).start();
    let joiner = often(story.agent_on(&hosts, 1, 0)).join(&member).start();
    fails(&joiner, &member.setup.bind, "tcp_blocked");
    join_fails(&joiner, &member.setup.bind, &["answers by UDP but not by TCP"]);
    hosts.fault(Fault::None);
    converge(&[&member, &joiner]);
    wait::until_true("the seed is joined", DEADLINE_S, || {
        seed(&joiner, &member.setup.bind).is_some_and(|seed| seed["state"] == "joined")
    });
}

#[test]
fn where_nothing_passes_it_is_said_and_the_firewall_is_named() {
    needs!("root", "ip", "nft");
    let (story, hosts) = (Story::new("silence-cut"), Hosts::new());
    hosts.fault(Fault::Cut);
    let member = story.agent_on(&hosts, 0, 0).start();
    let joiner = often(story.agent_on(&hosts, 1, 0)).join(&member).start();
    fails(&joiner, &member.setup.bind, "no_answer");
    join_fails(&joiner, &member.setup.bind, &["no answer by UDP or TCP", "firewall"]);
}
