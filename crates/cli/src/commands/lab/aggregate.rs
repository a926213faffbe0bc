//! `rumormill lab aggregate`: all nodes compute an aggregate of their values.

use super::{CommonArgs, Costed, draw, latency, load, percentiles, tabulate};
use crate::args::{Given, probability};
use crate::commands::cost;
use crate::commands::progress::Progress;
use crate::outcome::{Failure, Outcome};
use crate::show::{Out, bytes};
use clap::{Args, ValueEnum};
use rumormill_lab::aggregate::{self, Aggregate, Algorithm, Theory, Values};
use rumormill_lab::stats::figure;
use rumormill_lab::topology::Topology;
use rumormill_protocols::sum::averaging::Pairing;
use rumormill_sim::Latency;

/// `rumormill lab aggregate`.
#[derive(Debug, Args)]
pub struct AggregateArgs {
    /// Nodes
    #[arg(long, default_value_t = 1_000)]
    pub nodes: u64,
    /// push-sum, averaging, plain-averaging, count, extrema
    #[arg(long, value_name = "NAME", default_value = "averaging")]
    pub algorithm: Algorithm,
    /// The values that the nodes have
    #[arg(long, value_enum, default_value_t = ValuesArg::Uniform)]
    pub values: ValuesArg,
    /// Averaging and count: when a node begins an exchange, and with whom
    #[arg(long, value_enum, default_value_t = PairingArg::Cyclic)]
    pub pairing: PairingArg,
    /// Count: the mean number of nodes that begin a count of their own [default: the first node alone]
    #[arg(long, value_name = "MEAN")]
    pub leaders: Option<f64>,
    /// Extrema: how many minima are kept
    #[arg(long, default_value_t = 100)]
    pub numbers: usize,
    /// Rounds
    #[arg(long, default_value_t = 30)]
    pub rounds: u32,
    /// The share of datagrams that are lost, from 0 to below 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub loss: f64,
    /// Random latencies against rounds of 1 s: MIN,MAX (uniform), for example 1ms,100ms [default: synchronous rounds for push-sum and extrema, 200us,1ms
    /// for the others, whose exchanges must not overlap]
    #[arg(long, value_name = "MIN,MAX", value_parser = latency)]
    pub latency: Option<Latency>,
    /// How many random others each node knows [default: all]
    #[arg(long, value_name = "K")]
    pub neighbours: Option<u64>,
    /// The graph of neighbours: full, grid, ring, line, star, random-regular, small-world, scale-free, with parameters as in small-world:degree=10,rewiring=0.1, or
    /// file:PATH with two node ids on each line [default: full]
    #[arg(long, value_name = "NAME")]
    pub topology: Option<Topology>,
    /// Synchronous rounds for the other algorithms, too: in a round all ask before any is answered
    #[arg(long)]
    pub synchronous: bool,
    /// What every experiment has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// The values that the nodes have.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum ValuesArg {
    /// Uniform in [0, 1)
    Uniform,
    /// 1 at the first node, 0 at all others
    Peak,
}

/// When a node begins an exchange, and with whom.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum PairingArg {
    /// Once in each cycle, always at the same phase
    Steady,
    /// Once in each cycle, at a time drawn anew: the paper's SEQ
    Cyclic,
    /// At random times, once a cycle on average: the paper's RAND
    Poisson,
    /// By two random perfect matchings a cycle: the paper's PM
    Matching,
}

impl AggregateArgs {
    /// What is to be run; `meter` reads the CPU time of the thread.
    pub fn aggregate(&self, meter: fn() -> u64) -> Aggregate {
        Aggregate {
            nodes: self.nodes,
            algorithm: self.algorithm,
            values: match self.values {
                ValuesArg::Uniform => Values::Uniform,
                ValuesArg::Peak => Values::Peak,
            },
            pairing: match self.pairing {
                PairingArg::Steady => Pairing::Steady,
                PairingArg::Cyclic => Pairing::Cyclic,
                PairingArg::Poisson => Pairing::Poisson,
                PairingArg::Matching => Pairing::Matching,
            },
            leaders: self.leaders,
            numbers: self.numbers,
            rounds: self.rounds,
            loss: self.loss,
            runs: self.common.runs as usize,
            seed: self.common.seed,
            latency: self.latency.clone(),
            synchronous: self.synchronous,
            neighbours: self.neighbours,
            topology: self.topology.clone(),
            threads: self.common.threads(meter),
        }
    }
}

/// `rumormill lab aggregate`.
pub fn run(given: &Given<AggregateArgs>, out: &mut Out<'_>) -> Outcome {
    let args = &given.args;
    let mut experiment = args.aggregate(cost::thread_ns);
    experiment.topology = load(args.topology.as_ref(), args.nodes)?;
    experiment.check().map_err(Failure::Usage)?;
    experiment.check_flags(&given.names()).map_err(Failure::Usage)?;
    if let Some(available) = cost::available_bytes() {
        experiment.check_memory(available).map_err(Failure::Usage)?;
    }
    let mut progress = Progress::new();
    let tell = &mut |at: &aggregate::Progress| {
        progress.tell(|| format!("run {} of {}, round {} of {}", at.run + 1, at.runs, at.round, at.rounds));
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
    let mut lines = lines(&result).into_iter().chain([("cost", cost), ("digest", result.digest.clone())]);
    lines.try_for_each(|(label, text)| out.line(&format!("{label:<20}{text}")))
}

/// The outcome for people.
fn lines(result: &aggregate::Outcome) -> Vec<(&'static str, String)> {
    let factor = result.factor_per_round.map_or_else(|| "-".into(), |factor| format!("{factor:.4}"));
    let theory = match &result.theory {
        Theory::Factor(factor) => format!("a factor of {factor:.4} per round"),
        Theory::NoTheoryFor(why) => format!("no theory for {why}"),
    };
    let mut lines = vec![
        ("nodes, runs, seed", format!("{}, {}, {}", result.nodes, result.runs, result.seed)),
        ("algorithm", result.algorithm.clone()),
        ("truth, found", format!("{}, {}", figure(result.truth, 7), figure(result.estimate, 7))),
        ("factor per round", factor),
        ("largest error", format!("{} of the truth", figure(result.max_relative_error, 4))),
    ];
    if let Some(off) = result.mass_error {
        lines.push(("mass lost or made", format!("{} of the truth", figure(off, 4))));
    }
    lines.push((
        "sent",
        format!("{:.2} messages, {} per node and round", result.messages, bytes(result.bytes)),
    ));
    if result.runs > 1 {
        let of = &result.percentiles;
        let mass = of.mass_error.map(|mass| ("mass", mass));
        let figures: Vec<_> = [("found", of.estimate), ("largest error", of.max_relative_error)]
            .into_iter()
            .chain(mass)
            .collect();
        lines.push(("p50 / p90 / p99", percentiles(&figures)));
    }
    lines.push(("theory", theory));
    lines
}
