//! Whoever connects and says nothing, or nearly nothing, blocks nobody who asks.

use crate::harness::*;
use rumormill_agent::admission::CONNECTIONS_MAX;
use rumormill_agent::model::*;
use rumormill_agent::serf_rpc::CLIENTS_MAX;
use rumormill_agent::start::Running;
use serde::Serialize;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// So many connections that each say this, and then nothing.
async fn silent(at: SocketAddr, count: usize, says: &[u8]) -> Vec<TcpStream> {
    let mut silent = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let _ = stream.write_all(says).await; // it may be closed already
        silent.push(stream);
    }
    silent
}

/// What `/metrics` says of a listener.
async fn counted(agent: &Running, name: &str, listener: &str) -> usize {
    let text = ask(agent, "GET", "/metrics", None).await.text();
    let line = format!("{name}{{listener=\"{listener}\"}} ");
    let value = text.lines().find_map(|found| found.strip_prefix(&line));
    value.unwrap_or_else(|| panic!("no {line} in {text}")).parse::<f64>().unwrap() as usize
}

#[tokio::test]
async fn connections_that_say_nothing_or_stop_in_the_middle_do_not_block_the_api_and_those_being_served_stay()
{
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let mut config = config("a");
    config.socket = Some(path.clone());
    let agent = start(config).await;
    let at = http(&agent);
    let host = at.to_string();
    let watching =
        open(TcpStream::connect(at).await.unwrap(), "GET", "/v1/watch", &[("host", &host)], None).await;
    let mut watching = watching.into_body();
    let half = format!("GET /v1/self HTTP/1.1\r\nHost: {at}\r\n");
    let no_body = format!(
        "PUT /v1/tags HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    );
    let one_request = format!("GET /healthz HTTP/1.1\r\nHost: {at}\r\n\r\n");
    let mut evicted = 0;
    for says in ["", "G", &half, &no_body, &one_request] {
        let _held = silent(at, 2 * CONNECTIONS_MAX, says.as_bytes()).await;
        assert_eq!(get::<SelfInfo>(&agent, "/v1/self").await.member.name, "a", "behind {says:?}");
        let before = std::mem::replace(
            &mut evicted,
            counted(&agent, "rumormill_listener_evicted_total", "http").await,
        );
        assert!(evicted >= before + CONNECTIONS_MAX, "{evicted} made room behind {says:?}");
        assert_eq!(send_unix(&path, "GET", "/healthz", None).await.status, 200);
    }
    assert!(counted(&agent, "rumormill_listener_connections", "http").await <= CONNECTIONS_MAX);
    assert_eq!(counted(&agent, "rumormill_listener_evicted_total", "socket").await, 0);
    // Who watches is served all the time, and stays.
    use http_body_util::BodyExt;
    let first = watching.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("state"));
    let tags = serde_json::json!({ "tags": { "still": "here" } });
    assert_eq!(ask(&agent, "PUT", "/v1/tags", Some(tags)).await.status, 200);
    let next = watching.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&next).contains("change"), "{next:?}");
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    command: &'a str,
    seq: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Handshake {
    version: i64,
}

fn request(command: &str, seq: u64) -> Vec<u8> {
    rmp_serde::to_vec_named(&Request { command, seq }).unwrap()
}

fn handshake() -> Vec<u8> {
    [request("handshake", 1), rmp_serde::to_vec_named(&Handshake { version: 1 }).unwrap()].concat()
}

#[tokio::test]
async fn clients_of_serfs_rpc_that_say_nothing_block_no_other() {
    let mut config = config("a");
    config.serf_rpc = Some("127.0.0.1:0".parse().unwrap());
    let agent = start(config).await;
    let at = agent.listens().serf_rpc.unwrap();
    for says in [vec![], request("handshake", 1), handshake()] {
        let _held = silent(at, 2 * CLIENTS_MAX, &says).await;
        let mut client = TcpStream::connect(at).await.unwrap();
        client.write_all(&[handshake(), request("members", 2)].concat()).await.unwrap();
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).contains("alive") {
            assert!(client.read_buf(&mut answer).await.unwrap() > 0, "it was closed: {answer:?}");
        }
    }
    let evicted = counted(&agent, "rumormill_listener_evicted_total", "serf_rpc").await;
    assert!(evicted >= 3 * CLIENTS_MAX, "{evicted} made room");
    assert!(counted(&agent, "rumormill_listener_connections", "serf_rpc").await <= CLIENTS_MAX);
}

/// A question that no member could afford is refused where it is asked, with what to do.
#[tokio::test]
async fn patterns_and_times_that_cost_others_too_much_are_refused_at_the_asker() {
    let agent = start(config("a")).await;
    let query = async |node: &str, timeout_ms: u64| {
        let body = serde_json::json!({ "name": "load", "node": node, "timeout_ms": timeout_ms });
        ask(&agent, "POST", "/v1/query", Some(body)).await.error(400)
    };
    for node in ["(a{1,50}){1,50}", r"(?i)[\x{1}-\x{10ffff}]", r"[\w\w\w\w\w\w\w\w\w\w\w\w]{50}"] {
        let error = query(node, 1_000).await;
        assert!(error.error.contains("pattern") && error.error.contains("are the most"), "{error:?}");
    }
    for timeout_ms in [600_001, u64::from(u32::MAX), u64::MAX / 2] {
        let error = query("a", timeout_ms).await;
        assert!(error.error.contains("for answers") && error.hint.contains("600 s"), "{error:?}");
    }
}
