//! The alerts in `contrib/prometheus`, by the real promtool and a real Prometheus.

use super::agent::{DEADLINE_S, Story, converge};
use rumormill_testkit::http::Place;
use rumormill_testkit::process::{Guard, run};
use rumormill_testkit::{needs, ports, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/prometheus").join(name)
}

fn rules() -> String {
    std::fs::read_to_string(contrib("rumormill.rules.yml")).unwrap()
}

/// The words of a text that begin so.
fn words<'a>(text: &'a str, beginning: &str) -> BTreeSet<&'a str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c: char| !is_part(c)).filter(|word| word.starts_with(beginning)).collect()
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    needs!("promtool");
    run(Command::new("promtool").args(["check", "rules"]).arg(contrib("rumormill.rules.yml")));
    run(Command::new("promtool").args(["test", "rules"]).arg(contrib("rumormill.rules.test.yml")));
}

#[test]
fn every_alert_is_tested_and_explained() {
    let rules = rules();
    let alerts: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for file in [contrib("rumormill.rules.test.yml"), contrib("../../docs/monitoring.md")] {
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(words(&text, "Rumormill"), alerts, "{}", file.display());
    }
}

#[test]
fn prometheus_scrapes_two_agents_and_evaluates_every_alert_on_metrics_that_exist() {
    needs!("prometheus");
    let story = Story::new("prometheus");
    let http: [String; 2] = [(); 2].map(|()| format!("127.0.0.1:{}", ports::free()));
    let first = story.agent("n0").http(&http[0]).flag("--on", "member-join=true").start();
    let second = story.agent("n1").http(&http[1]).join(&first).start();
    converge(&[&first, &second]);

    let config = story.dir().join("prometheus.yml");
    let text = json!({
        "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
        "rule_files": [contrib("rumormill.rules.yml")],
        "scrape_configs": [{ "job_name": "rumormill", "static_configs": [{ "targets": http }] }],
    });
    std::fs::write(&config, text.to_string()).unwrap(); // JSON is YAML
    let at: SocketAddr = format!("127.0.0.1:{}", ports::free()).parse().unwrap();
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", story.dir().join("tsdb").display()));
    command.arg(format!("--web.listen-address={at}"));
    let _prometheus = Guard::spawn(command, &story.dir().join("prometheus.log"));
    let ask = |path: &str| Place::Tcp(at).get(path).ok().map(|answer| answer["data"].clone());

    wait::until_true("both agents are scraped and agree", DEADLINE_S, || {
        let found =
            ask("/api/v1/query?query=rumormill_members%7Bstatus%3D%22alive%22%7D").unwrap_or_default();
        let samples = found["result"].as_array().cloned().unwrap_or_default();
        samples.len() == 2 && samples.iter().all(|sample| sample["value"][1] == "2")
    });
    let rules = rules();
    let wanted: BTreeSet<String> = words(&rules, "rumormill_").into_iter().map(String::from).collect();
    let (_, _) = wait::until("every metric of the rules is there", DEADLINE_S, || {
        let names: BTreeSet<String> = serde_json::from_value(ask("/api/v1/label/__name__/values")?).ok()?;
        wanted.is_subset(&names).then_some(())
    });
    wait::until_true("every rule is evaluated without an error", DEADLINE_S, || {
        let groups = ask("/api/v1/rules").unwrap_or_default();
        let rules: Vec<Value> = groups["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
        !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok")
    });
    let alerts = ask("/api/v1/alerts").unwrap();
    let firing: Vec<&Value> =
        alerts["alerts"].as_array().unwrap().iter().filter(|alert| alert["state"] == "firing").collect();
    assert!(firing.is_empty(), "{firing:#?}");
}
