//! Nodes that talk: datagrams, connections, restarts, copies, keys.

mod common;

use common::*;
use rumormill_core::identity::Life;
use rumormill_core::{Duration, Loss, NodeId, Via};
use rumormill_runtime::{Cause, Config, Key, ResolveError, Stranger};

#[tokio::test]
async fn three_nodes_talk_by_datagram_and_by_stream() {
    let nodes = cluster(3).await;
    for a in &nodes {
        for b in nodes.iter().filter(|b| b.id() != a.id()) {
            let number = 10 * a.id().0 + b.id().0;
            a.shake_hands(b, number).await;
            a.stream(b, Word { load: Word::loaded(0, 60_000).load, ..Word::wild(100 + number) }).await;
            wait("a page", || b.saw(&Event::Heard(a.id(), 100 + number, 60_000))).await;
        }
    }
    let counters = nodes[0].handle.counters();
    assert!(counters.datagrams_sent >= 4 && counters.datagram_bytes_sent > 4 * 94, "{counters:?}");
    assert_eq!(counters.stream_messages_sent, 2);
    assert_eq!(counters.lanes[0].name, "tame");
    assert!(counters.lanes[0].sent >= 2 && counters.lanes[1].received >= 4, "{counters:?}");
    assert!(*nodes[0].log.batches.lock().unwrap() > 0);
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_takes_the_stream_and_the_answer_comes_back_over_it() {
    let nodes = cluster(2).await;
    let (a, b) = (&nodes[0], &nodes[1]);
    a.say(b, Word { wants_answer: true, ..Word::loaded(1, 5_000) }).await;
    wait("the question", || b.saw(&Event::Heard(a.id(), 1, 5_000))).await;
    wait("the answer", || a.saw(&Event::Heard(b.id(), 1, 5_000))).await;
    assert_eq!(a.handle.counters().datagrams_sent, 0);
    assert_eq!((a.handle.counters().connections, b.handle.counters().connections), (1, 1));
    assert_eq!(b.handle.counters().connections_opened, 0, "the connection that came in serves both ways");
}

#[tokio::test]
async fn the_largest_message_arrives_and_a_larger_one_is_dropped_and_counted() {
    let nodes = cluster(2).await;
    let (a, b) = (&nodes[0], &nodes[1]);
    a.say(b, Word::loaded(1, 64 * 1024 + 2_000)).await;
    a.say(b, Word::loaded(2, 64 * 1024)).await;
    wait("the largest", || b.saw(&Event::Heard(a.id(), 2, 64 * 1024))).await;
    assert_eq!(a.dropped(Cause::OversizedOut), 1);
    assert_eq!(b.times_heard(1), 0);
}

#[tokio::test]
async fn hundreds_of_messages_arrive_over_one_connection_in_order() {
    let nodes = cluster(2).await;
    let (a, b) = (&nodes[0], &nodes[1]);
    for number in 0..300 {
        a.stream(b, Word::loaded(number, 2_000)).await;
        if number % 50 == 49 {
            wait("that many", || b.times_heard(number) == 1).await;
        }
    }
    let events = b.log.events.lock().unwrap();
    let numbers: Vec<u64> =
        events.iter().filter_map(|e| if let Event::Heard(_, n, _) = e { Some(*n) } else { None }).collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    assert_eq!(a.handle.counters().connections_opened, 1);
}

#[tokio::test]
async fn an_address_is_resolved_to_whoever_is_there() {
    let (a, b) = (launch(config(1)).await, launch(config(2)).await);
    assert_eq!(a.handle.resolve(b.address()).await, Ok(b.id()));
    a.say(&b, Word::wild(5)).await; // the answer showed b's session, so a is confirmed from its first word on
    wait("the first word", || b.heard(&a, 5)).await;
    assert_eq!(a.handle.resolve(a.address()).await, Err(ResolveError::Myself));
    assert_eq!(a.handle.resolve("[::1]:1".parse().unwrap()).await, Err(ResolveError::Unreachable));
    let found = a.handle.inspect(|_, view| (view.book.id_of(view.local), view.book.len())).await.unwrap();
    assert_eq!(found, (None, 1));
}

#[tokio::test]
async fn an_address_where_nobody_is_is_refused() {
    let a = launch(config(1)).await;
    let gone = launch(config(2)).await;
    let address = gone.address();
    gone.handle.shutdown().await;
    assert_eq!(a.handle.resolve(address).await, Err(ResolveError::Refused));
}

#[tokio::test]
async fn a_message_for_somebody_without_an_address_is_lost_and_said_so() {
    let a = launch(config(1)).await;
    for via in [Via::Auto, Via::Stream] {
        a.call(Call::Say(NodeId(77), via, Word::tame(1))).await;
    }
    let lost = || {
        a.log.events.lock().unwrap().iter().filter(|e| **e == Event::Lost(NodeId(77), Loss::Unknown)).count()
    };
    wait("both hints", || lost() == 2).await;
    assert_eq!(a.dropped(Cause::NoAddress), 2);
}

#[tokio::test]
async fn a_stranger_is_answered_where_it_spoke_from() {
    let (a, b) = (launch(config(1)).await, launch(config(2)).await);
    a.learn(&b).await;
    a.shake_hands(&b, 3).await; // b never heard a's contact
}

#[tokio::test]
async fn a_word_that_could_be_old_is_refused_until_its_sender_proved_itself() {
    let (a, b) = (launch(config(1)).await, launch(config(2)).await);
    a.learn(&b).await;
    a.say(&b, Word::wild(1)).await;
    wait("the refusal", || b.dropped(Cause::Unconfirmed) == 1).await;
    // b's challenge tells a the session to name, so the next message passes without any other traffic.
    until("the next word", || async {
        a.say(&b, Word::wild(2)).await;
        soon(|| b.heard(&a, 2)).await
    })
    .await;
    assert!(!b.heard(&a, 1));
}

#[tokio::test]
async fn a_restart_is_known_at_once_at_its_new_address_and_its_old_packets_are_over() {
    let a = launch(config(1)).await;
    let b = launch(config(2)).await;
    a.learn(&b).await;
    b.learn(&a).await;
    a.shake_hands(&b, 1).await;
    b.shake_hands(&a, 2).await;
    a.stream(&b, Word::wild(3)).await;
    wait("the stream", || b.heard(&a, 3)).await;
    a.handle.shutdown().await;
    let again = launch(Config { life: life(2), ..config(1) }).await;
    assert_ne!(again.address(), a.address());
    again.learn(&b).await;
    again.shake_hands(&b, 4).await;
    let at = b.handle.inspect(|_, view| view.book.address(NodeId(1))).await.unwrap();
    assert_eq!(at, Some(again.address()), "a confirmed word moved the entry");
    b.stream(&again, Word::wild(5)).await;
    wait("the stream to the new life", || again.heard(&b, 5)).await;
}

#[tokio::test]
async fn a_copied_data_directory_learns_that_it_is_superseded() {
    let older = launch(config(1)).await;
    let newer = launch(Config { life: Life { session: life(1).session + 1, ..life(1) }, ..config(1) }).await;
    let b = launch(config(2)).await;
    for copy in [&older, &newer] {
        copy.learn(&b).await;
    }
    older.shake_hands(&b, 1).await;
    newer.shake_hands(&b, 2).await;
    older.say(&b, Word::wild(3)).await;
    wait("the notice", || *older.log.superseded.lock().unwrap() == [newer.handle.life()]).await;
    assert!(b.dropped(Cause::Stale) >= 1);
    assert!(!b.heard(&older, 3));
    assert!(newer.log.superseded.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_copy_learns_it_over_the_stream_as_well() {
    let older = launch(config(1)).await;
    let newer = launch(Config { life: life(2), ..config(1) }).await;
    let b = launch(config(2)).await;
    newer.learn(&b).await;
    newer.shake_hands(&b, 2).await;
    older.learn(&b).await;
    older.stream(&b, Word::tame(3)).await;
    wait("the notice", || *older.log.superseded.lock().unwrap() == [life(2)]).await;
    wait("the loss", || older.saw(&Event::Lost(b.id(), Loss::Reset))).await;
    assert_eq!(b.times_heard(3), 0);
}

#[tokio::test]
async fn two_copies_that_meet_agree_which_one_gives_way() {
    let older = launch(config(1)).await;
    let newer = launch(Config { life: life(2), ..config(1) }).await;
    assert_eq!(newer.handle.resolve(older.address()).await, Err(ResolveError::Copy(life(1))));
    wait("the notice", || *older.log.superseded.lock().unwrap() == [life(2)]).await;
    let older = launch(config(1)).await;
    let result = older.handle.resolve(newer.address()).await;
    assert!(matches!(result, Err(ResolveError::Copy(_) | ResolveError::Stranger)), "{result:?}");
    wait("the notice", || *older.log.superseded.lock().unwrap() == [life(2)]).await;
    assert!(newer.log.superseded.lock().unwrap().is_empty());
}

#[tokio::test]
async fn another_key_gets_no_answer_and_is_noted() {
    let b = launch(config(2)).await;
    let stranger = launch(Config { keyring: key(9), ..config(1) }).await;
    assert_eq!(stranger.handle.resolve(b.address()).await, Err(ResolveError::Stranger));
    is_refused(&stranger, &b).await;
    assert_eq!(b.handle.counters().datagrams_sent, 0, "silence");
    let [seen] = &b.handle.strangers().list()[..] else { panic!("one address") };
    assert_eq!((seen.source.ip(), seen.guess), (stranger.address().ip(), Stranger::OtherKey));
}

#[tokio::test]
async fn another_cluster_of_the_same_key_is_told_its_name_and_no_more() {
    let b = launch(config(2)).await;
    let stranger = launch(Config { cluster: "trains".into(), ..config(1) }).await;
    let name = config(2).cluster;
    let refused = Err(ResolveError::OtherCluster(Some(name)));
    assert_eq!(stranger.handle.resolve(b.address()).await, refused);
    assert_eq!(stranger.handle.connect(b.address()).await, refused, "over a connection alone");
    is_refused(&stranger, &b).await;
    let [seen] = &b.handle.strangers().list()[..] else { panic!("one address") };
    assert_eq!(seen.guess, Stranger::OtherCluster);
    let (told, asked) = (b.handle.counters(), stranger.handle.counters());
    assert!(told.datagrams_sent <= asked.datagrams_sent, "at most an answer each");
    assert!(told.datagram_bytes_sent <= asked.datagram_bytes_sent, "and none is longer than what it answers");
    assert!(b.handle.inspect(|_, view| view.book.is_empty()).await.unwrap(), "nothing is learned of it");
}

/// What `stranger` sends is dropped at `b`.
async fn is_refused(stranger: &Node, b: &Node) {
    let before = b.dropped(Cause::Unreadable);
    stranger.learn(b).await;
    stranger.say(b, Word::tame(1)).await;
    wait("the refusal", || b.dropped(Cause::Unreadable) > before).await;
    stranger.stream(b, Word::tame(1)).await;
    wait("the loss", || stranger.saw(&Event::Lost(b.id(), Loss::Reset))).await;
    assert_eq!(b.times_heard(1), 0);
}

#[tokio::test]
async fn keys_are_rotated_while_nodes_talk() {
    // Each node reads its own key file.
    let a = launch(config(1)).await;
    let b = launch(Config { keyring: key(1), ..config(2) }).await;
    a.learn(&b).await;
    b.learn(&a).await;
    let talk = async |number: u64| {
        a.shake_hands(&b, number).await;
        b.shake_hands(&a, number + 1).await;
        a.stream(&b, Word::wild(number + 2)).await;
        wait("the stream", || b.heard(&a, number + 2)).await;
    };
    let (old, new) = (a.handle.keyring().primary(), Key::new([2; 32]));
    talk(10).await;
    let name = a.handle.keyring().install(new.clone()).unwrap();
    talk(20).await;
    b.handle.keyring().install(new).unwrap();
    a.handle.keyring().use_primary(name).unwrap();
    talk(30).await;
    b.handle.keyring().use_primary(name).unwrap();
    talk(40).await;
    a.handle.keyring().remove(old).unwrap();
    b.handle.keyring().remove(old).unwrap();
    // The connection stood on the removed key: it is cut, and the next one stands on the new key.
    until("a stream under the new key", || async {
        a.stream(&b, Word::wild(50)).await;
        soon(|| b.heard(&a, 50)).await
    })
    .await;
    talk(60).await;
    assert_eq!(a.handle.keyring().list(), [name]);
}

#[tokio::test]
async fn nodes_talk_over_ipv6_and_a_wildcard_socket_over_both() {
    let at = |ip: &str| Config { bind: ip.parse().unwrap(), ..config(1) };
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("no IPv6 on this machine: nothing to tell");
        return;
    }
    let a = launch(at("[::1]:0")).await;
    let b = launch(Config { me: NodeId(2), ..at("[::1]:0") }).await;
    a.learn(&b).await;
    a.shake_hands(&b, 1).await;
    a.stream(&b, Word::wild(2)).await;
    wait("the stream", || b.heard(&a, 2)).await;
    let both = launch(Config { me: NodeId(3), ..at("[::]:0") }).await;
    let v4 = launch(config(4)).await;
    let port = both.address().port();
    assert_eq!(a.handle.resolve(format!("[::1]:{port}").parse().unwrap()).await, Ok(both.id()));
    assert_eq!(v4.handle.resolve(format!("127.0.0.1:{port}").parse().unwrap()).await, Ok(both.id()));
    assert_eq!(both.handle.resolve(v4.address()).await, Ok(v4.id()));
    v4.say(&both, Word::wild(7)).await;
    wait("a word by IPv4", || both.heard(&v4, 7)).await;
    let seen = both.handle.inspect(|_, view| view.book.address(NodeId(4))).await.unwrap();
    assert_eq!(seen, Some(v4.address()), "written as IPv4");
}

#[tokio::test]
async fn timers_come_in_order_and_not_early() {
    let a = launch(config(1)).await;
    for ms in [30u64, 10, 20, 0] {
        a.call(Call::After(Duration::from_millis(ms), ms)).await;
    }
    let ticks = || {
        let events = a.log.events.lock().unwrap();
        let tick = |e: &Event| if let Event::Tick(tag, at) = e { Some((*tag, *at)) } else { None };
        events.iter().filter_map(tick).collect::<Vec<_>>()
    };
    wait("four ticks", || ticks().len() == 4).await;
    let ticks = ticks();
    assert_eq!(ticks.iter().map(|t| t.0).collect::<Vec<_>>(), [0, 10, 20, 30]);
    assert!(ticks.iter().all(|(ms, at)| at.0 >= ms * 1_000_000), "{ticks:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_hint_and_the_next_message_makes_a_new_one() {
    let nodes = cluster(2).await;
    let (a, b) = (&nodes[0], &nodes[1]);
    a.call(Call::Watch(b.id(), true)).await;
    wait("the watched connection", || b.handle.counters().connections == 1).await;
    b.handle.shutdown().await;
    wait("the hint", || a.saw(&Event::Lost(b.id(), Loss::Reset))).await;
    a.stream(b, Word::tame(1)).await;
    wait("the refusal", || a.saw(&Event::Lost(b.id(), Loss::Refused))).await;
    let again = launch(Config { bind: b.address(), life: life(2), ..config(2) }).await;
    a.stream(&again, Word::wild(2)).await;
    wait("the message", || again.heard(a, 2)).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_hint() {
    let nodes = cluster(2).await;
    let (a, b) = (&nodes[0], &nodes[1]);
    a.stream(b, Word::wild(1)).await;
    wait("the message", || b.heard(a, 1)).await;
    tokio::time::pause(); // fifteen seconds pass as soon as nobody has anything to do
    wait("the end", || a.handle.counters().connections + b.handle.counters().connections == 0).await;
    tokio::time::resume();
    let lost = |n: &Node| n.log.events.lock().unwrap().iter().any(|e| matches!(e, Event::Lost(..)));
    assert!(!lost(a) && !lost(b));
    a.stream(b, Word::wild(2)).await;
    wait("a new connection", || b.heard(a, 2)).await;
}

#[tokio::test]
async fn the_node_stops_when_nobody_holds_it_any_more() {
    let a = launch(config(1)).await;
    let address = a.address();
    let counters = a.handle.clone();
    drop(a);
    drop(counters);
    wait("the port", || std::net::UdpSocket::bind(address).is_ok()).await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_costs_a_bounded_queue_and_is_given_up() {
    let a = launch(config(1)).await;
    let b = launch(config(2)).await;
    // A relay that lets the handshake pass and then stops reading.
    let relay = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    a.learn_at(b.id(), relay.local_addr().unwrap()).await;
    let target = b.address();
    let (keep, kept) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut from, _) = relay.accept().await.unwrap();
        let mut to = tokio::net::TcpStream::connect(target).await.unwrap();
        let mut buffer = [0; 4_096];
        for _ in 0..2 {
            let length = usize::from(from.read_u16().await.unwrap());
            from.read_exact(&mut buffer[..length]).await.unwrap();
            to.write_u16(length as u16).await.unwrap();
            to.write_all(&buffer[..length]).await.unwrap();
            std::mem::swap(&mut from, &mut to);
        }
        let _ = kept.await;
    });
    until("a full queue", || async {
        a.stream(&b, Word::loaded(1, 60_000)).await;
        soon(|| a.dropped(Cause::StreamQueueFull) > 0).await
    })
    .await;
    wait("the protocol to know", || a.saw(&Event::Shed(b.id(), 0))).await;
    tokio::time::pause(); // the patience with a peer that does not read passes at once
    wait("the hint", || a.saw(&Event::Lost(b.id(), Loss::TimedOut))).await;
    tokio::time::resume();
    drop(keep);
}
