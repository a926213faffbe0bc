//! An event, where it comes from, and positions in what has come from there.

use super::config::{NAME_BYTES_MAX, PAYLOAD_BYTES_MAX, SEQ_MAX};
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::wire;

/// One life of an origin: its events are numbered from 1 on, and told in that order.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
pub struct Source {
    /// Who publishes.
    #[cbor(n(0), with = "fixed_id")]
    pub origin: NodeId,
    /// In which of its lives.
    #[n(1)]
    pub epoch: u64,
}

/// Which event.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
pub struct EventId {
    /// Where it comes from.
    #[n(0)]
    pub source: Source,
    /// Its number there, from 1 on.
    #[n(1)]
    pub seq: u64,
}

/// What makes an event special.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub struct Flags(#[n(0)] u8);

impl Flags {
    /// Told in the order of its origin.
    pub const NONE: Flags = Flags(0);
    /// Told at first receipt, whatever is still missing before it.
    pub const UNORDERED: Flags = Flags(1);
    /// Of its origin's events with this flag and one name only the latest counts.
    pub const COALESCE: Flags = Flags(2);
    /// A later one of its name has taken its place: nothing is left of it but its number.
    pub const VOID: Flags = Flags(4);
    /// It asks for an answer: [`queries`](super::super::queries) takes it, not the application.
    pub const QUESTION: Flags = Flags(8);

    /// Whether all of `other` is set.
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    pub fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// An event. A clone costs two reference counts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Item {
    /// Which one.
    #[n(0)]
    pub id: EventId,
    /// What is special about it.
    #[n(1)]
    pub flags: Flags,
    /// What kind of event it is; text by convention, at most [`NAME_BYTES_MAX`] bytes.
    #[n(2)]
    pub name: Payload,
    /// What it says, at most [`PAYLOAD_BYTES_MAX`] bytes.
    #[n(3)]
    pub payload: Payload,
}

impl Item {
    /// What an event takes in memory besides its name and payload, so that empty ones are not for nothing (about what a map needs).
    const ROW_BYTES: usize = 96;

    /// Whether somebody who keeps to the rules may have written it.
    pub(super) fn is_valid(&self) -> bool {
        let fits = self.name.len() <= NAME_BYTES_MAX && self.payload.len() <= PAYLOAD_BYTES_MAX;
        let is_blank = self.name.is_empty() && self.payload.is_empty();
        self.id.is_valid() && fits && (!self.is_void() || is_blank)
    }

    pub(super) fn is_ordered(&self) -> bool {
        !self.flags.has(Flags::UNORDERED)
    }

    pub(super) fn is_void(&self) -> bool {
        self.flags.has(Flags::VOID)
    }

    pub(super) fn coalesces(&self) -> bool {
        self.flags.has(Flags::COALESCE) && !self.is_void()
    }

    /// What is left when a later one of its name has come.
    pub(super) fn voided(&self) -> Item {
        Item { id: self.id, flags: Flags::VOID, name: Payload::EMPTY, payload: Payload::EMPTY }
    }

    /// What it counts for in the window.
    pub(super) fn cost(&self) -> usize {
        Item::ROW_BYTES + self.name.len() + self.payload.len()
    }
}

impl EventId {
    pub(super) fn is_valid(&self) -> bool {
        (1..=SEQ_MAX).contains(&self.seq)
    }
}

/// The numbers from one to another, both included.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Span {
    /// The first.
    #[n(0)]
    pub from: u64,
    /// The last.
    #[n(1)]
    pub to: u64,
}

impl Span {
    pub(super) fn is_valid(&self) -> bool {
        1 <= self.from && self.from <= self.to && self.to <= SEQ_MAX
    }

    pub(super) fn contains(&self, seq: u64) -> bool {
        (self.from..=self.to).contains(&seq)
    }

    /// How many numbers these are.
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(&self) -> u64 {
        self.to - self.from + 1
    }

    /// What of it lies in none of `gaps`, which are in ascending order; at most `max` parts go to `out`.
    pub(super) fn without(self, gaps: &[Span], max: usize, out: &mut Vec<Span>) {
        let mut from = self.from;
        for gap in gaps.iter().filter(|gap| gap.to >= self.from && gap.from <= self.to) {
            if gap.from > from && out.len() < max {
                out.push(Span { from, to: gap.from - 1 });
            }
            from = from.max(gap.to + 1);
        }
        if from <= self.to && out.len() < max {
            out.push(Span { from, to: self.to });
        }
    }
}

/// How far the application was told of one source.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Position {
    /// Of which source.
    #[n(0)]
    pub source: Source,
    /// All before this was told, or is known to be lost.
    #[n(1)]
    pub next: u64,
    /// Unordered ones from there on that were told already.
    #[cbor(n(2), with = "rumormill_core::wire::list")]
    pub beyond: Vec<Span>,
}

/// How far the application was told: what the agent stores, so that nothing is told twice across a clean restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Positions {
    /// Whether it had been found out what was before this node.
    #[n(0)]
    pub joined: bool,
    /// In ascending order of the sources.
    #[cbor(n(1), with = "rumormill_core::wire::list")]
    pub list: Vec<Position>,
}

// Heads of arrays are one byte, an id is nine, other numbers, lists and byte strings at least one.
impl wire::Item for Source {
    const BYTES_MIN: usize = 1 + 9 + 1;
}
impl wire::Item for EventId {
    const BYTES_MIN: usize = 1 + Source::BYTES_MIN + 1;
}
impl wire::Item for Item {
    const BYTES_MIN: usize = 1 + EventId::BYTES_MIN + 1 + 1 + 1;
}
impl wire::Item for Span {
    const BYTES_MIN: usize = 1 + 1 + 1;
}
impl wire::Item for Position {
    const BYTES_MIN: usize = 1 + Source::BYTES_MIN + 1 + 1;
}

/// A number in all its eight bytes: ids are hashes, so it costs nothing, and pays for what is allocated for them.
pub(super) mod fixed {
    use minicbor::decode::{Decoder, Error};
    use minicbor::encode::{self, Encoder, Write};

    pub fn encode<C, W: Write>(
        n: &u64,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&n.to_be_bytes())?.ok()
    }

    pub fn decode<'b, C>(d: &mut Decoder<'b>, _: &mut C) -> Result<u64, Error> {
        let bytes =
            d.bytes()?.try_into().map_err(|_| Error::message("a number of other than eight bytes"))?;
        Ok(u64::from_be_bytes(bytes))
    }

    pub fn cbor_len<C>(_: &u64, _: &mut C) -> usize {
        rumormill_core::wire::bytes_len(8)
    }
}

mod fixed_id {
    use super::{NodeId, fixed};
    use minicbor::decode::{Decoder, Error};
    use minicbor::encode::{self, Encoder, Write};

    pub fn encode<C, W: Write>(
        id: &NodeId,
        e: &mut Encoder<W>,
        c: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        fixed::encode(&id.0, e, c)
    }

    pub fn decode<'b, C>(d: &mut Decoder<'b>, c: &mut C) -> Result<NodeId, Error> {
        fixed::decode(d, c).map(NodeId)
    }

    pub fn cbor_len<C>(id: &NodeId, c: &mut C) -> usize {
        fixed::cbor_len(&id.0, c)
    }
}
