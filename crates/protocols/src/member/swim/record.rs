//! What members say of themselves, and of each other.
//!
//! A [`Card`] is a member's own record: signed by it, newest (epoch, session, incarnation) wins. An [`Accusation`] is what one member says
//! about another: signed by the accuser, about one (id, epoch, incarnation), and void as soon as the accused says more.

use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::time::Wall;

/// Longest name, in bytes (a DNS name's limit, RFC 1035).
pub const NAME_BYTES_MAX: usize = 255;
/// Longest contact, in bytes.
pub const CONTACT_BYTES_MAX: usize = 64;
/// Most that a member's tags take when encoded, in bytes.
pub const TAGS_BYTES_MAX: usize = 64 * 1024;
/// Tags up to this many bytes travel inside the card; larger ones are fetched (our guess: a card still shares its datagram with four others).
pub const TAGS_INLINE_BYTES_MAX: usize = 128;

/// A member's own record.
#[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
pub struct Card {
    /// Whose it is.
    #[n(0)]
    pub id: NodeId,
    /// Which life of it.
    #[n(1)]
    pub life: Life,
    /// Raised by the member alone, to refute a suspicion or to say something new of itself.
    #[n(2)]
    pub incarnation: u64,
    /// Set in the last card of a life: the member leaves of its own will.
    #[n(3)]
    pub left: bool,
    /// When this card was written, by its owner's clock.
    #[n(4)]
    pub written: Wall,
    /// A label; it proves nothing and may be taken twice.
    #[n(5)]
    pub name: String,
    /// Where the driver reaches it; opaque here, at most [`CONTACT_BYTES_MAX`] bytes.
    #[n(6)]
    pub contact: Payload,
    /// Its tags, or what to fetch them by.
    #[n(7)]
    pub tags: Tags,
    /// The id this node had before it found that a copy of its data directory is running.
    #[n(8)]
    pub copied_from: Option<NodeId>,
}

/// A member's tags on its card: here, or by hash.
#[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
pub enum Tags {
    /// The encoded tags themselves.
    #[n(0)]
    Inline(#[n(0)] Payload),
    /// Their hash (XXH3, 64 bits) and size in bytes: fetched from whoever has them, and checked against the signed card.
    #[n(1)]
    Hashed(#[n(0)] u64, #[n(1)] u32),
}

impl Card {
    /// What orders two cards of one id.
    pub fn version(&self) -> (Life, u64) {
        (self.life, self.incarnation)
    }
}

/// What is said about a member.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Charge {
    /// A probe of it failed.
    #[n(0)]
    Suspect,
    /// A suspicion went unanswered. In plain SWIM it is final for all who hear it; with Lifeguard it counts as one suspicion, its signer's.
    #[n(1)]
    Failed,
    /// An operator wants a departed member off the list.
    #[n(2)]
    Forget,
}

/// What one member says about another.
#[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
pub struct Accusation {
    /// Who says it.
    #[n(0)]
    pub accuser: NodeId,
    /// About whom.
    #[n(1)]
    pub accused: NodeId,
    /// About which start of the accused.
    #[n(2)]
    pub epoch: u64,
    /// About which incarnation.
    #[n(3)]
    pub incarnation: u64,
    /// What.
    #[n(4)]
    pub charge: Charge,
    /// When, by the accuser's clock.
    #[n(5)]
    pub written: Wall,
    /// On what evidence.
    #[n(6)]
    pub evidence: Evidence,
}

/// What an accuser saw.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Encode, Decode, CborLen)]
pub struct Evidence {
    /// Helpers that were asked to probe the accused.
    #[n(0)]
    pub helpers: u8,
    /// Helpers that answered that they got no answer either.
    #[n(1)]
    pub nacks: u8,
    /// For `dead`: members whose accusations agreed with the first one.
    #[n(2)]
    pub confirmations: u8,
    /// How long the accuser waited, in milliseconds: for the probe, or for a refutation.
    #[n(3)]
    pub waited_ms: u32,
    /// Milliseconds since the accuser last heard from the accused itself; none if it never did.
    #[n(4)]
    pub silent_ms: Option<u64>,
    /// The accuser's local health score when it said so: 0 is healthy (Lifeguard's LHM).
    #[n(5)]
    pub accuser_health: u8,
    /// The member that answered the accuser at the address where the accuser had confirmed the accused.
    #[n(6)]
    pub replaced_by: Option<NodeId>,
}

/// Names and values of tags, as they are encoded on a card.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub struct TagMap(#[n(0)] pub alloc::collections::BTreeMap<String, String>);

impl TagMap {
    /// The bytes that travel.
    pub fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        rumormill_core::wire::put(self, &mut out);
        out
    }
    /// Reads them back; nothing if they are not tags.
    pub fn decode(bytes: &[u8]) -> Option<TagMap> {
        if bytes.is_empty() { Some(TagMap::default()) } else { rumormill_core::wire::decode(bytes).ok() }
    }
}
