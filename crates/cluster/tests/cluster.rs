//! Clusters of two and three members in one program, over real UDP and TCP on loopback.

use futures_util::StreamExt;
use rumormill_cluster::{
    Address, Builder, Cluster, Delivery, Error, Event, Events, Filter, Key, Keyring, Query, Reply, Status,
    Why,
};
use rumormill_protocols::member::swim;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a test waits for what it waits for: far more than any of this takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn member(name: &str) -> Builder {
    let keyring = Keyring::new(Key::new([7; 32]));
    Cluster::builder(name).keyring(keyring).bind("127.0.0.1:0").swim(swim::Config::local())
}

/// The next event that `pick` picks.
async fn next<T>(events: &mut Events, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
    let found = async {
        while let Some(event) = StreamExt::next(events).await {
            if let Some(picked) = pick(&event) {
                return picked;
            }
        }
        panic!("the stream ended before");
    };
    tokio::time::timeout(PATIENCE, found).await.expect("it comes in time")
}

async fn next_text(events: &mut Events) -> String {
    next(events, |event| match event {
        Event::Message(message) => Some(message.text().into_owned()),
        _ => None,
    })
    .await
}

async fn until_live(cluster: &Cluster, count: usize) {
    let agree = async {
        while cluster.members().await.unwrap().iter().filter(|member| member.is_live()).count() != count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, agree).await.expect("the views agree in time");
}

#[tokio::test]
async fn two_members_of_one_key_file_meet_exchange_messages_and_one_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, format!("{}\n", Key::generate().unwrap().reveal())).unwrap();
    let a = Cluster::builder("a").key_file(&key).bind("127.0.0.1:0").start().await.unwrap();
    let b = Cluster::builder("b").key_file(&key).bind("127.0.0.1:0").join(a.addr()).tag("role", "web");
    let b = b.start().await.unwrap();
    let mut events = a.subscribe();
    b.joined().await.unwrap();
    a.joined().await.unwrap();
    let id = b.publish("deploy", "v1.2").await.unwrap();
    let up = next(&mut events, |event| match event {
        Event::Up(member) => Some(member.clone()),
        _ => None,
    });
    let up = up.await;
    assert_eq!((up.name.as_str(), up.id, up.status), ("b", b.id(), Status::Alive));
    assert_eq!((&up.addresses[..], up.tags["role"].as_str()), (&[b.addr()][..], "web"));
    let message = next(&mut events, |event| match event {
        Event::Message(message) => Some(message.clone()),
        _ => None,
    });
    let message = message.await;
    assert_eq!(
        (message.id, message.from(), &*message.name(), &*message.text()),
        (id, b.id(), "deploy", "v1.2")
    );
    b.leave().await.unwrap();
    let left =
        next(&mut events, |event| matches!(event, Event::Left(member) if member.name == "b").then_some(()));
    left.await;
    assert!(matches!(b.publish("late", "").await, Err(Error::Stopped)), "it has stopped");
    let mut last = b.subscribe();
    assert!(last.next().await.is_none(), "its streams have ended");
}

#[tokio::test]
async fn of_three_members_one_is_cut_off_fails_returns_and_hears_what_it_missed() {
    let a = member("a").start().await.unwrap();
    let b = member("b").join(a.addr()).start().await.unwrap();
    let c = member("c").join(a.addr()).allow_faults().start().await.unwrap();
    for one in [&a, &b, &c] {
        one.joined().await.unwrap();
        until_live(one, 3).await;
    }
    let (mut at_a, mut at_c) = (a.subscribe(), c.subscribe());
    for other in [&a, &b] {
        c.faults().block(other.id()).unwrap();
    }
    let failed =
        next(&mut at_a, |event| matches!(event, Event::Failed(member) if member.name == "c").then_some(()));
    failed.await;
    b.publish("deploy", "behind the cut").await.unwrap();
    c.faults().clear().unwrap();
    assert_eq!(next_text(&mut at_c).await, "behind the cut");
    let back =
        next(&mut at_a, |event| matches!(event, Event::Up(member) if member.name == "c").then_some(()));
    back.await;
}

