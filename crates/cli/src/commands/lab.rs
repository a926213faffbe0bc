//! `rumormill lab`: the papers' experiments on the simulator.

use super::cost;
use super::progress::Progress;
use crate::args::lab::{AdviseArgs, AggregateArgs, EpidemicArgs, LabCommand, PaperArgs};
use crate::outcome::{Failure, Outcome};
use crate::show::{Out, bytes, span};
use rumormill_lab::advise::{Candidate, Question};
use rumormill_lab::paper::{self, Report, Size};
use rumormill_lab::plot::Plot;
use rumormill_lab::{aggregate, epidemic};
use serde::Serialize;
use std::path::Path;

/// `rumormill lab ...`.
pub fn run(experiment: &LabCommand, out: &mut Out<'_>) -> Outcome {
    match experiment {
        LabCommand::Epidemic(args) => epidemic(args, out),
        LabCommand::Aggregate(args) => aggregate(args, out),
        LabCommand::Paper(args) => paper(args, out),
        LabCommand::Advise(args) => advise(args, out),
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
        format!("{events} events, {:.2} CPU s, {rate:.2} million events/s, {memory} at most", self.cpu_s)
    }
}

fn epidemic(args: &EpidemicArgs, out: &mut Out<'_>) -> Outcome {
    let experiment = args.epidemic(cost::thread_ns);
    experiment.check().map_err(Failure::Usage)?;
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
    let costed = Costed::new(&result, experiment.threads.count, (result.busy.sum, result.busy.longest));
    if args.common.json {
        return out.json(&costed);
    }
    let error = &result.standard_error;
    let with = |value: f64, error: f64| {
        if error > 0.0 { format!("{value:.5} ± {error:.1e}") } else { format!("{value:.5}") }
    };
    let lines = [
        ("nodes, runs, seed", format!("{}, {}, {}", result.nodes, result.runs, result.seed)),
        ("strategy", format!("{}, removal {}", result.strategy, experiment.removal)),
        ("residue", with(result.residue, error.residue)),
        ("traffic", format!("{} updates per node", with(result.traffic, error.traffic))),
        (
            "t_avg, t_last",
            format!("{}, {}", with(result.t_avg, error.t_avg), with(result.t_last, error.t_last)),
        ),
        ("rounds", with(result.rounds, error.rounds)),
        ("sent", format!("{:.2} messages, {} per node", result.messages, bytes(result.bytes))),
        ("cost", costed.line(result.events)),
        ("digest", result.digest.clone()),
    ];
    lines.iter().try_for_each(|(label, text)| out.line(&format!("{label:<20}{text}")))
}

fn aggregate(args: &AggregateArgs, out: &mut Out<'_>) -> Outcome {
    let experiment = args.aggregate(cost::thread_ns);
    experiment.check().map_err(Failure::Usage)?;
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
    let costed = Costed::new(&result, experiment.threads.count, (result.busy.sum, result.busy.longest));
    if args.common.json {
        return out.json(&costed);
    }
    let factor = result.factor_per_round.map_or_else(|| "-".into(), |factor| format!("{factor:.4}"));
    let lines = [
        ("nodes, runs, seed", format!("{}, {}, {}", result.nodes, result.runs, result.seed)),
        ("algorithm", result.algorithm.clone()),
        ("truth, found", format!("{:.6}, {:.6}", result.truth, result.estimate)),
        ("factor per round", factor),
        ("largest error", format!("{:.2e} of the truth", result.max_relative_error)),
        ("mass lost or made", format!("{:.2e} of the truth", result.mass_error)),
        ("sent", format!("{:.2} messages, {} per node and round", result.messages, bytes(result.bytes))),
        ("cost", costed.line(result.events)),
        ("digest", result.digest.clone()),
    ];
    lines.iter().try_for_each(|(label, text)| out.line(&format!("{label:<20}{text}")))
}

