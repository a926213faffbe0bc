//! One window after the other: partitions in turn, or each on a thread of its own.
//!
//! A window is as long as the least latency, so nothing that a node does in it can reach another node in it: all that is due in a window
//! is run node by node, in any order. Between two windows the partitions exchange what they have for each other. In the synchronous
//! world a window is one sub-step: all that is due at one `now` of one class. This is the one file of this crate that knows threads.

use crate::network::Shared;
use crate::node::Entry;
use crate::part::Part;
use crate::queue::{Next, Turn};
use crate::sim::{SUBSTEPS_MAX, Sim};
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Protocol;
use rumormill_core::time::Time;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Barrier, Mutex};

/// Whoever looks on.
pub(crate) type Observer<'a, P> = &'a mut dyn FnMut(Time, NodeId, <P as Protocol>::Event);
/// A way to run all that is due until a time.
pub(crate) type Run<P> = fn(&mut Sim<P>, Time, Observer<'_, P>);

/// How busy partitions were, in the units of [`Sim::meter`].
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// All of them together.
    pub sum: u64,
    /// Of each window the busiest one alone: what it takes when each has a processor of its own.
    pub longest: u64,
}

/// What decides the windows of a run.
#[derive(Copy, Clone)]
struct Plan {
    until: Time,
    window: u64,
    /// Nanoseconds of a cycle, in the synchronous world.
    cycle: Option<u64>,
    /// The heap hands out single instants.
    instants: bool,
}

impl Plan {
    /// The next turn, and whether it is the last, from the earliest that there is anywhere.
    fn turn(&self, next: Option<Next>) -> Option<(Turn, bool)> {
        let (start, class) = next.filter(|(start, _)| *start <= self.until)?;
        let beyond = Time(self.until.0.saturating_add(1));
        if self.cycle.is_some() {
            return Some((Turn { end: Time(start.0.saturating_add(1)), class: Some(class) }, false));
        }
        let length = if self.instants { 1 } else { self.window };
        let end = Time(start.0.saturating_add(length));
        // A window that is cut short by the end of the run leaves behind what comes later: there is nothing more to do.
        Some((Turn { end: end.min(beyond), class: None }, end > beyond))
    }
}

impl<P: Protocol> Sim<P> {
    fn plan(&self, until: Time) -> Plan {
        let instants = self.parts.iter().any(|part| part.local.queue.is_heap());
        Plan { until, window: self.window, cycle: self.shared.cycle, instants }
    }
}

/// Counts turns at one time: nodes that answer each other without letting time pass never end.
#[derive(Default)]
struct Substeps(Time, u32);

impl Substeps {
    fn count(&mut self, plan: &Plan, turn: &Turn) {
        self.1 = if plan.cycle.is_some() && self.0 == turn.end { self.1 + 1 } else { 0 };
        self.0 = turn.end;
        assert!(
            self.1 < SUBSTEPS_MAX,
            "at {:?} the nodes answer each other without end",
            Time(turn.end.0 - 1)
        );
    }
}

/// The partitions run in turn, on the caller's thread.
pub(crate) fn one_by_one<P: Protocol>(sim: &mut Sim<P>, until: Time, observe: Observer<'_, P>) {
    let plan = sim.plan(until);
    let mut substeps = Substeps::default();
    let mut told = Vec::new();
    loop {
        let next = sim.parts.iter().filter_map(|part| part.local.queue.next(plan.cycle)).min();
        let Some((turn, is_last)) = plan.turn(next) else { return };
        substeps.count(&plan, &turn);
        let mut longest = 0;
        for part in &mut sim.parts {
            let before = sim.meter.map(|meter| meter());
            part.turn(&sim.shared, &turn);
            if let (Some(meter), Some(before)) = (sim.meter, before) {
                let busy = meter() - before;
                sim.busy.sum += busy;
                longest = longest.max(busy);
            }
        }
        sim.busy.longest += longest;
        exchange(&mut sim.parts);
        sim.parts.iter_mut().for_each(|part| told.append(&mut part.local.told));
        tell(&mut told, &sim.shared, observe);
        if is_last {
            return;
        }
    }
}

/// Partitions give each other what they have for each other.
pub(crate) fn exchange<P: Protocol>(parts: &mut [Part<P>]) {
    if parts.len() == 1 {
        return;
    }
    for from in 0..parts.len() {
        for to in 0..parts.len() {
            let mut entries = std::mem::take(&mut parts[from].local.outboxes[to]);
            entries.drain(..).for_each(|entry| parts[to].local.queue.push(entry));
            parts[from].local.outboxes[to] = entries; // with its capacity
        }
    }
}

