//! What travels. Each message says all that its answer needs, so that nobody keeps a list of conversations.

use super::item::{EventId, Item, Source, Span, fixed};
use alloc::boxed::Box;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::protocol::{self, Lane};
use rumormill_core::wire;

/// What somebody holds of one source: all from `low` to `top` but the gaps.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Row {
    /// Of which source.
    #[n(0)]
    pub source: Source,
    /// What is before this has passed.
    #[n(1)]
    pub low: u64,
    /// The highest number; where there are too many gaps, that before the first one which is not listed.
    #[n(2)]
    pub top: u64,
    /// What is not held, in ascending order, at most [`GAPS_MAX`](super::log::GAPS_MAX).
    #[cbor(n(3), with = "rumormill_core::wire::list")]
    pub gaps: Vec<Span>,
}

impl wire::Item for Row {
    const BYTES_MIN: usize = 1 + Source::BYTES_MIN + 1 + 1 + 1;
}

/// Events of one source that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Want {
    /// Of which source.
    #[n(0)]
    pub source: Source,
    /// In ascending order.
    #[cbor(n(1), with = "rumormill_core::wire::list")]
    pub spans: Vec<Span>,
}

impl wire::Item for Want {
    const BYTES_MIN: usize = 1 + Source::BYTES_MIN + 1;
}

/// Which sources a digest lists.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Scope {
    /// Those that changed last, or have gaps. An answer is welcome.
    #[n(0)]
    Recent,
    /// All after `after`, up to and with `next`.
    #[n(1)]
    Page,
    /// Those of another digest of which the sender knows more. It is not answered by a digest.
    #[n(2)]
    Answer,
}

/// What somebody holds, source by source.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Digest {
    /// In any order, each source once.
    #[cbor(n(0), with = "rumormill_core::wire::list")]
    pub rows: Vec<Row>,
    /// Which sources these are.
    #[n(1)]
    pub scope: Scope,
    /// The sum of the marks of all sources that are not listed.
    #[cbor(n(2), with = "fixed")]
    pub rest: u64,
    /// Of a page: the source before its first.
    #[n(3)]
    pub after: Option<Source>,
    /// Of a page: its last source, if another page follows.
    #[n(4)]
    pub next: Option<Source>,
    /// Whether a joiner may take this as its baseline at once: the sender has a baseline itself, or is a cluster of one.
    #[n(5)]
    pub joined: bool,
    /// Of a page: the sender is a joiner, and a seed that may belong to an older cluster has not answered it yet.
    #[n(6)]
    pub waits: Option<bool>,
}

/// What members say to each other.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Message {
    /// This is news, I think.
    #[n(0)]
    Push {
        /// The event.
        #[n(0)]
        item: Item,
        /// Which of the sender's contacts about it this is.
        #[n(1)]
        turn: u8,
    },
    /// The same of one that is too large for a datagram: ask for it if you lack it.
    #[n(1)]
    Have {
        /// The event.
        #[n(0)]
        id: EventId,
        /// Which of the sender's contacts about it this is.
        #[n(1)]
        turn: u8,
    },
    /// I knew it. Who did not says nothing.
    #[n(2)]
    Knew {
        /// The event.
        #[n(0)]
        id: EventId,
        /// The push's.
        #[n(1)]
        turn: u8,
    },
    /// The sum of the marks of all my sources: if yours is the same we hold the same.
    #[n(3)]
    Root {
        /// The sum.
        #[n(0)]
        root: u64,
    },
    /// What I hold.
    #[n(4)]
    Digest(#[n(0)] Box<Digest>),
    /// Give me the next page of all that you hold.
    #[n(5)]
    More {
        /// The sources after this one; from the first on if there is none.
        #[n(0)]
        after: Option<Source>,
        /// The sender needs the pages as its baseline, before it joins: answer over the stream, as the sender does.
        #[n(1)]
        joining: Option<bool>,
    },
    /// Give me these.
    #[n(6)]
    Want {
        /// In any order.
        #[cbor(n(0), with = "rumormill_core::wire::list")]
        wants: Vec<Want>,
    },
    /// What I hold of what you wanted, a page of it.
    #[n(7)]
    Give {
        /// In the order in which they were wanted.
        #[cbor(n(0), with = "rumormill_core::wire::list")]
        items: Vec<Item>,
        /// Ask for this next.
        #[cbor(n(1), with = "rumormill_core::wire::list")]
        left: Vec<Want>,
    },
    /// Answer as soon as you will deliver this event. Does not fetch it.
    #[n(8)]
    Cover {
        /// The event.
        #[n(0)]
        id: EventId,
    },
    /// The answer to [`Message::Cover`].
    #[n(9)]
    Covered {
        /// The event.
        #[n(0)]
        id: EventId,
        /// Whether the event was or will be delivered here. `false` is final if it was passed over here; from older
        /// versions it means "not yet".
        #[n(1)]
        held: bool,
    },
}

const _: () = assert!(size_of::<Message>() <= 80);

impl protocol::Message for Message {
    const LANES: &'static [Lane] =
        &[Lane::new("events"), Lane::new("events-talk"), Lane::new("events-repair")];
    fn lane(&self) -> usize {
        match self {
            Message::Push { .. } | Message::Have { .. } => 0,
            Message::Knew { .. } | Message::Root { .. } | Message::Cover { .. } | Message::Covered { .. } => {
                1
            }
            Message::Digest(_) | Message::More { .. } | Message::Want { .. } | Message::Give { .. } => 2,
        }
    }
    /// Questions cost an answer. All else from the past could be told to one who has joined since.
    fn replayable(&self) -> bool {
        use Message::{Cover, More, Root, Want};
        matches!(self, Root { .. } | More { .. } | Want { .. } | Cover { .. })
    }
}
