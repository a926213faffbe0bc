//! What is stored and what travels: a key with its newest value, or with the certificate of its death.

use crate::kit::hybrid_clock::{TIMESTAMP_BYTES, Timestamp};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use minicbor::decode::Error;
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::record::checksum;
use rumormill_core::rng::mix;
use rumormill_core::wire::{self, Item};

/// Retention sites that a certificate names, at most.
pub const SITES_MAX: usize = 16;

/// One version of one key. A clone costs a reference count: a page, the store and a thousand simulated stores share it.
#[derive(Clone)]
pub struct Entry(Arc<Inner>);

struct Inner {
    key: Payload,
    stamp: Timestamp,
    content: Content,
    /// Worked out from the others, once.
    place: u64,
    mark: u64,
}

enum Content {
    Value(Payload),
    Death(Box<Death>),
}

struct Death {
    activated: Timestamp,
    sites: Vec<NodeId>,
}

impl Entry {
    /// `key` has this value.
    pub fn value_of(key: Payload, stamp: Timestamp, value: Payload) -> Entry {
        Entry::new(key, stamp, Content::Value(value))
    }

    /// `key` is dead. `sites` keep the certificate when all others have forgotten it.
    pub fn death_of(key: Payload, stamp: Timestamp, sites: Vec<NodeId>) -> Entry {
        Entry::new(key, stamp, Content::Death(Box::new(Death { activated: stamp, sites })))
    }

    /// The same certificate, active again from `activated` on; its ordinary stamp is unchanged, so that it kills nothing that is newer.
    pub(super) fn awakened(&self, activated: Timestamp) -> Entry {
        let sites = self.sites().to_vec();
        Entry::new(self.key().clone(), self.stamp(), Content::Death(Box::new(Death { activated, sites })))
    }

    fn new(key: Payload, stamp: Timestamp, content: Content) -> Entry {
        let place = place_of(&key);
        let kind = match &content {
            Content::Value(value) => checksum(value),
            Content::Death(death) => mix(fold(death.activated)) | 1,
        };
        let mark = mix(place ^ mix(fold(stamp)) ^ kind.rotate_left(32));
        Entry(Arc::new(Inner { key, stamp, content, place, mark }))
    }

    /// The key.
    pub fn key(&self) -> &Payload {
        &self.0.key
    }

    /// The value; `None` if this is the certificate of a death.
    pub fn value(&self) -> Option<&Payload> {
        match &self.0.content {
            Content::Value(value) => Some(value),
            Content::Death(_) => None,
        }
    }

    /// When the value was written, or the key deleted.
    pub fn stamp(&self) -> Timestamp {
        self.0.stamp
    }

    /// When the certificate became active last; for a value its stamp. What is as new as this is news.
    pub fn activated(&self) -> Timestamp {
        match &self.0.content {
            Content::Value(_) => self.0.stamp,
            Content::Death(death) => death.activated.max(self.0.stamp),
        }
    }

    /// Who keeps the certificate when all others have forgotten it.
    pub fn sites(&self) -> &[NodeId] {
        match &self.0.content {
            Content::Value(_) => &[],
            Content::Death(death) => &death.sites,
        }
    }

    /// Where the key is in the order of all stores: a hash, so that all parts of the space are alike.
    pub(super) fn place(&self) -> u64 {
        self.0.place
    }

    /// A hash of all that tells this version from others.
    pub(super) fn mark(&self) -> u64 {
        self.0.mark
    }

    /// Which of two versions of one key is the newer. Deaths go before values and values by their bytes, if somebody has
    /// given one stamp twice: so even then all nodes come to the same.
    pub(super) fn age_order(&self, other: &Entry) -> Ordering {
        let rank = |entry: &Entry| (entry.stamp(), entry.value().is_none(), entry.activated());
        rank(self).cmp(&rank(other)).then_with(|| self.value().cmp(&other.value()))
    }
}

/// Where a key is in the order of all stores.
pub(super) fn place_of(key: &[u8]) -> u64 {
    checksum(key)
}

fn fold(stamp: Timestamp) -> u64 {
    mix(stamp.wall.0 ^ mix(stamp.node.0 ^ mix(stamp.counter.into())))
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = if self.value().is_some() { "value" } else { "death" };
        write!(f, "{content} of {:x} at {:?}", self.place(), self.stamp())
    }
}

impl Item for Entry {
    // The head of an array, an empty key, the stamp, an empty value. More than that is allocated for it, but less than the eightfold:
    // its stamp alone pays for most.
    const BYTES_MIN: usize = 3 + TIMESTAMP_BYTES + 1;
}

// On the wire [key, stamp, value], or [key, stamp, null, activated, [site, …]].
impl<C> Encode<C> for Entry {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match &self.0.content {
            Content::Value(value) => {
                self.key().encode(e.array(3)?, c)?;
                self.stamp().encode(e, c)?;
                value.encode(e, c)
            }
            Content::Death(death) => {
                self.key().encode(e.array(5)?, c)?;
                self.stamp().encode(e, c)?;
                death.activated.encode(e.null()?, c)?;
                e.array(death.sites.len() as u64)?;
                death.sites.iter().try_for_each(|site| site.encode(e, c))
            }
        }
    }
}

