//! The configuration read again by `POST /v1/reload`.

use crate::harness::*;
use rumormill_agent::config::{Config, Partial, load_with};
use rumormill_agent::model::*;
use rumormill_agent::start::Running;
use serde_json::json;
use std::path::{Path, PathBuf};

/// What this file says, on loopback with any ports, and a way to read it again.
fn from_file(name: &str, path: &Path) -> Config {
    let checked = load_with(Some(path), Vec::new(), Partial::default());
    let read = checked.into_config().unwrap().0;
    Config {
        join: read.join,
        tags: read.tags,
        http_token_file: read.http_token_file,
        vitals: read.vitals,
        vitals_bytes_per_s: read.vitals_bytes_per_s,
        origin: read.origin,
        ..config(name)
    }
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }
    fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

async fn reload(agent: &Running) -> Reply {
    ask(agent, "POST", "/v1/reload", Some(json!({}))).await
}

fn keys(changes: &[SettingChange]) -> Vec<&str> {
    changes.iter().map(|change| change.key.as_str()).collect()
}

#[tokio::test]
async fn an_agent_that_was_started_from_nothing_has_nothing_to_read_again() {
    let agent = start(config("a")).await;
    let error = reload(&agent).await.error(409);
    assert!(error.error.contains("can be read again"), "{error:?}");
    assert_eq!(ask(&agent, "GET", "/v1/reload", None).await.status, 405);
}

#[tokio::test]
async fn what_differs_changes_or_waits_and_what_is_wrong_changes_nothing_and_all_of_it_is_told() {
    let files = Files::new();
    let path = files.write("agent.toml", "tags = { role = \"web\" }\nbudget = \"8 MiB\"\n");
    let agent = start(from_file("a", &path)).await;
    let info: SelfInfo = get(&agent, "/v1/self").await;
    assert_eq!(info.reload, ReloadInfo::default());

    files.write("agent.toml", "tags = { role = \"db\" }\nbudget = \"4 MiB\"\n");
    let told: Reloaded = reload(&agent).await.json();
    assert_eq!((keys(&told.changed), keys(&told.restart)), (vec!["tags"], vec!["budget"]), "{told:?}");
    assert_eq!(get::<Tags>(&agent, "/v1/tags").await.tags["role"], "db");
    let info: SelfInfo = get(&agent, "/v1/self").await;
    assert_eq!((info.reload.done, info.reload.refused), (1, 0));
    assert_eq!((info.reload.last_error, keys(&info.reload.restart)), (None, vec!["budget"]));

    files.write("agent.toml", "tags = { role = \"cache\" }\nbugdet = 1\n");
    let error = reload(&agent).await.error(422);
    assert!(error.error.contains("bugdet") && error.hint.contains("nothing was changed"), "{error:?}");
    assert_eq!(get::<Tags>(&agent, "/v1/tags").await.tags["role"], "db");
    let info: SelfInfo = get(&agent, "/v1/self").await;
    assert_eq!((info.reload.done, info.reload.refused), (1, 1));
    assert!(info.reload.last_error.is_some_and(|error| error.contains("bugdet")));
    let metrics = ask(&agent, "GET", "/metrics", None).await.text();
    for line in [
        "rumormill_reloads_total{end=\"done\"} 1",
        "rumormill_reloads_total{end=\"refused\"} 1",
        "rumormill_reload_refused 1",
        "rumormill_settings_waiting 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }

    files.write("agent.toml", "tags = { role = \"db\" }\nbudget = \"8 MiB\"\n");
    let told: Reloaded = reload(&agent).await.json();
    assert_eq!((told.changed, told.restart), (vec![], vec![]), "it is again as it is");
}

#[tokio::test]
async fn a_new_token_in_the_same_file_holds_from_the_reload_on() {
    let files = Files::new();
    let token = files.write("token", "correct-horse-battery\n");
    let path = files.write("agent.toml", &format!("http_token_file = {:?}\n", token.to_str().unwrap()));
    let agent = start(from_file("a", &path)).await;
    let asked = async |method: &str, path: &str, token: &str| {
        send(http(&agent), method, path, &[("authorization", &format!("Bearer {token}"))], None).await
    };
    files.write("token", "staple-staple-staple\n");
    assert_eq!(asked("GET", "/v1/self", "correct-horse-battery").await.status, 200, "it is not read yet");
    let reply = asked("POST", "/v1/reload", "correct-horse-battery").await;
    let told: Reloaded = reply.json();
    assert_eq!(keys(&told.changed), ["http_token"], "{told:?}");
    assert!(!reply.text().contains("staple"), "a token is never told");
    asked("GET", "/v1/self", "correct-horse-battery").await.error(401);
    let again: Reloaded = asked("POST", "/v1/reload", "staple-staple-staple").await.json();
    assert_eq!(again.changed, []);

    files.write("token", "short\n");
    asked("POST", "/v1/reload", "staple-staple-staple").await.error(422);
    assert_eq!(asked("GET", "/v1/self", "staple-staple-staple").await.status, 200, "the old one still holds");
}

/// A copy of its data directory runs elsewhere in a greater life, so the node is made anew under another id, with what is in force by then.
#[tokio::test]
async fn a_node_that_is_made_anew_keeps_what_was_reloaded() {
    let files = Files::new();
    let (original, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = files.write("agent.toml", "tags = { role = \"web\" }\n");
    let kept = |dir: &Path| Config { data_dir: Some(dir.into()), ..from_file("a", &path) };
    start(kept(original.path())).await.crash().await;
    for file in std::fs::read_dir(original.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    for _ in 0..2 {
        start(kept(copy.path())).await.crash().await; // its next epoch is the greater one
    }
    let agent = start(kept(original.path())).await;
    let before: SelfInfo = get(&agent, "/v1/self").await;
    files.write("agent.toml", "tags = { role = \"db\" }\nvitals_budget = 1\n");
    let told: Reloaded = reload(&agent).await.json();
    assert_eq!(keys(&told.changed), ["tags", "vitals_budget"], "{told:?}");
    let changed: SelfInfo = get(&agent, "/v1/self").await;
    assert!(changed.vitals_interval_s > before.vitals_interval_s, "one byte a second is little");

    let mut joining = kept(copy.path());
    joining.join = vec![gossip(&agent).to_string().parse().unwrap()];
    let _copy = start(joining).await;
    let at = http(&agent);
    let running = tokio::spawn(agent.until(std::future::pending()));
    let anew = until("the node is made anew", async || {
        let reply = send(at, "GET", "/v1/self", &[("host", &at.to_string())], None).await;
        let info: SelfInfo = (reply.status == 200).then(|| reply.json())?;
        info.member.copied_from.is_some().then_some(info)
    })
    .await;
    assert_ne!(anew.member.id, before.member.id);
    assert_eq!(anew.member.tags["role"], "db");
    assert!(anew.vitals_interval_s > before.vitals_interval_s, "{anew:?}");
    running.abort();
}
