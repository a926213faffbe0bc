//! A statement about simulated nodes, and its answers: CSV, or a line of JSON for each row; to standard output, or kept for a file.

use crate::commands::sql::answer::{csv, text};
use crate::outcome::Outcome;
use crate::show::Out;
use rumormill_agent::features::sql::answer::answer;
use rumormill_core::time::Time;
use rumormill_lab::scenario::Nodes;
use rumormill_lab::scenario::sql::{Asking, Rows};
use serde_json::{Map, Value};

/// A statement, and the file or stream that takes its rows.
pub(super) struct Answers {
    asking: Option<Asking>,
    json: bool,
    /// The rows for a file; none: they are printed.
    kept: Option<String>,
    /// The names of the columns were written.
    is_begun: bool,
}

impl Answers {
    /// Rows as JSON or as CSV, kept for a file or printed.
    pub(super) fn new(asking: Option<Asking>, json: bool, is_kept: bool) -> Answers {
        Answers { asking, json, kept: is_kept.then(String::new), is_begun: false }
    }

    /// The next time at which the statement is asked.
    pub(super) fn next_after(&self, now: Time) -> Time {
        self.asking.as_ref().map_or(Time::NEVER, |asking| asking.next_after(now))
    }

    /// The rows of the nodes as they are now; `None` if there is nobody to ask.
    pub(super) fn ask(&mut self, nodes: &dyn Nodes) -> Result<Option<Rows>, String> {
        self.asking.as_mut().map_or(Ok(None), |asking| asking.ask(nodes))
    }

    /// The rows that were kept.
    pub(super) fn text(&self) -> &str {
        self.kept.as_deref().unwrap_or_default()
    }

    /// Writes the rows of an answer, at so many seconds of that run.
    pub(super) fn take(&mut self, run: u32, t_s: f64, rows: Rows, out: &mut Out<'_>) -> Outcome {
        let first: [(&str, Value); 2] = [("run", run.into()), ("t_s", t_s.into())];
        let answer = answer(rows);
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
