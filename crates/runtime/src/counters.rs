//! What was sent, received and lost, and why. Plain numbers that only go up; reading them stops nobody.

use crate::seal::Refused;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why something was dropped.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// A packet shorter than its header.
    Truncated,
    /// A packet of a version that is not known here.
    Version,
    /// A packet of a kind that is not known here.
    Kind,
    /// A packet for somebody else.
    NotForMe,
    /// Another key, another cluster, or damaged.
    Unreadable,
    /// A packet seen before, or too old to tell.
    Replayed,
    /// A packet from a life that is over.
    Stale,
    /// A packet of my own that came back, or of a copy of me.
    Myself,
    /// Opened, but not a message of this version.
    Undecodable,
    /// A message that would do harm if it were old, from a session that is not confirmed.
    Unconfirmed,
    /// A datagram larger than the buffer for one.
    OversizedIn,
    /// A message of mine larger than a stream carries.
    OversizedOut,
    /// Nobody knows where to send it.
    NoAddress,
    /// The system refused to send it.
    SocketError,
    /// The socket's buffer was full.
    SocketFull,
    /// The queue of its connection was full.
    StreamQueueFull,
    /// A connection whose handshake was wrong, silent, slow, or one too many.
    StreamHandshake,
    /// A connection that announced a message too large or too small.
    StreamLength,
    /// A connection that broke or stalled.
    StreamBroken,
    /// A connection closed to make room for another.
    StreamEvicted,
    /// A session given up because too many ids were heard of.
    SessionEvicted,
    /// Asked for by fault injection.
    Fault,
    /// A request for keys, or a grant: wrong, or one too many.
    KeyRecovery,
    /// From a banned member.
    Banned,
}

impl Cause {
    /// All causes with the names they are shown by.
    pub const ALL: [(Cause, &'static str); 24] = [
        (Cause::Truncated, "truncated"),
        (Cause::Version, "version"),
        (Cause::Kind, "kind"),
        (Cause::NotForMe, "not_for_me"),
        (Cause::Unreadable, "unreadable"),
        (Cause::Replayed, "replayed"),
        (Cause::Stale, "stale"),
        (Cause::Myself, "myself"),
        (Cause::Undecodable, "undecodable"),
        (Cause::Unconfirmed, "unconfirmed"),
        (Cause::OversizedIn, "oversized_in"),
        (Cause::OversizedOut, "oversized_out"),
        (Cause::NoAddress, "no_address"),
        (Cause::SocketError, "socket_error"),
        (Cause::SocketFull, "socket_full"),
        (Cause::StreamQueueFull, "stream_queue_full"),
        (Cause::StreamHandshake, "stream_handshake"),
        (Cause::StreamLength, "stream_length"),
        (Cause::StreamBroken, "stream_broken"),
        (Cause::StreamEvicted, "stream_evicted"),
        (Cause::SessionEvicted, "session_evicted"),
        (Cause::Fault, "fault"),
        (Cause::KeyRecovery, "knock"),
        (Cause::Banned, "banned"),
    ];
}

impl From<Refused> for Cause {
    fn from(refused: Refused) -> Cause {
        match refused {
            Refused::Truncated => Cause::Truncated,
            Refused::Version => Cause::Version,
            Refused::Kind => Cause::Kind,
            Refused::NotForMe => Cause::NotForMe,
            Refused::Unreadable => Cause::Unreadable,
            Refused::Replayed => Cause::Replayed,
            Refused::Stale { .. } => Cause::Stale,
        }
    }
}

/// The numbers as they grow.
#[derive(Debug)]
pub struct Counters {
    pub(crate) datagrams_sent: AtomicU64,
    pub(crate) datagrams_received: AtomicU64,
    pub(crate) datagram_bytes_sent: AtomicU64,
    pub(crate) datagram_bytes_received: AtomicU64,
    pub(crate) stream_messages_sent: AtomicU64,
    pub(crate) stream_messages_received: AtomicU64,
    pub(crate) stream_bytes_sent: AtomicU64,
    pub(crate) stream_bytes_received: AtomicU64,
    pub(crate) connections_opened: AtomicU64,
    pub(crate) connections_accepted: AtomicU64,
    pub(crate) connections: AtomicU64,
    lanes: Vec<Lane>,
    dropped: [AtomicU64; Cause::ALL.len()],
}

#[derive(Debug)]
struct Lane {
    name: &'static str,
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    received: AtomicU64,
    received_bytes: AtomicU64,
    shed: AtomicU64,
}

/// The numbers at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Datagrams handed to the system.
    pub datagrams_sent: u64,
    /// Datagrams taken from the system, good or bad.
    pub datagrams_received: u64,
    /// Their bytes, with seal, UDP and IP headers.
    pub datagram_bytes_sent: u64,
    /// Their bytes, with seal, UDP and IP headers.
    pub datagram_bytes_received: u64,
    /// Messages written to connections.
    pub stream_messages_sent: u64,
    /// Messages read from connections.
    pub stream_messages_received: u64,
    /// Their bytes, with frame and seal.
    pub stream_bytes_sent: u64,
    /// Their bytes, with frame and seal.
    pub stream_bytes_received: u64,
    /// Connections opened to others, handshake and all.
    pub connections_opened: u64,
    /// Connections accepted from others, handshake and all.
    pub connections_accepted: u64,
    /// Connections open now.
    pub connections: u64,
    /// By lane of the protocol's messages.
    pub lanes: Vec<LaneSnapshot>,
    /// By cause, in the order of [`Cause::ALL`].
    pub dropped: Vec<(&'static str, u64)>,
}

/// The numbers of one lane at one moment. Bytes are those of the messages alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneSnapshot {
    /// Its name.
    pub name: &'static str,
    /// Messages sent.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Messages received and handed to the protocol.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Messages dropped for the budget, or because a queue was full.
    pub shed: u64,
}

