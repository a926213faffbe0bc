//! What comes out of a scenario.

use super::part::Line;
use rumormill_sim::Counters;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::collections::BTreeMap;

/// Where a scenario's output goes. Nothing has to be listened to.
pub trait Output {
    /// A node told something. Asked for only if [`Output::wants_events`].
    fn event(&mut self, _event: &Event) {}
    /// Whether events are wanted: there are many.
    fn wants_events(&self) -> bool {
        false
    }
    /// Something was done to the nodes.
    fn done(&mut self, _done: &Done) {}
    /// Figures of this moment.
    fn sample(&mut self, _sample: &Sample) {}
    /// How far it has come; often.
    fn progress(&mut self, _progress: &Progress) {}
}

/// Listens to nothing.
#[derive(Copy, Clone, Debug, Default)]
pub struct Silent;

impl Output for Silent {}

/// A node told something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// In which run, counted from 0.
    pub run: u32,
    /// Seconds since its beginning.
    pub t_s: f64,
    /// Who.
    pub node: u64,
    /// What.
    #[serde(flatten)]
    pub line: Line,
}

/// Something was done to the nodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Done {
    /// In which run, counted from 0.
    pub run: u32,
    /// Seconds since its beginning.
    pub t_s: f64,
    /// What.
    pub done: String,
    /// To whom.
    pub who: Vec<u64>,
}

/// Figures of one moment. As JSON one flat object; as CSV a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// In which run, counted from 0.
    pub run: u32,
    /// Seconds since its beginning.
    pub t_s: f64,
    /// By name: the simulation's, then the protocols'.
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

/// What a stack is about, if it has one of these: how far something has spread, how far off the estimates are, how strongly a live node is
/// suspected, how many see each other.
const CHIEF: [&str; 5] =
    ["informed_share", "newest_share", "relative_error_max", "live_level_max", "view_mean"];

impl Sample {
    /// The figure that says most of this stack.
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

/// How far it has come.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Progress {
    /// In which run, counted from 0,
    pub run: u32,
    /// of how many.
    pub runs: u32,
    /// Seconds of this run that have passed,
    pub t_s: f64,
    /// of how many.
    pub time_s: f64,
    /// Inputs handled so far, in all runs: with a clock, events per second.
    pub events: u64,
    /// Whether a failing plan is being shrunk: how often it has been tried.
    pub shrinking: Option<usize>,
}

/// What came of a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Its protocols.
    pub stack: String,
    /// Nodes at the beginning.
    pub nodes: u64,
    /// Its seed.
    pub seed: u64,
    /// Runs that ended, the failing one included.
    pub runs: u32,
    /// Simulated seconds of one run.
    pub time_s: f64,
    /// Inputs handled, in all runs.
    pub events: u64,
    /// Datagrams sent, in all runs.
    pub datagrams_sent: u64,
    /// Bytes sent, over datagrams and streams, in all runs.
    pub bytes_sent: u64,
    /// What did not arrive, by cause, in all runs.
    pub dropped: BTreeMap<&'static str, u64>,
    /// The last figures of each run, averaged over the runs.
    pub figures: BTreeMap<&'static str, f64>,
    /// How many checks were asked.
    pub checks: usize,
    /// What happens sometimes, and whether it has in any run.
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

    /// What failed, to be printed; none if [`Outcome::ok`].
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
    /// Which.
    pub check: String,
    /// What was wrong.
    pub why: String,
    /// In which run, counted from 0.
    pub run: u32,
    /// The seed of that run.
    pub run_seed: u64,
    /// Seconds into the run.
    pub at_s: f64,
    /// Steps of its plan, and of the smallest plan that was found to fail.
    pub steps: (usize, usize),
    /// That plan, in TOML.
    pub plan: String,
    /// The command that repeats the run.
    pub replay: String,
    /// All of this, to be printed.
    pub report: String,
}

/// The figures that every simulation has.
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

/// What did not arrive, by cause.
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
