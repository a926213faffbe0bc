//! What was sent, received and dropped.

use std::ops::AddAssign;

/// What one node, or all of them together, sent, received and lost. Kept over restarts.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Inputs handed to the protocol: starts, calls, messages, timers and notices.
    pub inputs: u64,
    /// Datagrams that left, whatever became of them.
    pub datagrams_sent: u64,
    /// Their bytes, with everything around the messages.
    pub datagram_bytes_sent: u64,
    /// Messages that left over a stream, whatever became of them.
    pub stream_messages_sent: u64,
    /// Their bytes, with everything around them.
    pub stream_bytes_sent: u64,
    /// Datagrams handed to the protocol.
    pub datagrams_received: u64,
    /// Their bytes, with everything around the messages.
    pub datagram_bytes_received: u64,
    /// Stream messages handed to the protocol.
    pub stream_messages_received: u64,
    /// Their bytes, with everything around them.
    pub stream_bytes_received: u64,
    /// Messages that the budget did not let out.
    pub shed: u64,
    /// Their bytes.
    pub shed_bytes: u64,
    /// Second copies that the network made of a datagram of this sender.
    pub duplicated: u64,
    /// Retransmissions that stream messages of this sender waited for.
    pub retransmissions: u64,
    /// Datagrams to this receiver of which the network turned a bit, whether or not they could still be decoded.
    pub corrupted: u64,
    /// What was sent and did not arrive.
    pub dropped: Dropped,
    /// The most timers in flight at once in one node.
    pub timers_max: u64,
}

/// Datagrams and stream messages that did not arrive, by cause.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Dropped {
    /// By chance; counted at the sender.
    pub lost: u64,
    /// By a partition; counted at the sender.
    pub partitioned: u64,
    /// Because nobody has the id it was sent to; counted at the sender.
    pub unknown: u64,
    /// Because the receiver was down, or went down while it waited there; counted at the receiver.
    pub crashed: u64,
    /// Because the buffer it had to wait in was full; counted where the buffer is.
    pub overflowed: u64,
    /// Because it could not be decoded; counted at the receiver.
    pub undecodable: u64,
    /// In bursts and one way; counted at the sender.
    pub swallowed: u64,
    /// Because the queue of a line was full; counted at the line's owner.
    pub congested: u64,
    /// Because too much waited for the receiver's processor; counted at the receiver.
    pub overloaded: u64,
}

impl Counters {
    /// Bytes that left in datagrams and over streams.
    pub fn bytes_sent(&self) -> u64 {
        self.datagram_bytes_sent + self.stream_bytes_sent
    }
}

impl Dropped {
    /// Over all causes.
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
