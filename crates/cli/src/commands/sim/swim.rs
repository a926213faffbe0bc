//! `rumormill sim swim`: experiments with SWIM on the simulator.

use crate::args::{Given, Switch, probability};
use crate::commands::progress::Progress;
use crate::outcome::{Failure, Outcome};
use crate::show::{Out, bytes, count, span};
use clap::Args;
use rumormill_lab::swim::{self, Experiment};
use std::time::Duration;

/// `rumormill sim swim`.
#[derive(Debug, Args)]
pub struct SwimArgs {
    /// Nodes in the cluster
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    pub nodes: u32,
    /// The seed, from which that of each run is made
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many runs
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: u32,
    /// The share of datagrams that are lost, from 0 to below 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub loss: f64,
    /// How many nodes crash
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub kill: u32,
    /// Nodes whose sends and receives block and queue while their timers run [default: none]
    ///
    /// That FRACTION of the nodes is paused again and again, each time for MIN_S to MAX_S seconds,
    /// running RUN_S seconds (1) in between.
    #[arg(long, value_name = "FRACTION,MIN_S,MAX_S[,RUN_S]", value_parser = stall)]
    pub pause: Option<Stall>,
    /// Nodes that freeze altogether, timers too [default: none]
    ///
    /// That FRACTION of the nodes is stopped again and again, each time for MIN_S to MAX_S seconds,
    /// running RUN_S seconds (1) in between.
    #[arg(long, value_name = "FRACTION,MIN_S,MAX_S[,RUN_S]", value_parser = stall)]
    pub stop: Option<Stall>,
    /// Cut that FRACTION of the nodes off from the rest for so many SECONDS [default: no partition]
    #[arg(long, value_name = "FRACTION,SECONDS", value_parser = cut)]
    pub partition: Option<Cut>,
    /// Simulated seconds for which the cluster is watched [default: 30 periods, 60 with pauses]
    #[arg(long, value_name = "T", value_parser = seconds)]
    pub seconds: Option<f64>,
    /// Lifeguard's three parts: local health, shrinking suspicion times, buddy system
    #[arg(long, value_name = "on|off", value_enum, default_value_t = Switch::On, hide_possible_values = true)]
    pub lifeguard: Switch,
    /// Suspect a member before marking it as failed
    #[arg(long, value_name = "on|off", value_enum, default_value_t = Switch::On, hide_possible_values = true)]
    pub suspicion: Switch,
    /// Probe by turns, each another node; off: each in a random order of its own, as in the paper
    #[arg(long, value_name = "on|off", value_enum, default_value_t = Switch::On, hide_possible_values = true)]
    pub turns: Switch,
    /// The paper's setting: all nodes' periods start together, and messages take no time
    #[arg(long)]
    pub synchronous: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Nodes that stall again and again.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Stall {
    /// Which share of the nodes, 0 to 1.
    pub fraction: f64,
    /// Each stall lasts at least so many seconds.
    pub min_s: f64,
    /// Each stall lasts at most so many seconds.
    pub max_s: f64,
    /// Seconds of running between two stalls.
    pub run_s: f64,
}

/// A partition.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Cut {
    /// Which share of the nodes is cut off, 0 to 1.
    pub fraction: f64,
    /// For how many seconds.
    pub seconds: f64,
}

impl SwimArgs {
    /// What is to be run.
    pub fn experiment(&self) -> Experiment {
        let stall = |stall: Stall| swim::Stall {
            fraction: stall.fraction,
            min: Duration::from_secs_f64(stall.min_s),
            max: Duration::from_secs_f64(stall.max_s),
            run: Duration::from_secs_f64(stall.run_s),
        };
        Experiment {
            nodes: self.nodes as usize,
            seed: self.seed,
            runs: self.runs as usize,
            loss: self.loss,
            kill: self.kill as usize,
            pause: self.pause.map(stall),
            stop: self.stop.map(stall),
            partition: self.partition.map(|cut| (cut.fraction, Duration::from_secs_f64(cut.seconds))),
            time: self.seconds.map(Duration::from_secs_f64),
            lifeguard: self.lifeguard.is_on(),
            suspicion: self.suspicion.is_on(),
            turns: self.turns.is_on(),
            synchronous: self.synchronous,
            ..Experiment::default()
        }
    }
}

/// Seconds that a node runs between two stalls when nothing else is said.
const RUN_S: f64 = 1.0;

