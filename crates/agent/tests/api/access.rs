//! Who may ask, and what becomes of bad requests.

use crate::harness::*;
use rumormill_agent::http::serve::Listener;
use rumormill_agent::model::*;
use rumormill_agent::start::{self, RunError};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

/// A page of evil.example has that name point to 127.0.0.1 once it is loaded, and then asks "its own server".
#[tokio::test]
async fn a_web_page_can_neither_read_nor_drive_an_agent_on_loopback() {
    let mut config = config("a");
    config.http_hosts = vec!["gossip.example".into()];
    let agent = start(config).await;
    let at = http(&agent);
    let own = at.to_string();
    let origin = format!("http://{own}");
    let post = json!({ "tags": { "owned": "yes" } }).to_string().into_bytes();
    let foreign: [&[(&str, &str)]; 6] = [
        &[("host", "evil.example:7901")],
        &[("host", "evil.example"), ("origin", "http://evil.example")],
        &[("host", &own), ("origin", "http://evil.example")],
        &[("host", &own), ("origin", "null")],
        &[("host", &own), ("sec-fetch-site", "cross-site")],
        &[],
    ];
    for headers in foreign {
        let error = send(at, "GET", "/v1/members", headers, None).await.error(403);
        assert!(
            error.error.contains("host")
                || error.error.contains("page")
                || error.error.contains("name")
                || error.error.contains("browser"),
            "{error:?}"
        );
        send(at, "PUT", "/v1/tags", headers, Some(post.clone())).await.error(403);
        send(at, "GET", "/metrics", headers, None).await.error(403);
    }
    let fine: [&[(&str, &str)]; 5] = [
        &[("host", &own)],
        &[("host", "localhost")],
        &[("host", "gossip.example:7901")],
        &[("host", &own), ("origin", &origin)],
        &[("host", &own), ("sec-fetch-site", "none")],
    ];
    for headers in fine {
        assert_eq!(send(at, "GET", "/v1/members", headers, None).await.status, 200, "{headers:?}");
    }
    assert!(get::<Tags>(&agent, "/v1/tags").await.tags.is_empty(), "nothing was changed");
    // What a page can send without asking first (a form) is not taken for JSON.
    let form = [("host", own.as_str()), ("content-type", "text/plain")];
    send(at, "PUT", "/v1/tags", &form, Some(post)).await.error(415);
}

#[tokio::test]
async fn an_address_that_others_reach_asks_for_the_token() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "correct-horse-battery\n").unwrap();
    let mut config = config("a");
    config.http = Some("0.0.0.0:0".parse().unwrap());
    let refused = start::start(config.clone()).await;
    assert!(matches!(refused, Err(RunError::NoToken(_))), "without a token it does not start");
    config.http_token_file = Some(token.clone());
    let agent = start(config.clone()).await;
    let at = http(&agent);
    for wrong in
        ["", "Bearer", "Bearer wrong-horse-battery", "Basic correct-horse-battery", "correct-horse-battery"]
    {
        for path in ["/v1/members", "/metrics", "/healthz", "/nowhere"] {
            let reply =
                send(at, "GET", path, &[("host", "any.example"), ("authorization", wrong)], None).await;
            reply.error(401);
            assert_eq!(reply.headers["www-authenticate"], "Bearer");
        }
    }
    let right = [("host", "any.example"), ("authorization", "bearer correct-horse-battery")];
    assert_eq!(send(at, "GET", "/v1/members", &right, None).await.status, 200);
    std::fs::write(&token, "short").unwrap();
    assert!(
        matches!(start::start(config).await, Err(RunError::Token { .. })),
        "a token must be hard to guess"
    );
}

#[tokio::test]
async fn the_unix_socket_is_its_owners_alone_and_outlives_no_agent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let mut config = config("a");
    (config.http, config.socket) = (None, Some(path.clone()));
    // A dead agent left its socket: std's listener does not remove it.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let agent = start(config.clone()).await;
    let mode = std::fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let info: SelfInfo = send_unix(&path, "GET", "/v1/self", None).await.json();
    assert_eq!((info.member.name.as_str(), info.http), ("a", None));
    assert_eq!(info.socket.as_deref(), path.to_str());
    let second = start::start(config.clone()).await;
    assert!(matches!(second, Err(RunError::Socket { .. })), "a living agent's socket is not taken");
    assert_eq!(send_unix(&path, "GET", "/healthz", None).await.status, 200);
    agent.crash().await;
    assert!(!path.exists(), "it is gone with its agent");
    std::fs::write(&path, "precious").unwrap();
    assert!(Listener::unix(&path).await.is_err(), "a file that is no socket is not replaced");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left lying about");
}

