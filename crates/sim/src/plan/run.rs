//! The runner: carries a plan out on a simulation.

use super::cut::Cut;
use super::history::{History, Which};
use super::{Action, LINGER, Plan, Step, Who};
use crate::clock::Clock;
use crate::loss::Bursts;
use crate::sim::Sim;
use rumormill_core::identity::NodeId;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::Protocol;
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Duration, Time};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::Arc;

/// Upper bound on recorded actions that have not been fetched; further ones are dropped and counted.
pub const DONE_MAX: usize = 1 << 16;

/// Adapts plans to a protocol: makes its nodes and its calls.
pub trait Actor<P: Protocol> {
    /// Makes a node for its life of that number, counted from 0. `kept` is the node at the end of its last life, if it had one and was not
    /// wiped: the protocol decides which part of it outlives the process.
    fn make(&mut self, id: NodeId, life: u32, kept: Option<&P>) -> P;

    /// The peers of a node, unless a membership in it says who is there.
    fn peers(&mut self, _id: NodeId) -> Option<Peers> {
        None
    }

    /// Calls of a node right after each start, such as a join.
    fn first_calls(&mut self, _id: NodeId, _life: u32) -> Vec<P::Call> {
        Vec::new()
    }

    /// The call of `id` with that name and argument. Leaving is the call `leave`.
    ///
    /// # Errors
    /// If there is no such call: names those there are.
    fn call(&self, id: NodeId, call: &str, with: &str) -> Result<P::Call, String>;

    /// Called when that call was handed to `id`, for an actor that records calls.
    fn called(&mut self, _id: NodeId, _at: Time, _call: &str, _with: &str) {}
}

/// An action that was carried out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Done {
    /// Simulated time in nanoseconds.
    pub at_ns: u64,
    /// Name of the action, with `un-` before it where it was undone.
    pub what: String,
    /// The nodes, where the action is on nodes.
    pub who: Vec<u64>,
}

/// Runs a simulation, and carries a plan out on it.
pub struct Runner<P: Protocol, A> {
    actor: A,
    seed: u64,
    steps: Vec<Step>,
    /// Actions to come, by time; at one time undone before done, and each in the order in which they were set.
    agenda: BTreeMap<(Time, u8, u64), Turn>,
    pub(super) set: u64,
    pub(super) cuts: BTreeMap<u64, Active>,
    pub(super) losses: BTreeMap<u64, Weather>,
    /// The loss when no step changes it.
    pub(super) calm: Option<Weather>,
    frozen: BTreeSet<NodeId>,
    blocked: BTreeSet<NodeId>,
    wiped: BTreeSet<NodeId>,
    /// Number of restarts and of crashes of each node.
    lives: BTreeMap<NodeId, u32>,
    crashes: BTreeMap<NodeId, u32>,
    last: Option<Time>,
    done: Vec<Done>,
    forgotten: u64,
    pub(super) history: History,
    protocol: PhantomData<fn() -> P>,
}

/// The loss that a step may change.
pub(super) type Weather = (f64, Option<Bursts>);

pub(super) struct Active {
    pub cut: Arc<Cut>,
    pub datagrams_only: bool,
    /// Whether it cuts now; a flapping one alternates.
    pub on: bool,
}

pub(super) enum Turn {
    Step(usize),
    Undo(Undo),
    /// A flapping partition changes; the time is its end.
    Flap(u64, (Duration, Duration), Time),
    /// A node of a swizzle is isolated.
    Isolate(u64, NodeId),
    /// A node starts.
    Begin(NodeId),
}

pub(super) enum Undo {
    /// With the number of crashes of each node, since a later crash is not to be undone.
    Crash(Vec<(NodeId, u32)>),
    Freeze(Vec<NodeId>),
    Block(Vec<NodeId>),
    Slow(Vec<NodeId>),
    Partition(u64, Vec<NodeId>),
    Loss(u64),
    Clock(Vec<NodeId>),
    /// Nodes that left end.
    Stay(Vec<(NodeId, u32)>),
}

pub(super) const UNDONE: u8 = 0;
pub(super) const DONE: u8 = 1;

