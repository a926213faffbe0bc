//! An answer as a table for people, as JSON, or as CSV.

use crate::outcome::Outcome;
use crate::show::{Cell, Out, Table, count};
use rumormill_agent::model::{SqlAnswer, SqlColumn};
use serde_json::Value;

/// The form of an answer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table, and the number of rows.
    Table,
    /// JSON.
    Json,
    /// CSV (RFC 4180, with `\n`).
    Csv,
}

/// Shows an answer.
pub fn tell(answer: &SqlAnswer, form: Form, out: &mut Out<'_>) -> Outcome {
    match form {
        Form::Json => out.json(answer),
        Form::Csv => {
            out.line(&csv(answer.columns.iter().map(|column| column.name.clone())))?;
            answer.rows.iter().try_for_each(|row| out.line(&csv(row.iter().map(text))))
        }
        Form::Table => {
            let mut table = Table::named(answer.columns.iter().map(|column| column.name.as_str()));
            for row in &answer.rows {
                table.row(
                    row.iter().zip(&answer.columns).map(|(value, column)| cell(value, column)).collect(),
                );
            }
            out.table(&table)?;
            out.line(&format!("({})", count(answer.rows.len() as u64, "row")))
        }
    }
}

fn cell(value: &Value, column: &SqlColumn) -> Cell {
    match value {
        Value::Null => Cell::none(),
        value if matches!(column.kind.as_str(), "bigint" | "double precision") => Cell::right(text(value)),
        value => Cell::from(text(value)),
    }
}

/// A value as text; null is empty.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// A line of CSV.
pub fn csv(fields: impl Iterator<Item = String>) -> String {
    let quoted = |field: String| match field.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    };
    fields.map(quoted).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(form: Form) -> String {
        let column = |name: &str, kind: &str| SqlColumn { name: name.into(), kind: kind.into() };
        let answer = SqlAnswer {
            columns: vec![
                column("name", "text"),
                column("load1", "double precision"),
                column("tags", "json"),
            ],
            rows: vec![
                vec![json!("web-1"), json!(0.25), json!({"role": "web"})],
                vec![json!("a,\"b\"\u{1b}"), json!(null), json!({})],
            ],
            as_of: "2026-11-30T13:59:15Z".into(),
        };
        let mut written = Vec::new();
        tell(&answer, form, &mut Out::new(&mut written, false)).unwrap();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn a_table_lines_up_numbers_shows_nulls_and_lets_no_text_drive_the_terminal() {
        let expected = "name         load1  tags\nweb-1         0.25  {\"role\":\"web\"}\na,\"b\"\\u{1b}      -  {}\n(2 rows)\n";
        assert_eq!(shown(Form::Table), expected);
    }

    #[test]
    fn csv_quotes_what_would_break_a_line_and_leaves_nulls_empty() {
        let expected =
            "name,load1,tags\nweb-1,0.25,\"{\"\"role\"\":\"\"web\"\"}\"\n\"a,\"\"b\"\"\u{1b}\",,{}\n";
        assert_eq!(shown(Form::Csv), expected);
    }

    #[test]
    fn json_is_the_answer_of_the_agent() {
        let answer: SqlAnswer = serde_json::from_str(&shown(Form::Json)).unwrap();
        assert_eq!(answer.rows[0][2], json!({"role": "web"}));
    }
}
