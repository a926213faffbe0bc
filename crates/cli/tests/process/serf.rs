//! Clients made for Serf, unchanged, on our agents: the `serf` command, and Python's `serfclient`.

use super::agent::{Agent, DEADLINE_S, Setup, Story, all_hold, converge, program};
use rumormill_testkit::process::{Guard, run};
use rumormill_testkit::{needs, wait};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// Where an agent answers Serf's RPC.
fn rpc(bind: &str) -> String {
    format!("{}:7373", bind.rsplit_once(':').expect("an address has a port").0)
}

trait ForSerf {
    /// With Serf's RPC on the agent's own address.
    fn for_serf(self) -> Self;
}

impl ForSerf for Setup<'_> {
    fn for_serf(self) -> Self {
        let address = rpc(&self.bind);
        self.flag("--serf-rpc", &address)
    }
}

/// So many agents with a tag each, and Serf's RPC.
fn cluster(story: &Story, count: usize) -> Vec<Agent<'_>> {
    let mut agents: Vec<Agent<'_>> = Vec::new();
    for nth in 0..count {
        let role = if nth == 0 { "role=db" } else { "role=web" };
        let setup = story.agent(&format!("n{nth}")).for_serf().flag("--tag", role);
        let setup = if nth == 0 { setup } else { setup.join(&agents[0]) };
        agents.push(setup.start());
    }
    converge(&agents.iter().collect::<Vec<_>>());
    agents
}

