//! What is published at an agent after it lists another is delivered at that other: at once after a join, at random delays, by all.

use super::agent::{Agent, DEADLINE_S, Story, converge};
use rumormill_testkit::wait;
use serde_json::json;
use std::process::Output;
use std::time::Duration;

/// Pairs that are tried side by side, and how often each.
const LANES: u64 = 6;
const TRIES_PER_LANE: u64 = 5;

fn delivers(agent: &Agent, payload: &str) -> bool {
    agent.cli_lines(&["events", "--json"]).iter().any(|event| event["payload"] == payload)
}

fn wait_until_delivered(agent: &Agent, payload: &str, what: &str) {
    let what = format!("{what}: {} delivers {payload}", agent.name());
    wait::until_true(&what, DEADLINE_S, || delivers(agent, payload));
}

fn wait_until_all_list_all(agents: &[&Agent]) {
    wait::until_true("all list all", DEADLINE_S, || {
        agents.iter().all(|agent| agent.alive().len() == agents.len())
    });
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A delay below a second, which follows from the seed alone.
fn delay(seed: u64) -> Duration {
    Duration::from_millis((seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % 1_000)
}

/// One try: an agent runs alone and has published, another joins it, and after a delay either publishes.
fn try_pair(seed: u64) {
    let (what, wait) = (format!("seed {seed}"), delay(seed));
    println!("{what}: {wait:?} after they list each other");
    let story = Story::new("listed-pair");
    let first = story.agent("n0").start();
    assert!(first.cli(&["event", "w", "old"]).status.success());
    let second = story.agent("n1").join(&first).start();
    wait_until_all_list_all(&[&first, &second]);
    std::thread::sleep(wait);
    let agents = if seed.is_multiple_of(2) { [&first, &second] } else { [&second, &first] };
    let covered = agents[0].cli(&["event", "w", "one", "--wait", "covered", "--timeout", "60s"]);
    assert!(text(&covered).contains("1 of 1"), "{what}: {}", text(&covered));
    let all = agents[1].cli(&["event", "w", "two", "--wait", "all", "--timeout", "60s"]);
    assert!(
        all.status.success() && text(&all).contains("the one other live member"),
        "{what}: {}",
        text(&all)
    );
    wait_until_delivered(agents[1], "one", &what);
    wait_until_delivered(agents[0], "two", &what);
    assert!(!delivers(&second, "old"), "{what}: what was before it joined is history");
}

#[test]
fn what_either_of_a_pair_publishes_at_a_random_moment_after_the_join_is_delivered_at_the_other() {
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            scope.spawn(move || (0..TRIES_PER_LANE).for_each(|nth| try_pair(lane * TRIES_PER_LANE + nth)));
        }
    });
}

#[test]
fn of_eight_fresh_agents_each_is_delivered_what_any_publishes_as_soon_as_it_lists_all() {
    let story = Story::new("listed-eight");
    let first = story.agent("n0").start();
    let rest: Vec<Agent> = (1..8).map(|nth| story.agent(&format!("n{nth}")).join(&first).launch()).collect();
    let agents: Vec<&Agent> = [&first].into_iter().chain(&rest).collect();
    wait_until_all_list_all(&agents);
    let names: Vec<String> = agents.iter().map(|agent| agent.name().to_owned()).collect();
    for (agent, name) in agents.iter().zip(&names) {
        let answer = agent.cli_json(&["event", "w", name, "--wait", "all", "--timeout", "60s"]);
        assert_eq!(
            (&answer["state"], &answer["held"], &answer["asked"], &answer["sample"]),
            (&json!("confirmed"), &json!(7), &json!(7), &json!(false)),
            "{answer}"
        );
    }
    for agent in &agents {
        names.iter().for_each(|name| wait_until_delivered(agent, name, "eight"));
    }
}

#[test]
fn a_query_right_after_the_join_is_acknowledged_by_all() {
    let story = Story::new("listed-query");
    let first = story.agent("n0").flag("--on", "query:up=echo yes").start();
    let rest: Vec<Agent> = (1..4)
        .map(|nth| story.agent(&format!("n{nth}")).flag("--on", "query:up=echo yes").join(&first).launch())
        .collect();
    let agents: Vec<&Agent> = [&first].into_iter().chain(&rest).collect();
    wait_until_all_list_all(&agents);
    let answer = agents[3].post("/v1/query", &json!({ "name": "up", "timeout_ms": 60_000 }));
    let last: serde_json::Value = serde_json::from_str(answer.body.lines().last().unwrap_or("null")).unwrap();
    assert_eq!((&last["acknowledged"], &last["answered"]), (&json!(4), &json!(4)), "{}", answer.body);
}

#[test]
fn a_publisher_that_waits_for_all_is_told_who_has_not_confirmed() {
    let story = Story::new("listed-missing");
    let agents = story.cluster(4);
    converge(&agents.iter().collect::<Vec<_>>());
    agents[2].process.stop();
    // The sample first: it is answered at once, while the stopped member is still listed.
    let sample = agents[0].cli_json(&["event", "w", "two", "--wait", "covered"]);
    assert_eq!(
        (&sample["state"], &sample["held"], &sample["asked"], &sample["sample"]),
        (&json!("covered"), &json!(2), &json!(3), &json!(true)),
        "{sample}"
    );
    let some = agents[0].cli(&["event", "w", "one", "--wait", "all", "--timeout", "2s"]);
    assert_eq!(some.status.code(), Some(1), "{}", text(&some));
    assert!(text(&some).contains("2 of 3 other members confirmed; not confirmed by n2"), "{}", text(&some));
    agents[2].process.resume();
    wait_until_delivered(&agents[2], "one", "it went on");
}
