//! What SWIM says to its peers.

use super::record::{Accusation, Card};
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Decoder, Encode};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{self, Lane};
use rumormill_core::record::Record;
use rumormill_core::wire::{self, Item};

/// Bytes of content in one message over the stream; the rest is paged (well below the 64 KiB that a driver takes).
pub(super) const PAGE_BYTES_MAX: usize = 32 * 1024;

/// What members say to each other.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Message {
    /// Are you there?
    #[n(0)]
    Ping {
        /// Comes back in the ack.
        #[n(0)]
        nonce: u64,
        /// It came over the stream, and so shall the ack.
        #[n(1)]
        stream: bool,
    },
    /// I am here, and this is the hash of whom I hold to be alive.
    #[n(1)]
    Ack {
        /// The ping's.
        #[n(0)]
        nonce: u64,
        /// The ping's.
        #[n(1)]
        stream: bool,
        /// See `Swim::root`.
        #[n(2)]
        root: u64,
    },
    /// Probe this member for me.
    #[n(2)]
    PingReq {
        /// Comes back in `Relayed` or `Nack`.
        #[n(0)]
        nonce: u64,
        /// Whom.
        #[n(1)]
        target: NodeId,
    },
    /// The member you asked me to probe answered.
    #[n(3)]
    Relayed {
        /// The request's.
        #[n(0)]
        nonce: u64,
    },
    /// It did not; but you see that I am here (Lifeguard, section IV-A).
    #[n(4)]
    Nack {
        /// The request's.
        #[n(0)]
        nonce: u64,
    },
    /// Cards and accusations.
    #[n(5)]
    News(#[cbor(n(0), with = "rumormill_core::wire::list")] Vec<News>),
    /// The sums of my buckets: tell me about those that differ from yours, beginning with this one.
    #[n(6)]
    Sums {
        /// One per bucket.
        #[cbor(n(0), with = "rumormill_core::wire::list")]
        sums: Vec<u64>,
        /// Where to begin.
        #[n(1)]
        from_bucket: u16,
        /// In that bucket, only ids above this one.
        #[n(2)]
        after: Option<NodeId>,
    },
    /// These buckets differ, and this is whom I hold to be alive in them.
    #[n(7)]
    Stamps {
        /// One byte per bucket that differs.
        #[n(0)]
        buckets: Payload,
        /// In any order.
        #[cbor(n(1), with = "rumormill_core::wire::list")]
        stamps: Vec<Stamp>,
        /// Where the next page begins, if there is one: at another bucket, for a peer that does not read `more`.
        #[n(2)]
        next: Option<u16>,
        /// The last of these buckets does not fit this page: it goes on above this id.
        #[n(3)]
        more: Option<NodeId>,
    },
    /// Give me what you hold about these.
    #[n(8)]
    Want(#[cbor(n(0), with = "rumormill_core::wire::list")] Vec<Id>),
    /// What I hold, as wanted or as you lack it.
    #[n(9)]
    Give {
        /// Cards and accusations.
        #[cbor(n(0), with = "rumormill_core::wire::list")]
        news: Vec<News>,
        /// Nothing more follows on what was wanted.
        #[n(1)]
        done: bool,
    },
    /// Give me the tags with this hash, from this byte on.
    #[n(10)]
    TagsWant {
        /// Whose.
        #[n(0)]
        owner: NodeId,
        /// As on the owner's card.
        #[n(1)]
        hash: u64,
        /// From where on, in bytes.
        #[n(2)]
        offset: u32,
    },
    /// A page of tags; an empty one says that they are not here.
    #[n(11)]
    TagsHave {
        /// Whose.
        #[n(0)]
        owner: NodeId,
        /// As on the owner's card.
        #[n(1)]
        hash: u64,
        /// From where on, in bytes.
        #[n(2)]
        offset: u32,
        /// The page.
        #[n(3)]
        bytes: Payload,
    },
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("swim")];
    /// News only goes up, questions cost an answer, answers carry the asker's nonce; all else comes over streams, which are live.
    fn replayable(&self) -> bool {
        use Message::*;
        matches!(self, Ping { .. } | Ack { .. } | Relayed { .. } | Nack { .. } | News(_))
    }
}

/// An item of news.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// What a member says of itself.
    Card(Record<Card>),
    /// What one says of another.
    Accusation(Record<Accusation>),
}

// On the wire: [0, card] or [1, accusation]. A shorter record than any honest one is refused before it is decoded, so that
// what decoding allocates stays backed by the packet's own bytes.
const CARD_BYTES_MIN: usize = 40;
const ACCUSATION_BYTES_MIN: usize = 24;

impl Item for News {
    const BYTES_MIN: usize = ACCUSATION_BYTES_MIN;
}

impl<C> Encode<C> for News {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?;
        match self {
            News::Card(record) => record.encode(e.u8(0)?, c),
            News::Accusation(record) => record.encode(e.u8(1)?, c),
        }
    }
}

impl<'b, C> Decode<'b, C> for News {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, minicbor::decode::Error> {
        let found = wire::array(d, 2)?;
        let kind = d.u8()?;
        let bytes = wire::check(&d.input()[d.position()..]).unwrap_or(0);
        let news = match kind {
            0 if bytes >= CARD_BYTES_MIN => Record::decode(d, c).map(News::Card),
            1 if bytes >= ACCUSATION_BYTES_MIN => Record::decode(d, c).map(News::Accusation),
            0 | 1 => Err(minicbor::decode::Error::message("a record shorter than any")),
            other => Err(minicbor::decode::Error::unknown_variant(other.into())),
        }?;
        wire::skip_rest(d, 2, found)?;
        Ok(news)
    }
}

impl<C> CborLen<C> for News {
    fn cbor_len(&self, c: &mut C) -> usize {
        2 + match self {
            News::Card(record) => record.cbor_len(c),
            News::Accusation(record) => record.cbor_len(c),
        }
    }
}

/// A live member in a bucket that differs: whose row, and which.
#[derive(Copy, Clone, Debug, PartialEq, Encode, Decode, CborLen)]
pub struct Stamp {
    /// Whose.
    #[n(0)]
    pub id: NodeId,
    /// The head of the row's hash.
    #[n(1)]
    pub hash: u32,
}

impl Item for Stamp {
    const BYTES_MIN: usize = 3;
}

/// An id in a list.
#[derive(Copy, Clone, Debug, PartialEq, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub struct Id(#[n(0)] pub NodeId);

impl Item for Id {
    const BYTES_MIN: usize = 1;
}
