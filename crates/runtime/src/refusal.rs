//! Packets that do not open: the answer to a sender that holds the same key but names another cluster, and a bounded record of all such senders.
//!
//! Every packet key is derived from the cluster key *and* the cluster's name, so a wrong name fails like a wrong key. The header carries the key's id
//! in clear, so the receiver can tell the two apart. It answers a hello of its own key with a [`Refusal`], sealed under a subkey that
//! leaves the name out: whoever lacks the key learns nothing from it, and cannot forge it. A sender of another key gets no answer.

use crate::handshake::HANDSHAKE_BYTES_MAX;
use crate::seal::{SEAL_BYTES, Seal};
use minicbor::{CborLen, Decode, Encode};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// What a refusal says.
#[derive(Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Refusal {
    /// The counter of the hello that it answers, so that a recorded refusal answers no later hello.
    #[n(0)]
    pub counter: u64,
    /// The name of the cluster that refuses. Only over a connection: a datagram's answer must not be longer than its hello.
    #[n(1)]
    pub cluster: Option<String>,
}

const _: () = assert!(SEAL_BYTES + 1 + 9 + 2 + crate::config::CLUSTER_BYTES_MAX <= HANDSHAKE_BYTES_MAX);

/// What a packet that did not open most likely is, judged by the key id in its header. Anybody can write a header, so this is a guess.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stranger {
    /// Sealed with a key of this ring: for a cluster of another name, or damaged.
    OtherCluster,
    /// Sealed with a key that this node does not hold.
    OtherKey,
    /// Sealed by a node that was started without a cluster key.
    NoKey,
    /// Sealed with a key that was removed from this ring.
    RemovedKey,
}

impl Stranger {
    /// All of them, with the names they are shown by.
    pub const ALL: [(Stranger, &'static str); 4] = [
        (Stranger::OtherCluster, "other_cluster"),
        (Stranger::OtherKey, "other_key"),
        (Stranger::NoKey, "no_key"),
        (Stranger::RemovedKey, "removed_key"),
    ];

    /// The name it is shown by.
    pub fn name(self) -> &'static str {
        Stranger::ALL[self as usize].1
    }
}

/// Seals into `packet`, which holds a hello that did not open, the refusal of it. False if it deserves none: then it came under another key.
pub(crate) fn refuse(seal: &mut Seal, packet: &mut Vec<u8>, with_name: bool) -> bool {
    let Some(hello) = seal.foreign_hello(packet) else { return false };
    let cluster = with_name.then(|| seal.cluster().to_string());
    Seal::start(packet);
    rumormill_core::wire::put(&Refusal { counter: hello.counter, cluster }, packet);
    seal.seal_with(hello.key, hello.session, crate::seal::Kind::Refusal, hello.from, packet);
    true
}

/// Addresses whose packets did not open that are remembered (our guess: enough for a rack that was set up with the wrong key).
pub const SOURCES_MAX: usize = 32;
/// An address that has been silent for so long is forgotten when there is no room (our guess).
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// An address is told of again after this time, then after ten times as long, and so on (our guess).
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// The longest of these times.
const TOLD_AGAIN_AFTER_MAX: Duration = Duration::from_secs(6_000);

/// One address whose packets did not open.
#[derive(Clone, Debug)]
pub struct Knocking {
    /// Where the last of them came from.
    pub source: SocketAddr,
    /// What it most likely is.
    pub guess: Stranger,
    /// How many packets and connections came.
    pub packets: u64,
    /// When the last one came.
    pub last: Instant,
    told: Option<(Instant, Duration)>,
}

impl Knocking {
    fn is_due(&self, now: Instant) -> bool {
        self.told.is_none_or(|(at, wait)| now.duration_since(at) >= wait)
    }

    fn tell(&mut self, now: Instant) {
        let longer = |(_, wait): (Instant, Duration)| (wait * 10).min(TOLD_AGAIN_AFTER_MAX);
        self.told = Some((now, self.told.map_or(TOLD_AGAIN_AFTER, longer)));
    }
}

