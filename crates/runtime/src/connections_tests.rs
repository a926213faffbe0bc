//! The bounds on connections, on real loopback sockets.

use super::*;
use crate::counters::Counters;
use crate::faults::Faults;
use crate::keyring::{Key, Keyring};
use crate::seal::Seal;
use std::sync::Mutex;

fn shared(id: u64) -> Arc<Shared> {
    let keyring = Keyring::new(Key::new([5; 32]));
    Arc::new(Shared {
        seal: Mutex::new(Seal::new(NodeId(id), Life { epoch: 1, session: id }, "c", keyring.clone())),
        keyring,
        counters: Arc::new(Counters::new(&[])),
        faults: Faults::new(false, 0),
        strangers: Arc::default(),
    })
}

async fn connections(id: u64, connections_max: usize) -> (Connections, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (Connections::new(listener, shared(id), connections_max), address)
}

fn frame(byte: u8) -> Vec<u8> {
    let mut frame = frame::start();
    frame.extend([byte; 9]);
    frame
}

/// Drives both sides until `done`, and returns the messages that came to the first.
async fn drive(
    hub: &mut Connections,
    others: &mut [Connections],
    now: Time,
    done: impl Fn(&Connections, &[Connections], &[(NodeId, u8)]) -> bool,
) -> Vec<(NodeId, u8)> {
    let mut heard = vec![];
    let start = std::time::Instant::now();
    while !done(hub, others, &heard) {
        assert!(start.elapsed() < Duration::from_secs(30), "{} connections, {heard:?}", hub.len());
        while let Some(event) = hub.try_next() {
            if let Some((peer, bytes)) = step(hub, event, now) {
                heard.push((peer, bytes[0]));
            }
        }
        for other in others.iter_mut() {
            while let Some(event) = other.try_next() {
                step(other, event, now);
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    heard
}

fn step(connections: &mut Connections, event: ConnectionEvent, now: Time) -> Option<(NodeId, Vec<u8>)> {
    match event {
        ConnectionEvent::Accepted(established) => connections.adopt(*established, now),
        ConnectionEvent::Up { serial, life, .. } => connections.up(serial, life),
        ConnectionEvent::Message { serial, bytes } => return Some((connections.heard(serial, now)?, bytes)),
        ConnectionEvent::Closing { serial } => connections.closing(serial),
        ConnectionEvent::Ended { serial, loss } => drop(connections.ended(serial, loss)),
        ConnectionEvent::Taken { .. } | ConnectionEvent::Resolved { .. } | ConnectionEvent::Superseded(_) => {
        }
    }
    None
}

#[tokio::test]
async fn beyond_the_bound_the_connection_idle_longest_is_closed_and_its_peer_may_come_again() {
    let (mut hub, address) = connections(100, 3).await;
    let mut others = vec![];
    for id in 0..5u8 {
        let (mut other, _) = connections(u64::from(id), 9).await;
        other.send(NodeId(100), [address].into_iter(), frame(id), Time::ZERO).unwrap();
        others.push(other);
        let heard = drive(&mut hub, &mut others, Time(u64::from(id)), |_, _, heard| !heard.is_empty()).await;
        assert_eq!(heard, [(NodeId(u64::from(id)), id)]);
    }
    drive(&mut hub, &mut others, Time(9), |hub, _, _| hub.len() == 3).await;
    assert_eq!(hub.shared.counters.dropped(Cause::StreamEvicted), 2);
    let open: Vec<_> = (0..5).filter(|id| hub.is_open(NodeId(*id))).collect();
    assert_eq!(open, [2, 3, 4], "the two that were silent longest went");
    drive(&mut hub, &mut others, Time(9), |_, others, _| others[0].len() == 0).await;
    others[0].send(NodeId(100), [address].into_iter(), frame(7), Time::ZERO).unwrap();
    let heard = drive(&mut hub, &mut others, Time(10), |_, _, heard| !heard.is_empty()).await;
    assert_eq!(heard, [(NodeId(0), 7)]);
}

#[tokio::test]
async fn both_may_connect_at_once_and_nothing_is_lost() {
    let (mut a, at_a) = connections(1, 9).await;
    let (mut b, at_b) = connections(2, 9).await;
    for n in 0..20 {
        a.send(NodeId(2), [at_b].into_iter(), frame(n), Time::ZERO).unwrap();
        b.send(NodeId(1), [at_a].into_iter(), frame(100 + n), Time::ZERO).unwrap();
    }
    let mut others = [b];
    let heard = drive(&mut a, &mut others, Time(1), |_, _, heard| heard.len() == 20).await;
    assert_eq!(heard.iter().map(|h| h.1).collect::<Vec<_>>(), (100..120).collect::<Vec<_>>());
    assert!(a.len() <= 2);
}

#[tokio::test]
async fn the_queue_of_a_connection_is_bounded_in_messages_and_bytes() {
    let (mut a, _) = connections(1, 9).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap(); // accepts in the system, and says nothing
    let address = silent.local_addr().unwrap();
    for _ in 0..QUEUE_MESSAGES_MAX {
        a.send(NodeId(2), [address].into_iter(), frame(0), Time::ZERO).unwrap();
    }
    assert_eq!(a.send(NodeId(2), [address].into_iter(), frame(0), Time::ZERO), Err(QueueFull));
    let page = || vec![0; 64 * 1024];
    let taken =
        (0..100).take_while(|_| a.send(NodeId(3), [address].into_iter(), page(), Time::ZERO).is_ok()).count();
    assert_eq!(taken, QUEUE_BYTES_MAX / (64 * 1024));
}