/// What the nodes told, by time, and at one time by seat.
fn tell<E>(
    told: &mut Vec<(Time, u32, E)>,
    shared: &Shared,
    observe: &mut (impl FnMut(Time, NodeId, E) + ?Sized),
) {
    told.sort_by_key(|(time, slot, _)| (*time, *slot)); // stable: what one node tells keeps its order
    told.drain(..).for_each(|(time, slot, event)| observe(time, shared.id(slot), event));
}

impl<P: Protocol> Sim<P>
where
    P: Send,
    P::Call: Send,
    P::Message: Send,
    P::Timer: Send,
    P::Event: Send,
{
    /// From now on each partition runs on a thread of its own.
    #[must_use]
    pub fn threads(mut self) -> Self {
        self.run = side_by_side;
        self
    }
}

/// What a thread leaves for the others between two windows.
struct Desk<P: Protocol> {
    next: Option<Next>,
    busy: u64,
    told: Vec<(Time, u32, P::Event)>,
    /// What the others have for this partition, by theirs.
    mail: Vec<Vec<Entry<P>>>,
    panic: Option<Box<dyn std::any::Any + Send>>,
}

/// Each partition on a thread of its own, the first on the caller's.
fn side_by_side<P>(sim: &mut Sim<P>, until: Time, observe: Observer<'_, P>)
where
    P: Protocol + Send,
    P::Call: Send,
    P::Message: Send,
    P::Timer: Send,
    P::Event: Send,
{
    let plan = sim.plan(until);
    let (shared, meter, count) = (&sim.shared, sim.meter, sim.parts.len());
    let barrier = Barrier::new(count);
    let desks: Vec<Mutex<Desk<P>>> = (0..count)
        .map(|_| {
            let mail = std::iter::repeat_with(Vec::new).take(count).collect();
            Mutex::new(Desk { next: None, busy: 0, told: Vec::new(), mail, panic: None })
        })
        .collect();
    let desk = |at: usize| desks[at].lock().expect("a thread's panic is caught before it holds a desk");

    // Runs one partition to the end; `between` is called when all have ended a window.
    let work = |at: usize, part: &mut Part<P>, between: &mut dyn FnMut()| {
        let mut substeps = Substeps::default();
        loop {
            desk(at).next = part.local.queue.next(plan.cycle);
            barrier.wait();
            let (mut next, mut failed) = (None, false);
            for other in 0..count {
                let desk = desk(other);
                next = [next, desk.next].into_iter().flatten().min();
                failed |= desk.panic.is_some();
            }
            let Some((turn, is_last)) = plan.turn(next).filter(|_| !failed) else { return };
            barrier.wait(); // all have read before anybody writes again
            let before = meter.map(|meter| meter());
            let ran = catch_unwind(AssertUnwindSafe(|| {
                substeps.count(&plan, &turn);
                part.turn(shared, &turn);
            }));
            let busy = meter.zip(before).map(|(meter, before)| meter() - before);
            for to in (0..count).filter(|to| *to != at) {
                std::mem::swap(&mut desk(to).mail[at], &mut part.local.outboxes[to]);
            }
            {
                let mut mine = desk(at);
                mine.busy = busy.unwrap_or_default();
                mine.told.append(&mut part.local.told);
                mine.panic = ran.err();
            }
            barrier.wait();
            for from in (0..count).filter(|from| *from != at) {
                let mut mail = std::mem::take(&mut desk(at).mail[from]);
                mail.drain(..).for_each(|entry| part.local.queue.push(entry));
                desk(at).mail[from] = mail;
            }
            between();
            if is_last {
                return;
            }
        }
    };

    let (busy, parts) = (&mut sim.busy, &mut sim.parts);
    let (first, others) = parts.split_first_mut().expect("there is a partition");
    std::thread::scope(|scope| {
        for (at, part) in others.iter_mut().enumerate() {
            let work = &work;
            scope.spawn(move || work(at + 1, part, &mut || {}));
        }
        let mut told = Vec::new();
        work(0, first, &mut || {
            let mut longest = 0;
            for at in 0..count {
                let mut desk = desk(at);
                told.append(&mut desk.told);
                busy.sum += desk.busy;
                longest = longest.max(desk.busy);
            }
            busy.longest += longest;
            tell(&mut told, shared, observe);
        });
    });
    let panic = desks.iter().find_map(|desk| desk.lock().ok()?.panic.take());
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}
