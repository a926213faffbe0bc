//! Faults on purpose: the node behaves as if the line were cut.

mod common;

use common::*;
use rumormill_core::Loss;
use rumormill_runtime::{Cause, Config, ResolveError};

#[tokio::test]
async fn a_blocked_peer_is_neither_heard_nor_reached_and_comes_back() {
    let nodes = cluster(3).await;
    let (a, b, c) = (&nodes[0], &nodes[1], &nodes[2]);
    a.shake_hands(b, 1).await;
    a.stream(b, Word::wild(2)).await;
    wait("the stream", || b.heard(a, 2)).await;
    a.handle.faults().block(b.id()).unwrap();
    a.say(b, Word::wild(3)).await;
    a.stream(b, Word::wild(4)).await;
    wait("what a drops", || a.dropped(Cause::Fault) == 2).await;
    wait("the connection's end", || a.handle.counters().connections == 0).await;
    b.say(a, Word::tame(5)).await;
    wait("what a does not hear", || a.dropped(Cause::Fault) == 3).await;
    b.stream(a, Word::tame(6)).await;
    wait("the hint to b", || b.log.events.lock().unwrap().iter().any(|e| matches!(e, Event::Lost(..)))).await;
    wait("the hint to a", || a.saw(&Event::Lost(b.id(), Loss::TimedOut))).await;
    a.shake_hands(c, 7).await;
    for number in 3..=6 {
        assert_eq!(a.times_heard(number) + b.times_heard(number), 0, "{number} passed");
    }
    a.handle.faults().clear().unwrap();
    a.shake_hands(b, 8).await;
    b.stream(a, Word::wild(9)).await;
    wait("the stream again", || a.heard(b, 9)).await;
}

#[tokio::test]
async fn where_datagrams_are_blocked_connections_still_work_and_resolve() {
    let (a, b) = (launch(config(1)).await, launch(config(2)).await);
    b.handle.faults().block_datagrams(true).unwrap();
    assert_eq!(a.handle.resolve(b.address()).await, Ok(b.id()));
    a.stream(&b, Word::wild(1)).await;
    wait("the stream", || b.heard(&a, 1)).await;
    // b knows no address of a, but has its connection.
    b.say(&a, Word::wild(2)).await;
    wait("the answer", || a.heard(&b, 2)).await;
    assert_eq!(a.handle.counters().connections_opened, 1);
    assert_eq!(a.handle.resolve(a.address()).await, Err(ResolveError::Myself));
    b.handle.faults().block_address(b.address()).unwrap();
    assert_eq!(b.handle.resolve(b.address()).await, Err(ResolveError::TimedOut));
}

#[tokio::test]
async fn a_fraction_of_datagrams_is_dropped_on_both_ways() {
    let nodes = cluster(2).await;
    let (a, b) = (&nodes[0], &nodes[1]);
    a.handle.faults().drop_datagrams(0.0, 1.0).unwrap();
    a.say(b, Word::tame(1)).await;
    wait("the loss on departure", || a.dropped(Cause::Fault) == 1).await;
    a.handle.faults().drop_datagrams(1.0, 0.0).unwrap();
    a.say(b, Word::question(2)).await;
    wait("the loss on arrival", || b.heard(a, 2) && a.dropped(Cause::Fault) == 2).await;
    assert!(!a.heard(b, 2) && !b.heard(a, 1));
}

#[tokio::test]
async fn faults_need_the_switch() {
    let a = launch(Config { faults: false, ..config(1) }).await;
    assert!(a.handle.faults().block(a.id()).is_err());
}
