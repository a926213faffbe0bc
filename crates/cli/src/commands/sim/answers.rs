//! Answers to a statement about simulated nodes: CSV, or a line of JSON for each row; to standard output, or kept for a file.

use crate::commands::sql::answer::{csv, text};
use crate::outcome::Outcome;
use crate::show::Out;
use rumormill_agent::features::sql::answer::answer;
use rumormill_lab::scenario::Answered;
use serde_json::{Map, Value};

/// The file or stream that takes the rows.
pub(super) struct Answers {
    json: bool,
    /// The rows for a file; none: they are printed.
    kept: Option<String>,
    /// The names of the columns were written.
    is_begun: bool,
}

impl Answers {
    /// Rows as JSON or as CSV, kept for a file or printed.
    pub(super) fn new(json: bool, is_kept: bool) -> Answers {
        Answers { json, kept: is_kept.then(String::new), is_begun: false }
    }

    /// The rows that were kept.
    pub(super) fn text(&self) -> &str {
        self.kept.as_deref().unwrap_or_default()
    }

    /// Writes the rows of an answer.
    pub(super) fn take(&mut self, answered: &Answered, out: &mut Out<'_>) -> Outcome {
        let first: [(&str, Value); 2] = [("run", answered.run.into()), ("t_s", answered.t_s.into())];
        let answer = answer(answered.rows.clone());
        let names =
            || first.iter().map(|(name, _)| *name).chain(answer.columns.iter().map(|column| &*column.name));
        if !self.json && !std::mem::replace(&mut self.is_begun, true) {
            self.line(csv(names().map(String::from)), out)?;
        }
        for row in &answer.rows {
            let values = || first.iter().map(|(_, value)| value).chain(row);
            let line = match self.json {
                true => {
                    let fields = names().zip(values()).map(|(name, value)| (name.to_owned(), value.clone()));
                    Value::Object(fields.collect::<Map<_, _>>()).to_string()
                }
                false => csv(values().map(text)),
            };
            self.line(line, out)?;
        }
        Ok(())
    }

    fn line(&mut self, line: String, out: &mut Out<'_>) -> Outcome {
        match &mut self.kept {
            Some(kept) => {
                kept.push_str(&line);
                kept.push('\n');
                Ok(())
            }
            None => out.line(&line),
        }
    }
}
