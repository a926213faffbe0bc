//! The same statements on a real PostgreSQL: the same rows, or ours is an error that says so.

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

fn seed() -> u64 {
    let seed = std::env::var("RUMORMILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("seed {seed}");
    seed
}

fn ours(engine: &Engine, sql: &str) -> Result<String, String> {
    match engine.query(sql, &[]) {
        Ok(_) => Ok(common::show(engine, sql).join("\n")),
        Err(error) => Err(error.code.0.to_owned()),
    }
}

/// The statements whose answers differ, with both answers; and how many gave the same rows.
fn compare(
    statements: &[String],
    alike: fn(&Result<String, String>, &Result<String, String>) -> bool,
) -> usize {
    let (engine, postgres) = (engine(), Postgres::start());
    postgres.fill(&engine, &[&HOSTS, &ROLES]);
    let mut wrong = Vec::new();
    let mut same_rows = 0;
    for (sql, theirs) in statements.iter().zip(postgres.run(statements)) {
        let mine = ours(&engine, sql);
        same_rows += usize::from(mine.is_ok() && mine == theirs);
        if mine != theirs && !alike(&mine, &theirs) {
            wrong.push(format!("{sql}\n  ours: {mine:?}\n  PostgreSQL: {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    eprintln!("{same_rows} of {} give the same rows", statements.len());
    same_rows
}

#[test]
fn the_rows_and_errors_of_the_list_are_those_of_postgresql() {
    needs!("postgres", "psql");
    let list = include_str!("../statements.sql").lines();
    let list: Vec<_> =
        list.filter(|line| !line.is_empty() && !line.starts_with("--")).map(str::to_owned).collect();
    compare(&list, |_, _| false);
}

#[test]
fn the_rows_of_random_statements_are_those_of_postgresql() {
    needs!("postgres", "psql");
    let mut random = Random(seed());
    let statements: Vec<_> = (0..1_000).map(|_| random.select()).collect();
    let same_rows = compare(&statements, |mine, theirs| {
        let refused = |answer: &Result<String, String>| matches!(answer, Err(code) if code == "0A000");
        // Which of several errors comes first, and whether an operand is needed, is the planner's choice: NULL + 1 / 0 is null in PostgreSQL.
        // It has a FULL JOIN only for some conditions.
        refused(theirs) || matches!(mine, Err(code) if code == "0A000" || code.starts_with("22"))
    });
    assert!(same_rows >= 900, "only {same_rows} gave rows: the test compares little");
}

#[test]
fn the_rows_of_edited_statements_are_those_of_postgresql() {
    needs!("postgres", "psql");
    // An edited order may leave ties, and then these may answer differently.
    const ORDERED: [&str; 4] = ["OVER", "LIMIT", "FETCH", "string_agg"];
    let engine = engine();
    // What ours refuses is no wrong row; and a quote without an end would run into the next statement.
    let statements: Vec<_> = mutate::Mutants::new(include_str!("../statements.sql"), seed())
        .take(4_000)
        .filter(|sql| ORDERED.iter().all(|word| !sql.contains(word)) && engine.query(sql, &[]).is_ok())
        .collect();
    let same_rows = compare(&statements, |mine, theirs| match (mine, theirs) {
        (Ok(mine), Ok(theirs)) => same_up_to_order(mine, theirs),
        // Our parser takes a little more than PostgreSQL's, as in `1FROM`; all whole numbers are of one type, so that each casts to boolean,
        // and `numeric` is a float, so that each rounds to digits.
        (_, Err(code)) => matches!(code.as_str(), "42601" | "42846" | "42883" | "42725"),
        (Err(_), _) => true,
    });
    assert!(same_rows >= 200, "only {same_rows} gave rows: the test compares little");
}

/// Whether the rows are the same but for their order; ours prints a `numeric` as the float that it is.
fn same_up_to_order(mine: &str, theirs: &str) -> bool {
    let cell = |cell: &str| cell.parse::<f64>().map_or(cell.to_owned(), |number| format!("{number:e}"));
    let rows = |rows: &str| {
        let mut rows: Vec<Vec<String>> =
            rows.split('\n').map(|row| row.split('|').map(cell).collect()).collect();
        rows.sort();
        rows
    };
    rows(mine) == rows(theirs)
}