#[tokio::test]
async fn a_bad_request_is_told_what_is_wrong_and_what_to_do() {
    let agent = start(config("a")).await;
    let put = async |body: &str| {
        let at = http(&agent);
        send(at, "PUT", "/v1/tags", &[("host", &at.to_string())], Some(body.as_bytes().to_vec())).await
    };
    let error = put(r#"{"tags": {}, "taggs": {}}"#).await.error(422);
    assert!(error.error.contains("taggs"), "{error:?}");
    put("{").await.error(400);
    put(r#"[{"n": "a list is no object, though serde would take it for one"}]"#).await.error(400);
    put("").await.error(400);
    put(r#"{"tags": {"n": 7}}"#).await.error(422);
    put(r#"{"tags": {"": "x"}}"#).await.error(400);
    put(&format!(r#"{{"tags": {{"n": "{}"}}}}"#, "n".repeat(600 * 1024))).await.error(413);
    ask(&agent, "POST", "/v1/join", Some(json!({ "addresses": [] }))).await.error(400);
    ask(&agent, "POST", "/v1/join", Some(json!({ "addresses": vec!["a"; 65] }))).await.error(400);
    let big = json!({ "addresses": ["x".repeat(70 * 1024)] });
    ask(&agent, "POST", "/v1/join", Some(big)).await.error(413);
    let joined: JoinResult =
        ask(&agent, "POST", "/v1/join", Some(json!({ "addresses": ["not a host"] }))).await.json();
    assert!(joined.addresses[0].error.as_ref().is_some_and(|e| e.contains("neither")), "{joined:?}");
    let itself = json!({ "addresses": [gossip(&agent).to_string()] });
    let joined: JoinResult = ask(&agent, "POST", "/v1/join", Some(itself)).await.json();
    assert!(
        joined.addresses[0].error.as_ref().is_some_and(|e| e.contains("this agent itself")),
        "{joined:?}"
    );
    ask(&agent, "GET", "/v1/nowhere", None).await.error(404);
    ask(&agent, "DELETE", "/v1/members", None).await.error(405);
    ask(&agent, "GET", "/v1/watch?since=yesterday", None).await.error(400);
}

#[tokio::test]
async fn faults_are_injected_only_where_the_agent_was_started_for_it() {
    let with_faults = |name: &str| {
        let mut config = config(name);
        config.faults = true;
        config
    };
    let agents = cluster([with_faults("a"), with_faults("b"), config("c")]).await;
    ask(&agents[2], "POST", "/v1/faults", Some(json!({ "clear": true }))).await.error(404);
    ask(&agents[2], "POST", "/v1/faults", Some(json!({ "nonsense": 1 }))).await.error(404);
    ask(&agents[0], "POST", "/v1/faults", Some(json!({ "nonsense": 1 }))).await.error(422);
    ask(&agents[0], "POST", "/v1/faults", Some(json!({ "loss": 1.5 }))).await.error(400);
    let id_of_c = get::<Member>(&agents[0], "/v1/members/c").await.id;
    for agent in &agents[..2] {
        let cut = json!({ "block": ["c", gossip(&agents[2]).to_string()] });
        let now: Faults = ask(agent, "POST", "/v1/faults", Some(cut)).await.json();
        assert_eq!(now.blocked, [id_of_c.clone(), gossip(&agents[2]).to_string()]);
    }
    for agent in &agents[..2] {
        until("c is lost", async || {
            (get::<Member>(agent, "/v1/members/c").await.status == Status::Failed).then_some(())
        })
        .await;
    }
    for agent in &agents[..2] {
        let now: Faults = ask(agent, "POST", "/v1/faults", Some(json!({ "clear": true }))).await.json();
        assert_eq!(now, Faults::default());
    }
    for agent in &agents {
        until_alive(agent, 3).await;
    }
}
