//! The flags of `rumormill lab` and `rumormill sim run`.

use super::{duration, sim::probability};
use clap::{Args, Subcommand, ValueEnum};
use rumormill_core::time::Duration;
use rumormill_lab::aggregate::{Aggregate, Algorithm, Values};
use rumormill_lab::epidemic::{Counting, Epidemic, Removal, Strategy};
use rumormill_lab::threads::Threads;
use rumormill_protocols::sum::averaging::Pairing;
use rumormill_sim::Latency;
use std::path::PathBuf;

/// `rumormill lab ...`.
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Let one update spread from one node to all, by the library's own protocol code
    ///
    /// Reports the share that never hears it (residue), how often it was sent per node (traffic), and in which round the average
    /// (t_avg) and the last node (t_last) heard it. The same arguments give the same run, on any number of threads.
    Epidemic(Box<EpidemicArgs>),
    /// Let all nodes compute what their values come to
    Aggregate(Box<AggregateArgs>),
    /// Print a paper's table beside ours: paper | ours | difference
    ///
    /// Exits 1 if a cell that counts is outside its tolerance.
    Paper(PaperArgs),
    /// Propose protocol, fanout, k and period for a cluster and a promise
    Advise(AdviseArgs),
}

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
    /// Contacts that a node takes in a round
    #[arg(long, value_name = "L")]
    pub connection_limit: Option<u32>,
    /// How often a refused contact is tried elsewhere
    #[arg(long, value_name = "H", default_value_t = 0)]
    pub hunt: u32,
    /// Push-pull: where both know it, only the smaller counter goes up
    #[arg(long)]
    pub minimization: bool,
    /// How useless contacts are counted: as the paper's tables need it, or plainly, as its equations do
    #[arg(long, value_enum, default_value_t = CountingArg::Tables)]
    pub counting: CountingArg,
    /// Push-then-pull: the round in which pushing ends [default: log2 of the nodes]
    #[arg(long, value_name = "ROUND")]
    pub switch: Option<u32>,
    /// Bytes of the update
    #[arg(long, default_value_t = 0)]
    pub bytes: usize,
    /// The share of datagrams that are lost, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub loss: f64,
    /// Random latencies in place of synchronous rounds, against rounds of 1 s: MIN,MAX (uniform), for example 1ms,100ms
    #[arg(long, value_name = "MIN,MAX", value_parser = latency)]
    pub latency: Option<Latency>,
    /// A run that is not over after so many rounds is broken off
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub rounds_max: u32,
    /// What every experiment has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// How useless contacts are counted.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum CountingArg {
    /// A contact was useful if the receiver did not know when the round began; it resets the counter
    Tables,
    /// Only the first to tell was useful; nothing resets a counter
    Plain,
}

/// What every experiment has.
#[derive(Debug, Args)]
pub struct CommonArgs {
    /// How many runs
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: u32,
    /// The seed, from which that of each run is made
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Threads, each with its part of the nodes; changes nothing but the time it takes
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Draw the curve, with theory over it, into this SVG file
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

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
    /// The share of datagrams that are lost, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub loss: f64,
    /// Random latencies against rounds of 1 s: MIN,MAX (uniform), for example 1ms,100ms
    #[arg(long, value_name = "MIN,MAX", value_parser = latency)]
    pub latency: Option<Latency>,
    /// How many random others each node knows [default: all]
    #[arg(long, value_name = "K")]
    pub neighbours: Option<u64>,
    /// Synchronous rounds for averaging and count, too: in a round all ask before any is answered
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

/// `rumormill lab paper`.
#[derive(Debug, Args)]
pub struct PaperArgs {
    /// Which one; see --list
    #[arg(value_name = "NAME", required_unless_present_any = ["list", "all"])]
    pub name: Option<String>,
    /// List the papers
    #[arg(long, conflicts_with_all = ["name", "all"])]
    pub list: bool,
    /// All of them, one after the other
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
    /// As many runs as the smallest cells need, in place of those that take seconds
    #[arg(long)]
    pub full: bool,
    /// The seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Draw it into this SVG file
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub plot: Option<PathBuf>,
    /// With --all: write papers.md, and its pictures below papers/, into this directory
    #[arg(long, value_name = "DIR", requires = "all")]
    pub docs: Option<PathBuf>,
}

/// `rumormill lab advise`.
#[derive(Debug, Args)]
pub struct AdviseArgs {
    /// Nodes
    #[arg(long, default_value_t = 1_000)]
    pub nodes: u64,
    /// The share of datagrams that are lost, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub loss: f64,
    /// The share of nodes that an update may miss
    #[arg(long, value_name = "S", default_value_t = 1e-6)]
    pub residue: f64,
    /// By when all others must have it
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
    /// Bytes of an update
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
    /// The seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `rumormill sim run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The scenario, in TOML; `-`: standard input
    #[arg(value_name = "FILE", required_unless_present = "stacks")]
    pub file: Option<PathBuf>,
    /// List the stacks of protocols that there are, with their calls and checks
    #[arg(long, conflicts_with = "file")]
    pub stacks: bool,
    /// In place of the file's seed
    #[arg(long)]
    pub seed: Option<u64>,
    /// In place of the file's number of runs
    #[arg(long)]
    pub runs: Option<u32>,
    /// In place of the file's number of nodes, also of those that its random plan acts on
    #[arg(long)]
    pub nodes: Option<u64>,
    /// Only this run, counted from 0
    #[arg(long, value_name = "N")]
    pub run: Option<u32>,
    /// Threads; the outcome is the same on any number
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Print JSON: each sample, each fault and the outcome on a line of its own
    #[arg(long)]
    pub json: bool,
    /// With --json: what nodes tell, too
    #[arg(long, requires = "json")]
    pub events: bool,
    /// Write the samples as CSV into this file
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Draw a figure of the samples, run by run, into an SVG file
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// The figure that is drawn, by the name of its column [default: what the stack is about]
    #[arg(long, value_name = "NAME", requires = "plot")]
    pub figure: Option<String>,
}

impl CommonArgs {
    fn threads(&self, meter: fn() -> u64) -> Threads {
        Threads { count: self.threads, meter: Some(meter) }
    }
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
            counting: match self.counting {
                CountingArg::Tables => Counting::Tables,
                CountingArg::Plain => Counting::Plain,
            },
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
            threads: self.common.threads(meter),
        }
    }
}

