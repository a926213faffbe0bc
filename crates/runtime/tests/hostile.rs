//! Whoever holds no key can do nothing: not with recorded packets, not with damaged ones, not with garbage, not with silence.

mod common;

use common::*;
use rumormill_runtime::seal::{Kind, Seal};
use rumormill_runtime::{Cause, Config, Fingerprint};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Two nodes that are confirmed to each other, and a recorder on the way from the first to the second.
async fn recorded() -> (Node, Node, Tap) {
    let (a, b) = (launch(config(1)).await, launch(config(2)).await);
    let tap = Tap::between(a.address(), b.address()).await;
    a.learn_at(b.id(), tap.address).await;
    a.shake_hands(&b, 1).await;
    (a, b, tap)
}

#[tokio::test]
async fn a_recorded_packet_sent_again_is_refused_and_counted() {
    let (a, b, tap) = recorded().await;
    a.say(&b, Word::wild(42)).await;
    wait("the word", || b.heard(&a, 42)).await;
    let mallory = UdpSocket::bind("127.0.0.1:0").unwrap();
    let before = b.handle.inspect(|_, view| view.book.address(rumormill_core::NodeId(1))).await.unwrap();
    for sent in 1..=5 {
        mallory.send_to(&tap.last(), b.address()).unwrap();
        wait("the refusal", || b.dropped(Cause::Replayed) == sent).await;
    }
    assert_eq!(b.times_heard(42), 1);
    let after = b.handle.inspect(|_, view| view.book.address(rumormill_core::NodeId(1))).await.unwrap();
    assert_eq!(before, after, "and it moves no address");
}

#[tokio::test]
async fn packets_recorded_before_a_restart_of_the_receiver_do_no_harm_and_move_no_address() {
    let (a, b, tap) = recorded().await;
    a.say(&b, Word::wild(42)).await;
    wait("the word", || b.heard(&a, 42)).await;
    let recorded = tap.last();
    b.handle.shutdown().await;
    let again = launch(Config { bind: b.address(), life: life(2), ..config(2) }).await;
    again.learn_at(a.id(), tap.address).await;
    let mallory = UdpSocket::bind("127.0.0.1:0").unwrap();
    mallory.send_to(&recorded, again.address()).unwrap();
    wait("the refusal", || again.dropped(Cause::Unconfirmed) > 0).await;
    mallory.send_to(&recorded, again.address()).unwrap();
    wait("the refusal", || again.dropped(Cause::Replayed) == 1).await;
    assert_eq!(again.times_heard(42), 0);
    let at = again.handle.inspect(|_, view| view.book.address(rumormill_core::NodeId(1))).await.unwrap();
    assert_eq!(at, Some(tap.address));
    a.shake_hands(&again, 50).await;
}

#[tokio::test]
async fn a_packet_damaged_at_any_place_is_refused() {
    let (a, b, tap) = recorded().await;
    // One that b has not seen: recorded while b is cut off.
    b.handle.faults().block_datagrams(true).unwrap();
    let kept = tap.kept.lock().unwrap().len();
    a.say(&b, Word::wild(42)).await;
    wait("the record", || tap.kept.lock().unwrap().len() > kept).await;
    wait("the loss", || b.dropped(Cause::Fault) > 0).await;
    b.handle.faults().clear().unwrap();
    let good = tap.last();
    let mallory = UdpSocket::bind("127.0.0.1:0").unwrap();
    let refused = || {
        let causes = [Cause::Version, Cause::Kind, Cause::NotForMe, Cause::Unreadable, Cause::Truncated];
        causes.iter().map(|cause| b.dropped(*cause)).sum::<u64>()
    };
    let before = refused();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        mallory.send_to(&bad, b.address()).unwrap();
        wait("the refusal", || refused() == before + 1 + at as u64).await;
    }
    for length in [0, 1, 41, 65, good.len() - 1] {
        let before = refused();
        mallory.send_to(&good[..length], b.address()).unwrap();
        wait("the refusal", || refused() == before + 1).await;
    }
    assert_eq!(b.times_heard(42), 0);
    mallory.send_to(&good, b.address()).unwrap();
    wait("the good one", || b.times_heard(42) == 1).await;
}

