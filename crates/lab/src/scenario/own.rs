//! Stacks that a program brings itself: a scenario file names them as it names those of this crate.
//!
//! A stack of one's own is a [`Part`]: a protocol with the calls, figures and checks that a file can name. [`Stacks`] gives it a name, and
//! [`Scenario::parse_with`] reads files that may use it. Faults, samples, checks and shrinking are the same as for all stacks.

use super::output::{Outcome, Output};
use super::part::{On, Part};
use super::registry::StackInfo;
use super::swim::SwimPart;
use super::{Scenario, drive};
use rumormill_core::identity::Unsigned;
use rumormill_core::stack::Subscriber;
use rumormill_protocols::catalog::Catalogued;
use rumormill_protocols::member::swim;
use rumormill_sim::plan::Plan;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use toml::Table;

/// The name of a membership beneath a protocol, and of its settings.
const MEMBERSHIP: &str = <swim::Swim<Unsigned> as Catalogued>::NAME;

/// Stacks by name, besides those of this crate.
#[derive(Clone, Default)]
pub struct Stacks(BTreeMap<String, Arc<dyn AnyStack>>);

impl Stacks {
    /// None besides those of this crate.
    pub fn new() -> Stacks {
        Stacks::default()
    }

    /// Adds a protocol under this name. `make` makes its part from `[settings.NAME]` and the number of nodes. Alone, it has the peers of
    /// [`Part::peers`].
    ///
    /// # Panics
    /// If the name has blanks, or this crate has a stack of that name.
    pub fn add<P: Part>(
        mut self,
        name: &str,
        about: &'static str,
        make: impl Fn(&Table, u64) -> Result<P, String> + Send + Sync + 'static,
    ) -> Stacks {
        assert!(!name.contains(char::is_whitespace), "{name:?}: the name of a stack is one word");
        assert!(!super::stacks().iter().any(|stack| stack.name == name), "there is a stack {name:?} already");
        let own = name.to_owned();
        let part = move |scenario: &Scenario| make(&settings(scenario, &own), scenario.nodes);
        self.0.insert(name.to_owned(), Arc::new(Own { about, parts: vec![name.to_owned()], part }));
        self
    }

    /// Adds a protocol under `NAME` and `NAME on swim`: there its peers are the members.
    ///
    /// # Panics
    /// As [`Stacks::add`].
    pub fn add_with_swim<P>(
        self,
        name: &str,
        about: &'static str,
        make: impl Fn(&Table, u64) -> Result<P, String> + Send + Sync + Clone + 'static,
    ) -> Stacks
    where
        P: Part<Node: Subscriber<swim::Event>>,
    {
        let mut stacks = self.add(name, about, make.clone());
        let own = name.to_owned();
        let part = move |scenario: &Scenario| {
            let upper = make(&settings(scenario, &own), scenario.nodes)?;
            let lower = SwimPart::new(&settings(scenario, MEMBERSHIP), scenario.nodes)?;
            Ok(On { upper, lower })
        };
        let parts = vec![name.to_owned(), MEMBERSHIP.to_owned()];
        stacks.0.insert(format!("{name} on {MEMBERSHIP}"), Arc::new(Own { about, parts, part }));
        stacks
    }

