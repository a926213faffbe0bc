//! Watching: the state first, then each change; resuming; and gaps that are told.

use crate::harness::*;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rumormill_agent::model::*;
use rumormill_agent::start::Running;
use rumormill_agent::view::CHANGES_MAX;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Wall;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use tokio::net::TcpStream;

/// Reads server-sent events.
struct Stream {
    body: Incoming,
    text: String,
    ready: VecDeque<Sent>,
}

#[derive(Clone, Debug, Default)]
struct Sent {
    event: String,
    id: String,
    data: String,
}

impl Sent {
    fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl Stream {
    async fn open(agent: &Running, path: &str, headers: &[(&str, &str)]) -> Stream {
        let host = http(agent).to_string();
        let mut all = vec![("host", host.as_str())];
        all.extend(headers);
        let stream = TcpStream::connect(http(agent)).await.unwrap();
        let response = open(stream, "GET", path, &all, None).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream { body: response.into_body(), text: String::new(), ready: VecDeque::new() }
    }

    async fn next(&mut self) -> Sent {
        loop {
            if let Some(sent) = self.ready.pop_front() {
                return sent;
            }
            let frame = tokio::time::timeout(DEADLINE, self.body.frame()).await.expect("an event comes");
            let bytes = frame.expect("the stream goes on").unwrap().into_data().unwrap();
            self.text += std::str::from_utf8(&bytes).unwrap();
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let mut sent = Sent::default();
                for line in event.lines() {
                    match line.split_once(": ") {
                        Some(("event", name)) => sent.event = name.into(),
                        Some(("id", id)) => sent.id = id.into(),
                        Some(("data", data)) => sent.data += data,
                        _ => assert!(line.starts_with(':'), "{line:?}"),
                    }
                }
                if !sent.event.is_empty() {
                    self.ready.push_back(sent);
                }
                self.text = rest.to_string();
            }
        }
    }

    /// The next change of this kind.
    async fn until(&mut self, what: ChangeKind, name: &str) -> (Sent, WatchChange) {
        loop {
            let sent = self.next().await;
            assert_eq!(sent.event, "change", "{sent:?}");
            let change: WatchChange = sent.json();
            assert_eq!(change.cursor, sent.id);
            if change.what == what && change.name == name {
                return (sent, change);
            }
        }
    }
}

#[tokio::test]
async fn a_watcher_gets_the_state_and_then_each_change_and_may_go_on_after_any_of_them() {
    let agents = cluster([config("a"), config("b")]).await;
    let mut stream = Stream::open(&agents[0], "/v1/watch", &[]).await;
    let first = stream.next().await;
    assert_eq!(first.event, "state");
    let state: WatchState = first.json();
    assert_eq!(state.members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(state.cursor, first.id);
    let mut c = config("c");
    c.join = vec![gossip(&agents[0]).to_string().parse().unwrap()];
    let c = start(c).await;
    let (up, change) = stream.until(ChangeKind::Up, "c").await;
    assert_eq!(change.member.as_ref().map(|m| m.status), Some(Status::Alive));
    c.crash().await;
    let (_, change) = stream.until(ChangeKind::Failed, "c").await;
    assert_eq!(change.member.as_ref().map(|m| m.status), Some(Status::Failed));
    // Another reader goes on after `up`, by either way of saying so: no state, and the same changes.
    let since = format!("/v1/watch?since={}", up.id);
    for (path, headers) in [(since.as_str(), vec![]), ("/v1/watch", vec![("last-event-id", up.id.as_str())])]
    {
        let mut resumed = Stream::open(&agents[0], path, &headers).await;
        let (_, change) = resumed.until(ChangeKind::Failed, "c").await;
        assert_eq!(change.id, state_id(&agents[0], "c").await);
    }
    // A list's cursor fits as well.
    let listed: Members = get(&agents[0], "/v1/members").await;
    let mut resumed = Stream::open(&agents[0], &format!("/v1/watch?since={}", listed.cursor), &[]).await;
    agents[0].agent().view().on_change(ChangeKind::Changed, NodeId(1), Some(("later", true)), Wall(0));
    let sent = resumed.next().await;
    assert_eq!((sent.event.as_str(), sent.json::<WatchChange>().name.as_str()), ("change", "later"));
}

async fn state_id(agent: &Running, name: &str) -> String {
    get::<Member>(agent, &format!("/v1/members/{name}")).await.id
}

#[tokio::test]
async fn a_consumer_that_is_too_slow_is_told_of_the_gap_and_starts_afresh() {
    let agent = start(config("a")).await;
    let mut stream = Stream::open(&agent, "/v1/watch", &[]).await;
    assert_eq!(stream.next().await.event, "state");
    // More changes at once than the log keeps: the stream's task has no chance to read them in between.
    for at in 0..CHANGES_MAX as u64 + 100 {
        agent.agent().view().on_change(ChangeKind::Changed, NodeId(at % 10), Some(("busy", false)), Wall(at));
    }
    let gap = stream.next().await;
    assert_eq!(gap.event, "gap");
    assert_eq!(gap.json::<WatchGap>().missed, Some(100));
    let state = stream.next().await;
    assert_eq!(state.event, "state");
    agent.agent().view().on_change(ChangeKind::Changed, NodeId(1), Some(("after", false)), Wall(0));
    assert_eq!(stream.next().await.json::<WatchChange>().name, "after");
    // A cursor that is too old, and one of another start.
    let (session, _) = state.id.split_once('-').unwrap();
    for (cursor, missed) in [(format!("{session}-0"), true), ("00000000000000ab-3".to_string(), false)] {
        let mut stream = Stream::open(&agent, &format!("/v1/watch?since={cursor}"), &[]).await;
        let gap = stream.next().await;
        assert_eq!((gap.event.as_str(), gap.json::<WatchGap>().missed.is_some()), ("gap", missed));
        assert_eq!(stream.next().await.event, "state");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_agent() {
    let agent = start(config("a")).await;
    let mut stream = Stream::open(&agent, "/v1/watch", &[]).await;
    assert_eq!(stream.next().await.event, "state");
    agent.until(std::future::ready(())).await.unwrap();
    let mut end = tokio::time::timeout(DEADLINE, stream.body.frame()).await.unwrap();
    while let Some(Ok(_)) = end {
        end = tokio::time::timeout(DEADLINE, stream.body.frame()).await.unwrap();
    }
    assert!(end.is_none(), "an end, and no broken connection: {end:?}");
}

#[tokio::test]
async fn watchers_are_bounded_and_one_that_goes_makes_room() {
    let agent = start(config("a")).await;
    let mut streams = Vec::new();
    for _ in 0..rumormill_agent::agent::WATCHERS_MAX {
        streams.push(Stream::open(&agent, "/v1/watch", &[]).await);
    }
    ask(&agent, "GET", "/v1/watch", None).await.error(503);
    drop(streams.pop());
    until("a place is free", async || (agent.agent().watching() < streams.len() + 1).then_some(())).await;
    assert_eq!(Stream::open(&agent, "/v1/watch", &[]).await.next().await.event, "state");
}

#[tokio::test]
async fn a_watcher_that_gives_a_time_reads_the_state_and_the_stream_ends() {
    let agent = start(config("a")).await;
    let reply = ask(&agent, "GET", "/v1/watch?for_s=0.05", None).await;
    assert!(reply.status == 200 && reply.text().contains("event: state"), "{}", reply.text());
    ask(&agent, "GET", "/v1/watch?for_s=-1", None).await.error(400);
}
