//! `rumormill lab`: the papers' experiments on the simulator.

mod advise;
mod aggregate;
mod epidemic;
mod paper;

use self::advise::AdviseArgs;
use self::aggregate::AggregateArgs;
use self::epidemic::EpidemicArgs;
use self::paper::PaperArgs;
use super::cost;
use crate::args::{Given, duration};
use crate::outcome::{Failure, Outcome};
use crate::show::{Out, bytes, count};
use clap::{Args, Subcommand};
use rumormill_lab::plot::Plot;
use rumormill_lab::stats::{Percentiles, figure};
use rumormill_lab::threads::Threads;
use rumormill_lab::topology::Topology;
use rumormill_sim::Latency;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// `rumormill lab ...`.
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Let one update spread from one node to all, by the library's own protocol code
    ///
    /// Reports the share that never hears it (residue), how often it was sent per node (traffic), and in which round the average
    /// (t_avg) and the last node (t_last) heard it. The same arguments give the same run, on any number of threads.
    Epidemic(Box<Given<EpidemicArgs>>),
    /// Let all nodes compute an aggregate of their values
    Aggregate(Box<Given<AggregateArgs>>),
    /// Print a paper's table beside ours: paper | ours | difference
    ///
    /// Exits 1 if a cell that counts is outside its tolerance.
    Paper(PaperArgs),
    /// Propose protocol, fanout, k and period for a cluster and a promise
    Advise(AdviseArgs),
}

/// `rumormill lab ...`.
pub fn run(experiment: &LabCommand, out: &mut Out<'_>) -> Outcome {
    match experiment {
        LabCommand::Epidemic(args) => epidemic::run(args, out),
        LabCommand::Aggregate(args) => aggregate::run(args, out),
        LabCommand::Paper(args) => paper::run(args, out),
        LabCommand::Advise(args) => advise::run(args, out),
    }
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
    /// Draw the curve into this SVG file, with theory over it where there is one for the model that is run
    #[arg(long, value_name = "FILE", value_parser = new_file)]
    pub plot: Option<PathBuf>,
    /// Write the runs into this CSV file, a line each
    #[arg(long, value_name = "FILE", value_parser = new_file)]
    pub csv: Option<PathBuf>,
}

impl CommonArgs {
    fn threads(&self, meter: fn() -> u64) -> Threads {
        Threads { count: self.threads, meter: Some(meter) }
    }
}

/// Reads the file of edges that a topology names.
fn load(topology: Option<&Topology>, nodes: u64) -> Outcome<Option<Topology>> {
    let mut topology = topology.cloned();
    if let Some(topology) = &mut topology {
        let read = |path: &str| std::fs::read_to_string(path).map_err(|e| format!("cannot read {path}: {e}"));
        topology.load(nodes, read).map_err(|e| Failure::Usage(format!("--topology: {e}")))?;
    }
    Ok(topology)
}

/// Percentiles in one line.
fn percentiles(figures: &[(&str, Percentiles)]) -> String {
    let one = |(name, of): &(&str, Percentiles)| {
        let [p50, p90, p99] = [of.p50, of.p90, of.p99].map(|value| figure(value, 4));
        format!("{name} {p50} / {p90} / {p99}")
    };
    figures.iter().map(one).collect::<Vec<_>>().join(", ")
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

/// An outcome with what it cost.
#[derive(Serialize)]
struct Costed<'a, T> {
    #[serde(flatten)]
    outcome: &'a T,
    threads: usize,
    /// CPU seconds of the whole process.
    cpu_s: f64,
    peak_rss_kib: Option<u64>,
    /// CPU seconds of all threads within windows, and of the busiest thread of each window.
    busy_s: f64,
    busy_max_s: f64,
}

impl<'a, T> Costed<'a, T> {
    fn new(outcome: &'a T, threads: usize, busy: (u64, u64)) -> Self {
        let (cpu_s, peak_rss_kib) = (cost::cpu_s(), cost::peak_rss_kib());
        let [busy_s, busy_max_s] = [busy.0, busy.1].map(|ns| ns as f64 / 1e9);
        Costed { outcome, threads, cpu_s, peak_rss_kib, busy_s, busy_max_s }
    }