impl<P: Protocol, A: Actor<P>> Runner<P, A> {
    /// A runner of `plan`. `seed` decides its random choices.
    ///
    /// # Errors
    /// If the plan is not sound, or asks for a call that the protocol does not have.
    pub fn new(plan: &Plan, seed: u64, actor: A) -> Result<Runner<P, A>, String> {
        plan.check()?;
        let steps = plan.clone().pin().steps;
        for (at, step) in steps.iter().enumerate() {
            let (call, with) = match &step.action {
                Action::Call { call, with, .. } => (call.as_str(), with.as_str()),
                Action::Leave { .. } => ("leave", ""),
                _ => continue,
            };
            let known = actor.call(NodeId(0), call, with);
            known.map(drop).map_err(|e| format!("step {} of the plan: {e}", at + 1))?;
        }
        let mut runner = Runner {
            actor,
            seed,
            steps: Vec::new(),
            agenda: BTreeMap::new(),
            set: 0,
            cuts: BTreeMap::new(),
            losses: BTreeMap::new(),
            calm: None,
            frozen: BTreeSet::new(),
            blocked: BTreeSet::new(),
            wiped: BTreeSet::new(),
            lives: BTreeMap::new(),
            crashes: BTreeMap::new(),
            last: None,
            done: Vec::new(),
            forgotten: 0,
            history: History::default(),
            protocol: PhantomData,
        };
        for (at, step) in steps.iter().enumerate() {
            runner.turn(Time::ZERO + step.at, DONE, Turn::Step(at));
        }
        runner.steps = steps;
        Ok(runner)
    }

    /// Adds a node to the simulation that starts at `at`, and then gets its peers and its first calls.
    ///
    /// # Panics
    /// If there was a node of this id before.
    pub fn spawn(&mut self, sim: &mut Sim<P>, id: NodeId, at: Time) {
        let node = self.actor.make(id, 0, None);
        sim.spawn(id, node, at);
        if at <= sim.now() {
            self.begin(sim, id, 0);
        } else {
            self.turn(at, UNDONE, Turn::Begin(id));
        }
    }

    /// A node that starts gets its peers and its first calls.
    fn begin(&mut self, sim: &mut Sim<P>, id: NodeId, life: u32) {
        self.actor.peers(id).into_iter().for_each(|peers| sim.meet(id, peers));
        self.actor.first_calls(id, life).into_iter().for_each(|call| sim.call(id, call));
    }

    /// [`Sim::run_until`], with the plan's actions on the way.
    pub fn run_until<F>(&mut self, sim: &mut Sim<P>, until: Time, observe: &mut F)
    where
        F: FnMut(Time, NodeId, P::Event) + ?Sized,
    {
        while let Some(at) = self.next_at().filter(|at| *at <= until) {
            sim.run_until(at.max(sim.now()), observe);
            while self.next_at().is_some_and(|next| next <= at) {
                let (_, turn) = self.agenda.pop_first().expect("it was there a moment ago");
                self.carry_out(sim, turn);
            }
        }
        sim.run_until(until, observe);
    }

    /// Time of the plan's next action.
    pub fn next_at(&self) -> Option<Time> {
        self.agenda.first_key_value().map(|((at, ..), _)| *at)
    }

    /// Time of the plan's last action, done or undone.
    pub fn last_at(&self) -> Option<Time> {
        self.last
    }

    /// Actions since the last fetch, and the number of further ones for which there was no room.
    pub fn take_done(&mut self) -> (Vec<Done>, u64) {
        (std::mem::take(&mut self.done), std::mem::take(&mut self.forgotten))
    }

    /// All faults so far, to judge the verdicts of nodes by.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The actor.
    pub fn actor(&mut self) -> &mut A {
        &mut self.actor
    }

    pub(super) fn turn(&mut self, at: Time, order: u8, turn: Turn) {
        self.agenda.insert((at, order, self.set), turn);
        self.set += 1;
    }

    pub(super) fn note(&mut self, sim: &Sim<P>, what: String, who: &[NodeId]) {
        self.last = Some(sim.now());
        if self.done.len() < DONE_MAX {
            self.done.push(Done { at_ns: sim.now().0, what, who: who.iter().map(|id| id.0).collect() });
        } else {
            self.forgotten += 1;
        }
    }

    fn carry_out(&mut self, sim: &mut Sim<P>, turn: Turn) {
        match turn {
            Turn::Step(at) => {
                let step = self.steps[at].clone();
                let who = self.step(sim, &step);
                self.note(sim, step.action.name().into(), &who);
            }
            Turn::Undo(undo) => self.undo(sim, undo),
            Turn::Flap(key, flapping, end) => self.flap(sim, key, flapping, end),
            Turn::Isolate(key, id) => {
                let cut = Cut::Alone(crate::ids::IdSet::of([id]));
                self.cut(sim, key, cut, false);
                self.note(sim, "isolate".into(), &[id]);
            }
            Turn::Begin(id) => self.begin(sim, id, 0),
        }
    }

