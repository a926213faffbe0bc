//! Who is there: joining, asking, tags, leaving, failing.

use crate::harness::*;
use rumormill_agent::model::*;
use rumormill_agent::start::Exit;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

async fn member(agent: &rumormill_agent::start::Running, name: &str) -> Member {
    get(agent, &format!("/v1/members/{name}")).await
}

#[tokio::test]
async fn agents_that_are_told_of_each_other_agree_on_who_is_there() {
    let (a, b, c) = (start(config("a")).await, start(config("b")).await, start(config("c")).await);
    for newcomer in [&b, &c] {
        let body = json!({ "addresses": [gossip(&a).to_string(), "127.0.0.1:1"] });
        let joined: JoinResult = ask(newcomer, "POST", "/v1/join", Some(body)).await.json();
        assert_eq!(joined.addresses.len(), 2, "one result per address: {joined:?}");
        let id_of_a = get::<SelfInfo>(&a, "/v1/self").await.member.id;
        assert_eq!(joined.addresses[0].id, Some(id_of_a));
        assert!(joined.addresses[1].id.is_none() && joined.addresses[1].error.is_some(), "{joined:?}");
    }
    for agent in [&a, &b, &c] {
        until_alive(agent, 3).await;
        let all: Members = get(agent, "/v1/members").await;
        let names: Vec<&str> = all.members.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"], "ordered by name");
        assert_eq!(all.members.iter().filter(|m| m.is_self).count(), 1);
        assert!(all.members.iter().all(|m| m.epoch == 1 && m.warnings.is_empty()), "{all:?}");
    }
    assert_eq!(member(&b, "a").await.addresses, [gossip(&a).to_string()]);
    let root = async |agent| get::<SelfInfo>(agent, "/v1/self").await.root;
    until("all agree", async || {
        (root(&a).await == root(&b).await && root(&b).await == root(&c).await).then_some(())
    })
    .await;
    let info: SelfInfo = get(&a, "/v1/self").await;
    assert_eq!((info.live, info.cluster.as_str(), info.profile.as_str()), (3, "tests", "local"));
    assert!(
        info.counters["swim_probes"] > 0 && info.counters["messages_sent.swim"] > 0,
        "{:?}",
        info.counters
    );
}

#[tokio::test]
async fn members_are_found_by_status_name_and_tag_and_a_slip_is_an_error() {
    let mut a = config("a");
    a.tags = tags(&[("zone", "north"), ("disk", "")]);
    let agents = cluster([a, config("b")]).await;
    let found = async |query: &str| {
        let members: Members = get(&agents[1], &format!("/v1/members?{query}")).await;
        members.members.into_iter().map(|m| m.name).collect::<Vec<_>>()
    };
    assert_eq!(found("tag=zone=north").await, ["a"]);
    assert_eq!(found("tag=zone").await, ["a"]);
    assert_eq!(found("tag=disk=").await, ["a"]);
    assert_eq!(found("tag=zone=n.rth|south").await, ["a"], "a pattern, as in queries");
    assert!(found("tag=zone=nor").await.is_empty(), "for the whole value");
    assert!(found("tag=zone=south").await.is_empty());
    let error = ask(&agents[0], "GET", "/v1/members?tag=zone=%28", None).await.error(400);
    assert!(error.error.contains("no pattern") && error.hint.contains("regular expression"), "{error:?}");
    assert_eq!(found("name=b&status=alive,suspect").await, ["b"]);
    assert!(found("status=failed").await.is_empty());
    assert!(found("status=dead").await.is_empty(), "the word of earlier builds");
    let error = ask(&agents[0], "GET", "/v1/members?status=fine", None).await.error(400);
    assert!(error.error.contains("alive, suspect, failed, left"), "{error:?}");
    ask(&agents[0], "GET", "/v1/members?nmae=b", None).await.error(400);
    ask(&agents[0], "GET", "/v1/members/nobody", None).await.error(404);
    let id = member(&agents[0], "b").await.id;
    assert_eq!(member(&agents[0], &id).await.name, "b", "by id as well");
}

