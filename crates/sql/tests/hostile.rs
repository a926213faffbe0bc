//! Statements cut into words and put together at random: an error or rows, never a panic, and never text that SQLite does not understand.

mod common;
use common::engine;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % bound as u64).unwrap()
    }
}

/// Words of a statement: names, numbers, quoted texts, and single characters.
fn words(sql: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut quoted = false;
    for c in sql.chars() {
        let joined = quoted || c.is_alphanumeric() || c == '_';
        match words.last_mut() {
            Some(last) if joined && (quoted || last.ends_with(|c: char| c.is_alphanumeric() || c == '_')) => {
                last.push(c)
            }
            _ => words.push(c.to_string()),
        }
        if c == '\'' {
            quoted = !quoted;
        }
    }
    words
}

#[test]
fn no_text_makes_sql_that_sqlite_refuses() {
    let statements: Vec<Vec<String>> = include_str!("statements.sql")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("--"))
        .map(words)
        .collect();
    let seed = std::env::var("RUMORMILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    eprintln!("seed {seed}");
    let mut random = Random(seed);
    let engine = engine();
    let mut wrong = Vec::new();
    let mut answered = 0;
    for _ in 0..4_000 {
        let mut text = statements[random.below(statements.len())].clone();
        for _ in 0..=random.below(3) {
            let other = &statements[random.below(statements.len())];
            let place = random.below(text.len());
            let from = random.below(other.len());
            let length = 1 + random.below(8.min(other.len() - from));
            let end = (place + random.below(4)).min(text.len());
            text.splice(place..end, other[from..from + length].iter().cloned());
            if text.is_empty() {
                text.push("SELECT".into());
            }
        }
        let sql = text.concat();
        match engine.query(&sql, &[]) {
            Ok(_) => answered += 1,
            Err(error) if error.code.0 == "XX000" => wrong.push(format!("{sql}\n  {error}")),
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(answered > 40, "only {answered} were answered: the test asks nothing");
}
