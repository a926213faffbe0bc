//! The picture of an epidemic.

use super::{Epidemic, Outcome, Theory};
use crate::plot::{Draw, Plot};
use rumormill_core::words::count;

impl Epidemic {
    /// The picture of an outcome: its curve, and theory over it if there is one.
    pub fn plot(&self, outcome: &Outcome) -> Plot {
        let mut plot = Plot::new(
            format!("{}: {}, {}", self.strategy, count(self.nodes, "node"), count(self.runs, "run")),
            "rounds",
            "part of the nodes that knows",
        );
        let points = |curve: &[f64]| curve.iter().enumerate().map(|(t, x)| (t as f64, *x)).collect();
        plot.add("simulated", Draw::Line(points(&outcome.curve)));
        match &outcome.theory {
            Theory::MeanField(curve) => plot.add("mean field", Draw::Dashed(points(curve))),
            Theory::NoTheoryFor(why) => plot.note(format!("No theory for {why}.")),
        };
        plot
    }
}
