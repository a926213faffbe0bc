//! The cluster's keys are changed on all members while they run, and members that were away catch up, or stay out.

use super::agent::{Agent, DEADLINE_S, Setup, Story, all_hold, converge};
use rumormill_testkit::wait;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

impl Story {
    /// A key file of its own for that agent, with the story's key.
    pub fn own_key(&self, name: &str) -> PathBuf {
        let path = self.dir().join(format!("{name}.key"));
        std::fs::copy(self.dir().join("key"), &path).unwrap();
        path
    }

    /// An agent with a key file of its own.
    fn keyed(&self, name: &str) -> Setup<'_> {
        self.agent(name).key(&self.own_key(name))
    }

    fn keyed_cluster(&self, count: usize) -> Vec<Agent<'_>> {
        let mut agents = vec![self.keyed("n0").start()];
        for nth in 1..count {
            let next = self.keyed(&format!("n{nth}")).join(&agents[0]).start();
            agents.push(next);
        }
        converge(&agents.iter().collect::<Vec<_>>());
        agents
    }
}

/// What each member holds, as one agent is told, the key that it seals with first.
fn held(agent: &Agent) -> Vec<Vec<String>> {
    let listed = agent.cli_json(&["keys", "list"]);
    assert_eq!(listed["done"], true, "{listed:#}");
    let members = listed["steps"][0]["members"].as_array().unwrap();
    members.iter().map(|member| serde_json::from_value(member["keys"].clone()).unwrap()).collect()
}

/// Rotates through that agent; the new key's name.
fn rotate(agent: &Agent) -> String {
    let rotated = agent.cli_json(&["keys", "rotate"]);
    assert_eq!(rotated["done"], true, "{rotated:#}");
    let steps: Vec<&str> =
        rotated["steps"].as_array().unwrap().iter().map(|s| s["what"].as_str().unwrap()).collect();
    assert_eq!(steps, ["list", "install", "use", "remove"]);
    rotated["key"].as_str().unwrap().to_owned()
}

/// Waits until these know each other's addresses on disk: who is killed before finds nobody again.
fn wait_until_saved(agents: &[Agent]) {
    for agent in agents {
        let names: Vec<&str> = agents.iter().map(Agent::name).filter(|name| *name != agent.name()).collect();
        wait::until_true("the members are saved", DEADLINE_S, || {
            let files =
                ["rumormill.db", "rumormill.db-wal"].map(|file| std::fs::read(agent.setup.dir.join(file)));
            let bytes: Vec<u8> = files.into_iter().flatten().flatten().collect();
            names.iter().all(|name| bytes.windows(name.len()).any(|window| window == name.as_bytes()))
        });
    }
}

fn key_line(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap().lines().next().unwrap().to_owned()
}

#[test]
fn a_rotation_on_five_agents_loses_no_event_and_no_member_is_suspected_dead() {
    let story = Story::new("rotate-five");
    let agents = story.keyed_cluster(5);
    let before = key_line(&story.dir().join("n3.key"));
    wait::until_true("all have found out what was before them", DEADLINE_S, || {
        agents.iter().all(|agent| agent.info()["events"]["joined"] == true)
    });
    let (mut sent, mut new) = (0, String::new());
    for round in 0..3 {
        for agent in &agents {
            for _ in 0..10 {
                sent += 1;
                let events = json!({ "events": [{ "name": "tick", "payload": sent.to_string() }] });
                let answer = agent.post("/v1/events", &events);
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        }
        if round < 2 {
            new = rotate(&agents[round]);
        }
    }
    assert!(held(&agents[4]).iter().all(|keys| *keys == [new.clone()]), "{:?}", held(&agents[4]));
    for agent in &agents {
        wait::until_true(&format!("{} was told all {sent} events", agent.name()), DEADLINE_S, || {
            agent.cli_lines(&["events", "--json"]).len() >= sent
        });
        assert_eq!(agent.counted("deaths"), 0, "{}", agent.name());
        for at in 0..5 {
            let why = agent.ask(&format!("/v1/why/n{at}")).unwrap();
            let dead = why["verdicts"].as_array().unwrap().iter().any(|v| v["what"] == "declared_failed");
            assert!(!dead, "{why:#}");
        }
    }
    // It is in the key files, as their first line, so that a restart goes on with it; no API and no log gives it out.
    let after = key_line(&story.dir().join("n3.key"));
    assert_ne!(after, before);
    let mut shown = String::new();
    for agent in &agents {
        assert_eq!(key_line(&story.dir().join(format!("{}.key", agent.name()))), after);
        shown +=
            &format!("{:?}{:?}{}", agent.cli(&["keys", "list"]), agent.ask("/v1/keys"), agent.process.log());
    }
    assert!(!shown.contains(&after[..12]) && !shown.contains(&before[..12]), "a key was given out");
    let mut agents = agents;
    let restarted = agents.remove(2).restart();
    agents.push(restarted);
    converge(&agents.iter().collect::<Vec<_>>());
}

/// Three agents, of which the last is killed, and the key rotated without it.
fn rotated_without_one<'a>(story: &'a Story) -> (Vec<Agent<'a>>, Agent<'a>, String) {
    let mut agents = story.keyed_cluster(3);
    wait_until_saved(&agents);
    let old = held(&agents[0])[0][0].clone();
    let mut away = agents.remove(2);
    away.process.kill();
    all_hold(&agents, "n2", "failed");
    let new = rotate(&agents[0]);
    assert_ne!(new, old);
    (agents, away, old)
}

