//! A cluster on one machine: found, lost, taken back.

use super::agent::{Agent, DEADLINE_S, Story, all_hold, converge};
use rumormill_testkit::{ports, wait};

/// All but the one at that place.
fn others<'a, 'b>(agents: &'a [Agent<'b>], but: usize) -> impl Iterator<Item = &'a Agent<'b>> + Clone {
    agents.iter().enumerate().filter(move |(at, _)| *at != but).map(|(_, agent)| agent)
}

#[test]
fn eight_agents_find_each_other_lose_one_to_kill_9_agree_and_take_it_back() {
    let story = Story::new("eight");
    let mut agents = story.cluster(8);
    let before = agents[0].member("n3").unwrap();

    agents[3].process.kill();
    all_hold(others(&agents, 3), "n3", "failed");
    let why = agents[5].cli_json(&["why", "n3"]);
    let verdicts = why["verdicts"].as_array().unwrap();
    assert!(verdicts.iter().any(|v| v["what"] == "suspected"), "{why:#}");
    assert!(verdicts.iter().any(|v| v["what"] == "declared_failed"), "{why:#}");
    assert_eq!(why["id"], before["id"], "{why:#}");

    let back = agents.remove(3).restart();
    agents.insert(3, back);
    converge(&agents.iter().collect::<Vec<_>>());
    for agent in others(&agents, 3) {
        let after = agent.member("n3").unwrap();
        assert_eq!(after["id"], before["id"], "a restart is the same node");
        assert_eq!(after["epoch"].as_u64(), before["epoch"].as_u64().map(|epoch| epoch + 1));
    }
    for agent in others(&agents, 3) {
        for member in agent.members().iter().filter(|member| member["name"] != "n3") {
            assert_eq!(member["epoch"], 1, "nobody else restarted: {member:#}");
        }
    }
}

#[test]
fn leaving_is_not_failing() {
    let story = Story::new("leaving");
    let mut agents = story.cluster(4);
    assert!(agents[1].cli(&["leave"]).status.success());
    assert!(agents[1].process.wait(DEADLINE_S).success());
    all_hold(others(&agents, 1), "n1", "left");

    agents[2].process.interrupt();
    assert!(agents[2].process.wait(DEADLINE_S).success(), "Ctrl-C leaves gracefully");
    let rest = [&agents[0], &agents[3]];
    all_hold(rest, "n2", "left");

    assert!(agents[0].cli(&["forget", "n1"]).status.success());
    wait::until_true("n1 is on nobody's list", DEADLINE_S, || {
        rest.iter().all(|agent| agent.status("n1").is_none())
    });
    for agent in rest {
        assert_eq!(agent.counted("deaths"), 0, "{} declared somebody dead", agent.name());
    }
}

#[test]
fn a_stopped_agent_is_held_dead_and_comes_back_when_it_goes_on() {
    let story = Story::new("stopped");
    let agents = story.cluster(5);
    let before = agents[0].member("n4").unwrap();
    agents[4].process.stop();
    all_hold(others(&agents, 4), "n4", "failed");
    agents[4].process.resume();
    converge(&agents.iter().collect::<Vec<_>>());
    let after = agents[0].member("n4").unwrap();
    assert_eq!(after["epoch"], before["epoch"], "it never restarted");
    assert!(after["incarnation"].as_u64() > before["incarnation"].as_u64(), "it refuted: {after:#}");
    for agent in others(&agents, 4) {
        for name in ["n0", "n1", "n2", "n3"] {
            let why = agent.ask(&format!("/v1/why/{name}")).unwrap();
            let dead = why["verdicts"].as_array().unwrap().iter().any(|v| v["what"] == "declared_failed");
            assert!(!dead, "{} heard that {name} was dead: {why:#}", agent.name());
        }
    }
}

#[test]
fn a_restarted_agent_rejoins_by_what_its_data_directory_remembers() {
    let story = Story::new("rejoins");
    let mut agents = story.cluster(3);
    // Known members are saved every few seconds: kill it only when they are.
    wait::until_true("the members are saved", DEADLINE_S, || saved(&agents[1]));
    let mut killed = agents.remove(1);
    killed.process.kill();
    all_hold(&agents, "n1", "failed");
    agents.push(killed.setup.clone().without_flags().start());
    converge(&agents.iter().collect::<Vec<_>>());
}

/// Whether an agent's database names the others, read as bytes, since the agent holds it locked.
fn saved(agent: &Agent) -> bool {
    ["rumormill.db", "rumormill.db-wal"].iter().any(|file| {
        let bytes = std::fs::read(agent.setup.dir.join(file)).unwrap_or_default();
        bytes.windows(2).any(|window| window == b"n2") && bytes.windows(2).any(|window| window == b"n0")
    })
}

#[test]
fn any_member_can_be_asked_about_the_machine_of_any_other() {
    let story = Story::new("vitals");
    let agents = story.cluster(3);
    wait::until_true("everybody has everybody's vitals", DEADLINE_S, || {
        agents.iter().all(|agent| {
            let members = agent.members();
            members.len() == 3
                && members.iter().all(|m| m["vitals"]["load1"].is_number() && m["vitals_age_s"].is_number())
        })
    });
}

#[test]
fn a_cluster_runs_over_ipv6_alone() {
    let story = Story::new("ipv6");
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        rumormill_testkit::needs!("ipv6-loopback");
    }
    let first = story.agent_at("n0", &format!("[::1]:{}", ports::free())).start();
    let second = story.agent_at("n1", &format!("[::1]:{}", ports::free())).join(&first).start();
    let third = story.agent_at("n2", &format!("[::1]:{}", ports::free())).join(&second).start();
    converge(&[&first, &second, &third]);
    assert!(first.cli(&["ping", "n2"]).status.success());
}

#[test]
fn the_command_line_says_by_its_exit_code_what_went_wrong() {
    let story = Story::new("codes");
    let agent = story.agent("n0").start();
    assert_eq!(agent.cli(&["members"]).status.code(), Some(0));
    assert_eq!(agent.cli(&["ping", "nobody"]).status.code(), Some(1));
    assert_eq!(agent.cli(&["why", "nobody"]).status.code(), Some(1));
    assert_eq!(agent.cli(&["members", "--no-such-flag"]).status.code(), Some(2));
    let mut agent = agent;
    agent.process.kill();
    assert_eq!(agent.cli(&["members"]).status.code(), Some(3));
}
