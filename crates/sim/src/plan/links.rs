//! The actions of a plan on links: partitions and loss.

use super::cut::Cut;
use super::run::{Active, Actor, DONE, Runner, Turn, UNDONE, Undo, Weather};
use super::{FLAP_MIN, Kind, Partition};
use crate::sim::Sim;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Protocol;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time};
use std::sync::Arc;

impl<P: Protocol, A: Actor<P>> Runner<P, A> {
    pub(super) fn partition(
        &mut self,
        sim: &mut Sim<P>,
        partition: &Partition,
        end: Option<Time>,
        rng: &mut Rng,
    ) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = sim.ids().collect();
        nodes.sort();
        let (cut, who) = partition.kind.cut(&nodes, rng);
        if let (Kind::Swizzle { .. }, Some(end)) = (&partition.kind, end) {
            let half = end.since(sim.now()) / 2;
            for id in &who {
                self.set += 1;
                let key = self.set;
                self.turn(sim.now() + rng.within(half), DONE, Turn::Isolate(key, *id));
                self.undo_at(Some(sim.now() + half + rng.within(half)), Undo::Partition(key, vec![*id]));
            }
            return who;
        }
        self.set += 1;
        let key = self.set;
        self.cut(sim, key, cut, partition.datagrams_only);
        if let Some((cut, whole)) = partition.flapping {
            let end = end.unwrap_or(Time::NEVER);
            let flapping = (cut.max(FLAP_MIN), whole.max(FLAP_MIN));
            self.turn(sim.now() + flapping.0, UNDONE, Turn::Flap(key, flapping, end));
        }
        self.undo_at(end, Undo::Partition(key, who.clone()));
        who
    }

    pub(super) fn flap(&mut self, sim: &mut Sim<P>, key: u64, flapping: (Duration, Duration), end: Time) {
        let Some(active) = self.cuts.get_mut(&key) else { return };
        active.on = !active.on;
        let (on, next) = (active.on, if active.on { flapping.0 } else { flapping.1 });
        self.install_cuts(sim);
        self.note(sim, if on { "cut" } else { "whole" }.into(), &[]);
        if sim.now() + next < end {
            self.turn(sim.now() + next, UNDONE, Turn::Flap(key, flapping, end));
        }
    }

    pub(super) fn cut(&mut self, sim: &mut Sim<P>, key: u64, cut: Cut, datagrams_only: bool) {
        self.cuts.insert(key, Active { cut: Arc::new(cut), datagrams_only, on: true });
        self.install_cuts(sim);
    }

    /// Merges the cuts: a simulation has one partition for all packets and one for datagrams.
    pub(super) fn install_cuts(&mut self, sim: &mut Sim<P>) {
        let active = || self.cuts.iter().filter(|(_, active)| active.on);
        let now: Vec<(u64, Arc<Cut>)> = active().map(|(key, active)| (*key, active.cut.clone())).collect();
        let of = |datagrams_only: bool| -> Vec<Arc<Cut>> {
            active().filter(|(_, a)| a.datagrams_only == datagrams_only).map(|(_, a)| a.cut.clone()).collect()
        };
        let (all, datagrams) = (of(false), of(true));
        self.history.cuts(&now, sim.now());
        sim.heal();
        if !all.is_empty() {
            sim.partition(move |from, to| all.iter().any(|cut| cut.cuts(from, to)));
        }
        if !datagrams.is_empty() {
            sim.partition_datagrams(move |from, to| datagrams.iter().any(|cut| cut.cuts(from, to)));
        }
    }

    pub(super) fn loss(&mut self, sim: &mut Sim<P>, weather: Weather, end: Option<Time>) {
        self.calm.get_or_insert((sim.world().loss, sim.world().bursts));
        match end {
            None => self.calm = Some(weather),
            Some(end) => {
                self.set += 1;
                let key = self.set;
                self.losses.insert(key, weather);
                self.undo_at(Some(end), Undo::Loss(key));
            }
        }
        self.install_loss(sim);
    }

    /// Of several losses that last, the latest holds.
    pub(super) fn install_loss(&self, sim: &mut Sim<P>) {
        let latest = self.losses.last_key_value().map(|(_, weather)| *weather);
        if let Some((loss, bursts)) = latest.or(self.calm) {
            sim.set_loss(loss);
            sim.set_bursts(bursts);
        }
    }
}
