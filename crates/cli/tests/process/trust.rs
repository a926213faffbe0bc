//! Who may take part: keys, cluster names, packets that were recorded or damaged, and plain garbage.

use super::agent::{Agent, DEADLINE_S, Setup, Story, converge};
use rumormill_testkit::http::Place;
use rumormill_testkit::ports::loopback_host;
use rumormill_testkit::wait;
use std::collections::VecDeque;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A stranger knocks; the member refuses its packets, which it counts, and neither learns of the other.
fn stays_alone(member: &Agent, stranger: Setup) {
    let (known, refused) = (member.members().len(), member.counted("unreadable"));
    let stranger = stranger.join(member).start();
    wait::until_true("the stranger's packets are refused", DEADLINE_S, || {
        member.counted("unreadable") >= refused + 3
    });
    assert_eq!(member.members().len(), known, "{:#?}", member.members());
    assert_eq!(stranger.members().len(), 1, "{:#?}", stranger.members());
    assert!(!stranger.cli(&["join", &member.setup.bind]).status.success(), "and it is told so");
}

#[test]
fn a_node_with_another_key_stays_alone() {
    let story = Story::new("other-key");
    let member = story.agent("n0").start();
    stays_alone(&member, story.agent("stranger").key(&story.other_key()));
}

#[test]
fn two_clusters_with_the_same_key_never_merge_by_an_address() {
    let story = Story::new("other-cluster");
    let member = story.agent("n0").flag("--cluster", "blue").start();
    stays_alone(&member, story.agent("stranger").flag("--cluster", "green"));
}

