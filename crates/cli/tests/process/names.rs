//! Seeds by name, on a machine whose name server is silent: `/etc/hosts` counts, and one dead name delays nobody.

use super::agent::{Agent, DEADLINE_S, Setup, Story, converge};
use rumormill_testkit::needs;
use rumormill_testkit::ports::loopback_host;
use rumormill_testkit::wait;
use std::net::UdpSocket;
use std::process::Command;

/// A name server that says nothing, for as long as it is kept.
struct Silent {
    socket: UdpSocket,
    address: String,
}

impl Silent {
    fn new() -> Silent {
        let address = loopback_host().to_string();
        let socket = UdpSocket::bind((address.as_str(), 53)).unwrap();
        socket.set_nonblocking(true).unwrap();
        Silent { socket, address }
    }

    /// Whether it was asked about that name.
    fn was_asked(&self, label: &str) -> bool {
        let mut packet = [0; 1_500];
        let mut asked = false;
        while let Ok(length) = self.socket.recv(&mut packet) {
            asked |= packet[..length].windows(label.len()).any(|bytes| bytes == label.as_bytes());
        }
        asked
    }
}

/// The setup on a machine with these lines in `/etc/hosts` and that name server, for which each query waits for half a minute.
fn launch<'a>(story: &'a Story, setup: Setup<'a>, hosts: &str, server: &Silent) -> Agent<'a> {
    let (hosts_file, resolv) = (story.dir().join("hosts"), story.dir().join("resolv.conf"));
    std::fs::write(&hosts_file, format!("127.0.0.1 localhost\n{hosts}\n")).unwrap();
    std::fs::write(&resolv, format!("nameserver {}\noptions timeout:30 attempts:5\n", server.address))
        .unwrap();
    let inner = setup.command();
    let mut command = Command::new("unshare");
    let script =
        "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/resolv.conf && shift 2 && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(hosts_file).arg(resolv);
    command.arg(inner.get_program()).args(inner.get_args());
    let agent = setup.launch_as(command);
    wait::until("it answers", DEADLINE_S, || agent.ask("/healthz"));
    agent
}

/// How the seed of that name stands.
fn stands(agent: &Agent, name: &str) -> (String, u64) {
    let info = agent.info();
    let seed = info["seeds"].as_array().and_then(|all| all.iter().find(|seed| seed["seed"] == name).cloned());
    let seed = seed.unwrap_or_default();
    (seed["state"].as_str().unwrap_or_default().to_string(), seed["tries"].as_u64().unwrap_or(0))
}

#[test]
fn a_name_in_hosts_is_joined_while_the_name_server_is_silent_and_so_is_an_address() {
    needs!("root", "unshare");
    let (story, server) = (Story::new("names-hosts"), Silent::new());
    let members: Vec<Agent> = ["n0", "n1", "n2"].map(|name| story.agent(name).start()).into();
    let ip = |at: usize| members[at].setup.bind.split(':').next().unwrap().to_string();
    let hosts = format!("{} by-hosts\n{} by-hosts-too", ip(0), ip(1));
    // Dead names first: nobody waits for them. Without a port, services are asked for, which are not waited for either.
    let joiner =
        story.agent("n3").flag("--join", "dead.example.org:7900").flag("--join", "other-dead.example.org");
    let joiner = joiner.flag("--join", "by-hosts:7900").flag("--join", "by-hosts-too");
    let joiner = joiner.flag("--join", &members[2].setup.bind);
    let joiner = launch(&story, joiner, &hosts, &server);
    converge(&[&members[0], &members[1], &members[2], &joiner]);
    assert!(server.was_asked("dead"), "the name server was asked, and has not answered");
    let (state, tries) = stands(&joiner, "dead.example.org:7900");
    assert!(state == "trying" || state == "failing" && tries <= 1, "it was not waited for: {state} {tries}");
    wait::until_true("the dead name is told of", DEADLINE_S, || {
        stands(&joiner, "dead.example.org:7900").0 == "failing"
            && joiner.process.log().contains("seed dead.example.org:7900: the name servers are slow")
    });
}

#[test]
fn an_agent_ends_while_a_name_is_still_looked_up() {
    needs!("root", "unshare");
    let (story, server) = (Story::new("names-end"), Silent::new());
    let setup = story.agent("n0").flag("--join", "dead.example.org:7900");
    let mut agent = launch(&story, setup, "", &server);
    wait::until_true("the name is asked for", DEADLINE_S, || server.was_asked("dead"));
    agent.process.interrupt();
    // The look-up would take five times half a minute.
    assert_eq!(agent.process.wait(DEADLINE_S).code(), Some(0), "{}", agent.process.log());
}

#[test]
fn a_name_server_of_the_operators_choice_that_is_silent_does_not_hold_up_hosts() {
    needs!("root", "unshare");
    let (story, server) = (Story::new("names-server"), Silent::new());
    let member = story.agent("n0").start();
    let ip = member.setup.bind.split(':').next().unwrap().to_string();
    let setup = story.agent("n1").flag("--dns-server", &server.address).flag("--join", "by-hosts:7900");
    let joiner = launch(&story, setup, &format!("{ip} by-hosts"), &server);
    converge(&[&member, &joiner]);
    assert!(!server.was_asked("by-hosts"), "hosts had it");
}
