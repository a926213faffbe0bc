//! `rumormill sim run`: any stack on any world, from a file.

use super::answers;
use crate::args::duration;
use crate::commands::cost;
use crate::commands::lab::{new_file, write};
use crate::commands::progress::Progress;
use crate::outcome::{Failure, Outcome};
use crate::show::{Out, count, either};
use clap::Args;
use rumormill_agent::config::foreign;
use rumormill_core::time::Time;
use rumormill_lab::plot::{Draw, Plot};
use rumormill_lab::scenario::sql::Asking;
use rumormill_lab::scenario::{self, Done, Event, Nodes, Output, Sample, Scenario, stacks};
use rumormill_lab::stats::figure;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `rumormill sim run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The scenario, in TOML; `-`: standard input
    #[arg(value_name = "FILE", required_unless_present = "stacks")]
    pub file: Option<PathBuf>,
    /// List the stacks of protocols that there are, with their calls and checks
    #[arg(long, conflicts_with_all = ["file", "seed", "runs", "nodes", "run", "threads", "events", "csv", "plot", "figure", "sql"])]
    pub stacks: bool,
    /// Seed [default: the file's]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Runs [default: the file's]
    #[arg(long)]
    pub runs: Option<u32>,
    /// Nodes at the beginning, and those that the file's random plan acts on [default: the file's]
    #[arg(long)]
    pub nodes: Option<u64>,
    /// Only this run, counted from 0 [default: all]
    #[arg(long, value_name = "N", conflicts_with = "runs")]
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
    /// Ask this statement about the nodes in SQL: their tables, each with a column `node`, and `nodes`. Prints CSV, or with --json a line for each row [default: none]
    #[arg(long, value_name = "STATEMENT")]
    pub sql: Option<String>,
    /// With --sql: at these simulated times [default: at the end]
    #[arg(long, value_name = "TIME", requires = "sql", value_delimiter = ',', value_parser = duration)]
    pub at: Vec<Duration>,
    /// With --sql: again and again, after each such time [default: never]
    #[arg(long, value_name = "TIME", requires = "sql", value_parser = duration)]
    pub sql_every: Option<Duration>,
    /// With --sql: write the rows into this file
    #[arg(long, value_name = "FILE", requires = "sql", value_parser = new_file)]
    pub sql_out: Option<PathBuf>,
    /// Write the samples as CSV into this file
    #[arg(long, value_name = "FILE", value_parser = new_file)]
    pub csv: Option<PathBuf>,
    /// Draw a figure of the samples, run by run, into an SVG file
    #[arg(long, value_name = "FILE", value_parser = new_file)]
    pub plot: Option<PathBuf>,
    /// The figure that is drawn, by the name of its column [default: what the stack is about]
    #[arg(long, value_name = "NAME", requires = "plot")]
    pub figure: Option<String>,
}

impl RunArgs {
    /// The statement, and when it is asked in a run of that length.
    fn asking(&self, time: Duration) -> Outcome<Option<Asking>> {
        let Some(statement) = &self.sql else { return Ok(None) };
        let at = if self.at.is_empty() && self.sql_every.is_none() { vec![time] } else { self.at.clone() };
        Asking::new(statement, at, self.sql_every, time).map(Some).map_err(Failure::Usage)
    }
}

/// `rumormill sim run`.
pub fn run(args: &RunArgs, out: &mut Out<'_>) -> Outcome {
    let Some(file) = args.file.as_deref().filter(|_| !args.stacks) else {
        return list(args.json, out);
    };
    let mut scenario = read(file)?;
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    scenario.runs = args.runs.unwrap_or(scenario.runs);
    if let Some(nodes) = args.nodes {
        scenario.set_nodes(nodes);
    }
    scenario.threads.count = args.threads;
    scenario.check().map_err(Failure::Usage)?;
    let runs = match args.run {
        Some(run) => run..run.saturating_add(1),
        None => 0..scenario.runs,
    };
    let (shown, seed) = (file.display().to_string(), scenario.seed);
    let nodes = args.nodes.map(|nodes| format!(" --nodes {nodes}")).unwrap_or_default();
    let replay = move |run: u32| format!("rumormill sim run {shown}{nodes} --seed {seed} --run {run}");
    let mut output = Printer {
        progress: Progress::new(),
        out,
        json: args.json,
        events: args.events,
        csv: args.csv.as_ref().map(|_| String::new()),
        answers: answers::Answers::new(args.asking(scenario.time)?, args.json, args.sql_out.is_some()),
        figure: args.figure.clone(),
        curves: BTreeMap::new(),
        figures: Vec::new(),
        failed: None,
    };
    let result =
        scenario.run_some(runs, cost::available_bytes(), &replay, &mut output).map_err(Failure::Usage)?;
    output.progress.end();
    let Printer { csv, answers, figure, curves, figures, failed, .. } = output;
    failed.map_or(Ok(()), Err)?;
    if let (Some(file), Some(csv)) = (&args.csv, csv) {
        write(file, &csv)?;
    }
    if let Some(file) = &args.sql_out {
        write(file, answers.text())?;
    }
    if let (Some(file), Some(figure)) = (&args.plot, figure) {
        if curves.is_empty() {
            return Err(Failure::Usage(format!(
                "no figure is called {figure:?}: there are {}",
                figures.join(", ")
            )));
        }
        write(file, &plot(&result, &figure, curves).svg())?;
    }
    if args.json {
        out.json_line(&result)?;
    } else {
        tell(&result, out)?;
    }
    result.failed().map_or(Ok(()), |report| Err(Failure::Failed(report)))
}

/// A figure over the seconds, run by run.
fn plot(result: &scenario::Outcome, figure: &str, curves: BTreeMap<u32, Vec<(f64, f64)>>) -> Plot {
    let title = format!("{}: {}", result.stack, count(result.nodes, "node"));
    let mut plot = Plot::new(title, "seconds", figure.to_owned());
    for (run, points) in curves {
        let name = if result.runs == 1 { figure.to_owned() } else { format!("run {run}") };
        plot.add(name, Draw::Line(points));
    }
    plot
}

fn read(file: &Path) -> Outcome<Scenario> {
    let text = match file.as_os_str() == "-" {
        true => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        false => read_text(file).map_err(Failure::Usage)?,
    };
    let refused = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
    if let Some(fault) = foreign::fault(&text, "a scenario", "stack = \"swim\"") {
        return Err(refused(format!("{fault}. `rumormill sim run --stacks` lists what there is")));
    }
    let beside = file.parent().unwrap_or(Path::new("."));
    Scenario::parse(&text, |name| read_text(&beside.join(name))).map_err(refused)
}

fn read_text(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|e| format!("cannot read {}: {e}", file.display()))
}

fn list(json: bool, out: &mut Out<'_>) -> Outcome {
    let all = stacks();
    if json {
        return out.json(&all);
    }
    for stack in all {
        out.line(&format!("{}: {}", stack.name, stack.about))?;
        for (kind, known) in [("call ", &stack.calls), ("check", &stack.checks)] {
            known.iter().try_for_each(|(name, what)| out.line(&format!("    {kind} {name:<18} {what}")))?;
        }
    }
    Ok(())
}

fn tell(result: &scenario::Outcome, out: &mut Out<'_>) -> Outcome {
    let lines = [
        ("stack", format!("{} on {}", result.stack, count(result.nodes, "node"))),
        ("runs, seed", format!("{} of {} s each, {}", result.runs, result.time_s, result.seed)),
        ("events", result.events.to_string()),
        (
            "sent",
            format!(
                "{}, {} in all",
                count(result.datagrams_sent, "datagram"),
                count(result.bytes_sent, "byte")
            ),
        ),
        ("digest", result.digest.clone()),
        ("checks", checks(result)),
    ];
    lines.iter().try_for_each(|(label, text)| out.line(&format!("{label:<20}{text}")))?;
    let dropped = result.dropped.iter().filter(|(_, count)| **count > 0);
    dropped
        .into_iter()
        .try_for_each(|(cause, count)| out.line(&format!("  not arrived: {cause:<14} {count}")))?;
    result.sometimes.iter().try_for_each(|(name, held)| {
        out.line(&format!("  sometimes {name}: {}", if *held { "yes" } else { "never" }))
    })?;
    result
        .figures
        .iter()
        .try_for_each(|(name, value)| out.line(&format!("  {name:<26} {}", figure(*value, 6))))
}

fn checks(result: &scenario::Outcome) -> String {
    match (result.checks, &result.failure, result.never().len()) {
        (0, ..) => "none were given: nothing was checked".into(),
        (_, Some(failure), _) => format!("{:?} failed in run {}", failure.check, failure.run),
        (1, None, 0) => "the only one holds".into(),
        (n, None, 0) => format!("all {n} hold"),
        (n, None, never) => {
            format!("{never} of {n} failed: {} never held", either(never as u64, "it", "they"))
        }
    }
}

/// Writes events, faults and samples where the flags send them.
struct Printer<'a, 'b> {
    progress: Progress,
    out: &'a mut Out<'b>,
    json: bool,
    events: bool,
    csv: Option<String>,
    answers: answers::Answers,
    /// The figure that is drawn; the stack's own, once there is a sample, if none was named.
    figure: Option<String>,
    /// It over the seconds, by run.
    curves: BTreeMap<u32, Vec<(f64, f64)>>,
    figures: Vec<&'static str>,
    failed: Option<Failure>,
}

impl Printer<'_, '_> {
    fn line(&mut self, value: &impl serde::Serialize) {
        if self.json && self.failed.is_none() {
            self.failed = self.out.json_line(value).err();
        }
    }
}

impl Output for Printer<'_, '_> {
    fn event(&mut self, event: &Event) {
        self.line(event);
    }

    fn wants_events(&self) -> bool {
        self.events
    }

    fn done(&mut self, done: &Done) {
        self.line(done);
    }

    fn sample(&mut self, sample: &Sample) {
        self.line(sample);
        self.figures = sample.figures.iter().map(|(name, _)| *name).collect();
        let wanted = self.figure.get_or_insert_with(|| sample.chief().to_owned());
        if let Some((_, figure)) = sample.figures.iter().find(|(name, _)| name == wanted) {
            self.curves.entry(sample.run).or_default().push((sample.t_s, *figure));
        }
        if let Some(csv) = &mut self.csv {
            if csv.is_empty() {
                csv.push_str(&sample.csv_header());
                csv.push('\n');
            }
            csv.push_str(&sample.csv_row());
            csv.push('\n');
        }
    }

    fn next_look(&self, now: Time) -> Time {
        self.answers.next_after(now)
    }

    fn look(&mut self, run: u32, nodes: &dyn Nodes) -> Result<(), String> {
        let rows = self.answers.ask(nodes)?.filter(|_| self.failed.is_none());
        if let Some(rows) = rows {
            self.failed = self.answers.take(run, nodes.now().as_secs_f64(), rows, self.out).err();
        }
        Ok(())
    }

    fn progress(&mut self, at: &scenario::Progress) {
        let rate = at.events as f64 / self.progress.elapsed_s().max(1e-3);
        self.progress.tell(|| match at.shrinking {
            Some(tries) => format!("a check failed; looking for a smaller plan that fails: {tries} tried"),
            None => format!(
                "run {} of {}: {:.1} of {:.1} s, {rate:.0} events/s",
                at.run + 1,
                at.runs,
                at.t_s,
                at.time_s
            ),
        });
    }
}
