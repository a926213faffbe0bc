//! Admission control for one listener: how many connections it holds, how many of them from one source, and which is closed for a newcomer.
//!
//! A connection that says nothing costs its opener nothing, so silence must not keep anybody out. When there is no place left, the connection
//! that has been silent longest is closed: first those that never made a valid request, then those that made one and wait. One that is being
//! served stays. A source that reaches its own bound makes room among its own connections, so a flood from one address leaves places for others.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Where connections are counted together: an IPv4 address, the /64 of an IPv6 address (RFC 6177: what one site may use at will), or this machine's
/// Unix socket.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// An address, or the first half of one.
    Ip(IpAddr),
    /// A Unix socket.
    Local,
}

impl From<IpAddr> for Source {
    fn from(ip: IpAddr) -> Source {
        match ip.to_canonical() {
            IpAddr::V6(ip) => Source::Ip(IpAddr::V6((u128::from(ip) >> 64 << 64).into())),
            ip => Source::Ip(ip),
        }
    }
}

/// Why a connection is not admitted: all places are taken by connections that are being served.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Full {
    /// All places that its source may have.
    OfSource,
    /// All places.
    OfListener,
}

/// The places of one listener. A clone shares them.
#[derive(Clone, Debug)]
pub struct AdmissionControl(Arc<Mutex<Places>>);

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    control: AdmissionControl,
    ticket: u64,
    evicted: Mutex<Option<oneshot::Receiver<()>>>,
}

/// While this lives, its connection is being served, and stays.
#[derive(Debug)]
pub struct Busy {
    control: AdmissionControl,
    ticket: u64,
}

/// How a connection that is not being served ranks: whether it ever was, since when it waits, and its ticket. The least goes first.
type Rank = (bool, u64, u64);

#[derive(Debug)]
struct Places {
    places_max: usize,
    per_source_max: usize,
    /// Counts admissions and ends of requests.
    clock: u64,
    held: HashMap<u64, Held>,
    /// Those that are not being served.
    waiting: BTreeSet<Rank>,
    sources: HashMap<Source, OfSource>,
    evicted: u64,
    refused: u64,
}

#[derive(Debug)]
struct Held {
    source: Source,
    busy: u32,
    /// None while it is being served.
    rank: Option<Rank>,
    /// Dropped, it tells the connection's task.
    _evict: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct OfSource {
    held: usize,
    waiting: BTreeSet<Rank>,
}

impl AdmissionControl {
    /// At most `places_max` connections, of which one source holds at most `per_source_max`.
    pub fn new(places_max: usize, per_source_max: usize) -> AdmissionControl {
        AdmissionControl(Arc::new(Mutex::new(Places {
            places_max,
            per_source_max,
            clock: 0,
            held: HashMap::new(),
            waiting: BTreeSet::new(),
            sources: HashMap::new(),
            evicted: 0,
            refused: 0,
        })))
    }

    /// A place for a connection from `source`, if need be that of the one that has been silent longest.
    ///
    /// # Errors
    /// If all that could make room are being served.
    pub fn admit(&self, source: impl Into<Source>) -> Result<Place, Full> {
        let (evict, evicted) = oneshot::channel();
        let mut places = self.lock();
        let ticket = places.admit(source.into(), evict).inspect_err(|_| places.refused += 1)?;
        drop(places);
        Ok(Place { control: self.clone(), ticket, evicted: Mutex::new(Some(evicted)) })
    }

    /// Closes the connection that has been silent longest, because the system has nothing left to give.
    pub fn evict_silent(&self) {
        self.lock().evict_first_of(None);
    }

