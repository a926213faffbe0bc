//! Seeds: asked until they answer, looked up again, and not forgotten once the cluster is found.

use crate::harness::*;
use std::net::{SocketAddr, UdpSocket};

/// A port that was free a moment ago, on an address from which no client of these tests connects, so that none of them takes it.
fn free() -> SocketAddr {
    UdpSocket::bind("127.0.88.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_seed_that_is_not_up_yet_is_asked_until_it_is() {
    let later = free();
    let mut b = config("b");
    b.join = vec![later.to_string().parse().unwrap()];
    let b = start(b).await;
    let mut a = config("a");
    a.bind = later;
    let a = start(a).await;
    until_alive(&b, 2).await;
    until_alive(&a, 2).await;
}

#[tokio::test]
async fn a_seed_that_comes_up_late_is_still_tried_by_a_cluster_that_did_without_it() {
    let later = free();
    let with_seed = |name: &str| {
        let mut config = config(name);
        config.join = vec![later.to_string().parse().unwrap()];
        config
    };
    let agents = cluster([with_seed("b"), with_seed("c")]).await;
    let mut a = config("a");
    a.bind = later;
    let a = start(a).await; // it knows nobody, and nobody tells it
    for agent in agents.iter().chain([&a]) {
        until_alive(agent, 3).await;
    }
}

#[tokio::test]
async fn a_seed_file_that_is_written_later_is_read_and_naming_oneself_in_it_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("seeds");
    let mut b = config("b");
    b.join_file = Some(file.clone());
    let b = start(b).await;
    let a = start(config("a")).await;
    std::fs::write(&file, format!("# everybody\n{}\n{}\n", gossip(&b), gossip(&a))).unwrap();
    until_alive(&b, 2).await;
    until_alive(&a, 2).await;
}
