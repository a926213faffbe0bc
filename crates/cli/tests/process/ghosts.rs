//! An agent without a data directory, killed and started again on its port: each time another member of the same name.

use super::agent::{Agent, DEADLINE_S, Story, all_hold};
use rumormill_testkit::ports::loopback_host;
use rumormill_testkit::wait;
use std::path::Path;

/// Ids of the members of that name that the agent lists with that status.
fn ids(agent: &Agent, name: &str, status: &str) -> Vec<String> {
    let members = agent.members().into_iter().filter(|m| m["name"] == name && m["status"] == status);
    members.filter_map(|member| Some(member["id"].as_str()?.to_owned())).collect()
}

#[test]
fn eight_kill_9_lives_on_one_port_leave_no_ghosts_nobody_doubts_itself_and_the_name_means_the_one_that_lives()
{
    let story = Story::new("ghosts");
    let mut agents = story.cluster(3);
    let bind = format!("{}:7900", loopback_host());
    let start = || story.agent_at("web-1", &bind).dir(Path::new("none")).join(&agents[0]).start();
    for _ in 0..8 {
        let mut life = start();
        let id = life.info()["member"]["id"].as_str().unwrap().to_owned();
        wait::until_true("the new life is listed by all and heard by one", DEADLINE_S, || {
            let listed = agents.iter().all(|agent| ids(agent, "web-1", "alive").contains(&id));
            let path = format!("/v1/members/{id}");
            listed && agents[0].ask(&path).is_some_and(|member| !member["heard_s"].is_null())
        });
        life.process.kill();
    }
    let last = start();
    let id = last.info()["member"]["id"].as_str().unwrap().to_owned();
    wait::until_true("all lives but the last are failed at all", DEADLINE_S, || {
        agents.iter().chain([&last]).all(|agent| {
            ids(agent, "web-1", "alive") == [id.clone()] && ids(agent, "web-1", "suspect").is_empty()
        })
    });
    assert_eq!(ids(&agents[0], "web-1", "failed").len(), 8);
    let ghosts: u64 = agents.iter().map(|agent| agent.counted("swim_ghosts") + agent.counted("ghosts")).sum();
    assert!(ghosts > 0, "no agent concluded that one was replaced");
    wait::until_true("nobody doubts itself", DEADLINE_S, || {
        agents.iter().all(|agent| agent.info()["health"] == 0)
    });

    for words in [&["ping", "web-1"][..], &["why", "web-1"]] {
        let answer = agents[1].cli_json(words);
        assert!(answer.to_string().contains(&id), "{words:?}: {answer:#}");
    }
    let refused = agents[1].cli(&["forget", "web-1"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("--all") && text.contains(&id), "{text}");
    let forgotten = agents[1].cli(&["forget", "web-1", "--all"]);
    assert!(forgotten.status.success(), "{}", String::from_utf8_lossy(&forgotten.stderr));
    wait::until_true("only the last life is on any list", DEADLINE_S, || {
        agents.iter().chain([&last]).all(|agent| agent.holds("web-1", "alive"))
    });

    agents[2].process.kill();
    all_hold([&agents[0], &agents[1], &last], "n2", "failed");
}
