//! A hybrid logical clock: of two versions all nodes take the same one for the newer.
//!
//! A timestamp is a node's wall clock with a counter behind it (Kulkarni et al. 2014): a node that has seen a timestamp
//! writes later ones, also when its clock is behind. Clocks that are off therefore never put an answer before its question; between writes
//! that know nothing of each other the clocks decide.

use core::time::Duration;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::NodeId;
use rumormill_core::time::Wall;

/// Bytes of a timestamp in a message; always all of them, so that nobody makes a reader allocate much for little.
pub const TIMESTAMP_BYTES: usize = 20;

/// When something was written, and by whom. No two writes of honest nodes have the same.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Timestamp {
    /// By the writer's clock, or that of somebody it had heard of, if that was ahead.
    pub wall: Wall,
    /// Tells apart what was written at the same time.
    pub counter: u32,
    /// The writer.
    pub node: NodeId,
}

impl Timestamp {
    /// Before everything.
    pub const ZERO: Timestamp = Timestamp { wall: Wall(0), counter: 0, node: NodeId(0) };

    fn bytes(&self) -> [u8; TIMESTAMP_BYTES] {
        let mut bytes = [0; TIMESTAMP_BYTES];
        bytes[..8].copy_from_slice(&self.wall.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.counter.to_be_bytes());
        bytes[12..].copy_from_slice(&self.node.0.to_be_bytes());
        bytes
    }
}

// On the wire a byte string: time, counter, node, each with its highest byte first.
impl<C> Encode<C> for Timestamp {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Timestamp {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes: &[u8; TIMESTAMP_BYTES] =
            d.bytes()?.try_into().map_err(|_| minicbor::decode::Error::message("not a stamp"))?;
        let number = |bytes: &[u8]| bytes.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        Ok(Timestamp {
            wall: Wall(number(&bytes[..8])),
            counter: number(&bytes[8..12]) as u32,
            node: NodeId(number(&bytes[12..])),
        })
    }
}

impl<C> CborLen<C> for Timestamp {
    fn cbor_len(&self, _: &mut C) -> usize {
        rumormill_core::wire::bytes_len(TIMESTAMP_BYTES)
    }
}

/// Gives timestamps, each later than all that it gave or heard of.
#[derive(Copy, Clone, Debug, Default)]
pub struct HybridClock {
    wall: Wall,
    counter: u32,
}

impl HybridClock {
    /// The timestamp of what `me` writes now.
    pub fn next(&mut self, wall: Wall, me: NodeId) -> Timestamp {
        if wall > self.wall {
            *self = HybridClock { wall, counter: 0 };
        } else if let Some(counter) = self.counter.checked_add(1) {
            self.counter = counter;
        } else {
            *self = HybridClock { wall: Wall(self.wall.0.saturating_add(1)), counter: 0 };
        }
        Timestamp { wall: self.wall, counter: self.counter, node: me }
    }

    /// Somebody has written at `stamp`: what is written here from now on comes later.
    pub fn heard(&mut self, stamp: Timestamp) {
        if (stamp.wall, stamp.counter) > (self.wall, self.counter) {
            *self = HybridClock { wall: stamp.wall, counter: stamp.counter };
        }
    }
}

/// Whether a stamp lies further in the future of a clock than clocks may differ.
pub fn is_ahead(stamp: Timestamp, wall: Wall, skew_max: Duration) -> bool {
    stamp.wall.since(wall) > skew_max
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn who_has_seen_a_stamp_writes_later_ones_though_its_clock_is_behind() {
        let (mut fast, mut slow) = (HybridClock::default(), HybridClock::default());
        let (a, b) = (NodeId(1), NodeId(2));
        let mut last = Timestamp::ZERO;
        for round in 0..10 {
            let question = fast.next(Wall(5_000 + round), a);
            slow.heard(question);
            let answer = slow.next(Wall(1_000 + round), b);
            fast.heard(answer);
            assert!(last < question && question < answer, "{question:?} {answer:?}");
            last = answer;
        }
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_counts_on() {
        let mut clock = HybridClock::default();
        let stamps: Vec<Timestamp> = [10, 10, 3, 10, 11].map(|ms| clock.next(Wall(ms), NodeId(1))).into();
        assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
        assert_eq!(stamps[4], Timestamp { wall: Wall(11), counter: 0, node: NodeId(1) });
        clock.heard(Timestamp { wall: Wall(50), counter: u32::MAX, node: NodeId(9) });
        assert_eq!(
            clock.next(Wall(12), NodeId(1)),
            Timestamp { wall: Wall(51), counter: 0, node: NodeId(1) }
        );
    }

    #[test]
    fn a_stamp_takes_the_same_bytes_whatever_it_says() {
        for stamp in [Timestamp::ZERO, Timestamp { wall: Wall(u64::MAX), counter: 7, node: NodeId(u64::MAX) }]
        {
            let mut bytes = Vec::new();
            rumormill_core::wire::put(&stamp, &mut bytes);
            assert_eq!(bytes.len(), TIMESTAMP_BYTES + 1);
            assert_eq!(rumormill_core::wire::decode::<Timestamp>(&bytes).unwrap(), stamp);
        }
        assert!(rumormill_core::wire::decode::<Timestamp>(&[0x42, 1, 2]).is_err());
    }

    #[test]
    fn only_the_far_future_is_ahead() {
        let (at, skew) = (|ms| Timestamp { wall: Wall(ms), ..Timestamp::ZERO }, Duration::from_millis(100));
        let ahead = [0, 1_000, 1_100, 1_101].map(|ms| is_ahead(at(ms), Wall(1_000), skew));
        assert_eq!(ahead, [false, false, false, true]);
    }
}