/// Runs `serf COMMAND … WORDS` on an agent: whether it ended well, and all it said.
fn serf(agent: &Agent, words: &[&str]) -> (bool, String) {
    let mut command = Command::new("serf");
    command.arg(words[0]).arg(format!("-rpc-addr={}", rpc(&agent.setup.bind))).args(&words[1..]);
    let output = command.output().unwrap_or_else(|e| panic!("{words:?}: {e}"));
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The same, which must end well.
fn serf_ok(agent: &Agent, words: &[&str]) -> String {
    let (is_ok, said) = serf(agent, words);
    assert!(is_ok, "serf {words:?}: {said}");
    said
}

/// Waits until all know what was published before they came, so that they are told all that follows.
fn joined(agents: &[Agent]) {
    wait::until_true("all know what was before them", DEADLINE_S, || {
        agents.iter().all(|agent| agent.info()["events"]["joined"] == true)
    });
}

/// The members that `serf members` shows, by name.
fn shown(agent: &Agent, words: &[&str]) -> BTreeMap<String, Value> {
    let said = serf_ok(agent, &[&["members", "-format=json"], words].concat());
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    let members = said["members"].as_array().cloned().unwrap_or_default();
    members.into_iter().map(|member| (member["name"].as_str().unwrap_or_default().into(), member)).collect()
}

fn names(members: &BTreeMap<String, Value>) -> Vec<&str> {
    members.keys().map(String::as_str).collect()
}

#[test]
fn the_serf_command_shows_the_members_that_ours_shows_and_forgets_the_dead() {
    needs!("serf");
    let story = Story::new("serf-members");
    let mut agents = cluster(&story, 3);
    let ours = agents[1].cli_json(&["members"]);
    let ours = ours["members"].as_array().unwrap();
    let theirs = shown(&agents[1], &[]);
    assert_eq!(theirs.len(), ours.len());
    for member in ours {
        let shown = &theirs[member["name"].as_str().unwrap()];
        assert_eq!(
            (&shown["addr"], &shown["tags"], &shown["status"]),
            (&member["addresses"][0], &member["tags"], &json!("alive")),
            "{shown} {member}"
        );
    }
    assert_eq!(names(&shown(&agents[0], &["-tag", "role=w.*"])), ["n1", "n2"]);
    assert_eq!(names(&shown(&agents[0], &["-name=n[02]", "-status=alive|failed"])), ["n0", "n2"]);
    assert!(shown(&agents[0], &["-status=left"]).is_empty());
    assert!(serf_ok(&agents[0], &["members", "-detailed"]).contains("Protocol Version: 1"));
    let (is_ok, said) = serf(&agents[0], &["members", "-name=("]);
    assert!(!is_ok && said.contains("Failed to compile regex"), "{said}");

    agents[2].process.kill();
    all_hold(&agents[..2], "n2", "failed");
    assert_eq!(names(&shown(&agents[0], &["-status=failed"])), ["n2"]);
    let (is_ok, said) = serf(&agents[0], &["force-leave", "n1"]);
    assert!(!is_ok && said.contains("is alive"), "{said}");
    serf_ok(&agents[0], &["force-leave", "-prune", "n2"]);
    wait::until_true("n2 is on nobody's list", DEADLINE_S, || {
        agents[..2].iter().all(|agent| agent.status("n2").is_none())
    });
    serf_ok(&agents[0], &["force-leave", "n2"]); // again: Serf calls it a success

    serf_ok(&agents[1], &["leave"]);
    assert!(agents[1].process.wait(DEADLINE_S).success());
    all_hold(&agents[..1], "n1", "left");
    assert_eq!(names(&shown(&agents[0], &["-status=left"])), ["n1"]);
}

#[test]
fn the_serf_command_joins_tags_publishes_and_looks_around() {
    needs!("serf");
    let story = Story::new("serf-commands");
    let mut agents = cluster(&story, 2);
    let late = story.agent("n2").for_serf().start();
    let said = serf_ok(&late, &["join", &agents[0].setup.bind, &agents[1].setup.bind]);
    assert!(said.contains("by contacting 2 nodes"), "{said}");
    agents.push(late);
    converge(&agents.iter().collect::<Vec<_>>());
    let (is_ok, said) = serf(&agents[0], &["join", "127.0.0.1:1"]);
    assert!(!is_ok && said.contains("Error joining the cluster"), "{said}");

    serf_ok(&agents[2], &["tags", "-set", "role=cache", "-set", "rack=7"]);
    wait::until_true("the others see the tags", DEADLINE_S, || {
        agents[0].member("n2").is_some_and(|m| m["tags"] == json!({ "role": "cache", "rack": "7" }))
    });
    serf_ok(&agents[2], &["tags", "-delete", "rack"]);
    wait::until_true("the others see that one is gone", DEADLINE_S, || {
        agents[0].member("n2").is_some_and(|m| m["tags"] == json!({ "role": "cache" }))
    });

    joined(&agents);
    assert!(serf_ok(&agents[0], &["event", "-coalesce=false", "deploy", "v1 größer"]).contains("dispatched"));
    for agent in &agents {
        wait::until_true("the event is told everywhere", DEADLINE_S, || {
            let page = agent.ask("/v1/events?cursor=start").unwrap_or_default();
            let is_it = |event: &Value| event["name"] == "deploy" && event["payload"] == "v1 größer";
            page["events"].as_array().is_some_and(|events| events.iter().any(is_it))
        });
    }
    let (is_ok, said) = serf(&agents[0], &["event", "line\nbreak"]);
    assert!(!is_ok && said.contains("control characters"), "{said}");

    let info: Value = serde_json::from_str(&serf_ok(&agents[2], &["info", "-format=json"])).unwrap();
    assert_eq!((&info["agent"]["name"], &info["tags"]), (&json!("n2"), &json!({ "role": "cache" })));
    assert_eq!((&info["serf"]["members"], &info["serf"]["encrypted"]), (&json!("3"), &json!("true")));
    let said = serf_ok(&agents[1], &["reachability", "-verbose"]);
    assert!(said.contains("Successfully contacted all live nodes"), "{said}");
    assert_eq!(said.matches("Ack from").count(), 3, "{said}");
    let (is_ok, said) = serf(&agents[1], &["rtt", "n0"]);
    assert!(!is_ok && said.contains("Could not find a coordinate"), "{said}");
}

#[test]
fn the_serf_command_rotates_the_key_of_all_members_and_sees_no_key() {
    needs!("serf");
    let story = Story::new("serf-keys");
    let agents = cluster(&story, 3);
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap().trim().to_string();
    let (old, new) = (read(&story.dir().join("key")), read(&story.other_key()));
    let fingerprint = |agent: &Agent| agent.info()["keys"][0].as_str().unwrap().to_string();
    let before = fingerprint(&agents[0]);
    let said = serf_ok(&agents[0], &["keys", "-list"]);
    assert!(said.contains(&before) && said.contains("[3/3]") && !said.contains(&old), "{said}");
    serf_ok(&agents[0], &["keys", &format!("-install={new}")]);
    serf_ok(&agents[0], &["keys", &format!("-use={new}")]);
    assert!(agents.iter().all(|agent| fingerprint(agent) != before));
    let (is_ok, said) = serf(&agents[1], &["keys", &format!("-remove={new}")]);
    assert!(!is_ok && said.contains("have all use another one first"), "{said}");
    serf_ok(&agents[1], &["keys", &format!("-remove={before}")]);
    let said = serf_ok(&agents[2], &["keys", "-list"]);
    assert!(!said.contains(&before) && said.contains(&fingerprint(&agents[2])), "{said}");
    let (is_ok, said) = serf(&agents[0], &["keys", "-install=TYCJS0sHFMqFzWl/4/ryYg=="]);
    assert!(!is_ok && said.contains("32 bytes") && !said.contains("TYCJ"), "{said}");
}

#[test]
fn serf_monitor_follows_events_members_and_log_lines() {
    needs!("serf");
    let story = Story::new("serf-monitor");
    let mut agents = cluster(&story, 2);
    joined(&agents);
    let mut command = Command::new("serf");
    command.args(["monitor", "-log-level=debug", &format!("-rpc-addr={}", rpc(&agents[0].setup.bind))]);
    let mut monitor = Guard::spawn(command, &story.dir().join("monitor.log"));
    let sees = |what: &str| {
        wait::until_true(&format!("serf monitor shows {what}"), DEADLINE_S, || monitor.log().contains(what));
    };
    sees("[INFO] rumormill_agent"); // what was logged before it came
    serf_ok(&agents[1], &["event", "deploy", "v1"]);
    sees("Name: \"deploy\"");
    sees("Event: \"user\"");
    agents[1].process.kill();
    sees("Event: \"member-failed\"");
    sees("[WARN] rumormill_agent");
    assert!(!agents[0].process.log().contains("DEBUG"), "its own log stays as it was set");
    agents.truncate(0);
    assert!(!monitor.wait(DEADLINE_S).success(), "it sees that the agent is gone");
}

/// A request as bytes: its header, and a body as it is.
fn request(command: &str, seq: u8, body: &[u8]) -> Vec<u8> {
    let text = |text: &str| [&[0xa0 | text.len() as u8], text.as_bytes()].concat();
    [&[0x82][..], &text("Command"), &text(command), &text("Seq"), &[seq], body].concat()
}

/// Sends bytes, and reads until `what` is among what came back, or the connection is ended; returns what came.
fn said(stream: &mut TcpStream, bytes: &[u8], what: &str) -> String {
    stream.write_all(bytes).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(DEADLINE_S))).unwrap();
    let (mut came, mut buffer) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&came).contains(what) {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => came.extend_from_slice(&buffer[..count]),
        }
    }
    let came = String::from_utf8_lossy(&came).into_owned();
    assert!(came.contains(what), "{what:?} is not among {came:?}");
    came
}