#[test]
fn a_member_that_was_killed_before_a_rotation_catches_up_when_it_is_back() {
    let story = Story::new("catches-up");
    let (mut agents, away, _) = rotated_without_one(&story);
    // A restart of who remembers the removed key keeps it in mind, too.
    let restarted = agents.remove(1).restart();
    agents.push(restarted);
    converge(&agents.iter().collect::<Vec<_>>());
    let back = away.setup.clone().start();
    agents.push(back);
    converge(&agents.iter().collect::<Vec<_>>());
    let keys = held(&agents[0]);
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|held| *held == keys[0]), "all hold the same: {keys:?}");
    assert_eq!(key_line(&story.dir().join("n2.key")), key_line(&story.dir().join("n0.key")));
    assert!(agents[2].process.log().contains("it was given the present ones"));
    // What it was given it keeps, with nobody to ask.
    let back = agents.remove(2).restart();
    agents.push(back);
    converge(&agents.iter().collect::<Vec<_>>());
}

#[test]
fn after_a_key_is_revoked_a_member_that_was_away_stays_out_and_its_log_says_why() {
    let story = Story::new("revoked");
    let (agents, away, old) = rotated_without_one(&story);
    let revoked = agents[1].cli_json(&["keys", "remove", &old, "--revoke"]);
    assert_eq!(revoked["done"], true, "{revoked:#}");
    let back = away.setup.clone().start();
    wait::until_true("it says why it stays out", DEADLINE_S, || {
        back.process.log().contains("its time to catch up is over")
    });
    assert_eq!(back.alive().len(), 1);
    assert!(agents.iter().all(|agent| agent.holds("n2", "failed")));
    // With the present key file it is let in.
    std::fs::copy(story.dir().join("n0.key"), story.dir().join("n2.key")).unwrap();
    let back = back.restart();
    converge(&[&agents[0], &agents[1], &back]);
}

#[test]
fn a_stranger_with_the_old_key_stays_out() {
    let story = Story::new("stranger-old-key");
    let (agents, _away, _) = rotated_without_one(&story);
    let stranger = story.keyed("stranger").join(&agents[0]).start();
    wait::until_true("the member says who stays out", DEADLINE_S, || {
        agents[0].process.log().contains("it is no member that is known here")
    });
    wait::until_true("the stranger says why", DEADLINE_S, || {
        stranger.process.log().contains("or whoever answers does not know this node")
    });
    assert_eq!(stranger.alive().len(), 1);
    assert_eq!(agents[0].member("stranger"), None);
}

