//! `rumormill lab advise`: settings for a cluster and a promise.

use crate::args::{duration, probability};
use crate::commands::progress::Progress;
use crate::outcome::{Failure, Outcome};
use crate::show::{Out, bytes, count, span};
use clap::Args;
use rumormill_lab::advise::{Candidate, LATENCY_DEFAULT, Predicted, Question};
use rumormill_lab::stats::figure;
use std::time::Duration;

/// `rumormill lab advise`.
#[derive(Debug, Args)]
pub struct AdviseArgs {
    /// Nodes
    #[arg(long, default_value_t = 1_000)]
    pub nodes: u64,
    /// The share of datagrams that are lost, from 0 to below 0.9
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub loss: f64,
    /// The share of nodes that an update may miss
    #[arg(long, value_name = "S", default_value = "1e-6")]
    pub residue: f64,
    /// By when all others must have it [default: no deadline]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
    /// How long a message takes one way: MIN,MAX (uniform), for example 50ms,150ms [default: 200us,1ms, one quiet site]
    #[arg(long, value_name = "MIN,MAX", value_parser = latency)]
    pub latency: Option<(Duration, Duration)>,
    /// Bytes of an update
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
    /// Runs behind the figures of each candidate [default: as many as take seconds]
    #[arg(long, value_name = "N")]
    pub runs: Option<usize>,
    /// The seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `rumormill lab advise`.
pub fn run(args: &AdviseArgs, out: &mut Out<'_>) -> Outcome {
    let question = Question {
        nodes: args.nodes,
        loss: args.loss,
        residue: args.residue,
        latency: args.latency.unwrap_or(LATENCY_DEFAULT),
        deadline: args.deadline,
        bytes: args.bytes,
        runs: args.runs,
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
    let (runs, nodes) = (count(advice.runs, "run"), count(advice.simulated_nodes, "node"));
    out.line(&format!("simulated: {runs} of {nodes} for each"))?;
    out.line("assumed:")?;
    advice.assumptions.iter().try_for_each(|assumed| out.line(&format!("  {assumed}")))?;
    advice.notes.iter().try_for_each(|note| out.line(note))
}

fn latency(text: &str) -> Result<(Duration, Duration), String> {
    let Some((min, max)) = text.split_once(',') else {
        return Err("expected MIN,MAX, for example 50ms,150ms".into());
    };
    Ok((duration(min)?, duration(max)?))
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
    out.line(&format!("   predicted: {}", predicted(&candidate.predicted)))?;
    let seen = &candidate.simulated;
    out.line(&format!(
        "   simulated: residue {}, last after {}, {} updates and {} per node",
        figure(seen.residue, 3),
        span(seen.latency_s),
        figure(seen.updates_per_node, 3),
        bytes(seen.bytes_per_node)
    ))?;
    out.line(&format!(
        "   in {} {} of {} missed, and the slowest run was over after {}",
        count(candidate.runs, "run"),
        candidate.missed,
        count(candidate.deliveries, "delivery"),
        span(candidate.simulated.latency_s)
    ))?;
    if candidate.idle_bytes_per_s > 0.0 {
        out.line(&format!("   idle: {}/s per node", bytes(candidate.idle_bytes_per_s)))?;
    }
    out.line(&format!("   {}", candidate.reason))
}

/// The figures that theory has for a candidate.
fn predicted(theory: &Predicted) -> String {
    if let Some(why) = &theory.no_theory_for {
        return format!("no theory for {why}");
    }
    let some = |figure: Option<f64>, show: fn(f64) -> String| figure.map_or_else(|| "-".into(), show);
    format!(
        "residue {}, last after {}, {} updates and {} per node",
        some(theory.residue, |residue| figure(residue, 3)),
        some(theory.latency_s, span),
        some(theory.updates_per_node, |updates| figure(updates, 3)),
        some(theory.bytes_per_node, bytes)
    )
}