const HELLO: &[u8] = b"\x81\xa7Version\x01";

#[test]
fn what_is_no_request_gets_serfs_errors_and_disturbs_nobody_else() {
    let story = Story::new("serf-hostile");
    let agent = story.agent("n0").for_serf().start();
    let connect = || TcpStream::connect(rpc(&agent.setup.bind)).unwrap();
    let mut good = connect();
    said(&mut good, &request("handshake", 1, HELLO), "Seq\x01");
    let ends = |mut stream: TcpStream| assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)));

    let mut hasty = connect();
    said(&mut hasty, &request("members", 7, b""), "Handshake required");
    ends(hasty);
    let mut later = connect();
    said(&mut later, &request("handshake", 1, b"\x81\xa7Version\x02"), "Unsupported IPC version");
    said(&mut later, &request("handshake", 2, HELLO), "Seq\x02"); // the same connection may try again
    said(&mut later, &request("handshake", 3, HELLO), "Handshake already performed");
    said(&mut later, &request("event", 4, b"\x81\xa4Name\x05"), "decode failed");
    said(&mut later, &request("respond", 5, b"\x81\xa2ID\x09"), "No pending queries matching ID");
    said(&mut later, &request("stream", 6, b"\x81\xa4Type\xa5bogus"), "Invalid event filter");
    said(&mut later, &request("monitor", 7, b"\x81\xa8LogLevel\xa4loud"), "Unknown log level: LOUD");
    said(&mut later, &request("fly", 8, b""), "Unsupported command");
    ends(later);
    let mut page = connect();
    said(&mut page, b"POST /v1/leave HTTP/1.1\r\nHost: x\r\n\r\n", "decode failed");
    ends(page);
    let mut greedy = connect();
    said(&mut greedy, b"\xdf\xff\xff\xff\xff", "decode failed");
    ends(greedy);

    said(&mut good, &request("members", 2, b""), "n0");
    assert!(agent.counted("serf_rpc_refused") >= 9, "{}", agent.info()["counters"]);
}