    /// Carries one step out, and returns its targets.
    fn step(&mut self, sim: &mut Sim<P>, step: &Step) -> Vec<NodeId> {
        let draw = step.draw.expect("a runner's plan is pinned");
        let mut rng = Rng::seeded(mix(mix(self.seed ^ 0x7a11) ^ draw));
        let end = step.lasting.map(|lasting| sim.now() + lasting);
        match &step.action {
            Action::Crash { who, wipe } => self.crash_some(sim, who, *wipe, end, &mut rng),
            Action::Restart { who } => self.restart_some(sim, who, &mut rng),
            Action::Leave { who } => self.leave_some(sim, who, &mut rng),
            Action::Freeze { who } => self.freeze_some(sim, who, end, &mut rng),
            Action::Thaw { who } => {
                let who = self.draw(sim, who, &mut rng, |run, _, id| run.frozen.contains(&id));
                self.thaw(sim, &who);
                who
            }
            Action::Block { who } => self.block_some(sim, who, end, &mut rng),
            Action::Unblock { who } => {
                let who = self.draw(sim, who, &mut rng, |run, _, id| run.blocked.contains(&id));
                self.unblock(sim, &who);
                who
            }
            Action::Slow { who, factor } => {
                let who = self.draw(sim, who, &mut rng, |_, _, _| true);
                who.iter().for_each(|id| self.slow(sim, *id, *factor));
                self.undo_at(end, Undo::Slow(who.clone()));
                who
            }
            Action::Partition(partition) => self.partition(sim, partition, end, &mut rng),
            Action::Heal => {
                self.cuts.clear();
                self.install_cuts(sim);
                Vec::new()
            }
            Action::Loss { loss, bursts } => {
                self.loss(sim, (*loss, *bursts), end);
                Vec::new()
            }
            Action::Clock { who, offset_ms, drift_ppm } => {
                let who = self.draw(sim, who, &mut rng, |_, _, _| true);
                let clock = Clock { offset_ms: *offset_ms, drift_ppm: *drift_ppm };
                who.iter().for_each(|id| sim.set_clock(*id, clock));
                self.undo_at(end, Undo::Clock(who.clone()));
                who
            }
            Action::Call { who, call, with } => {
                let who = self.draw(sim, who, &mut rng, |_, sim, id| sim.is_up(id));
                who.iter().for_each(|id| self.call(sim, *id, call, with));
                who
            }
        }
    }

    fn crash_some(
        &mut self,
        sim: &mut Sim<P>,
        who: &Who,
        wipe: bool,
        end: Option<Time>,
        rng: &mut Rng,
    ) -> Vec<NodeId> {
        let who = self.draw(sim, who, rng, |_, sim, id| sim.is_up(id));
        let crashed = who.iter().map(|id| (*id, self.crash(sim, *id, wipe))).collect();
        self.undo_at(end, Undo::Crash(crashed));
        who
    }

    fn restart_some(&mut self, sim: &mut Sim<P>, who: &Who, rng: &mut Rng) -> Vec<NodeId> {
        let who = match who {
            Who::Ids(ids) => ids.iter().filter(|id| !sim.has(*id) || !sim.is_up(*id)).collect(),
            _ => self.draw(sim, who, rng, |_, sim, id| !sim.is_up(id)),
        };
        who.iter().for_each(|id| self.restart(sim, *id));
        who
    }

    fn leave_some(&mut self, sim: &mut Sim<P>, who: &Who, rng: &mut Rng) -> Vec<NodeId> {
        let who = self.draw(sim, who, rng, |_, sim, id| sim.is_up(id));
        who.iter().for_each(|id| self.call(sim, *id, "leave", ""));
        let leaving = who.iter().map(|id| (*id, self.crashes_of(*id))).collect();
        self.undo_at(Some(sim.now() + LINGER), Undo::Stay(leaving));
        who
    }

    fn freeze_some(&mut self, sim: &mut Sim<P>, who: &Who, end: Option<Time>, rng: &mut Rng) -> Vec<NodeId> {
        let running = |run: &Self, sim: &Sim<P>, id| sim.is_up(id) && !run.frozen.contains(&id);
        let who = self.draw(sim, who, rng, running);
        who.iter().for_each(|id| sim.freeze(*id));
        self.frozen.extend(&who);
        who.iter().for_each(|id| self.history.begin(Which::Still(*id), sim.now()));
        self.undo_at(end, Undo::Freeze(who.clone()));
        who
    }

    fn block_some(&mut self, sim: &mut Sim<P>, who: &Who, end: Option<Time>, rng: &mut Rng) -> Vec<NodeId> {
        let open = |run: &Self, sim: &Sim<P>, id| sim.is_up(id) && !run.blocked.contains(&id);
        let who = self.draw(sim, who, rng, open);
        who.iter().for_each(|id| sim.block(*id));
        self.blocked.extend(&who);
        who.iter().for_each(|id| self.history.begin(Which::Still(*id), sim.now()));
        self.undo_at(end, Undo::Block(who.clone()));
        who
    }

