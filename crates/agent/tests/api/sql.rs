//! The agent's state as tables: each shows what was done, as the rest of the API does; subscriptions; who may ask.

use crate::harness::*;
use http_body_util::BodyExt;
use rumormill_agent::config::Config;
use rumormill_agent::model::{self, SqlAnswer};
use rumormill_agent::reference;
use rumormill_agent::start::Running;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::net::TcpStream;

async fn sql(agent: &Running, statement: &str) -> SqlAnswer {
    let reply = ask(agent, "POST", "/v1/sql", Some(json!({ "sql": statement }))).await;
    assert_eq!(reply.status, 200, "{statement}: {}", reply.text());
    reply.json()
}

/// The rows as one JSON value.
async fn rows(agent: &Running, statement: &str) -> Value {
    json!(sql(agent, statement).await.rows)
}

fn tagged(name: &str, role: &str) -> Config {
    let mut config = config(name);
    config.tags = [("role".to_string(), role.to_string())].into();
    config
}

#[tokio::test]
async fn every_table_can_be_read_and_has_the_columns_of_its_definition() {
    let agent = start(config("a")).await;
    for table in reference::tables() {
        let answer = sql(&agent, &format!("SELECT * FROM {}", table.name)).await;
        let columns: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
        let defined: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        assert_eq!(columns, defined, "{}", table.name);
    }
    agent.crash().await;
}

#[tokio::test]
async fn members_and_hosts_agree_with_the_list_of_members() {
    let agents = cluster([tagged("a", "db"), tagged("b", "web"), tagged("c", "web")]).await;
    let listed: model::Members = get(&agents[0], "/v1/members").await;
    let expected: Vec<Value> =
        listed.members.iter().map(|m| json!([m.id, m.name, m.status, m.epoch, m.incarnation])).collect();
    let columns = "id, name, status, epoch, incarnation";
    let members = rows(&agents[0], &format!("SELECT {columns} FROM members ORDER BY name, id")).await;
    assert_eq!(members, json!(expected));
    let roles = "SELECT tags->>'role' AS role, count(*) FROM hosts GROUP BY 1 ORDER BY 1";
    assert_eq!(rows(&agents[0], roles).await, json!([["db", 1], ["web", 2]]));
    let peers = "SELECT p.name, s.epoch FROM peers p JOIN sessions s ON p.id = s.id WHERE p.address IS NOT NULL AND s.is_confirmed ORDER BY 1";
    assert_eq!(rows(&agents[0], peers).await, json!([["b", 1], ["c", 1]]));
    for agent in agents {
        agent.crash().await;
    }
}

#[tokio::test]
async fn an_event_and_its_handler_a_crash_and_a_ban_are_seen_in_their_tables() {
    let handlers = vec!["event:deploy=true".parse().unwrap()];
    let mut agents = cluster([Config { handlers, ..config("a") }, config("b"), config("c")]).await;
    let c = agents.pop().unwrap();
    let asked = &agents[0];

    let event = json!({ "events": [{ "name": "deploy", "payload": "v7" }], "wait": "all" });
    let published = ask(&agents[1], "POST", "/v1/events", Some(event)).await;
    assert_eq!(published.status, 200, "{}", published.text());
    until("the event is in its table", async || {
        let found = rows(asked, "SELECT kind, origin_name, name, payload, sequence FROM events").await;
        let run = rows(asked, "SELECT on_event, command, done FROM handlers").await;
        let is_run = run == json!([["event:deploy", "true", 1]]);
        (is_run && found == json!([["event", "b", "deploy", "v7", 1]])).then_some(())
    })
    .await;

    c.crash().await;
    until("the suspicion is in its table", async || {
        let open = rows(asked, "SELECT name FROM suspicions WHERE accusers >= 1 AND ends_in_s >= 0").await;
        (open == json!([["c"]])).then_some(())
    })
    .await;
    until("the crash is in the tables of suspicions and verdicts", async || {
        let failed = rows(asked, "SELECT status FROM members WHERE name = 'c'").await;
        let why = sql(asked, "SELECT what, by_name, waited_ms FROM why WHERE name = 'c'").await;
        let has = |what: &str| why.rows.iter().any(|row| row[0] == what);
        (failed == json!([["failed"]]) && has("suspected") && has("declared_failed")).then_some(())
    })
    .await;
    let listed: model::Why = get(asked, "/v1/why/c").await;
    let verdicts = rows(asked, "SELECT count(*) FROM why WHERE name = 'c'").await;
    assert_eq!(verdicts, json!([[listed.verdicts.len()]]), "as many as the list of verdicts has");

    let ban = json!({ "member": "b", "reason": "noisy" });
    assert_eq!(ask(asked, "POST", "/v1/bans", Some(ban)).await.status, 200);
    let banned = rows(asked, "SELECT name, by_name, reason FROM bans WHERE age_s < 60").await;
    assert_eq!(banned, json!([["b", "a", "noisy"]]));
    assert_eq!(rows(asked, "SELECT status FROM members WHERE name = 'b'").await, json!([["banned"]]));
    let word = rows(asked, "SELECT what, by_name FROM why WHERE name = 'b' AND what = 'banned'").await;
    assert_eq!(word, json!([["banned", "a"]]));
    for agent in agents {
        agent.crash().await;
    }
}

