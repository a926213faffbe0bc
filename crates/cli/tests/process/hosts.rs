//! Two hosts with a cable between them, which loses packets, is cut, or lets no datagram through.

use super::agent::{Agent, DEADLINE_S, Story, converge};
use rumormill_testkit::netns::{Fault, Hosts};
use rumormill_testkit::{needs, wait};

/// Agents on each host.
const PER_HOST: u16 = 3;

/// So many agents on each of two hosts, one cluster.
fn spread<'a>(story: &'a Story, hosts: &'a Hosts) -> Vec<Agent<'a>> {
    let mut agents: Vec<Agent> = Vec::new();
    for host in 0..2 {
        for nth in 0..PER_HOST {
            let setup = story.agent_on(hosts, host, nth);
            let setup = if let Some(first) = agents.first() { setup.join(first) } else { setup };
            agents.push(setup.start());
        }
    }
    converge(&agents.iter().collect::<Vec<_>>());
    agents
}

/// Deaths that anybody has declared.
fn deaths(agents: &[Agent]) -> u64 {
    agents.iter().map(|agent| agent.counted("deaths")).sum()
}

#[test]
fn at_twenty_percent_loss_they_become_one_cluster_and_nobody_is_declared_failed() {
    needs!("root", "ip", "nft");
    let (story, hosts) = (Story::new("loss"), Hosts::new());
    hosts.fault(Fault::LossPercent(20));
    let agents = spread(&story, &hosts);
    wait::while_true("nobody is declared dead", 15.0, || deaths(&agents) == 0);
    hosts.fault(Fault::None);
    converge(&agents.iter().collect::<Vec<_>>());
}

#[test]
fn a_cut_cable_makes_two_clusters_and_a_mended_one_makes_them_one_again() {
    needs!("root", "ip", "nft");
    let (story, hosts) = (Story::new("cut"), Hosts::new());
    let agents = spread(&story, &hosts);
    let (left, right) = agents.split_at(usize::from(PER_HOST));
    hosts.fault(Fault::Cut);
    let lost = |side: &[Agent], other: &[Agent]| {
        side.iter().all(|agent| other.iter().all(|gone| agent.holds(gone.name(), "failed")))
    };
    wait::until_true("each side holds the other to be dead", DEADLINE_S, || {
        lost(left, right) && lost(right, left)
    });
    hosts.fault(Fault::None);
    converge(&agents.iter().collect::<Vec<_>>());
    for agent in &agents {
        assert_eq!(agent.info()["member"]["epoch"], 1, "{} mended without a restart", agent.name());
    }
}

#[test]
fn where_datagrams_are_blocked_members_stay_alive_over_streams() {
    needs!("root", "ip", "nft");
    let (story, hosts) = (Story::new("streams"), Hosts::new());
    let agents = spread(&story, &hosts);
    let (left, right) = agents.split_at(usize::from(PER_HOST));
    hosts.fault(Fault::NoDatagrams);
    wait::until_true(
        "somebody on each side finds that the other answers over streams alone",
        DEADLINE_S,
        || {
            let finds = |side: &[Agent], other: &[Agent]| {
                side.iter().any(|agent| {
                    other.iter().any(|m| agent.member(m.name()).is_some_and(|m| m["stream_only"] == true))
                })
            };
            finds(left, right) && finds(right, left)
        },
    );
    wait::while_true("nobody is declared dead", 10.0, || deaths(&agents) == 0);
    hosts.fault(Fault::None);
    converge(&agents.iter().collect::<Vec<_>>());
    wait::until_true("datagrams are used again", DEADLINE_S, || {
        agents.iter().all(|agent| agent.members().iter().all(|member| member["stream_only"] == false))
    });
}
