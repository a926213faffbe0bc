//! Hostile statements end within the limits, and the engine answers afterwards. Time and memory are counted by the engine, not by a clock here.

mod common;
use common::{engine_of, show};
use rumormill_sql::{Cancel, Engine, Limits};
use std::time::Duration;

/// Statements run one at a time, so that one that does not stop in time makes the next one late.
fn limited() -> Engine {
    let timeout = Duration::from_millis(250);
    engine_of(200, Limits { timeout, memory: 16 << 20, at_once: 1, ..Limits::default() })
}

/// Statements that would take all of a machine, and what may stop each.
const HOSTILE: [(&str, &[&str]); 25] = [
    // The reference's: a wide self-join, sorted.
    (
        "SELECT lpad(a.name || b.name || c.name, 20000) AS x FROM hosts a, hosts b, hosts c ORDER BY x",
        &["53200", "57014"],
    ),
    (
        "SELECT DISTINCT lpad(a.name || b.name || c.name, 20000) AS x FROM hosts a, hosts b, hosts c",
        &["53200", "57014"],
    ),
    ("SELECT count(*) FROM hosts a, hosts b, hosts c, hosts d, hosts e, hosts f", &["57014"]),
    (
        "SELECT string_agg(a.name || b.name || c.name, ',') FROM hosts a, hosts b, hosts c",
        &["54000", "53200", "57014"],
    ),
    ("SELECT * FROM hosts a, hosts b, hosts c", &["53200", "54000", "57014"]),
    ("SELECT repeat('x', 1000000000)", &["54000"]),
    ("SELECT repeat(repeat(repeat('x', 1000), 1000), 1000)", &["54000"]),
    ("SELECT replace(repeat('a', 200000), 'a', repeat('b', 200000))", &["54000"]),
    (
        "SELECT count(*) FROM hosts a, hosts b, hosts c WHERE repeat(a.name, 5000) LIKE '%a%b%c%d%e%f%' || c.name",
        &["57014", "54001"],
    ),
    ("SELECT a.name ~ '((((a{1,100}){1,100}){1,100}){1,100})' FROM hosts a", &["2201B"]),
    (
        "SELECT a.name, row_number() OVER (ORDER BY a.name || b.name || c.name) FROM hosts a, hosts b, hosts c",
        &["57014", "53200"],
    ),
    ("SELECT count(DISTINCT a.name || b.name || c.name) FROM hosts a, hosts b, hosts c", &["53200", "57014"]),
    (
        "SELECT a.name, count(*) FROM hosts a, hosts b, hosts c GROUP BY a.name || b.name || c.name, a.name",
        &["53200", "57014"],
    ),
    (
        "WITH a AS (SELECT x.name FROM hosts x, hosts y), b AS (SELECT p.name FROM a p, a q) SELECT count(*) FROM b p, b q",
        &["53200", "57014"],
    ),
    // Many short rows: a sort of all of them in one step would be stopped by nothing.
    (
        "SELECT count(*) FROM (SELECT a.cpus FROM hosts a, hosts b, hosts c ORDER BY b.load1, c.load1, a.load1 LIMIT 1 OFFSET 10) x",
        &["53200", "57014"],
    ),
    ("SELECT name FROM hosts ORDER BY repeat(name, 20000), name", &["53200", "57014"]),
    ("SELECT repeat('ab', 30000) ~ '(a|b)*a(a|b){200}'", &["54001"]),
    (
        "SELECT count(*) FROM hosts a, hosts b, hosts c WHERE a.name || b.name || c.name ~ '(h|o|s|t|[0-9])*[0-9]{1,30}x'",
        &["57014"],
    ),
    // Each row has a pattern of its own.
    (
        "SELECT count(*) FROM hosts a, hosts b, hosts c WHERE 'x' ~ (a.name || b.name || c.name || '(a|b){1,90}')",
        &["57014"],
    ),
    ("SELECT sum(length(lpad(a.name, 200000))) FROM hosts a, hosts b, hosts c", &["57014"]),
    ("SELECT max(repeat(a.name || b.name, 10000)) FROM hosts a, hosts b, hosts c", &["57014"]),
    (
        "SELECT a.name FROM hosts a WHERE (SELECT count(*) FROM hosts b, hosts c, hosts d WHERE b.name < a.name OR c.name > d.name) > 5",
        &["57014"],
    ),
    (
        "SELECT a.name IN (SELECT b.name || c.name || d.name FROM hosts b, hosts c, hosts d) FROM hosts a",
        &["53200", "57014"],
    ),
    (
        "SELECT a.name || b.name || c.name FROM hosts a, hosts b, hosts c EXCEPT SELECT name FROM hosts",
        &["53200", "54000", "57014"],
    ),
    (
        "SELECT count(*) FROM hosts a FULL JOIN hosts b ON a.name <> b.name FULL JOIN hosts c ON b.name <> c.name FULL JOIN hosts d ON c.name <> d.name",
        &["0A000", "53200", "57014"],
    ),
];

#[test]
fn hostile_statements_are_stopped_and_leave_the_engine_whole() {
    let engine = limited();
    for (sql, codes) in HOSTILE {
        match engine.query(sql, &[]) {
            Ok(rows) => panic!("{sql}: {} rows", rows.rows.len()),
            Err(error) => assert!(codes.contains(&error.code.0), "{sql}: {error}"),
        }
        let next = engine.query("SELECT count(*) FROM hosts", &[]);
        assert!(next.is_ok(), "behind {sql}: {next:?}");
    }
}

