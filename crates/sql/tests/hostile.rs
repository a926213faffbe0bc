//! Statements cut into words and put together at random: an error or rows, never a panic, and never text that SQLite does not understand.

mod common;
#[path = "common/mutate.rs"]
mod mutate;

use common::engine;
use mutate::Mutants;

#[test]
fn no_text_makes_sql_that_sqlite_refuses() {
    let seed = std::env::var("RUMORMILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    eprintln!("seed {seed}");
    let engine = engine();
    let mut wrong = Vec::new();
    let mut answered = 0;
    for sql in Mutants::new(include_str!("statements.sql"), seed).take(4_000) {
        match engine.query(&sql, &[]) {
            Ok(_) => answered += 1,
            Err(error) if error.code.0 == "XX000" => wrong.push(format!("{sql}\n  {error}")),
            Err(_) => {}
        }
    }
    eprintln!("{answered} were answered");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(answered >= 400, "only {answered} were answered: the test asks nothing");
}
