//! The papers' tables: the paper's figures beside ours, cell by cell.
//!
//! A paper's cells are data, in `golden/NAME.toml`: the printed value, its source, its certainty, and the tolerance. Its runner, one file for
//! each family of papers, measures them on the simulator with the protocol code of the library. [`run`] puts the two side by side.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`golden`] | reads the cells |
//! | [`report`] | compares: rows, gates, tables as text and as Markdown |
//! | `demers` | rumor mongering: Tables 1 to 3, minimization, connection limit |
//! | `aggregation` | averaging, count, push-sum, extrema |
//! | `simple` | anti-entropy: Tables 4 and 5, rounds |
//! | `spatial` | the distances of contacts |
//! | `spreading` | push then pull, the median counter |
//! | `die` | fixed fanout: infect and die |
//! | `growth` | the course notes: growth by phase, rounds over n |
//! | `swim` | the failure detector's paper |

mod aggregation;
mod demers;
mod die;
pub mod golden;
mod growth;
pub mod report;
mod simple;
mod spatial;
mod spreading;
mod swim;

use crate::epidemic::{Epidemic, Outcome};
use crate::plot::Plot;
use golden::{Cell, Golden};
pub use report::{Reference, Report, Row};
use rumormill_core::rng::mix;
use std::collections::BTreeMap;

/// The size of the measurement.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub enum Size {
    /// Measures in seconds. A cell with a standard error above 4 % of its value is then shown, not gated.
    #[default]
    Ci,
    /// Measures with as many runs as the smallest cells need, and gates all cells that can be.
    Full,
}

/// A paper, with its name.
struct Paper {
    name: &'static str,
    golden: &'static str,
    run: fn(&mut Bench<'_>) -> Plot,
}

macro_rules! paper {
    ($name:literal, $run:path) => {
        Paper { name: $name, golden: include_str!(concat!("../../golden/", $name, ".toml")), run: $run }
    };
}

/// All papers, in the order of the list.
const PAPERS: &[Paper] = &[
    paper!("demers-table-1", demers::table_1),
    paper!("demers-table-2", demers::table_2),
    paper!("demers-table-3", demers::table_3),
    paper!("demers-uniform", simple::uniform),
    paper!("anti-entropy-rounds", simple::anti_entropy_rounds),
    paper!("minimization", demers::minimization),
    paper!("connection-limit", demers::connection_limit),
    paper!("spatial", spatial::run),
    paper!("push-then-pull", spreading::push_then_pull),
    paper!("median-counter", spreading::median_counter),
    paper!("infect-and-die", die::run),
    paper!("averaging", aggregation::averaging),
    paper!("count", aggregation::count),
    paper!("push-sum", aggregation::push_sum),
    paper!("extrema", aggregation::extrema),
    paper!("lecture-growth", growth::lecture),
    paper!("swim", swim::run),
];

/// The names of the papers, in their order.
pub fn names() -> impl Iterator<Item = &'static str> {
    PAPERS.iter().map(|paper| paper.name)
}

/// Measures the cells of one paper. `progress` gets the name of the measurement, and its progress between 0 and 1. The same `seed` gives the same figures.
///
/// # Errors
/// If there is no such paper.
pub fn run(name: &str, size: Size, seed: u64, progress: &mut dyn FnMut(&str, f64)) -> Result<Report, String> {
    let paper = PAPERS.iter().find(|paper| paper.name == name).ok_or_else(|| unknown(name))?;
    let golden = golden::read(paper.name, paper.golden);
    let mut bench = Bench { size, seed, golden: &golden, got: BTreeMap::new(), progress };
    let plot = (paper.run)(&mut bench);
    let got = bench.got;
    Ok(Report::new(paper.name, (size, seed), golden, &got, plot))
}

/// The golden values of one paper.
///
/// # Errors
/// If there is no such paper.
pub fn golden_values(name: &str) -> Result<Golden, String> {
    let paper = PAPERS.iter().find(|paper| paper.name == name).ok_or_else(|| unknown(name))?;
    Ok(golden::read(paper.name, paper.golden))
}

fn unknown(name: &str) -> String {
    let known: Vec<&str> = names().collect();
    format!("there is no paper {name:?}: it is one of {}", known.join(", "))
}

/// The measurement that a runner carries out.
pub(crate) struct Bench<'a> {
    /// The size of the measurement.
    pub size: Size,
    seed: u64,
    golden: &'a Golden,
    got: BTreeMap<String, Measured>,
    progress: &'a mut dyn FnMut(&str, f64),
}

/// A figure with its standard error; 0 if it has none.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    pub value: f64,
    pub standard_error: f64,
}

impl Bench<'_> {
    /// The seed of one of the paper's experiments; each has its own.
    pub fn seed(&self, experiment: u64) -> u64 {
        mix(self.seed ^ mix(experiment))
    }

    /// The number of runs in this size.
    pub fn runs(&self, ci: usize, full: usize) -> usize {
        match self.size {
            Size::Ci => ci,
            Size::Full => full,
        }
    }

    /// The paper's cell.
    ///
    /// # Panics
    /// If it has no such cell.
    pub fn paper(&self, cell: &str) -> f64 {
        self.cell(cell).paper
    }

    /// Whether the paper has a cell of that name.
    pub fn has(&self, cell: &str) -> bool {
        self.golden.cell(cell).is_some()
    }

    /// Whether a cell of that name is measured in this size.
    pub fn wants(&self, cell: &str) -> bool {
        self.golden.cell(cell).is_some_and(|cell| self.size == Size::Full || !cell.full_only)
    }

    /// Runs an epidemic of a paper, after a share of the whole.
    pub fn epidemic(&mut self, what: &str, part: f64, epidemic: &Epidemic) -> Outcome {
        self.progress(what, part);
        epidemic.run(&mut |_| {}).unwrap_or_else(|e| panic!("the paper's epidemic: {e}"))
    }

    fn cell(&self, name: &str) -> &Cell {
        self.golden.cell(name).unwrap_or_else(|| panic!("no golden cell is called {name:?}"))
    }

    /// Records the figure of a cell.
    ///
    /// # Panics
    /// If there is no such cell, or it was measured before.
    pub fn put(&mut self, cell: &str, value: f64, standard_error: f64) {
        let _ = self.cell(cell);
        let before = self.got.insert(cell.to_owned(), Measured { value, standard_error });
        assert!(before.is_none(), "{cell:?} is measured twice");
    }

    /// Reports the progress.
    pub fn progress(&mut self, what: &str, part: f64) {
        (self.progress)(what, part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_paper_has_its_golden_values_and_says_where_they_are_from() {
        for name in names() {
            let golden = golden_values(name).expect("it is listed");
            assert!(!golden.cells.is_empty() && !golden.unsaid.is_empty(), "{name}");
            for cell in &golden.cells {
                let source = cell.source.as_deref().unwrap_or(&golden.source);
                assert!(!source.is_empty(), "{name}, {}", cell.name);
            }
        }
    }

    #[test]
    fn an_unknown_paper_is_refused_with_the_list() {
        let refused = run("demers-table-9", Size::Ci, 1, &mut |_, _| {}).expect_err("there is none");
        assert!(refused.contains("demers-table-9") && refused.contains("swim"), "{refused}");
    }
}
