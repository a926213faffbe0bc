//! What becomes of the connection beyond the last: it is told, and others are not kept from what they have.

use crate::harness::*;
use rumormill_agent::serf_rpc::CLIENTS_MAX;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const HANDSHAKE: &[u8] = b"\x82\xa7Command\xa9handshake\xa3Seq\x07\x81\xa7Version\x01";

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

/// A request that is served as long as its client reads.
const WATCH: &[u8] = b"\x82\xa7Command\xa6stream\xa3Seq\x08\x81\xa4Type\xa1*";

/// Says hello to Serf's RPC from a source address of its own, and then asks for a stream.
async fn watches(at: SocketAddr, source: [u8; 4]) -> (TcpStream, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    let mut stream = socket.connect(at).await.unwrap();
    let mut answer = vec![0; 4096];
    stream.write_all(HANDSHAKE).await.unwrap();
    let len = tokio::time::timeout(DEADLINE, stream.read(&mut answer)).await.expect("an answer").unwrap();
    let text = String::from_utf8_lossy(&answer[..len]).into_owned();
    if is_welcome(&text) {
        stream.write_all(WATCH).await.unwrap();
        tokio::time::timeout(DEADLINE, stream.read(&mut answer)).await.expect("an answer").unwrap();
    }
    (stream, text)
}

#[tokio::test]
async fn the_client_of_serfs_rpc_beyond_the_last_is_answered_with_an_error_under_its_number() {
    let mut config = config("a");
    config.serf_rpc = Some("127.0.0.1:0".parse().unwrap());
    let agent = start(config).await;
    let at = agent.listens().serf_rpc.unwrap();
    let mut held = Vec::new();
    for nth in 0..CLIENTS_MAX {
        let source = [127, 0, 0, 1 + (nth % 2) as u8]; // one address alone may not have all
        let (stream, answer) = watches(at, source).await;
        assert!(is_welcome(&answer), "{answer:?}");
        held.push(stream);
    }
    let (stream, answer) = watches(at, [127, 0, 0, 3]).await;
    assert!(answer.contains("all connections are in use"), "{answer:?}");
    assert!(answer.ends_with("Seq\x07"), "under the number of the request: {answer:?}");
    assert_eq!(rest(stream).await, "");
    held.pop();
    until("there is room again", async || {
        let (_, answer) = watches(at, [127, 0, 0, 3]).await;
        is_welcome(&answer).then_some(())
    })
    .await;
}
