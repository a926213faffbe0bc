//! A member is kept out of the cluster though it has the key, and let in again.

use super::agent::{Agent, DEADLINE_S, Story, all_hold, converge};
use rumormill_testkit::wait;
use serde_json::Value;

/// Whom an agent names as banned, and why.
fn banned(agent: &Agent) -> Vec<(String, String)> {
    let list = agent.cli_json(&["bans"]);
    let text = |ban: &Value, field: &str| ban[field].as_str().unwrap_or_default().to_string();
    list["bans"].as_array().unwrap().iter().map(|ban| (text(ban, "id"), text(ban, "reason"))).collect()
}

fn id(agent: &Agent) -> String {
    agent.info()["member"]["id"].as_str().unwrap().to_string()
}

/// The warnings of an agent that speak of a ban.
fn complaints(agent: &Agent) -> usize {
    let info = agent.info();
    let warnings = info["warnings"].as_array().unwrap();
    warnings.iter().filter(|warning| warning.as_str().is_some_and(|text| text.contains("is banned"))).count()
}

#[test]
fn who_is_banned_stays_out_over_restarts_of_either_side_until_it_is_let_in_again() {
    let story = Story::new("ban");
    let mut agents = story.cluster(4);
    let outcast = agents.pop().unwrap();
    let (name, outcast_id) = (outcast.name().to_string(), id(&outcast));
    let said = agents[0].cli_json(&["ban", &name, "--reason", "it was broken into"]);
    assert!(said["message"].as_str().unwrap().contains("keys rotate"), "{said}");
    all_hold(&agents, &name, "banned");
    let expected = [(outcast_id.clone(), "it was broken into".to_string())];
    wait::until_true("all know of the ban", DEADLINE_S, || {
        agents.iter().all(|agent| banned(agent) == expected)
    });
    wait::until_true("it knows why nobody answers", DEADLINE_S, || complaints(&outcast) == 1);

    // Neither a restart of the one nor one of a member that keeps it out, lets it in.
    let outcast = outcast.restart();
    let last = agents.pop().unwrap().restart();
    agents.push(last);
    converge(&agents.iter().collect::<Vec<_>>());
    wait::until_true("it knocks at the one that it joins by", DEADLINE_S, || agents[0].counted("banned") > 0);
    for agent in &agents {
        assert_eq!(banned(agent), expected);
        assert!(!agent.alive().contains(&name), "{:?}", agent.members());
    }

    // Who joins after it was said learns it as well.
    let late = story.agent("late").join(&agents[1]).start();
    wait::until_true("the late one knows", DEADLINE_S, || banned(&late) == expected);
    agents.push(late);

    let refused = outcast.cli(&["unban", &outcast_id]);
    assert!(!refused.status.success(), "{refused:?}");
    agents[1].cli_json(&["unban", &outcast_id]);
    let mut all: Vec<&Agent> = agents.iter().collect();
    all.push(&outcast);
    converge(&all);
    wait::until_true("nobody is banned any more", DEADLINE_S, || {
        all.iter().all(|agent| banned(agent).is_empty())
    });
    assert_eq!(complaints(&outcast), 0);
}

