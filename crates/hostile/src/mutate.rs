//! Bytes that are nearly right: what a fuzzer would try first, from a seed.

use rumormill_core::Rng;

/// Numbers at which decoders go wrong.
const EDGES: [u8; 12] = [0, 1, 0x17, 0x18, 0x1b, 0x1f, 0x5b, 0x7f, 0x80, 0x9b, 0xbb, 0xff];
/// A changed input has at most this many bytes.
const BYTES_MAX: usize = 4096;

/// Changes a few places of `bytes`, at most eight, and sometimes takes a piece of `other`.
pub fn mutate(rng: &mut Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..1 + rng.below(8) {
        let at = rng.below(out.len() + 1);
        match rng.below(8) {
            0 => out.truncate(at),
            1 => out.insert(at, EDGES[rng.below(EDGES.len())]),
            2 => out.insert(at, rng.next() as u8),
            3 if at < out.len() => drop(out.remove(at)),
            4 if at < out.len() => out[at] ^= 1 << rng.below(8),
            5 if at < out.len() => out[at] = EDGES[rng.below(EDGES.len())],
            6 if at < out.len() => out[at] = out[at].wrapping_add(1),
            7 if !other.is_empty() => {
                let from = rng.below(other.len());
                let to = from + rng.below(other.len() - from) + 1;
                out.splice(at..at, other[from..to].iter().copied());
            }
            _ => {}
        }
    }
    out.truncate(BYTES_MAX);
    out
}
