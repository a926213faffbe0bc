//! A simulated cluster of SWIM members, and the truth about it.

use super::Experiment;
use super::failures::Failures;
use rumormill_core::identity::{Life, NodeId, Unsigned};
use rumormill_core::payload::Payload;
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Duration, Time};
use rumormill_protocols::member::swim::{Call, Config, Event, Me, Status, Swim, VerdictKind, record::Charge};
use rumormill_sim::{Latency, Sim, World};
use std::collections::BTreeSet;

/// A member in the simulator: nothing is signed.
pub type Node = Swim<Unsigned>;

/// The identity of member `i`, in its life of that epoch.
pub fn card_for(i: u64, epoch: u64) -> Me {
    Me {
        id: NodeId(i),
        life: Life { epoch, session: mix(i ^ mix(epoch)) },
        name: format!("node-{i}"),
        contact: Payload::EMPTY,
        tags: Payload::EMPTY,
        copied_from: None,
    }
}

/// An event about a member, as one of the others saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub at: Time,
    pub by: NodeId,
    pub what: Event,
}

/// A cluster under the simulator.
pub struct Cluster {
    /// The simulator.
    pub sim: Sim<Node>,
    /// The experiment.
    pub config: Config,
    /// Members that were stalled at some time.
    pub stalled: BTreeSet<NodeId>,
    pub(crate) seen: Vec<Seen>,
    /// The failures that members reported, from the first start on.
    pub(crate) failures: Failures,
    /// Begin of the count of false deaths.
    pub(crate) counting_from: Time,
    /// False deaths, by accused and incarnation.
    pub(crate) false_deaths: BTreeSet<(NodeId, u64)>,
    pub(crate) rng: Rng,
}

impl Cluster {
    /// `nodes` members that start within one period and join the first; their views do not agree yet.
    pub fn new(experiment: &Experiment, seed: u64) -> Cluster {
        let mut config = experiment.config.clone();
        config.lifeguard = experiment.lifeguard;
        config.suspicion = experiment.suspicion;
        config.probe_turns = experiment.turns;
        let latency = Latency::Uniform(Duration::from_micros(200), Duration::from_millis(2));
        let synchronous = experiment.synchronous.then(|| config.period / 10);
        let world = World { latency, loss: experiment.loss, synchronous, ..World::default() };
        let mut sim = Sim::new(world, seed);
        for i in 0..experiment.nodes as u64 {
            let at = Time::ZERO + config.period * i as u32 / experiment.nodes as u32;
            sim.spawn(NodeId(i), Swim::new(config.clone(), card_for(i, 1), Unsigned), at);
        }
        let rng = Rng::seeded(mix(seed ^ 0x5741));
        Cluster {
            sim,
            config,
            stalled: BTreeSet::new(),
            seen: Vec::new(),
            failures: Failures::default(),
            counting_from: Time::ZERO,
            false_deaths: BTreeSet::new(),
            rng,
        }
    }

    /// Makes all members join the first, and waits until all views agree. Returns the time, unless it takes longer than `limit`.
    pub fn converge(&mut self, limit: Duration) -> Option<Time> {
        let ids: Vec<NodeId> = self.sim.ids().collect();
        self.run_for(self.config.period);
        ids[1..].iter().for_each(|id| self.sim.call(*id, Call::Join(ids[0])));
        self.agree(limit)
    }

    /// Runs until each live member's view is the true set of live members, for at most `limit`; returns the time.
    pub fn agree(&mut self, limit: Duration) -> Option<Time> {
        let end = self.sim.now() + limit;
        while !self.agrees() {
            if self.sim.now() >= end {
                return None;
            }
            self.run_for(self.config.period / 10);
        }
        Some(self.sim.now())
    }

    /// Whether each live member's view is the true set of live members.
    pub fn agrees(&self) -> bool {
        let live: BTreeSet<NodeId> = self.sim.live_ids().collect();
        let Some(first) = live.first().map(|id| self.sim.node(*id)) else { return true };
        let is_true = |node: &Node| {
            let mut held =
                node.members().filter(|member| matches!(member.status, Status::Alive | Status::Suspect));
            held.all(|member| live.contains(&member.id))
        };
        // Equal root hashes are equal views, so reading the first view is enough.
        is_true(first)
            && live
                .iter()
                .map(|id| self.sim.node(*id))
                .all(|node| node.live_len() == live.len() && (node.root() == first.root() || is_true(node)))
    }

    /// Starts the record and the counters anew.
    pub(crate) fn count_anew(&mut self) {
        self.seen.clear();
        self.counting_from = self.sim.now();
    }

    /// Runs for this time.
    pub fn run_for(&mut self, time: Duration) {
        let (seen, failures) = (&mut self.seen, &mut self.failures);
        self.sim.run_for(time, &mut |at, by, what| {
            failures.see(at, by, &what);
            if matches!(what, Event::Failed(_) | Event::ProbeFailed { .. }) {
                seen.push(Seen { at, by, what });
            }
        });
    }

    /// Draws a share of the members.
    pub fn draw(&mut self, fraction: f64) -> Vec<NodeId> {
        let mut ids: Vec<NodeId> = self.sim.live_ids().collect();
        self.rng.shuffle(&mut ids);
        ids.truncate((ids.len() as f64 * fraction).round() as usize);
        ids
    }

    /// Reads the memories of healthy members for healthy members that they marked as failed. Memories are bounded, so this is called now and then.
    pub fn note_false_deaths(&mut self) {
        let healthy: Vec<NodeId> = self.sim.live_ids().filter(|id| !self.stalled.contains(id)).collect();
        let dead: BTreeSet<NodeId> = self
            .seen
            .iter()
            .filter_map(|seen| if let Event::Failed(id) = seen.what { Some(id) } else { None })
            .filter(|id| healthy.contains(id))
            .collect();
        for id in dead {
            for observer in &healthy {
                let verdicts = self.sim.node(*observer).why(id);
                let deaths = verdicts.filter(|verdict| verdict.heard >= self.counting_from);
                let deaths = deaths.filter(|verdict| verdict.what == VerdictKind::Charged(Charge::Failed));
                self.false_deaths.extend(deaths.map(|verdict| (id, verdict.incarnation)));
            }
        }
    }

    /// Number of times that a healthy member marked a healthy one as failed, each observer counted.
    pub(crate) fn false_death_events(&self) -> u64 {
        let is_healthy = |id: &NodeId| !self.stalled.contains(id) && self.sim.is_up(*id);
        let events = self.seen.iter().filter(|seen| match &seen.what {
            Event::Failed(id) => is_healthy(id) && is_healthy(&seen.by),
            _ => false,
        });
        events.count() as u64
    }
}
