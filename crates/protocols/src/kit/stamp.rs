//! When something was written, so that of two versions all nodes take the same one for the newer.
//!
//! A stamp is a node's wall clock with a counter behind it (the hybrid clock of Kulkarni et al. 2014): a node that has seen a stamp
//! writes later ones, also when its clock is behind. Clocks that are off therefore never put an answer before its question; between writes
//! that know nothing of each other the clocks decide.

use core::time::Duration;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::NodeId;
use rumormill_core::time::Wall;

/// Bytes of a stamp in a message; always all of them, so that nobody makes a reader allocate much for little.
pub const STAMP_BYTES: usize = 20;

/// When something was written, and by whom. No two writes of honest nodes have the same.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Stamp {
    /// By the writer's clock, or that of somebody it had heard of, if that was ahead.
    pub wall: Wall,
    /// Tells apart what was written at the same time.
    pub counter: u32,
    /// The writer.
    pub node: NodeId,
}

impl Stamp {
    /// Before everything.
    pub const ZERO: Stamp = Stamp { wall: Wall(0), counter: 0, node: NodeId(0) };

    fn bytes(&self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..8].copy_from_slice(&self.wall.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.counter.to_be_bytes());
        bytes[12..].copy_from_slice(&self.node.0.to_be_bytes());
        bytes
    }
}

// On the wire a byte string: time, counter, node, each with its highest byte first.
impl<C> Encode<C> for Stamp {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Stamp {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes: &[u8; STAMP_BYTES] =
            d.bytes()?.try_into().map_err(|_| minicbor::decode::Error::message("not a stamp"))?;
        let number = |bytes: &[u8]| bytes.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        Ok(Stamp {
            wall: Wall(number(&bytes[..8])),
            counter: number(&bytes[8..12]) as u32,
            node: NodeId(number(&bytes[12..])),
        })
    }
}

impl<C> CborLen<C> for Stamp {
    fn cbor_len(&self, _: &mut C) -> usize {
        rumormill_core::wire::bytes_len(STAMP_BYTES)
    }
}

/// Gives stamps, each after all that it gave or was told of.
#[derive(Copy, Clone, Debug, Default)]
pub struct Clock {
    wall: Wall,
    counter: u32,
}

impl Clock {
    /// The stamp for what `me` writes now.
    pub fn next(&mut self, wall: Wall, me: NodeId) -> Stamp {
        if wall > self.wall {
            *self = Clock { wall, counter: 0 };
        } else if let Some(counter) = self.counter.checked_add(1) {
            self.counter = counter;
        } else {
            *self = Clock { wall: Wall(self.wall.0.saturating_add(1)), counter: 0 };
        }
        Stamp { wall: self.wall, counter: self.counter, node: me }
    }

    /// Somebody has written at `stamp`: what is written here from now on comes later.
    pub fn heard(&mut self, stamp: Stamp) {
        if (stamp.wall, stamp.counter) > (self.wall, self.counter) {
            *self = Clock { wall: stamp.wall, counter: stamp.counter };
        }
    }
}

/// Whether a stamp lies further in the future of a clock than clocks may differ.
pub fn is_ahead(stamp: Stamp, wall: Wall, skew_max: Duration) -> bool {
    stamp.wall.since(wall) > skew_max
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn who_has_seen_a_stamp_writes_later_ones_though_its_clock_is_behind() {
        let (mut fast, mut slow) = (Clock::default(), Clock::default());
        let (a, b) = (NodeId(1), NodeId(2));
        let mut last = Stamp::ZERO;
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
        let mut clock = Clock::default();
        let stamps: Vec<Stamp> = [10, 10, 3, 10, 11].map(|ms| clock.next(Wall(ms), NodeId(1))).into();
        assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
        assert_eq!(stamps[4], Stamp { wall: Wall(11), counter: 0, node: NodeId(1) });
        clock.heard(Stamp { wall: Wall(50), counter: u32::MAX, node: NodeId(9) });
        assert_eq!(clock.next(Wall(12), NodeId(1)), Stamp { wall: Wall(51), counter: 0, node: NodeId(1) });
    }

    #[test]
    fn a_stamp_takes_the_same_bytes_whatever_it_says() {
        for stamp in [Stamp::ZERO, Stamp { wall: Wall(u64::MAX), counter: 7, node: NodeId(u64::MAX) }] {
            let mut bytes = Vec::new();
            rumormill_core::wire::put(&stamp, &mut bytes);
            assert_eq!(bytes.len(), STAMP_BYTES + 1);
            assert_eq!(rumormill_core::wire::decode::<Stamp>(&bytes).unwrap(), stamp);
        }
        assert!(rumormill_core::wire::decode::<Stamp>(&[0x42, 1, 2]).is_err());
    }

    #[test]
    fn only_the_far_future_is_ahead() {
        let (at, skew) = (|ms| Stamp { wall: Wall(ms), ..Stamp::ZERO }, Duration::from_millis(100));
        let ahead = [0, 1_000, 1_100, 1_101].map(|ms| is_ahead(at(ms), Wall(1_000), skew));
        assert_eq!(ahead, [false, false, false, true]);
    }
}
