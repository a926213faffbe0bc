//! Text in lines of a given width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Breaks text at spaces into lines of at most so many columns, and words that are longer where the line ends.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2); // of the widest letter
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.width() + 1 + word.width() <= width {
            line.extend([" ", word]);
            continue;
        }
        let mut parts = broken(word, width).into_iter();
        if line.is_empty() {
            *line = parts.next().unwrap_or_default();
        }
        lines.extend(parts);
    }
    lines
}

/// A word in parts of at most so many columns.
fn broken(word: &str, width: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for letter in word.chars() {
        let part = parts.last_mut().expect("there is always a part");
        if part.width() + letter.width().unwrap_or(0) > width {
            parts.push(letter.into());
        } else {
            part.push(letter);
        }
    }
    parts
}

/// As many items as fit, two spaces apart, and how many more there are.
pub fn listed(items: &[String], width: usize) -> String {
    let mut text = String::new();
    for (at, item) in items.iter().enumerate() {
        let left = items.len() - at - 1;
        let gap = if text.is_empty() { "" } else { "  " };
        let rest = if left > 0 { format!("  and {left} more") } else { String::new() };
        if text.width() + gap.len() + item.width() + rest.len() > width {
            let gap = if text.is_empty() { "" } else { "  and " };
            return text + gap + &format!("{} more", left + 1);
        }
        text.extend([gap, item]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_long_words_where_the_line_ends() {
        assert_eq!(wrapped("node1 says that it is", 11), ["node1 says", "that it is"]);
        assert_eq!(
            wrapped("see /tmp/rumormill-demo/node1.log now", 12),
            ["see", "/tmp/rumormi", "ll-demo/node", "1.log now"]
        );
        assert_eq!(wrapped("名前が長い", 4), ["名前", "が長", "い"]);
        assert_eq!(wrapped("", 5), [""]);
        assert!(wrapped("anything at all", 0).iter().all(|line| line.width() <= 2));
    }

    #[test]
    fn a_list_says_how_many_did_not_fit() {
        let items: Vec<String> =
            ["node3 suspect (2)", "node2 alive (1)", "node4 left (1)"].map(Into::into).into();
        assert_eq!(listed(&items, 60), "node3 suspect (2)  node2 alive (1)  node4 left (1)");
        assert_eq!(listed(&items, 46), "node3 suspect (2)  node2 alive (1)  and 1 more");
        assert_eq!(listed(&items, 31), "node3 suspect (2)  and 2 more");
        assert_eq!(listed(&items, 10), "3 more");
        assert_eq!(listed(&[], 10), "");
    }
}
