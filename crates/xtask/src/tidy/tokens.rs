//! The tokens of a Rust source file, without comments and the insides of strings. No grammar: what reads them knows what it looks for.

use std::ops::RangeInclusive;

/// A word, a number, a string (as `""`), a lifetime (as `'`), `::`, or a single character.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    /// From 1 on.
    pub line: usize,
}

impl Token<'_> {
    pub fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// The tokens of `source`.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut reader = Reader { source, at: 0, line: 1, tokens: Vec::new() };
    while reader.at < source.len() {
        reader.next();
    }
    reader.tokens
}

/// The tokens without items under `#[cfg(test)]`.
pub fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if is_test(&tokens[at..]) {
            at = end_of_item(tokens, at + TEST.len());
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// The lines of each item under `#[cfg(test)]`.
pub fn tests_in<'a>(tokens: &'a [Token<'a>]) -> impl Iterator<Item = RangeInclusive<usize>> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        let begin = (from..tokens.len()).find(|at| is_test(&tokens[*at..]))?;
        from = end_of_item(tokens, begin + TEST.len());
        Some(tokens[begin].line..=tokens[from - 1].line)
    })
}

/// The index after the bracket that closes the one at `open`.
pub fn after_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

fn is_test(tokens: &[Token]) -> bool {
    tokens.len() >= TEST.len() && tokens.iter().zip(TEST).all(|(token, text)| token.text == text)
}

/// The index after the item that begins at `at`: after its block, or after its semicolon.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    while at < tokens.len() {
        match tokens[at].text {
            ";" | "," => return at + 1,
            "{" => return after_group(tokens, at),
            "(" | "[" => at = after_group(tokens, at),
            "}" => return at, // the last field or variant of a list
            _ => at += 1,
        }
    }
    at
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    line: usize,
    tokens: Vec<Token<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) {
        let rest = &self.source[self.at..];
        let first = rest.chars().next().unwrap_or(' ');
        if rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.skip(comment_len(rest));
        } else if let Some(len) = string_len(rest) {
            self.push("\"\"");
            self.skip(len);
        } else if first == '\'' {
            self.push("'");
            self.skip(quote_len(rest));
        } else if first.is_alphanumeric() || first == '_' {
            let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            self.push(&rest[..len]);
            self.skip(len);
        } else if rest.starts_with("::") {
            self.push("::");
            self.skip(2);
        } else {
            if !first.is_whitespace() {
                self.push(&rest[..first.len_utf8()]);
            }
            self.skip(first.len_utf8());
        }
    }

    fn push(&mut self, text: &'a str) {
        self.tokens.push(Token { text, line: self.line });
    }

    fn skip(&mut self, len: usize) {
        self.line += self.source[self.at..self.at + len].matches('\n').count();
        self.at += len;
    }
}

/// Comments nest.
fn comment_len(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of the string literal at the beginning of `rest`: plain, byte, C or raw.
fn string_len(rest: &str) -> Option<usize> {
    let prefix = ["", "b", "c", "r", "br", "cr"].into_iter().rev().find(|prefix| {
        let tail = rest.strip_prefix(prefix).map(|tail| tail.trim_start_matches('#'));
        rest.starts_with(prefix)
            && tail.is_some_and(|tail| tail.starts_with('"'))
            && (prefix.ends_with('r') || rest[prefix.len()..].starts_with('"'))
    })?;
    if prefix.ends_with('r') {
        let hashes = rest[prefix.len()..].chars().take_while(|c| *c == '#').count();
        let open = prefix.len() + hashes + 1;
        let close = format!("\"{}", "#".repeat(hashes));
        return Some(rest[open..].find(&close).map_or(rest.len(), |at| open + at + close.len()));
    }
    let mut at = prefix.len() + 1;
    while at < rest.len() {
        match rest.as_bytes()[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    Some(rest.len())
}

/// The length of a character literal, or of a lifetime's quote.
fn quote_len(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            let end = rest[3..].find('\'').map_or(rest.len(), |at| at + 4);
            end.min(rest.len())
        }
        Some((_, _)) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn strings_and_comments_are_no_code() {
        let source = r####"a /* b /* c */ d */ "e \" f" r#"g " h"# b"i" 'j' '\'' '\n' 'k: &'a str // l"####;
        assert_eq!(
            texts(source),
            ["a", "\"\"", "\"\"", "\"\"", "'", "'", "'", "'", "k", ":", "&", "'", "a", "str"]
        );
        assert_eq!(tokens("a\n\"b\nc\"\nd").last().map(|token| token.line), Some(4));
        assert_eq!(texts("crate::a::b!{}"), ["crate", "::", "a", "::", "b", "!", "{", "}"]);
    }

    #[test]
    fn items_for_tests_are_left_out() {
        let source =
            "a; #[cfg(test)] mod tests { fn b() {} } c; #[cfg(test)] use d::e; f(); #[cfg(test)] mod g; h";
        let all = tokens(source);
        let kept: String = without_tests(&all).iter().map(|token| token.text).collect();
        assert_eq!(kept, "a;c;f();h");
    }
}