#[test]
fn a_token_is_asked_for_and_its_absence_away_from_loopback_is_an_error() {
    needs!("serf");
    let story = Story::new("serf-auth");
    let token = story.dir().join("token");
    std::fs::write(&token, "0123456789abcdef\n").unwrap();
    let setup = story.agent("n0").for_serf().flag("--serf-rpc-auth-file", &token.display().to_string());
    let agent = setup.start();
    let (is_ok, said) = serf(&agent, &["members"]);
    assert!(!is_ok && said.contains("Authentication required"), "{said}");
    let (is_ok, said) = serf(&agent, &["members", "-rpc-auth=wrong"]);
    assert!(!is_ok && said.contains("Invalid authentication token"), "{said}");
    assert!(serf_ok(&agent, &["members", "-rpc-auth=0123456789abcdef"]).contains("n0"));

    let mut check = Command::new(program());
    let checked = check.args(["config", "check", "--serf-rpc", "10.0.0.5:7373"]).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(!checked.status.success() && said.contains("serf_rpc_auth_file"), "{said}");
}

/// What the library is asked to do, and what it must see. Its older versions give keys as bytes.
const SCRIPT: &str = r#"
import json, sys
from serfclient.client import SerfClient

def plain(value):
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return list(value)
    if isinstance(value, dict):
        return {plain(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value

host, port = sys.argv[1], int(sys.argv[2])
client, listener = (SerfClient(host=host, port=port, timeout=60) for _ in range(2))
stream = listener.stream('user:deploy')
assert plain(stream.head)['Error'] == ''
said = {'members': plain(client.members().body), 'stats': plain(client.stats().body)}
said['event'] = plain(client.event('deploy', 'v1', coalesce=False).head)
said['streamed'] = plain(next(stream.body).body)
change = {'Tags': {'role': 'cache'}, 'DeleteTags': ['rack']}
said['tags'] = plain(client.connection.call('tags', change, expect_body=False).head)
said['filtered'] = plain(client.members(tags={'role': 'cac.*'}, status='alive').body)
said['forgotten'] = plain(client.force_leave('nobody').head)
client.close()
print(json.dumps(said))
"#;

#[test]
fn pythons_serfclient_works_unchanged() {
    needs!("serfclient");
    let story = Story::new("serfclient");
    let agents = cluster(&story, 3);
    joined(&agents);
    let address = rpc(&agents[0].setup.bind);
    let (host, port) = address.rsplit_once(':').unwrap();
    let said = run(Command::new("python3").args(["-c", SCRIPT, host, port]));
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    let names = |members: &Value| -> Vec<String> {
        let members = members["Members"].as_array().cloned().unwrap_or_default();
        members.iter().map(|member| member["Name"].as_str().unwrap_or_default().into()).collect()
    };
    assert_eq!(names(&said["members"]), ["n0", "n1", "n2"], "{said:#}");
    assert_eq!(said["stats"]["serf"]["members"], "3");
    assert_eq!((&said["event"]["Error"], &said["tags"]["Error"]), (&json!(""), &json!("")));
    let streamed = &said["streamed"];
    assert_eq!(
        (&streamed["Event"], &streamed["Name"], &streamed["Payload"], &streamed["Coalesce"]),
        (&json!("user"), &json!("deploy"), &json!("v1"), &json!(false)),
        "{said:#}"
    );
    assert_eq!(names(&said["filtered"]), ["n0"]);
    assert_eq!(said["forgotten"]["Error"], "");
}

/// Answers the first query called `load` with its payload in capitals, over the connection on which it was told of it.
const ANSWERER: &str = r#"
import sys, msgpack
from serfclient.client import SerfClient
client = SerfClient(host=sys.argv[1], port=int(sys.argv[2]), timeout=60)
stream = client.stream('query:load')
print('listening', flush=True)
asked = {(k.decode() if isinstance(k, bytes) else k): v for k, v in next(stream.body).body.items()}
payload = asked['Payload'] if isinstance(asked['Payload'], bytes) else asked['Payload'].encode()
head = msgpack.packb({'Seq': 99, 'Command': 'respond'})
client.connection._socket.sendall(head + msgpack.packb({'ID': asked['ID'], 'Payload': payload.upper()}))
client.connection._socket.recv(4096)
"#;

#[test]
fn the_serf_command_asks_members_and_is_told_who_acknowledged() {
    needs!("serf");
    let story = Story::new("serf-query");
    let agents = cluster(&story, 3);
    joined(&agents);
    let said = serf_ok(&agents[0], &["query", "-timeout=2s", "-tag", "role=we", "load", "x"]);
    assert!(said.contains("Ack from 'n1'") && said.contains("Ack from 'n2'"), "{said}");
    assert!(said.contains("Total Acks: 2") && said.contains("Total Responses: 0"), "{said}");
    let said = serf_ok(&agents[0], &["query", "-timeout=2s", "-node=n1", "load"]);
    assert!(said.contains("Total Acks: 1"), "{said}");
}

#[test]
fn a_client_made_for_serf_answers_a_query_of_the_serf_command() {
    needs!("serf", "serfclient");
    let story = Story::new("serf-respond");
    let agents = cluster(&story, 2);
    joined(&agents);
    let address = rpc(&agents[1].setup.bind);
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut answerer = Command::new("python3");
    answerer.args(["-c", ANSWERER, host, port]);
    let answerer = Guard::spawn(answerer, &story.dir().join("answerer.log"));
    wait::until_true("the client hears", DEADLINE_S, || answerer.log().contains("listening"));
    let said = serf_ok(&agents[0], &["query", "-timeout=3s", "load", "how much?"]);
    assert!(said.contains("Response from 'n1': HOW MUCH?"), "{said}");
    assert!(said.contains("Total Acks: 2") && said.contains("Total Responses: 1"), "{said}");
}

#[test]
fn the_serf_command_is_told_when_the_agent_has_all_the_clients_that_it_takes() {
    needs!("serf");
    let story = Story::new("serf-full");
    let agent = story.agent("n0").for_serf().start();
    // As many as one address may have, each with a stream, so that none of them makes room.
    let clients: Vec<TcpStream> = (0..48)
        .map(|_| {
            let mut stream = TcpStream::connect(rpc(&agent.setup.bind)).unwrap();
            for request in [
                &b"\x82\xa7Command\xa9handshake\xa3Seq\x00\x81\xa7Version\x01"[..],
                b"\x82\xa7Command\xa6stream\xa3Seq\x01\x81\xa4Type\xa1*",
            ] {
                stream.write_all(request).unwrap();
                stream.read_exact(&mut [0; 13]).unwrap();
            }
            stream
        })
        .collect();
    for words in [&["members"][..], &["event", "x"], &["monitor"]] {
        let (is_ok, said) = serf(&agent, words);
        assert!(!is_ok && said.contains("one address may have"), "{words:?}: {said}");
    }
    drop(clients);
    wait::until_true("there is room again", DEADLINE_S, || serf(&agent, &["members"]).0);
}
