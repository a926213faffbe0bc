//! Arrays of one dimension, in the text that PostgreSQL prints: `{1,2,NULL}`, `{"a b","c\"d"}`.

use crate::error::{Error, SqlState};

/// The elements of an array; none is null.
pub fn parse(text: &str) -> Result<Vec<Option<String>>, Error> {
    let bad = || {
        let shown: String = text.chars().take(60).collect();
        Error::new(SqlState::INVALID_TEXT, format!("malformed array literal: \"{shown}\""))
    };
    let inner = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(bad)?;
    let mut elements = Vec::new();
    let mut chars = inner.chars().peekable();
    if inner.trim().is_empty() {
        return Ok(elements);
    }
    loop {
        let (mut element, mut quoted) = (String::new(), false);
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.next_if_eq(&'"').is_some() {
            quoted = true;
            loop {
                match chars.next().ok_or_else(bad)? {
                    '"' => break,
                    '\\' => element.push(chars.next().ok_or_else(bad)?),
                    c => element.push(c),
                }
            }
            while chars.next_if(|c| c.is_whitespace()).is_some() {}
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                match c {
                    '{' | '}' => return Err(Error::unsupported("an array of several dimensions")),
                    '"' => return Err(bad()),
                    '\\' => element.push(chars.next().ok_or_else(bad)?),
                    c => element.push(c),
                }
            }
            element.truncate(element.trim_end().len());
            if element.is_empty() {
                return Err(bad());
            }
        }
        let null = !quoted && element.eq_ignore_ascii_case("null");
        elements.push((!null).then_some(element));
        match chars.next() {
            None => return Ok(elements),
            Some(',') => {}
            Some(_) => return Err(bad()),
        }
    }
}

/// The text of an array.
pub fn print(elements: &[Option<String>]) -> String {
    let mut text = String::from("{");
    for (i, element) in elements.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        match element {
            None => text.push_str("NULL"),
            Some(element) if needs_quotes(element) => {
                text.push('"');
                for c in element.chars() {
                    if matches!(c, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(c);
                }
                text.push('"');
            }
            Some(element) => text.push_str(element),
        }
    }
    text.push('}');
    text
}

fn needs_quotes(element: &str) -> bool {
    element.is_empty()
        || element.eq_ignore_ascii_case("null")
        || element.contains(|c: char| "{},\"\\".contains(c) || c.is_ascii_whitespace() || c == '\u{b}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_read_back() {
        for text in ["{}", "{1,2,NULL}", "{\"a b\",\"\",\"null\",\"q\\\"\\\\\"}", "{\"{\"}"] {
            assert_eq!(print(&parse(text).unwrap()), text);
        }
        assert_eq!(parse(" { 1 , \"2\" } ").unwrap(), [Some("1".into()), Some("2".into())]);
        for wrong in ["", "1", "{1", "{,}", "{1,}", "{\"a}", "{\"a\"b}"] {
            assert_eq!(parse(wrong).unwrap_err().code.0, "22P02", "{wrong}");
        }
        assert_eq!(parse("{{1}}").unwrap_err().code.0, "0A000");
    }
}
