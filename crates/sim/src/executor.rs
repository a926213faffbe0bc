//! Runs one window after the other: the partitions in turn, or each on a thread of its own.
//!
//! A window is as long as the least latency, so nothing that a node does in it can reach another node in it: the nodes run one by one, in
//! any order, each through all its entries of the window. Between two windows the partitions exchange the entries that they have for each
//! other. In the synchronous world a window is one sub-step: all entries at one `now` of one class. This is the one file of this crate
//! that knows threads.

use crate::entry::Entry;
use crate::partition::Partition;
use crate::queue::{Next, SUBSTEPS_MAX, Window};
use crate::shared::Shared;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Protocol;
use rumormill_core::time::Time;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Barrier, Mutex, MutexGuard};

/// Gets each event with its time and node.
pub(crate) type Observer<'a, P> = &'a mut dyn FnMut(Time, NodeId, <P as Protocol>::Event);
/// Runs all entries that are due until a time.
type Run<P> = fn(&mut Executor<P>, Time, Observer<'_, P>);

/// CPU time that partitions took, in the units of [`Sim::meter`](crate::Sim::meter).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// Sum over all partitions.
    pub sum: u64,
    /// Sum over all windows of the busiest partition's time: what the run takes when each partition has a processor of its own.
    pub longest: u64,
}

/// The partitions, and how they are run.
pub(crate) struct Executor<P: Protocol> {
    pub shared: Shared,
    pub partitions: Vec<Partition<P>>,
    /// Nanoseconds of a window.
    window: u64,
    run: Run<P>,
    pub meter: Option<fn() -> u64>,
    pub busy: Busy,
}

/// What decides the windows of a run.
#[derive(Copy, Clone)]
struct Plan {
    until: Time,
    window: u64,
    /// Nanoseconds of a cycle, in the synchronous world.
    cycle: Option<u64>,
    /// Whether a window is a single instant, as with the heap.
    instants: bool,
}

impl Plan {
    /// The next window, and whether it is the last, given the earliest entry of all partitions.
    fn window(&self, next: Option<Next>) -> Option<(Window, bool)> {
        let (start, class) = next.filter(|(start, _)| *start <= self.until)?;
        let beyond = Time(self.until.0.saturating_add(1));
        if self.cycle.is_some() {
            return Some((Window { end: Time(start.0.saturating_add(1)), class: Some(class) }, false));
        }
        let length = if self.instants { 1 } else { self.window };
        let end = Time(start.0.saturating_add(length));
        // A window that is cut short by the end of the run is the last: all later entries are due after the run.
        Some((Window { end: end.min(beyond), class: None }, end > beyond))
    }
}

/// Counts windows at one time, since nodes that answer each other without letting time pass would never end.
#[derive(Default)]
struct Substeps(Time, u32);

impl Substeps {
    fn count(&mut self, plan: &Plan, window: &Window) {
        self.1 = if plan.cycle.is_some() && self.0 == window.end { self.1 + 1 } else { 0 };
        self.0 = window.end;
        assert!(
            self.1 < SUBSTEPS_MAX,
            "at {:?} the nodes answer each other without end",
            Time(window.end.0 - 1)
        );
    }
}

impl<P: Protocol> Executor<P> {
    /// Runs `partitions` in turn, in windows of so many nanoseconds.
    pub fn new(shared: Shared, partitions: Vec<Partition<P>>, window: u64) -> Executor<P> {
        Executor { shared, partitions, window, run: in_turn, meter: None, busy: Busy::default() }
    }

    /// Runs all entries that are due until a time.
    pub fn run(&mut self, until: Time, observe: Observer<'_, P>) {
        (self.run)(self, until, observe);
    }

    fn plan(&self, until: Time) -> Plan {
        let instants = self.partitions.iter().any(|partition| partition.local.queue.is_heap());
        Plan { until, window: self.window, cycle: self.shared.cycle, instants }
    }

    /// Moves the entries in all outboxes to the partitions that they are for.
    pub fn exchange(&mut self) {
        let partitions = &mut self.partitions[..];
        if partitions.len() == 1 {
            return;
        }
        for from in 0..partitions.len() {
            for to in 0..partitions.len() {
                let mut entries = std::mem::take(&mut partitions[from].local.outboxes[to]);
                entries.drain(..).for_each(|entry| partitions[to].local.queue.push(entry));
                partitions[from].local.outboxes[to] = entries; // keeps its capacity
            }
        }
    }
}

/// Runs the partitions in turn, on the caller's thread.
fn in_turn<P: Protocol>(executor: &mut Executor<P>, until: Time, observe: Observer<'_, P>) {
    let plan = executor.plan(until);
    let mut substeps = Substeps::default();
    let mut emitted = Vec::new();
    loop {
        let queues = executor.partitions.iter().map(|partition| &partition.local.queue);
        let next = queues.filter_map(|queue| queue.next(plan.cycle)).min();
        let Some((window, is_last)) = plan.window(next) else { return };
        substeps.count(&plan, &window);
        let mut longest = 0;
        for partition in &mut executor.partitions {
            let before = executor.meter.map(|meter| meter());
            partition.run(&executor.shared, &window);
            if let (Some(meter), Some(before)) = (executor.meter, before) {
                let busy = meter() - before;
                executor.busy.sum += busy;
                longest = longest.max(busy);
            }
        }
        executor.busy.longest += longest;
        executor.exchange();
        executor.partitions.iter_mut().for_each(|partition| emitted.append(&mut partition.local.emitted));
        report(&mut emitted, &executor.shared, observe);
        if is_last {
            return;
        }
    }
}

