//! The gaps between the arrivals of one peer, as detectors learn them: a window with its mean and standard deviation.

use alloc::collections::VecDeque;
use rumormill_core::time::Duration;

/// The newest gaps between the arrivals of one peer. Sums are kept in whole microseconds, so that they neither drift nor give a variance below zero, as
/// running sums in floats do.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// The oldest first, in microseconds.
    gaps: VecDeque<u32>,
    sum: u64,
    squares: u128,
}

impl Arrivals {
    /// Adds a gap; of more than `gaps_max` the oldest is dropped. A gap above 71 minutes counts as that.
    pub fn add(&mut self, gap: Duration, gaps_max: usize) {
        let gap = u32::try_from(gap.as_micros()).unwrap_or(u32::MAX);
        while self.gaps.len() >= gaps_max.max(1) {
            let Some(oldest) = self.gaps.pop_front() else { break };
            self.sum -= u64::from(oldest);
            self.squares -= u128::from(oldest).pow(2);
        }
        self.gaps.push_back(gap);
        self.sum += u64::from(gap);
        self.squares += u128::from(gap).pow(2);
    }

    /// How many gaps there are.
    pub fn len(&self) -> usize {
        self.gaps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Their mean in seconds; 0 of none.
    pub fn mean_s(&self) -> f64 {
        self.sum as f64 / self.len().max(1) as f64 / 1e6
    }

    /// Their standard deviation in seconds, as that of a whole population.
    pub fn deviation_s(&self) -> f64 {
        let n = self.len() as u128;
        let scaled = n * self.squares - u128::from(self.sum).pow(2); // n² times the variance: never below zero (Cauchy and Schwarz)
        libm::sqrt(scaled as f64) / n.max(1) as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(gap: u64) -> Duration {
        Duration::from_millis(gap)
    }

    /// Mean and variance in milliseconds.
    fn figures(arrivals: &Arrivals) -> (f64, f64) {
        let (mean, deviation) = (arrivals.mean_s() * 1e3, arrivals.deviation_s() * 1e3);
        (mean, deviation * deviation)
    }

    fn near((mean, variance): (f64, f64), golden: (f64, f64)) -> bool {
        (mean - golden.0).abs() < 0.005 && (variance - golden.1).abs() < 0.005
    }

    #[test]
    fn mean_and_variance_are_those_of_the_golden_windows() {
        let mut arrivals = Arrivals::default();
        [100, 200, 125, 340, 130].iter().for_each(|gap| arrivals.add(ms(*gap), 10));
        assert!(near(figures(&arrivals), (179.0, 7_584.0)), "{:?}", figures(&arrivals));
        let mut arrivals = Arrivals::default();
        [100, 110, 90].iter().for_each(|gap| arrivals.add(ms(*gap), 3));
        assert!(near(figures(&arrivals), (100.0, 66.67)), "{:?}", figures(&arrivals));
        arrivals.add(ms(140), 3);
        assert!(near(figures(&arrivals), (113.33, 422.22)), "{:?}", figures(&arrivals));
        arrivals.add(ms(80), 3);
        assert!(near(figures(&arrivals), (103.33, 688.89)), "{:?}", figures(&arrivals));
        assert_eq!(arrivals.len(), 3);
    }

    #[test]
    fn equal_gaps_never_have_a_variance_below_zero() {
        let mut arrivals = Arrivals::default();
        for n in 0..10_000 {
            arrivals.add(Duration::from_nanos(1_000_100_100 + n % 7), 1_000);
            assert!(arrivals.deviation_s() >= 0.0 && arrivals.len() <= 1_000);
        }
        arrivals.add(Duration::MAX, 1);
        assert_eq!((arrivals.len(), arrivals.deviation_s()), (1, 0.0));
    }
}
