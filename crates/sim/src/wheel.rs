//! A timing wheel (Varghese and Lauck 1987): slots of one window each, and what lies further ahead in a map by slot.
//!
//! Gossip sets timers a period ahead and messages a latency ahead, so nearly all lands in the ring: a push is an append, and taking a
//! window out is taking its vector.

use rumormill_core::time::Time;
use std::collections::BTreeMap;

/// Slots of the ring (our guess: with windows of 100 µs it holds the next 3.3 s, more than the usual period).
const SLOTS: usize = 1 << 15;
/// Emptied vectors kept for the next slots.
const SPARE_MAX: usize = 4_096;
/// An emptied vector that is smaller than this is not worth keeping.
const SPARE_CAPACITY_MIN: usize = 8;

pub(crate) struct Wheel<T> {
    /// Nanoseconds of a slot.
    width: u64,
    ring: Vec<Vec<Option<T>>>,
    /// One bit per slot of the ring.
    occupied: Vec<u64>,
    /// The number of the slot that was taken last: there is nothing before it, and the ring reaches `SLOTS` from it.
    cursor: u64,
    far: BTreeMap<u64, Vec<Option<T>>>,
    /// Emptied vectors, for the next slots.
    spare: Vec<Vec<Option<T>>>,
    len: usize,
}

impl<T> Wheel<T> {
    pub fn new(width: u64) -> Wheel<T> {
        Wheel {
            width: width.max(1),
            ring: std::iter::repeat_with(Vec::new).take(SLOTS).collect(),
            occupied: vec![0; SLOTS / 64],
            cursor: 0,
            far: BTreeMap::new(),
            spare: Vec::new(),
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn push(&mut self, time: Time, item: T) {
        let number = time.0 / self.width;
        assert!(number >= self.cursor, "nothing happens in the past");
        self.len += 1;
        if number - self.cursor >= SLOTS as u64 {
            self.far.entry(number).or_default().push(Some(item));
            return;
        }
        let at = number as usize % SLOTS;
        let slot = &mut self.ring[at];
        if slot.is_empty() {
            self.occupied[at / 64] |= 1 << (at % 64);
            if slot.capacity() == 0
                && let Some(spare) = self.spare.pop()
            {
                *slot = spare;
            }
        }
        slot.push(Some(item));
    }

    /// When the first occupied slot begins, and what is in it.
    pub fn next(&self) -> Option<(Time, impl Iterator<Item = &T>)> {
        let near = self.next_in_ring();
        let far = self.far.first_key_value().map(|(number, _)| *number);
        let number = near.into_iter().chain(far).min()?;
        let in_ring = if near == Some(number) { &self.ring[number as usize % SLOTS][..] } else { &[] };
        let in_far = self.far.get(&number).map_or(&[][..], |items| items);
        Some((Time(number.saturating_mul(self.width)), in_ring.iter().chain(in_far).flatten()))
    }

    fn next_in_ring(&self) -> Option<u64> {
        let first = self.cursor as usize % SLOTS;
        let words = self.occupied.len();
        // The word of the cursor is looked at twice: from the cursor on at first, and all of it after the others.
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

    /// Takes those items out of the first occupied slot that `takes` says so of. Nothing before `end` is left then in a slot that lies
    /// before it wholly.
    pub fn take(&mut self, end: Time, takes: impl Fn(&T) -> bool, due: &mut Vec<Option<T>>) {
        let Some(number) = self.next().map(|(time, _)| time.0 / self.width) else { return };
        if number.saturating_mul(self.width) >= end.0 {
            return;
        }
        self.cursor = number;
        let at = number as usize % SLOTS;
        self.occupied[at / 64] &= !(1 << (at % 64));
        for items in [std::mem::take(&mut self.ring[at]), self.far.remove(&number).unwrap_or_default()] {
            if due.is_empty() && items.iter().flatten().all(&takes) {
                self.len -= items.len();
                self.keep(std::mem::replace(due, items)); // the whole vector changes hands
                continue;
            }
            self.part(at, items, &takes, due);
        }
    }

    /// Takes some of a slot's items; the others stay, in the ring.
    fn part(
        &mut self,
        at: usize,
        mut items: Vec<Option<T>>,
        takes: impl Fn(&T) -> bool,
        due: &mut Vec<Option<T>>,
    ) {
        for item in items.drain(..) {
            if item.as_ref().is_none_or(&takes) {
                self.len -= 1;
                due.push(item);
            } else {
                self.occupied[at / 64] |= 1 << (at % 64);
                self.ring[at].push(item);
            }
        }
        self.keep(items);
    }

    fn keep(&mut self, emptied: Vec<Option<T>>) {
        if self.spare.len() < SPARE_MAX && emptied.capacity() >= SPARE_CAPACITY_MIN {
            self.spare.push(emptied);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::rng::Rng;

    #[test]
    fn items_leave_slot_by_slot_however_far_ahead_they_were_put() {
        let seed = 11;
        let mut rng = Rng::seeded(seed);
        let mut wheel = Wheel::new(100);
        let mut truth: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let (mut now, mut taken) = (0, 0);
        for item in 0..20_000u64 {
            let ahead = [10, 1_000, 300_000, 40_000_000, 4_000_000_000][rng.below(5)];
            let at = now + rng.below(ahead) as u64;
            wheel.push(Time(at), (at, item));
            truth.entry(at / 100).or_default().push(item);
            if rng.chance(0.45) {
                let (start, _) = wheel.next().expect("there is something");
                let mut due = Vec::new();
                wheel.take(Time(start.0 + 100), |_| true, &mut due);
                now = start.0;
                let mut got: Vec<u64> = due.into_iter().flatten().map(|(_, item)| item).collect();
                got.sort_unstable();
                let (slot, items) = truth.pop_first().expect("so is there in truth");
                assert_eq!((start.0 / 100, got), (slot, items), "seed {seed}");
                taken += 1;
            }
        }
        assert!(taken > 5_000);
        assert_eq!(wheel.len(), truth.values().map(Vec::len).sum::<usize>());
    }

    #[test]
    fn what_is_not_wanted_yet_stays() {
        let mut wheel = Wheel::new(10);
        (0..10).for_each(|i| wheel.push(Time(i), i));
        let mut due = Vec::new();
        wheel.take(Time(4), |i| *i < 4, &mut due);
        assert_eq!((due.len(), wheel.len()), (4, 6));
        assert_eq!(wheel.next().map(|(at, items)| (at, items.count())), Some((Time(0), 6)));
    }
}
