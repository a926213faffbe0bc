//! An agent as systemd runs it: the unit, and what the service manager is told.

use super::agent::{DEADLINE_S, Story, program};
use rumormill_testkit::process::Scratch;
use rumormill_testkit::{needs, wait};
use rustix::process::Signal;
use serde_json::Value;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    needs!("systemd-analyze");
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/systemd/rumormill.service");
    let text = std::fs::read_to_string(unit).unwrap();
    // It is verified with this program in the place of one that need not be installed here.
    let here = text.replace("/usr/bin/rumormill ", &format!("{} ", program()));
    assert_ne!(text, here);
    let scratch = Scratch::new("unit");
    let unit = scratch.join("rumormill.service");
    std::fs::write(&unit, here).unwrap();
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("rumormill")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

/// What the service manager hears next, if it comes in time.
fn heard(socket: &UnixDatagram, within: Duration) -> Option<String> {
    socket.set_read_timeout(Some(within)).unwrap();
    let mut buffer = [0; 4096];
    let bytes = socket.recv(&mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..bytes]).trim().to_owned())
}

#[test]
fn the_service_manager_hears_when_it_is_ready_that_it_lives_reloads_and_stops() {
    let story = Story::new("notify");
    let path = story.dir().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    let setup = story.agent("n0");
    let mut command = setup.command();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut agent = setup.launch_as(command);
    let deadline = Duration::from_secs(DEADLINE_S);
    // The next word that is not only a sign of life.
    let said = || loop {
        match heard(&socket, deadline).expect("the agent says something") {
            alive if alive == "WATCHDOG=1" => {}
            said => return said,
        }
    };

    assert_eq!(said(), "READY=1");
    assert!(agent.ask("/healthz").is_some(), "ready is who answers");
    for _ in 0..3 {
        assert_eq!(heard(&socket, deadline).as_deref(), Some("WATCHDOG=1"));
    }
    agent.process.stop();
    wait::until_true("a stopped agent gives no sign of life", DEADLINE_S, || {
        heard(&socket, Duration::from_secs(1)).is_none()
    });
    agent.process.resume();
    assert_eq!(heard(&socket, deadline).as_deref(), Some("WATCHDOG=1"));

    agent.process.signal(Signal::HUP);
    let reloading = said();
    let at = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap_or_else(|| panic!("{reloading}"));
    assert!(at.parse::<u64>().is_ok(), "{reloading}");
    assert_eq!(said(), "READY=1");

    agent.process.signal(Signal::TERM);
    assert_eq!(said(), "STOPPING=1");
    assert!(agent.process.wait(DEADLINE_S).success());
}

#[test]
fn logs_in_json_are_one_object_a_line_and_nothing_else_is_printed() {
    let story = Story::new("json-logs");
    let mut agent = story.agent("n0").flag("--log-format", "json").start();
    agent.process.signal(Signal::HUP);
    wait::until_true("the reload is told", DEADLINE_S, || agent.process.log().contains("read again"));
    agent.process.signal(Signal::TERM);
    assert!(agent.process.wait(DEADLINE_S).success());
    let log = agent.process.log();
    for line in log.lines() {
        let said: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["timestamp", "level", "target", "message"] {
            assert!(said[key].as_str().is_some_and(|text| !text.is_empty()), "{key} in {line}");
        }
    }
    assert!(log.lines().count() >= 3, "{log}");
}
