//! The values of a table and ours side by side. The column "paper" holds only what a paper prints.

use super::golden::{Cell, Compare, Gate, Golden, Tag};
use super::{Measured, Size};
use crate::plot::Plot;
use crate::stats::figure;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Upper bound on the standard error of a gated cell in CI size, as a share of its value.
pub const GATED_STANDARD_ERROR_MAX: f64 = 0.04;

/// A paper's cells, measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The paper's name.
    pub paper: String,
    /// Its cells.
    pub rows: Vec<Row>,
    /// Whether no gated cell is outside its tolerance.
    pub ok: bool,
    /// The size of the measurement.
    #[serde(skip)]
    pub size: Size,
    /// The seed of the measurement.
    #[serde(skip)]
    pub seed: u64,
    /// The paper's figures.
    #[serde(skip)]
    pub golden: Golden,
    /// The picture.
    #[serde(skip)]
    pub plot: Plot,
}

/// One cell, measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// The value that ours is compared with, by its origin.
    #[serde(flatten)]
    pub reference: Reference,
    /// Our value.
    pub ours: f64,
    /// The greatest tolerated difference, in its unit.
    pub tolerance: f64,
    /// Whether the cell passes: it is not gated, or it is within its tolerance.
    pub ok: bool,
    /// Whether it is within its tolerance, gated or not.
    pub within: bool,
    /// Whether a difference above the tolerance is a failure.
    pub gated: bool,
    /// The standard error of our figure; 0 if it has none.
    pub standard_error: f64,
    /// `within`, `at-most` or `at-least`.
    pub compare: &'static str,
    /// Its unit; empty for a share or a ratio.
    pub unit: String,
    /// The source of the value that ours is compared with.
    pub source: String,
    /// Certainty of that value.
    pub certainty: &'static str,
    /// A remark on this cell.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Report {
    pub(super) fn new(
        paper: &str,
        (size, seed): (Size, u64),
        golden: Golden,
        got: &BTreeMap<String, Measured>,
        plot: Plot,
    ) -> Report {
        let wanted = golden.cells.iter().filter(|cell| size == Size::Full || !cell.full_only);
        let rows: Vec<Row> = wanted
            .map(|cell| {
                let measured = got
                    .get(&cell.name)
                    .unwrap_or_else(|| panic!("{paper}: nothing measured the cell {:?}", cell.name));
                Row::new(cell, &golden.source, size, *measured)
            })
            .collect();
        let ok = rows.iter().all(|row| row.ok);
        Report { paper: paper.to_owned(), rows, ok, size, seed, golden, plot }
    }

    /// The origins of the values that ours are compared with.
    fn origins(&self) -> Vec<Origin> {
        let is_there = |origin: &Origin| self.rows.iter().any(|row| row.reference.origin() == *origin);
        Origin::ALL.into_iter().filter(is_there).collect()
    }

    /// The report as a table for the terminal: paper | ours | difference, with a column more for values that no paper prints.
    pub fn text(&self) -> String {
        let origins = self.origins();
        let heads = origins.iter().map(|origin| origin.name());
        let head = [""].into_iter().chain(heads).chain(["ours", "difference", ""]);
        let mut cells: Vec<Vec<String>> = vec![head.map(str::to_owned).collect()];
        for row in &self.rows {
            let references = origins.iter().map(|origin| row.reference_text(*origin));
            let rest = [row.ours_text(), row.difference(), row.verdict().to_owned()];
            cells.push([row.name_text()].into_iter().chain(references).chain(rest).collect());
        }
        let width = |at: usize| cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..origins.len() + 4).map(width).collect();
        let mut text = format!("{}\n{}\n\n", self.golden.title, self.golden.source);
        for row in &cells {
            let last = row.len() - 1;
            let figures: Vec<String> =
                (1..last).map(|at| format!("{:>width$}", row[at], width = widths[at])).collect();
            let line =
                format!("{:width$}  {}  {}", row[0], figures.join(" | "), row[last], width = widths[0]);
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }

    /// The report as a section of `docs/papers.md`. The picture is expected at `picture`.
    pub fn markdown(&self, picture: &str) -> String {
        let golden = &self.golden;
        let mut text = format!(
            "## {}: {}\n\n{}.\n\n{}\n\n",
            self.paper,
            golden.title,
            golden.source.trim_end_matches('.'),
            golden.about
        );
        let origins = self.origins();
        let names: Vec<&str> = origins.iter().map(|origin| origin.name()).collect();
        let _ = writeln!(
            text,
            "| | {} | ours | difference | allowed | | compared with |\n| --- |{} --: | --: | --: | --- | --- |",
            names.join(" | "),
            " --: |".repeat(names.len())
        );
        for row in &self.rows {
            let references = origins.iter().map(|origin| row.reference_text(*origin));
            let rest = [
                row.ours_text(),
                row.difference(),
                row.allowed(),
                row.verdict().to_owned(),
                row.remark(&golden.source),
            ];
            let cells = [row.name_text()].into_iter().chain(references).chain(rest);
            let cells: Vec<String> = cells.map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        let unmeasured = golden.cells.len() - self.rows.len();
        if unmeasured > 0 {
            let _ = writeln!(text, "\nWith `--full`, {unmeasured} more.");
        }
        let _ = writeln!(text, "\n![{}]({picture})\n\nWhat the paper left unsaid:\n", self.plot.title);
        golden.unsaid.iter().for_each(|line| {
            let _ = writeln!(text, "- {line}");
        });
        text
    }

    /// The number of rows with this verdict.
    fn count(&self, verdict: &str) -> usize {
        self.rows.iter().filter(|row| row.verdict() == verdict).count()
    }
}

