//! A PostgreSQL server for one test.

use rumormill_sql::{Cell, Engine, Kind, Table};
use rumormill_testkit::process::{Guard, Scratch};
use rumormill_testkit::{tools::which, wait};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A server of its own, in a directory of its own, on a Unix socket. It ends with the test.
pub struct Postgres {
    server: Guard,
    dir: Scratch,
}

/// The directory of `initdb` and `postgres`, which belong to one version.
fn programs() -> PathBuf {
    let postgres = which("postgres").expect("needs! found it").canonicalize().expect("it exists");
    postgres.parent().expect("a program lies in a directory").to_owned()
}

/// PostgreSQL does not run as root.
fn as_somebody(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

impl Postgres {
    pub fn start() -> Self {
        let dir = Scratch::new("postgres");
        if rustix::process::geteuid().is_root() {
            assert!(Command::new("chown").arg("postgres").arg(dir.path()).status().unwrap().success());
        }
        let data = dir.join("data");
        let made = as_somebody(&programs().join("initdb"))
            .args("--locale=C --lc-ctype=C.UTF-8 -E UTF8 -U postgres --no-sync -A trust -D".split(' '))
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = as_somebody(&programs().join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(dir.path());
        server.args("-c listen_addresses= -c timezone=UTC -c fsync=off -c shared_buffers=16MB".split(' '));
        let log = dir.join("log");
        let postgres = Self { server: Guard::spawn(server, &log), dir };
        wait::until_true("PostgreSQL answers", 60, || postgres.run(&["SELECT 1".into()])[0].is_ok());
        postgres
    }

    /// For each statement the rows of its answer as `common::show` writes them, or the error's code. One psql runs all of them: lines with a
    /// mark of their own tell the answers apart on standard output, and the errors on standard error.
    pub fn run(&self, statements: &[String]) -> Vec<Result<String, String>> {
        const MARK: &str = "---- the answer ends ----";
        let script: String =
            statements.iter().map(|sql| format!("{sql}\n;\n\\echo '{MARK}'\n\\warn '{MARK}'\n")).collect();
        let script_file = self.dir.join("script.sql");
        std::fs::write(&script_file, script).unwrap();
        let output = Command::new("psql")
            .args("-XAtq -U postgres -d postgres -v VERBOSITY=sqlstate -h".split(' '))
            .arg(self.dir.path())
            .arg("-f")
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

impl Drop for Postgres {
    fn drop(&mut self) {
        self.server.interrupt();
        self.server.wait(30);
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
