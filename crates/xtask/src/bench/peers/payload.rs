//! What the benchmark's events carry: a number, then bytes that no compression makes smaller, so that what came can be checked.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::SplitMix64;

/// Bytes of each payload (issue: 100).
pub const BYTES: usize = 100;
/// What the events are called.
pub const NAME: &str = "bench";

/// The payload of event `index` of the run `seed`.
pub fn payload(seed: u64, index: u64) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let (head, tail) = bytes.split_at_mut(8);
    head.copy_from_slice(&index.to_be_bytes());
    let run = SplitMix64::seed_from_u64(seed).next_u64();
    SplitMix64::seed_from_u64(run ^ index).fill_bytes(tail);
    bytes
}

/// Which event of the run it is; none if it is not one of `count`, whole.
pub fn index(seed: u64, count: usize, found: &[u8]) -> Option<usize> {
    let head: [u8; 8] = found.get(..8)?.try_into().ok()?;
    let index = u64::from_be_bytes(head);
    let is_ours = usize::try_from(index).is_ok_and(|index| index < count);
    (is_ours && payload(seed, index) == *found).then_some(index as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_known_again_and_a_damaged_one_is_not() {
        let sent = payload(7, 3);
        assert_eq!(index(7, 4, &sent), Some(3));
        assert_eq!(index(7, 3, &sent), None, "of a number that was not sent");
        assert_eq!(index(8, 4, &sent), None, "of another run");
        let mut damaged = sent;
        damaged[99] ^= 1;
        assert_eq!(index(7, 4, &damaged), None);
        assert_eq!(index(7, 4, b"short"), None);
    }
}
