//! The cluster's keys: changed on running agents, and never given out.

use crate::harness::*;
use rumormill_agent::model::*;
use rumormill_agent::start::Running;
use rumormill_runtime::keyring::Key;
use serde_json::json;

async fn post(agent: &Running, path: &str, body: serde_json::Value) -> KeysList {
    let reply = ask(agent, "POST", path, Some(body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[tokio::test]
async fn a_running_cluster_changes_its_key_and_no_answer_ever_holds_one() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let path = dir.path().join("key");
    std::fs::write(&path, old.reveal()).unwrap();
    let with_key = |name: &str| {
        let mut config = config(name);
        config.key_file = Some(path.clone());
        config
    };
    let agents = cluster([with_key("a"), with_key("b")]).await;
    let (old_name, new_name) = (old.fingerprint().to_string(), new.fingerprint().to_string());
    for agent in &agents {
        let list = post(agent, "/v1/keys/install", json!({ "key": new.reveal() })).await;
        assert_eq!(list.keys.len(), 2);
        assert_eq!((&list.keys[0].fingerprint, list.keys[0].primary), (&old_name, true));
    }
    for agent in &agents {
        let list = post(agent, "/v1/keys/use", json!({ "fingerprint": new_name })).await;
        assert_eq!((&list.keys[0].fingerprint, list.keys[0].primary), (&new_name, true));
    }
    let error = ask(&agents[0], "POST", "/v1/keys/remove", Some(json!({ "fingerprint": new_name }))).await;
    error.error(409);
    for agent in &agents {
        assert_eq!(post(agent, "/v1/keys/remove", json!({ "fingerprint": old_name })).await.keys.len(), 1);
    }
    // A field without effect is refused, so that nobody relies on it.
    let idle = json!({ "action": "use", "fingerprint": new_name, "key": old.reveal() });
    let error = ask(&agents[0], "POST", "/v1/keys/everywhere", Some(idle)).await.error(400);
    assert!(error.error.contains("no effect") && !format!("{error:?}").contains(&old.reveal()), "{error:?}");
    // With the new key alone, they still hear each other.
    for (asked, about) in [(0, "b"), (1, "a")] {
        until("they answer under the new key", async || {
            get::<Ping>(&agents[asked], &format!("/v1/ping/{about}")).await.rtt_ms
        })
        .await;
    }
    until_alive(&agents[0], 2).await;
    let mut said = String::new();
    for path in ["/v1/keys", "/v1/self", "/v1/members", "/metrics", "/healthz", "/openapi.json", "/v1/tags"] {
        said += &ask(&agents[0], "GET", path, None).await.text();
    }
    // Nor does an error repeat what may be a key.
    let secret = new.reveal();
    for (path, body) in [
        ("/v1/keys/install", json!({ "key": format!("{secret}x") })),
        ("/v1/keys/install", json!({ secret.clone(): 1 })),
        ("/v1/keys/install", json!([secret])),
        ("/v1/keys/use", json!({ "fingerprint": secret })),
    ] {
        let reply = ask(&agents[0], "POST", path, Some(body)).await;
        reply.error(400);
        said += &reply.text();
    }
    for key in [&old, &new] {
        assert!(!said.contains(&key.reveal()) && !said.contains(&key.reveal()[..12]), "a key was given out");
    }
    assert!(said.contains(&new_name));
}

#[tokio::test]
async fn all_members_are_asked_by_one_request_and_no_answer_ever_holds_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let with_key = |name: &str| {
        let mut config = config(name);
        let path = dir.path().join(name);
        std::fs::write(&path, old.reveal()).unwrap();
        config.key_file = Some(path);
        config
    };
    let agents = cluster([with_key("a"), with_key("b")]).await;
    let path = "/v1/keys/everywhere";
    let rotate = json!({ "action": "rotate", "key": new.reveal() });
    let reply = ask(&agents[0], "POST", path, Some(rotate)).await;
    let mut said = reply.text();
    let course: KeysEverywhere = reply.json();
    assert!(course.done, "{course:?}");
    for member in &course.steps.last().unwrap().members {
        assert_eq!((member.result, member.kept), (KeysResult::Done, Some(KeysKept::File)));
        assert_eq!(member.keys, [new.fingerprint().to_string()]);
        let file = std::fs::read_to_string(dir.path().join(&member.name)).unwrap();
        assert_eq!(file.trim(), new.reveal(), "the key file's first line is the primary key");
    }
    let secret = new.reveal();
    for body in [
        json!({ "action": "install", "key": format!("{secret}x") }),
        json!({ "action": "use", "fingerprint": secret }),
        json!({ "action": secret }),
        json!({ secret.clone(): 1 }),
    ] {
        let reply = ask(&agents[0], "POST", path, Some(body)).await;
        reply.error(400);
        said += &reply.text();
    }
    assert!(!said.contains(&secret[..12]) && !said.contains(&old.reveal()[..12]), "{said}");
}

#[tokio::test]
async fn an_agent_without_a_key_says_so_and_takes_none() {
    let agent = start(config("a")).await;
    let list: KeysList = get(&agent, "/v1/keys").await;
    assert!(list.keys.is_empty() && list.note.contains("without a key"), "{list:?}");
    let key = Key::generate().unwrap().reveal();
    ask(&agent, "POST", "/v1/keys/install", Some(json!({ "key": key }))).await.error(409);
    ask(&agent, "POST", "/v1/keys/everywhere", Some(json!({ "action": "list" }))).await.error(409);
    let info: SelfInfo = get(&agent, "/v1/self").await;
    assert!(info.keys.is_empty() && info.warnings.iter().any(|w| w.contains("no cluster key")), "{info:?}");
}
