//! A mergeable histogram for quantiles: DDSketch (Masson, Rim, Lee 2019), weighted with mass that can be halved and sent.
//!
//! Bucket k holds the mass of the values in (g^(k-1), g^k], with g = (1 + a) / (1 - a): whatever value it stands for, 2 g^k / (g + 1) is
//! within a factor 1 ± a of it. So a quantile has at most the relative error a, as far as the mass is right. Of more than
//! [`Sketch::new`]'s `buckets_max` buckets, the lowest are thrown together, as in the paper: then quantiles that fall among
//! them are too high, and all others keep their bound. Negative values have buckets of their own; what is closer to zero than
//! g^-8191 is zero.
//!
//! On the wire a bucket is six bytes, its mass a 32-bit float. What is sent is taken away exactly as it was rounded, so rounding loses
//! no mass.

use alloc::vec::Vec;
use rumormill_core::payload::Payload;

/// Bytes of a bucket on the wire.
pub const BUCKET_BYTES: usize = 6;
/// Exponents run from -8191 to 8191.
const EXPONENT_MAX: i32 = 8_191;
/// Added to exponents, so that the keys of positive values are positive and the key of zero is 0.
const KEY_OFFSET: i32 = 8_192;

#[derive(Copy, Clone, Debug)]
struct Bucket {
    key: i16,
    mass: f64,
}

/// A histogram with buckets of equal relative width.
#[derive(Clone, Debug)]
pub struct Sketch {
    ln_base: f64,
    buckets_max: usize,
    /// By key, which is the order of the values.
    buckets: Vec<Bucket>,
}

impl Sketch {
    /// Empty. `error` is the relative error of a quantile, between 0.001 and 0.5; what lies outside is moved there.
    pub fn new(error: f64, buckets_max: usize) -> Sketch {
        let error = error.clamp(0.001, 0.5);
        let ln_base = libm::log((1.0 + error) / (1.0 - error));
        Sketch { ln_base, buckets_max: buckets_max.max(2), buckets: Vec::new() }
    }

    /// Adds mass at `value`.
    pub fn add(&mut self, value: f64, mass: f64) {
        let key = self.key(value);
        match self.buckets.binary_search_by_key(&key, |bucket| bucket.key) {
            Ok(at) => self.buckets[at].mass += mass,
            Err(at) => self.buckets.insert(at, Bucket { key, mass }),
        }
        self.collapse();
    }

    /// All mass.
    pub fn mass(&self) -> f64 {
        self.buckets.iter().map(|bucket| bucket.mass).sum()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.buckets.clear();
    }

