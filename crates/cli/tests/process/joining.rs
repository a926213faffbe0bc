//! How often an agent tries to join.

use super::agent::{Agent, DEADLINE_S, Setup, Story, converge};
use rumormill_testkit::ports::loopback_host;

/// Joins an address where nobody is, three times at most.
fn in_vain(setup: Setup<'_>) -> Setup<'_> {
    let nobody = format!("{}:7900", loopback_host());
    setup.flag("--retry-join", &nobody).flag("--retry-max", "3").flag("--retry-interval", "100ms")
}

#[test]
fn an_agent_that_may_try_three_times_ends_with_an_error_that_says_what_to_look_at() {
    let story = Story::new("retry-max");
    let mut agent = in_vain(story.agent("n0")).launch();
    assert_eq!(agent.process.wait(DEADLINE_S).code(), Some(1));
    let log = agent.process.log();
    assert!(log.contains("no member was met in 3 rounds of joining"), "{log}");
}

#[test]
fn one_that_was_joined_once_is_never_given_up() {
    let story = Story::new("retry-joined");
    let mut first = story.agent("n0").start();
    let mut second: Agent = in_vain(story.agent("n1")).join(&first).start();
    converge(&[&first, &second]);
    first.process.kill();
    super::agent::all_hold([&second], "n0", "failed");
    assert!(second.process.ended().is_none(), "{}", second.process.log());
    let first = first.restart();
    converge(&[&first, &second]);
}