fn latency(text: &str) -> Result<Latency, String> {
    let Some((min, max)) = text.split_once(',') else {
        return Err("expected MIN,MAX, for example 1ms,100ms".into());
    };
    let (min, max) = (duration(min)?, duration(max)?);
    match min <= max {
        true => Ok(Latency::Uniform(min, max)),
        false => Err(format!("MIN ({min:?}) is above MAX ({max:?})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn lab(flags: &str) -> Result<LabCommand, String> {
        let words = ["rumormill", "lab"].into_iter().chain(flags.split(' '));
        match Cli::try_parse_from(words) {
            Ok(Cli { command: Command::Lab { experiment } }) => Ok(experiment),
            Ok(other) => panic!("{other:?}"),
            Err(e) => Err(e.to_string()),
        }
    }

    #[test]
    fn each_flag_reaches_the_experiment() {
        let flags = "epidemic --nodes 50 --strategy push-pull --removal blind-coin --k 3 --fanout 2 --connection-limit 4 --hunt 5 \
                     --minimization --counting plain --bytes 9 --loss 0.5 --latency 1ms,2ms --runs 6 --seed 7 --threads 2";
        let Ok(LabCommand::Epidemic(args)) = lab(flags) else { panic!("it is understood") };
        let said = args.epidemic(|| 0);
        assert_eq!((said.nodes, said.k, said.fanout, said.hunt, said.bytes), (50, 3, Some(2), 5, 9));
        assert_eq!((said.strategy, said.removal), (Strategy::PushPull, Removal::BlindCoin));
        assert_eq!((said.connection_limit, said.counting, said.loss), (Some(4), Counting::Plain, 0.5));
        assert_eq!((said.runs, said.seed, said.threads.count), (6, 7, 2));
        let ms = Duration::from_millis;
        assert_eq!(said.latency, Some(Latency::Uniform(ms(1), ms(2))));
        let flags = "aggregate --nodes 9 --algorithm count --values peak --pairing matching --leaders 4 --rounds 5 --synchronous";
        let Ok(LabCommand::Aggregate(args)) = lab(flags) else { panic!("it is understood") };
        let said = args.aggregate(|| 0);
        assert_eq!((said.nodes, said.algorithm, said.values), (9, Algorithm::Count, Values::Peak));
        assert_eq!(
            (said.pairing, said.leaders, said.rounds, said.synchronous),
            (Pairing::Matching, Some(4.0), 5, true)
        );
    }

    #[test]
    fn a_wrong_name_is_told_the_right_ones() {
        let refused = lab("epidemic --strategy shout").unwrap_err();
        assert!(refused.contains("push-then-pull"), "{refused}");
        let refused = lab("epidemic --latency 5ms").unwrap_err();
        assert!(refused.contains("1ms,100ms"), "{refused}");
        assert!(lab("paper").is_err(), "one of name, --list and --all");
    }
}
