//! A peer whose process is gone and whose address another one has taken: what proves it, and what does not.

mod common;

use common::*;
use rumormill_core::{Duration, Loss, NodeId};
use rumormill_runtime::{Config, Contact};

/// The next process on the address of `gone`, which stops.
async fn successor(gone: &Node, id: u64) -> Node {
    gone.handle.shutdown().await;
    launch(Config { bind: gone.address(), ..config(id) }).await
}

/// Two nodes that have confirmed each other.
async fn friends() -> (Node, Node) {
    let mut nodes = cluster(2).await;
    let (b, a) = (nodes.pop().unwrap(), nodes.pop().unwrap());
    a.shake_hands(&b, 1).await;
    b.shake_hands(&a, 2).await;
    (a, b)
}

fn replaced(a: &Node, by: u64) -> bool {
    a.saw(&Event::Lost(NodeId(2), Loss::Replaced(NodeId(by))))
}

fn was_lost(a: &Node) -> bool {
    let events = a.log.events.lock().unwrap();
    events.iter().any(|event| matches!(event, Event::Lost(id, _) if *id == NodeId(2)))
}

#[tokio::test]
async fn an_attempt_to_reach_a_peer_that_another_one_answers_at_its_proved_address_shows_that_it_is_gone() {
    let (a, b) = friends().await;
    let _heir = successor(&b, 3).await;
    a.stream(&b, Word::wild(5)).await;
    wait("the proof", || replaced(&a, 3)).await;
}

#[tokio::test]
async fn who_speaks_from_the_address_of_another_makes_this_node_look_who_is_there() {
    let (a, b) = friends().await;
    let heir = successor(&b, 3).await;
    heir.learn(&a).await;
    assert!(!was_lost(&a));
    heir.shake_hands(&a, 7).await;
    wait("the proof", || replaced(&a, 3)).await;
}

#[tokio::test]
async fn an_address_that_was_only_advertised_proves_nothing() {
    let (a, b) = (launch(config(1)).await, launch(config(2)).await);
    let heir = successor(&b, 3).await;
    a.learn(&b).await; // from its card
    a.stream(&b, Word::wild(5)).await;
    wait("the loss", || was_lost(&a)).await;
    assert!(a.saw(&Event::Lost(NodeId(2), Loss::Refused)) && !replaced(&a, 3));
    // Not even after the other one proved that it is there.
    heir.learn(&a).await;
    heir.shake_hands(&a, 7).await;
    a.stream(&b, Word::wild(8)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!replaced(&a, 3));
}

#[tokio::test]
async fn an_address_where_only_a_connection_was_made_proves_nothing() {
    let (a, b) = (launch(config(1)).await, launch(config(2)).await);
    a.learn(&b).await;
    a.stream(&b, Word::tame(1)).await;
    wait("the stream", || b.heard(&a, 1)).await;
    let _heir = successor(&b, 3).await;
    until("the loss", || async {
        a.stream(&b, Word::wild(5)).await;
        soon(|| a.saw(&Event::Lost(NodeId(2), Loss::Refused))).await
    })
    .await;
    assert!(!replaced(&a, 3));
}

#[tokio::test]
async fn a_proof_is_about_the_life_that_gave_it() {
    let (a, b) = friends().await;
    let _heir = successor(&b, 3).await;
    // Its card tells of a later life, which never spoke from there.
    a.call(Call::Runs(NodeId(2), life(2))).await;
    a.stream(&b, Word::wild(5)).await;
    wait("the loss", || was_lost(&a)).await;
    assert!(!replaced(&a, 3));
}

#[tokio::test]
async fn one_that_moved_and_says_so_is_not_gone_though_another_one_has_its_old_address() {
    let (a, b) = friends().await;
    let old = b.address();
    b.handle.shutdown().await;
    let moved = launch(Config { life: life(2), ..config(2) }).await;
    let heir = launch(Config { bind: old, ..config(3) }).await;
    a.learn(&moved).await;
    heir.learn(&a).await;
    heir.shake_hands(&a, 7).await;
    a.stream(&moved, Word::tame(8)).await;
    wait("the stream", || moved.heard(&a, 8)).await;
    assert!(!replaced(&a, 3));
}

#[tokio::test]
async fn one_that_answers_at_another_of_its_addresses_is_not_gone() {
    let (a, b) = friends().await;
    let old = b.address();
    b.handle.shutdown().await;
    let again = launch(Config { life: life(2), ..config(2) }).await;
    let _heir = launch(Config { bind: old, ..config(3) }).await;
    let both = Contact::new([old, again.address()]);
    a.call(Call::Learn(NodeId(2), both.payload())).await;
    a.stream(&again, Word::tame(8)).await;
    wait("the stream", || again.heard(&a, 8)).await;
    assert!(!was_lost(&a));
}
