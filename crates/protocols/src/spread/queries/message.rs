//! What travels: the question as an event's payload, and what its asker and those asked say to each other.

use super::{BODY_BYTES_MAX, QueryId};
use alloc::boxed::Box;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{self, Lane};
use rumormill_core::time::Wall;

/// A question as it is spread: the payload of an event, whose name is the query's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Question {
    /// Which query.
    #[n(0)]
    pub id: QueryId,
    /// For so long answers are taken, in milliseconds from when it was asked.
    #[n(1)]
    pub timeout_ms: u32,
    /// Answers are spread over so much time, in milliseconds, so that they do not all come at once.
    #[n(2)]
    pub spread_ms: u32,
    /// When it was asked, by the asker's clock: a hint that it may be over, for who hears it late. Nothing else follows from it.
    #[n(3)]
    pub asked: Wall,
    /// Who is meant, as the application writes it.
    #[n(4)]
    pub filter: Payload,
    /// What is asked.
    #[n(5)]
    pub body: Payload,
}

/// What one who was asked has to say.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum Reply {
    /// I hear of this late: is it still open?
    #[n(0)]
    Late,
    /// I am meant, and will answer.
    #[n(1)]
    Ack,
    /// My answer.
    #[n(2)]
    Answer(#[n(0)] Payload),
    /// My answer has so many bytes, too many for a datagram: take it when you have time.
    #[n(3)]
    Offer(#[n(0)] u32),
}

/// A reply without what is in it: what is confirmed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Kind {
    /// Of [`Reply::Late`].
    #[n(0)]
    Late,
    /// Of [`Reply::Ack`].
    #[n(1)]
    Ack,
    /// Of [`Reply::Offer`].
    #[n(2)]
    Offer,
    /// Of [`Reply::Answer`].
    #[n(3)]
    Answer,
}

impl Reply {
    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Reply::Late => Kind::Late,
            Reply::Ack => Kind::Ack,
            Reply::Answer(_) => Kind::Answer,
            Reply::Offer(_) => Kind::Offer,
        }
    }

    fn is_valid(&self) -> bool {
        match self {
            Reply::Late | Reply::Ack => true,
            Reply::Answer(body) => body.len() <= BODY_BYTES_MAX,
            Reply::Offer(bytes) => *bytes as usize <= BODY_BYTES_MAX,
        }
    }
}

/// A message between the asker and a member that it asked, sent directly or through a relay.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum PeerMessage {
    /// To the asker.
    #[n(0)]
    Reply {
        /// To which query.
        #[n(0)]
        id: QueryId,
        /// What is said.
        #[n(1)]
        reply: Reply,
    },
    /// From the asker: it has come.
    #[n(1)]
    Got {
        /// To which query.
        #[n(0)]
        id: QueryId,
        /// What has come.
        #[n(1)]
        kind: Kind,
        /// Whether answers are still taken.
        #[n(2)]
        open: bool,
    },
    /// From the asker: your answer now, please.
    #[n(2)]
    Take {
        /// To which query.
        #[n(0)]
        id: QueryId,
    },
}

impl PeerMessage {
    pub(super) fn is_valid(&self) -> bool {
        match self {
            PeerMessage::Reply { reply, .. } => reply.is_valid(),
            PeerMessage::Got { .. } | PeerMessage::Take { .. } => true,
        }
    }
}

/// What members say to each other.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Message {
    /// Directly.
    #[n(0)]
    Direct(#[n(0)] PeerMessage),
    /// To anybody: pass this on, for I cannot reach whom it is for, it seems.
    #[n(1)]
    Relay {
        /// Whom it is for.
        #[n(0)]
        to: NodeId,
        /// What is said.
        #[n(1)]
        message: Box<PeerMessage>,
    },
    /// This was given to me for you; what you answer I can pass on.
    #[n(2)]
    Relayed {
        /// By whom.
        #[n(0)]
        from: NodeId,
        /// What is said.
        #[n(1)]
        message: Box<PeerMessage>,
    },
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("queries")];
}
