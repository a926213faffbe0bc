//! A sequential t-test: whether the mean of samples lies beyond a bound, decided while they come in.
//!
//! Any of the latest samples may decide: for each number of them there is a t-test (Student 1908), so that a few that agree closely are
//! enough, many that scatter are heard too, and what was true long ago does not stand in the way.

use alloc::vec::Vec;

/// Samples kept; the oldest goes first. A mean that is half a standard deviation beyond the bound is just about seen in so many.
pub const SAMPLES_MAX: usize = 128;
/// Samples are kept with 24 bits: differences below this part of them say nothing.
const ROUNDING: f64 = 1e-6;

/// The latest samples. Without samples it takes no room.
#[derive(Clone, Debug, Default)]
pub struct TTest {
    samples: Vec<f32>,
}

impl TTest {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.samples = Vec::new();
    }

    /// Adds a sample.
    pub fn add(&mut self, sample: f64) {
        if self.samples.len() >= SAMPLES_MAX {
            self.samples.remove(0);
        }
        self.samples.push(sample as f32);
    }

    /// Whether the mean is above `bound`, as far as at least `samples_min` samples tell, with the certainty of so many standard
    /// deviations of a normal distribution.
    pub fn is_above(&self, bound: f64, samples_min: usize, sigmas: f64) -> bool {
        self.is_beyond(bound, samples_min, sigmas, 1.0)
    }

    /// Whether it is below, in the same sense.
    pub fn is_below(&self, bound: f64, samples_min: usize, sigmas: f64) -> bool {
        self.is_beyond(bound, samples_min, sigmas, -1.0)
    }

    fn is_beyond(&self, bound: f64, samples_min: usize, sigmas: f64, sign: f64) -> bool {
        let (mut n, mut mean, mut squares) = (0.0, 0.0, 0.0); // Welford 1962
        for (count, &sample) in self.samples.iter().rev().enumerate() {
            let distance = sign * (f64::from(sample) - bound);
            n += 1.0;
            let off = distance - mean;
            mean += off / n;
            squares += off * (distance - mean);
            if count + 1 >= samples_min.max(2) {
                let rounding = ROUNDING * libm::fabs(bound);
                let spread = libm::sqrt(squares / (n - 1.0)).max(rounding);
                if mean > t_of(sigmas, n - 1.0) * spread / libm::sqrt(n) {
                    return true;
                }
            }
        }
        false
    }
}

/// The t that is exceeded with `degrees` degrees of freedom as rarely as `sigmas` by a normal variable (Wallace 1959, as in Abramowitz
/// and Stegun; good to some per cent, which is enough here).
fn t_of(sigmas: f64, degrees: f64) -> f64 {
    let scale = degrees - 2.0 / 3.0 + 0.1 / degrees;
    let exponent = sigmas * sigmas * (degrees - 5.0 / 6.0) / (scale * scale);
    libm::sqrt(degrees * libm::expm1(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::rng::Rng;

    fn normal(rng: &mut Rng) -> f64 {
        (0..12).map(|_| rng.unit()).sum::<f64>() - 6.0
    }

    #[test]
    fn the_bounds_are_those_of_the_tables() {
        // One-sided quantiles of t: 0.99865 (3 sigma) at 10, 30 and 100 degrees of freedom.
        for (degrees, t) in [(10.0, 3.957), (30.0, 3.270), (100.0, 3.078)] {
            assert!((t_of(3.0, degrees) / t - 1.0).abs() < 0.01, "{degrees}: {}", t_of(3.0, degrees));
        }
    }

    #[test]
    fn it_is_as_certain_as_it_says_and_still_sees_what_is_there() {
        let mut rng = Rng::seeded(3);
        let mut decides = |mean: f64, runs: u32| {
            (0..runs)
                .filter(|_| {
                    let mut test = TTest::default();
                    (0..200).any(|_| {
                        test.add(mean + normal(&mut rng));
                        test.is_above(0.0, 8, 6.0)
                    })
                })
                .count()
        };
        assert_eq!(decides(0.0, 300), 0);
        assert_eq!(decides(0.9, 100), 100);
        assert!(decides(0.4, 100) < 100);
    }

    #[test]
    fn a_few_that_agree_are_enough_whatever_was_before() {
        let mut test = TTest::default();
        (0..SAMPLES_MAX).for_each(|i| test.add(-10.0 - i as f64));
        (0..8).for_each(|i| test.add(0.2 + 0.001 * f64::from(i)));
        assert!(test.is_above(0.1, 8, 6.0) && !test.is_above(0.2, 8, 6.0));
        assert!(!test.is_above(0.1, 9, 6.0));
        test.clear();
        (0..8).for_each(|i| test.add(0.2 + 0.001 * f64::from(i)));
        assert!(test.is_below(0.3, 8, 6.0) && !test.is_below(0.2, 8, 6.0));
        test.clear();
        assert!(!test.is_above(-1e9, 2, 1.0));
    }
}
