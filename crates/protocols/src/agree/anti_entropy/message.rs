//! What travels. Each message says all that its answer needs, so that nobody keeps a list of conversations.

use super::entry::{Entries, Entry, place_of};
use crate::kit::hybrid_clock::Timestamp;
use crate::kit::merkle;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{self, Lane};

/// Who gives to whom from here on, as the sender of a message sees it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Way {
    /// I tell what is newer here.
    #[n(0)]
    Give,
    /// I take what is newer at yours.
    #[n(1)]
    Take,
    /// Both.
    #[n(2)]
    Both,
}

impl Way {
    /// The same, as the receiver sees it.
    pub fn flipped(self) -> Way {
        match self {
            Way::Give => Way::Take,
            Way::Take => Way::Give,
            Way::Both => Way::Both,
        }
    }

    /// Whether the sender wants to be told.
    pub fn takes(self) -> bool {
        self != Way::Give
    }
}

/// A part of the key space, in the order of the keys' places.
#[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
pub struct Span {
    /// The first place.
    #[cbor(n(0), with = "fixed")]
    pub from: u64,
    /// The last place.
    #[cbor(n(1), with = "fixed")]
    pub to: u64,
    /// Only what comes after this key; the empty key is none.
    #[n(2)]
    pub after: Payload,
    /// Only up to this key, and that too; the empty key is none.
    #[n(3)]
    pub cut: Payload,
}

impl Span {
    /// Everything.
    pub const WHOLE: Span = Span { from: 0, to: u64::MAX, after: Payload::EMPTY, cut: Payload::EMPTY };

    /// What lies below a prefix of so many digits.
    pub fn below(depth: u8, prefix: u64) -> Span {
        let (from, to) = merkle::places(depth, prefix);
        Span { from, to, ..Span::WHOLE }
    }

    /// The part of it that begins after `key`.
    pub fn after(self, key: Payload) -> Span {
        Span { after: key, cut: Payload::EMPTY, ..self }
    }

    /// Whether it is not just the space below some prefix.
    pub fn is_of_all(&self) -> bool {
        (self.from, self.to) == (0, u64::MAX)
    }

    /// Nothing for everything, which is said most often.
    pub fn boxed(self) -> Option<Box<Span>> {
        (self != Span::WHOLE).then(|| Box::new(self))
    }

    /// Where an entry lies: before it, in it or behind it.
    pub(super) fn holds(&self, entry: &Entry) -> Ordering {
        let place = entry.place();
        let against = |key: &Payload| (place, &**entry.key()).cmp(&(place_of(key), &**key));
        if place < self.from || !self.after.is_empty() && against(&self.after) != Ordering::Greater {
            Ordering::Less
        } else if place > self.to || !self.cut.is_empty() && against(&self.cut) == Ordering::Greater {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }
}

/// A hash or a place in all its eight bytes, which pay for the box that its message is read into.
mod fixed {
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

/// Where an entry is in the order of time, of which keys written at one time are told apart by their places.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, CborLen)]
pub struct Turn {
    /// When it was written, or activated.
    #[n(0)]
    pub stamp: Timestamp,
    /// Its key's place.
    #[n(1)]
    pub place: u64,
}

/// What to do if the checksums differ.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Then {
    /// Everything travels; from after this key on, if the last time it did not come to an end.
    #[n(0)]
    Pages(#[n(0)] Payload),
    /// Peel back.
    #[n(1)]
    Peel,
    /// Walk down the tree.
    #[n(2)]
    Merkle,
}

/// One page of what was written last.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub struct Peeled {
    /// All that the sender has between `below` and `low`.
    #[n(0)]
    pub entries: Entries,
    /// What is earlier than this; of the first page there is none.
    #[n(1)]
    pub below: Option<Turn>,
    /// What is not earlier than this; of the last page there is none.
    #[n(2)]
    pub low: Option<Turn>,
    /// The sender's checksum.
    #[cbor(n(3), with = "fixed")]
    pub sum: u64,
    /// How many pages went before.
    #[n(4)]
    pub pages: u8,
    /// Who gives to whom.
    #[n(5)]
    pub way: Way,
}

/// A question for such a page.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub struct Peel {
    /// What is earlier than this.
    #[n(0)]
    pub below: Option<Turn>,
    /// The sender's checksum.
    #[cbor(n(1), with = "fixed")]
    pub sum: u64,
    /// How many pages went before.
    #[n(2)]
    pub pages: u8,
    /// Who gives to whom.
    #[n(3)]
    pub way: Way,
}

/// What travels.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Message {
    /// All that the sender has in a part of the key space; or, where nothing more is asked for, only what is newer there.
    #[n(0)]
    Page {
        /// In the order of their places.
        #[n(0)]
        entries: Entries,
        /// Where; `None` is everywhere.
        #[n(1)]
        span: Option<Box<Span>>,
        /// Who gives to whom.
        #[n(2)]
        way: Way,
    },
    /// A question for a page from there on.
    #[n(1)]
    Ask {
        /// From where on; `None` is from the beginning.
        #[n(0)]
        span: Option<Box<Span>>,
        /// Who gives to whom.
        #[n(1)]
        way: Way,
    },
    /// The sender's checksum.
    #[n(2)]
    Sum {
        /// The sum of all its marks.
        #[n(0)]
        sum: u64,
        /// What to do if the receiver's is another.
        #[n(1)]
        then: Then,
        /// Who gives to whom.
        #[n(2)]
        way: Way,
    },
    /// What was written last, and the checksum.
    #[n(3)]
    Recent {
        /// The newest first.
        #[n(0)]
        entries: Entries,
        /// The sum of all marks.
        #[n(1)]
        sum: u64,
        /// Who gives to whom.
        #[n(2)]
        way: Way,
        /// From after this key on everything is to be asked for, if the last time that did not come to an end.
        #[n(3)]
        after: Payload,
        /// Whether this is the answer to another one.
        #[n(4)]
        answers: bool,
    },
    /// A page of what was written last.
    #[n(4)]
    Peeled(#[n(0)] Box<Peeled>),
    /// A question for one.
    #[n(5)]
    Peel(#[n(0)] Box<Peel>),
    /// The sums of the children of a node of the sender's tree.
    #[n(6)]
    Tree {
        /// How many digits the node's prefix has.
        #[n(0)]
        depth: u8,
        /// The prefix.
        #[n(1)]
        prefix: u64,
        /// Of each child in order.
        #[cbor(n(2), with = "rumormill_core::wire::list")]
        sums: Vec<u64>,
        /// Who gives to whom.
        #[n(3)]
        way: Way,
    },
    /// May we talk? Where connections are limited, this comes before all else.
    #[n(7)]
    Connect,
    /// Go on.
    #[n(8)]
    Accept,
    /// Not now: there are too many.
    #[n(9)]
    Refuse,
}

impl Message {
    /// How many entries it brings.
    pub(super) fn entries_len(&self) -> usize {
        match self {
            Message::Page { entries, .. } | Message::Recent { entries, .. } => entries.len(),
            Message::Peeled(page) => page.entries.len(),
            _ => 0,
        }
    }
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("anti-entropy")];
    // Not replayable: what was deleted so long ago that its certificate is gone would live again.
}