#[test]
fn use_and_remove_wait_for_all_and_who_cannot_write_its_key_file_says_so() {
    let story = Story::new("keys-by-hand");
    let first = story.keyed("n0").start();
    // No file beside this one can be made: the name for it would be too long. Not even root can.
    let long = story.dir().join("k".repeat(253));
    std::fs::copy(story.dir().join("key"), &long).unwrap();
    let stuck = story.agent("n1").key(&long).join(&first).start();
    converge(&[&first, &stuck]);
    let old = held(&first)[0][0].clone();

    let unknown = "0123456789abcdef";
    let refused = first.cli_json(&["keys", "use", unknown]);
    assert_eq!((&refused["done"], refused["steps"].as_array().map(Vec::len)), (&json!(false), Some(1)));
    assert_eq!(first.cli(&["keys", "use", unknown]).status.code(), Some(1));
    let refused = first.cli_json(&["keys", "remove", &old]);
    assert!(
        refused["note"].as_str().unwrap().contains("nothing was changed: n0, n1 seal with"),
        "{refused:#}"
    );

    let new = rotate(&first);
    let listed = stuck.cli_json(&["keys", "list"]);
    let member = |name: &str| -> Value {
        let members = listed["steps"][0]["members"].as_array().unwrap();
        members.iter().find(|member| member["name"] == name).unwrap().clone()
    };
    assert_eq!((&member("n0")["kept"], &member("n1")["kept"]), (&json!("file"), &json!("store")));
    assert!(member("n1")["note"].as_str().unwrap().contains("cannot be written"), "{listed:#}");
    // Its data directory has it, and counts for as long as the key file is as it was.
    let stuck = stuck.restart();
    converge(&[&first, &stuck]);
    assert!(held(&stuck).iter().all(|keys| *keys == [new.clone()]));
    assert!(stuck.process.log().contains("the keys of the data directory count"));
}

#[test]
fn a_rotation_stops_where_a_member_does_not_answer_and_the_cluster_goes_on() {
    let story = Story::new("rotation-stops");
    let agents = story.keyed_cluster(3);
    let before = held(&agents[0]);
    agents[2].process.stop();
    let stopped = agents[0].cli_json(&["keys", "rotate"]);
    // It is still held to be alive, or not any more: then it is not waited for.
    let was_asked = stopped["steps"][0]["members"].as_array().unwrap().len() == 3;
    if was_asked {
        assert_eq!(stopped["done"], false, "{stopped:#}");
        let note = stopped["note"].as_str().unwrap();
        assert!(note.contains("nothing was changed") && note.contains("n2"), "{note}");
    }
    agents[2].process.resume();
    converge(&agents.iter().collect::<Vec<_>>());
    if was_asked {
        assert_eq!(held(&agents[0]), before);
    }
}

#[test]
fn two_that_were_cut_off_during_a_rotation_catch_up_when_the_cut_is_mended() {
    let story = Story::new("cut-off");
    let agents = story.keyed_cluster(4);
    let (here, there) = agents.split_at(2);
    let cut = |action: &str| {
        for (ours, theirs) in [(here, there), (there, here)] {
            for agent in ours {
                let others: Vec<&str> = theirs.iter().map(Agent::name).collect();
                assert_eq!(agent.post("/v1/faults", &json!({ action: others })).status, 200);
            }
        }
    };
    cut("block");
    for name in ["n2", "n3"] {
        all_hold(here, name, "failed");
    }
    all_hold(there, "n0", "failed");
    let new = rotate(&here[0]);
    cut("unblock");
    converge(&agents.iter().collect::<Vec<_>>());
    assert!(held(&there[1]).iter().all(|keys| *keys == [new.clone()]));
}

#[test]
fn after_its_grace_a_removed_key_is_forgotten_and_who_was_away_stays_out() {
    let story = Story::new("grace");
    let start = |name: &str| story.keyed(name).flag("--keys-grace", "1s");
    let first = start("n0").start();
    let mut agents = vec![start("n1").join(&first).start(), start("n2").join(&first).start()];
    agents.insert(0, first);
    converge(&agents.iter().collect::<Vec<_>>());
    wait_until_saved(&agents);
    let mut away = agents.remove(2);
    away.process.kill();
    all_hold(&agents, "n2", "failed");
    rotate(&agents[0]);
    wait::until_true("the removed key is forgotten", DEADLINE_S, || {
        agents.iter().all(|agent| agent.process.log().contains("a removed cluster key is forgotten"))
    });
    let back = away.setup.clone().start();
    wait::until_true("it says why it stays out", DEADLINE_S, || {
        back.process.log().contains("its time to catch up is over")
    });
    assert_eq!(back.alive().len(), 1);
}

#[test]
fn a_rotation_writes_the_file_that_a_link_leads_to_and_leaves_its_mode() {
    let story = Story::new("rotate-link");
    let (file, link) = (story.dir().join("key-v1"), story.dir().join("linked.key"));
    std::fs::copy(story.dir().join("key"), &file).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("key-v1", &link).unwrap();
    let before = key_line(&file);
    let agent = story.agent("n0").key(&link).start();
    rotate(&agent);
    let after = key_line(&file);
    assert_ne!(after, before);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    let agent = agent.restart();
    assert_eq!((held(&agent).len(), key_line(&link)), (1, after));
}
