//! A scenario: any stack of protocols on any world, with a fault plan and checks, from one file.
//!
//! ```toml
//! stack = "latest on swim"     # `rumormill sim run --stacks` lists what there is
//! nodes = 50
//! time = "60s"
//! checks = ["always no_false_death", "eventually views_agree within 20s"]
//!
//! [world]
//! latency = { matrix = "planet" }
//! loss = 0.01
//!
//! [[step]]
//! at = "20s"
//! do = "crash"
//! who = "10%"
//! for = "15s"
//!
//! [[call]]
//! at = "10s"
//! who = "all"
//! call = "put"
//! with = "hello"
//! ```
//!
//! The run is a pure function of this file, the seed, and the files that it names, which the caller reads. Its output goes to an [`Output`].
//!
//! | file | contents |
//! | --- | --- |
//! | `mod` | the file's fields |
//! | `part` | the trait of a protocol in scenarios; two protocols on top of each other |
//! | `agent` | the composite that an agent runs |
//! | `swim`, `lww`, `anti_entropy`, `spreader`, `aggregator`, `detector` | the protocols; the last three run any of their family |
//! | `settings` | the protocols' settings |
//! | `erased` | a part behind one type |
//! | `registry`, `own` | their names; stacks that a program brings itself |
//! | `checks` | the notation of checks |
//! | `extent` | what lies within the time and the nodes of a run |
//! | `drive` | one run |
//! | `nodes` | the nodes, as an output may look at them |
//! | `sql` | statements about the nodes; behind the feature `sql` |
//! | `output`, `samples` | the output; its samples as CSV and as a plot |

mod agent;
mod aggregator;
mod anti_entropy;
mod checks;
mod detector;
mod drive;
mod erased;
mod extent;
mod lww;
mod nodes;
mod output;
mod own;
pub mod part;
mod registry;
mod samples;
mod settings;
mod spreader;
#[cfg(feature = "sql")]
pub mod sql;
mod swim;

pub use nodes::Nodes;
pub use output::{Done, Event, FailureReport, Outcome, Output, Progress, Sample, Silent};
pub use own::Stacks;
pub use registry::{StackInfo, stacks};
pub use samples::Samples;
pub use settings::keys;

use crate::threads::Threads;
use crate::topology::Topology;
use part::Names;
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Duration, text};
use rumormill_sim::World;
use rumormill_sim::churn::{self, Churn};
use rumormill_sim::plan::{Action, Bounds, Plan, Step, Who};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Upper bound on the runs of a scenario.
pub const RUNS_MAX: u32 = 1_000_000;
/// Upper bound on the nodes of a scenario.
pub const NODES_MAX: u64 = 10_000_000;
/// Upper bound on the repetitions of one call.
pub const REPEATS_MAX: u64 = 1 << 16;

/// The fields of the file. An unknown field is an error.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// A description for people.
    #[serde(default)]
    pub about: String,
    /// The stack: `swim`, `latest on swim`.
    pub stack: String,
    /// Number of nodes at the beginning; their ids count up from 0.
    pub nodes: u64,
    /// The seed, from which the seed of each run is made.
    #[serde(default = "one")]
    pub seed: u64,
    /// Number of runs.
    #[serde(default = "one_run")]
    pub runs: u32,
    /// Length of a run.
    #[serde(with = "text")]
    pub time: Duration,
    /// Time within which the nodes start, evenly.
    #[serde(default, with = "text")]
    pub start_within: Duration,
    /// Time between two samples.
    #[serde(default = "a_second", with = "text")]
    pub sample: Duration,
    /// Time between two runs of the checks.
    #[serde(default = "a_tenth", with = "text")]
    pub check_every: Duration,
    /// The checks: `always NAME`, `eventually NAME within 10s`, `eventually NAME within 10s after 1m`, `sometimes NAME`,
    /// `finally NAME`.
    #[serde(default)]
    pub checks: Vec<String>,
    /// Upper bound on the smaller plans that are tried after a failure; 0: the plan is not shrunk.
    #[serde(default = "shrink_tries")]
    pub shrink_tries: usize,
    /// Files with more steps, in TOML like the steps here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan_files: Vec<String>,
    /// Files with traces of churn: lines of `time_s,node,up|down`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace_files: Vec<String>,
    /// The graph of neighbours, where no protocol of the stack finds the peers; by default everyone knows everyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<Topology>,
    /// The protocols' settings, by protocol.
    #[serde(default)]
    pub settings: BTreeMap<String, toml::Table>,
    /// The world.
    #[serde(default)]
    pub world: World,
    /// A random plan, drawn anew for each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<Bounds>,
    /// Random churn, drawn anew for each run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub churn: Vec<Churn>,
    /// The steps of the fault plan.
    #[serde(default, rename = "step", skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The calls of nodes.
    #[serde(default, rename = "call", skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// The threads of the simulation. Not in the file but given by its runner: the outcome does not depend on it.
    #[serde(skip)]
    pub threads: Threads,
    /// Stacks of the program that reads the file, besides those of this crate.
    #[serde(skip)]
    pub own: Stacks,
}

