//! A timing wheel of two levels (Varghese and Lauck 1987): a ring of slots of one window each for the near future, and beyond it overflow
//! lists of many slots each, which are moved into the ring when their time comes near.
//!
//! Gossip sets timers a period ahead and messages a latency ahead. A push is an append at one of few ends, so that these stay in the
//! cache however many slots a period has, and taking a window out is taking its bucket.

use crate::bucket::{Bucket, Overflow, Spare};
use crate::entry::{Class, Item};
use rumormill_core::time::Time;
use std::collections::BTreeMap;

/// Slots of an overflow list (our guess: with windows of half a millisecond, the next tenth of a second is in the ring).
const OVERFLOW: u64 = 256;
/// Slots of the ring: those of the current stretch of [`OVERFLOW`] slots, and those of the next.
const SLOTS: usize = 2 * OVERFLOW as usize;

pub(crate) struct Wheel<T> {
    /// Nanoseconds of a slot, as a power of two.
    width: u32,
    /// The slot number of the partition's first node.
    first: u32,
    ring: Vec<Bucket<T>>,
    /// One bit per slot of the ring.
    occupied: [u64; SLOTS / 64],
    /// The number of the slot that was taken last: nothing is due before it.
    cursor: u64,
    /// Items beyond the ring, by the number of their stretch.
    far: BTreeMap<u64, Overflow<T>>,
    pub spare: Spare<T>,
    len: usize,
}

