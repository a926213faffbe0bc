//! Where agents listen, and where they say that they are reached: all interfaces without a default route, link-local addresses, foreign addresses.

use super::agent::{Agent, DEADLINE_S, Setup, Story, converge};
use rumormill_testkit::needs;
use rumormill_testkit::netns::Hosts;
use rumormill_testkit::ports;
use rumormill_testkit::wait;

fn bound<'a>(mut setup: Setup<'a>, bind: &str) -> Setup<'a> {
    setup.bind = bind.into();
    setup
}

fn advertised(agent: &Agent) -> Vec<String> {
    let addresses = agent.info()["member"]["addresses"].clone();
    serde_json::from_value(addresses).unwrap_or_default()
}

fn warns(agent: &Agent, words: &str) -> bool {
    let warnings = agent.info()["warnings"].as_array().cloned().unwrap_or_default();
    warnings.iter().any(|warning| warning.to_string().contains(words))
}

/// Two hosts with a second network each, which does not lead to the other, and no default route.
fn two_homed() -> Hosts {
    let hosts = Hosts::new();
    for host in 0..2 {
        hosts.ip(host, &["link", "add", "inner", "type", "veth", "peer", "name", "inside"]);
        hosts.ip(host, &["addr", "add", &format!("10.77.{host}.1/24"), "dev", "inner"]);
        ["inner", "inside"].iter().for_each(|end| hosts.ip(host, &["link", "set", end, "up"]));
    }
    hosts
}

#[test]
fn on_all_interfaces_and_without_a_default_route_the_way_to_the_seed_is_advertised() {
    needs!("root", "ip", "nft");
    let (story, hosts) = (Story::new("links-any"), two_homed());
    let seed = format!("{}:7900", hosts.address(0));
    // The first knows no seed: it says at all of its addresses, until it meets somebody.
    let first = bound(story.agent_on(&hosts, 0, 0), "0.0.0.0:7900").start();
    assert!(warns(&first, "set --advertise"), "{:#}", first.info()["warnings"]);
    let second = bound(story.agent_on(&hosts, 1, 0), ":7900").flag("--join", &seed).start();
    assert_eq!(advertised(&second)[0], format!("{}:7900", hosts.address(1)));
    let third = bound(story.agent_on(&hosts, 1, 1), "0.0.0.0:7901").flag("--join", &seed).start();
    converge(&[&first, &second, &third]);
    wait::until_true("the first says where it is reached", DEADLINE_S, || {
        [&first, &second].iter().all(|agent| {
            let known = agent.member(first.name()).map(|member| member["addresses"][0] == seed.as_str());
            known == Some(true)
        })
    });
    wait::until_true("there is nothing to warn of any more", DEADLINE_S, || {
        !warns(&first, "set --advertise")
    });
    wait::while_true("nobody is suspected", 5.0, || {
        [&first, &second, &third].iter().all(|agent| agent.counted("deaths") == 0)
    });
}

#[test]
fn a_loopback_address_that_others_are_told_is_warned_of() {
    needs!("root", "ip");
    let (story, hosts) = (Story::new("links-loopback"), Hosts::new());
    hosts.ip(0, &["link", "set", "cable", "down"]);
    let lonely = bound(story.agent_on(&hosts, 0, 0), "0.0.0.0:7900").start();
    assert_eq!(advertised(&lonely), ["127.0.0.1:7900"]);
    assert!(warns(&lonely, "set --advertise"), "{:#}", lonely.info()["warnings"]);
    assert!(lonely.process.log().contains("set --advertise"), "{}", lonely.process.log());
    let told = bound(story.agent_on(&hosts, 1, 0), "0.0.0.0:7900").flag("--advertise", "127.0.0.1").start();
    assert!(
        warns(&told, "127.0.0.1:7900, which on their machines is themselves"),
        "{:#}",
        told.info()["warnings"]
    );
    // An interface that comes up later is found by the way to a member.
    hosts.ip(0, &["link", "set", "cable", "up"]);
    let seed = format!("{}:7900", hosts.address(1));
    wait::until_true("it joins", DEADLINE_S, || lonely.cli(&["join", &seed]).status.success());
    wait::until_true("it says where it is reached", DEADLINE_S, || {
        advertised(&lonely) == [format!("{}:7900", hosts.address(0))]
    });
    assert!(!warns(&lonely, "set --advertise"));
}