#[tokio::test]
async fn a_late_reader_is_told_how_many_events_it_missed_and_reads_on() {
    let a = member("a").start().await.unwrap();
    let (mut late, mut fast) = (a.subscribe_with(10), a.subscribe());
    for n in 0..50 {
        a.publish("count", n.to_string()).await.unwrap();
    }
    for n in 0..50 {
        assert_eq!(next_text(&mut fast).await, n.to_string());
    }
    assert!(matches!(late.next().await, Some(Event::Missed(40))));
    for n in 40..50 {
        assert_eq!(next_text(&mut late).await, n.to_string());
    }
    assert!(late.try_next().is_none());
}

#[tokio::test]
async fn a_dropped_member_stops_and_the_others_find_it_failed() {
    let a = member("a").start().await.unwrap();
    let b = member("b").join(a.addr()).start().await.unwrap();
    b.joined().await.unwrap();
    let (mut events, mut of_b) = (a.subscribe(), b.subscribe());
    let clone = b.clone();
    drop(b);
    clone.publish("still", "here").await.unwrap();
    drop(clone);
    let ended = async { while StreamExt::next(&mut of_b).await.is_some() {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("the node stops");
    let failed =
        next(&mut events, |event| matches!(event, Event::Failed(member) if member.name == "b").then_some(()));
    failed.await;
}

#[tokio::test]
async fn a_query_is_answered_by_the_members_that_its_filter_matches() {
    let a = member("a").tag("role", "db").start().await.unwrap();
    let b = member("b").tag("role", "web").join(a.addr()).start().await.unwrap();
    let c = member("c").tag("role", "web").join(a.addr()).start().await.unwrap();
    for one in [&a, &b, &c] {
        until_live(one, 3).await;
    }
    for one in [b.clone(), c.clone()] {
        let mut events = one.subscribe();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Event::Question(question) = event {
                    assert_eq!((&*question.name(), &*question.text()), ("load", "now?"));
                    match one.name() {
                        "b" => question.answer(vec![1; 60 * 1024]).await.unwrap(),
                        _ => question.fail("no idea").await.unwrap(),
                    }
                    break;
                }
            }
        });
    }
    let tagged = |pattern: &str| Filter::default().tag("role", pattern);
    let refused = a.ask(Query::new("load", "").to(tagged("("))).await;
    assert!(matches!(refused, Err(Error::Filter(_))));
    let none = a.ask(Query::new("load", "").to(Filter::default().names_like("x.*"))).await.unwrap();
    assert_eq!((none.expected, none.timeout), (0, Duration::ZERO));
    let nobody = tokio::time::timeout(PATIENCE, none.collect()).await.unwrap().summary.unwrap();
    assert_eq!((nobody.asked, nobody.acknowledged), (0, 0), "it is over at once");
    let replies = a.ask(Query::new("load", "now?").to(tagged("we."))).await.unwrap();
    assert_eq!(replies.expected, 2);
    let all = tokio::time::timeout(PATIENCE, replies.collect()).await.unwrap();
    assert_eq!((all.answers.len(), all.failures.len()), (1, 1));
    assert_eq!((all.answers[0].0.name.as_str(), all.answers[0].1.len()), ("b", 60 * 1024));
    assert_eq!((all.failures[0].0.name.as_str(), all.failures[0].1.as_str()), ("c", "no idea"));
    let summary = all.summary.unwrap();
    assert_eq!((summary.asked, summary.acknowledged, summary.answered, summary.failed), (2, 2, 2, 1));
    let mut replies = a.query("nobody answers", "").await.unwrap();
    assert!(matches!(StreamExt::next(&mut replies).await, Some(Reply::Ack(_))));
}

#[tokio::test]
async fn tags_and_messages_reach_the_bounds_of_the_wire_and_no_further() {
    let a = member("a").start().await.unwrap();
    let b = member("b").join(a.addr()).start().await.unwrap();
    b.joined().await.unwrap();
    let mut events = a.subscribe();
    let tags = |bytes| BTreeMap::from([("data".to_string(), "x".repeat(bytes))]);
    b.set_tags(tags(60_000)).await.unwrap();
    let seen = next(&mut events, |event| match event {
        Event::Changed(member) => member.tags.get("data").map(String::len),
        _ => None,
    });
    assert_eq!(seen.await, 60_000);
    assert!(matches!(b.set_tags(tags(70_000)).await, Err(Error::TooLarge { max: 65_536, .. })));
    assert!(matches!(b.set_tags(BTreeMap::from([(String::new(), "".into())])).await, Err(Error::EmptyTag)));
    let large = vec![b'y'; 64 * 1024];
    b.publish_as("large", &large, Delivery { unordered: true, coalesce: true }).await.unwrap();
    assert_eq!(next_text(&mut events).await.len(), large.len());
    let refused = b.publish("large", vec![0; 64 * 1024 + 1]).await;
    assert!(matches!(refused, Err(Error::TooLarge { bytes: 65_537, max: 65_536, .. })), "{refused:?}");
    let covered = b.publish_confirmed("small", "z", PATIENCE).await.unwrap();
    assert_eq!((covered.asked, covered.confirmed, covered.missing), (1, 1, vec![]));
}