/// A call of nodes, once or repeatedly.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Time of the first call.
    #[serde(with = "text")]
    pub at: Duration,
    /// The nodes that are called, among those that are up then.
    pub who: Who,
    /// Name of the call.
    pub call: String,
    /// Argument of the call; `{node}` in it stands for a random node of the beginning.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub with: String,
    /// Time between two repetitions.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// Number of calls in all; `{n}` in `with` stands for the number of the call, from 1 on.
    #[serde(default = "one")]
    pub times: u64,
    /// In place of `every`: the calls are at random times between `at` and this, drawn anew for each run.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    pub until: Option<Duration>,
}

fn one() -> u64 {
    1
}

fn one_run() -> u32 {
    1
}

fn a_second() -> Duration {
    Duration::from_secs(1)
}

fn a_tenth() -> Duration {
    Duration::from_millis(100)
}

fn shrink_tries() -> usize {
    200
}

impl Call {
    /// The argument of the `n`th call, from 0 on. `{node}` stands for one of the `nodes` of the beginning, drawn anew each time.
    fn step(&self, n: u64, nodes: u64, rng: &mut Rng) -> Step {
        let after = match self.until {
            Some(until) => {
                Duration::from_millis(rng.below(millis(until.saturating_sub(self.at)) as usize + 1) as u64)
            }
            None => self.every.unwrap_or_default().saturating_mul(u32::try_from(n).unwrap_or(u32::MAX)),
        };
        let node = rng.below(usize::try_from(nodes).unwrap_or(usize::MAX));
        let with = self.with.replace("{n}", &(n + 1).to_string()).replace("{node}", &node.to_string());
        let action = Action::Call { who: self.who.clone(), call: self.call.clone(), with };
        Step::new(self.at.saturating_add(after), action)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Scenario {
    /// Parses a scenario. `read` returns the text of a file that it names; the steps and edges of such files become its own.
    ///
    /// # Errors
    /// Says what is wrong and where, and lists the possible values.
    pub fn parse(text: &str, read: impl FnMut(&str) -> Result<String, String>) -> Result<Scenario, String> {
        Scenario::parse_with(text, read, &Stacks::default())
    }

    /// [`Scenario::parse`] for a file that may also name these stacks.
    ///
    /// # Errors
    /// As [`Scenario::parse`].
    pub fn parse_with(
        text: &str,
        mut read: impl FnMut(&str) -> Result<String, String>,
        own: &Stacks,
    ) -> Result<Scenario, String> {
        let mut scenario: Scenario = toml::from_str(text).map_err(|e| e.to_string())?;
        scenario.own = own.clone();
        for file in std::mem::take(&mut scenario.plan_files) {
            let plan: Plan = toml::from_str(&read(&file)?).map_err(|e| format!("{file}: {e}"))?;
            scenario.steps.extend(plan.steps);
        }
        for file in std::mem::take(&mut scenario.trace_files) {
            let plan = churn::trace(&read(&file)?).map_err(|e| format!("{file}: {e}"))?;
            scenario.steps.extend(plan.steps);
        }
        if let Some(topology) = &mut scenario.topology {
            topology.load(scenario.nodes, &mut read).map_err(|e| format!("topology: {e}"))?;
        }
        scenario.check()?;
        Ok(scenario)
    }

    /// Sets the number of nodes, also of those that its random plan acts on.
    pub fn set_nodes(&mut self, nodes: u64) {
        self.nodes = nodes;
        if let Some(random) = &mut self.random {
            random.nodes = nodes;
        }
    }

    /// The scenario as text for [`Scenario::parse`], with the contents of other files.
    pub fn text(&self) -> String {
        toml::to_string(self).unwrap_or_else(|e| format!("# cannot be written: {e}\n"))
    }

    /// Refuses a scenario that is not sound: says what is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.nodes == 0 || self.nodes > NODES_MAX {
            return Err(format!("nodes = {}: give 1 to {NODES_MAX}", self.nodes));
        }
        if self.runs == 0 || self.runs > RUNS_MAX {
            return Err(format!("runs = {}: give 1 to {RUNS_MAX}", self.runs));
        }
        if self.time.is_zero() {
            return Err("time is 0s: give the length of a run, like 60s".into());
        }
        extent::pace("sample", self.sample, self.time)?;
        extent::pace("check_every", self.check_every, self.time)?;
        self.threads.check()?;
        self.world.check().map_err(|e| format!("[world]: {e}"))?;
        if let Some(bounds) = &self.random {
            bounds.check().map_err(|e| format!("[random]: {e}"))?;
        }
        for call in &self.calls {
            if call.times == 0 || call.times > REPEATS_MAX {
                return Err(format!("[[call]]: times = {}: give 1 to {REPEATS_MAX}", call.times));
            }
            if let Some(until) = call.until {
                if until < call.at || call.every.is_some() {
                    return Err("[[call]]: `until` is not before `at`, and takes the place of `every`".into());
                }
            } else if call.times > 1 && call.every.is_none_or(|every| every.is_zero()) {
                return Err("[[call]]: more than one time needs `every` or `until`".into());
            }
        }
        let plan = self.plan(0)?;
        plan.check()?;
        extent::check(self, &plan)?;
        registry::check(self, &plan)
    }

