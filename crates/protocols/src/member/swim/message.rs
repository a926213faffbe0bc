//! What SWIM says to its peers.

use super::news::Batch;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{self, Lane};
use rumormill_core::wire::Item;

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
    News(#[n(0)] Batch),
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
        #[n(0)]
        news: Batch,
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