fn stall(text: &str) -> Result<Stall, String> {
    let parts: Vec<&str> = text.split(',').collect();
    let (fraction, min_s, max_s, run_s) = match parts[..] {
        [fraction, min, max] => (fraction, min, max, None),
        [fraction, min, max, run] => (fraction, min, max, Some(run)),
        _ => return Err("expected FRACTION,MIN_S,MAX_S[,RUN_S], for example 0.1,1,30".into()),
    };
    let stall = Stall {
        fraction: probability(fraction).map_err(|e| format!("FRACTION: {e}"))?,
        min_s: seconds(min_s).map_err(|e| format!("MIN_S: {e}"))?,
        max_s: seconds(max_s).map_err(|e| format!("MAX_S: {e}"))?,
        run_s: run_s.map_or(Ok(RUN_S), seconds).map_err(|e| format!("RUN_S: {e}"))?,
    };
    if stall.min_s > stall.max_s {
        return Err(format!("MIN_S ({}) is above MAX_S ({})", stall.min_s, stall.max_s));
    }
    Ok(stall)
}

fn cut(text: &str) -> Result<Cut, String> {
    let Some((fraction, duration)) = text.split_once(',') else {
        return Err("expected FRACTION,SECONDS, for example 0.5,60".into());
    };
    Ok(Cut {
        fraction: probability(fraction).map_err(|e| format!("FRACTION: {e}"))?,
        seconds: seconds(duration).map_err(|e| format!("SECONDS: {e}"))?,
    })
}

/// A day of simulated time is more than any experiment here needs (our guess).
const SECONDS_MAX: f64 = 86_400.0;

fn seconds(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(s) if s > 0.0 && s <= SECONDS_MAX => Ok(s),
        Ok(s) => Err(format!("{s} is not above 0 and at most {SECONDS_MAX} seconds")),
        Err(_) => Err(format!("`{text}` is not a number of seconds")),
    }
}

/// `rumormill sim swim`.
pub fn run(given: &Given<SwimArgs>, out: &mut Out<'_>) -> Outcome {
    let args = &given.args;
    let experiment = args.experiment();
    experiment.check().map_err(Failure::Usage)?;
    experiment.check_flags(&given.names()).map_err(Failure::Usage)?;
    let (mut progress, runs) = (Progress::new(), experiment.runs);
    let result = experiment
        .run(|done| progress.tell(|| format!("{done} of {}", count(runs, "run"))))
        .map_err(Failure::Usage)?;
    progress.end();
    match args.json {
        true => out.json(&result),
        false => tell(&result, out),
    }
}