    /// How many connections hold a place.
    pub fn len(&self) -> usize {
        self.lock().held.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many silent connections were closed to make room.
    pub fn evicted(&self) -> u64 {
        self.lock().evicted
    }

    /// How many connections were refused because all places were in use.
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A valid request came, or its answer is under way: the connection stays at least as long as this is held.
    pub fn busy(&self) -> Busy {
        self.control.lock().begin(self.ticket);
        Busy { control: self.control.clone(), ticket: self.ticket }
    }

    /// Waits until the place is given to somebody else: the connection is to be closed.
    pub async fn evicted(&self) {
        let evicted = self.evicted.lock().unwrap_or_else(PoisonError::into_inner).take();
        match evicted {
            Some(evicted) => {
                let _ = evicted.await; // its sender is dropped, and sends nothing
            }
            None => std::future::pending().await, // somebody else waits for it
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.control.lock().leave(self.ticket);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.control.lock().end(self.ticket);
    }
}

impl Places {
    fn admit(&mut self, source: Source, evict: oneshot::Sender<()>) -> Result<u64, Full> {
        let of_source = self.sources.get(&source).map_or(0, |source| source.held);
        if of_source >= self.per_source_max {
            self.evict_first_of(Some(source)).ok_or(Full::OfSource)?;
        } else if self.held.len() >= self.places_max {
            self.evict_first_of(None).ok_or(Full::OfListener)?;
        }
        self.clock += 1;
        let ticket = self.clock;
        self.held.insert(ticket, Held { source, busy: 0, rank: None, _evict: evict });
        self.sources.entry(source).or_default().held += 1;
        self.rank(ticket, Some((false, ticket, ticket)));
        Ok(ticket)
    }

    fn evict_first_of(&mut self, source: Option<Source>) -> Option<()> {
        let first = match source {
            Some(source) => self.sources.get(&source)?.waiting.first(),
            None => self.waiting.first(),
        };
        let ticket = first?.2;
        self.leave(ticket);
        self.evicted += 1;
        Some(())
    }

    fn begin(&mut self, ticket: u64) {
        if let Some(held) = self.held.get_mut(&ticket) {
            held.busy += 1;
            self.rank(ticket, None);
        }
    }

    fn end(&mut self, ticket: u64) {
        let Some(held) = self.held.get_mut(&ticket) else { return };
        held.busy -= 1;
        if held.busy == 0 {
            self.clock += 1;
            self.rank(ticket, Some((true, self.clock, ticket)));
        }
    }

    fn leave(&mut self, ticket: u64) {
        self.rank(ticket, None);
        let Some(held) = self.held.remove(&ticket) else { return };
        let of_source = self.sources.get_mut(&held.source).expect("it is counted while it holds a place");
        of_source.held -= 1;
        if of_source.held == 0 {
            self.sources.remove(&held.source);
        }
    }

    /// Ranks a connection among those that wait, or takes it out.
    fn rank(&mut self, ticket: u64, rank: Option<Rank>) {
        let Some(held) = self.held.get_mut(&ticket) else { return };
        let of_source = self.sources.get_mut(&held.source).expect("it is counted while it holds a place");
        if let Some(before) = std::mem::replace(&mut held.rank, rank) {
            self.waiting.remove(&before);
            of_source.waiting.remove(&before);
        }
        if let Some(rank) = rank {
            self.waiting.insert(rank);
            of_source.waiting.insert(rank);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(byte: u8) -> IpAddr {
        [10, 0, 0, byte].into()
    }

    fn is_evicted(place: &Place) -> bool {
        let mut evicted = place.evicted.lock().unwrap();
        matches!(evicted.as_mut().unwrap().try_recv(), Err(oneshot::error::TryRecvError::Closed))
    }

    #[test]
    fn the_one_that_has_been_silent_longest_makes_room_and_those_being_served_stay() {
        let control = AdmissionControl::new(3, 3);
        let places: Vec<_> = (0..3).map(|_| control.admit(from(1)).unwrap()).collect();
        let first = places[0].busy();
        drop(places[1].busy()); // it made one request, and waits
        let newcomer = control.admit(from(1)).unwrap();
        assert_eq!(places.iter().map(is_evicted).collect::<Vec<_>>(), [false, false, true]);
        let _busy = newcomer.busy();
        let next = control.admit(from(1)).unwrap();
        assert!(is_evicted(&places[1]), "one that waits for its next request goes before one that is served");
        let _busy = next.busy();
        assert_eq!(control.admit(from(1)).unwrap_err(), Full::OfSource);
        assert_eq!(control.admit(from(2)).unwrap_err(), Full::OfListener);
        drop(first);
        assert!(control.admit(from(2)).is_ok() && is_evicted(&places[0]));
        assert_eq!((control.len(), control.evicted()), (2, 3), "the last newcomer has gone again");
    }

    #[test]
    fn a_flood_from_one_source_evicts_its_own_and_leaves_places_for_others() {
        let control = AdmissionControl::new(8, 6);
        let other = control.admit(from(2)).unwrap();
        let flood: Vec<_> = (0..1_000).map(|_| control.admit(from(1)).unwrap()).collect();
        assert!(!is_evicted(&other) && control.admit(from(3)).is_ok());
        assert_eq!(flood.iter().filter(|place| !is_evicted(place)).count(), 6);
        drop(flood);
        drop(other);
        assert!(control.is_empty() && control.lock().sources.is_empty() && control.lock().waiting.is_empty());
    }

    #[test]
    fn when_many_sources_flood_whoever_speaks_first_stays() {
        let control = AdmissionControl::new(8, 6);
        let _silent: Vec<_> = (0..8).map(|n| control.admit(from(n)).unwrap()).collect();
        let speaks: Vec<_> = (0..8).map(|n| control.admit(from(100 + n)).unwrap()).collect();
        let busy: Vec<_> = speaks.iter().map(Place::busy).collect();
        assert_eq!(control.admit(from(9)).unwrap_err(), Full::OfListener);
        drop(busy);
        assert!(control.admit(from(9)).is_ok());
    }

    #[test]
    fn an_ipv6_site_is_one_source_and_an_ipv4_address_is_one_however_it_is_written() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:0:0:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
        assert_ne!(source("10.0.0.1"), source("10.0.0.2"));
    }
}
