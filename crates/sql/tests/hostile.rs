//! Statements cut into words and put together at random: an error or rows, never a panic, and never text that SQLite does not understand.

mod common;
#[path = "common/mutate.rs"]
mod mutate;

use common::{engine, is_answered_or_refused};
use mutate::Mutants;

#[test]
fn no_text_makes_sql_that_sqlite_refuses() {
    let seed = std::env::var("RUMORMILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    eprintln!("seed {seed}");
    let engine = engine();
    let mut wrong = Vec::new();
    let mut answered = 0;
    for sql in Mutants::new(include_str!("statements.sql"), seed).take(4_000) {
        match is_answered_or_refused(&engine, &sql) {
            Ok(is_answered) => answered += usize::from(is_answered),
            Err(fault) => wrong.push(fault),
        }
    }
    eprintln!("{answered} were answered");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(answered >= 400, "only {answered} were answered: the test asks nothing");
}
