//! A member that was forgotten while another agent was cut off or stopped.

use super::agent::{DEADLINE_S, Story, all_hold, converge};
use rumormill_testkit::wait;
use serde_json::json;
use std::time::Duration;

#[test]
fn what_was_forgotten_in_a_cut_stays_forgotten_after_the_healing_until_it_comes_back_itself() {
    let story = Story::new("forgotten");
    let mut agents = story.cluster(3);
    for near in [&agents[0], &agents[1]] {
        let body = json!({ "block": ["n2"] });
        assert_eq!(near.post("/v1/faults", &body).status, 200);
    }
    let body = json!({ "block": ["n0", "n1"] });
    assert_eq!(agents[2].post("/v1/faults", &body).status, 200);
    agents[1].process.kill();
    all_hold([&agents[0], &agents[2]], "n1", "failed");
    all_hold([&agents[0]], "n2", "failed");
    assert!(agents[0].cli(&["forget", "n1"]).status.success());
    wait::until_true("n1 is off the list", DEADLINE_S, || agents[0].status("n1").is_none());
    let before = [0, 2].map(|at: usize| agents[at].counted("deaths"));
    for at in [0, 2] {
        assert_eq!(agents[at].post("/v1/faults", &json!({ "clear": true })).status, 200);
    }
    converge(&[&agents[0], &agents[2]]);
    wait::until_true("n1 is on no list", DEADLINE_S, || {
        [0, 2].iter().all(|at| agents[*at].status("n1").is_none())
    });
    assert_eq!([0, 2].map(|at: usize| agents[at].counted("deaths")), before, "nobody failed again");
    // The member itself comes back whenever it wants to.
    let back = agents.remove(1).restart();
    agents.insert(1, back);
    converge(&agents.iter().collect::<Vec<_>>());
}

#[test]
fn an_agent_that_restarts_does_not_take_a_forgotten_member_back_from_one_that_slept() {
    let story = Story::new("forgotten-kept");
    let mut agents = story.cluster(3);
    agents[2].process.stop();
    agents[1].process.kill();
    all_hold([&agents[0]], "n1", "failed");
    all_hold([&agents[0]], "n2", "failed");
    assert!(agents[0].cli(&["forget", "n1"]).status.success());
    wait::until_true("n1 is off the list", DEADLINE_S, || agents[0].status("n1").is_none());
    std::thread::sleep(Duration::from_millis(500)); // the order is saved a moment later
    let back = agents.remove(0).restart();
    agents.insert(0, back);
    assert_eq!(agents[0].counted("deaths"), 0);
    agents[2].process.resume();
    converge(&[&agents[0], &agents[2]]);
    wait::until_true("n1 is on no list", DEADLINE_S, || {
        [0, 2].iter().all(|at| agents[*at].status("n1").is_none())
    });
    assert_eq!(agents[0].counted("deaths"), 0, "it was listed again, and failed again");
}