/// `docs/papers.md`, from all reports. Pictures are expected at `papers/NAME.svg`.
pub fn document(reports: &[Report]) -> String {
    let mut text = String::from("# The papers' tables\n\n");
    if let Some(first) = reports.first() {
        let full = if first.size == Size::Full { " --full" } else { "" };
        let _ = writeln!(
            text,
            "Generated by `rumormill lab paper --all{full} --seed {} --docs docs`; do not edit. The same command gives the same figures.\n",
            first.seed
        );
    }
    text.push_str(
        "Each table is measured with the protocol code of the library, on the simulator; one of them alone by `rumormill lab paper NAME`. \
         `±` is one standard error, *allowed* how far ours may be from the value beside it: what the \
         paper prints, what another simulation of its description gave, or what its formula gives. A row marked *ok* is within that and counts; one marked \
         *off* is not, and fails; one marked *shown* does not count, because its standard error is above 4 % of its value and `--full` was \
         not given, or because the last column says why. In the pictures lines and dots are simulated (or the paper's, where the legend says \
         so), dashed lines are theory.\n\n| paper | | ok | off | shown |\n| --- | --- | --: | --: | --: |\n",
    );
    for report in reports {
        let counts = ["ok", "off", "shown"].map(|verdict| report.count(verdict).to_string());
        let (name, title) = (&report.paper, &report.golden.title);
        let _ = writeln!(text, "| [{name}](#{}) | {title} | {} |", anchor(report), counts.join(" | "));
    }
    for report in reports {
        text.push('\n');
        text.push_str(&report.markdown(&format!("papers/{}.svg", report.paper)));
    }
    text
}

/// The anchor of a heading.
fn anchor(report: &Report) -> String {
    let heading = format!("{}: {}", report.paper, report.golden.title).to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Whose a value is that ours is compared with.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Origin {
    Paper,
    Simulation,
    Formula,
}

impl Origin {
    const ALL: [Origin; 3] = [Origin::Paper, Origin::Simulation, Origin::Formula];

    fn name(self) -> &'static str {
        match self {
            Origin::Paper => "paper",
            Origin::Simulation => "other simulation",
            Origin::Formula => "formula",
        }
    }
}

/// A value that ours is compared with.
#[derive(Copy, Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// The paper prints it.
    Paper(f64),
    /// Another simulation of the paper's description gave it.
    Simulation(f64),
    /// A formula gives it.
    Formula(f64),
}

