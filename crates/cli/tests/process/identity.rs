//! Who is who: copies of a data directory, and names that are taken twice.

use super::agent::{Agent, DEADLINE_S, Story};
use rumormill_testkit::process::run;
use rumormill_testkit::wait;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

fn ids(members: &[Value]) -> BTreeSet<String> {
    let alive = members.iter().filter(|member| member["status"] == "alive");
    alive.map(|member| member["id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_copied_data_directory_ends_as_two_members_with_a_warning() {
    let story = Story::new("copied");
    let mut agents = story.cluster(3);
    let original = agents[2].member("n2").unwrap()["id"].clone();
    // Copied as an administrator would: while it is not running.
    agents[2].process.kill();
    let copy = story.dir().join("copy");
    run(Command::new("cp").arg("-r").arg(&agents[2].setup.dir).arg(&copy));
    let stopped = agents.pop().unwrap();
    agents.push(stopped.setup.clone().start());
    agents.push(story.agent("n3").dir(&copy).join(&agents[0]).start());

    wait::until_true("both copies are members with ids of their own", DEADLINE_S, || {
        let all: Vec<_> = agents.iter().map(|agent| ids(&agent.members())).collect();
        all.iter().all(|ids| ids.len() == 4 && *ids == all[0])
    });
    let members = agents[0].members();
    let copies: Vec<_> = members.iter().filter(|member| member["copied_from"] == original).collect();
    assert_eq!(copies.len(), 1, "{members:#?}");
    let warnings = copies[0]["warnings"].to_string();
    assert!(warnings.contains("cop"), "members says so: {warnings}");
    let logs: String = agents[2..].iter().map(|agent| agent.process.log()).collect();
    assert!(logs.contains("copy") || logs.contains("copied"), "the log says so");
    let why = agents[0].ask(&format!("/v1/why/{}", original.as_str().unwrap())).unwrap();
    assert!(why.to_string().contains("copied"), "why says so: {why:#}");
}

#[test]
fn two_that_claim_one_name_are_told_and_neither_is_lost() {
    let story = Story::new("names");
    let first = story.agent("n0").start();
    let [one, two] = ["one", "two"].map(|dir| story.agent(dir).join(&first).named("web").start());
    wait::until_true("all three see three", DEADLINE_S, || {
        [&first, &one, &two].iter().all(|agent| ids(&agent.members()).len() == 3)
    });
    for agent in [&first, &one, &two] {
        let members = agent.members();
        let webs: Vec<_> = members.iter().filter(|member| member["name"] == "web").collect();
        assert_eq!(webs.len(), 2);
        assert!(webs.iter().all(|web| web["warnings"].to_string().contains("name")), "{webs:#?}");
    }
    let told = |agent: &Agent| agent.info()["warnings"].to_string().contains("name");
    assert!(told(&one) && told(&two), "each of the two is told itself");
    // A name that two carry picks nobody.
    assert_eq!(first.cli(&["ping", "web"]).status.code(), Some(1));
}