#[test]
fn an_agent_bans_neither_itself_nor_a_name_that_nobody_carries_but_an_id_that_may_come() {
    let story = Story::new("ban-who");
    let agents = story.cluster(2);
    let error = |words: &[&str]| {
        let output = agents[0].cli(words);
        assert!(!output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(error(&["ban", agents[0].name()]).contains("does not ban itself"));
    assert!(error(&["ban", "nobody"]).contains("no member has the name or id"));
    assert!(error(&["ban", agents[1].name(), "--reason", &"x".repeat(201)]).contains("at most 200"));
    assert!(error(&["unban", agents[1].name()]).contains("nobody who is banned"));
    let said = agents[0].cli_json(&["ban", "0123456789abcdef"]);
    assert!(said["message"].as_str().unwrap().contains("no member here knows"), "{said}");
    wait::until_true("the other one knows", DEADLINE_S, || banned(&agents[1]).len() == 1);
    assert!(agents.iter().all(|agent| agent.alive().len() == 2));
}

/// What `rumormill why` tells of a member.
fn why(agent: &Agent, whom: &str) -> String {
    let output = agent.cli(&["why", whom]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_banned_member_is_shown_as_banned_with_author_reason_and_time_also_if_it_had_left() {
    let story = Story::new("ban-why");
    let mut agents = story.cluster(4);
    let mut gone = agents.pop().unwrap();
    gone.cli_json(&["leave"]);
    gone.process.wait(DEADLINE_S);
    let outcast = agents.pop().unwrap();
    all_hold(&agents, "n3", "left");
    agents[0].cli_json(&["ban", "n2", "--reason", "it was broken into"]);
    agents[1].cli_json(&["ban", "n3"]);
    all_hold(&agents, "n2", "banned");
    all_hold(&agents, "n3", "banned");
    for agent in &agents {
        let told = why(agent, "n2");
        assert!(told.contains("banned, for") && told.contains("n0 banned it: it was broken into"), "{told}");
        assert!(!told.contains("suspicion") && !told.contains("within 0 ms"), "nobody probed it: {told}");
        assert!(
            told.lines().any(|line| line.starts_with("20") && line.contains("Z  n0 banned it")),
            "{told}"
        );
        let told = why(agent, "n3");
        assert!(told.contains("it left of its own will") && told.contains("n1 banned it"), "{told}");
        let listed = agent.cli_json(&["members", "--status", "banned"]);
        assert_eq!(listed["members"].as_array().unwrap().len(), 2, "{listed}");
        let metrics = agent.text("/metrics");
        assert!(metrics.contains("rumormill_members{status=\"banned\"} 2"), "{metrics}");
    }
    wait::until_true("it says of itself that it is banned", DEADLINE_S, || {
        outcast.member("n2").is_some_and(|me| me["status"] == "banned")
    });
    let info = String::from_utf8_lossy(&outcast.cli(&["info"]).stdout).into_owned();
    assert!(info.contains("banned from the cluster by n0 (it was broken into)"), "{info}");

    agents[1].cli_json(&["unban", "n2"]);
    agents.push(outcast);
    converge(&agents.iter().collect::<Vec<_>>());
    let told = why(&agents[0], "n2");
    assert!(told.contains("n1 lifted its ban") && told.contains("alive, for"), "{told}");
    assert!(!told.contains("within 0 ms"), "{told}");
}

#[test]
fn the_name_of_a_banned_member_outlives_restarts_and_is_known_to_who_never_met_it() {
    let story = Story::new("ban-name");
    let mut agents = story.cluster(3);
    let outcast = agents.pop().unwrap();
    let (name, id) = (outcast.name().to_string(), id(&outcast));
    agents[0].cli_json(&["ban", &name, "--reason", "lost"]);
    wait::until_true("both know", DEADLINE_S, || agents.iter().all(|agent| banned(agent).len() == 1));
    drop(outcast);
    agents[0].cli_json(&["forget", &name]);
    wait::until_true("nobody lists it", DEADLINE_S, || {
        agents.iter().all(|agent| agent.members().iter().all(|member| member["id"] != id.as_str()))
    });
    let late = story.agent("late").join(&agents[0]).start();
    wait::until_true("who joins later knows", DEADLINE_S, || banned(&late).len() == 1);
    let mut agents: Vec<Agent> = agents.into_iter().map(Agent::restart).collect();
    agents.push(late.restart());
    converge(&agents.iter().collect::<Vec<_>>());
    for agent in &agents {
        let list = agent.cli_json(&["bans"]);
        assert_eq!(list["bans"][0]["name"], name.as_str(), "{list}");
        assert!(why(agent, &name).contains("banned it: lost"), "by its name");
    }
    let last = agents.last().unwrap();
    last.cli_json(&["unban", &name]);
    wait::until_true("nobody is banned", DEADLINE_S, || agents.iter().all(|agent| banned(agent).is_empty()));
}