impl Reference {
    fn new(cell: &Cell) -> Reference {
        match cell.tag {
            Tag::Stated | Tag::RememberedAndReproduced | Tag::Remembered => Reference::Paper(cell.paper),
            Tag::Reproduced => Reference::Simulation(cell.paper),
            Tag::Theory => Reference::Formula(cell.paper),
        }
    }

    fn origin(self) -> Origin {
        match self {
            Reference::Paper(_) => Origin::Paper,
            Reference::Simulation(_) => Origin::Simulation,
            Reference::Formula(_) => Origin::Formula,
        }
    }

    /// The value, whosever it is.
    pub fn value(self) -> f64 {
        match self {
            Reference::Paper(value) | Reference::Simulation(value) | Reference::Formula(value) => value,
        }
    }
}

impl Row {
    fn new(cell: &Cell, source: &str, size: Size, measured: Measured) -> Row {
        let Measured { value, standard_error } = measured;
        let within = cell.holds(value);
        let sure = standard_error <= GATED_STANDARD_ERROR_MAX * value.abs();
        let gated = cell.gate == Gate::Auto && (size == Size::Full || sure);
        Row {
            name: cell.name.clone(),
            reference: Reference::new(cell),
            ours: value,
            tolerance: cell.tolerance(),
            ok: !gated || within,
            within,
            gated,
            standard_error,
            compare: match cell.compare {
                Compare::Within => "within",
                Compare::AtMost => "at-most",
                Compare::AtLeast => "at-least",
            },
            unit: cell.unit.clone(),
            source: cell.source.clone().unwrap_or_else(|| source.to_owned()),
            certainty: cell.tag.text(),
            note: cell.note.clone(),
        }
    }

    fn name_text(&self) -> String {
        if self.unit.is_empty() { self.name.clone() } else { format!("{} ({})", self.name, self.unit) }
    }

    /// The value that ours is compared with, in the column of this origin.
    fn reference_text(&self, origin: Origin) -> String {
        if self.reference.origin() != origin {
            return String::new();
        }
        let bound = match self.compare {
            "at-most" => "≤ ",
            "at-least" => "≥ ",
            _ => "",
        };
        format!("{bound}{}", figure(self.reference.value(), 4))
    }

    fn ours_text(&self) -> String {
        if self.standard_error == 0.0 {
            return figure(self.ours, 4);
        }
        format!("{} ± {}", figure(self.ours, 4), figure(self.standard_error, 2))
    }

    /// The difference in percent, or in the cell's unit if it is one from 0.
    fn difference(&self) -> String {
        let from = self.reference.value();
        let off = self.ours - from;
        if from == 0.0 { figure(off, 3) } else { format!("{:+.1} %", 100.0 * off / from) }
    }

    /// The tolerance, in the unit of the difference; empty for a cell that is not gated.
    fn allowed(&self) -> String {
        let sign = match self.compare {
            "at-most" => "+",
            "at-least" => "-",
            _ => "±",
        };
        let from = self.reference.value();
        match (self.gated, from == 0.0) {
            (false, _) => String::new(),
            (true, true) => format!("{sign}{}", figure(self.tolerance, 3)),
            (true, false) => format!("{sign}{:.1} %", 100.0 * self.tolerance / from.abs()),
        }
    }

