//! Disks that are full, and data directories of which only a half was written.

use super::agent::{Agent, DEADLINE_S, Story, converge};
use rumormill_testkit::disk::Small;
use rumormill_testkit::{needs, wait};
use std::fs;

fn id(agent: &Agent) -> String {
    agent.info()["member"]["id"].as_str().unwrap().to_owned()
}

/// Starts an agent that must refuse to, and returns what it said.
fn refusal(mut agent: Agent) -> String {
    let status = agent.process.wait(DEADLINE_S);
    let log = agent.process.log();
    assert!(!status.success(), "it started all the same:\n{log}");
    assert!(!log.contains("panicked"), "{log}");
    log
}

#[test]
fn an_agent_whose_disk_is_full_does_not_start_without_a_durable_epoch() {
    needs!("root");
    let story = Story::new("full");
    let disk = Small::mount(512);
    let agent = story.agent("n0").dir(&disk.path().join("data")).start();
    let (before, setup) = (id(&agent), agent.setup.clone());
    drop(agent);
    disk.fill();
    let said = refusal(setup.clone().launch());
    assert!(said.contains("full"), "{said}");
    assert!(said.contains(disk.path().to_str().unwrap()), "it names the place: {said}");
    disk.drain();
    let again = setup.start();
    assert_eq!(id(&again), before, "nothing was lost");
}

#[test]
fn a_running_agent_outlives_a_full_disk_and_says_so() {
    needs!("root");
    let story = Story::new("filling");
    let disk = Small::mount(512);
    let first = story.agent("n0").start();
    let second = story.agent("n1").dir(&disk.path().join("data")).join(&first).start();
    converge(&[&first, &second]);
    disk.fill();
    // A new member is something to be saved; tags set at run time are, too.
    let third = story.agent("n2").join(&first).start();
    converge(&[&first, &second, &third]);
    let set = second.cli(&["tags", "--set", &format!("note={}", "x".repeat(8_000))]);
    assert!(!set.status.success(), "it cannot keep it, so it must not promise it");
    assert!(
        String::from_utf8_lossy(&set.stderr).contains("full"),
        "{}",
        String::from_utf8_lossy(&set.stderr)
    );
    wait::until_true("it warns of its disk", DEADLINE_S, || {
        second.info()["warnings"].to_string().contains("full") || second.process.log().contains("full")
    });
    converge(&[&first, &second, &third]);
    disk.drain();
    let second = second.restart();
    converge(&[&first, &second, &third]);
}

/// The conditions that an agent names as holding, and as over, by what they are about.
fn conditions(agent: &Agent) -> (Vec<String>, Vec<String>) {
    let info = agent.info();
    let all = info["conditions"].as_array().cloned().unwrap_or_default();
    let (over, hold): (Vec<_>, Vec<_>) = all.iter().partition(|one| one["cleared_s"].is_number());
    let about = |one: &serde_json::Value| one["about"].as_str().unwrap().to_owned();
    (hold.into_iter().map(about).collect(), over.into_iter().map(about).collect())
}

#[test]
fn warnings_of_a_full_disk_bear_their_times_and_end_with_it() {
    needs!("root");
    let story = Story::new("freed");
    let disk = Small::mount(512);
    let first = story.agent("n0").start();
    let second = story.agent("n1").dir(&disk.path().join("data")).join(&first).start();
    converge(&[&first, &second]);
    assert_eq!(conditions(&second).0, [""; 0], "nothing is the matter");
    disk.fill();
    // Something of each kind that is saved: a member, an event, a ban.
    let third = story.agent("n2").join(&first).start();
    converge(&[&first, &second, &third]);
    let events = serde_json::json!({ "events": [{ "name": "x", "payload": "y".repeat(30_000) }] });
    assert_eq!(first.post("/v1/events", &events).status, 200);
    first.cli_json(&["ban", "0123456789abcdef"]);
    wait::until_true("it warns of its disk", DEADLINE_S, || !conditions(&second).0.is_empty());
    let shown = String::from_utf8_lossy(&second.cli(&["info"]).stdout).into_owned();
    assert!(shown.lines().any(|line| line.starts_with("warning ") && line.contains(" (for ")), "{shown}");
    let metrics = second.text("/metrics");
    assert!(metrics.contains("rumormill_warning_age_seconds{about=\""), "{metrics}");
    let warned = conditions(&second).0;
    disk.drain();
    wait::until_true("nothing is the matter any more", DEADLINE_S, || conditions(&second).0.is_empty());
    let (_, over) = conditions(&second);
    assert!(warned.iter().all(|about| over.contains(about)), "{warned:?} are over: {over:?}");
    assert_eq!(second.info()["warnings"], serde_json::json!([]));
    let shown = String::from_utf8_lossy(&second.cli(&["info"]).stdout).into_owned();
    assert!(shown.lines().any(|line| line.starts_with("cleared ")), "{shown}");
    // And what could not be saved is saved by now.
    let second = second.restart();
    let bans = second.cli_json(&["bans"]);
    assert_eq!(bans["bans"].as_array().unwrap().len(), 1, "{bans}");
}

#[test]
fn a_half_written_database_is_set_aside_and_the_node_stays_who_it_was() {
    let story = Story::new("half-db");
    let agent = story.agent("n0").start();
    let (before, setup) = (id(&agent), agent.setup.clone());
    drop(agent);
    let db = setup.dir.join("rumormill.db");
    let whole = fs::read(&db).unwrap();
    for length in [whole.len() / 2, 100] {
        fs::write(&db, &whole[..length]).unwrap();
        for log in ["rumormill.db-wal", "rumormill.db-shm"] {
            let _ = fs::remove_file(setup.dir.join(log));
        }
        let again = setup.clone().start();
        assert_eq!(id(&again), before, "half of the database was left: {length} bytes");
        assert!(!again.process.log().contains("panicked"));
    }
}

#[test]
fn a_half_written_second_copy_is_made_good_from_the_database() {
    let story = Story::new("half-copy");
    let agent = story.agent("n0").start();
    let (before, setup) = (id(&agent), agent.setup.clone());
    let epoch = agent.info()["member"]["epoch"].as_u64().unwrap();
    drop(agent);
    for name in ["identity.bin", "identity.bin.old"] {
        let copy = setup.dir.join(name);
        if let Ok(whole) = fs::read(&copy) {
            fs::write(&copy, &whole[..whole.len() / 2]).unwrap();
        }
    }
    let again = setup.start();
    assert_eq!(id(&again), before);
    assert_eq!(again.info()["member"]["epoch"].as_u64(), Some(epoch + 1));
}

#[test]
fn an_identity_that_is_lost_is_never_replaced_in_silence() {
    let story = Story::new("lost");
    let agent = story.agent("n0").start();
    let setup = agent.setup.clone();
    drop(agent);
    let mut damaged = Vec::new();
    for entry in fs::read_dir(&setup.dir).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() == "lock" {
            continue;
        }
        fs::write(&path, b"not what it was").unwrap();
        damaged.push(path);
    }
    let said = refusal(setup.launch());
    assert!(said.contains("backup") || said.contains("move"), "it says what to do: {said}");
    for path in damaged.iter().filter(|path| !path.to_str().unwrap().ends_with("-shm")) {
        assert!(path.exists(), "nothing was thrown away: {}", path.display());
    }
}

#[test]
fn two_agents_do_not_share_a_data_directory() {
    let story = Story::new("shared");
    let agent = story.agent("n0").start();
    let said = refusal(story.agent("n1").dir(&agent.setup.dir).launch());
    assert!(said.contains("in use"), "{said}");
}