#[tokio::test]
async fn with_a_data_directory_a_member_comes_back_as_itself_without_a_seed_and_hears_no_event_twice() {
    let dir = tempfile::tempdir().unwrap();
    let a = member("a").start().await.unwrap();
    let b = || member("b").data_dir(dir.path());
    let first = b().join(a.addr()).start().await.unwrap();
    first.joined().await.unwrap();
    let mut events = first.subscribe();
    first.set_tags(BTreeMap::from([("kept".to_string(), "yes".into())])).await.unwrap();
    a.publish("count", "1").await.unwrap();
    assert_eq!(next_text(&mut events).await, "1");
    let id = first.id();
    let in_use = b().start().await;
    assert!(matches!(in_use, Err(Error::DataDir(_))), "{in_use:?}");
    first.stop().await.unwrap();
    a.publish("count", "2").await.unwrap();
    let second = b().start().await.unwrap();
    let mut events = second.subscribe();
    second.joined().await.unwrap();
    until_live(&second, 2).await;
    assert_eq!(next_text(&mut events).await, "2", "what it heard before is not repeated");
    assert_eq!(second.id(), id);
    assert_eq!(second.member(id).await.unwrap().unwrap().tags["kept"], "yes");
}

/// What a program spawns on a runtime of several threads.
#[tokio::test]
async fn the_futures_of_a_member_may_move_between_threads() {
    fn movable<T: Send>(future: T) -> T {
        future
    }
    let a = movable(member("a").start()).await.unwrap();
    movable(a.joined()).await.unwrap();
    movable(a.members()).await.unwrap();
    movable(a.publish("name", "payload")).await.unwrap();
    drop(movable(a.join("127.0.0.1:1")));
    drop(movable(a.query("name", "payload").await.unwrap().collect()));
    movable(a.leave()).await.unwrap();
}

#[tokio::test]
async fn errors_are_typed_and_say_what_to_do() {
    let missing = Cluster::builder("a").key_file("/nowhere/key").bind("127.0.0.1:0").start().await;
    assert!(matches!(&missing, Err(Error::KeyFile { .. })), "{missing:?}");
    let open = Cluster::builder("a").bind("0.0.0.0:0").start().await.unwrap_err();
    assert!(matches!(open, Error::Start(_)) && open.to_string().contains("key"), "{open}");
    let again = Cluster::builder("a").keyring(Keyring::new(Key::new([7; 32]))).bind("127.0.0.1:0");
    for wrong in [
        member(""),
        member("a\tb"),
        again.clone().cluster(""),
        again.clone().budget_bytes_per_s(0),
        again.swim(swim::Config { period: Duration::ZERO, ..swim::Config::local() }),
    ] {
        let refused = wrong.start().await.unwrap_err();
        assert!(matches!(refused, Error::Setting { .. }), "{refused:?}");
    }
    let name = Cluster::builder("a").bind("no address").start().await.unwrap_err();
    assert!(
        matches!(&name, Error::Address { address: Address::Name(name), .. } if name == "no address"),
        "{name}"
    );

    let a = member("a").start().await.unwrap();
    let stranger = Keyring::new(Key::new([8; 32]));
    let b = Cluster::builder("b").keyring(stranger).bind("127.0.0.1:0").join(a.addr());
    let b = b.join_timeout(PATIENCE).start().await.unwrap();
    let alone = b.joined().await.unwrap_err();
    let Error::NotJoined { seeds, .. } = &alone else { panic!("{alone}") };
    assert_eq!(seeds[0].seed, Address::from(a.addr()));
    assert!(matches!(seeds[0].why, Why::Resolve(_)) && alone.to_string().contains("key"), "{alone}");
    let itself = a.join(a.addr()).await.unwrap_err();
    assert!(itself.to_string().contains("the node itself"), "{itself}");
    let c = member("c").start().await.unwrap();
    assert_eq!(c.join(a.addr()).await.unwrap(), a.id());
}
