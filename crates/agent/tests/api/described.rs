//! What tools read: metrics and the description of the API itself.

use crate::harness::*;
use rumormill_agent::http;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

#[tokio::test]
async fn every_route_is_described_and_everything_described_is_there() {
    let routes: BTreeSet<(String, String)> = http::table()
        .iter()
        .flat_map(|route| route.methods.iter().map(|method| (route.path.to_string(), method.to_string())))
        .collect();
    let agent = start(config("a")).await;
    let document: Value = get(&agent, "/openapi.json").await;
    let mut described = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            described.insert((path.clone(), method.clone()));
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            assert!(operation["responses"].as_object().is_some_and(|r| !r.is_empty()), "{method} {path}");
        }
    }
    assert_eq!(routes, described);
    for (path, method) in &routes {
        let path = path.replace("{member}", "nobody");
        if path == "/v1/leave" || path == "/v1/watch" {
            continue; // the one ends the agent, the other never ends
        }
        let reply = ask(&agent, &method.to_uppercase(), &path, None).await;
        assert_ne!(reply.status, 405, "{method} {path}");
        assert!(!reply.text().contains("there is nothing at"), "{method} {path}");
    }
}

/// A request: its target, the headers beside `Host`, its body.
type Mistake<'a> = (String, Vec<(&'a str, &'a str)>, Option<Vec<u8>>);

/// The refusals that an operation may answer.
fn mistakes<'a>(method: &str, path: &str) -> Vec<Mistake<'a>> {
    let named = |name: &str| path.replace("{member}", name);
    let mut mistakes = vec![
        (format!("{}?no_such_parameter=1", named("nobody")), vec![], None),
        (named("%FF"), vec![], None),
        (named("nobody"), vec![("origin", "http://evil.example")], None),
    ];
    if method != "get" {
        for (kind, body) in [
            ("text/plain", "{}"),
            ("application/json", "{\"half\":"),
            ("application/json", "[]"),
            ("application/json", "{\"no such field\":1}"),
            ("application/json", "{}"),
        ] {
            mistakes.push((named("nobody"), vec![("content-type", kind)], Some(body.into())));
        }
    }
    mistakes
}

#[tokio::test]
async fn whatever_a_client_does_wrong_the_answer_is_described_and_says_what_to_do() {
    let mut config = config("a");
    config.vitals = true;
    let agent = start(config).await;
    let (at, document) = (http(&agent), get::<Value>(&agent, "/openapi.json").await);
    let host = at.to_string();
    let mut statuses = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if path == "/v1/leave" || path == "/v1/watch" {
                continue; // the one ends the agent, the other never ends
            }
            for (target, mut headers, body) in mistakes(method, path) {
                headers.push(("host", &host));
                let reply = send(at, &method.to_uppercase(), &target, &headers, body).await;
                let status = reply.status.as_str().to_owned();
                let described = &operation["responses"][&status];
                assert!(described.is_object(), "{method} {target}: {status} is not described");
                if reply.status.as_u16() >= 400 {
                    reply.error(reply.status.as_u16());
                }
                statuses.insert(status);
            }
        }
    }
    for status in ["200", "400", "403", "404", "409", "415", "422"] {
        assert!(statuses.contains(status), "{status} was never seen: {statuses:?}");
    }
}

#[tokio::test]
async fn every_reference_in_the_description_leads_somewhere() {
    let agent = start(config("a")).await;
    let document: Value = get(&agent, "/openapi.json").await;
    let mut open = vec![&document];
    let mut references = 0;
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(to)) = fields.get("$ref") {
                    let pointer = to.strip_prefix('#').expect("a reference into the document");
                    assert!(document.pointer(pointer).is_some(), "{to}");
                    references += 1;
                }
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(references > 20, "{references}");
}

#[tokio::test]
async fn the_fields_that_features_add_to_a_member_are_described_and_optional() {
    let agent = start(config("a")).await;
    let document: Value = get(&agent, "/openapi.json").await;
    let member = &document["components"]["schemas"]["Member"];
    assert!(member["properties"]["phi"]["description"].is_string(), "{member:#}");
    assert!(member["properties"]["name"].is_object(), "{member:#}");
    let required = member["required"].as_array().unwrap();
    assert!(!required.contains(&"phi".into()) && required.contains(&"name".into()), "{required:?}");
}

#[tokio::test]
async fn prometheus_can_read_every_line_of_the_metrics() {
    let mut first = config("a");
    (first.vitals, first.phi) = (true, true);
    let mut second = config("b");
    second.vitals = true;
    let agents = cluster([first, second]).await;
    until("the suspicion level of the other one is measured", async || {
        let text = ask(&agents[0], "GET", "/metrics", None).await.text();
        text.contains("\nrumormill_phi{id=").then_some(())
    })
    .await;
    until("round trips are measured", async || {
        let text = ask(&agents[0], "GET", "/metrics", None).await.text();
        let measured = text.lines().any(|line| {
            line.strip_prefix("rumormill_round_trip_seconds_count ").is_some_and(|count| count != "0")
        });
        measured.then_some(())
    })
    .await;
    let reply = ask(&agents[0], "GET", "/metrics", None).await;
    assert!(reply.headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let text = reply.text();
    for line in text.lines() {
        let is_sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ').unwrap_or_default();
            let name = series.split('{').next().unwrap_or_default();
            name.starts_with("rumormill_")
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && series.contains('{') == series.ends_with('}')
                && value.parse::<f64>().is_ok()
        };
        assert!(
            line.starts_with("# HELP rumormill_") || line.starts_with("# TYPE rumormill_") || is_sample(line),
            "{line:?}"
        );
    }
    for series in [
        "rumormill_messages_sent_total{protocol=\"swim\"}",
        "rumormill_messages_sent_total{protocol=\"vitals\"}",
        "rumormill_dropped_total{cause=\"unreadable\"}",
        "rumormill_members{status=\"alive\"} 2",
        "rumormill_health_score",
        "rumormill_swim_probes_total",
        "rumormill_round_trip_seconds_bucket{le=\"+Inf\"}",
        "rumormill_propagation_seconds_bucket{le=\"+Inf\"}",
        "rumormill_build_info{version=",
        "rumormill_phi_suspicions_total 0",
    ] {
        assert!(text.lines().any(|line| line.starts_with(series)), "{series} is missing in\n{text}");
    }
    promtool(&text);
    let at = http(&agents[0]);
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let reply = send(at, "GET", "/metrics", &[("host", &at.to_string()), ("accept", accept)], None).await;
    assert!(reply.headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    assert!(reply.text().ends_with("# EOF\n"));
}

/// Prometheus's own check, where it is installed.
fn promtool(text: &str) {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("promtool is not installed: its check is left out");
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
