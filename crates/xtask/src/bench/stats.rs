//! Few numbers said honestly: the middle, and how far the others were from it.

/// Minimum, median and maximum.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of `values`; none of none.
    pub fn of(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let upper = sorted[sorted.len() / 2];
        let lower = sorted[(sorted.len() - 1) / 2];
        Some(Spread { min, median: (lower + upper) / 2.0, max })
    }

    /// `median [min..max]`, with as many digits as such a figure bears.
    pub fn show(&self) -> String {
        if self.min == self.max {
            return digits(self.median);
        }
        format!("{} [{}..{}]", digits(self.median), digits(self.min), digits(self.max))
    }
}

/// Three significant digits, without an exponent.
pub fn digits(x: f64) -> String {
    match x.abs() {
        a if a >= 100.0 => format!("{x:.0}"),
        a if a >= 10.0 => format!("{x:.1}"),
        a if a >= 1.0 || a == 0.0 => format!("{x:.2}"),
        _ => format!("{x:.3}"),
    }
}

/// Each of ours over each of theirs, paired as they were measured; the unpaired are left out.
pub fn ratios(ours: &[f64], theirs: &[f64]) -> Option<Spread> {
    Spread::of(&ours.iter().zip(theirs).map(|(a, b)| a / b).collect::<Vec<_>>())
}

/// The smallest of `values` that so large a share (0 to 1) of them does not exceed; none of none. It sorts them.
pub fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let nth = (values.len() as f64 * share).ceil() as usize;
    values.get(nth.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]).unwrap().show(), "2.00 [1.00..3.00]");
        assert_eq!(Spread::of(&[4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(&[]), None);
        let mut hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let mut share = |share: f64| quantile(&mut hundred, share).unwrap();
        assert_eq!((share(0.5), share(0.99), share(1.0), share(0.0)), (50.0, 99.0, 100.0, 1.0));
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(ratios(&[1.0, 2.0], &[2.0, 2.0, 9.0]).unwrap().show(), "0.750 [0.500..1.00]");
    }
}
