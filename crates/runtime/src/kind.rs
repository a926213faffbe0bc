//! The kinds of packets: data, hellos, handshakes, key recovery and refusals.

/// The kind of a packet.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Messages of the protocol.
    Data = 0,
    /// Asks for the id at an address. Content: a nonce. Without a destination.
    Hello = 1,
    /// Answers a hello. Content: its nonce.
    HelloAck = 2,
    /// The receiver's id runs in a greater life. Content: that life.
    Superseded = 3,
    /// Challenges a sender that may be replayed: it must answer with the session that it learns from this packet.
    Challenge = 4,
    /// Answers a challenge.
    ChallengeAck = 5,
    /// The first packet on a connection. Without a destination.
    StreamHello = 6,
    /// Answers it.
    StreamAck = 7,
    /// Key recovery: a node that missed a rotation asks for the current keys. Without a destination, and the one kind that a removed key
    /// still opens.
    KeyRequest = 8,
    /// Answers it under the same key; its content is also sealed to the asker.
    KeyGrant = 9,
    /// The hello was for a cluster of another name. Content: a [`Refusal`](crate::refusal::Refusal), under a key that leaves the name out.
    Refusal = 10,
}

impl Kind {
    /// All kinds, each at the index of its number. A kind that is not listed cannot be read.
    pub const ALL: [Kind; 11] = {
        use Kind::*;
        [
            Data,
            Hello,
            HelloAck,
            Superseded,
            Challenge,
            ChallengeAck,
            StreamHello,
            StreamAck,
            KeyRequest,
            KeyGrant,
            Refusal,
        ]
    };

    pub(crate) fn read(byte: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Whether any node may read it.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Kind::Hello | Kind::StreamHello | Kind::KeyRequest)
    }

    /// Whether it says nothing about a session: its content proves itself, or no node relies on it.
    pub(crate) fn is_apart(self) -> bool {
        matches!(self, Kind::KeyRequest | Kind::KeyGrant | Kind::Refusal)
    }

    /// Whether it travels over a connection: in no order with datagrams, and protected by nonces instead of the replay window.
    pub(crate) fn is_stream(self) -> bool {
        matches!(self, Kind::StreamHello | Kind::StreamAck)
    }
}
