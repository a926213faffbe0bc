//! Statements and clients of SQL cannot keep an agent from gossiping, or other clients out.

use super::agent::Story;
use rumormill_testkit::postgres::Client;
use rumormill_testkit::{ports, wait};
use serde_json::json;
use std::net::{SocketAddr, TcpStream};

/// Statements that would take all of a machine: joins without a condition, sorts, groups, long texts, regular expressions.
const HOSTILE: [&str; 12] = [
    "SELECT lpad(a.name || b.name || c.name, 20000) AS x FROM counters a, counters b, counters c ORDER BY x",
    "SELECT DISTINCT lpad(a.name || b.name, 20000) FROM counters a, counters b, counters c",
    "SELECT count(*) FROM counters a, counters b, counters c, counters d, counters e",
    "SELECT string_agg(a.about || b.about || c.about, ',') FROM counters a, counters b, counters c",
    "SELECT a.about || b.about || c.about, count(*) FROM counters a, counters b, counters c GROUP BY 1",
    "SELECT a.name, row_number() OVER (ORDER BY a.name || b.name || c.name) FROM counters a, counters b, counters c",
    "SELECT count(*) FROM (SELECT a.value FROM counters a, counters b, counters c ORDER BY b.value, c.value) x",
    "SELECT count(*) FROM counters a, counters b, counters c, counters d WHERE a.name || b.name || c.name || d.name ~ '(e|s|t|[a-z])*[0-9]{1,30}x'",
    "SELECT max(repeat(a.name || b.name, 5000)) FROM counters a, counters b, counters c",
    "SELECT count(DISTINCT a.about || b.about || c.about) FROM counters a, counters b, counters c",
    "SELECT a.name FROM counters a WHERE (SELECT count(*) FROM counters b, counters c, counters d WHERE b.name < a.name) > 5",
    "SELECT a.about IN (SELECT b.about || c.about || d.about FROM counters b, counters c, counters d) FROM counters a",
];

#[test]
fn hostile_statements_end_and_disturb_no_probe() {
    let story = Story::new("hostile-sql");
    let agents = story.cluster(3);
    let ask = |statement: &str| {
        let output = agents[0].cli(&["sql", statement]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_stopped = ["57014", "53200", "54000", "53300"].iter().any(|code| told.contains(code));
        assert!(!output.status.success() && is_stopped, "{statement}: {output:?}");
    };
    std::thread::scope(|scope| {
        for half in HOSTILE.chunks(HOSTILE.len() / 2) {
            scope.spawn(|| half.iter().for_each(|statement| ask(statement)));
        }
    });
    for agent in &agents {
        let suspected = agent.cli_json(&["sql", "SELECT name, by_name FROM why WHERE what = 'suspected'"]);
        assert_eq!(suspected["rows"], json!([]), "nobody suspects anybody");
    }
    let own = agents[0].cli_json(&["sql", "SELECT value FROM counters WHERE name = 'health_score'"]);
    assert_eq!(own["rows"], json!([[0.0]]), "no probe of its own was late");
}

#[test]
fn silent_clients_of_postgresqls_protocol_keep_nobody_out() {
    let story = Story::new("silent-sql");
    let address = SocketAddr::from((ports::loopback_host(), 5432));
    let password = story.dir().join("password");
    std::fs::write(&password, "a-long-password-of-this-story").unwrap();
    let agent = story.agent("n0").flag("--pg", &address.to_string());
    let agent = agent.flag("--pg-password-file", password.to_str().unwrap()).start();
    let connect = || Client::connect(address, "ann", "rumormill", "a-long-password-of-this-story");
    let mut first = connect().unwrap();
    let silent: Vec<TcpStream> = (0..128).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(connect().unwrap().rows("SELECT count(*) FROM members").unwrap(), [["1"]]);
    assert_eq!(
        first.rows("SELECT name FROM members").unwrap(),
        [["n0"]],
        "a client that has logged in stays"
    );
    let count = "SELECT value FROM counters WHERE name = 'listener_evicted' AND labels->>'listener' = 'pg'";
    wait::until_true("the silent ones made room", 60, || {
        agent.cli_json(&["sql", count])["rows"][0][0].as_f64().is_some_and(|evicted| evicted >= 64.0)
    });
    drop(silent);
}
