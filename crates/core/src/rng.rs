//! Randomness with a seed: xoshiro256++ (Blackman and Vigna 2018), one per node, lent to each handler.

use rand_core::{Rng as _, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A node's random source. The same seed gives the same run.
#[derive(Clone, Debug)]
pub struct Rng(Xoshiro256PlusPlus);

impl Rng {
    /// A source that is a function of `seed` alone.
    pub fn seeded(seed: u64) -> Rng {
        Rng(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// 64 random bits.
    #[allow(clippy::should_implement_trait)] // it never ends, so it would make a poor iterator
    pub fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `0..n` (Lemire's multiplication, whose bias is below n / 2^64). Panics if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "no number is below 0");
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Uniform in `[0, 1)`, with 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// A duration uniform in `[0, d)`.
    #[inline]
    pub fn within(&mut self, d: core::time::Duration) -> core::time::Duration {
        match u64::try_from(d.as_nanos()) {
            Ok(nanos) => {
                let drawn = (u128::from(self.next()) * u128::from(nanos)) >> 64;
                core::time::Duration::from_nanos(drawn as u64)
            }
            Err(_) => d.mul_f64(self.unit()), // centuries
        }
    }

    /// Fisher and Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// One of `items`, or none if there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        (!items.is_empty()).then(|| &items[self.below(items.len())])
    }
}

/// One step of splitmix64: a good 64-bit mix, for deriving seeds and hashing ids.
pub fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_covers_its_range_evenly() {
        let mut rng = Rng::seeded(7);
        let mut hits = [0u32; 10];
        for _ in 0..100_000 {
            hits[rng.below(10)] += 1;
        }
        assert!(hits.iter().all(|&h| (9_600..10_400).contains(&h)), "{hits:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_seed_others() {
        let (mut a, mut b, mut c) = (Rng::seeded(1), Rng::seeded(1), Rng::seeded(2));
        assert_eq!(a.next(), b.next());
        assert_ne!(a.next(), c.next());
    }
}
