//! What a paper says, as data.

use serde::Deserialize;

/// A paper's cells, as they stand in `golden/NAME.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// What the table is about.
    pub title: String,
    /// The paper, and where in it, unless a cell says otherwise.
    pub source: String,
    /// How it is measured here, in a few sentences.
    pub about: String,
    /// What the paper leaves out, and what had to be assumed to come to its figures.
    pub unsaid: Vec<String>,
    /// The cells.
    #[serde(rename = "cell")]
    pub cells: Vec<Cell>,
}

/// One figure of a paper.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Its name, one of a kind in its table.
    pub name: String,
    /// What the paper prints, or what its formula comes to.
    pub paper: f64,
    /// Its unit; empty for a part or a ratio.
    #[serde(default)]
    pub unit: String,
    /// How sure the value is.
    pub tag: Tag,
    /// Where it stands, if not where the table does.
    pub source: Option<String>,
    /// How close is close enough, as a part of the paper's value.
    pub relative: Option<f64>,
    /// The same, in the cell's unit.
    pub absolute: Option<f64>,
    /// Half a unit of the last printed digit: the printed value stands for all that round to it, so that much is always allowed.
    #[serde(default)]
    pub printed: f64,
    /// What is compared.
    #[serde(default)]
    pub compare: Compare,
    /// When it counts.
    #[serde(default)]
    pub gate: Gate,
    /// Whether it is measured in full size alone.
    #[serde(default)]
    pub full_only: bool,
    /// A remark: why it is not gated, why the tolerance is what it is.
    #[serde(default)]
    pub note: String,
}

/// How sure a golden value is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Deserialize)]
pub enum Tag {
    /// Read in the source.
    Stated,
    /// Remembered from the paper, and reproduced by an independent simulation.
    RememberedAndReproduced,
    /// Remembered from the paper alone: never gated.
    Remembered,
    /// Not the paper's: from an independent simulation of what it describes.
    Reproduced,
    /// A formula.
    Theory,
}

impl Tag {
    /// In a few words.
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

/// How a figure is held against the paper's.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// It may be off by the tolerance, either way.
    #[default]
    Within,
    /// It may be above by the tolerance, and below as it likes.
    AtMost,
    /// The other way round.
    AtLeast,
}

/// When a cell that is outside its tolerance counts as a failure.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// In full size always, otherwise if the standard error is small enough.
    #[default]
    Auto,
    /// Never: it is shown.
    Never,
}

impl Golden {
    /// The cell of that name.
    pub fn cell(&self, name: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.name == name)
    }
}

impl Cell {
    /// The most by which it may be off, in the cell's unit.
    pub fn tolerance(&self) -> f64 {
        let relative = self.relative.unwrap_or(0.0) * self.paper.abs();
        relative.max(self.absolute.unwrap_or(0.0)).max(self.printed)
    }

    /// Whether a figure is close enough.
    pub fn holds(&self, ours: f64) -> bool {
        let off = ours - self.paper;
        // Half a unit in the last place of a binary fraction is no difference.
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
/// If it is not sound: it is part of the program.
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
