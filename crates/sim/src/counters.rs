//! Counters of packets sent, received and dropped.

use std::ops::AddAssign;

/// Counters of one node, or of all nodes together. A restart does not reset them.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Inputs handed to the protocol: starts, calls, messages, timers and notices.
    pub inputs: u64,
    /// Datagrams sent, delivered or not.
    pub datagrams_sent: u64,
    /// Bytes of these datagrams, overhead included.
    pub datagram_bytes_sent: u64,
    /// Messages sent over streams, delivered or not.
    pub stream_messages_sent: u64,
    /// Bytes of these messages, overhead included.
    pub stream_bytes_sent: u64,
    /// Datagrams handed to the protocol.
    pub datagrams_received: u64,
    /// Bytes of these datagrams, overhead included.
    pub datagram_bytes_received: u64,
    /// Stream messages handed to the protocol.
    pub stream_messages_received: u64,
    /// Bytes of these messages, overhead included.
    pub stream_bytes_received: u64,
    /// Messages dropped by the sender's budget.
    pub shed: u64,
    /// Bytes of these messages.
    pub shed_bytes: u64,
    /// Duplicates that the network made of this sender's datagrams.
    pub duplicated: u64,
    /// Retransmissions of segments of this sender's stream messages.
    pub retransmissions: u64,
    /// Datagrams delivered to this node with a flipped bit, decodable or not.
    pub corrupted: u64,
    /// Packets that were sent and not delivered.
    pub dropped: Dropped,
    /// Maximum number of timers in flight at once in one node.
    pub timers_max: u64,
}

/// Datagrams and stream messages that were not delivered, by cause.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Dropped {
    /// Independent loss; counted at the sender.
    pub lost: u64,
    /// A partition; counted at the sender.
    pub partitioned: u64,
    /// No node has the receiver's id; counted at the sender.
    pub unknown: u64,
    /// The receiver was down, or crashed while the packet waited there; counted at the receiver.
    pub crashed: u64,
    /// The buffer of a paused node was full; counted at that node.
    pub overflowed: u64,
    /// The packet could not be decoded; counted at the receiver.
    pub undecodable: u64,
    /// Loss in bursts and one-way loss; counted at the sender.
    pub swallowed: u64,
    /// The queue of a line was full; counted at the owner of the line.
    pub congested: u64,
    /// The inbox of the receiver's processor was full; counted at the receiver.
    pub overloaded: u64,
}

impl Counters {
    /// Bytes sent in datagrams and over streams.
    pub fn bytes_sent(&self) -> u64 {
        self.datagram_bytes_sent + self.stream_bytes_sent
    }
}

impl Dropped {
    /// Sum over all causes.
    pub fn total(&self) -> u64 {
        self.lost
            + self.partitioned
            + self.unknown
            + self.crashed
            + self.overflowed
            + self.undecodable
            + self.swallowed
            + self.congested
            + self.overloaded
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Counters) {
        let Counters {
            inputs,
            datagrams_sent,
            datagram_bytes_sent,
            stream_messages_sent,
            stream_bytes_sent,
            datagrams_received,
            datagram_bytes_received,
            stream_messages_received,
            stream_bytes_received,
            shed,
            shed_bytes,
            duplicated,
            retransmissions,
            corrupted,
            dropped,
            timers_max,
        } = other;
        self.inputs += inputs;
        self.datagrams_sent += datagrams_sent;
        self.datagram_bytes_sent += datagram_bytes_sent;
        self.stream_messages_sent += stream_messages_sent;
        self.stream_bytes_sent += stream_bytes_sent;
        self.datagrams_received += datagrams_received;
        self.datagram_bytes_received += datagram_bytes_received;
        self.stream_messages_received += stream_messages_received;
        self.stream_bytes_received += stream_bytes_received;
        self.shed += shed;
        self.shed_bytes += shed_bytes;
        self.duplicated += duplicated;
        self.retransmissions += retransmissions;
        self.corrupted += corrupted;
        self.dropped += dropped;
        self.timers_max = self.timers_max.max(timers_max);
    }
}

impl AddAssign for Dropped {
    fn add_assign(&mut self, other: Dropped) {
        let Dropped {
            lost,
            partitioned,
            unknown,
            crashed,
            overflowed,
            undecodable,
            swallowed,
            congested,
            overloaded,
        } = other;
        self.lost += lost;
        self.partitioned += partitioned;
        self.unknown += unknown;
        self.crashed += crashed;
        self.overflowed += overflowed;
        self.undecodable += undecodable;
        self.swallowed += swallowed;
        self.congested += congested;
        self.overloaded += overloaded;
    }
}
