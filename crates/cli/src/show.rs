//! What people see: tables, times, sizes. Text that came over the network is cleaned first.

use crate::outcome::Outcome;
pub use rumormill_core::words::{count, either, span, with_id};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Where a command writes its result.
pub struct Out<'a> {
    to: &'a mut dyn Write,
    color: bool,
}

impl<'a> Out<'a> {
    /// Writes to `to`, with or without colours.
    pub fn new(to: &'a mut dyn Write, color: bool) -> Out<'a> {
        Out { to, color }
    }

    /// Whether standard output is a terminal that wants colours.
    pub fn wants_color() -> bool {
        std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
    }

    /// A line.
    pub fn line(&mut self, text: &str) -> Outcome {
        Ok(writeln!(self.to, "{text}")?)
    }

    /// Text as it is.
    pub fn raw(&mut self, bytes: &[u8]) -> Outcome {
        Ok(self.to.write_all(bytes)?)
    }

    /// A JSON document, indented.
    pub fn json(&mut self, value: &impl Serialize) -> Outcome {
        serde_json::to_writer_pretty(&mut *self.to, value)?;
        Ok(writeln!(self.to)?)
    }

    /// A JSON document on a line of its own.
    pub fn json_line(&mut self, value: &impl Serialize) -> Outcome {
        serde_json::to_writer(&mut *self.to, value)?;
        writeln!(self.to)?;
        Ok(self.to.flush()?)
    }

    /// A table.
    pub fn table(&mut self, table: &Table) -> Outcome {
        Ok(self.to.write_all(table.render(self.color).as_bytes())?)
    }

    /// Sends on what was written so far.
    pub fn flush(&mut self) -> Outcome {
        Ok(self.to.flush()?)
    }
}

/// How a cell looks on a terminal.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As any text.
    Plain,
    /// All is well.
    Good,
    /// Look here.
    Odd,
    /// Something failed.
    Bad,
    /// Less important.
    Faint,
}

impl Tone {
    fn ansi(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Good => "\x1b[32m",
            Tone::Odd => "\x1b[33m",
            Tone::Bad => "\x1b[31m",
            Tone::Faint => "\x1b[2m",
        }
    }
}

/// The columns of a name in a table (our guess: that of a host with its domain fits).
const NAME_COLUMNS_MAX: usize = 64;

/// One cell of a table.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    tone: Tone,
    right: bool,
}

impl Cell {
    /// Numbers line up at the right.
    pub fn right(text: impl AsRef<str>) -> Cell {
        Cell { right: true, ..Cell::from(text.as_ref()) }
    }

    /// A member's name. A long one is cut, so that it does not widen the table for all; its id tells it apart, and JSON has the whole.
    pub fn name(text: &str) -> Cell {
        let text = clean(text);
        if text.width() <= NAME_COLUMNS_MAX {
            return Cell::from(text);
        }
        let (mut cut, mut columns) = (String::new(), 1); // of the mark
        for c in text.chars() {
            columns += c.width().unwrap_or(0);
            if columns > NAME_COLUMNS_MAX {
                break;
            }
            cut.push(c);
        }
        Cell::from(cut + "…")
    }

    /// The cell with a text behind its own.
    pub fn and(mut self, text: &str) -> Cell {
        self.text.push_str(text);
        self
    }

    /// A toned cell.
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Cell {
        Cell { tone, ..Cell::from(text.as_ref()) }
    }

    /// Nothing to say.
    pub fn none() -> Cell {
        Cell { right: true, ..Cell::toned("-", Tone::Faint) }
    }

    /// A number that may be missing.
    pub fn number<T>(value: Option<T>, show: impl Fn(T) -> String) -> Cell {
        value.map_or_else(Cell::none, |value| Cell::right(show(value)))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell { text: clean(text), tone: Tone::Plain, right: false }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::from(text.as_str())
    }
}