#[test]
fn a_statement_is_charged_with_its_own_memory_and_not_with_that_of_another_one() {
    let limits = Limits { timeout: Duration::from_secs(30), memory: 32 << 20, ..Limits::default() };
    let engine = engine_of(200, limits);
    // Each holds some 20 MB, so that both together hold more than one may.
    let sql =
        "SELECT count(*) FROM (SELECT DISTINCT lpad(a.name || '-' || b.name, 200) FROM hosts a, hosts b) x";
    std::thread::scope(|scope| {
        let ask = || (0..3).map(|_| engine.query(sql, &[]).map(|rows| rows.rows.len())).collect::<Vec<_>>();
        let both = [scope.spawn(ask), scope.spawn(ask)];
        for answers in both {
            assert_eq!(answers.join().unwrap(), vec![Ok(1); 3]);
        }
    });
}

#[test]
fn deep_and_long_statements_are_refused() {
    let engine = limited();
    let deep = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
    let chain = |n: usize, op: &str| format!("SELECT 1{}", format!("{op}1").repeat(n));
    let nested = |n: usize| format!("SELECT {}1{}", "(SELECT ".repeat(n), ")".repeat(n));
    let texts = [
        deep(10_000),
        chain(20_000, "+"),
        chain(20_000, "::int+"),
        nested(1_000),
        format!("SELECT {}1", "- ".repeat(20_000)),
        format!("SELECT {}true", "NOT ".repeat(10_000)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(3_000)),
        format!("SELECT {}", vec!["1"; 3_000].join(",")),
        format!("SELECT 1 WHERE 1 IN ({})", vec!["(SELECT 1)"; 5_000].join(",")),
        format!("SELECT '{}'", "x".repeat(1 << 20)),
        format!("SELECT 1 FROM hosts {}", ", hosts".repeat(5_000)),
        format!("SELECT ${}", usize::MAX),
    ];
    for sql in texts {
        let error = engine.query(&sql, &[]).expect_err(&short(&sql));
        assert!(
            matches!(error.code.0, "54001" | "42601" | "42712" | "42P02" | "57014"),
            "{}: {error}",
            short(&sql)
        );
    }
    let long = format!("SELECT count(*) FROM hosts WHERE {}", vec!["cpus = 1"; 400].join(" OR "));
    assert_eq!(show(&engine_of(200, Limits::default()), &long), ["50"]);
}

/// A parser that tries both ways at each level takes twice as long for each.
#[test]
fn what_can_begin_two_things_at_each_level_is_refused_without_trying_all() {
    let engine = limited();
    let texts = [
        format!("SELECT * FROM {}hosts", "(".repeat(45)),
        format!("SELECT * FROM {}hosts{}x", "(".repeat(45), ")".repeat(44)),
        format!("SELECT {}1", "abs(".repeat(45)),
        format!("SELECT {}1", "CASE WHEN (".repeat(45)),
        format!("SELECT 1 IN ({}1", "(1, ".repeat(45)),
        format!("SELECT {}1", "CAST(".repeat(45)),
        format!("SELECT {}'x'", "position(".repeat(45)),
        format!("SELECT {}", "interval ".repeat(45)),
        format!("SELECT {}1", "ARRAY[".repeat(45)),
        format!("SELECT {}1", "EXISTS (SELECT ".repeat(45)),
        format!("SELECT {}1", "substring(extract(".repeat(22)),
        format!("SELECT * FROM hosts {}", "JOIN (hosts ".repeat(45)),
    ];
    for sql in texts {
        let error = engine.query(&sql, &[]).expect_err(&short(&sql));
        assert!(matches!(error.code.0, "54001" | "42601" | "0A000"), "{}: {error}", short(&sql));
    }
}

#[test]
fn a_statement_is_cancelled_by_whoever_asked() {
    let engine = engine_of(200, Limits { timeout: Duration::from_secs(60), ..Limits::default() });
    let (send, receive) = std::sync::mpsc::channel();
    let sql = "SELECT count(*) FROM hosts a, hosts b, hosts c, hosts d, hosts e";
    let cancel: Cancel = engine.submit(sql, &[], move |answer| _ = send.send(answer));
    cancel.cancel();
    let answer = receive.recv_timeout(Duration::from_secs(30)).expect("the statement ends");
    assert_eq!(answer.unwrap_err().code.0, "57014");
}

#[test]
fn more_statements_than_may_wait_are_refused() {
    let limits = Limits { timeout: Duration::from_secs(60), at_once: 1, waiting: 2, ..Limits::default() };
    let engine = engine_of(200, limits);
    let (send, receive) = std::sync::mpsc::channel();
    let sql = "SELECT count(*) FROM hosts a, hosts b, hosts c, hosts d, hosts e";
    let mut asked = Vec::new();
    for _ in 0..20 {
        let send = send.clone();
        asked.push(engine.submit(sql, &[], move |answer| _ = send.send(answer)));
    }
    let refused = receive.recv_timeout(Duration::from_secs(30)).unwrap().unwrap_err();
    assert_eq!(refused.code.0, "53300");
    for cancel in asked {
        cancel.cancel();
    }
}

#[test]
fn a_source_that_lies_about_a_column_gives_an_error_and_no_row() {
    let engine = Engine::new(std::sync::Arc::new(common::Lying), Limits::default());
    let error = engine.query("SELECT wants FROM roles", &[]).unwrap_err();
    assert_eq!(error.code.0, "XX000");
}

fn short(sql: &str) -> String {
    sql.chars().take(40).collect()
}
