//! The output of a scenario.

use super::nodes::Nodes;
use super::part::Line;
use rumormill_core::time::Time;
use rumormill_sim::Counters;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::collections::BTreeMap;

/// Receives the output of a scenario. Every method may be left out.
pub trait Output {
    /// An event of a node. Called only if [`Output::wants_events`].
    fn event(&mut self, _event: &Event) {}
    /// Whether events are wanted: there are many.
    fn wants_events(&self) -> bool {
        false
    }
    /// An action of the plan.
    fn done(&mut self, _done: &Done) {}
    /// A sample of figures.
    fn sample(&mut self, _sample: &Sample) {}
    /// The next simulated time at which it wants to look at the nodes, after `now`; [`Time::NEVER`] for none.
    fn next_look(&self, _now: Time) -> Time {
        Time::NEVER
    }
    /// The nodes at that time, in the run of that number. The simulated time stands still, and no node knows of it.
    ///
    /// # Errors
    /// Ends the scenario.
    fn look(&mut self, _run: u32, _nodes: &dyn Nodes) -> Result<(), String> {
        Ok(())
    }
    /// The progress; called often.
    fn progress(&mut self, _progress: &Progress) {}
}

/// Ignores the output.
#[derive(Copy, Clone, Debug, Default)]
pub struct Silent;

impl Output for Silent {}

/// An event of a node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Number of the run, from 0.
    pub run: u32,
    /// Seconds since the beginning of the run.
    pub t_s: f64,
    /// The node.
    pub node: u64,
    /// The event.
    #[serde(flatten)]
    pub line: Line,
}

/// An action of the plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Done {
    /// Number of the run, from 0.
    pub run: u32,
    /// Seconds since the beginning of the run.
    pub t_s: f64,
    /// The action.
    pub done: String,
    /// Its targets.
    pub who: Vec<u64>,
}

/// A sample of figures at one moment. As JSON one flat object; as CSV a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Number of the run, from 0.
    pub run: u32,
    /// Seconds since the beginning of the run.
    pub t_s: f64,
    /// Figures by name: the simulation's, then the protocols'.
    pub figures: Vec<(&'static str, f64)>,
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.figures.len() + 2))?;
        map.serialize_entry("run", &self.run)?;
        map.serialize_entry("t_s", &self.t_s)?;
        for (name, figure) in &self.figures {
            map.serialize_entry(name, figure)?;
        }
        map.end()
    }
}

/// The chief figure of a stack, if it has one of these: the spread of an update, the error of the estimates, the suspicion of live nodes, the agreement of
/// the views.
const CHIEF: [&str; 5] =
    ["informed_share", "newest_share", "relative_error_max", "live_level_max", "view_mean"];

impl Sample {
    /// The chief figure of this stack.
    pub fn chief(&self) -> &'static str {
        let has = |name: &&str| self.figures.iter().any(|(figure, _)| figure == name);
        CHIEF.into_iter().find(has).unwrap_or("events")
    }

    /// The names of the columns.
    pub fn csv_header(&self) -> String {
        let names = self.figures.iter().map(|(name, _)| *name);
        ["run", "t_s"].into_iter().chain(names).collect::<Vec<_>>().join(",")
    }

    /// The columns.
    pub fn csv_row(&self) -> String {
        let figures = self.figures.iter().map(|(_, figure)| figure.to_string());
        [self.run.to_string(), self.t_s.to_string()].into_iter().chain(figures).collect::<Vec<_>>().join(",")
    }
}

/// The progress of a scenario.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Progress {
    /// Number of the run, from 0.
    pub run: u32,
    /// Number of runs.
    pub runs: u32,
    /// Simulated seconds of this run so far.
    pub t_s: f64,
    /// Simulated seconds of a run.
    pub time_s: f64,
    /// Inputs handled so far, in all runs.
    pub events: u64,
    /// Number of plans tried so far, while a failing plan is being shrunk.
    pub shrinking: Option<usize>,
}

/// The outcome of a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// The stack.
    pub stack: String,
    /// Number of nodes at the beginning.
    pub nodes: u64,
    /// Its seed.
    pub seed: u64,
    /// Number of runs that ended, the failing one included.
    pub runs: u32,
    /// Simulated seconds of one run.
    pub time_s: f64,
    /// Inputs handled, in all runs.
    pub events: u64,
    /// Datagrams sent, in all runs.
    pub datagrams_sent: u64,
    /// Bytes sent, over datagrams and streams, in all runs.
    pub bytes_sent: u64,
    /// Packets that were not delivered, by cause, in all runs.
    pub dropped: BTreeMap<&'static str, u64>,
    /// The last sample of each run, averaged over the runs.
    pub figures: BTreeMap<&'static str, f64>,
    /// Number of checks.
    pub checks: usize,
    /// The `sometimes` checks, and whether each held in any run.
    pub sometimes: BTreeMap<String, bool>,
    /// The first check that failed.
    pub failure: Option<FailureReport>,
    /// Whether every check held; true without checks.
    pub ok: bool,
    /// A hash of all deliveries of all runs, in hexadecimal.
    pub digest: String,
}

impl Outcome {
    /// The `sometimes` checks that held in no run.
    pub fn never(&self) -> Vec<&str> {
        self.sometimes.iter().filter(|(_, held)| !**held).map(|(name, _)| name.as_str()).collect()
    }

    /// The report of the failure, to be printed; `None` if [`Outcome::ok`].
    pub fn failed(&self) -> Option<String> {
        if let Some(failure) = &self.failure {
            return Some(failure.report.clone());
        }
        let never = self.never();
        let runs = if self.runs == 1 { "the only run".into() } else { format!("any of {} runs", self.runs) };
        (!never.is_empty())
            .then(|| format!("check failed: {} did not hold in {runs}, seed {}", never.join(", "), self.seed))
    }
}

/// A check that failed.
#[derive(Clone, Debug, Serialize)]
pub struct FailureReport {
    /// The check.
    pub check: String,
    /// The reason.
    pub why: String,
    /// Number of the run, from 0.
    pub run: u32,
    /// The seed of that run.
    pub run_seed: u64,
    /// Seconds into the run.
    pub at_s: f64,
    /// Number of steps of its plan, and of the smallest plan that was found to fail.
    pub steps: (usize, usize),
    /// The smallest plan, in TOML.
    pub plan: String,
    /// The command that repeats the run.
    pub replay: String,
    /// The whole report, to be printed.
    pub report: String,
}

/// The figures of every simulation.
pub(super) fn figures(up: usize, pending: usize, total: &Counters) -> Vec<(&'static str, f64)> {
    vec![
        ("up", up as f64),
        ("pending", pending as f64),
        ("events", total.inputs as f64),
        ("datagrams_sent", total.datagrams_sent as f64),
        ("datagrams_received", total.datagrams_received as f64),
        ("bytes_sent", total.bytes_sent() as f64),
        ("dropped", total.dropped.total() as f64),
        ("shed", total.shed as f64),
    ]
}

/// The number of packets that were not delivered, by cause.
pub(super) fn causes(total: &Counters) -> BTreeMap<&'static str, u64> {
    let dropped = total.dropped;
    BTreeMap::from([
        ("lost", dropped.lost),
        ("swallowed", dropped.swallowed),
        ("partitioned", dropped.partitioned),
        ("unknown", dropped.unknown),
        ("crashed", dropped.crashed),
        ("overflowed", dropped.overflowed),
        ("congested", dropped.congested),
        ("overloaded", dropped.overloaded),
        ("undecodable", dropped.undecodable),
        ("shed", total.shed),
    ])
}