#[tokio::test]
async fn vitals_levels_and_open_queries_are_seen_on_both_sides() {
    let agents = cluster(["a", "b"].map(|name| Config { vitals: true, phi: true, ..config(name) })).await;
    until("the vitals of both are here, and the level of the other one", async || {
        let hosts =
            rows(&agents[0], "SELECT count(*) FROM hosts WHERE cpus >= 1 AND vitals_age_s < 60").await;
        let vitals =
            rows(&agents[0], "SELECT name FROM vitals WHERE load1 >= 0 AND heard_s < 60 ORDER BY name").await;
        let levels = rows(&agents[0], "SELECT name FROM phi WHERE phi >= 0").await;
        (hosts == json!([[2]]) && vitals == json!([["a"], ["b"]]) && levels == json!([["b"]])).then_some(())
    })
    .await;

    let at = http(&agents[0]);
    let query = json!({ "name": "load", "timeout_ms": 60_000 }).to_string().into_bytes();
    let stream = TcpStream::connect(at).await.unwrap();
    let asking = open(stream, "POST", "/v1/query", &[("host", &at.to_string())], Some(query)).await;
    assert_eq!(asking.status(), 200);
    until("the query is open here, with two acknowledgements, and known there", async || {
        let own =
            "SELECT name, by_name, state, expected, acknowledged FROM queries WHERE is_own AND ends_in_s > 0";
        let foreign = "SELECT name, by_name, state FROM queries WHERE NOT is_own";
        let (own, foreign) = (rows(&agents[0], own).await, rows(&agents[1], foreign).await);
        let expected = (json!([["load", "a", "open", 2, 2]]), json!([["load", "a", "acknowledged"]]));
        ((own, foreign) == expected).then_some(())
    })
    .await;
    drop(asking);
    for agent in agents {
        agent.crash().await;
    }
}

#[tokio::test]
async fn counters_warnings_and_keys_agree_with_the_agents_own_state() {
    let agent = start(config("a")).await;
    let own: model::SelfInfo = get(&agent, "/v1/self").await;
    let counters =
        sql(&agent, "SELECT name FROM counters WHERE kind = 'counter' AND labels::text = '{}'").await;
    let names: BTreeSet<&str> = counters.rows.iter().filter_map(|row| row[0].as_str()).collect();
    let expected: BTreeSet<&str> =
        own.counters.keys().map(String::as_str).filter(|name| !name.contains('.')).collect();
    assert_eq!(names, expected);
    let warnings = rows(&agent, "SELECT about, count FROM warnings WHERE holds").await;
    assert_eq!(warnings, json!([["no_key", 1]]));
    assert_eq!(rows(&agent, "SELECT * FROM keys").await, json!([]), "it runs without a key");
    agent.crash().await;
}

#[tokio::test]
async fn parameters_are_values_and_an_error_says_what_to_do() {
    let agent = start(config("it's a name")).await;
    let by_name = json!({ "sql": "SELECT count(*) FROM members WHERE name = $1 AND epoch >= $2", "params": ["it's a name", 0] });
    let reply = ask(&agent, "POST", "/v1/sql", Some(by_name)).await;
    assert_eq!(json!(reply.json::<SqlAnswer>().rows), json!([[1]]), "{}", reply.text());
    for bad in ["SELECT nane FROM members", "SELECT 1 FROM memberz", "DELETE FROM members", "SELECT", ""] {
        let refused = ask(&agent, "POST", "/v1/sql", Some(json!({ "sql": bad }))).await.error(400);
        assert!(refused.error.contains("SQLSTATE"), "{bad}: {refused:?}");
    }
    let list = json!({ "sql": "SELECT $1", "params": [[1]] });
    ask(&agent, "POST", "/v1/sql", Some(list)).await.error(400);
    agent.crash().await;
}