    fn line(&self, events: u64) -> String {
        let memory = self.peak_rss_kib.map_or_else(|| "-".into(), |kib| bytes(kib as f64 * 1024.0));
        let rate = events as f64 / self.cpu_s.max(1e-9) / 1e6;
        let (events, cpu_s) = (count(events, "event"), self.cpu_s);
        format!("{events}, {cpu_s:.2} CPU s, {rate:.2} million events/s, {memory} at most")
    }
}

/// Writes the runs, if a file for them was given.
fn tabulate(file: Option<&Path>, csv: impl FnOnce() -> String) -> Outcome {
    file.map_or(Ok(()), |file| write(file, &csv()))
}

fn draw(file: Option<&Path>, plot: impl FnOnce() -> Plot) -> Outcome {
    file.map_or(Ok(()), |file| write(file, &plot().svg()))
}

/// A file that is to be written once the work is done: what cannot be one is refused before.
pub fn new_file(name: &str) -> Result<PathBuf, String> {
    let file = PathBuf::from(name);
    let within = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match name {
        "-" => Err("a file has a name; /dev/stdout is the standard output, which has the table too".into()),
        _ if file.is_dir() => Err("this is a directory: name a file in it".into()),
        _ if !within.is_dir() => Err(format!("there is no directory {}: make it first", within.display())),
        _ => Ok(file),
    }
}