#[tokio::test]
async fn oversized_datagrams_and_unknown_versions_are_dropped_each_under_its_name() {
    let b = launch(config(2)).await;
    let mallory = UdpSocket::bind("127.0.0.1:0").unwrap();
    mallory.send_to(&[1; 2_048], b.address()).unwrap();
    mallory.send_to(&[1; 9_000], b.address()).unwrap();
    wait("the sizes", || b.dropped(Cause::OversizedIn) == 2).await;
    mallory.send_to(&[9; 100], b.address()).unwrap();
    wait("the version", || b.dropped(Cause::Version) == 1).await;
    mallory.send_to(&[1, 200, 0, 0, 0, 0].repeat(20), b.address()).unwrap();
    wait("the kind", || b.dropped(Cause::Kind) == 1).await;
    mallory.send_to(&[], b.address()).unwrap();
    wait("nothing at all", || b.dropped(Cause::Truncated) == 1).await;
    assert_eq!(b.handle.counters().datagrams_sent, 0, "and nothing is answered");
}

#[tokio::test]
async fn garbage_on_the_tcp_port_closes_that_connection_and_nothing_else() {
    let nodes = cluster(2).await;
    let (a, b) = (&nodes[0], &nodes[1]);
    let http = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    let loud = vec![0xff; 100_000];
    let right_length = [&[0, 100][..], &[1; 100]].concat();
    for (n, garbage) in [http, loud, right_length].into_iter().enumerate() {
        let mut mallory = TcpStream::connect(b.address()).await.unwrap();
        let _ = mallory.write_all(&garbage).await;
        let mut answer = vec![];
        let _ = mallory.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "garbage {n} was answered");
    }
    let counted =
        b.dropped(Cause::StreamHandshake) + b.dropped(Cause::Unreadable) + b.dropped(Cause::NotForMe);
    assert_eq!(counted, 3);
    a.stream(b, Word::wild(1)).await;
    wait("a member's message", || b.heard(a, 1)).await;
}

#[tokio::test]
async fn silence_on_the_tcp_port_is_cut_off_and_keeps_no_member_out() {
    let nodes = cluster(2).await;
    let (a, b) = (&nodes[0], &nodes[1]);
    let mut silent = vec![];
    for n in 0..200 {
        let mut mallory = TcpStream::connect(b.address()).await.unwrap();
        mallory.write_all(&[0; 1][..n % 2]).await.unwrap(); // every other one begins, and goes no further
        silent.push(mallory);
    }
    a.stream(b, Word::wild(1)).await;
    wait("a member's message", || b.heard(a, 1)).await;
    wait("the end of all", || b.dropped(Cause::StreamHandshake) == 200).await;
    assert_eq!(b.handle.counters().connections, 1);
}

/// Silent connections held open at one time: so many that a newcomer waits longer than a handshake may take, where each is given a second.
const SILENT: usize = 700;

/// Opens connections as fast as it can and says nothing on them, until it is dropped.
struct Flood {
    task: tokio::task::JoinHandle<()>,
    opened: Arc<AtomicUsize>,
}