impl Snapshot {
    /// How many were dropped for `cause`.
    pub fn dropped(&self, cause: Cause) -> u64 {
        self.dropped.get(cause as usize).map_or(0, |(_, count)| *count)
    }
}

impl Counters {
    /// All zero, with these lanes.
    pub(crate) fn new(lanes: &[rumormill_core::Lane]) -> Counters {
        let zero = AtomicU64::default;
        let lane = |lane: &rumormill_core::Lane| Lane {
            name: lane.name,
            sent: zero(),
            sent_bytes: zero(),
            received: zero(),
            received_bytes: zero(),
            shed: zero(),
        };
        Counters {
            datagrams_sent: zero(),
            datagrams_received: zero(),
            datagram_bytes_sent: zero(),
            datagram_bytes_received: zero(),
            stream_messages_sent: zero(),
            stream_messages_received: zero(),
            stream_bytes_sent: zero(),
            stream_bytes_received: zero(),
            connections_opened: zero(),
            connections_accepted: zero(),
            connections: zero(),
            lanes: lanes.iter().map(lane).collect(),
            dropped: [const { AtomicU64::new(0) }; Cause::ALL.len()],
        }
    }

    /// The numbers now.
    pub fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        let lane = |lane: &Lane| LaneSnapshot {
            name: lane.name,
            sent: get(&lane.sent),
            sent_bytes: get(&lane.sent_bytes),
            received: get(&lane.received),
            received_bytes: get(&lane.received_bytes),
            shed: get(&lane.shed),
        };
        Snapshot {
            datagrams_sent: get(&self.datagrams_sent),
            datagrams_received: get(&self.datagrams_received),
            datagram_bytes_sent: get(&self.datagram_bytes_sent),
            datagram_bytes_received: get(&self.datagram_bytes_received),
            stream_messages_sent: get(&self.stream_messages_sent),
            stream_messages_received: get(&self.stream_messages_received),
            stream_bytes_sent: get(&self.stream_bytes_sent),
            stream_bytes_received: get(&self.stream_bytes_received),
            connections_opened: get(&self.connections_opened),
            connections_accepted: get(&self.connections_accepted),
            connections: get(&self.connections),
            lanes: self.lanes.iter().map(lane).collect(),
            dropped: Cause::ALL
                .iter()
                .map(|(cause, name)| (*name, get(&self.dropped[*cause as usize])))
                .collect(),
        }
    }

    /// How many were dropped for `cause`.
    pub fn dropped(&self, cause: Cause) -> u64 {
        self.dropped[cause as usize].load(Relaxed)
    }

    pub(crate) fn lose(&self, cause: Cause) {
        self.lose_many(cause, 1);
    }

    pub(crate) fn lose_many(&self, cause: Cause, count: u64) {
        self.dropped[cause as usize].fetch_add(count, Relaxed);
    }

    pub(crate) fn lane_sent(&self, lane: usize, bytes: usize) {
        if let Some(lane) = self.lanes.get(lane) {
            add(&lane.sent, 1);
            add(&lane.sent_bytes, bytes);
        }
    }

    pub(crate) fn lane_received(&self, lane: usize, bytes: usize) {
        if let Some(lane) = self.lanes.get(lane) {
            add(&lane.received, 1);
            add(&lane.received_bytes, bytes);
        }
    }

    pub(crate) fn lane_shed(&self, lane: usize) {
        if let Some(lane) = self.lanes.get(lane) {
            add(&lane.shed, 1);
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_stands_at_its_own_place_and_is_named_once() {
        for (at, (cause, name)) in Cause::ALL.iter().enumerate() {
            assert_eq!(*cause as usize, at, "{name}");
        }
        let counters = Counters::new(&["a", "b"].map(rumormill_core::Lane::new));
        counters.lose(Cause::Fault);
        counters.lane_sent(1, 10);
        counters.lane_shed(0);
        counters.lane_received(7, 1);
        let seen = counters.snapshot();
        assert_eq!(seen.dropped(Cause::Fault), 1);
        assert_eq!(seen.dropped.iter().map(|(_, count)| count).sum::<u64>(), 1);
        assert_eq!((seen.lanes[0].shed, seen.lanes[1].sent_bytes), (1, 10));
    }
}
