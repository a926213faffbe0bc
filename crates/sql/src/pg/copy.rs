//! COPY … TO STDOUT, as text and as CSV.

use crate::engine::Rows;
use crate::error::{Error, SqlState};
use crate::types;

/// The format of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    csv: bool,
    header: bool,
    delimiter: char,
    null: String,
}

impl Options {
    /// From the words behind STDOUT, without parentheses and commas.
    pub fn read(words: &[String]) -> Result<Self, Error> {
        let mut options = Self { csv: false, header: false, delimiter: '\t', null: "\\N".to_owned() };
        let (mut delimiter, mut null) = (None, None);
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            match word.to_lowercase().as_str() {
                "with" => {}
                "csv" => options.csv = true,
                "format" => match words.next().map(|word| word.to_lowercase()).as_deref() {
                    Some("csv") => options.csv = true,
                    Some("text") => options.csv = false,
                    other => {
                        let other = other.unwrap_or("nothing");
                        return Err(Error::unsupported(format!("COPY in the format {other}")));
                    }
                },
                "header" => {
                    options.header = match words.peek().map(|word| word.to_lowercase()).as_deref() {
                        Some("true" | "on" | "1") => words.next().is_some(),
                        Some("false" | "off" | "0") => words.next().is_none(),
                        _ => true,
                    };
                }
                "delimiter" => delimiter = words.find(|word| *word != "as" && *word != "AS"),
                "null" => null = words.find(|word| *word != "as" && *word != "AS"),
                "encoding" => _ = words.next(),
                other => return Err(Error::unsupported(format!("COPY with the option {other}"))),
            }
        }
        if options.csv {
            (options.delimiter, options.null) = (',', String::new());
        }
        if let Some(text) = delimiter {
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) if c.is_ascii() && !c.is_alphanumeric() && !"\r\n\"\\".contains(c) => {
                    options.delimiter = c;
                }
                _ => {
                    let message = "COPY delimiter must be a single one-byte character";
                    return Err(Error::new(SqlState::INVALID_PARAMETER, message));
                }
            }
        }
        if let Some(text) = null {
            options.null = text.clone();
        }
        Ok(options)
    }

    /// The lines of an answer.
    pub fn lines(&self, answer: &Rows) -> Vec<String> {
        let mut lines = Vec::with_capacity(answer.rows.len() + 1);
        if self.header {
            let names = answer.columns.iter().map(|column| self.field(Some(column.name.clone())));
            lines.push(self.line(names.collect()));
        }
        for row in &answer.rows {
            lines.push(self.line(row.iter().map(|cell| self.field(types::text(cell))).collect()));
        }
        lines
    }

    fn line(&self, fields: Vec<String>) -> String {
        let mut line = fields.join(&self.delimiter.to_string());
        line.push('\n');
        line
    }

    fn field(&self, text: Option<String>) -> String {
        let Some(text) = text else { return self.null.clone() };
        if self.csv {
            let special = |c: char| c == self.delimiter || matches!(c, '"' | '\n' | '\r');
            let quoted = text.contains(special) || text == self.null || text == "\\.";
            return if quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text };
        }
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\\' => escaped.push_str("\\\\"),
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                '\t' => escaped.push_str("\\t"),
                c if c == self.delimiter => escaped.extend(['\\', c]),
                c => escaped.push(c),
            }
        }
        escaped
    }
}
