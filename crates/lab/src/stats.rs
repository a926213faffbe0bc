//! Means with their standard errors, and quantiles.

use libm::sqrt;
use serde::Serialize;

/// Samples, summed up one by one (Welford 1962: sums of squares would cancel).
#[derive(Clone, Debug, Default)]
pub struct Samples {
    count: u64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

/// Mean, error and range of a set of samples.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean; 0 of no samples.
    pub mean: f64,
    /// The standard error of the mean; 0 of fewer than two samples.
    pub standard_error: f64,
    /// The smallest sample.
    pub min: f64,
    /// The largest sample.
    pub max: f64,
    /// Number of samples.
    pub count: u64,
}

impl Samples {
    /// Adds a sample.
    pub fn add(&mut self, x: f64) {
        (self.min, self.max) = if self.count == 0 { (x, x) } else { (self.min.min(x), self.max.max(x)) };
        self.count += 1;
        let off = x - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (x - self.mean);
    }

    /// Number of samples.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The standard deviation, estimated from the samples; 0 of fewer than two.
    pub fn standard_deviation(&self) -> f64 {
        if self.count < 2 { 0.0 } else { sqrt(self.squares / (self.count - 1) as f64) }
    }

    /// Their summary.
    pub fn estimate(&self) -> Estimate {
        let n = self.count as f64;
        Estimate {
            mean: self.mean,
            standard_error: if self.count < 2 { 0.0 } else { self.standard_deviation() / sqrt(n) },
            min: self.min,
            max: self.max,
            count: self.count,
        }
    }
}

impl Extend<f64> for Samples {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, all: I) {
        all.into_iter().for_each(|x| self.add(x));
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(all: I) -> Self {
        let mut samples = Samples::default();
        samples.extend(all);
        samples
    }
}

/// Percentiles of a set of samples; 0 of none.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// The value that nine of ten samples do not exceed.
    pub p90: f64,
    /// The value that 99 of 100 samples do not exceed.
    pub p99: f64,
}

impl Percentiles {
    /// Those of these samples.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Percentiles {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|q| quantile(&sorted, q).unwrap_or(0.0));
        Percentiles { p50, p90, p99 }
    }
}

/// The quantile `q` of `sorted` (0 the smallest, 1 the largest), between two samples by linear interpolation; `None` of no samples.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let (low, part) = (at as usize, at - libm::floor(at));
    let high = (low + 1).min(last);
    Some(sorted[low] + (sorted[high] - sorted[low]) * part)
}

/// The slope and the intercept of the line that fits `points` best (least squares); `None` of fewer than two different x.
pub fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let mean_x = points.iter().map(|p| p.0).sum::<f64>() / n;
    let mean_y = points.iter().map(|p| p.1).sum::<f64>() / n;
    let xx: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.0 - mean_x)).sum();
    let xy: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    (points.len() > 1 && xx > 0.0).then(|| (xy / xx, mean_y - xy / xx * mean_x))
}

/// A number with this number of significant digits, without trailing zeros; small numbers as powers of ten.
pub fn figure(v: f64, digits: i32) -> String {
    if v == 0.0 || !v.is_finite() {
        return format!("{v}");
    }
    let magnitude = libm::floor(libm::log10(v.abs())) as i32;
    if magnitude < -3 {
        return format!("{v:.*e}", (digits - 2).max(0) as usize);
    }
    let decimals = (digits - 1 - magnitude).max(0) as usize;
    let text = format!("{v:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A mean with its standard error, both to the second digit of the error; without an error, six significant digits.
pub fn with_error(mean: f64, error: f64) -> String {
    if !(error > 0.0 && error.is_finite()) {
        return figure(mean, 6);
    }
    let decimals = 1 - libm::floor(libm::log10(error)) as i32;
    match decimals {
        7.. => format!("{} ± {error:.1e}", figure(mean, 6)),
        _ => {
            let decimals = decimals.max(0) as usize;
            format!("{mean:.decimals$} ± {error:.decimals$}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_deviation_and_error_are_those_of_the_book() {
        let samples: Samples = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().collect();
        let estimate = samples.estimate();
        assert_eq!((estimate.mean, estimate.min, estimate.max, estimate.count), (5.0, 2.0, 9.0, 8));
        assert!((samples.standard_deviation() - sqrt(32.0 / 7.0)).abs() < 1e-12);
        assert!((estimate.standard_error - sqrt(32.0 / 7.0 / 8.0)).abs() < 1e-12);
    }

    #[test]
    fn a_large_offset_does_not_cancel_the_deviation() {
        let samples: Samples = [1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0].into_iter().collect();
        assert!((samples.standard_deviation() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn no_sample_and_one_sample_say_what_they_can() {
        assert_eq!(Samples::default().estimate(), Estimate::default());
        let one: Samples = [3.0].into_iter().collect();
        assert_eq!((one.estimate().mean, one.estimate().standard_error), (3.0, 0.0));
    }

    #[test]
    fn quantiles_interpolate() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        let quantiles = [0.0, 0.5, 1.0, 2.0].map(|q| quantile(&sorted, q));
        assert_eq!(quantiles, [Some(1.0), Some(2.5), Some(4.0), Some(4.0)]);
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn figures_keep_their_significant_digits() {
        let shown = [0.0, 0.17412, 16.871, 1234.6, 2.94e-6, 0.0012].map(|v| figure(v, 3));
        assert_eq!(shown, ["0", "0.174", "16.9", "1235", "2.9e-6", "0.0012"]);
    }

    #[test]
    fn a_mean_is_shown_as_exactly_as_its_error_allows() {
        let shown = [
            (17.4, 0.343),
            (0.998, 0.0),
            (0.0, 0.0),
            (1234.5, 26.0),
            (1.9876, 0.0012),
            (2.5e-7, 1.25e-7),
            (17.0, f64::NAN),
        ]
        .map(|(mean, error)| with_error(mean, error));
        assert_eq!(
            shown,
            ["17.40 ± 0.34", "0.998", "0", "1234 ± 26", "1.9876 ± 0.0012", "2.5000e-7 ± 1.2e-7", "17"]
        );
    }

    #[test]
    fn percentiles_do_not_depend_on_the_order() {
        let hundred = Percentiles::of((0..=100).rev().map(f64::from));
        assert_eq!(hundred, Percentiles { p50: 50.0, p90: 90.0, p99: 99.0 });
        assert_eq!(Percentiles::of([]), Percentiles::default());
        assert_eq!(Percentiles::of([3.0]), Percentiles { p50: 3.0, p90: 3.0, p99: 3.0 });
    }

    #[test]
    fn a_line_is_found_again() {
        assert_eq!(line(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), Some((2.0, 1.0)));
        assert_eq!(line(&[(1.0, 1.0), (1.0, 3.0)]), None);
    }
}
