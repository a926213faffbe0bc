//! `rumormill lab epidemic`: one update spreads from one node to all.

use super::{CommonArgs, Costed, draw, latency, load, percentiles, tabulate};
use crate::args::{Given, probability};
use crate::commands::cost;
use crate::commands::progress::Progress;
use crate::outcome::{Failure, Outcome};
use crate::show::{Out, bytes, count};
use clap::Args;
use rumormill_lab::epidemic::{self, Counting, Epidemic, Removal, Strategy, Theory};
use rumormill_lab::stats::{figure, with_error};
use rumormill_lab::topology::Topology;
use rumormill_sim::Latency;

/// `rumormill lab epidemic`.
#[derive(Debug, Args)]
pub struct EpidemicArgs {
    /// Nodes
    #[arg(long, default_value_t = 1_000)]
    pub nodes: u64,
    /// How the update spreads
    #[arg(long, value_name = "NAME", default_value = "push", help = Strategy::names().join(", "))]
    pub strategy: Strategy,
    /// When a node loses interest: none, feedback-counter, feedback-coin, blind-counter, blind-coin
    #[arg(long, value_name = "NAME", default_value = "none")]
    pub removal: Removal,
    /// How many useless contacts, or one in how many, end the interest
    #[arg(long, default_value_t = 1)]
    pub k: u32,
    /// Nodes told in a round; for a flood the neighbours of a node, for a tree its children [default: the strategy's, 1 for rumors]
    #[arg(long, value_name = "F")]
    pub fanout: Option<u32>,
    /// Contacts that a node takes in a round [default: no limit]
    #[arg(long, value_name = "L")]
    pub connection_limit: Option<u32>,
    /// How often a refused contact is tried elsewhere
    #[arg(long, value_name = "H", default_value_t = 0)]
    pub hunt: u32,
    /// Push-pull: where both know it, only the smaller counter goes up
    #[arg(long)]
    pub minimization: bool,
    /// How useless contacts are counted. tables: a contact was useful if the receiver did not know when the round began, and resets the counter, as the
    /// paper's tables need it. plain: only the first to tell was useful, and nothing resets a counter, as its equations have it
    #[arg(long, value_name = "tables|plain", default_value = "tables")]
    pub counting: Counting,
    /// The graph of neighbours: full, grid, ring, line, star, random-regular, small-world, scale-free, with parameters as in small-world:degree=10,rewiring=0.1, or
    /// file:PATH with two node ids on each line [default: full]
    #[arg(long, value_name = "NAME")]
    pub topology: Option<Topology>,
    /// Push-then-pull: the round in which pushing ends [default: log2 of the nodes]
    #[arg(long, value_name = "ROUND")]
    pub switch: Option<u32>,
    /// Bytes of the update
    #[arg(long, default_value_t = 0)]
    pub bytes: usize,
    /// The share of datagrams that are lost, from 0 to below 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub loss: f64,
    /// Random latencies in place of synchronous rounds, against rounds of 1 s: MIN,MAX (uniform), for example 1ms,100ms [default:
    /// synchronous rounds]
    #[arg(long, value_name = "MIN,MAX", value_parser = latency)]
    pub latency: Option<Latency>,
    /// A run that is not over after so many rounds is broken off
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub rounds_max: u32,
    /// What every experiment has.
    #[command(flatten)]
    pub common: CommonArgs,
}

impl EpidemicArgs {
    /// What is to be run; `meter` reads the CPU time of the thread.
    pub fn epidemic(&self, meter: fn() -> u64) -> Epidemic {
        Epidemic {
            nodes: self.nodes,
            strategy: self.strategy,
            removal: self.removal,
            k: self.k,
            fanout: self.fanout,
            connection_limit: self.connection_limit,
            hunt: self.hunt,
            minimization: self.minimization,
            counting: self.counting,
            topology: self.topology.clone(),
            switch: self.switch,
            bytes: self.bytes,
            loss: self.loss,
            runs: self.common.runs as usize,
            seed: self.common.seed,
            latency: self.latency.clone(),
            rounds_max: self.rounds_max,
            threads: self.common.threads(meter),
            ..Epidemic::default()
        }
    }
}

