//! The same statements on a real PostgreSQL: the same rows, or ours is an error that says so.
//!
//! `RUMORMILL_COMPARE_SECONDS=600` goes on with further seeds for so long; `RUMORMILL_SEED` is the first one.

#[path = "../common/mod.rs"]
mod common;
mod grammar;
#[path = "../common/mutate.rs"]
mod mutate;
mod postgres;

use common::{HOSTS, ROLES, engine};
use grammar::Random;
use postgres::Postgres;
use rumormill_sql::Engine;
use rumormill_testkit::needs;
use std::time::{Duration, Instant};

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// The seeds of a run: one, or as many as there is time for.
fn seeds() -> impl Iterator<Item = u64> {
    let first = setting("RUMORMILL_SEED").unwrap_or(1);
    let time = Duration::from_secs(setting("RUMORMILL_COMPARE_SECONDS").unwrap_or(0));
    let start = Instant::now();
    (first..).take_while(move |seed| *seed == first || start.elapsed() < time)
}

fn ours(engine: &Engine, sql: &str) -> Result<String, String> {
    match engine.query(sql, &[]) {
        Ok(rows) => Ok(common::lines(&rows).join("\n")),
        Err(error) => Err(error.code.0.to_owned()),
    }
}

type Answer = Result<String, String>;

/// Both engines, with the same rows.
struct Pair {
    engine: Engine,
    postgres: Postgres,
}

impl Pair {
    fn start() -> Self {
        let (engine, postgres) = (engine(), Postgres::start());
        postgres.fill(&engine, &[&HOSTS, &ROLES]);
        Self { engine, postgres }
    }

    /// Fails with the statements whose answers differ; answers how many gave the same rows.
    fn compare(&self, statements: &[String], alike: fn(&Answer, &Answer) -> bool) -> usize {
        let mut wrong = Vec::new();
        let mut same_rows = 0;
        for (sql, theirs) in statements.iter().zip(self.postgres.run(statements)) {
            let mine = ours(&self.engine, sql);
            same_rows += usize::from(mine.is_ok() && mine == theirs);
            if mine != theirs && !alike(&mine, &theirs) {
                wrong.push(format!("{sql}\n  ours: {mine:?}\n  PostgreSQL: {theirs:?}"));
            }
        }
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
        eprintln!("{same_rows} of {} give the same rows", statements.len());
        same_rows
    }
}

#[test]
fn the_rows_and_errors_of_the_list_are_those_of_postgresql() {
    needs!("postgres", "psql");
    let list = include_str!("../statements.sql").lines();
    let list: Vec<_> =
        list.filter(|line| !line.is_empty() && !line.starts_with("--")).map(str::to_owned).collect();
    Pair::start().compare(&list, |_, _| false);
}

#[test]
fn the_rows_of_random_statements_are_those_of_postgresql() {
    needs!("postgres", "psql");
    let pair = Pair::start();
    for seed in seeds() {
        eprintln!("seed {seed}");
        let mut random = Random(seed);
        let statements: Vec<_> = (0..1_000).map(|_| random.select()).collect();
        let same_rows = pair.compare(&statements, |mine, theirs| {
            let is = |answer: &Answer, codes: &[&str]| {
                matches!(answer, Err(code) if codes.iter().any(|known| code.starts_with(known)))
            };
            // The planner chooses which operands it needs: NULL + 1 / 0 is null in PostgreSQL. It has a FULL JOIN only for some conditions.
            is(theirs, &["0A000", "22"]) || is(mine, &["0A000", "22"])
        });
        assert!(same_rows >= 800, "only {same_rows} gave rows: the test compares little");
    }
}

#[test]
fn the_rows_of_edited_statements_are_those_of_postgresql() {
    needs!("postgres", "psql");
    // An edited order may leave ties, and then these may answer differently.
    const ORDERED: [&str; 4] = ["OVER", "LIMIT", "FETCH", "string_agg"];
    let pair = Pair::start();
    for seed in seeds() {
        eprintln!("seed {seed}");
        // A statement that ours refuses has no wrong row; and a quote without an end would run into the next statement.
        let statements: Vec<_> = mutate::Mutants::new(include_str!("../statements.sql"), seed)
            .take(4_000)
            .filter(|sql| {
                ORDERED.iter().all(|word| !sql.contains(word)) && pair.engine.query(sql, &[]).is_ok()
            })
            .collect();
        let same_rows = pair.compare(&statements, |mine, theirs| match (mine, theirs) {
            (Ok(mine), Ok(theirs)) => same_up_to_order(mine, theirs),
            // Our parser takes a little more than PostgreSQL's, as in `1FROM`; all whole numbers are of one type, so that each casts to boolean,
            // and floats are rounded to digits.
            (_, Err(code)) => matches!(code.as_str(), "42601" | "42846" | "42883" | "42725"),
            (Err(_), _) => true,
        });
        assert!(same_rows >= 200, "only {same_rows} gave rows: the test compares little");
    }
}

/// True if the rows are the same but for their order.
fn same_up_to_order(mine: &str, theirs: &str) -> bool {
    let rows = |rows: &str| {
        let mut rows: Vec<String> = rows.split('\n').map(str::to_owned).collect();
        rows.sort();
        rows
    };
    rows(mine) == rows(theirs)
}
