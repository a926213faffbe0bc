//! A paper's figures, as data.

use serde::Deserialize;

/// A paper's cells, from `golden/NAME.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The subject of the table.
    pub title: String,
    /// The source, unless a cell names another.
    pub source: String,
    /// The method of measuring here, in a few sentences.
    pub about: String,
    /// Assumptions that the paper's figures need and its text does not give.
    pub unsaid: Vec<String>,
    /// The cells.
    #[serde(rename = "cell")]
    pub cells: Vec<Cell>,
}

/// One figure of a paper.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Its name, unique in its table.
    pub name: String,
    /// The value to compare with: the paper prints it, its formula gives it, or another simulation gave it, as `tag` says.
    pub paper: f64,
    /// Its unit; empty for a share or a ratio.
    #[serde(default)]
    pub unit: String,
    /// Certainty of the value.
    pub tag: Tag,
    /// Source of the value, if it is not that of the table.
    pub source: Option<String>,
    /// Tolerance as a share of the paper's value.
    pub relative: Option<f64>,
    /// Tolerance in the cell's unit.
    pub absolute: Option<f64>,
    /// Half a unit of the last printed digit: the printed value stands for all values that round to it, so this is always tolerated.
    #[serde(default)]
    pub printed: f64,
    /// The comparison.
    #[serde(default)]
    pub compare: Compare,
    /// The condition under which the cell counts.
    #[serde(default)]
    pub gate: Gate,
    /// Whether the cell is measured in full size alone.
    #[serde(default)]
    pub full_only: bool,
    /// A remark: the reason why it is not gated, or of its tolerance.
    #[serde(default)]
    pub note: String,
}

/// Certainty of a golden value.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Deserialize)]
pub enum Tag {
    /// Read in the source.
    Stated,
    /// Remembered from the paper, and reproduced by an independent simulation.
    RememberedAndReproduced,
    /// Remembered from the paper alone: never gated.
    Remembered,
    /// Not the paper's: an independent simulation of the paper's description.
    Reproduced,
    /// A formula.
    Theory,
}

impl Tag {
    /// The certainty in a few words.
    pub fn text(self) -> &'static str {
        match self {
            Tag::Stated => "as printed",
            Tag::RememberedAndReproduced => "as printed, from memory; reproduced independently",
            Tag::Remembered => "as printed, from memory",
            Tag::Reproduced => "independent simulation",
            Tag::Theory => "formula",
        }
    }
}

/// The comparison of a figure with the paper's.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// The figure may differ by the tolerance, either way.
    #[default]
    Within,
    /// The figure may be greater by the tolerance, and smaller by any amount.
    AtMost,
    /// The figure may be smaller by the tolerance, and greater by any amount.
    AtLeast,
}

/// The condition under which a cell outside its tolerance is a failure.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// In full size, and otherwise if the standard error is small enough.
    #[default]
    Auto,
    /// Never: the cell is shown.
    Never,
}

impl Golden {
    /// The cell of that name.
    pub fn cell(&self, name: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.name == name)
    }
}

impl Cell {
    /// The greatest tolerated difference, in the cell's unit.
    pub fn tolerance(&self) -> f64 {
        let relative = self.relative.unwrap_or(0.0) * self.paper.abs();
        relative.max(self.absolute.unwrap_or(0.0)).max(self.printed)
    }

    /// Whether a figure is within the tolerance.
    pub fn holds(&self, ours: f64) -> bool {
        let off = ours - self.paper;
        // Half a unit in the last place of a binary fraction does not count.
        let tolerance = self.tolerance() * (1.0 + 1e-12);
        match self.compare {
            Compare::Within => off.abs() <= tolerance,
            Compare::AtMost => off <= tolerance,
            Compare::AtLeast => -off <= tolerance,
        }
    }
}

/// Reads a table.
///
/// # Panics
/// If the table is not sound: it is part of the program.
pub(super) fn read(name: &str, text: &str) -> Golden {
    let golden: Golden = toml::from_str(text).unwrap_or_else(|e| panic!("golden/{name}.toml: {e}"));
    for (at, cell) in golden.cells.iter().enumerate() {
        let twice = golden.cells[..at].iter().any(|other| other.name == cell.name);
        assert!(!twice, "golden/{name}.toml: {} is there twice", cell.name);
        let gated = cell.gate == Gate::Auto;
        assert!(
            !gated || cell.relative.is_some() || cell.absolute.is_some(),
            "golden/{name}.toml: {} is gated and has no tolerance",
            cell.name
        );
        assert!(
            !gated || cell.tag != Tag::Remembered,
            "golden/{name}.toml: {} is only remembered, so it may not be gated",
            cell.name
        );
        assert!(gated || !cell.note.is_empty(), "golden/{name}.toml: say why {} is not gated", cell.name);
    }
    golden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(extra: &str) -> Cell {
        let text = format!(
            "title = 't'\nsource = 's'\nabout = 'a'\nunsaid = []\n[[cell]]\nname = 'm'\npaper = 1.7\ntag = 'Stated'\n{extra}"
        );
        read("test", &text).cells.remove(0)
    }

    #[test]
    fn the_wider_of_tolerance_and_printed_digits_is_allowed() {
        let traffic = cell("relative = 0.02\nprinted = 0.05");
        assert!(traffic.holds(1.744) && traffic.holds(1.65) && !traffic.holds(1.76));
        assert!(!cell("relative = 0.02").holds(1.744));
        assert!(cell("absolute = 0.3").holds(2.0) && !cell("absolute = 0.3").holds(2.01));
    }

    #[test]
    fn bounds_are_one_sided() {
        assert!(cell("absolute = 0.0\ncompare = 'at-most'").holds(0.1));
        assert!(!cell("absolute = 0.0\ncompare = 'at-most'").holds(1.71));
        assert!(cell("absolute = 0.0\ncompare = 'at-least'").holds(99.0));
    }

    #[test]
    #[should_panic(expected = "no tolerance")]
    fn a_gate_without_a_tolerance_is_no_gate() {
        cell("");
    }

    #[test]
    #[should_panic(expected = "say why")]
    fn what_is_not_gated_says_why() {
        cell("gate = 'never'");
    }
}