#[test]
fn keys_are_changed_one_agent_at_a_time_while_the_cluster_runs() {
    let story = Story::new("rotation");
    let agents = story.cluster(3);
    // All share one key file, which holds the new key in the end.
    let old_file = story.dir().join("old-key");
    std::fs::copy(story.dir().join("key"), &old_file).unwrap();
    let new = story.other_key();
    let new = new.to_str().unwrap();
    let list =
        |agent: &Agent| agent.cli_json(&["keys", "list", "--local"])["keys"].as_array().cloned().unwrap();
    let old = list(&agents[0])[0]["fingerprint"].as_str().unwrap().to_owned();
    for agent in &agents {
        assert!(agent.cli(&["keys", "install", new, "--local"]).status.success());
    }
    let fresh = list(&agents[0]).iter().find(|key| key["fingerprint"] != old.as_str()).unwrap().clone();
    for step in [
        ["keys", "use", fresh["fingerprint"].as_str().unwrap(), "--local"],
        ["keys", "remove", &old, "--local"],
    ] {
        for agent in &agents {
            let output = agent.cli(&step);
            assert!(output.status.success(), "{step:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    // A node that only ever had the new key gets in, one with the old key does not.
    let late = story.agent("late").key(&story.dir().join("other-key")).join(&agents[0]).start();
    let mut all: Vec<_> = agents.iter().collect();
    all.push(&late);
    converge(&all);
    let secret = std::fs::read_to_string(new).unwrap();
    let shown = format!("{:?}{:?}", agents[0].cli(&["keys", "list"]), agents[0].ask("/v1/keys"));
    assert!(!shown.contains(secret.trim()), "no API gives a key out");
    stays_alone(&agents[1], story.agent("old").key(&old_file));
}

impl Story {
    /// A socket of the test's own, on an address of its own, for packets that come from nowhere.
    fn tap(&self) -> UdpSocket {
        let socket = UdpSocket::bind((loopback_host(), 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(DEADLINE_S))).unwrap();
        socket
    }
}

#[test]
fn a_recorded_packet_is_refused_the_second_time_and_a_damaged_one_always() {
    let story = Story::new("recorded");
    let member = story.agent("n0").start();
    let target: SocketAddr = member.setup.bind.parse().unwrap();
    // The knocking node believes that the tap is a member, and seals its hello for whoever listens.
    let tap = story.tap();
    let knocking = story.agent("n1").flag("--join", &tap.local_addr().unwrap().to_string()).start();
    let mut packet = [0; 2048];
    let (length, _) = tap.recv_from(&mut packet).unwrap();
    let packet = &packet[..length];

    let outside = story.tap();
    outside.send_to(packet, target).unwrap();
    let (answer, _) = tap_answer(&outside);
    assert!(answer > 0, "an honest hello is answered");
    let replayed = member.counted("replayed");
    outside.send_to(packet, target).unwrap();
    wait::until_true("the copy is refused", DEADLINE_S, || member.counted("replayed") > replayed);

    let unreadable = member.counted("unreadable");
    for bit in 0..8 {
        let mut damaged = packet.to_vec();
        damaged[length - 1] ^= 1 << bit;
        outside.send_to(&damaged, target).unwrap();
    }
    wait::until_true("damaged packets are refused", DEADLINE_S, || {
        // Depending on what was seen first, a copy that is damaged is refused as a copy or as damaged.
        member.counted("unreadable") + member.counted("replayed") >= unreadable + replayed + 9
    });
    assert_eq!(member.members().len(), 1, "no copy made a member: {:#?}", member.members());
    drop(knocking);
}

fn tap_answer(socket: &UdpSocket) -> (usize, SocketAddr) {
    socket.recv_from(&mut [0; 2048]).expect("an answer")
}

#[test]
fn garbage_on_both_ports_hurts_nobody() {
    let story = Story::new("garbage");
    let agents = story.cluster(2);
    let target: SocketAddr = agents[0].setup.bind.parse().unwrap();
    let outside = story.tap();
    let mut rng = rumormill_core::Rng::seeded(5);
    for length in (0..1_400).step_by(7) {
        let bytes: Vec<u8> = (0..length).map(|_| rng.next() as u8).collect();
        outside.send_to(&bytes, target).unwrap();
        let mut nearly = bytes.clone();
        if let Some(version) = nearly.first_mut() {
            *version = 1;
        }
        outside.send_to(&nearly, target).unwrap();
    }
    for length in [0, 1, 65, 1_000, 100_000] {
        let mut stream = TcpStream::connect(target).unwrap();
        let bytes: Vec<u8> = (0..length).map(|_| rng.next() as u8).collect();
        let _ = stream.write_all(&bytes); // it may hang up in the middle
    }
    wait::until_true("all of it was refused", DEADLINE_S, || {
        agents[0].counted("version") + agents[0].counted("truncated") + agents[0].counted("kind") >= 100
    });
    converge(&agents.iter().collect::<Vec<_>>());
    assert!(agents[0].cli(&["ping", "n1"]).status.success());
}

/// Opens connections to `target` and says nothing on them, holding the last few hundred, until `is_over`.
fn stay_silent(target: &str, is_over: &AtomicBool, opened: &AtomicUsize) {
    let target: SocketAddr = target.parse().unwrap();
    let mut silent = VecDeque::new();
    while !is_over.load(Ordering::Relaxed) {
        if let Ok(stream) = TcpStream::connect_timeout(&target, Duration::from_millis(200)) {
            silent.push_back(stream);
            opened.fetch_add(1, Ordering::Relaxed);
        }
        if silent.len() > 300 {
            silent.pop_front();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_flood_of_silent_connections_keeps_neither_members_nor_operators_out() {
    let story = Story::new("silence");
    let api = format!("{}:7901", loopback_host());
    let member = story.agent("n0").http(&api).start();
    let (is_over, opened) = (AtomicBool::new(false), [const { AtomicUsize::new(0) }; 2]);
    std::thread::scope(|scope| {
        for (target, opened) in [&member.setup.bind, &api].into_iter().zip(&opened) {
            scope.spawn(|| stay_silent(target, &is_over, opened));
        }
        // Whatever fails ends the flood, so that the test ends.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait::until_true("the floods", DEADLINE_S, || {
                opened.iter().all(|opened| opened.load(Ordering::Relaxed) > 500)
            });
            let late = story.agent("n1").join(&member).start();
            converge(&[&member, &late]);
            let place = Place::Tcp(api.parse().unwrap());
            wait::until("the API answers", DEADLINE_S, || place.get("/healthz").ok());
            assert!(member.cli(&["ping", "n1"]).status.success());
        }));
        is_over.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}