fn paper(args: &PaperArgs, out: &mut Out<'_>) -> Outcome {
    if args.list {
        let names: Vec<&str> = paper::names().collect();
        return match args.json {
            true => out.json(&names),
            false => names.iter().try_for_each(|name| out.line(name)),
        };
    }
    let size = if args.full { Size::Full } else { Size::Ci };
    let mut reports = Vec::new();
    for name in paper::names().filter(|name| args.all || args.name.as_deref() == Some(*name)) {
        reports.push(measure(name, size, args.seed)?);
    }
    let Some(first) = reports.first() else {
        let name = args.name.as_deref().unwrap_or_default();
        return Err(Failure::Usage(paper::golden_values(name).err().unwrap_or_default()));
    };
    draw(args.plot.as_deref(), || first.plot.clone())?;
    if let Some(dir) = &args.docs {
        document(dir, &reports)?;
    }
    match (args.json, args.all) {
        (true, true) => out.json(&reports)?,
        (true, false) => out.json(first)?,
        (false, _) => reports.iter().try_for_each(|report| out.line(&report.text()))?,
    }
    let off: Vec<&str> = reports.iter().filter(|report| !report.ok).map(|report| &*report.paper).collect();
    match off.is_empty() {
        true => Ok(()),
        false => Err(Failure::Failed(format!("outside their tolerance: cells of {}", off.join(", ")))),
    }
}

fn measure(name: &str, size: Size, seed: u64) -> Outcome<Report> {
    let mut progress = Progress::new();
    let report = paper::run(name, size, seed, &mut |what, part| {
        progress.tell(|| format!("{name}: {:.0} %, {what}", part * 100.0));
    });
    progress.end();
    report.map_err(Failure::Usage)
}

/// Writes `papers.md` and its pictures.
fn document(dir: &Path, reports: &[Report]) -> Outcome {
    let pictures = dir.join("papers");
    std::fs::create_dir_all(&pictures)?;
    for report in reports {
        write(&pictures.join(format!("{}.svg", report.paper)), &report.plot.svg())?;
    }
    write(&dir.join("papers.md"), &paper::report::document(reports))
}

fn advise(args: &AdviseArgs, out: &mut Out<'_>) -> Outcome {
    let question = Question {
        nodes: args.nodes,
        loss: args.loss,
        residue: args.residue,
        deadline: args.deadline,
        bytes: args.bytes,
        seed: args.seed,
    };
    question.check().map_err(Failure::Usage)?;
    let mut progress = Progress::new();
    let advice = question.answer(&mut |what| progress.tell(|| what.to_owned())).map_err(Failure::Usage)?;
    progress.end();
    if args.json {
        return out.json(&advice);
    }
    for (at, candidate) in advice.candidates.iter().enumerate() {
        tell_candidate(at + 1, candidate, out)?;
    }
    out.line(&format!("simulated with {} nodes", advice.simulated_nodes))?;
    advice.notes.iter().try_for_each(|note| out.line(note))
}

fn tell_candidate(at: usize, candidate: &Candidate, out: &mut Out<'_>) -> Outcome {
    let number = |name: &str, value: Option<u32>| value.map(|value| format!("{name} {value}"));
    let settings: Vec<String> = [
        candidate.removal.as_ref().map(|removal| format!("removal {removal}")),
        number("k", candidate.k),
        number("fanout", candidate.fanout),
        candidate.period_s.map(|period| format!("period {}", span(period))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let promise = if candidate.meets { "keeps the promise" } else { "falls short" };
    out.line(&format!("{at}. {} ({}): {promise}", candidate.protocol, settings.join(", ")))?;
    for (who, figures) in [("predicted", &candidate.predicted), ("simulated", &candidate.simulated)] {
        let residue = figures.residue.map_or_else(|| "-".into(), |residue| format!("{residue:.1e}"));
        out.line(&format!(
            "   {who}: residue {residue}, last after {}, {:.2} updates and {} per node",
            span(figures.latency_s),
            figures.updates_per_node,
            bytes(figures.bytes_per_node)
        ))?;
    }
    if candidate.idle_bytes_per_s > 0.0 {
        out.line(&format!("   idle: {}/s per node", bytes(candidate.idle_bytes_per_s)))?;
    }
    out.line(&format!("   {}", candidate.reason))
}

fn draw(file: Option<&Path>, plot: impl FnOnce() -> Plot) -> Outcome {
    file.map_or(Ok(()), |file| write(file, &plot().svg()))
}

/// Writes a file, or says which one could not be written.
pub fn write(file: &Path, text: &str) -> Outcome {
    std::fs::write(file, text).map_err(|e| Failure::Usage(format!("cannot write {}: {e}", file.display())))
}
