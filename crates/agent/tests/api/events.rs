//! Publishing and reading events: waiting, gaps, what is refused, and restarts.

use crate::harness::*;
use rumormill_agent::config::Config;
use rumormill_agent::model::*;
use rumormill_agent::start::Running;
use serde_json::json;
use std::path::Path;

async fn publish(agent: &Running, request: serde_json::Value) -> PublishResult {
    let reply = ask(agent, "POST", "/v1/events", Some(request)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn read(agent: &Running, query: &str) -> Events {
    get(agent, &format!("/v1/events?{query}")).await
}

fn names(events: &Events) -> Vec<&str> {
    events.events.iter().map(|event| event.name.as_str()).collect()
}

fn kept(dir: &Path) -> Config {
    Config { data_dir: Some(dir.into()), ..config("a") }
}

#[tokio::test]
async fn a_publisher_that_waits_hears_how_far_its_events_came() {
    let agents = cluster([config("a"), config("b"), config("c")]).await;
    let events = json!([{ "name": "one", "payload": "1" }, { "name": "two", "coalesce": true }]);
    let result =
        publish(&agents[1], json!({ "events": events, "wait": "covered", "timeout_ms": 60_000 })).await;
    for (at, event) in result.events.iter().enumerate() {
        assert_eq!(
            (event.state, event.asked, event.sample),
            (PublishState::Covered, Some(2), Some(true)),
            "{event:?}"
        );
        assert_eq!(event.sequence, Some(at as u64 + 1));
    }
    let all = publish(&agents[2], json!({ "events": events, "wait": "all", "timeout_ms": 60_000 })).await;
    for event in &all.events {
        let found = (event.state, event.held, event.asked, event.sample);
        assert_eq!(found, (PublishState::Confirmed, Some(2), Some(2), Some(false)), "{event:?}");
        assert!(event.unconfirmed.is_empty());
    }
    let alone = start(config("alone")).await;
    let result = publish(&alone, json!({ "events": [{ "name": "n" }], "wait": "covered" })).await;
    assert_eq!((result.events[0].held, result.events[0].asked), (Some(0), Some(0)), "it has come nowhere");
}

#[tokio::test]
async fn a_reader_waits_for_what_comes_and_ends_with_its_agent() {
    let agent = start(config("a")).await;
    publish(&agent, json!({ "events": [{ "name": "old" }] })).await;
    let now = read(&agent, "cursor=now").await;
    assert!(now.events.is_empty());
    let waits = format!("cursor={}&wait_s=60&name=n*", now.cursor);
    let says = async {
        publish(&agent, json!({ "events": [{ "name": "other" }] })).await;
        publish(&agent, json!({ "events": [{ "name": "new" }] })).await;
    };
    let (found, ()) = both(read(&agent, &waits), says).await;
    assert_eq!(names(&found), ["new"]);
    assert_eq!(names(&read(&agent, "cursor=start&limit=2").await), ["old", "other"]);
    assert!(read(&agent, &format!("cursor={}&wait_s=0.05", found.cursor)).await.events.is_empty());
    for bad in ["cursor=x", "limit=0", "limit=1025", "wait_s=-1", "colour=red"] {
        ask(&agent, "GET", &format!("/v1/events?{bad}"), None).await.error(400);
    }
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_how_much_it_missed() {
    let mut small = config("a");
    small.events.window_bytes = 300_000;
    let agent = start(small).await;
    let first = publish(&agent, json!({ "events": [{ "name": "first" }] })).await;
    assert!(first.events[0].id.is_some());
    let cursor = read(&agent, "cursor=start").await.cursor;
    for _ in 0..6 {
        let large = json!({ "events": [{ "name": "n", "payload": "x".repeat(60_000) }] });
        until("it is taken", async || {
            (ask(&agent, "POST", "/v1/events", Some(large.clone())).await.status == 200).then_some(())
        })
        .await;
    }
    let page = read(&agent, &format!("cursor={cursor}")).await;
    assert!(page.gap.as_ref().is_some_and(|gap| gap.missed.is_some_and(|missed| missed > 0)), "{page:?}");
    assert!(read(&agent, &format!("cursor={}", page.cursor)).await.gap.is_none(), "told once");
    let foreign = read(&agent, "cursor=00000000000000ab-1-7").await;
    assert_eq!(foreign.gap.map(|gap| gap.missed), Some(None));
    let metrics = ask(&agent, "GET", "/metrics", None).await.text();
    assert!(metrics.contains("rumormill_events_shed_total{cause=\"feed\"}"), "{metrics}");
}

#[tokio::test]
async fn an_agent_that_was_alone_tells_its_own_events_once_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let a = start(kept(dir.path())).await;
    publish(&a, json!({ "events": [{ "name": "one", "durable": true }, { "name": "two" }] })).await;
    let cursor = read(&a, "cursor=start").await.cursor;
    a.until(std::future::ready(())).await.unwrap();
    let a = start(kept(dir.path())).await;
    assert!(read(&a, &format!("cursor={cursor}")).await.events.is_empty());
    let info: SelfInfo = get(&a, "/v1/self").await;
    assert_eq!((info.events.window_events, info.events.durable_waiting), (2, 1));
    // Others come, and take what it kept: with replay they are told.
    let mut b = config("b");
    b.events.replay = true;
    b.join = vec![gossip(&a).to_string().parse().unwrap()];
    let b = start(b).await;
    until("it is elsewhere", async || {
        let told = read(&b, "cursor=start").await;
        (names(&told) == ["one", "two"]).then_some(())
    })
    .await;
    until("it knows so", async || {
        let info: SelfInfo = get(&a, "/v1/self").await;
        (info.events.joined && info.events.durable_waiting == 0).then_some(())
    })
    .await;
    assert!(read(&a, &format!("cursor={cursor}")).await.events.is_empty(), "nothing is told twice");
    let nothing = start(config("nothing")).await;
    let durable = json!({ "events": [{ "name": "n", "durable": true }] });
    ask(&nothing, "POST", "/v1/events", Some(durable)).await.error(409);
}