#[tokio::test]
async fn tags_change_on_all_members_and_large_ones_are_fetched() {
    let agents = cluster([config("a"), config("b"), config("c")]).await;
    let put = json!({ "tags": { "zone": "north", "old": "x" } });
    assert_eq!(ask(&agents[0], "PUT", "/v1/tags", Some(put)).await.status, 200);
    let patch = json!({ "set": { "rack": "7" }, "remove": ["old", "never"] });
    let now: Tags = ask(&agents[0], "PATCH", "/v1/tags", Some(patch)).await.json();
    assert_eq!(now.tags, tags(&[("rack", "7"), ("zone", "north")]));
    for agent in &agents {
        until("small tags arrive", async || (member(agent, "a").await.tags == now.tags).then_some(())).await;
    }
    let large = tags(&[("note", &"n".repeat(60 * 1024))]);
    let body = json!({ "tags": large });
    assert_eq!(ask(&agents[0], "PUT", "/v1/tags", Some(body)).await.status, 200);
    for agent in &agents {
        until("large tags are fetched", async || {
            let a = member(agent, "a").await;
            assert!(
                a.tags_pending || a.tags == large || a.tags == now.tags,
                "old, pending or new, never a part"
            );
            (a.tags == large && !a.tags_pending).then_some(())
        })
        .await;
    }
    let body = json!({ "tags": { "note": "n".repeat(70 * 1024) } });
    let error = ask(&agents[0], "PUT", "/v1/tags", Some(body)).await.error(413);
    assert!(error.error.contains("65536"), "{error:?}");
    assert_eq!(get::<Tags>(&agents[0], "/v1/tags").await.tags, large, "what was refused changed nothing");
}