    /// Certainty of the value that ours is compared with, its source if it is not that of the table, and the remark.
    fn remark(&self, table_source: &str) -> String {
        let source = (self.source != table_source).then_some(&*self.source);
        let note = (!self.note.is_empty()).then_some(&*self.note);
        [Some(self.certainty), source, note].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn verdict(&self) -> &'static str {
        match (self.gated, self.within) {
            (true, true) => "ok",
            (true, false) => "off",
            (false, _) => "shown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::golden;

    const TABLE: &str = "title = 'A table'\nsource = 'A paper'\nabout = 'How.'\nunsaid = ['What a cycle is.']\n\
        [[cell]]\nname = 'residue'\npaper = 0.2\ntag = 'Stated'\nrelative = 0.1\nsource = 'page 9'\n\
        [[cell]]\nname = 'small'\npaper = 1e-5\ntag = 'Reproduced'\nrelative = 0.1\n\
        [[cell]]\nname = 't_ave'\npaper = 11.0\nunit = 'cycles'\ntag = 'Stated'\nabsolute = 0.1\ngate = 'never'\nnote = 'not said what it is'\n\
        [[cell]]\nname = 'large'\npaper = 3.0\ntag = 'Stated'\nrelative = 0.1\ncompare = 'at-most'\nfull_only = true\n";

    fn report(size: Size, residue: f64) -> Report {
        let figures =
            [("residue", residue, 0.001), ("small", 3e-5, 1e-5), ("t_ave", 9.8, 0.1), ("large", 0.5, 0.0)];
        let got = figures
            .map(|(name, value, standard_error)| (name.to_owned(), Measured { value, standard_error }));
        Report::new("table", (size, 7), golden::read("test", TABLE), &got.into(), Plot::new("p", "x", "y"))
    }

    #[test]
    fn a_gated_cell_outside_its_tolerance_fails_the_paper() {
        assert!(report(Size::Ci, 0.21).ok);
        let off = report(Size::Ci, 0.25);
        assert!(!off.ok && !off.rows[0].ok && off.text().contains("off"));
    }

    #[test]
    fn an_uncertain_cell_is_gated_in_full_size_alone() {
        let (ci, full) = (report(Size::Ci, 0.2), report(Size::Full, 0.2));
        assert!(!ci.rows[1].gated && ci.rows[1].ok && !ci.rows[1].within);
        assert!(full.rows[1].gated && !full.rows[1].ok && !full.ok);
        assert_eq!((ci.rows.len(), full.rows.len()), (3, 4), "what is measured in full size alone");
        assert!(!full.rows[2].gated, "what is never gated");
        assert!(full.rows[3].ok, "below what it may be at most");
    }

    #[test]
    fn the_json_has_the_shape_that_was_promised() {
        let json = serde_json::to_value(report(Size::Ci, 0.2)).expect("it is data");
        let keys: Vec<&String> = json.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["ok", "paper", "rows"]);
        let row = &json["rows"][0];
        assert_eq!((row["name"].as_str(), row["paper"].as_f64()), (Some("residue"), Some(0.2)));
        let small = &json["rows"][1];
        assert_eq!(
            (small["simulation"].as_f64(), small.get("paper")),
            (Some(1e-5), None),
            "no paper prints it"
        );
        assert!(row["ours"].is_f64() && row["tolerance"].is_f64() && row["ok"].is_boolean());
    }

    #[test]
    fn the_text_lines_up_and_the_markdown_has_table_picture_and_what_was_left_unsaid() {
        let report = report(Size::Ci, 0.2);
        let text = report.text();
        let bars: Vec<usize> =
            text.lines().skip(3).map(|l| l.chars().position(|c| c == '|').unwrap()).collect();
        assert!(bars.windows(2).all(|w| w[0] == w[1]), "{text}");
        let head = text.lines().nth(3).expect("a head");
        assert!(head.contains("paper") && head.contains("other simulation"), "{text}");
        assert!(!head.contains("formula"), "no column without a value: {text}");
        assert!(text.contains("t_ave (cycles)") && text.contains("-10.9 %"), "{text}");
        let document = document(&[report]);
        for part in [
            "# The papers",
            "--all --seed 7 --docs docs`",
            "| [table](#table-a-table) | A table | 1 | 0 | 2 |",
            "A paper.\n",
            "| | paper | other simulation | ours | difference |",
            "| residue | 0.2 |  | 0.2 ± 0.001 | +0.0 % | ±10.0 % | ok | as printed; page 9 |",
            "| small |  | 1.00e-5 | 3.00e-5",
            "| t_ave (cycles) | 11 |  | 9.8 ± 0.1 | -10.9 % |  | shown | as printed; not said what it is |",
            "With `--full`, 1 more.",
            "![p](papers/table.svg)",
            "- What a cycle is.",
        ] {
            assert!(document.contains(part), "{part} is missing in\n{document}");
        }
    }
}