fn tell(result: &swim::Outcome, out: &mut Out<'_>) -> Outcome {
    let periods =
        |count: Option<f64>| count.map_or_else(|| "-".into(), |count| format!("{count:.3} periods"));
    let spans = |mean: Option<f64>, most: Option<f64>| match (mean, most) {
        (Some(mean), Some(most)) => format!("{} on average, {} at most", span(mean), span(most)),
        _ => "-".into(),
    };
    let remerged = spans(result.remerged_s, result.remerged_s_max);
    let stale = spans(result.stale_failed_s, result.stale_failed_s_max);
    let most = result.first_detection_periods_max.map_or_else(|| "-".into(), |most| count(most, "period"));
    let lines = [
        ("nodes, runs, seed", format!("{}, {}, {}", result.nodes, result.runs, result.seed)),
        ("period", span(result.period_s)),
        ("joined", span(result.joined_s)),
        ("first detection", periods(result.first_detection_periods)),
        ("  at most", most),
        ("all know", periods(result.all_know_periods)),
        (
            "  99 %, at most",
            format!("{}, {}", periods(result.all_know_periods_p99), periods(result.all_know_periods_max)),
        ),
        ("  the last, median", periods(result.last_known_periods_median)),
        ("sent by each node", format!("{:.2} datagrams a period", result.messages_per_node_period)),
        ("", format!("{}/s", bytes(result.bytes_per_node_s))),
        ("false deaths", format!("{:.2} a run, {} in all", result.false_deaths, result.false_deaths_total)),
        ("failed, never apart", result.never_separated_failed.to_string()),
        ("stale failures", stale),
        ("one cluster again", remerged),
        ("converged", if result.converged { "yes".into() } else { "no".into() }),
        ("digest", result.digest.clone()),
    ];
    lines.iter().try_for_each(|(label, text)| out.line(&format!("{label:<20}{text}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::commands::sim::SimCommand;
    use clap::Parser;

    fn experiment(flags: &[&str]) -> Experiment {
        let words = ["rumormill", "sim", "swim"].iter().chain(flags);
        match Cli::try_parse_from(words).map(|cli| cli.command) {
            Ok(Command::Sim { protocol: SimCommand::Swim(given) }) => given.args.experiment(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_flag_reaches_the_experiment() {
        let said = experiment(&[
            "--nodes",
            "50",
            "--seed",
            "7",
            "--runs",
            "3",
            "--loss",
            "0.05",
            "--kill",
            "2",
            "--pause",
            "0.1,1,2",
            "--stop",
            "0.2,3,4,5",
            "--partition",
            "0.5,60",
            "--seconds",
            "90.5",
            "--lifeguard",
            "off",
            "--suspicion",
            "off",
            "--turns",
            "off",
            "--synchronous",
        ]);
        let seconds = Duration::from_secs;
        let stall = |fraction, min, max, run| swim::Stall {
            fraction,
            min: seconds(min),
            max: seconds(max),
            run: seconds(run),
        };
        assert_eq!((said.nodes, said.seed, said.runs, said.loss, said.kill), (50, 7, 3, 0.05, 2));
        assert_eq!(said.pause, Some(stall(0.1, 1, 2, 1)));
        assert_eq!(said.stop, Some(stall(0.2, 3, 4, 5)));
        assert_eq!(said.partition, Some((0.5, seconds(60))));
        assert_eq!(said.time, Some(Duration::from_millis(90_500)));
        assert!(!said.lifeguard && !said.suspicion && !said.turns && said.synchronous);
    }

    #[test]
    fn without_flags_it_is_the_default_experiment() {
        assert_eq!(format!("{:?}", experiment(&[])), format!("{:?}", Experiment::default()));
    }

    #[test]
    fn a_stall_has_three_or_four_parts() {
        assert_eq!(stall("0.1,1,30"), Ok(Stall { fraction: 0.1, min_s: 1.0, max_s: 30.0, run_s: 1.0 }));
        assert_eq!(
            stall("0.5, 2, 2, 0.25"),
            Ok(Stall { fraction: 0.5, min_s: 2.0, max_s: 2.0, run_s: 0.25 })
        );
    }

    #[test]
    fn what_is_wrong_with_a_stall_is_named() {
        assert!(stall("0.1,1").unwrap_err().contains("FRACTION,MIN_S,MAX_S"));
        assert!(stall("1.5,1,2").unwrap_err().starts_with("FRACTION: 1.5 is not between"));
        assert!(stall("0.5,x,2").unwrap_err().starts_with("MIN_S: `x` is not a number"));
        assert!(stall("0.5,1,-2").unwrap_err().starts_with("MAX_S: -2 is not above 0"));
        assert!(stall("0.5,1,2,0").unwrap_err().starts_with("RUN_S: 0 is not above 0"));
        assert!(stall("0.5,3,2").unwrap_err().contains("MIN_S (3) is above MAX_S (2)"));
        assert!(stall("NaN,1,2").is_err());
        assert!(stall("0.5,1,inf").is_err());
    }

    #[test]
    fn a_partition_has_two_parts() {
        assert_eq!(cut("0.5,60"), Ok(Cut { fraction: 0.5, seconds: 60.0 }));
        assert!(cut("0.5").unwrap_err().contains("FRACTION,SECONDS"));
        assert!(cut("2,60").unwrap_err().starts_with("FRACTION"));
        assert!(cut("0.5,0").unwrap_err().starts_with("SECONDS"));
    }

    #[test]
    fn a_result_is_a_short_list_and_what_was_not_asked_for_is_a_dash() {
        let result = swim::Outcome {
            nodes: 100,
            seed: 7,
            runs: 1000,
            period_s: 1.0,
            joined_s: 2.5,
            first_detection_periods: Some(1.5812),
            first_detection_periods_max: Some(9),
            all_know_periods: Some(5.25),
            all_know_periods_p99: Some(7.5),
            all_know_periods_max: Some(8.0),
            last_known_periods_median: Some(6.0),
            messages_per_node_period: 4.1234,
            bytes_per_node_s: 2048.0,
            false_deaths: 0.5,
            false_deaths_total: 500,
            converged: true,
            digest: "00000000000000ff".into(),
            ..swim::Outcome::default()
        };
        let mut written = Vec::new();
        tell(&result, &mut Out::new(&mut written, false)).unwrap();
        insta::assert_snapshot!(String::from_utf8(written).unwrap(), @r"
        nodes, runs, seed   100, 1000, 7
        period              1.0 s
        joined              2.5 s
        first detection     1.581 periods
          at most           9 periods
        all know            5.250 periods
          99 %, at most     7.500 periods, 8.000 periods
          the last, median  6.000 periods
        sent by each node   4.12 datagrams a period
                            2.0 KiB/s
        false deaths        0.50 a run, 500 in all
        failed, never apart 0
        stale failures      -
        one cluster again   -
        converged           yes
        digest              00000000000000ff
        ");
    }
}