    /// The fault plan of the run with this seed.
    ///
    /// # Errors
    /// If churn has too many steps.
    pub fn plan(&self, run_seed: u64) -> Result<Plan, String> {
        let mut plan = Plan { steps: self.steps.clone() };
        for (at, churn) in self.churn.iter().enumerate() {
            let seed = mix(run_seed ^ mix(0xc4 + at as u64));
            plan = plan.and(churn.plan(seed).map_err(|e| format!("[[churn]]: {e}"))?);
        }
        if let Some(bounds) = &self.random {
            plan = plan.and(Plan::random(mix(run_seed ^ 0x4a), bounds));
        }
        for (at, call) in self.calls.iter().enumerate() {
            let mut rng = Rng::seeded(mix(run_seed ^ mix(0xca11 + at as u64)));
            plan.steps.extend((0..call.times).map(|n| call.step(n, self.nodes, &mut rng)));
        }
        Ok(plan.pin())
    }

    /// The seed of a run.
    pub fn run_seed(&self, run: u32) -> u64 {
        mix(self.seed ^ mix(u64::from(run)))
    }

    /// Bytes of memory that a run needs, about.
    ///
    /// # Errors
    /// If there is no such stack.
    pub fn memory_bytes(&self) -> Result<u64, String> {
        registry::memory_bytes(self)
    }

    /// Runs all runs, or until one fails. `available` is the available memory in bytes; a scenario that needs more is refused. `replay` returns the command
    /// that repeats the run of that number.
    ///
    /// # Errors
    /// As [`Scenario::check`], and if there is not enough memory. A check that fails is no error: see [`Outcome::failure`].
    pub fn run(
        &self,
        available: Option<u64>,
        replay: &dyn Fn(u32) -> String,
        output: &mut dyn Output,
    ) -> Result<Outcome, String> {
        self.run_some(0..self.runs, available, replay, output)
    }

    /// [`Scenario::run`] for some of the runs.
    ///
    /// # Errors
    /// As [`Scenario::run`].
    pub fn run_some(
        &self,
        runs: std::ops::Range<u32>,
        available: Option<u64>,
        replay: &dyn Fn(u32) -> String,
        output: &mut dyn Output,
    ) -> Result<Outcome, String> {
        self.check()?;
        if runs.is_empty() {
            return Err(format!("no run is left to do: runs {} to {} are empty", runs.start, runs.end));
        }
        let needed = self.memory_bytes()?;
        if let Some(available) = available.filter(|available| needed > *available) {
            return Err(format!(
                "{} nodes of {} need about {} MiB, and {} MiB are available: use fewer nodes",
                self.nodes,
                self.stack,
                needed >> 20,
                available >> 20
            ));
        }
        registry::run(self, runs, replay, output)
    }
}

/// The error for an unknown name, with the known ones.
fn unknown(what: &str, name: &str, known: &Names) -> String {
    let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    format!("no {what} is called {name:?}: there are {list}")
}

fn holds(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.into()) }
}