/// Where packets come from that do not open: at most [`SOURCES_MAX`] addresses, and counts.
#[derive(Debug, Default)]
pub struct Strangers {
    seen: Mutex<Seen>,
    is_due: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    sources: BTreeMap<IpAddr, Knocking>,
    counts: [u64; Stranger::ALL.len()],
    /// Packets of addresses for which there was no room.
    others: u64,
}

impl Strangers {
    pub(crate) fn note(&self, source: SocketAddr, guess: Stranger) {
        self.note_at(source, guess, Instant::now());
    }

    fn note_at(&self, source: SocketAddr, guess: Stranger, now: Instant) {
        let mut seen = self.lock();
        seen.counts[guess as usize] += 1;
        let ip = source.ip().to_canonical();
        if !seen.sources.contains_key(&ip) && seen.sources.len() >= SOURCES_MAX {
            seen.sources.retain(|_, one| now.duration_since(one.last) < FORGOTTEN_AFTER);
            if seen.sources.len() >= SOURCES_MAX {
                seen.others += 1;
                return;
            }
        }
        let fresh = Knocking { source, guess, packets: 0, last: now, told: None };
        let one = seen.sources.entry(ip).or_insert(fresh);
        one.packets += 1;
        (one.source, one.guess, one.last) = (source, guess, now);
        if one.is_due(now) {
            self.is_due.notify_one();
        }
    }

    /// Waits until there is an address to tell of: a new one, or one that goes on.
    pub async fn due(&self) {
        self.is_due.notified().await;
    }

    /// The addresses to tell of now, and how many packets came from addresses that are not remembered. Each counts as told.
    pub fn take_due(&self) -> (Vec<Knocking>, u64) {
        self.take_due_at(Instant::now())
    }

    fn take_due_at(&self, now: Instant) -> (Vec<Knocking>, u64) {
        let mut seen = self.lock();
        let mut due = Vec::new();
        for one in seen.sources.values_mut().filter(|one| one.is_due(now)) {
            one.tell(now);
            due.push(one.clone());
        }
        (due, std::mem::take(&mut seen.others))
    }

    /// The addresses that are remembered.
    pub fn list(&self) -> Vec<Knocking> {
        self.lock().sources.values().cloned().collect()
    }

