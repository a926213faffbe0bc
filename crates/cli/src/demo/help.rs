//! The page behind `?`: what the columns mean, and what the keys do.

use super::legend::{COLUMNS, KEYS};
use super::wrap::wrapped;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

/// Room for the names of columns and keys, and the space behind them.
const NAME_WIDTH: usize = 12;

/// Draws the page from line `top` on, or from the last line that still fills the screen, and returns that line.
pub fn draw(frame: &mut Frame<'_>, area: Rect, top: usize) -> usize {
    let lines = lines(area.width.saturating_sub(2) as usize);
    let height = area.height.saturating_sub(2) as usize;
    let top = top.min(lines.len().saturating_sub(height));
    let title = match lines.len() > height {
        true => " help: ↑↓ scrolls, ? closes it ",
        false => " help: ? closes it ",
    };
    let shown: Vec<Line<'static>> = lines.into_iter().skip(top).take(height).collect();
    frame.render_widget(Paragraph::new(shown).block(Block::bordered().title(title)), area);
    top
}

fn lines(width: usize) -> Vec<Line<'static>> {
    let columns = COLUMNS.iter().flat_map(|column| entry(column.head, column.about, width));
    let keys = KEYS.iter().flat_map(|key| entry(key.name, key.about, width));
    let mut lines: Vec<Line<'static>> = columns.collect();
    let note = "A narrow terminal shows fewer columns.";
    lines.extend(wrapped(note, width).into_iter().map(Line::from));
    lines.push(Line::default());
    lines.extend(keys);
    lines
}

/// A name, and beside it the text about it.
fn entry(name: &'static str, about: &str, width: usize) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let names = std::iter::once(name).chain(std::iter::repeat(""));
    names
        .zip(wrapped(about, width.saturating_sub(NAME_WIDTH)))
        .map(|(name, text)| {
            Line::from(vec![Span::styled(format!("{name:<NAME_WIDTH$}"), bold), Span::raw(text)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn every_column_and_every_key_is_explained_and_no_line_is_wider_than_the_screen() {
        for width in [20, 58, 100] {
            let lines: Vec<String> = lines(width).iter().map(Line::to_string).collect();
            let names: Vec<&str> =
                lines.iter().filter_map(|line| line.get(..NAME_WIDTH)).map(str::trim).collect();
            for name in COLUMNS.iter().map(|column| column.head) {
                assert!(names.contains(&name), "{name} at {width}");
            }
            for key in &KEYS {
                assert!(lines.iter().any(|line| line.starts_with(key.name)), "{} at {width}", key.name);
            }
            assert!(lines.iter().all(|line| line.trim_end().width() <= width), "{width}: {lines:#?}");
        }
    }
}
