//! The agent's composite protocol on the simulator: the same code that the agent runs, without keys.

mod composite;

use rumormill_agent::node::{Call, Node};
use rumormill_core::drive::Limits;
use rumormill_core::identity::{Life, NodeId, Unsigned};
use rumormill_core::payload::Payload;
use rumormill_core::time::{Duration, Time};
use rumormill_protocols::agree::lww::{self, Lww};
use rumormill_protocols::detect::phi::{self, Phi};
use rumormill_protocols::member::swim::{self, Status};
use rumormill_sim::{Sim, World};
use std::net::Ipv4Addr;

const SEED: u64 = 17;
const NODES: u64 = 50;
/// As large as a reading of a machine with four disks.
const VITALS_BYTES: usize = 120;
/// What an agent's vitals may cost by default.
const BUDGET_BYTES_PER_S: u32 = 2048;

fn vitals_within_the_budget(life: Life) -> Lww {
    let config = lww::Config { budget_bytes_per_s: BUDGET_BYTES_PER_S, ..lww::Config::default() };
    Lww::new(config, life)
}

fn node(id: u64, vitals: bool) -> Node<Unsigned> {
    composite::node(id, |life| vitals.then(|| vitals_within_the_budget(life)))
}

/// A node with phi. SWIM suspects for minutes before it decides, so that the levels have time to rise.
fn node_with_phi(id: u64, vitals: bool) -> Node<Unsigned> {
    let slow = swim::Config { suspicion_alpha: 100.0, ..swim::Config::lan() };
    let mut node = composite::node_with(slow, id, |life| vitals.then(|| vitals_within_the_budget(life)));
    let signs = phi::Config::of_signs(lww::Config::default().period);
    node.phi = Some(Phi::new(signs, Life::default()));
    node
}

/// The sizes with which an agent packs and counts: sealed, with all headers.
fn limits() -> Limits {
    rumormill_runtime::config::limits(Ipv4Addr::LOCALHOST.into(), 8 << 20)
}

/// A cluster that joined through one seed and whose machines are read as agents read theirs.
struct Cluster {
    sim: Sim<Node<Unsigned>>,
    written: Vec<Option<Time>>,
    readings: u8,
}

impl Cluster {
    fn new(vitals: bool) -> Cluster {
        Cluster::of(NODES, |id| node(id, vitals))
    }

    fn of(nodes: u64, node: impl Fn(u64) -> Node<Unsigned>) -> Cluster {
        println!("seed {SEED}");
        let mut sim = Sim::new(World { limits: limits(), ..World::default() }, SEED);
        for id in 0..nodes {
            sim.spawn(NodeId(id), node(id), Time::ZERO);
        }
        for id in 1..nodes {
            sim.call(NodeId(id), Call::Swim(swim::Call::Join(NodeId(0))));
        }
        Cluster { sim, written: vec![None; nodes as usize], readings: 0 }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            let now = self.sim.now();
            for id in self.sim.live_ids().collect::<Vec<_>>() {
                let Some(vitals) = &self.sim.node(id).vitals else { continue };
                let interval = vitals.put_interval();
                let written = &mut self.written[id.0 as usize];
                if written.is_none_or(|at| now.since(at) >= interval) {
                    *written = Some(now);
                    self.readings = self.readings.wrapping_add(1);
                    let value = Payload::from(&[self.readings; VITALS_BYTES][..]);
                    self.sim.call(id, Call::Vitals(lww::Call::Put(value)));
                }
            }
            self.sim.run_for(Duration::from_secs(1), &mut |_, _, _| ());
        }
    }

    /// One node's suspicion level of another one now.
    fn level(&self, by: NodeId, about: NodeId) -> Option<f64> {
        self.sim.node(by).suspicion_level(about, self.sim.now())
    }

    /// Bytes that all nodes together sent, sealed, with headers.
    fn bytes(&self) -> u64 {
        self.sim.total().bytes_sent()
    }
}

#[test]
fn fifty_nodes_learn_each_others_vitals_within_the_budget() {
    let (mut with, mut without) = (Cluster::new(true), Cluster::new(false));
    with.run(60);
    without.run(60);
    for cluster in [&with, &without] {
        for id in cluster.sim.live_ids() {
            assert_eq!(cluster.sim.node(id).swim.live_len() as u64, NODES, "at {id}");
        }
    }
    let (with_before, without_before) = (with.bytes(), without.bytes());
    with.run(120);
    without.run(120);
    let now = with.sim.now();
    let mut oldest = Duration::ZERO;
    for id in with.sim.live_ids() {
        for about in with.sim.live_ids() {
            let known = with.sim.node(id).vitals_of(about).unwrap_or_else(|| panic!("{id} knows {about}"));
            assert_eq!(known.value.len(), VITALS_BYTES);
            oldest = oldest.max(now.since(known.heard));
        }
    }
    let interval = with.sim.node(NodeId(0)).vitals.as_ref().unwrap().put_interval();
    assert!(oldest < interval * 8, "vitals are as old as {oldest:?}, written every {interval:?}");
    let per_node = |bytes: u64| bytes as f64 / NODES as f64 / 120.0;
    let (on, off) = (per_node(with.bytes() - with_before), per_node(without.bytes() - without_before));
    println!(
        "{on:.0} bytes per node and second with vitals, {off:.0} without; every {interval:?}, at most {oldest:?} old"
    );
    assert!(on - off <= f64::from(BUDGET_BYTES_PER_S), "{on} with vitals, {off} without");
    assert!(on - off > 50.0, "they do travel: {on} with, {off} without");
    assert_eq!(with.sim.total().shed, 0);
}

