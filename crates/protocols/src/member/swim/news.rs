//! Items of news, and the batches in which they travel.
//!
//! A push says the same to several members, and each of them holds most of it already. So a batch that is sent is shared: its items are not copied
//! for each receiver, its length on the wire is reckoned once, and what its items are told by stands in a row. A receiver in the same process (the
//! simulator does not encode messages) passes over the cards that it holds without looking at them.

use super::record::{Accusation, Card, Charge};
use crate::kit::retransmit_queue::Keyed;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;
use minicbor::{CborLen, Decode, Decoder, Encode};
use rumormill_core::identity::NodeId;
use rumormill_core::record::Record;
use rumormill_core::wire::{self, Item};

/// An item of news.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// What a member says of itself.
    Card(Record<Card>),
    /// What one says of another.
    Accusation(Record<Accusation>),
}

impl News {
    /// Whether the bytes are still those that came: to be asked before they are sent.
    pub(super) fn is_intact(&self) -> bool {
        match self {
            News::Card(record) => record.is_intact(),
            News::Accusation(record) => record.is_intact(),
        }
    }
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

/// About whom, what, by whom: a card by itself, suspicions and `dead` accusations by accuser, one `forget`.
pub(super) type Key = (NodeId, u8, NodeId);

impl Keyed for News {
    type Key = Key;

    fn key(&self) -> Key {
        match self {
            News::Card(record) => (record.value().id, 0, NodeId(0)),
            News::Accusation(record) => match record.value().charge {
                Charge::Suspect => (record.value().accused, 1, record.value().accuser),
                Charge::Failed => (record.value().accused, 2, record.value().accuser),
                Charge::Forget => (record.value().accused, 3, NodeId(0)),
            },
        }
    }

    fn about(key: Key) -> NodeId {
        key.0
    }
}

/// Items of news that travel in one message. A clone of a [shared](Batch::shared) one costs a reference count.
#[derive(Clone)]
pub struct Batch(Items);

#[derive(Clone)]
enum Items {
    /// As they were decoded: nothing is allocated beside them.
    Own(Vec<News>),
    Shared(Arc<Shared>),
}

struct Shared {
    news: Vec<News>,
    labels: Vec<Label>,
    /// The size of all items on the wire, in bytes.
    len: usize,
}

/// What an item of news is told by: the member that it is about, and the mark of what it says. Once in 2^32 times a member's next card has the mark
/// of the one before; then it is taken for a copy, and comes by an exchange. Nobody else can bring that about: the mark covers the signature.
#[derive(Copy, Clone)]
pub(super) struct Label {
    pub(super) about: NodeId,
    pub(super) mark: u32,
}

impl Label {
    fn of(news: &News) -> Label {
        match news {
            News::Card(record) => Label { about: record.value().id, mark: mark(record) },
            News::Accusation(record) => Label { about: record.value().accused, mark: mark(record) },
        }
    }
}

/// The mark of a record: the head of its checksum, and never 0.
pub(super) fn mark<T>(record: &Record<T>) -> u32 {
    ((record.sum() >> 32) as u32).max(1)
}

impl Batch {
    /// A batch to be sent, perhaps to several members.
    pub fn shared(news: Vec<News>) -> Batch {
        let labels = news.iter().map(Label::of).collect();
        let len = wire::list::cbor_len(&news, &mut ());
        Batch(Items::Shared(Arc::new(Shared { news, labels, len })))
    }

    /// Each item with its label.
    pub(super) fn labelled(&self) -> impl Iterator<Item = (Label, &News)> {
        let labels = match &self.0 {
            Items::Own(_) => &[][..],
            Items::Shared(shared) => &shared.labels[..],
        };
        let label = move |(at, news)| (labels.get(at).copied().unwrap_or_else(|| Label::of(news)), news);
        self.iter().enumerate().map(label)
    }
}

impl Deref for Batch {
    type Target = [News];
    fn deref(&self) -> &[News] {
        match &self.0 {
            Items::Own(news) => news,
            Items::Shared(shared) => &shared.news,
        }
    }
}

impl From<Vec<News>> for Batch {
    fn from(news: Vec<News>) -> Batch {
        Batch(Items::Own(news))
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self[..], f)
    }
}

impl<C> Encode<C> for Batch {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        wire::list::encode(&self[..], e, c)
    }
}

impl<'b, C> Decode<'b, C> for Batch {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, minicbor::decode::Error> {
        wire::list::decode(d, c).map(|news: Vec<News>| news.into())
    }
}

impl<C> CborLen<C> for Batch {
    fn cbor_len(&self, c: &mut C) -> usize {
        match &self.0 {
            Items::Own(news) => wire::list::cbor_len(news, c),
            Items::Shared(shared) => shared.len,
        }
    }
}
