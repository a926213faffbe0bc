//! What travels: bans, and what two members compare of them.

use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{self, Lane};
use rumormill_core::record::Record;
use rumormill_core::wire::Item;

/// Longest reason, in bytes (our guess: a sentence).
pub const REASON_BYTES_MAX: usize = 200;
/// Longest name, in bytes: what a member's card allows.
pub const NAME_BYTES_MAX: usize = 255;

/// The later word counts; of two of one moment the ban; else the greater giver.
pub(super) type Rank = (u64, bool, NodeId);

/// One member's word about an id: it is kept out, or no longer is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Ban {
    /// Who is kept out.
    #[n(0)]
    pub id: NodeId,
    /// The greater one counts: the giver's clock in milliseconds, or one more than what it knew.
    #[n(1)]
    pub version: u64,
    /// It may come back.
    #[n(2)]
    pub lifted: bool,
    /// Whose word this is.
    #[n(3)]
    pub by: NodeId,
    /// Why, in UTF-8; may be empty.
    #[n(4)]
    pub reason: Payload,
    /// The name it had, in UTF-8, if the giver knew it: members forget a departed member's card, and a ban outlives that.
    #[n(5)]
    pub name: Option<Payload>,
}

impl Ban {
    /// What decides between two about one id, the same way everywhere.
    pub(super) fn rank(&self) -> Rank {
        BanVersion::of(self).rank()
    }

    /// Whether it can be anybody's word: bounded, and not of one who lets itself in again.
    pub(super) fn is_sound(&self) -> bool {
        let is_own = self.id == self.by && self.lifted;
        let is_text = |bytes: &[u8], max| bytes.len() <= max && core::str::from_utf8(bytes).is_ok();
        !is_own
            && is_text(&self.reason, REASON_BYTES_MAX)
            && self.name.as_ref().is_none_or(|name| is_text(name, NAME_BYTES_MAX))
    }

    /// Why.
    pub fn reason(&self) -> &str {
        core::str::from_utf8(&self.reason).unwrap_or_default()
    }

    /// The name it had, if the giver knew it.
    pub fn name(&self) -> Option<&str> {
        core::str::from_utf8(self.name.as_ref()?).ok().filter(|name| !name.is_empty())
    }
}

/// The version of the ban of an id that a member has.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct BanVersion {
    /// About whom.
    #[n(0)]
    pub id: NodeId,
    /// As in the [`Ban`], and so the others: what decides which of two counts.
    #[n(1)]
    pub version: u64,
    /// See `version`.
    #[n(2)]
    pub lifted: bool,
    /// See `version`.
    #[n(3)]
    pub by: NodeId,
}

impl BanVersion {
    pub(super) fn of(ban: &Ban) -> BanVersion {
        BanVersion { id: ban.id, version: ban.version, lifted: ban.lifted, by: ban.by }
    }

    pub(super) fn rank(&self) -> Rank {
        (self.version, !self.lifted, self.by)
    }
}

impl Item for BanVersion {
    const BYTES_MIN: usize = 5;
}

/// A signed ban in a list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub struct Signed(#[n(0)] pub Record<Ban>);

impl Item for Signed {
    /// Of a real one more than a hundred: with a key and a signature.
    const BYTES_MIN: usize = 24;
}

/// What members say to each other.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Message {
    /// The sum over all that I have; one who has something else answers with [`Message::Have`].
    #[n(0)]
    Sum(#[n(0)] u64),
    /// What I have.
    #[n(1)]
    Have {
        /// All of it.
        #[cbor(n(0), with = "rumormill_core::wire::list")]
        known: Vec<BanVersion>,
        /// This answers a `Have` of yours: another one is not wanted.
        #[n(1)]
        answers: bool,
    },
    /// What you lack, or what is new.
    #[n(2)]
    Give(#[cbor(n(0), with = "rumormill_core::wire::list")] Vec<Signed>),
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("bans")];
    /// The newest word counts, whoever brings it and whenever. What costs an answer is taken from the living alone.
    fn replayable(&self) -> bool {
        matches!(self, Message::Give(_))
    }
}

/// What the data directory keeps.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode, CborLen)]
pub struct Kept {
    /// All that is known.
    #[cbor(n(0), with = "rumormill_core::wire::list")]
    pub bans: Vec<Signed>,
}
