//! The suspicion level (phi) of a member, as real agents measure it.

use super::agent::{Agent, DEADLINE_S, Story, converge};
use rumormill_testkit::wait;
use serde_json::Value;

/// The level at which a member is suspected.
const THRESHOLD: f64 = 8.0;

/// The level of that member, as the command shows it.
fn level(agent: &Agent, name: &str) -> Option<f64> {
    let members = agent.cli_json(&["members"])["members"].as_array().cloned().unwrap_or_default();
    members.iter().find(|member| member["name"] == name).and_then(|member| member["phi"].as_f64())
}

#[test]
fn a_live_member_is_below_the_threshold_and_one_that_was_killed_rises_above_it() {
    let story = Story::new("phi");
    // SWIM would mark the member as failed, and so end its level, before many of its vitals were missed.
    let slow = story.dir().join("slow.toml");
    std::fs::write(&slow, "[swim]\nsuspicion_alpha = 1000\n").unwrap();
    let with_phi = |name| story.agent(name).flag("--config", slow.to_str().unwrap()).switch("--phi");
    let first = with_phi("n0").start();
    let mut second = with_phi("n1").join(&first).start();
    converge(&[&first, &second]);
    wait::until_true("each measures the other one, below the threshold", DEADLINE_S, || {
        let is_low = |agent, name| level(agent, name).is_some_and(|level| level < THRESHOLD);
        is_low(&first, "n1") && is_low(&second, "n0")
    });
    assert_eq!(level(&first, "n0"), None, "no agent suspects itself");
    assert!(first.text("/metrics").contains("\nrumormill_phi{"), "{}", first.text("/metrics"));

    second.process.kill();
    wait::until_true("the level of the other one is above the threshold", DEADLINE_S, || {
        level(&first, "n1").is_some_and(|level| level > THRESHOLD)
    });
    let why: Value = first.cli_json(&["why", "n1"]);
    assert!(why["member"]["phi"].as_f64() > Some(THRESHOLD), "{why:#}");
    assert!(String::from_utf8_lossy(&first.cli(&["why", "n1"]).stdout).contains("suspicion level (phi)"));
}

#[test]
fn phi_without_vitals_is_a_usage_error_that_says_why() {
    let story = Story::new("phi-alone");
    let mut agent = story.agent("n0").switch("--phi").flag("--vitals", "off").launch();
    assert_eq!(agent.process.wait(DEADLINE_S).code(), Some(2));
    assert!(agent.process.log().contains("phi measures the arrivals of vitals"), "{}", agent.process.log());
}
