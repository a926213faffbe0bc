//! Random perfect matchings that need no agreement: who is whose partner in a round follows from the round and the number of nodes.
//!
//! The nodes 0..n are permuted by a small Feistel network, walked until it lands below n (Black and Rogaway 2002), and neighbours in
//! the permuted order are partners. Each round has a permutation of its own. (A round-robin tournament would do as well, but its
//! rounds are so alike that what is averaged over them is not averaged at random.)

use rumormill_core::rng::mix;

/// Double rounds of the network: enough that no pair is seen more often than another (tested).
const ROUNDS: u64 = 3;

struct Network {
    key: u64,
    low_bits: u32,
    high: u64,
    low: u64,
}

impl Network {
    fn new(key: u64, n: u64) -> Network {
        let bits = (u64::BITS - (n - 1).leading_zeros()).max(2);
        let low_bits = bits - bits / 2;
        Network { key, low_bits, high: (1 << (bits / 2)) - 1, low: (1 << low_bits) - 1 }
    }

    fn mask(&self, round: u64, half: u64) -> u64 {
        mix(self.key ^ mix(half.wrapping_mul(2 * ROUNDS).wrapping_add(round)))
    }

    fn forth(&self, x: u64) -> u64 {
        let (mut a, mut b) = (x >> self.low_bits, x & self.low);
        for round in 0..ROUNDS {
            a ^= self.mask(2 * round, b) & self.high;
            b ^= self.mask(2 * round + 1, a) & self.low;
        }
        a << self.low_bits | b
    }

    fn back(&self, x: u64) -> u64 {
        let (mut a, mut b) = (x >> self.low_bits, x & self.low);
        for round in (0..ROUNDS).rev() {
            b ^= self.mask(2 * round + 1, a) & self.low;
            a ^= self.mask(2 * round, b) & self.high;
        }
        a << self.low_bits | b
    }
}

/// Who is matched with node `me` of `0..n` in round `key`, and whether `me` is the one of the two that speaks first. With an odd number
/// one stays alone.
pub fn partner(key: u64, n: u64, me: u64) -> Option<(u64, bool)> {
    if me >= n || n < 2 {
        return None;
    }
    let network = Network::new(key, n);
    let walk = |step: &dyn Fn(u64) -> u64, from: u64| {
        let mut x = step(from);
        while x >= n {
            x = step(x); // the walk is on a cycle through `from`, so it comes back below n
        }
        x
    };
    let place = walk(&|x| network.forth(x), me);
    let other = place ^ 1;
    (other < n).then(|| (walk(&|x| network.back(x), other), place & 1 == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn partners_name_each_other_and_one_of_them_speaks_first() {
        for n in [2, 3, 4, 5, 8, 9, 100, 1_001] {
            for key in 0..20 {
                let alone = (0..n).filter(|&me| partner(key, n, me).is_none()).count() as u64;
                assert_eq!(alone, n % 2, "n {n}, key {key}");
                for me in 0..n {
                    let Some((other, first)) = partner(key, n, me) else { continue };
                    assert_ne!(other, me);
                    assert_eq!(partner(key, n, other), Some((me, !first)), "n {n}, key {key}");
                }
            }
        }
        assert_eq!(partner(1, 1, 0), None);
        assert_eq!(partner(1, 4, 4), None);
    }

    #[test]
    fn every_other_node_is_a_partner_as_often_as_any() {
        let (n, rounds) = (50u64, 20_000);
        let mut hits = vec![0u32; n as usize];
        (0..rounds).for_each(|key| hits[partner(key, n, 7).unwrap().0 as usize] += 1);
        let even = rounds as f64 / (n - 1) as f64;
        // Chi-square with 48 degrees of freedom: mean 48, standard deviation 9.8.
        let others = hits.iter().enumerate().filter(|(i, _)| *i != 7);
        let chi2: f64 = others.map(|(_, &h)| (f64::from(h) - even).powi(2) / even).sum();
        assert!(chi2 < 48.0 + 4.0 * 9.8, "{chi2}");
    }

    #[test]
    fn averaging_over_rounds_halves_the_variance_each_time() {
        let (n, rounds) = (4_096usize, 12);
        let mut x: vec::Vec<f64> = (0..n as u64).map(|i| (mix(i) >> 11) as f64).collect();
        let variance = |x: &[f64]| {
            let mean = x.iter().sum::<f64>() / n as f64;
            x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>()
        };
        let before = variance(&x);
        for key in 0..rounds {
            let old = x.clone();
            for me in 0..n {
                let (other, _) = partner(key, n as u64, me as u64).unwrap();
                x[me] = (old[me] + old[other as usize]) / 2.0;
            }
        }
        let each = libm::pow(variance(&x) / before, 1.0 / rounds as f64);
        assert!((each - 0.5).abs() < 0.01, "{each}");
    }
}