#[test]
fn an_agent_that_is_bound_to_loopback_is_told_that_it_cannot_join_elsewhere() {
    needs!("root", "ip");
    let (story, hosts) = (Story::new("links-bound"), Hosts::new());
    let other = story.agent_on(&hosts, 0, 0).start();
    let joiner = bound(story.agent_on(&hosts, 1, 0), "127.0.0.1:7900").join(&other).start();
    wait::until_true("it says why", DEADLINE_S, || {
        let log = joiner.process.log();
        log.contains("is beyond 127.0.0.1, where this node is bound") && log.contains("set --bind")
    });
    assert_eq!(other.members().len(), 1, "and it joins nobody who could not reach it");
}

#[test]
fn link_local_addresses_name_their_interface_and_make_a_cluster() {
    needs!("root", "ip");
    if !std::path::Path::new("/proc/net/if_inet6").exists() {
        return eprintln!("SKIPPED: this kernel has no IPv6");
    }
    let (story, hosts) = (Story::new("links-local"), Hosts::new());
    for host in 0..2 {
        hosts.ip(host, &["addr", "add", &format!("fe80::{}/64", host + 1), "dev", "cable", "nodad"]);
    }
    let first = bound(story.agent_on(&hosts, 0, 0), "[fe80::1%cable]:7900").start();
    let gossip = first.info()["gossip"].as_str().unwrap_or_default().to_string();
    assert!(gossip.starts_with("[fe80::1%"), "the interface is kept: {gossip}");
    let second =
        bound(story.agent_on(&hosts, 1, 0), "[fe80::2%cable]").flag("--join", "[fe80::1%cable]:7900").start();
    // The third learns of the first by gossip, where an address travels without its interface.
    let third = bound(story.agent_on(&hosts, 0, 1), "fe80::1%cable").flag("--join", "[fe80::2]:7900");
    let third = bound(third, "[fe80::1%cable]:7901").start();
    converge(&[&first, &second, &third]);
    wait::while_true("nobody is suspected", 3.0, || first.counted("deaths") + third.counted("deaths") == 0);
}

#[test]
fn a_foreign_address_is_answered_with_the_addresses_of_this_machine() {
    let story = Story::new("links-foreign");
    let free = ports::free();
    for (setup, flag) in [
        (story.agent_at("a", "192.0.2.55:7900"), "cannot listen on 192.0.2.55:7900"),
        (story.agent("b").http(&format!("192.0.2.55:{free}")), "the admin API cannot listen on"),
        (story.agent("c").flag("--serf-rpc", "192.0.2.55:7373"), "Serf's RPC cannot listen on"),
    ] {
        let token = story.dir().join("token");
        std::fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
        let token = token.to_str().unwrap();
        let setup = setup.flag("--http-token-file", token).flag("--serf-rpc-auth-file", token);
        let mut agent = setup.launch();
        assert_eq!(agent.process.wait(DEADLINE_S).code(), Some(1));
        let log = agent.process.log();
        assert!(log.contains(flag), "{log}");
        assert!(log.contains("no interface of this machine has 192.0.2.55; it has 127.0.0.1"), "{log}");
        assert!(!log.contains("running there"), "{log}");
    }
}

#[test]
fn a_port_alone_is_answered_with_what_to_write() {
    let story = Story::new("links-port");
    let mut agent = story.agent_at("a", "7900").launch();
    assert_ne!(agent.process.wait(DEADLINE_S).code(), Some(0));
    let log = agent.process.log();
    assert!(log.contains("write :7900 for all interfaces, or 127.0.0.1:7900 for this machine"), "{log}");
}