/// Writes a file, or says which one could not be written.
pub fn write(file: &Path, text: &str) -> Outcome {
    std::fs::write(file, text).map_err(|e| Failure::Usage(format!("cannot write {}: {e}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::{CommandFactory, Parser};
    use rumormill_lab::aggregate::{Aggregate, Algorithm, Values};
    use rumormill_lab::epidemic::{Counting, Epidemic, Removal, Strategy};
    use rumormill_lab::flags::Flagged;
    use rumormill_lab::swim::Experiment;
    use rumormill_protocols::sum::averaging::Pairing;
    use std::time::Duration;

    fn lab(flags: &str) -> Result<LabCommand, String> {
        let words = ["rumormill", "lab"].into_iter().chain(flags.split(' '));
        match Cli::try_parse_from(words) {
            Ok(Cli { command: Command::Lab { experiment } }) => Ok(experiment),
            Ok(other) => panic!("{other:?}"),
            Err(e) => Err(e.to_string()),
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_refused_before_the_work() {
        for (name, why) in
            [("-", "/dev/stdout"), ("/", "is a directory"), ("/no/such/x.csv", "no directory /no/such")]
        {
            let refused = lab(&format!("epidemic --csv {name}")).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        assert!(lab("epidemic --csv runs.csv --plot ./runs.svg").is_ok());
    }

    #[test]
    fn each_flag_reaches_the_experiment() {
        let flags = "epidemic --nodes 50 --strategy push-pull --removal blind-coin --k 3 --fanout 2 --connection-limit 4 --hunt 5 \
                     --minimization --counting plain --bytes 9 --loss 0.5 --latency 1ms,2ms --runs 6 --seed 7 --threads 2";
        let Ok(LabCommand::Epidemic(args)) = lab(flags) else { panic!("it is understood") };
        let said = args.args.epidemic(|| 0);
        assert_eq!((said.nodes, said.k, said.fanout, said.hunt, said.bytes), (50, 3, Some(2), 5, 9));
        assert_eq!((said.strategy, said.removal), (Strategy::PushPull, Removal::BlindCoin));
        assert_eq!((said.connection_limit, said.counting, said.loss), (Some(4), Counting::Plain, 0.5));
        assert_eq!((said.runs, said.seed, said.threads.count), (6, 7, 2));
        let ms = Duration::from_millis;
        assert_eq!(said.latency, Some(Latency::Uniform(ms(1), ms(2))));
        let flags = "aggregate --nodes 9 --algorithm count --values peak --pairing matching --leaders 4 --rounds 5 --synchronous";
        let Ok(LabCommand::Aggregate(args)) = lab(flags) else { panic!("it is understood") };
        let said = args.args.aggregate(|| 0);
        assert_eq!((said.nodes, said.algorithm, said.values), (9, Algorithm::Count, Values::Peak));
        assert_eq!(
            (said.pairing, said.leaders, said.rounds, said.synchronous),
            (Pairing::Matching, Some(4.0), 5, true)
        );
    }

    /// The flags that say where the outcome goes, and how fast it comes.
    const OUTPUT: [&str; 4] = ["json", "plot", "csv", "threads"];

    fn flags_of(command: &str) -> Vec<String> {
        let (mut cli, words) = (Cli::command(), command.split(' '));
        for word in words {
            cli = cli.find_subcommand(word).unwrap_or_else(|| panic!("no {word}")).clone();
        }
        let flags = cli.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned));
        flags.filter(|flag| flag != "help" && !OUTPUT.contains(&flag.as_str())).collect()
    }

    fn assert_known<E: Flagged>(command: &str) {
        let known: Vec<&str> = E::flags().iter().map(|flag| flag.name).collect();
        for flag in flags_of(command) {
            assert!(known.contains(&flag.as_str()), "{command} --{flag} is in no list of flags: {known:?}");
        }
    }

    #[test]
    fn the_effect_of_every_flag_is_known() {
        assert_known::<Epidemic>("lab epidemic");
        assert_known::<Aggregate>("lab aggregate");
        assert_known::<Experiment>("sim swim");
    }

    #[test]
    fn a_flag_without_effect_is_refused_though_it_has_its_default_value() {
        let refused = |flags: &str| {
            let experiment = lab(flags).unwrap_or_else(|e| panic!("{e}"));
            let mut written = Vec::new();
            run(&experiment, &mut Out::new(&mut written, false)).expect_err("it has no effect").to_string()
        };
        let why = refused("epidemic --nodes 20 --strategy push --k 1");
        assert!(why.contains("--k has no effect with --removal none"), "{why}");
        let why = refused("epidemic --nodes 20 --strategy flood --counting tables");
        assert!(why.contains("--strategy push") && why.contains("--removal feedback-counter"), "{why}");
        let why = refused("aggregate --nodes 20 --numbers 100");
        assert!(why.contains("--algorithm extrema"), "{why}");
        let why = refused("aggregate --nodes 20 --algorithm count --values uniform");
        assert!(why.contains("--values has no effect with --algorithm count"), "{why}");
    }

    fn told(flags: &str) -> String {
        let experiment = lab(flags).unwrap_or_else(|e| panic!("{e}"));
        let mut written = Vec::new();
        run(&experiment, &mut Out::new(&mut written, false)).unwrap_or_else(|e| panic!("{flags}: {e}"));
        String::from_utf8(written).expect("text")
    }

    #[test]
    fn figures_have_the_digits_that_they_can_have_and_what_is_not_there_is_not_shown() {
        let line = |told: &str, label: &str| {
            let found = told.lines().find(|line| line.trim().starts_with(label));
            found.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let spread = told("epidemic --nodes 50 --runs 4");
        assert_eq!(line(&spread, "residue").as_deref(), Some("residue 0"), "{spread}");
        let rounds = line(&spread, "rounds").expect("it took some");
        let digits = |text: &str| text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let (mean, error) = rounds.split_once(" ± ").expect("four runs have an error");
        assert_eq!(digits(mean), digits(error), "{rounds}");
        let broken = told("epidemic --rounds-max 1");
        let theory = line(&broken, "theory").expect("push has one");
        assert!(theory.ends_with("know after 1 round"), "{theory}");
        let extrema = told("aggregate --nodes 50 --rounds 5 --runs 2 --algorithm extrema");
        assert!(!extrema.contains("mass"), "{extrema}");
        assert!(told("aggregate --nodes 50 --rounds 5 --runs 2").contains("mass lost or made"));
        let advice = told("advise --nodes 2 --runs 5");
        assert!(advice.contains("0 of 5 deliveries missed") && !advice.contains("0.0e0"), "{advice}");
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
