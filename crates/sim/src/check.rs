//! Checks that run along: what always holds, what holds in time, what happens at least sometimes.

use crate::plan::{Actor, Plan, Runner};
use crate::sim::Sim;
use crate::world::World;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Protocol;
use rumormill_core::time::{Duration, Time};
use std::collections::BTreeMap;

/// What a check says: nothing is wrong, or what is.
pub trait Verdict {
    /// What is wrong.
    ///
    /// # Errors
    /// If something is.
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

/// From when on an [`eventually_within`](Checks::eventually_within) counts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// From this time.
    Time(Time),
    /// From what the plan did or undid last; from the beginning, as long as that is nothing. Each new thing starts it anew.
    LastFault,
}

/// Checks of a simulation of `P`, together with what else was seen of the run, `S`.
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
    /// Since when it has had to hold, and whether it has since then.
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

/// A check that failed, and all that is needed to see it fail again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which check.
    pub check: String,
    /// What was wrong.
    pub why: String,
    /// When it was noticed.
    pub at: Time,
    /// The seed of the run.
    pub seed: u64,
    /// What was done to the nodes.
    pub plan: Plan,
    /// The world.
    pub world: World,
}

/// What a check found, without what the caller knows about the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Which check.
    pub check: String,
    /// What was wrong.
    pub why: String,
    /// When it was noticed.
    pub at: Time,
}

impl<P: Protocol, S> Checks<P, S> {
    /// No checks yet; they are asked at each multiple of `every`, and at the end.
    ///
    /// # Panics
    /// If `every` is nothing.
    pub fn every(every: Duration) -> Self {
        assert!(!every.is_zero(), "checks are asked now and then, not all the time: give some time");
        Checks { every, checks: Vec::new() }
    }

    /// This holds whenever it is asked.
    pub fn always<V: Verdict>(
        self,
        name: impl Into<String>,
        ask: impl FnMut(&Sim<P>, &S) -> V + 'static,
    ) -> Self {
        self.add(name.into(), Kind::Always, ask)
    }

    /// This holds at least once, at most `within` after `from`.
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

    /// This holds at the end of the run.
    pub fn finally<V: Verdict>(
        self,
        name: impl Into<String>,
        ask: impl FnMut(&Sim<P>, &S) -> V + 'static,
    ) -> Self {
        self.add(name.into(), Kind::Finally, ask)
    }

    /// This holds at least once in the run; or in one of many, if the caller puts [`Checks::sometimes_held`] of all of them together.
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

    /// When they are to be asked next.
    pub fn next_at(&self, now: Time) -> Time {
        let every = u64::try_from(self.every.as_nanos()).unwrap_or(u64::MAX);
        Time((now.0 / every).saturating_add(1).saturating_mul(every))
    }

    /// Asks them all. `last_fault` is when the plan last did something.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn ask(&mut self, sim: &Sim<P>, seen: &S, last_fault: Option<Time>) -> Result<(), Found> {
        let now = sim.now();
        self.checks.iter_mut().try_for_each(|check| check.ask(sim, seen, last_fault, now))
    }

    /// Asks them all for the last time: what has not held by now will not.
    ///
    /// # Errors
    /// The first check that fails. Not one of what happens [`sometimes`](Checks::sometimes).
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

    /// What happens sometimes, and whether it has.
    pub fn sometimes_held(&self) -> BTreeMap<String, bool> {
        let held = self.checks.iter().filter_map(|check| match check.kind {
            Kind::Sometimes { held } => Some((check.name.clone(), held)),
            _ => None,
        });
        held.collect()
    }

    /// Lets a simulation run to `until` with a plan and these checks. What `observe` sees goes into `seen`.
    ///
    /// # Errors
    /// The first check that fails, at the time at which it was asked.
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
    /// With all that is needed to see it again.
    pub fn with(self, seed: u64, plan: Plan, world: World) -> Failure {
        let Found { check, why, at } = self;
        Failure { check, why, at, seed, plan, world }
    }
}

impl Failure {
    /// What to print: the check, the seed, the plan, and the command that lets it fail again. `plan` is the plan's text (TOML), `replay`
    /// the command.
    pub fn report(&self, plan: &str, replay: &str) -> String {
        let at = crate::humane::show(self.at.since(Time::ZERO));
        let plan = if plan.trim().is_empty() { "(nothing was done)" } else { plan.trim_end() };
        format!(
            "check failed: {} at {at}: {}\nseed: {}\nplan, in {} steps:\n{plan}\nto see it again: {replay}\n",
            self.check,
            self.why,
            self.seed,
            self.plan.steps.len(),
        )
    }
}
