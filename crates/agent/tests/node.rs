//! The agent's composite protocol on the simulator: the same code that the agent runs, without keys.

mod composite;

use rumormill_agent::node::{Call, Node};
use rumormill_core::drive::Limits;
use rumormill_core::identity::{NodeId, Unsigned};
use rumormill_core::payload::Payload;
use rumormill_core::time::{Duration, Time};
use rumormill_protocols::agree::latest::{self, Latest};
use rumormill_protocols::member::swim;
use rumormill_sim::{Sim, World};
use std::net::Ipv4Addr;

const SEED: u64 = 17;
const NODES: u64 = 50;
/// As large as a reading of a machine with four disks.
const VITALS_BYTES: usize = 120;
/// What an agent's vitals may cost by default.
const BUDGET_BYTES_PER_S: u32 = 2048;

fn node(id: u64, vitals: bool) -> Node<Unsigned> {
    let config = latest::Config { budget_bytes_per_s: BUDGET_BYTES_PER_S, ..latest::Config::default() };
    composite::node(id, |life| vitals.then(|| Latest::new(config, life)))
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
        println!("seed {SEED}");
        let mut sim = Sim::new(World { limits: limits(), ..World::default() }, SEED);
        for id in 0..NODES {
            sim.spawn(NodeId(id), node(id, vitals), Time::ZERO);
        }
        for id in 1..NODES {
            sim.call(NodeId(id), Call::Swim(swim::Call::Join(NodeId(0))));
        }
        Cluster { sim, written: vec![None; NODES as usize], readings: 0 }
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
                    self.sim.call(id, Call::Vitals(latest::Call::Put(value)));
                }
            }
            self.sim.run_for(Duration::from_secs(1), &mut |_, _, _| ());
        }
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
        sim.call(NodeId(id), Call::Vitals(latest::Call::Put(value)));
    }
    sim.run_for(Duration::from_secs(60), &mut |_, _, _| ());
    assert!((0..3).all(|id| sim.node(NodeId(0)).vitals_of(NodeId(id)).is_none()));
    assert!(sim.node(NodeId(1)).vitals_of(NodeId(0)).is_none());
    assert_eq!(sim.node(NodeId(1)).vitals_of(NodeId(2)).map(|v| v.value.to_vec()), Some(vec![3; 9]));
    assert_eq!(sim.node(NodeId(2)).vitals_of(NodeId(1)).map(|v| v.value.to_vec()), Some(vec![2; 9]));
    assert!((0..3).all(|id| sim.node(NodeId(id)).swim.live_len() == 3));
}
