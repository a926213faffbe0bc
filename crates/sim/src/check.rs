//! Checks during a run: properties that hold always, within a time, at the end, or at least sometimes.

use crate::plan::{Actor, Plan, Runner};
use crate::sim::Sim;
use crate::world::World;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Protocol;
use rumormill_core::time::{Duration, Time};
use rumormill_core::words;
use std::collections::BTreeMap;

/// The verdict of a check.
pub trait Verdict {
    /// The verdict as a result.
    ///
    /// # Errors
    /// Says what is wrong.
    fn verdict(self) -> Result<(), String>;
}

impl Verdict for bool {
    fn verdict(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("it does not hold".into()) }
    }
}

impl Verdict for Result<(), String> {
    fn verdict(self) -> Result<(), String> {
        self
    }
}

/// Begin of the time of an [`eventually_within`](Checks::eventually_within).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// This time.
    Time(Time),
    /// The plan's last action, done or undone; before the first one, the beginning. Each new action restarts the time.
    LastFault,
}

/// Checks of a simulation of `P`, with `S` as the record that the caller keeps of the run.
pub struct Checks<P: Protocol, S = ()> {
    every: Duration,
    checks: Vec<Check<P, S>>,
}

type Ask<P, S> = Box<dyn FnMut(&Sim<P>, &S) -> Result<(), String>>;

struct Check<P: Protocol, S> {
    name: String,
    kind: Kind,
    ask: Ask<P, S>,
}

enum Kind {
    Always,
    /// Begin of its time, and whether it has held since.
    Eventually {
        within: Duration,
        from: From,
        since: Time,
        held: bool,
        why: String,
    },
    Sometimes {
        held: bool,
    },
    Finally,
}

/// A check that failed, with all that reproduces the failure.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Name of the check.
    pub check: String,
    /// Reason of the failure.
    pub why: String,
    /// Time at which the check failed.
    pub at: Time,
    /// The seed of the run.
    pub seed: u64,
    /// The fault plan.
    pub plan: Plan,
    /// The world.
    pub world: World,
}

/// A check that failed, without seed, plan and world.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Name of the check.
    pub check: String,
    /// Reason of the failure.
    pub why: String,
    /// Time at which the check failed.
    pub at: Time,
}

impl<P: Protocol, S> Checks<P, S> {
    /// An empty list of checks, which run at each multiple of `every` and at the end.
    ///
    /// # Panics
    /// If `every` is zero.
    pub fn every(every: Duration) -> Self {
        assert!(!every.is_zero(), "checks are asked now and then, not all the time: give some time");
        Checks { every, checks: Vec::new() }
    }

    /// Adds a check that holds each time.
    pub fn always<V: Verdict>(
        self,
        name: impl Into<String>,
        ask: impl FnMut(&Sim<P>, &S) -> V + 'static,
    ) -> Self {
        self.add(name.into(), Kind::Always, ask)
    }

    /// Adds a check that holds at least once, at most `within` after `from`.
    pub fn eventually_within<V: Verdict>(
        self,
        name: impl Into<String>,
        within: Duration,
        from: From,
        ask: impl FnMut(&Sim<P>, &S) -> V + 'static,
    ) -> Self {
        let since = match from {
            From::Time(at) => at,
            From::LastFault => Time::ZERO,
        };
        self.add(name.into(), Kind::Eventually { within, from, since, held: false, why: String::new() }, ask)
    }

    /// Adds a check that holds at the end of the run.
    pub fn finally<V: Verdict>(
        self,
        name: impl Into<String>,
        ask: impl FnMut(&Sim<P>, &S) -> V + 'static,
    ) -> Self {
        self.add(name.into(), Kind::Finally, ask)
    }

    /// Adds a check that holds at least once in the run, or in one of many runs, if the caller merges their [`Checks::sometimes_held`].
    pub fn sometimes<V: Verdict>(
        self,
        name: impl Into<String>,
        ask: impl FnMut(&Sim<P>, &S) -> V + 'static,
    ) -> Self {
        self.add(name.into(), Kind::Sometimes { held: false }, ask)
    }

    fn add<V: Verdict>(
        mut self,
        name: String,
        kind: Kind,
        mut ask: impl FnMut(&Sim<P>, &S) -> V + 'static,
    ) -> Self {
        let ask: Ask<P, S> = Box::new(move |sim, seen| ask(sim, seen).verdict());
        self.checks.push(Check { name, kind, ask });
        self
    }

    /// The time of the next checks.
    pub fn next_at(&self, now: Time) -> Time {
        let every = u64::try_from(self.every.as_nanos()).unwrap_or(u64::MAX);
        Time((now.0 / every).saturating_add(1).saturating_mul(every))
    }