    /// How many packets and connections did not open, by what they most likely are.
    pub fn counts(&self) -> impl Iterator<Item = (Stranger, u64)> {
        let counts = self.lock().counts;
        Stranger::ALL.into_iter().zip(counts).map(|((guess, _), count)| (guess, count))
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::{Key, Keyring};
    use crate::seal::{Kind, Refused};
    use rumormill_core::identity::Life;
    use rumormill_core::{NodeId, wire};

    fn seal(id: u64, key: u8, cluster: &str) -> Seal {
        let life = Life { epoch: 1, session: 100 + id };
        Seal::new(NodeId(id), life, cluster, Keyring::new(Key::new([key; 32])))
    }

    fn hello(seal: &mut Seal) -> Vec<u8> {
        let mut packet = Vec::new();
        Seal::start(&mut packet);
        wire::put(&crate::hello::Nonce { nonce: u64::MAX }, &mut packet);
        seal.seal(Kind::Hello, NodeId(0), &mut packet);
        packet
    }

    #[test]
    fn a_hello_of_the_same_key_and_another_name_is_refused_with_a_packet_that_is_no_longer() {
        let (mut blue, mut green) = (seal(1, 7, "blue"), seal(2, 7, "green"));
        let mut packet = hello(&mut green);
        let (length, counter) = (packet.len(), crate::seal::counter(&packet));
        assert_eq!(blue.open(&mut packet).unwrap_err(), Refused::Unreadable);
        assert_eq!(blue.guess(&packet), Some(Stranger::OtherCluster));
        assert!(refuse(&mut blue, &mut packet, false));
        assert!(packet.len() <= length, "{} bytes answer {length}", packet.len());
        let opened = green.open(&mut packet).unwrap();
        assert_eq!((opened.kind, opened.from, opened.echo), (Kind::Refusal, NodeId(1), 102));
        assert!(!opened.confirmed && !opened.is_new, "it makes no session");
        assert_eq!(wire::decode::<Refusal>(opened.content).unwrap(), Refusal { counter, cluster: None });
    }

    #[test]
    fn over_a_connection_the_refusal_names_the_cluster_to_who_holds_the_key_and_to_nobody_else() {
        let name = "g".repeat(crate::config::CLUSTER_BYTES_MAX);
        let (mut blue, mut green) = (seal(1, 7, "blue"), seal(2, 7, &name));
        let mut packet = hello(&mut blue);
        green.open(&mut packet).unwrap_err();
        assert!(refuse(&mut green, &mut packet, true));
        assert!(packet.len() <= HANDSHAKE_BYTES_MAX);
        assert!(!packet.windows(8).any(|bytes| bytes == b"gggggggg"), "in clear");
        let mut outsider = seal(1, 8, "blue");
        assert_eq!(outsider.open(&mut packet.clone()).unwrap_err(), Refused::Unreadable);
        let opened = blue.open(&mut packet).unwrap();
        assert_eq!(wire::decode::<Refusal>(opened.content).unwrap().cluster, Some(name));
    }

    #[test]
    fn a_sender_of_another_key_or_of_none_gets_no_answer_and_is_guessed() {
        let mut blue = seal(1, 7, "blue");
        let mut packet = hello(&mut seal(2, 8, "blue"));
        blue.open(&mut packet).unwrap_err();
        assert_eq!(blue.guess(&packet), Some(Stranger::OtherKey));
        assert!(!refuse(&mut blue, &mut packet, true));
        let life = Life { epoch: 1, session: 9 };
        let mut packet = hello(&mut Seal::new(NodeId(3), life, "blue", Keyring::insecure()));
        blue.open(&mut packet).unwrap_err();
        assert_eq!(blue.guess(&packet), Some(Stranger::NoKey));
        let (old, new) = (Key::new([8; 32]), Key::new([7; 32]));
        let ring = Keyring::new(new);
        ring.set_removed(std::slice::from_ref(&old));
        let mut blue = Seal::new(NodeId(1), life, "blue", ring);
        let mut packet = hello(&mut seal(2, 8, "blue"));
        blue.open(&mut packet).unwrap_err();
        assert_eq!(blue.guess(&packet), Some(Stranger::RemovedKey));
    }

    #[test]
    fn addresses_are_told_once_and_then_ever_more_rarely_and_their_number_is_bounded() {
        let strangers = Strangers::default();
        let start = Instant::now();
        let from = |n: u32| SocketAddr::from((std::net::Ipv4Addr::from(0x0a00_0000 + n), 7900));
        let mut told = 0;
        for second in 0..3_600 {
            let now = start + Duration::from_secs(second);
            strangers.note_at(from(1), Stranger::OtherKey, now);
            told += strangers.take_due_at(now).0.len();
        }
        assert_eq!(told, 3, "at once, after a minute, after eleven");
        (0..100_000)
            .for_each(|n| strangers.note_at(from(n), Stranger::OtherCluster, start + FORGOTTEN_AFTER));
        assert_eq!(strangers.list().len(), SOURCES_MAX);
        let (due, others) = strangers.take_due_at(start + FORGOTTEN_AFTER);
        assert!(due.len() <= SOURCES_MAX && others > 99_000, "{} {others}", due.len());
        assert_eq!(strangers.counts().map(|(_, count)| count).sum::<u64>(), 103_600);
    }

    #[test]
    fn each_guess_stands_at_its_own_place() {
        Stranger::ALL.iter().enumerate().for_each(|(at, (guess, _))| assert_eq!(*guess as usize, at));
    }
}
