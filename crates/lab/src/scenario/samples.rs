//! The samples of a scenario, kept: as CSV, and as a plot of one figure.

use super::output::{Output, Sample};
use crate::plot::{Draw, Plot};
use std::collections::BTreeMap;

/// Keeps all samples of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Sample>);

impl Output for Samples {
    fn sample(&mut self, sample: &Sample) {
        self.0.push(sample.clone());
    }
}

impl Samples {
    /// The samples in their order.
    pub fn list(&self) -> &[Sample] {
        &self.0
    }

    /// The samples as CSV, a row each, below the names of the columns.
    pub fn csv(&self) -> String {
        let header = self.0.first().map(Sample::csv_header);
        header.into_iter().chain(self.0.iter().map(Sample::csv_row)).map(|line| line + "\n").collect()
    }

    /// A plot of the figure of that name over the seconds, a line for each run.
    ///
    /// # Errors
    /// If there is no such figure: the error lists those that there are.
    pub fn plot(&self, title: &str, figure: &str) -> Result<Plot, String> {
        let mut curves: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in &self.0 {
            let found = sample.figures.iter().find(|(name, _)| *name == figure);
            let Some((_, value)) = found else {
                let known: Vec<&str> = sample.figures.iter().map(|(name, _)| *name).collect();
                return Err(format!("no figure is called {figure:?}: there are {}", known.join(", ")));
            };
            curves.entry(sample.run).or_default().push((sample.t_s, *value));
        }
        let mut plot = Plot::new(title, "seconds", figure);
        let is_one = curves.len() == 1;
        for (run, points) in curves {
            plot.add(if is_one { figure.to_owned() } else { format!("run {run}") }, Draw::Line(points));
        }
        Ok(plot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_become_rows_and_curves() {
        let mut samples = Samples::default();
        for (run, t_s, up) in [(0, 1.0, 3.0), (0, 2.0, 2.0), (1, 1.0, 3.0)] {
            samples.sample(&Sample { run, t_s, figures: vec![("up", up)] });
        }
        assert_eq!(samples.csv(), "run,t_s,up\n0,1,3\n0,2,2\n1,1,3\n");
        assert_eq!(samples.plot("up", "up").unwrap().series.len(), 2);
        assert!(samples.plot("up", "down").unwrap_err().contains("there are up"));
    }
}
