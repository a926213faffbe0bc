//! A real PostgreSQL server with the rows of our tables.

use rumormill_sql::{Cell, Engine, Kind, Table};
use rumormill_testkit::postgres::Server;
use std::process::Stdio;

/// A server of one test.
pub struct Postgres(Server);

impl Postgres {
    pub fn start() -> Self {
        Self(Server::start())
    }

    /// For each statement the rows of its answer as `common::show` writes them, or the error's code. One psql runs all of them: lines with a
    /// mark of their own tell the answers apart on standard output, and the errors on standard error.
    pub fn run(&self, statements: &[String]) -> Vec<Result<String, String>> {
        const MARK: &str = "---- the answer ends ----";
        let script: String =
            statements.iter().map(|sql| format!("{sql}\n;\n\\echo '{MARK}'\n\\warn '{MARK}'\n")).collect();
        let script_file = self.0.dir().join("script.sql");
        std::fs::write(&script_file, script).unwrap();
        let mut psql = self.0.psql();
        let output = psql
            .args("-Atq -v VERBOSITY=sqlstate -f".split(' '))
            .arg(&script_file)
            .stdin(Stdio::null())
            .output()
            .expect("psql runs");
        let (rows, errors) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        let mark = format!("{MARK}\n");
        let (mut rows, mut errors) = (rows.split(&mark), errors.split(&mark));
        let answer = |_| {
            let (rows, error) = (rows.next().unwrap_or(""), errors.next().unwrap_or("psql: no connection"));
            match error.trim().rsplit_once("ERROR:  ") {
                Some((_, code)) => Err(code.to_owned()),
                None if error.is_empty() => Ok(rows.strip_suffix('\n').unwrap_or(rows).to_owned()),
                None => Err(error.to_owned()),
            }
        };
        statements.iter().map(answer).collect()
    }

    /// Fills it with the rows of our tables.
    pub fn fill(&self, engine: &Engine, tables: &[&Table]) {
        let mut statements = Vec::new();
        for table in tables {
            let columns: Vec<_> =
                table.columns.iter().map(|c| format!("{} {}", c.name, pg_type(c.kind))).collect();
            statements.push(format!("CREATE TABLE {} ({})", table.name, columns.join(", ")));
            let rows = engine.query(&format!("TABLE {}", table.name), &[]).unwrap();
            let lines: Vec<_> = rows.rows.iter().map(|row| format!("({})", literals(row))).collect();
            statements.push(format!("INSERT INTO {} VALUES {}", table.name, lines.join(", ")));
        }
        for (sql, answer) in statements.iter().zip(self.run(&statements)) {
            assert_eq!(answer, Ok(String::new()), "{sql}");
        }
    }
}

fn pg_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Int => "int8",
        Kind::Float => "float8",
        Kind::Text => "text",
        Kind::Json => "json",
        Kind::Time => "timestamptz",
    }
}

fn literals(row: &[Cell]) -> String {
    let cells = row.iter().map(|cell| match rumormill_sql::text(cell) {
        None => "NULL".to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', "''")),
    });
    cells.collect::<Vec<_>>().join(", ")
}
