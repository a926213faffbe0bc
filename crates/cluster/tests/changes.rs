//! What one member orders and all carry out: rotations of the cluster's key, and bans.

use rumormill_cluster::{Builder, Cluster, Error, Event, Key, KeyStep, Keyring};
use rumormill_protocols::member::swim;
use std::path::Path;
use std::time::Duration;

/// How long a test waits for what it waits for: far more than any of this takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn member(name: &str) -> Builder {
    Cluster::builder(name).bind("127.0.0.1:0").swim(swim::Config::local())
}

async fn until_live(cluster: &Cluster, count: usize) {
    let agree = async {
        while cluster.members().await.unwrap().iter().filter(|member| member.is_live()).count() != count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, agree).await.expect("the views agree in time");
}

/// Three members with these keys, which list each other.
async fn three(keyed: impl Fn(Builder) -> Builder) -> [Cluster; 3] {
    let a = keyed(member("a")).start().await.unwrap();
    let b = keyed(member("b")).join(a.addr()).start().await.unwrap();
    let c = keyed(member("c")).join(a.addr()).start().await.unwrap();
    for one in [&a, &b, &c] {
        until_live(one, 3).await;
    }
    [a, b, c]
}

fn written(key: &Key, to: &Path) {
    std::fs::write(to, format!("{}\n", key.reveal())).unwrap();
}

#[tokio::test]
async fn a_rotation_reaches_every_member_and_its_key_file_and_a_newcomer_needs_the_new_key() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Key::new([7; 32]), Key::new([9; 32]));
    let file = |name: &str| dir.path().join(name);
    for name in ["a", "b", "c"] {
        written(&old, &file(name));
    }
    let keyed = |name: &'static str| member(name).key_file(file(name));
    let a = keyed("a").start().await.unwrap();
    let b = keyed("b").join(a.addr()).start().await.unwrap();
    let c = keyed("c").join(a.addr()).start().await.unwrap();
    for one in [&a, &b, &c] {
        until_live(one, 3).await;
    }
    b.rotate_key(&new).await.unwrap();
    let held = a.member_keys().await.unwrap();
    let names: Vec<&str> = held.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(held.iter().all(|member| member.keys == Ok(vec![new.fingerprint()])), "{held:?}");
    for name in ["a", "b", "c"] {
        assert_eq!(std::fs::read_to_string(file(name)).unwrap().trim(), new.reveal(), "{name}");
    }
    let late = member("late").keyring(Keyring::new(old)).join(a.addr()).start().await.unwrap();
    assert!(matches!(late.joined().await, Err(Error::NotJoined { .. })));
    let timely = member("timely").keyring(Keyring::new(new)).join(a.addr()).start().await.unwrap();
    timely.joined().await.unwrap();
}

#[tokio::test]
async fn a_step_that_would_cut_members_off_changes_nothing_and_names_them() {
    let (old, new) = (Key::new([7; 32]), Key::new([9; 32]));
    let [a, b, c] = three(|member| member.keyring(Keyring::new(Key::new([7; 32])))).await;
    let not_ready = a.use_key(new.fingerprint()).await.unwrap_err();
    let Error::KeyNotReady { step: KeyStep::Use, key, members } = &not_ready else { panic!("{not_ready}") };
    assert_eq!((*key, members.len()), (new.fingerprint(), 3));
    assert!(not_ready.to_string().contains("nothing was changed: a ("), "{not_ready}");
    let in_use = a.remove_key(old.fingerprint()).await.unwrap_err();
    assert!(matches!(in_use, Error::KeyNotReady { step: KeyStep::Remove, .. }), "{in_use}");
    // Step by step, by two members.
    a.install_key(&new).await.unwrap();
    c.use_key(new.fingerprint()).await.unwrap();
    assert_eq!(b.keyring().list(), [new.fingerprint(), old.fingerprint()]);
    // A rotation that stopped half way goes on.
    b.rotate_key(&new).await.unwrap();
    assert_eq!(a.keyring().list(), [new.fingerprint()]);
    let alone = member("alone").start().await.unwrap();
    assert!(matches!(alone.member_keys().await, Err(Error::Keyring(_))), "it has no key");
}

#[tokio::test]
async fn a_banned_member_is_kept_out_by_all_until_the_ban_is_lifted() {
    let [a, b, c] = three(|member| member.keyring(Keyring::new(Key::new([7; 32])))).await;
    let mut events = b.subscribe();
    assert!(matches!(a.ban(a.id(), "").await, Err(Error::BanMyself)));
    assert!(matches!(a.unban(c.id()).await, Err(Error::NotBanned(id)) if id == c.id()));
    assert!(matches!(a.ban(c.id(), &"x".repeat(201)).await, Err(Error::TooLarge { max: 200, .. })));
    a.ban(c.id(), "it was stolen").await.unwrap();
    let banned = async {
        while let Some(event) = events.next().await {
            if matches!(event, Event::Banned(id, true) if id == c.id()) {
                return;
            }
        }
        panic!("the stream ended before");
    };
    tokio::time::timeout(PATIENCE, banned).await.expect("b hears of the ban");
    until_live(&b, 2).await;
    let bans = b.bans().await.unwrap();
    assert_eq!((bans.len(), bans[0].id, bans[0].by), (1, c.id(), a.id()));
    assert_eq!((bans[0].name.as_deref(), bans[0].reason.as_str()), (Some("c"), "it was stolen"));
    b.unban(c.id()).await.unwrap();
    for one in [&a, &b, &c] {
        until_live(one, 3).await;
    }
    assert_eq!(a.bans().await.unwrap(), []);
}