    /// The value below which a part `q` of the mass lies; `None` if there is none.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let aim = self.mass() * q.clamp(0.0, 1.0);
        let mut below = 0.0;
        let found = self.buckets.iter().find(|bucket| {
            below += bucket.mass;
            below >= aim && bucket.mass > 0.0
        });
        found.or(self.buckets.last()).map(|bucket| self.value(bucket.key))
    }

    /// Takes half of the mass away, as bytes to be sent.
    pub fn take_half(&mut self) -> Payload {
        let mut bytes = Vec::with_capacity(self.buckets.len() * BUCKET_BYTES);
        for bucket in &mut self.buckets {
            let half = (bucket.mass / 2.0) as f32;
            if half > 0.0 {
                bucket.mass -= f64::from(half);
                bytes.extend(bucket.key.to_be_bytes());
                bytes.extend(half.to_be_bytes());
            }
        }
        Payload::from(&bytes[..])
    }

    /// Adds what another has sent. Returns whether these were the bytes of a sketch no larger than this may be; if not, nothing is
    /// added.
    pub fn absorb(&mut self, bytes: &[u8]) -> bool {
        if !bytes.len().is_multiple_of(BUCKET_BYTES) || bytes.len() > self.buckets_max * BUCKET_BYTES {
            return false;
        }
        let read = |chunk: &[u8]| Bucket {
            key: i16::from_be_bytes([chunk[0], chunk[1]]),
            mass: f64::from(f32::from_be_bytes([chunk[2], chunk[3], chunk[4], chunk[5]])),
        };
        let mut before = None;
        for bucket in bytes.chunks_exact(BUCKET_BYTES).map(read) {
            if before.is_some_and(|before| before >= bucket.key)
                || !(0.0..f64::INFINITY).contains(&bucket.mass)
            {
                return false;
            }
            before = Some(bucket.key);
        }
        let mut merged = Vec::with_capacity(self.buckets.len() + bytes.len() / BUCKET_BYTES);
        let mut mine = self.buckets.iter().copied().peekable();
        for theirs in bytes.chunks_exact(BUCKET_BYTES).map(read) {
            while let Some(bucket) = mine.next_if(|bucket| bucket.key < theirs.key) {
                merged.push(bucket);
            }
            let same = mine.next_if(|bucket| bucket.key == theirs.key).map_or(0.0, |bucket| bucket.mass);
            merged.push(Bucket { key: theirs.key, mass: theirs.mass + same });
        }
        merged.extend(mine);
        self.buckets = merged;
        self.collapse();
        true
    }

    fn collapse(&mut self) {
        let over = self.buckets.len().saturating_sub(self.buckets_max);
        if over > 0 {
            let mass: f64 = self.buckets.drain(..over).map(|bucket| bucket.mass).sum();
            self.buckets[0].mass += mass;
        }
    }

    fn key(&self, value: f64) -> i16 {
        let exponent = libm::ceil(libm::log(libm::fabs(value)) / self.ln_base);
        if exponent < f64::from(-EXPONENT_MAX) {
            return 0; // zero, whose logarithm is minus infinity, too
        }
        let key = (exponent as i32).min(EXPONENT_MAX) + KEY_OFFSET;
        (if value < 0.0 { -key } else { key }) as i16
    }

    fn value(&self, key: i16) -> f64 {
        let key = i32::from(key);
        if key == 0 {
            return 0.0;
        }
        let upper = libm::exp(f64::from(key.abs() - KEY_OFFSET) * self.ln_base);
        let middle = 2.0 * upper / (libm::exp(self.ln_base) + 1.0);
        if key < 0 { -middle } else { middle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::rng::Rng;

    fn values() -> Vec<f64> {
        let mut rng = Rng::seeded(5);
        (0..10_000).map(|i| libm::exp(8.0 * rng.unit()) * if i % 4 == 0 { -1.0 } else { 1.0 }).collect()
    }

    fn close(sketch: &Sketch, values: &[f64], error: f64) {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        for q in [0.05, 0.2, 0.5, 0.9, 0.99, 1.0] {
            let exact = sorted[((q * sorted.len() as f64) as usize).saturating_sub(1)];
            let told = sketch.quantile(q).unwrap();
            assert!((told - exact).abs() <= 1.01 * error * exact.abs(), "q {q}: {told}, not {exact}");
        }
    }

    #[test]
    fn a_quantile_is_within_its_relative_error() {
        for error in [0.01, 0.05] {
            let mut sketch = Sketch::new(error, 2_000);
            values().iter().for_each(|&v| sketch.add(v, 1.0));
            close(&sketch, &values(), error);
        }
        assert_eq!(Sketch::new(0.01, 10).quantile(0.5), None);
    }

    #[test]
    fn what_one_sends_away_another_has() {
        let (mut a, mut b) = (Sketch::new(0.05, 400), Sketch::new(0.05, 400));
        values().iter().for_each(|&v| a.add(v, 1.0));
        for _ in 0..20 {
            assert!(b.absorb(&a.take_half()));
            assert!(a.absorb(&b.take_half()));
        }
        assert!((a.mass() + b.mass() - 10_000.0).abs() < 1e-6, "{} {}", a.mass(), b.mass());
        close(&a, &values(), 0.05);
        close(&b, &values(), 0.05);
    }

    #[test]
    fn too_many_buckets_cost_the_low_quantiles_alone() {
        let mut sketch = Sketch::new(0.05, 40);
        let values: Vec<f64> = values().iter().map(|v| v.abs()).collect();
        values.iter().for_each(|&v| sketch.add(v, 1.0));
        assert_eq!(sketch.buckets.len(), 40);
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        for q in [0.7, 0.9, 0.99] {
            let (told, exact) = (sketch.quantile(q).unwrap(), sorted[(q * 1e4) as usize - 1]);
            assert!((told / exact - 1.0).abs() <= 0.051, "q {q}: {told}, not {exact}");
        }
        assert!((sketch.mass() - 1e4).abs() < 1e-9);
    }

    #[test]
    fn extremes_and_zero_have_a_place() {
        let mut sketch = Sketch::new(0.01, 100);
        [0.0, f64::MAX, f64::MIN_POSITIVE, f64::MIN].iter().for_each(|&v| sketch.add(v, 1.0));
        assert!(sketch.quantile(0.0).unwrap() < -1e70);
        assert!(sketch.quantile(1.0).unwrap() > 1e70);
        assert_eq!(sketch.quantile(0.5), Some(0.0));
    }

    #[test]
    fn bytes_that_are_no_sketch_change_nothing() {
        let mut sketch = Sketch::new(0.05, 2);
        sketch.add(1.0, 1.0);
        let bucket = |key: i16, mass: f32| [key.to_be_bytes().to_vec(), mass.to_be_bytes().to_vec()].concat();
        let refused = [
            bucket(1, 1.0)[..5].to_vec(),
            bucket(1, f32::NAN),
            bucket(1, -1.0),
            bucket(1, f32::INFINITY),
            [bucket(2, 1.0), bucket(1, 1.0)].concat(),
            [bucket(1, 1.0), bucket(2, 1.0), bucket(3, 1.0)].concat(),
        ];
        assert!(refused.iter().all(|bytes| !sketch.absorb(bytes)));
        assert_eq!(sketch.mass(), 1.0);
        assert!(sketch.absorb(&bucket(5, 1.0)) && sketch.mass() == 2.0);
    }
}
