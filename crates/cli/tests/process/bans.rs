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
    all_hold(&agents, &name, "dead");
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
    assert!(error(&["ban", "nobody"]).contains("no member is called"));
    assert!(error(&["ban", agents[1].name(), "--reason", &"x".repeat(201)]).contains("at most 200"));
    assert!(error(&["unban", agents[1].name()]).contains("nobody who is banned"));
    let said = agents[0].cli_json(&["ban", "0123456789abcdef"]);
    assert!(said["message"].as_str().unwrap().contains("no member here knows"), "{said}");
    wait::until_true("the other one knows", DEADLINE_S, || banned(&agents[1]).len() == 1);
    assert!(agents.iter().all(|agent| agent.alive().len() == 2));
}