/// `rumormill lab epidemic`.
pub fn run(given: &Given<EpidemicArgs>, out: &mut Out<'_>) -> Outcome {
    let args = &given.args;
    let mut experiment = args.epidemic(cost::thread_ns);
    experiment.topology = load(args.topology.as_ref(), args.nodes)?;
    experiment.check().map_err(Failure::Usage)?;
    experiment.check_flags(&given.names()).map_err(Failure::Usage)?;
    if let Some(available) = cost::available_bytes() {
        experiment.check_memory(available).map_err(Failure::Usage)?;
    }
    let mut progress = Progress::new();
    let tell = &mut |at: &epidemic::Progress| {
        progress.tell(|| {
            let share = at.reached as f64 / at.nodes as f64 * 100.0;
            format!("run {} of {}, round {}: {share:.2} % know", at.run + 1, at.runs, at.round)
        });
    };
    let result = experiment.run(tell).map_err(Failure::Usage)?;
    progress.end();
    draw(args.common.plot.as_deref(), || experiment.plot(&result))?;
    tabulate(args.common.csv.as_deref(), || result.csv())?;
    let costed = Costed::new(&result, experiment.threads.count, (result.busy.sum, result.busy.longest));
    if args.common.json {
        return out.json(&costed);
    }
    let cost = costed.line(result.events);
    let mut lines =
        lines(&experiment, &result).into_iter().chain([("cost", cost), ("digest", result.digest.clone())]);
    lines.try_for_each(|(label, text)| out.line(&format!("{label:<20}{text}")))
}

/// The outcome for people.
fn lines(experiment: &Epidemic, result: &epidemic::Outcome) -> Vec<(&'static str, String)> {
    let error = &result.standard_error;
    // Named where it is a part of the run.
    let removal = match experiment.check_flags(&["removal"]) {
        Ok(()) => format!(", removal {}", experiment.removal),
        Err(_) => String::new(),
    };
    let mut lines = vec![
        ("nodes, runs, seed", format!("{}, {}, {}", result.nodes, result.runs, result.seed)),
        ("strategy", format!("{}{removal}", result.strategy)),
        ("residue", with_error(result.residue, error.residue)),
        ("traffic", format!("{} updates per node", with_error(result.traffic, error.traffic))),
        (
            "t_avg, t_last",
            format!("{}, {}", with_error(result.t_avg, error.t_avg), with_error(result.t_last, error.t_last)),
        ),
        ("rounds", with_error(result.rounds, error.rounds)),
        ("sent", format!("{:.2} messages, {} per node", result.messages, bytes(result.bytes))),
    ];
    if result.runs > 1 {
        let of = &result.percentiles;
        let figures =
            [("residue", of.residue), ("t_avg", of.t_avg), ("t_last", of.t_last), ("traffic", of.traffic)];
        lines.push(("p50 / p90 / p99", percentiles(&figures)));
    }
    if result.extinct > 0 {
        lines.push(("died out", died_out(result)));
    }
    if result.broken_off > 0 {
        lines.push(("broken off", format!("{}, at the bound on rounds", count(result.broken_off, "run"))));
    }
    lines.push(("theory", theory(&result.theory)));
    lines
}

/// The runs whose update never took off, told apart from the others.
fn died_out(result: &epidemic::Outcome) -> String {
    let part = epidemic::TAKEN_OFF * 100.0;
    let few = format!("{} of {}, below {part} % of the nodes", result.extinct, count(result.runs, "run"));
    match &result.taken_off {
        None => few,
        Some(others) => {
            let residue = with_error(others.residue, others.residue_error);
            format!("{few}; the others: residue {residue}, t_last {}", figure(others.t_last, 4))
        }
    }
}

fn theory(theory: &Theory) -> String {
    match theory {
        Theory::NoTheoryFor(why) => format!("no theory for {why}"),
        Theory::MeanField(curve) => {
            let (last, rounds) = (curve.last().copied().unwrap_or_default(), curve.len().saturating_sub(1));
            format!("mean field: {} of the nodes know after {}", figure(last, 6), count(rounds, "round"))
        }
    }
}
