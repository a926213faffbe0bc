//! The same statements on a real PostgreSQL 15: the same rows, or ours is an error that says so.

mod common;

use common::{HOSTS, ROLES, engine};
use rumormill_sql::{Cell, Engine, Kind, Table};
use rumormill_testkit::{needs, process::Guard, tools::which, wait};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server of its own, in a directory of its own, on a Unix socket. It ends with the test.
struct Postgres {
    dir: PathBuf,
    _server: Guard,
}

fn programs() -> PathBuf {
    let postgres = which("postgres").expect("needs! found it").canonicalize().expect("it exists");
    postgres.parent().expect("a program lies in a directory").to_owned()
}

/// PostgreSQL does not run as root.
fn as_somebody(program: &Path) -> Command {
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

impl Postgres {
    fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("rumormill-pg-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        if rustix::process::geteuid().is_root() {
            assert!(Command::new("chown").arg("postgres").arg(&dir).status().unwrap().success());
        }
        let data = dir.join("data");
        let made = as_somebody(&programs().join("initdb"))
            .args(["--locale=C", "-E", "UTF8", "-U", "postgres", "--no-sync", "-A", "trust", "-D"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = as_somebody(&programs().join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(&dir);
        server.args([
            "-c",
            "listen_addresses=",
            "-c",
            "timezone=UTC",
            "-c",
            "fsync=off",
            "-c",
            "shared_buffers=16MB",
        ]);
        let postgres = Self { _server: Guard::spawn(server, &dir.with_extension("log")), dir };
        wait::until_true("PostgreSQL answers", 60, || postgres.run("SELECT 1").is_ok());
        postgres
    }

    /// The rows of an answer as `common::show` writes them, or the error's code.
    fn run(&self, sql: &str) -> Result<String, String> {
        let output = Command::new("psql")
            .args([
                "-XAtq",
                "-U",
                "postgres",
                "-d",
                "postgres",
                "-v",
                "VERBOSITY=sqlstate",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
            ])
            .arg(&self.dir)
            .args(["-c", sql])
            .output()
            .expect("psql runs");
        if output.status.success() {
            let text = String::from_utf8(output.stdout).unwrap();
            return Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().replace("ERROR:  ", ""))
    }

    /// Fills it with the rows of our tables.
    fn fill(&self, engine: &Engine) {
        for table in [&HOSTS, &ROLES] {
            let kinds = table.columns.iter().map(|c| format!("{} {}", c.name, pg_type(c.kind)));
            self.run(&format!("CREATE TABLE {} ({})", table.name, kinds.collect::<Vec<_>>().join(", ")))
                .unwrap();
            let rows = engine.query(&format!("TABLE {}", table.name), &[]).unwrap();
            let lines = rows.rows.iter().map(|row| format!("({})", literals(table, row)));
            let lines = lines.collect::<Vec<_>>().join(", ");
            self.run(&format!("INSERT INTO {} VALUES {lines}", table.name)).unwrap();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.dir);
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

fn literals(table: &Table, row: &[Cell]) -> String {
    let cells = row.iter().zip(table.columns).map(|(cell, column)| {
        match rumormill_sql::text(cell, column.kind.into()) {
            None => "NULL".to_owned(),
            Some(text) => format!("'{}'", text.replace('\'', "''")),
        }
    });
    cells.collect::<Vec<_>>().join(", ")
}

fn ours(engine: &Engine, sql: &str) -> Result<String, String> {
    match engine.query(sql, &[]) {
        Ok(_) => Ok(common::show(engine, sql).join("\n")),
        Err(error) => Err(error.code.0.to_owned()),
    }
}

#[test]
fn the_rows_are_those_of_postgresql() {
    needs!("postgres", "psql");
    let (engine, postgres) = (engine(), Postgres::start());
    postgres.fill(&engine);
    let mut wrong = Vec::new();
    for sql in include_str!("compare.sql").lines().filter(|line| !line.is_empty() && !line.starts_with("--"))
    {
        let (mine, theirs) = (ours(&engine, sql), postgres.run(sql));
        if mine != theirs {
            wrong.push(format!("{sql}\n  ours: {mine:?}\n  PostgreSQL: {theirs:?}"));
        }
    }
    let seed = std::env::var("RUMORMILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("seed {seed}");
    let mut random = Random(seed);
    for _ in 0..300 {
        let sql = random.select();
        let (mine, theirs) = (ours(&engine, &sql), postgres.run(&sql));
        let refused = matches!(&mine, Err(code) if code == "0A000");
        // Which of several errors comes first is the planner's choice.
        let both_fail = mine.is_err() && theirs.is_err();
        // PostgreSQL has a FULL JOIN only for some conditions.
        let refused = refused || matches!(&theirs, Err(code) if code == "0A000");
        if mine != theirs && !refused && !both_fail {
            wrong.push(format!("{sql}\n  ours: {mine:?}\n  PostgreSQL: {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// SplitMix64, and a small grammar of statements whose order of rows is certain.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn pick(&mut self, from: &[&str]) -> String {
        from[self.below(from.len())].to_owned()
    }

    fn int(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 3 } else { 8 }) {
            0 => "cpus".into(),
            1 => self.pick(&["0", "1", "2", "(0 - 3)", "NULL::int8", "7"]),
            2 => "length(name)::int8".into(),
            3 => format!(
                "({} {} {})",
                self.int(depth - 1),
                self.pick(&["+", "-", "*", "/", "%"]),
                self.int(depth - 1)
            ),
            4 => format!("coalesce({}, {})", self.int(depth - 1), self.int(depth - 1)),
            5 => format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                self.condition(depth - 1),
                self.int(depth - 1),
                self.int(depth - 1)
            ),
            6 => format!("nullif({}, {})", self.int(depth - 1), self.int(depth - 1)),
            _ => format!("greatest({}, {})", self.int(depth - 1), self.int(depth - 1)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 3 } else { 7 }) {
            0 => "name".into(),
            1 => "role".into(),
            2 => self.pick(&["'web'", "'h%'", "''", "NULL::text", "'a_b'"]),
            3 => format!("({} || {})", self.text(depth - 1), self.text(depth - 1)),
            4 => format!("{}({})", self.pick(&["upper", "lower", "reverse", "btrim"]), self.text(depth - 1)),
            5 => format!("substr({}, {}::int)", self.text(depth - 1), self.pick(&["0", "2", "-1"])),
            _ => format!("replace({}, 'h', {})", self.text(depth - 1), self.text(depth - 1)),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 3 } else { 10 }) {
            0 => "up".into(),
            1 => format!("load1 {} {}", self.pick(&["<", ">=", "<>"]), self.pick(&["0.5", "1", "1.25"])),
            2 => format!(
                "role {}",
                self.pick(&[
                    "IS NULL",
                    "IS NOT NULL",
                    "IN ('web', 'db')",
                    "NOT IN ('web', NULL)",
                    "LIKE '%b'",
                    "~ '^c'"
                ])
            ),
            3 => format!(
                "({} {} {})",
                self.int(depth - 1),
                self.pick(&["=", "<", ">=", "IS DISTINCT FROM"]),
                self.int(depth - 1)
            ),
            4 => format!(
                "({} {} {})",
                self.text(depth - 1),
                self.pick(&["=", "<", ">", "<>"]),
                self.text(depth - 1)
            ),
            5 => format!(
                "({} {} {})",
                self.condition(depth - 1),
                self.pick(&["AND", "OR"]),
                self.condition(depth - 1)
            ),
            6 => format!("NOT ({})", self.condition(depth - 1)),
            7 => format!(
                "({}) IS {}",
                self.condition(depth - 1),
                self.pick(&["TRUE", "NOT TRUE", "FALSE", "UNKNOWN"])
            ),
            8 => {
                format!("{} BETWEEN {} AND {}", self.int(depth - 1), self.int(depth - 1), self.int(depth - 1))
            }
            _ => format!(
                "{} IN (SELECT wants FROM roles WHERE {} IS NOT NULL)",
                self.int(depth - 1),
                self.text(depth - 1)
            ),
        }
    }

    fn select(&mut self) -> String {
        let (a, b) = (self.int(2), self.text(2));
        match self.below(4) {
            0 => format!("SELECT {a}, {b} FROM hosts WHERE {} ORDER BY hosts.name", self.condition(3)),
            1 => format!(
                "SELECT {a} AS a, count(*), sum(cpus), min(name), max(load1), bool_or(up) FROM hosts GROUP BY {a} HAVING count(*) > {} ORDER BY 1, 2",
                self.below(3)
            ),
            2 => format!("SELECT DISTINCT {a} AS a, {b} AS b FROM hosts ORDER BY b, a DESC"),
            _ => format!(
                "SELECT name, owner FROM hosts {} JOIN roles ON hosts.role = roles.role AND {} ORDER BY name, owner",
                self.pick(&["LEFT", "RIGHT", "FULL", "INNER"]),
                self.pick(&["cpus > 1", "wants = cpus", "up", "wants > 1"]),
            ),
        }
    }
}
