//! A bounded record of the senders whose packets do not open, with a guess at the reason.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

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

/// Addresses whose packets did not open that are remembered (our guess: enough for a rack that was set up with the wrong key).
pub const SOURCES_MAX: usize = 32;
/// An address that has been silent for so long is forgotten when there is no room (our guess).
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// An address is told of again after this time, then after ten times as long, and so on (our guess).
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// The longest of these times.
const TOLD_AGAIN_AFTER_MAX: Duration = Duration::from_secs(6_000);

/// An address whose packets did not open.
#[derive(Clone, Debug)]
pub struct StrangerSource {
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

impl StrangerSource {
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
    sources: BTreeMap<IpAddr, StrangerSource>,
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
        let fresh = StrangerSource { source, guess, packets: 0, last: now, told: None };
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
    pub fn take_due(&self) -> (Vec<StrangerSource>, u64) {
        self.take_due_at(Instant::now())
    }

    fn take_due_at(&self, now: Instant) -> (Vec<StrangerSource>, u64) {
        let mut seen = self.lock();
        let mut due = Vec::new();
        for one in seen.sources.values_mut().filter(|one| one.is_due(now)) {
            one.tell(now);
            due.push(one.clone());
        }
        (due, std::mem::take(&mut seen.others))
    }

    /// The addresses that are remembered.
    pub fn list(&self) -> Vec<StrangerSource> {
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
