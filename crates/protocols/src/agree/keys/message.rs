//! What travels: orders and reports. A key itself is in one of them, and is shown by none.

use alloc::vec::Vec;
use core::fmt;
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{self, Lane};

/// Bytes of a cluster key.
pub const SECRET_BYTES: usize = 32;
/// The longest text in a report that is sent, in bytes (our guess: a sentence with a path in it).
pub const TEXT_BYTES_MAX: usize = 300;

/// A cluster key. Overwritten when dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; SECRET_BYTES]);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        core::hint::black_box(&self.0); // so that the writes are not taken for useless
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<C> Encode<C> for Secret {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Secret {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?.try_into();
        bytes.map(Secret).map_err(|_| minicbor::decode::Error::message("a key of another length"))
    }
}

impl<C> CborLen<C> for Secret {
    fn cbor_len(&self, _: &mut C) -> usize {
        rumormill_core::wire::bytes_len(SECRET_BYTES)
    }
}

/// What a member is to do with its keyring. Doing it twice is the same as once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum Order {
    /// Nothing: only report.
    #[n(0)]
    List,
    /// Open what is sealed with this key, too.
    #[n(1)]
    Install(#[n(0)] Secret),
    /// Seal with the key of this fingerprint.
    #[n(2)]
    Use(#[n(0)] u64),
    /// Open nothing that is sealed with the key of this fingerprint.
    #[n(3)]
    Remove {
        /// Which.
        #[n(0)]
        fingerprint: u64,
        /// Whether members that were away may not even catch up by it.
        #[n(1)]
        revoke: bool,
    },
}

/// Where a member keeps its ring for its next start.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Kept {
    /// In its key file.
    #[n(0)]
    File,
    /// In its data directory, since the key file cannot be written.
    #[n(1)]
    Store,
    /// Nowhere: it will start with what its key file holds.
    #[n(2)]
    Nowhere,
}

/// What a member holds after an order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Report {
    /// Fingerprints, eight bytes each, big endian, the one it seals with first.
    #[n(0)]
    keys: Payload,
    /// Where they are kept.
    #[n(1)]
    pub kept: Kept,
    /// Why the order was not carried out; empty if it was.
    #[n(2)]
    refusal: Payload,
    /// Why the ring is not in the key file; empty if it is.
    #[n(3)]
    note: Payload,
}

impl Report {
    /// Texts are cut at [`TEXT_BYTES_MAX`].
    pub fn new(keys: &[u64], kept: Kept, refusal: &str, note: &str) -> Report {
        let keys: Vec<u8> = keys.iter().flat_map(|key| key.to_be_bytes()).collect();
        Report { keys: Payload::from(&keys[..]), kept, refusal: short(refusal), note: short(note) }
    }

    /// Fingerprints, the one it seals with first.
    pub fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.keys.as_chunks::<8>().0.iter().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// Why the order was not carried out.
    pub fn refusal(&self) -> Option<&str> {
        text(&self.refusal)
    }

    /// Why the ring is not in the key file.
    pub fn note(&self) -> Option<&str> {
        text(&self.note)
    }
}

fn short(text: &str) -> Payload {
    let end = (0..=text.len().min(TEXT_BYTES_MAX)).rev().find(|at| text.is_char_boundary(*at));
    Payload::from(&text.as_bytes()[..end.unwrap_or(0)])
}

fn text(bytes: &[u8]) -> Option<&str> {
    (!bytes.is_empty()).then(|| core::str::from_utf8(bytes).unwrap_or("(what it says cannot be read)"))
}

/// What members say to each other.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Message {
    /// Do this.
    #[n(0)]
    Order {
        /// By which the report is told apart: random.
        #[n(0)]
        serial: u64,
        /// What.
        #[n(1)]
        order: Order,
    },
    /// What became of it.
    #[n(1)]
    Report {
        /// The order's.
        #[n(0)]
        serial: u64,
        /// What I hold now.
        #[n(1)]
        report: Report,
    },
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("keys")];
}
