//! The picture of an aggregation.

use super::{Aggregate, Outcome, Theory};
use crate::plot::{Draw, Plot};
use rumormill_core::words::count;

impl Aggregate {
    /// The picture of an outcome: the error over the rounds, and theory over it if there is one.
    pub fn plot(&self, outcome: &Outcome) -> Plot {
        let title = format!("{}: {}, {}", self.algorithm, count(self.nodes, "node"), count(self.runs, "run"));
        let mut plot = Plot::new(title, "rounds", "relative error").log_y();
        let points = |curve: &[f64]| -> Vec<(f64, f64)> {
            curve.iter().enumerate().map(|(at, error)| (at as f64 + 1.0, *error)).collect()
        };
        plot.add("largest of all nodes", Draw::Line(points(&outcome.worst)));
        plot.add("root mean square", Draw::Line(points(&outcome.curve)));
        match (&outcome.theory, outcome.curve.get(1)) {
            (Theory::Factor(factor), Some(first)) => {
                let law =
                    (0..outcome.curve.len()).map(|at| first * libm::pow(*factor, (at as f64 - 1.0) / 2.0));
                plot.add("theory", Draw::Dashed(points(&law.collect::<Vec<f64>>())));
            }
            (Theory::NoTheoryFor(why), _) => {
                plot.note(format!("No theory for {why}."));
            }
            (Theory::Factor(_), None) => {}
        }
        plot
    }
}
