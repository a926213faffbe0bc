//! The agent's state asked in SQL by the command, and a simulation's nodes in the same way.

use super::agent::{Agent, DEADLINE_S, Story, program};
use rumormill_testkit::process::Scratch;
use rumormill_testkit::wait;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The rows of an answer.
fn rows(agent: &Agent, statement: &str) -> Value {
    agent.cli_json(&["sql", statement])["rows"].clone()
}

/// Statements that come by a pipe.
fn piped(agent: &Agent, statements: &str) -> Output {
    let mut command = agent.cli_command(&["sql", "--csv"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_statement_is_answered_as_a_table_as_json_as_csv_and_from_a_pipe() {
    let story = Story::new("sql");
    let agents = story.cluster(3);
    let by_name = "SELECT name, status, epoch FROM members ORDER BY name";
    let expected = json!([["n0", "alive", 1], ["n1", "alive", 1], ["n2", "alive", 1]]);
    assert_eq!(rows(&agents[0], by_name), expected);
    let keys = agents[0].cli_json(&["keys", "list", "--local"]);
    let primary = rows(&agents[0], "SELECT fingerprint FROM keys WHERE is_primary");
    assert_eq!(primary, json!([[keys["keys"][0]["fingerprint"]]]));
    assert_eq!(
        rows(&agents[0], "SELECT value, source FROM config WHERE setting = 'name'"),
        json!([["n0", "--name"]])
    );
    let table = agents[1].cli(&["sql", by_name]);
    assert_eq!(
        text(&table.stdout),
        "name  status  epoch\nn0    alive       1\nn1    alive       1\nn2    alive       1\n(3 rows)\n"
    );
    let csv = agents[1].cli(&["sql", "SELECT name FROM members WHERE name = $1", "n1", "--csv"]);
    assert_eq!(text(&csv.stdout), "name\nn1\n");

    let answered = piped(
        &agents[2],
        "SELECT count(*) AS n\nFROM members; -- all\nSELECT nane FROM members;\nSELECT 'a;b' AS t",
    );
    assert_eq!(text(&answered.stdout), "n\n3\nt\na;b\n");
    assert!(text(&answered.stderr).contains("nane"), "{}", text(&answered.stderr));
    assert_eq!(answered.status.code(), Some(1), "one statement had a fault");
    assert_eq!(agents[0].cli(&["sql", "DROP TABLE members"]).status.code(), Some(1));
    assert_eq!(agents[0].cli(&["sql", ""]).status.code(), Some(2));
}

#[test]
fn an_aggregate_is_drilled_down_to_the_hosts_that_make_it_so() {
    let story = Story::new("drill");
    let agents = story.cluster(3);
    wait::until_true("everybody's vitals are here", DEADLINE_S, || {
        rows(&agents[0], "SELECT count(*) FROM hosts WHERE load1 IS NOT NULL") == json!([[3]])
    });
    let drilled = agents[0].cli_json(&["drill", "sum(cpus)", "--by", "status", "--top", "2"]);
    assert_eq!((&drilled["aggregate"], &drilled["hosts"]), (&json!("sum(cpus)"), &json!(3)));
    let groups = drilled["groups"].as_array().unwrap();
    assert_eq!((groups.len(), &groups[0]["group"]), (1, &json!("alive")));
    let top = groups[0]["top"].as_array().unwrap();
    assert!(top.len() == 2 && top[0]["part"].as_str().unwrap().ends_with("% of the sum"), "{drilled:#}");
    let shown = text(&agents[1].cli(&["drill", "avg(load1)", "--by", "role"]).stdout);
    assert!(shown.starts_with("avg(load1) by role of 3 hosts: "), "{shown}");
    assert_eq!(agents[0].cli(&["drill", "median(load1)"]).status.code(), Some(2));
    assert_eq!(agents[0].cli(&["drill", "avg(loud1)"]).status.code(), Some(1));
}

/// A cluster of the laboratory in which one node crashes and one publishes an event.
const SCENARIO: &str = "
stack = \"agent\"
nodes = 5
time = \"40s\"

[[call]]
at = \"10s\"
who = \"2\"
call = \"publish\"
with = \"v7\"

[[step]]
at = \"20s\"
do = \"crash\"
who = \"4\"
";

/// Runs the scenario with these flags.
fn simulated(flags: &[&str]) -> Output {
    let scratch = Scratch::new("sim-sql");
    let file = scratch.join("scenario.toml");
    std::fs::write(&file, SCENARIO).unwrap();
    Command::new(program()).args(["sim", "run"]).arg(&file).args(flags).output().unwrap()
}

#[test]
fn the_nodes_of_a_simulation_have_the_tables_of_an_agent_and_a_statement_changes_nothing() {
    let digest = |output: &Output| {
        let told = text(&output.stdout);
        told.lines()
            .find(|line| line.starts_with("digest"))
            .map(String::from)
            .unwrap_or_else(|| panic!("{output:?}"))
    };
    let statement = "SELECT node, status, count(*) AS n FROM members GROUP BY 1, 2 ORDER BY 1, 2";
    let asked = simulated(&["--sql", statement, "--at", "15s,40s"]);
    assert_eq!(digest(&asked), digest(&simulated(&[])), "nobody knows that it was asked");
    let told = text(&asked.stdout);
    let (before, after): (Vec<&str>, Vec<&str>) = (
        told.lines().filter(|line| line.starts_with("0,15.0,")).collect(),
        told.lines().filter(|line| line.starts_with("0,40.0,")).collect(),
    );
    assert_eq!(before, (0..5).map(|node| format!("0,15.0,{node},alive,5")).collect::<Vec<_>>(), "{told}");
    let expected =
        (0..4).flat_map(|node| [format!("0,40.0,{node},alive,4"), format!("0,40.0,{node},failed,1")]);
    assert_eq!(after, expected.collect::<Vec<_>>(), "{told}");

    let events = simulated(&[
        "--json",
        "--sql",
        "SELECT node, payload, age_s FROM events ORDER BY 1",
        "--sql-every",
        "20s",
    ]);
    let lines = text(&events.stdout);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let at_20: Vec<&Value> =
        lines.iter().filter(|line| line["payload"] == "v7" && line["t_s"] == 20.0).collect();
    assert_eq!(at_20.len(), 4, "node 4 has just crashed: {lines:?}");
    assert!(
        at_20.iter().all(|line| line["age_s"].as_f64().is_some_and(|age| (9.0..=10.0).contains(&age))),
        "{at_20:?}"
    );

    let down = simulated(&["--sql", "SELECT node FROM nodes WHERE NOT is_up"]);
    assert!(text(&down.stdout).starts_with("run,t_s,node\n0,40.0,4\n"), "{down:?}");
    let fault = simulated(&["--sql", "SELECT nane FROM members"]);
    assert_eq!(fault.status.code(), Some(2), "{fault:?}");
    assert!(text(&fault.stderr).contains("nane"), "{fault:?}");
}