    /// Runs all checks. `last_fault` is the time of the plan's last action.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn ask(&mut self, sim: &Sim<P>, seen: &S, last_fault: Option<Time>) -> Result<(), Found> {
        let now = sim.now();
        self.checks.iter_mut().try_for_each(|check| check.ask(sim, seen, last_fault, now))
    }

    /// Runs all checks for the last time: a check that has not held by now fails.
    ///
    /// # Errors
    /// The first check that fails; a [`sometimes`](Checks::sometimes) does not.
    pub fn end(&mut self, sim: &Sim<P>, seen: &S, last_fault: Option<Time>) -> Result<(), Found> {
        self.ask(sim, seen, last_fault)?;
        let finally = self.checks.iter_mut().filter(|check| matches!(check.kind, Kind::Finally));
        for Check { name, ask, .. } in finally {
            ask(sim, seen).map_err(|why| Found { check: name.clone(), why, at: sim.now() })?;
        }
        for check in &self.checks {
            if let Kind::Eventually { within, since, held: false, why, .. } = &check.kind {
                let left = (*since + *within).since(sim.now());
                let why = match sim.now() < *since {
                    true => format!("it was never asked: it counts from {:?} on", since.since(Time::ZERO)),
                    false => why.clone(),
                };
                let why = format!("{why}; the run ended {left:?} before its time was up");
                return Err(Found { check: check.name.clone(), why, at: sim.now() });
            }
        }
        Ok(())
    }

    /// The names of the `sometimes` checks, and whether each has held.
    pub fn sometimes_held(&self) -> BTreeMap<String, bool> {
        let held = self.checks.iter().filter_map(|check| match check.kind {
            Kind::Sometimes { held } => Some((check.name.clone(), held)),
            _ => None,
        });
        held.collect()
    }

    /// Runs a simulation to `until` with a plan and these checks. `observe` records events in `seen`.
    ///
    /// # Errors
    /// The first check that fails, with the time at which it ran.
    pub fn run<A: Actor<P>>(
        &mut self,
        sim: &mut Sim<P>,
        runner: &mut Runner<P, A>,
        until: Time,
        seen: &mut S,
        mut observe: impl FnMut(&mut S, Time, NodeId, P::Event),
    ) -> Result<(), Found> {
        while sim.now() < until {
            let next = self.next_at(sim.now()).min(until);
            runner.run_until(sim, next, &mut |at, id, event| observe(seen, at, id, event));
            self.ask(sim, seen, runner.last_at())?;
        }
        self.end(sim, seen, runner.last_at())
    }
}

impl<P: Protocol, S> Check<P, S> {
    fn ask(&mut self, sim: &Sim<P>, seen: &S, last_fault: Option<Time>, now: Time) -> Result<(), Found> {
        let name = &self.name;
        let found = |why: String| Err(Found { check: name.clone(), why, at: now });
        match &mut self.kind {
            Kind::Always => (self.ask)(sim, seen).or_else(found),
            Kind::Finally => Ok(()),
            Kind::Sometimes { held } => {
                *held = *held || (self.ask)(sim, seen).is_ok();
                Ok(())
            }
            Kind::Eventually { within, from, since, held, why } => {
                if *from == From::LastFault
                    && let Some(last) = last_fault
                    && last > *since
                {
                    (*since, *held) = (last, false);
                }
                if *held || now < *since {
                    return Ok(());
                }
                match (self.ask)(sim, seen) {
                    Ok(()) => *held = true,
                    Err(e) if now >= *since + *within => {
                        return found(format!("{e}; not within {within:?} of {:?}", since.since(Time::ZERO)));
                    }
                    Err(e) => *why = e,
                }
                Ok(())
            }
        }
    }
}

impl Found {
    /// Adds all that reproduces the failure.
    pub fn with(self, seed: u64, plan: Plan, world: World) -> Failure {
        let Found { check, why, at } = self;
        Failure { check, why, at, seed, plan, world }
    }
}

impl Failure {
    /// The report for people: the check, the seed, the plan, and the command that reproduces the failure. `plan` is the plan as TOML,
    /// `replay` the command.
    pub fn report(&self, plan: &str, replay: &str) -> String {
        let at = rumormill_core::time::text::show(self.at.since(Time::ZERO));
        let plan = if plan.trim().is_empty() { "(nothing was done)" } else { plan.trim_end() };
        format!(
            "check failed: {} at {at}: {}\nseed: {}\nplan, in {}:\n{plan}\nto see it again: {replay}\n",
            self.check,
            self.why,
            self.seed,
            words::count(self.plan.steps.len(), "step"),
        )
    }
}