    /// These stacks, with their calls and checks as they are without settings.
    pub fn list(&self) -> Vec<StackInfo> {
        self.0.iter().filter_map(|(name, stack)| stack.info(name).ok()).collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&dyn AnyStack> {
        self.0.get(name).map(|stack| &**stack)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for Stacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

fn settings(scenario: &Scenario, name: &str) -> Table {
    scenario.settings.get(name).cloned().unwrap_or_default()
}

/// A stack whose protocol is hidden.
pub(super) trait AnyStack: Send + Sync {
    fn info(&self, name: &str) -> Result<StackInfo, String>;
    fn check(&self, scenario: &Scenario, plan: &Plan) -> Result<(), String>;
    fn memory_bytes(&self, scenario: &Scenario) -> Result<u64, String>;
    fn run(
        &self,
        scenario: &Scenario,
        runs: Range<u32>,
        replay: &dyn Fn(u32) -> String,
        output: &mut dyn Output,
    ) -> Result<Outcome, String>;
}

/// A stack, by the function that makes its part.
struct Own<F> {
    about: &'static str,
    /// The protocols in it, which may have settings.
    parts: Vec<String>,
    part: F,
}

impl<F> Own<F> {
    fn check_settings(&self, scenario: &Scenario) -> Result<(), String> {
        if scenario.topology.is_some() {
            return Err(format!(
                "topology: nodes of the stack {:?} have their peers from the program that brings it",
                scenario.stack
            ));
        }
        match scenario.settings.keys().find(|name| !self.parts.contains(name)) {
            None => Ok(()),
            Some(name) => Err(format!(
                "[settings.{name}]: that is not in the stack {:?}, which has {}",
                scenario.stack,
                self.parts.join(" and ")
            )),
        }
    }
}

impl<P, F> AnyStack for Own<F>
where
    P: Part,
    F: Fn(&Scenario) -> Result<P, String> + Send + Sync,
{
    fn info(&self, name: &str) -> Result<StackInfo, String> {
        let scenario = format!("stack = {name:?}\nnodes = 2\ntime = \"1s\"");
        let part = (self.part)(&toml::from_str(&scenario).map_err(|e| e.to_string())?)?;
        Ok(StackInfo { name: name.to_owned(), about: self.about, calls: part.calls(), checks: part.checks() })
    }

    fn check(&self, scenario: &Scenario, plan: &Plan) -> Result<(), String> {
        self.check_settings(scenario)?;
        drive::check(scenario, (self.part)(scenario)?, plan)
    }

    fn memory_bytes(&self, scenario: &Scenario) -> Result<u64, String> {
        Ok(drive::memory_bytes(scenario, &(self.part)(scenario)?))
    }

    fn run(
        &self,
        scenario: &Scenario,
        runs: Range<u32>,
        replay: &dyn Fn(u32) -> String,
        output: &mut dyn Output,
    ) -> Result<Outcome, String> {
        drive::run(scenario, (self.part)(scenario)?, runs, replay, output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Silent;

    fn scenario(stack: &str, more: &str) -> Result<Scenario, String> {
        let text = format!(
            "stack = {stack:?}\nnodes = 5\ntime = \"10s\"\nchecks = [\"finally views_agree\"]\n{more}"
        );
        let stacks = Stacks::new().add("mine", "SWIM again", SwimPart::new);
        Scenario::parse_with(&text, |name| Err(name.to_owned()), &stacks)
    }

    #[test]
    fn a_stack_of_ones_own_runs_as_one_of_this_crate_does() {
        let run =
            |stack: &str| scenario(stack, "").unwrap().run(None, &|_| String::new(), &mut Silent).unwrap();
        let (mine, ours) = (run("mine"), run("swim"));
        assert!(mine.ok && mine.digest == ours.digest, "{} {}", mine.digest, ours.digest);
        let settings =
            |name: &str| scenario("mine", &format!("[settings.{name}]\npreset = \"wan\"")).map(drop);
        assert_eq!(settings("mine"), Ok(()));
        let why = settings("swim").unwrap_err();
        assert!(why.contains("which has mine"), "{why}");
        let unknown = scenario("yours", "").unwrap_err();
        assert!(unknown.contains("swim") && unknown.contains("of this program mine"), "{unknown}");
        let stacks = scenario("mine", "").unwrap().own;
        assert!(stacks.list()[0].checks.iter().any(|(name, _)| *name == "views_agree"));
    }

    #[test]
    #[should_panic(expected = "there is a stack")]
    fn a_name_that_is_taken_is_refused() {
        let _ = Stacks::new().add("swim", "SWIM again", SwimPart::new);
    }
}
