//! What becomes of the connection beyond the last: it is told, and others are not kept from what they have.

use crate::harness::*;
use rumormill_agent::api::serve::CONNECTIONS_MAX;
use rumormill_agent::model;
use rumormill_agent::run::Running;
use rumormill_agent::serf_rpc::CLIENTS_MAX;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HANDSHAKE: &[u8] = b"\x82\xa7Command\xa9handshake\xa3Seq\x07\x81\xa7Version\x01";

/// Sends, and reads what comes first.
async fn ask(at: SocketAddr, bytes: &[u8]) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = vec![0; 4096];
    let len = tokio::time::timeout(DEADLINE, stream.read(&mut answer)).await.expect("an answer").unwrap();
    (stream, String::from_utf8_lossy(&answer[..len]).into_owned())
}

/// Whether a handshake was answered without an error: an empty text has its length in its first byte.
fn is_welcome(answer: &str) -> bool {
    answer.contains("Error") && answer.ends_with("Seq\x07") && !answer.contains("clients")
}

/// Reads to the end of a connection, which must come.
async fn rest(mut stream: TcpStream) -> String {
    let mut rest = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("it is closed").unwrap();
    String::from_utf8_lossy(&rest).into_owned()
}

async fn counted(agent: &Running, name: &str) -> u64 {
    let info: model::SelfInfo = get(agent, "/v1/self").await;
    info.counters[name]
}

#[tokio::test]
async fn the_http_connection_beyond_the_last_is_answered_503_with_a_hint_and_closed() {
    let agent = start(config("a")).await;
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", http(&agent));
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let (stream, answer) = ask(http(&agent), request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        held.push(stream);
    }
    for _ in 0..3 {
        let (stream, answer) = ask(http(&agent), request.as_bytes()).await;
        let answer = answer + &rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("all 128 connections are taken") && answer.contains("\"hint\""), "{answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    }
    // One that says nothing is closed without an answer, before long; and a place that is given up is given away.
    let silent = TcpStream::connect(http(&agent)).await.unwrap();
    assert_eq!(rest(silent).await, "");
    held.pop();
    until("there is room again", async || {
        let (_, answer) = ask(http(&agent), request.as_bytes()).await;
        answer.starts_with("HTTP/1.1 200").then_some(())
    })
    .await;
    drop(held);
    assert!(counted(&agent, "http_connections_refused").await >= 4);
}

#[tokio::test]
async fn the_client_of_serfs_rpc_beyond_the_last_is_answered_with_an_error_under_its_number() {
    let mut config = config("a");
    config.serf_rpc = Some("127.0.0.1:0".parse().unwrap());
    let agent = start(config).await;
    let at = agent.listens().serf_rpc.unwrap();
    let mut held = Vec::new();
    for _ in 0..CLIENTS_MAX {
        let (stream, answer) = ask(at, HANDSHAKE).await;
        assert!(is_welcome(&answer), "{answer:?}");
        held.push(stream);
    }
    let (stream, answer) = ask(at, HANDSHAKE).await;
    assert!(answer.contains("serves 64 clients already"), "{answer:?}");
    assert!(answer.ends_with("Seq\x07"), "under the number of the request: {answer:?}");
    assert_eq!(rest(stream).await, "");
    held.pop();
    until("there is room again", async || {
        let (_, answer) = ask(at, HANDSHAKE).await;
        is_welcome(&answer).then_some(())
    })
    .await;
    assert!(counted(&agent, "serf_rpc_turned_away").await >= 1);
}