impl<'b, C> Decode<'b, C> for Entry {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, Error> {
        let fields = wire::array(d, 3)?;
        let (key, stamp) = (Payload::decode(d, c)?, Timestamp::decode(d, c)?);
        if !wire::is_null(d)? {
            let value = Payload::decode(d, c)?;
            wire::skip_rest(d, 3, fields)?;
            return Ok(Entry::value_of(key, stamp, value));
        }
        if fields < 5 {
            return Err(Error::message("a death without certificate"));
        }
        let activated = Timestamp::decode(d, c)?;
        let count = d.array()?.filter(|count| *count <= SITES_MAX as u64);
        let count = count.ok_or_else(|| Error::message("too many retention sites"))?;
        let mut sites = Vec::with_capacity(count as usize);
        for _ in 0..count {
            sites.push(NodeId::decode(d, c)?);
        }
        wire::skip_rest(d, 5, fields)?;
        Ok(Entry::new(key, stamp, Content::Death(Box::new(Death { activated, sites }))))
    }
}

impl<C> CborLen<C> for Entry {
    fn cbor_len(&self, c: &mut C) -> usize {
        let shared = 1 + self.key().cbor_len(c) + self.stamp().cbor_len(c);
        shared
            + match &self.0.content {
                Content::Value(value) => value.cbor_len(c),
                Content::Death(death) => {
                    let sites: usize = death.sites.iter().map(|site| site.cbor_len(c)).sum();
                    1 + death.activated.cbor_len(c) + (death.sites.len() as u64).cbor_len(c) + sites
                }
            }
    }
}

/// Entries of one message. One of them, which is what an experiment with one key sends a million times, takes no list.
#[derive(Clone, Debug, Default)]
pub enum Entries {
    /// None.
    #[default]
    None,
    /// One.
    One(Entry),
    /// Several.
    Many(Vec<Entry>),
}

impl Entries {
    /// All of them.
    pub fn as_slice(&self) -> &[Entry] {
        match self {
            Entries::None => &[],
            Entries::One(entry) => core::slice::from_ref(entry),
            Entries::Many(entries) => entries,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Their marks, in ascending order.
    pub(super) fn marks(&self) -> Vec<u64> {
        let mut marks: Vec<u64> = self.as_slice().iter().map(Entry::mark).collect();
        marks.sort_unstable();
        marks
    }

    /// Adds one.
    pub fn push(&mut self, entry: Entry) {
        *self = match core::mem::take(self) {
            Entries::None => Entries::One(entry),
            Entries::One(first) => Entries::Many(alloc::vec![first, entry]),
            Entries::Many(mut entries) => {
                entries.push(entry);
                Entries::Many(entries)
            }
        };
    }
}

// On the wire a list.
impl<C> Encode<C> for Entries {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        wire::list::encode(self.as_slice(), e, c)
    }
}

impl<'b, C> Decode<'b, C> for Entries {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, Error> {
        let mut entries: Vec<Entry> = wire::list::decode(d, c)?;
        Ok(match entries.len() {
            0 => Entries::None,
            1 => Entries::One(entries.remove(0)),
            _ => Entries::Many(entries),
        })
    }
}

impl<C> CborLen<C> for Entries {
    fn cbor_len(&self, c: &mut C) -> usize {
        wire::list::cbor_len(self.as_slice(), c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::time::Wall;

    fn stamp(ms: u64) -> Timestamp {
        Timestamp { wall: Wall(ms), counter: 0, node: NodeId(ms % 7) }
    }

    #[test]
    fn what_is_written_is_read_with_the_same_hashes() {
        let key = Payload::from(&b"a key"[..]);
        let death = Entry::death_of(key.clone(), stamp(8), alloc::vec![NodeId(3), NodeId(u64::MAX)]);
        for entry in [
            Entry::value_of(key.clone(), stamp(7), Payload::from(&b"a value"[..])),
            Entry::value_of(key, stamp(7), Payload::EMPTY),
            death.awakened(stamp(9)),
            death,
        ] {
            let mut bytes = Vec::new();
            wire::put(&entry, &mut bytes);
            assert_eq!(bytes.len(), wire::len(&entry));
            let read: Entry = wire::decode(&bytes).unwrap();
            assert_eq!(read.age_order(&entry), Ordering::Equal);
            assert_eq!(
                (read.mark(), read.place(), read.sites()),
                (entry.mark(), entry.place(), entry.sites())
            );
        }
    }

    #[test]
    fn a_certificate_that_was_awakened_is_newer_than_it_was_and_kills_what_it_killed() {
        let key = Payload::from(&b"k"[..]);
        let old = Entry::value_of(key.clone(), stamp(10), Payload::EMPTY);
        let death = Entry::death_of(key.clone(), stamp(20), Vec::new());
        let reinstated = Entry::value_of(key, stamp(30), Payload::EMPTY);
        let awake = death.awakened(stamp(40));
        let order = [&old, &death, &awake, &reinstated];
        assert!(order.is_sorted_by(|a, b| a.age_order(b) == Ordering::Less));
        assert_ne!(death.mark(), awake.mark());
    }

    #[test]
    fn one_stamp_for_two_values_is_decided_alike_everywhere() {
        let version =
            |value: &[u8]| Entry::value_of(Payload::from(&b"k"[..]), stamp(1), Payload::from(value));
        let (a, b) = (version(b"a"), version(b"b"));
        assert_eq!(a.age_order(&b), b.age_order(&a).reverse());
        assert_ne!(a.age_order(&b), Ordering::Equal);
        assert_ne!(a.mark(), b.mark());
    }
}
