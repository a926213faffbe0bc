//! Restarts and copies: who a node is from one life to the next.

use crate::harness::*;
use rumormill_agent::model::*;
use rumormill_agent::start::Exit;
use serde_json::json;
use std::path::Path;

fn kept(name: &str, dir: &Path) -> rumormill_agent::config::Config {
    let mut config = config(name);
    config.data_dir = Some(dir.into());
    config
}

#[tokio::test]
async fn a_restarted_agent_rejoins_by_itself_as_the_same_node_in_a_higher_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let a = start(config("a")).await;
    let mut first = kept("b", dir.path());
    first.join = vec![gossip(&a).to_string().parse().unwrap()];
    let b = start(first).await;
    until_alive(&a, 2).await;
    until_alive(&b, 2).await;
    let before: Member = get(&a, "/v1/members/b").await;
    assert_eq!(before.epoch, 1);
    let put = json!({ "tags": { "kept": "yes" } });
    assert_eq!(ask(&b, "PUT", "/v1/tags", Some(put)).await.status, 200);
    assert_eq!(b.until(std::future::ready(())).await.unwrap(), Exit::Left);
    until("b has left", async || {
        (get::<Member>(&a, "/v1/members/b").await.status == Status::Left).then_some(())
    })
    .await;
    // No seed this time, and another port: it finds the cluster by the members that it knew.
    let b = start(kept("b", dir.path())).await;
    until_alive(&b, 2).await;
    let after: Member = until("b is back", async || {
        let b: Member = get(&a, "/v1/members/b").await;
        (b.status == Status::Alive && b.epoch == 2).then_some(b)
    })
    .await;
    assert_eq!(after.id, before.id);
    assert_eq!(after.addresses, [gossip(&b).to_string()]);
    until("its tags are kept", async || {
        (get::<Member>(&a, "/v1/members/b").await.tags.get("kept")? == "yes").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_copied_data_directory_ends_as_two_members_with_a_warning() {
    let (original, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let a = start(config("a")).await;
    let seed = vec![gossip(&a).to_string().parse().unwrap()];
    start(kept("b", original.path())).await.crash().await;
    for file in std::fs::read_dir(original.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let mut agents = Vec::new();
    for dir in [original.path(), copy.path()] {
        let mut config = kept("b", dir);
        config.join = seed.clone();
        agents.push(start(config).await);
    }
    let asked: Vec<_> = agents.iter().map(http).collect();
    // Each runs as its operator runs it: a new identity is made on the way.
    let running: Vec<_> =
        agents.into_iter().map(|agent| tokio::spawn(agent.until(std::future::pending()))).collect();
    let members = until("both are members", async || {
        let members: Members = get(&a, "/v1/members?name=b&status=alive").await;
        (members.members.len() == 2).then_some(members.members)
    })
    .await;
    let renewed =
        members.iter().find(|m| m.copied_from.is_some()).expect("one of them says where it comes from");
    let stayed = members.iter().find(|m| m.copied_from.is_none()).expect("the other one stays who it was");
    assert_eq!(renewed.copied_from.as_ref(), Some(&stayed.id));
    assert!(renewed.warnings.iter().any(|w| w.contains("copy of the data directory")), "{renewed:?}");
    assert!(stayed.warnings.iter().any(|w| w.contains("taken by 2 members")), "{stayed:?}");
    let mut warned = 0;
    for at in asked {
        let reply = send(at, "GET", "/v1/self", &[("host", &at.to_string())], None).await;
        let info: SelfInfo = reply.json();
        warned += usize::from(info.warnings.iter().any(|w| w.contains("copy of its data directory")));
    }
    assert_eq!(warned, 1, "the renewed one tells its operator");
    let why: Why = get(&a, &format!("/v1/why/{}", stayed.id)).await;
    assert!(why.verdicts.iter().any(|v| v.what == VerdictKind::Copied), "{why:?}");
    running.iter().for_each(tokio::task::JoinHandle::abort);
}