    fn undo(&mut self, sim: &mut Sim<P>, undo: Undo) {
        let (what, who) = match undo {
            Undo::Crash(crashed) => {
                let mut who: Vec<NodeId> = Vec::new();
                for (id, crashes) in crashed {
                    if self.crashes_of(id) == crashes && !sim.is_up(id) {
                        self.restart(sim, id);
                        who.push(id);
                    }
                }
                ("un-crash", who)
            }
            Undo::Stay(leaving) => {
                let mut who: Vec<NodeId> = Vec::new();
                for (id, crashes) in leaving {
                    if self.crashes_of(id) == crashes && sim.is_up(id) {
                        self.crash(sim, id, false);
                        who.push(id);
                    }
                }
                ("left", who)
            }
            Undo::Freeze(who) => {
                self.thaw(sim, &who);
                ("un-freeze", who)
            }
            Undo::Block(who) => {
                self.unblock(sim, &who);
                ("un-block", who)
            }
            Undo::Slow(who) => {
                who.iter().for_each(|id| self.slow(sim, *id, 1.0));
                ("un-slow", who)
            }
            Undo::Partition(key, who) => {
                if self.cuts.remove(&key).is_some() {
                    self.install_cuts(sim);
                }
                ("un-partition", who)
            }
            Undo::Loss(key) => {
                self.losses.remove(&key);
                self.install_loss(sim);
                ("un-loss", Vec::new())
            }
            Undo::Clock(who) => {
                who.iter().for_each(|id| sim.set_clock(*id, Clock::default()));
                ("un-clock", who)
            }
        };
        self.note(sim, what.into(), &who);
    }

    pub(super) fn undo_at(&mut self, end: Option<Time>, undo: Undo) {
        if let Some(end) = end {
            self.turn(end, UNDONE, Turn::Undo(undo));
        }
    }

    /// The targets that `who` selects from the candidates in the simulation.
    fn draw(
        &self,
        sim: &Sim<P>,
        who: &Who,
        rng: &mut Rng,
        can: impl Fn(&Self, &Sim<P>, NodeId) -> bool,
    ) -> Vec<NodeId> {
        let candidates = || {
            let mut ids: Vec<NodeId> = sim.ids().filter(|id| can(self, sim, *id)).collect();
            ids.sort();
            ids
        };
        let drawn = who.draw(candidates, rng);
        drawn.into_iter().filter(|id| sim.has(*id) && can(self, sim, *id)).collect()
    }

    fn crashes_of(&self, id: NodeId) -> u32 {
        self.crashes.get(&id).copied().unwrap_or(0)
    }

    fn crash(&mut self, sim: &mut Sim<P>, id: NodeId, wipe: bool) -> u32 {
        sim.crash(id);
        self.frozen.remove(&id);
        self.blocked.remove(&id);
        self.history.end(Which::Still(id), sim.now());
        self.history.begin(Which::Down(id), sim.now());
        if wipe {
            self.wiped.insert(id);
        }
        let crashes = self.crashes.entry(id).or_default();
        *crashes += 1;
        *crashes
    }

    fn restart(&mut self, sim: &mut Sim<P>, id: NodeId) {
        if !sim.has(id) {
            return self.spawn(sim, id, sim.now());
        }
        let life = self.lives.entry(id).or_default();
        *life += 1;
        let life = *life;
        let kept = if self.wiped.remove(&id) { None } else { Some(sim.node(id)) };
        let node = self.actor.make(id, life, kept);
        sim.restart(id, node);
        self.history.end(Which::Down(id), sim.now());
        self.begin(sim, id, life);
    }

    fn call(&mut self, sim: &mut Sim<P>, id: NodeId, call: &str, with: &str) {
        self.actor.called(id, sim.now(), call, with);
        let call = self.actor.call(id, call, with).expect("new() asked for it before");
        sim.call(id, call);
    }

    fn slow(&mut self, sim: &mut Sim<P>, id: NodeId, factor: f64) {
        sim.set_slowness(id, factor);
        match factor > 1.0 {
            true => self.history.begin(Which::Slow(id), sim.now()),
            false => self.history.end(Which::Slow(id), sim.now()),
        }
    }

    fn thaw(&mut self, sim: &mut Sim<P>, who: &[NodeId]) {
        who.iter().filter(|id| self.frozen.remove(id)).for_each(|id| sim.thaw(*id));
        self.move_on(sim, who);
    }

    fn unblock(&mut self, sim: &mut Sim<P>, who: &[NodeId]) {
        who.iter().filter(|id| self.blocked.remove(id)).for_each(|id| sim.unblock(*id));
        self.move_on(sim, who);
    }

    /// Ends the pause of nodes that are neither frozen nor blocked.
    fn move_on(&mut self, sim: &Sim<P>, who: &[NodeId]) {
        for id in who.iter().filter(|id| !self.frozen.contains(id) && !self.blocked.contains(id)) {
            self.history.end(Which::Still(*id), sim.now());
        }
    }
}