#[test]
fn the_vitals_of_one_that_failed_are_dropped_and_those_of_the_others_stay() {
    let mut cluster = Cluster::new(true);
    cluster.run(90);
    let gone = NodeId(7);
    assert!(cluster.sim.node(NodeId(3)).vitals_of(gone).is_some());
    cluster.sim.crash(gone);
    cluster.run(60);
    for id in cluster.sim.live_ids() {
        let node = cluster.sim.node(id);
        assert!(node.vitals_of(gone).is_none(), "{id} dropped what it knew of the one that failed");
        assert!(node.vitals_of(NodeId((id.0 + 1) % 7)).is_some(), "{id} still knows the others");
    }
}

#[test]
fn who_has_vitals_off_says_nothing_keeps_nothing_and_harms_nobody() {
    let mut sim = Sim::new(World { limits: limits(), ..World::default() }, SEED);
    for id in 0..3 {
        sim.spawn(NodeId(id), node(id, id != 0), Time::ZERO);
    }
    (1..3).for_each(|id| sim.call(NodeId(id), Call::Swim(swim::Call::Join(NodeId(0)))));
    sim.run_for(Duration::from_secs(10), &mut |_, _, _| ());
    for id in 0..3 {
        let value = Payload::from(&[id as u8 + 1; 9][..]);
        sim.call(NodeId(id), Call::Vitals(lww::Call::Put(value)));
    }
    sim.run_for(Duration::from_secs(60), &mut |_, _, _| ());
    assert!((0..3).all(|id| sim.node(NodeId(0)).vitals_of(NodeId(id)).is_none()));
    assert!(sim.node(NodeId(1)).vitals_of(NodeId(0)).is_none());
    assert_eq!(sim.node(NodeId(1)).vitals_of(NodeId(2)).map(|v| v.value.to_vec()), Some(vec![3; 9]));
    assert_eq!(sim.node(NodeId(2)).vitals_of(NodeId(1)).map(|v| v.value.to_vec()), Some(vec![2; 9]));
    assert!((0..3).all(|id| sim.node(NodeId(id)).swim.live_len() == 3));
}

#[test]
fn the_level_of_a_crashed_member_rises_those_of_the_others_stay_low_and_swims_verdict_ends_it() {
    let threshold = phi::Config::default().threshold;
    let mut cluster = Cluster::of(20, |id| node_with_phi(id, true));
    cluster.run(180);
    let (all, crashed) = (cluster.sim.live_ids().collect::<Vec<_>>(), NodeId(7));
    cluster.sim.crash(crashed);
    cluster.run(90);
    let live: Vec<NodeId> = all.iter().copied().filter(|id| *id != crashed).collect();
    let mut highest = 0.0f64;
    for by in &live {
        let level = cluster.level(*by, crashed).expect("SWIM suspects it, and has not failed it");
        let status = cluster.sim.node(*by).swim.member(crashed).map(|member| member.status);
        assert_eq!(status, Some(Status::Suspect), "at {by}");
        assert!(level > threshold, "{by} suspects it at {level}");
        let suspicions = cluster.sim.node(*by).phi.as_ref().unwrap().counters().suspicions;
        assert_eq!(suspicions, 1, "at {by}");
        for about in live.iter().filter(|id| *id != by) {
            let level = cluster.level(*by, *about).unwrap_or_else(|| panic!("{by} hears {about}"));
            assert!(level < threshold, "{by} suspects {about} at {level}");
            highest = highest.max(level);
        }
    }
    println!("the highest level of a live member: {highest}");
    cluster.run(900);
    for by in live {
        assert_eq!(cluster.level(by, crashed), None, "at {by}");
    }
}

#[test]
fn without_vitals_there_is_no_level_and_nobody_has_one_of_itself() {
    let mut cluster = Cluster::of(3, |id| node_with_phi(id, id != 0));
    cluster.run(60);
    let [without, second, third] = [0, 1, 2].map(NodeId);
    assert_eq!(cluster.level(without, second), None, "it has no vitals, and so hears none");
    assert_eq!(cluster.level(second, without), None, "none of its vitals ever arrived");
    assert_eq!(cluster.level(second, second), None);
    assert!(cluster.level(second, third).is_some() && cluster.level(third, second).is_some());
}