impl Flood {
    fn of(target: SocketAddr, from: IpAddr, held: usize) -> Flood {
        let opened = Arc::new(AtomicUsize::new(0));
        let count = opened.clone();
        let task = tokio::spawn(async move {
            let mut silent = VecDeque::new();
            loop {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_reuseaddr(true).unwrap();
                socket.bind((from, 0).into()).unwrap();
                let connecting = tokio::time::timeout(Duration::from_millis(200), socket.connect(target));
                if let Ok(Ok(mallory)) = connecting.await {
                    silent.push_back(mallory);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                if silent.len() > held {
                    silent.pop_front();
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        Flood { task, opened }
    }

    async fn opens(&self, count: usize) {
        wait("the flood", || self.opened.load(Ordering::Relaxed) >= count).await;
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// From its own address, from another one, and from several at once.
#[tokio::test]
async fn a_flood_of_silent_connections_keeps_no_member_out() {
    for sources in [&[1][..], &[2], &[2, 3, 4]] {
        let nodes = cluster(2).await;
        let (a, b) = (&nodes[0], &nodes[1]);
        let held = SILENT / sources.len();
        let flood = |n: &u8| Flood::of(b.address(), [127, 0, 0, *n].into(), held);
        let floods: Vec<Flood> = sources.iter().map(flood).collect();
        for flood in &floods {
            flood.opens(held + 50).await;
        }
        for word in 1..=5 {
            let let_go = b.dropped(Cause::StreamHandshake);
            let newcomer = launch(config(10 + word)).await;
            newcomer.learn(b).await;
            newcomer.stream(b, Word::wild(word)).await;
            wait("the newcomer's message", || b.heard(&newcomer, word)).await;
            newcomer.handle.shutdown().await;
            let before_it = b.dropped(Cause::StreamHandshake) - let_go;
            assert!(before_it < SILENT as u64 / 2, "{before_it} others went before it: {sources:?}");
        }
        a.stream(b, Word::wild(9)).await;
        wait("a member's message", || b.heard(a, 9)).await;
    }
}

/// They hold the key: nobody else gets so far.
#[tokio::test]
async fn ids_that_strangers_make_up_push_out_no_members_session() {
    let (a, b, tap) = recorded().await;
    a.say(&b, Word::wild(42)).await;
    wait("the word", || b.heard(&a, 42)).await;
    let of_a = tap.last();
    let mallory = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut made_up = 0;
    while b.dropped(Cause::SessionEvicted) < 500 {
        for _ in 0..50 {
            made_up += 1;
            assert!(made_up < 50_000, "the table of strangers has no end");
            let (id, cluster) = (rumormill_core::NodeId(1_000_000 + made_up), config(2).cluster);
            let mut seal = Seal::new(id, life(1), &cluster, key(1));
            let mut packet = Vec::new();
            Seal::start(&mut packet);
            seal.seal(Kind::Data, b.id(), &mut packet);
            mallory.send_to(&packet, b.address()).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let replayed = b.dropped(Cause::Replayed);
    mallory.send_to(&of_a, b.address()).unwrap();
    wait("the refusal", || b.dropped(Cause::Replayed) == replayed + 1).await;
    assert_eq!(b.times_heard(42), 1);
    a.say(&b, Word::wild(43)).await;
    wait("the next word", || b.heard(&a, 43)).await;
}

#[tokio::test]
async fn a_frame_of_four_gibibytes_is_refused_before_anything_is_allocated() {
    let nodes = cluster(2).await;
    let (a, b) = (&nodes[0], &nodes[1]);
    // A relay that lets the handshake pass, and then adds a length of its own to what a says.
    let relay = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    a.learn_at(b.id(), relay.local_addr().unwrap()).await;
    let target = b.address();
    tokio::spawn(async move {
        let (mut from, _) = relay.accept().await.unwrap();
        let mut to = TcpStream::connect(target).await.unwrap();
        let mut buffer = [0; 4_096];
        for _ in 0..2 {
            let length = usize::from(from.read_u16().await.unwrap());
            from.read_exact(&mut buffer[..length]).await.unwrap();
            to.write_u16(length as u16).await.unwrap();
            to.write_all(&buffer[..length]).await.unwrap();
            std::mem::swap(&mut from, &mut to);
        }
        let mut first = [0; 20];
        from.read_exact(&mut first).await.unwrap();
        to.write_all(&first).await.unwrap();
        to.write_all(&[0xff; 4]).await.unwrap();
        let _ = to.read_to_end(&mut vec![]).await;
    });
    a.stream(b, Word::wild(1)).await;
    wait("the refusal", || b.dropped(Cause::StreamLength) == 1).await;
    wait("its end", || b.handle.counters().connections == 0).await;
    wait("the hint", || a.log.events.lock().unwrap().iter().any(|e| matches!(e, Event::Lost(..)))).await;
}

#[tokio::test]
async fn keys_are_listed_by_fingerprint_and_never_shown() {
    let a = launch(config(1)).await;
    let shown = format!("{:?} {:?} {:?}", a.handle, a.handle.keyring(), config(1));
    let name: Fingerprint = a.handle.keyring().primary();
    assert!(shown.contains(&name.to_string()));
    assert!(
        !shown.contains("1, 1, 1, 1") && !shown.contains("01010101") && !shown.contains("AQEBAQEB"),
        "{shown}"
    );
}
