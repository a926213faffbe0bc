//! The prompt. rustyline reads the lines: it edits them, keeps their history in a file, and completes words.

use super::answer::Form;
use super::statements::Statements;
use super::{ask, tables, tell};
use crate::client::Client;
use crate::outcome::{Failure, Outcome, eprintln_quietly};
use crate::show::Out;
use rumormill_agent::reference;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};
use std::path::PathBuf;

/// Lines that the history keeps (our guess).
const HISTORY_MAX: usize = 1_000;
/// Words of SQL that are completed, beside tables and columns.
const WORDS: [&str; 28] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "DISTINCT",
    "AS",
    "AND",
    "OR",
    "NOT",
    "IN",
    "LIKE",
    "ILIKE",
    "BETWEEN",
    "IS NULL",
    "IS NOT NULL",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "DESC",
    "count(*)",
    "sum(",
    "avg(",
    "min(",
    "max(",
];
const HELP: &str = "\
A statement ends with ;  for example: SELECT name, status FROM members;
  \\d          lists the tables
  \\d NAME     shows the columns of a table
  \\?          shows this
  \\q          ends; so does Ctrl-D
Tab completes tables, columns and words.";

/// Completes the word before the cursor.
struct Words(Vec<String>);

impl Helper for Words {}
impl Highlighter for Words {}
impl Validator for Words {}
impl Hinter for Words {
    type Hint = String;
}

impl Words {
    fn all() -> Words {
        let tables = reference::tables();
        let columns = tables.iter().flat_map(|table| table.columns).map(|column| column.name);
        let names = tables.iter().map(|table| table.name).chain(columns);
        let mut words: Vec<String> = names.chain(WORDS).map(String::from).collect();
        words.sort_unstable();
        words.dedup();
        Words(words)
    }

    /// The start of the word before `position`, and the words that begin so.
    fn completions(&self, line: &str, position: usize) -> (usize, Vec<String>) {
        let before = &line[..position];
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let start = before
            .rfind(|c| !is_part(c))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let begun = before[start..].to_lowercase();
        let fits = |word: &&String| !begun.is_empty() && word.to_lowercase().starts_with(&begun);
        (start, self.0.iter().filter(fits).cloned().collect())
    }
}

impl Completer for Words {
    type Candidate = String;
    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.completions(line, position))
    }
}

/// A line that is an order to the prompt, and no part of a statement.
#[derive(Debug, PartialEq, Eq)]
enum Order<'l> {
    List,
    Describe(&'l str),
    Help,
    Quit,
    Unknown(&'l str),
}

fn order(line: &str) -> Option<Order<'_>> {
    let line = line.trim().trim_end_matches(';').trim_end();
    let order = line.strip_prefix('\\')?;
    Some(match order.split_once(char::is_whitespace) {
        None if matches!(order, "d" | "dt") => Order::List,
        Some(("d", name)) => Order::Describe(name.trim()),
        None if order == "q" => Order::Quit,
        None if order == "?" => Order::Help,
        _ => Order::Unknown(line),
    })
}

/// Reads statements and answers them, until the person ends it.
pub(super) async fn run(client: &Client, form: Form, out: &mut Out<'_>) -> Outcome {
    let failed =
        |error: ReadlineError| Failure::Failed(format!("the prompt cannot read this terminal: {error}"));
    let config =
        Config::builder().max_history_size(HISTORY_MAX).map_err(failed)?.auto_add_history(true).build();
    let mut editor: Editor<Words, DefaultHistory> = Editor::with_config(config).map_err(failed)?;
    editor.set_helper(Some(Words::all()));
    let history = history_file();
    if let Some(file) = &history {
        let _ = editor.load_history(file); // there is none at the first time
    }
    out.line("\\? for help, \\q to end")?;
    let done = read(client, form, &mut editor, out).await;
    if let Some(file) = &history {
        let _ = file.parent().map(std::fs::create_dir_all);
        let _ = editor.save_history(file); // a prompt without history is one still
    }
    done
}

async fn read(
    client: &Client,
    form: Form,
    editor: &mut Editor<Words, DefaultHistory>,
    out: &mut Out<'_>,
) -> Outcome {
    let mut statements = Statements::default();
    loop {
        out.flush()?;
        let line = match editor.readline(if statements.is_open() { "      ...> " } else { "rumormill> " }) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                statements = Statements::default();
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(Failure::Failed(format!("the prompt ends: {error}"))),
        };
        if let Some(order) = order(&line).filter(|_| !statements.is_open()) {
            let done = match order {
                Order::Quit => return Ok(()),
                Order::List => tables::list(out),
                Order::Describe(name) => tables::describe(name, out),
                Order::Help => out.line(HELP),
                Order::Unknown(order) => {
                    Err(Failure::Failed(format!("{order} is no order of this prompt; \\? shows all")))
                }
            };
            told(done)?;
            continue;
        }
        statements.feed(&line);
        statements.feed("\n");
        for statement in statements.by_ref() {
            let answered = ask(client, &statement, &[]).await;
            told(answered.and_then(|answer| tell(&answer, form, out)))?;
        }
    }
}

/// A fault is shown, and the prompt goes on; unless nobody reads what it writes.
fn told(done: Outcome) -> Outcome {
    match done {
        Err(Failure::Unread) => Err(Failure::Unread),
        Err(failure) => {
            eprintln_quietly(&failure.to_string());
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// `$XDG_STATE_HOME/rumormill/sql_history`.
fn history_file() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("rumormill").join("sql_history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_before_the_cursor_is_completed_with_tables_columns_and_words() {
        let words = Words::all();
        let (start, found) = words.completions("select load", 11);
        assert_eq!((start, found), (7, vec!["load1".into(), "load15".into(), "load5".into()]));
        let (start, found) = words.completions("é,memb WHERE", 7);
        assert_eq!((start, found), (3, vec!["members".into()]));
        assert_eq!(words.completions("sel", 3).1, ["SELECT"]);
        assert!(words.completions("select ", 7).1.is_empty(), "not everything at once");
    }

    #[test]
    fn orders_begin_with_a_backslash() {
        assert_eq!(order("\\d"), Some(Order::List));
        assert_eq!(order(" \\d hosts; "), Some(Order::Describe("hosts")));
        assert_eq!(order("\\q"), Some(Order::Quit));
        assert_eq!(order("\\x on"), Some(Order::Unknown("\\x on")));
        assert_eq!(order("select 1"), None);
    }
}
