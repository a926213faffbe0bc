//! The environment: where an agent listens, and where a command asks, are told by variables of different names.

use super::agent::{DEADLINE_S, Story, program};
use rumormill_testkit::ports::loopback_host;
use rumormill_testkit::process::{Guard, run};
use rumormill_testkit::wait;
use std::process::Command;

#[test]
fn an_agent_started_where_commands_ask_another_one_listens_on_its_own() {
    let story = Story::new("environment");
    let (own, asked) = (format!("{}:7901", loopback_host()), format!("{}:7901", loopback_host()));
    let agent = |name: &str, listens: &str, asks: &str, join: &str| {
        let mut command = Command::new(program());
        command.args(["agent", "--exit-with-stdin"]);
        for (variable, value) in [
            ("NAME", name),
            ("BIND", listens.replace("7901", "7900").as_str()),
            ("KEY_FILE", story.dir().join("key").display().to_string().as_str()),
            ("DATA_DIR", story.dir().join(name).display().to_string().as_str()),
            ("LISTEN_HTTP", listens),
            ("LISTEN_SOCKET", "off"),
            ("HTTP", asks),
            ("SOCKET", ""),
            ("JOIN", join),
            ("ADVERTISE", ""),
            ("VITALS", ""),
            ("ON", "query:where=echo $RUMORMILL_HTTP ${RUMORMILL_SOCKET-no socket}"),
        ] {
            command.env(format!("RUMORMILL_{variable}"), value);
        }
        Guard::spawn(command, &story.dir().join(format!("{name}.log")))
    };
    let _first = agent("n0", &asked, &asked, "");
    // Its shell asks the first one.
    let second =
        agent("n1", &own, &asked, &format!("{}:1,{}", loopback_host(), asked.replace("7901", "7900")));
    let says = |words: &[&str]| {
        let output = Command::new(program())
            .args(words)
            .env("RUMORMILL_HTTP", &own)
            .env_remove("RUMORMILL_SOCKET")
            .output();
        String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
    };
    wait::until_true("the second one has joined, and is asked where it listens", DEADLINE_S, || {
        let members = says(&["members"]);
        members.contains("n1 (self)") && members.contains("2 alive")
    });
    let answers = says(&["query", "where"]);
    for line in [format!("n0: {asked} no socket"), format!("n1: {own} no socket")] {
        assert!(answers.lines().any(|answer| answer == line), "{line} is not in\n{answers}");
    }
    drop(second);
    let checked = run(Command::new(program())
        .args(["config", "check", "--data-dir", "none"])
        .env("RUMORMILL_HTTP", &asked)
        .env("RUMORMILL_LISTEN_HTTP", ""));
    let http = checked.lines().find(|line| line.starts_with("http ")).unwrap_or_default().to_owned();
    assert_eq!(
        http.split_whitespace().collect::<Vec<_>>(),
        ["http", "127.0.0.1:7901", "default"],
        "{checked}"
    );
}