impl<T: Item> Wheel<T> {
    /// A wheel for the partition whose first node sits at `first`, with slots of at most `width` nanoseconds.
    pub fn new(width: u64, first: u32) -> Wheel<T> {
        Wheel {
            width: width.max(1).ilog2(),
            first,
            ring: std::iter::repeat_with(Bucket::default).take(SLOTS).collect(),
            occupied: [0; SLOTS / 64],
            cursor: 0,
            far: BTreeMap::new(),
            spare: Spare::default(),
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub fn push(&mut self, item: T) {
        let number = item.time().0 >> self.width;
        assert!(number >= self.cursor, "nothing happens in the past");
        self.len += 1;
        if number / OVERFLOW > self.cursor / OVERFLOW + 1 {
            self.far.entry(number / OVERFLOW).or_default().push(item, &mut self.spare);
        } else {
            self.push_near(number, item);
        }
    }

    #[inline(always)]
    fn push_near(&mut self, number: u64, item: T) {
        let at = number as usize % SLOTS;
        self.occupied[at / 64] |= 1 << (at % 64);
        self.ring[at].push(self.first, item, &mut self.spare);
    }

    /// The beginning of the first occupied slot.
    pub fn next(&self) -> Option<Time> {
        let far = || Some(self.far.first_key_value()?.1.first().0.0 >> self.width);
        Some(Time(self.next_in_ring().or_else(far)? << self.width))
    }

    /// The first class in the first occupied slot. Only for the synchronous world, where a slot holds one instant.
    pub fn class(&self) -> Option<Class> {
        match self.next_in_ring() {
            Some(number) => self.ring[number as usize % SLOTS].class(),
            None => Some(self.far.first_key_value()?.1.first().1),
        }
    }

    /// The exact time of the earliest item.
    pub fn next_at(&self) -> Option<Time> {
        match self.next_in_ring() {
            Some(number) => self.ring[number as usize % SLOTS].iter().map(Item::time).min(),
            None => Some(self.far.first_key_value()?.1.first().0),
        }
    }

    fn next_in_ring(&self) -> Option<u64> {
        let first = self.cursor as usize % SLOTS;
        let words = self.occupied.len();
        // The word of the cursor is read twice: its upper bits first, the whole word after all others.
        for step in 0..=words {
            let word = (first / 64 + step) % words;
            let mask = if step == 0 { !0 << (first % 64) } else { !0 };
            let bits = self.occupied[word] & mask;
            if bits != 0 {
                let at = word * 64 + bits.trailing_zeros() as usize;
                return Some(self.cursor + ((at + SLOTS - first) % SLOTS) as u64);
            }
        }
        None
    }

    /// Takes the items of the first occupied slot that are due before `end`, and of `class` if one is given. A slot that ends before
    /// `end` is empty afterwards.
    pub fn take(&mut self, end: Time, class: Option<Class>) -> Bucket<T> {
        let Some(start) = self.next().filter(|start| *start < end) else {
            return Bucket::default();
        };
        self.cursor = start.0 >> self.width;
        self.refill();
        let at = self.cursor as usize % SLOTS;
        self.occupied[at / 64] &= !(1 << (at % 64));
        let mut bucket = std::mem::take(&mut self.ring[at]);
        if !bucket.is_all(end, class) {
            let (due, left) = bucket.split(self.first, end, class, &mut self.spare);
            if !left.is_empty() {
                self.occupied[at / 64] |= 1 << (at % 64);
            }
            self.ring[at] = left;
            bucket = due;
        }
        self.len -= bucket.len();
        bucket
    }

    /// Moves the overflow lists that the ring reaches by now into their slots.
    fn refill(&mut self) {
        while let Some(list) = self.far.first_entry()
            && *list.key() <= self.cursor / OVERFLOW + 1
        {
            for mut chunk in list.remove().into_chunks() {
                for item in chunk.drain(..).flatten() {
                    self.push_near(item.time().0 >> self.width, item);
                }
                self.spare.keep(chunk);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::rng::Rng;

    /// Time, class, slot of the receiver, and a number of its own.
    type Numbered = (u64, Class, u32, u64);

    impl Item for Numbered {
        fn time(&self) -> Time {
            Time(self.0)
        }
        fn class(&self) -> Class {
            self.1
        }
        fn node(&self, first: u32) -> u32 {
            self.2 - first
        }
    }

    fn all(bucket: Bucket<Numbered>) -> Vec<u64> {
        let mut numbers: Vec<u64> = bucket.iter().map(|item| item.3).collect();
        assert_eq!(numbers.len(), bucket.len());
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn items_leave_slot_by_slot_however_far_ahead_they_were_set() {
        let seed = 11;
        let mut rng = Rng::seeded(seed);
        let mut wheel = Wheel::new(128, 5);
        let mut truth: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let (mut now, mut taken) = (0, 0);
        for item in 0..20_000u64 {
            let ahead = [10, 1_000, 300_000, 40_000_000, 4_000_000_000][rng.below(5)];
            let at = now + rng.below(ahead) as u64;
            wheel.push((at, 0, 5 + rng.below(10_000) as u32, item));
            truth.entry(at / 128).or_default().push(item);
            if rng.chance(0.45) {
                let start = wheel.next().expect("there is something");
                now = start.0;
                let got = all(wheel.take(Time(start.0 + 128), None));
                let (slot, items) = truth.pop_first().expect("so is there in truth");
                assert_eq!((start.0 / 128, got), (slot, items), "seed {seed}");
                taken += 1;
            }
        }
        assert!(taken > 5_000);
        assert_eq!(wheel.len(), truth.values().map(Vec::len).sum::<usize>());
    }

    #[test]
    fn items_outside_the_window_stay_in_small_and_in_large_buckets() {
        for many in [10, 30_000] {
            let mut wheel = Wheel::new(1_024, 0);
            (0..many).for_each(|i| wheel.push((i % 10, (i % 3) as Class, (i % 5_000) as u32, i)));
            let wanted = |i: &u64| i % 10 < 4 && i % 3 == 1;
            assert_eq!(all(wheel.take(Time(4), Some(1))), (0..many).filter(wanted).collect::<Vec<_>>());
            let left: Vec<u64> = (0..many).filter(|i| !wanted(i)).collect();
            assert_eq!(wheel.len(), left.len());
            assert_eq!((wheel.next(), wheel.next_at()), (Some(Time(0)), Some(Time(0))));
            assert_eq!(all(wheel.take(Time(10), None)), left);
            assert!(wheel.next().is_none() && wheel.len() == 0);
        }
    }

    #[test]
    fn a_large_bucket_is_split_by_the_region_of_the_receivers() {
        let (mut wheel, first, nodes) = (Wheel::new(1_024, 7), 7, 10_000);
        (0..50_000u64).for_each(|i| wheel.push((3, 2, first + (i * 7_919 % nodes) as u32, i)));
        let bucket = wheel.take(Time(1_000), Some(2));
        let mut count = 0;
        for (region, chunks) in bucket.into_regions().enumerate() {
            for item in chunks.iter().flatten().flatten() {
                assert_eq!((item.2 - first) / crate::bucket::REGION, region as u32);
                count += 1;
            }
        }
        assert_eq!(count, 50_000);
    }
}