#[tokio::test]
async fn a_statement_wants_the_token_that_a_get_wants() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "0123456789abcdef0123456789abcdef").unwrap();
    let mut config = config("a");
    config.http = Some("0.0.0.0:0".parse().unwrap());
    config.http_token_file = Some(file);
    let agent = start(config).await;
    let at = http(&agent);
    let body = || Some(json!({ "sql": "SELECT 1" }).to_string().into_bytes());
    for (method, path, body) in [
        ("POST", "/v1/sql", body()),
        ("GET", "/v1/sql/subscribe?sql=SELECT%201", None),
        ("GET", "/v1/members", None),
    ] {
        let reply = send(at, method, path, &[("host", "x")], body.clone()).await;
        assert_eq!(reply.status, 401, "{path}");
    }
    let token = [("host", "x"), ("authorization", "Bearer 0123456789abcdef0123456789abcdef")];
    assert_eq!(send(at, "POST", "/v1/sql", &token, body()).await.status, 200);
    agent.crash().await;
}

/// Server-sent events, read one by one.
struct Events {
    body: hyper::body::Incoming,
    text: String,
}

impl Events {
    async fn open(agent: &Running, query: &str) -> Events {
        let at = http(agent);
        let path = format!("/v1/sql/subscribe?{query}");
        let stream = TcpStream::connect(at).await.unwrap();
        let response = open(stream, "GET", &path, &[("host", &at.to_string())], None).await;
        assert_eq!(response.status(), 200, "{path}");
        Events { body: response.into_body(), text: String::new() }
    }

    /// The next event and its data; none at the end of the stream.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_string(), rest.to_string());
                self.text = rest;
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                if let (Some(kind), Some(data)) = (field("event:"), field("data:")) {
                    return Some((kind.into(), serde_json::from_str(data).unwrap()));
                }
                continue; // a comment
            }
            let frame = tokio::time::timeout(DEADLINE, self.body.frame()).await.expect("it comes in time")?;
            self.text += std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap();
        }
    }
}

#[tokio::test]
async fn a_subscription_begins_with_what_holds_and_goes_on_with_differences_by_key() {
    let agents = cluster([config("a"), config("b")]).await;
    let mut events =
        Events::open(&agents[0], "sql=SELECT%20name,%20status%20FROM%20members%20ORDER%20BY%20name&key=name")
            .await;
    let (kind, state) = events.next().await.unwrap();
    assert_eq!((kind.as_str(), &state["rows"]), ("state", &json!([["a", "alive"], ["b", "alive"]])));

    let mut agents = agents.into_iter();
    let (a, b) = (agents.next().unwrap(), agents.next().unwrap());
    b.crash().await;
    let mut as_of = state["as_of"].clone();
    loop {
        let (kind, change) = events.next().await.unwrap();
        assert_eq!(kind, "change");
        assert!(
            change["since"].as_str() >= as_of.as_str(),
            "it spans what the reader has not seen: {change}"
        );
        as_of = change["as_of"].clone();
        assert!(
            change["set"].as_array().unwrap().iter().all(|row| row[0] == "b"),
            "only b differs: {change}"
        );
        if change["set"] == json!([["b", "failed"]]) {
            break;
        }
    }
    assert_eq!(ask(&a, "POST", "/v1/forget", Some(json!({ "member": "b" }))).await.status, 200);
    let (_, change) = events.next().await.unwrap();
    assert_eq!((&change["set"], &change["gone"]), (&json!([]), &json!([["b"]])));
    a.crash().await;
    assert!(events.next().await.is_none(), "the stream ends with the agent");
}

#[tokio::test]
async fn a_subscription_to_something_that_cannot_be_asked_is_refused_at_once() {
    let agent = start(config("a")).await;
    for query in ["sql=SELECT%20nane%20FROM%20members", "sql=SELECT%201&key=nobody", ""] {
        ask(&agent, "GET", &format!("/v1/sql/subscribe?{query}"), None).await.error(400);
    }
    agent.crash().await;
}