/// Reports events in the order of time, and at one time in the order of slots.
fn report<E>(
    emitted: &mut Vec<(Time, u32, E)>,
    shared: &Shared,
    observe: &mut (impl FnMut(Time, NodeId, E) + ?Sized),
) {
    emitted.sort_by_key(|(time, slot, _)| (*time, *slot)); // stable: the events of one node keep their order
    emitted.drain(..).for_each(|(time, slot, event)| observe(time, shared.id(slot), event));
}

impl<P> Executor<P>
where
    P: Protocol + Send,
    P::Call: Send,
    P::Message: Send,
    P::Timer: Send,
    P::Event: Send,
{
    /// From now on each partition runs on a thread of its own.
    pub fn use_threads(&mut self) {
        self.run = side_by_side;
    }
}

/// What one partition's thread leaves for the others between two windows.
struct Mailbox<P: Protocol> {
    next: Option<Next>,
    busy: u64,
    emitted: Vec<(Time, u32, P::Event)>,
    /// Entries for this partition, by the partition that sent them.
    mail: Vec<Vec<Entry<P>>>,
    panic: Option<Box<dyn std::any::Any + Send>>,
}

/// What the threads of one run share.
struct Threads<'a, P: Protocol> {
    plan: Plan,
    shared: &'a Shared,
    meter: Option<fn() -> u64>,
    barrier: Barrier,
    mailboxes: Vec<Mutex<Mailbox<P>>>,
}

impl<P: Protocol> Threads<'_, P> {
    fn mailbox(&self, at: usize) -> MutexGuard<'_, Mailbox<P>> {
        self.mailboxes[at].lock().expect("a thread's panic is caught before it locks a mailbox")
    }

    /// Runs one partition to the end. `between` is called when all partitions have ended a window.
    fn run(&self, at: usize, partition: &mut Partition<P>, between: &mut dyn FnMut()) {
        let mut substeps = Substeps::default();
        loop {
            self.mailbox(at).next = partition.local.queue.next(self.plan.cycle);
            self.barrier.wait();
            let Some((window, is_last)) = self.next_window() else { return };
            self.barrier.wait(); // all have read the mailboxes before any is written again
            let before = self.meter.map(|meter| meter());
            let ran = catch_unwind(AssertUnwindSafe(|| {
                substeps.count(&self.plan, &window);
                partition.run(self.shared, &window);
            }));
            let busy = self.meter.zip(before).map(|(meter, before)| meter() - before);
            self.post(at, partition, busy.unwrap_or_default(), ran.err());
            self.barrier.wait();
            self.fetch(at, partition);
            between();
            if is_last {
                return;
            }
        }
    }

    /// The next window, on which all threads agree; `None` at the end of the run, or if one of them panicked.
    fn next_window(&self) -> Option<(Window, bool)> {
        let (mut next, mut failed) = (None, false);
        for at in 0..self.mailboxes.len() {
            let mailbox = self.mailbox(at);
            next = [next, mailbox.next].into_iter().flatten().min();
            failed |= mailbox.panic.is_some();
        }
        self.plan.window(next).filter(|_| !failed)
    }

    /// Posts to the others what a partition has for them.
    fn post(
        &self,
        at: usize,
        partition: &mut Partition<P>,
        busy: u64,
        panic: Option<Box<dyn std::any::Any + Send>>,
    ) {
        for to in (0..self.mailboxes.len()).filter(|to| *to != at) {
            std::mem::swap(&mut self.mailbox(to).mail[at], &mut partition.local.outboxes[to]);
        }
        let mut own = self.mailbox(at);
        own.busy = busy;
        own.emitted.append(&mut partition.local.emitted);
        own.panic = panic;
    }

    /// Queues what the others have for a partition.
    fn fetch(&self, at: usize, partition: &mut Partition<P>) {
        for from in (0..self.mailboxes.len()).filter(|from| *from != at) {
            let mut mail = std::mem::take(&mut self.mailbox(at).mail[from]);
            mail.drain(..).for_each(|entry| partition.local.queue.push(entry));
            self.mailbox(at).mail[from] = mail; // keeps its capacity
        }
    }
}

/// Runs each partition on a thread of its own, the first on the caller's.
fn side_by_side<P>(executor: &mut Executor<P>, until: Time, observe: Observer<'_, P>)
where
    P: Protocol + Send,
    P::Call: Send,
    P::Message: Send,
    P::Timer: Send,
    P::Event: Send,
{
    let (plan, count) = (executor.plan(until), executor.partitions.len());
    let Executor { shared, partitions, meter, busy, .. } = executor;
    let mailboxes = (0..count).map(|_| {
        let mail = std::iter::repeat_with(Vec::new).take(count).collect();
        Mutex::new(Mailbox { next: None, busy: 0, emitted: Vec::new(), mail, panic: None })
    });
    let mailboxes = mailboxes.collect();
    let threads = &Threads { plan, shared, meter: *meter, barrier: Barrier::new(count), mailboxes };
    let (first, others) = partitions.split_first_mut().expect("there is a partition");
    std::thread::scope(|scope| {
        for (at, partition) in others.iter_mut().enumerate() {
            scope.spawn(move || threads.run(at + 1, partition, &mut || {}));
        }
        let mut emitted = Vec::new();
        threads.run(0, first, &mut || {
            let mut longest = 0;
            for at in 0..count {
                let mut mailbox = threads.mailbox(at);
                emitted.append(&mut mailbox.emitted);
                busy.sum += mailbox.busy;
                longest = longest.max(mailbox.busy);
            }
            busy.longest += longest;
            report(&mut emitted, threads.shared, observe);
        });
    });
    let panic = threads.mailboxes.iter().find_map(|mailbox| mailbox.lock().ok()?.panic.take());
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}
