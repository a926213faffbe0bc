//! Linear and logarithmic axes: the places of values, and the ticks.

use libm::{ceil, floor, log10, pow, round};

/// Number of ticks of an axis, about.
const TICKS: f64 = 6.0;

pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis that holds all of `values` and runs from the place `from` to the place `to`.
    pub fn over(values: impl Iterator<Item = f64>, log: bool, from: f64, to: f64) -> Axis {
        let usable = values.filter(|v| v.is_finite() && (!log || *v > 0.0));
        let scaled = usable.map(|v| if log { log10(v) } else { v });
        let (low, high) = scaled.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let (mut low, mut high) = if low > high { (0.0, 1.0) } else { (low, high) };
        if high - low < 1e-12 * high.abs().max(1.0) {
            (low, high) = (low - 0.5, high + 0.5);
        }
        if log {
            // Whole decades, unless that would leave most of the picture empty.
            if high - low > 1.0 {
                (low, high) = (floor(low + 1e-9), ceil(high - 1e-9));
            }
        } else {
            let step = step_for(high - low);
            (low, high) = (floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step);
        }
        Axis { low, high, log, from, to }
    }

    /// Whether this value has a place on the axis.
    pub fn shows(&self, value: f64) -> bool {
        value.is_finite() && (!self.log || value > 0.0)
    }

    /// The place of a value.
    pub fn place(&self, value: f64) -> f64 {
        let v = if self.log { log10(value) } else { value };
        self.from + (v - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Values with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        if self.log {
            return self.decades();
        }
        let step = step_for(self.high - self.low);
        let first = round(self.low / step) as i64;
        let count = round((self.high - self.low) / step) as i64;
        let digits = (-floor(log10(step) + 1e-9)).max(0.0) as usize;
        (first..=first + count).map(|i| i as f64 * step).map(|v| (v, labelled(v, digits))).collect()
    }

    fn decades(&self) -> Vec<(f64, String)> {
        let (first, last) = (ceil(self.low - 1e-9) as i32, floor(self.high + 1e-9) as i32);
        let every = ((last - first) / 8 + 1).max(1);
        if last - first >= 1 {
            return (first..=last).step_by(every as usize).map(|e| (pow(10.0, e.into()), power(e))).collect();
        }
        // Within less than a decade, both ends and the middle tell more than one power of ten.
        let part = |p: f64| pow(10.0, self.low + (self.high - self.low) * p);
        [0.0, 0.5, 1.0].map(part).into_iter().map(|v| (v, format!("{v:.3}"))).collect()
    }
}

/// 1, 2 or 5 times a power of ten.
fn step_for(range: f64) -> f64 {
    let rough = range / TICKS;
    let decade = pow(10.0, floor(log10(rough)));
    [1.0, 2.0, 5.0].into_iter().map(|s| s * decade).find(|s| *s >= rough * 0.999).unwrap_or(10.0 * decade)
}

fn labelled(v: f64, digits: usize) -> String {
    let v = if v == 0.0 { 0.0 } else { v }; // not -0
    if v.abs() >= 1e6 { format!("{:.1}e6", v / 1e6).replace(".0e", "e") } else { format!("{v:.digits$}") }
}

fn power(e: i32) -> String {
    match e {
        -3..=3 => format!("{}", pow(10.0, e.into())),
        _ => format!("1e{e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        let axis = Axis::over([3.2, 17.9].into_iter(), false, 0.0, 100.0);
        let ticks: Vec<String> = axis.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(ticks, ["0", "5", "10", "15", "20"]);
        assert!((axis.place(10.0) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn a_logarithmic_axis_has_decades() {
        let axis = Axis::over([0.002, 0.0, 0.9].into_iter(), true, 0.0, 3.0);
        let ticks: Vec<String> = axis.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(ticks, ["0.001", "0.01", "0.1", "1"]);
        assert!((axis.place(0.1) - 2.0).abs() < 1e-9);
        assert!(!axis.shows(0.0) && axis.shows(1e-9));
    }

    #[test]
    fn fractions_keep_their_digits() {
        let axis = Axis::over([0.0, 1.0].into_iter(), false, 0.0, 1.0);
        assert_eq!(axis.ticks().last().map(|t| t.1.clone()), Some("1.0".into()));
    }
}