#[tokio::test]
async fn why_tells_who_marked_a_member_as_failed_and_on_what_evidence() {
    let mut agents = cluster([config("a"), config("b"), config("c")]).await;
    let id = member(&agents[0], "c").await.id;
    agents.pop().unwrap().crash().await;
    for agent in &agents {
        until("c is marked as failed", async || {
            (member(agent, "c").await.status == Status::Failed).then_some(())
        })
        .await;
        let why: Why = get(agent, "/v1/why/c").await;
        assert_eq!(why.id, id);
        let own: SelfInfo = get(agent, "/v1/self").await;
        let decided = |v: &&Verdict| v.what == VerdictKind::DeclaredFailed && v.by == own.member.id;
        let death = why.verdicts.iter().find(decided).expect("each member decides for itself");
        let evidence = death.evidence.as_ref().expect("with evidence");
        assert!(evidence.waited_ms > 0, "{death:?}");
        assert!(death.text.contains("marked it as failed"), "{}", death.text);
        let accusations = why
            .verdicts
            .iter()
            .filter(|v| matches!(v.what, VerdictKind::Suspected | VerdictKind::DeclaredFailed));
        let accusers: BTreeSet<&str> = accusations.map(|v| v.by.as_str()).collect();
        assert!(usize::from(evidence.confirmations) < accusers.len(), "{why:?}");
        assert!(
            why.verdicts.iter().any(|v| v.what == VerdictKind::Suspected),
            "it was suspected first: {why:?}"
        );
    }
    ask(&agents[0], "GET", "/v1/why/nobody", None).await.error(404);
    // A failed member can be forgotten, a live one cannot.
    let error = ask(&agents[0], "POST", "/v1/forget", Some(json!({ "member": "b" }))).await.error(409);
    assert!(error.error.contains("alive"), "{error:?}");
    assert_eq!(ask(&agents[0], "POST", "/v1/forget", Some(json!({ "member": "c" }))).await.status, 200);
    for agent in &agents {
        until("c is forgotten", async || {
            (ask(agent, "GET", "/v1/members/c", None).await.status == 404).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn two_that_claim_one_name_are_told_so_and_must_be_asked_for_by_id() {
    let agents = cluster([config("twin"), config("twin"), config("c")]).await;
    let error = ask(&agents[2], "GET", "/v1/members/twin", None).await.error(409);
    assert_eq!(error.candidates.len(), 2, "{error:?}");
    for agent in &agents {
        for id in &error.candidates {
            until("both are warned of", async || {
                let twin = member(agent, id).await;
                twin.warnings.iter().any(|w| w.contains("taken by 2 members")).then_some(())
            })
            .await;
        }
        let info: SelfInfo = get(agent, "/v1/self").await;
        assert!(info.warnings.iter().any(|w| w.contains("\"twin\"")), "{:?}", info.warnings);
    }
}

#[tokio::test]
async fn a_member_that_leaves_has_left_and_not_failed() {
    let mut agents = cluster([config("a"), config("b")]).await;
    let b = agents.pop().unwrap();
    let at = http(&b);
    let host = at.to_string();
    let asked = async { send(at, "POST", "/v1/leave", &[("host", &host)], None).await };
    let (reply, exit) = both(asked, b.until(std::future::pending())).await;
    assert!(reply.json::<Done>().done);
    assert_eq!(exit.unwrap(), Exit::Left);
    until("b has left", async || (member(&agents[0], "b").await.status == Status::Left).then_some(())).await;
    let why: Why = get(&agents[0], "/v1/why/b").await;
    assert!(why.verdicts.iter().all(|v| v.what != VerdictKind::DeclaredFailed), "{why:?}");
    let a = agents.pop().unwrap();
    assert!(matches!(a.until(std::future::ready(())).await, Ok(Exit::Left)), "the last one leaves, too");
}

#[tokio::test]
async fn pings_find_who_answers_and_who_does_not() {
    let mut agents = cluster([config("a"), config("b"), config("c")]).await;
    let ping: Ping = get(&agents[0], "/v1/ping/b").await;
    assert!(ping.rtt_ms.is_some_and(|ms| ms > 0.0), "{ping:?}");
    let all: Reachability = get(&agents[0], "/v1/reachability").await;
    assert_eq!((all.reached, all.unreached, all.pings.len()), (2, 0, 2), "{all:?}");
    agents.pop().unwrap().crash().await;
    let (ping, all) =
        both(get::<Ping>(&agents[0], "/v1/ping/c"), get::<Reachability>(&agents[0], "/v1/reachability"))
            .await;
    assert_eq!(ping.rtt_ms, None, "no answer is an answer");
    assert!(all.unreached <= 1, "it may be marked as failed by now: {all:?}");
}

#[tokio::test]
async fn any_member_can_be_asked_about_the_machine_of_any_other() {
    let with_vitals = |name: &str| {
        let mut config = config(name);
        config.vitals = true;
        config
    };
    let agents = cluster([with_vitals("a"), with_vitals("b"), config("mute")]).await;
    for (asked, about) in [(0, "b"), (1, "a"), (0, "a")] {
        let vitals: Vitals = until("vitals arrive", async || {
            let reply = ask(&agents[asked], "GET", &format!("/v1/vitals/{about}"), None).await;
            (reply.status == 200).then(|| reply.json())
        })
        .await;
        assert_eq!(vitals.name, about);
        assert!(
            vitals.uptime_s.is_some_and(|s| s > 0) && vitals.memory_total_bytes.is_some_and(|b| b > 0),
            "{vitals:?}"
        );
        assert!(vitals.age_s < 60.0 && vitals.agent_memory_bytes.is_some(), "{vitals:?}");
        let member = member(&agents[asked], about).await;
        assert!(member.vitals.is_some() && member.vitals_age_s.is_some(), "{member:?}");
    }
    ask(&agents[0], "GET", "/v1/vitals/mute", None).await.error(404);
    let error = ask(&agents[2], "GET", "/v1/vitals/a", None).await.error(404);
    assert!(error.error.contains("vitals off"), "{error:?}");
    assert_eq!(get::<SelfInfo>(&agents[0], "/v1/self").await.vitals_interval_s.map(|s| s >= 5.0), Some(true));
}