/// A table without lines: columns two spaces apart, so that `cut` and `awk` can read it as well.
#[derive(Clone, Debug)]
pub struct Table {
    head: Vec<Cow<'static, str>>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(head: &[&'static str]) -> Table {
        Table { head: head.iter().map(|name| Cow::Borrowed(*name)).collect(), rows: Vec::new() }
    }

    /// A table whose columns somebody else named.
    pub fn named<'n>(head: impl IntoIterator<Item = &'n str>) -> Table {
        Table { head: head.into_iter().map(|name| Cow::Owned(clean(name))).collect(), rows: Vec::new() }
    }

    /// One more row, with as many cells as there are columns.
    pub fn row(&mut self, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.head.len(), "a row has as many cells as the table has columns");
        self.rows.push(cells);
    }

    /// The table as text.
    pub fn render(&self, color: bool) -> String {
        let widths: Vec<usize> = (0..self.head.len())
            .map(|c| self.rows.iter().map(|row| row[c].text.width()).fold(self.head[c].width(), usize::max))
            .collect();
        let rights: Vec<bool> =
            (0..self.head.len()).map(|c| self.rows.iter().any(|row| row[c].right)).collect();
        let head: Vec<Cell> = self
            .head
            .iter()
            .zip(rights)
            .map(|(text, right)| Cell { right, ..Cell::toned(text, Tone::Faint) })
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&head).chain(&self.rows) {
            push_row(&mut text, row, &widths, color);
        }
        text
    }
}

fn push_row(text: &mut String, row: &[Cell], widths: &[usize], color: bool) {
    for (c, (cell, width)) in row.iter().zip(widths).enumerate() {
        let padding = " ".repeat(width - cell.text.width());
        if c > 0 {
            text.push_str("  ");
        }
        if cell.right {
            text.push_str(&padding);
        }
        match cell.tone {
            Tone::Plain => text.push_str(&cell.text),
            tone if color => text.extend([tone.ansi(), &cell.text, "\x1b[0m"]),
            _ => text.push_str(&cell.text),
        }
        if !cell.right && c + 1 < row.len() {
            text.push_str(&padding);
        }
    }
    while text.ends_with(' ') {
        text.pop();
    }
    text.push('\n');
}

/// Text that may go to a terminal: control characters, which could drive it, are written out.
pub fn clean(text: &str) -> String {
    let drives = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(drives) {
        return text.into();
    }
    text.chars().map(|c| if drives(c) { c.escape_default().to_string() } else { c.into() }).collect()
}

/// A round trip.
pub fn millis(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms => format!("{ms:.0} ms"),
    }
}

/// A number of bytes, in powers of 1024.
pub fn bytes(count: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = count;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{value:.0} B"),
        _ => format!("{value:.1} {}", UNITS[unit]),
    }
}

/// A percentage.
pub fn percent(value: f64) -> String {
    format!("{value:.0} %")
}

/// The time of day in UTC, to the millisecond.
pub fn clock(unix_ms: u64) -> String {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(unix_ms);
    humantime::format_rfc3339_millis(at).to_string().replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Table {
        let mut table = Table::new(&["NAME", "STATUS", "RTT"]);
        table.row(vec!["web-1".into(), Cell::toned("alive", Tone::Good), Cell::right("1.25 ms")]);
        table.row(vec!["größer".into(), Cell::toned("failed", Tone::Bad), Cell::none()]);
        table
    }

    #[test]
    fn columns_line_up_by_width_on_the_screen() {
        assert_eq!(
            example().render(false),
            "NAME    STATUS      RTT\nweb-1   alive   1.25 ms\ngrößer  failed        -\n"
        );
    }

    #[test]
    fn one_long_name_does_not_widen_the_table_for_all() {
        let shown = |name: &str| Cell::name(name).text;
        assert_eq!(shown("web-1"), "web-1");
        assert_eq!(shown(&"n".repeat(64)), "n".repeat(64));
        assert_eq!(shown(&"n".repeat(65)), format!("{}…", "n".repeat(63)));
        assert_eq!(shown(&"名".repeat(200)).width(), 63, "a character of two columns does not fit into one");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let colored = example().render(true);
        assert!(colored.contains("\x1b[32malive\x1b[0m   1.25 ms"), "{colored}");
    }

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(clean("a\x1b[31mb\n\u{202e}"), "a\\u{1b}[31mb\\n\\u{202e}");
        assert_eq!(clean("größer 名"), "größer 名");
    }

    #[test]
    fn sizes_have_one_unit() {
        let shown = [0.0, 1023.0, 1024.0, 1_048_575.0, 3.5 * 1024f64.powi(3)].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "3.5 GiB"]);
    }

    #[test]
    fn a_moment_is_shown_in_utc() {
        assert_eq!(clock(1_700_000_000_123), "2023-11-14 22:13:20.123Z");
    }

    #[test]
    fn output_that_nobody_reads_ends_the_command_quietly() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut closed = Closed;
        let mut out = Out::new(&mut closed, false);
        assert_eq!(out.line("x").unwrap_err().code(), 0);
        assert_eq!(out.json(&1).unwrap_err().code(), 0);
        assert_eq!(out.table(&example()).unwrap_err().code(), 0);
    }
}
