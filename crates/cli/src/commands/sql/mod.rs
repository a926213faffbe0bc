//! `rumormill sql`: the agent's state, asked in SQL.
//!
//! | file | contents |
//! | --- | --- |
//! | `answer` | an answer as a table, JSON or CSV |
//! | `statements` | text cut into statements |
//! | `prompt` | the prompt: history, completion, `\\d` |
//! | `tables` | the reference of tables |

pub mod answer;
mod prompt;
mod statements;
mod tables;

use crate::args::Target;
use crate::client::Client;
use crate::outcome::{Failure, Outcome, eprintln_quietly};
use crate::show::Out;
use answer::Form;
use clap::Args;
use rumormill_agent::model::{SqlAnswer, SqlRequest};
use statements::Statements;
use std::io::{BufRead, IsTerminal};

/// `rumormill sql`.
#[derive(Debug, Args)]
pub struct SqlArgs {
    /// One statement, or several separated by `;`. Without it a prompt; what is piped into it is read statement by statement
    #[arg(value_name = "STATEMENT")]
    pub sql: Option<String>,
    /// The values of $1, $2 and so on in the statement: a number, true, false, null, or else text
    #[arg(value_name = "VALUE")]
    pub params: Vec<String>,
    /// Print CSV, with a line of names first
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// List all tables with their columns, in Markdown; no agent is asked
    #[arg(long, conflicts_with_all = ["sql", "csv", "http", "socket", "token_file"])]
    pub tables: bool,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill sql`.
pub async fn sql(args: &SqlArgs, out: &mut Out<'_>) -> Outcome {
    if args.tables {
        return tables::tell(args.target.json, out);
    }
    let form = match (args.target.json, args.csv) {
        (true, _) => Form::Json,
        (_, true) => Form::Csv,
        _ => Form::Table,
    };
    let client = Client::of(&args.target)?;
    match &args.sql {
        Some(text) => {
            let mut statements = Statements::default();
            statements.feed(text);
            let mut all: Vec<String> = statements.by_ref().collect();
            all.extend(statements.rest());
            if all.is_empty() {
                return Err(Failure::Usage(
                    "the statement is empty; for example: rumormill sql 'SELECT name, status FROM members'"
                        .into(),
                ));
            }
            for statement in all {
                tell(&ask(&client, &statement, &args.params).await?, form, out)?;
            }
            Ok(())
        }
        None if std::io::stdin().is_terminal() => prompt::run(&client, form, out).await,
        None => piped(&client, form, std::io::stdin().lock(), out).await,
    }
}

/// Answers one statement after the other. A statement with a fault does not keep the next ones from being asked, but from an exit code of 0.
async fn piped(client: &Client, form: Form, input: impl BufRead, out: &mut Out<'_>) -> Outcome {
    let mut statements = Statements::default();
    let mut failed = 0;
    let mut lines = input.lines();
    loop {
        let next = match lines.next().transpose()? {
            Some(line) => {
                statements.feed(&line);
                statements.feed("\n");
                None
            }
            None => Some(statements.rest()),
        };
        let (is_end, last) = (next.is_some(), next.flatten());
        for statement in statements.by_ref().chain(last) {
            match ask(client, &statement, &[]).await {
                Ok(answer) => tell(&answer, form, out)?,
                Err(Failure::Failed(why)) => {
                    failed += 1;
                    eprintln_quietly(&why);
                }
                Err(failure) => return Err(failure),
            }
        }
        if is_end {
            break;
        }
    }
    match failed {
        0 => Ok(()),
        n => Err(Failure::Failed(format!("{} failed", crate::show::count(n, "statement")))),
    }
}

/// Asks the agent.
pub async fn ask(client: &Client, sql: &str, params: &[String]) -> Outcome<SqlAnswer> {
    let params = params.iter().map(|text| value(text)).collect();
    client.post("/v1/sql", &SqlRequest { sql: sql.into(), params }).await
}

/// A parameter as a person writes it.
fn value(text: &str) -> serde_json::Value {
    match serde_json::from_str(text) {
        Ok(value @ (serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_))) => {
            value
        }
        _ => text.into(),
    }
}

fn tell(answer: &SqlAnswer, form: Form, out: &mut Out<'_>) -> Outcome {
    answer::tell(answer, form, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_parameter_is_what_it_looks_like() {
        let values = ["7", "-0.5", "true", "null", "web-1", "[1]", "\"x\"", ""].map(value);
        let expected = [json!(7), json!(-0.5), json!(true), json!(null), json!("web-1"), json!("[1]")];
        assert_eq!(values[..6], expected);
        assert_eq!(values[6..], [json!("\"x\""), json!("")]);
    }
}
