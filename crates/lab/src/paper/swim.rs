//! SWIM's and Lifeguard's figures: first detection, load, false deaths.

use super::{Bench, Size};
use crate::plot::{Draw, Plot};
use crate::stats::Samples;
use crate::swim::{Experiment, Outcome, Stall};
use crate::theory::detection;
use rumormill_core::time::Duration;

pub(super) fn run(bench: &mut Bench<'_>) -> Plot {
    let mut plot = Plot::new("SWIM: the first probe of a crashed member", "members", "periods").log_x();
    let detected = first_detection(bench);
    let theory = (2..=13).map(|e| f64::from(1 << e));
    plot.add("", Draw::Band(detected.iter().map(|(n, p, e)| (*n, p - 2.0 * e, p + 2.0 * e)).collect()))
        .add(
            "simulated, with two standard errors",
            Draw::Line(detected.iter().map(|(n, p, _)| (*n, *p)).collect()),
        )
        .add(
            "1/(1 - (1 - 1/(n-1))^(n-1))",
            Draw::Dashed(theory.map(|n| (n, detection::swim_first_detection_periods(n))).collect()),
        );
    load(bench);
    false_deaths(bench);
    plot
}

fn outcome(experiment: &Experiment) -> Outcome {
    experiment.run(|_| {}).unwrap_or_else(|e| panic!("the paper's experiment: {e}"))
}

/// The protocol as the paper prints it: each member probes in a shuffled order of its own.
fn printed() -> Experiment {
    Experiment { turns: false, ..Experiment::default() }
}

/// The period whose probe of a crashed member first fails: (members, mean, standard error).
fn first_detection(bench: &mut Bench<'_>) -> Vec<(f64, f64, f64)> {
    let sizes = [(8, 1_000, 5_000), (32, 1_000, 5_000), (100, 150, 2_000), (256, 0, 100)];
    let mut all = Vec::new();
    for (at, (nodes, ci, full)) in sizes.into_iter().enumerate() {
        let (mut periods, mut most) = (Samples::default(), 0);
        // Runs in groups of ten: the experiment returns means, and their spread gives the error.
        for batch in 0..bench.runs(ci, full) / 10 {
            let seed = bench.seed((at * 1_000 + batch) as u64);
            let experiment = Experiment {
                nodes,
                seed,
                runs: 10,
                kill: 1,
                synchronous: true,
                suspicion: false,
                ..printed()
            };
            let outcome = outcome(&experiment);
            periods.extend(outcome.first_detection_periods);
            most = most.max(outcome.first_detection_periods_max.unwrap_or(u64::MAX));
            bench.progress("first detection", at as f64 / sizes.len() as f64);
        }
        let estimate = periods.estimate();
        if estimate.count > 0 {
            all.push((nodes as f64, estimate.mean, estimate.standard_error));
        }
        if nodes == 32 || nodes == 100 && bench.size == Size::Full {
            bench.put(&format!("first detection, {nodes} members"), estimate.mean, estimate.standard_error);
        }
        if nodes == 100 {
            bench.put("longest first detection, 100 members", most as f64, 0.0);
        }
    }
    all
}

/// Datagrams that a member sends in a period.
fn load(bench: &mut Bench<'_>) {
    bench.progress("load", 0.7);
    let (runs, large) = (bench.runs(1, 4), bench.runs(250, 1_000));
    let at =
        |nodes, runs, seed| outcome(&Experiment { nodes, runs, seed, ..printed() }).messages_per_node_period;
    let few = at(10, 10 * runs, bench.seed(9_010));
    for nodes in [250, large] {
        let many = at(nodes, runs, bench.seed(9_000 + nodes as u64));
        if nodes == 250 {
            bench.put("messages per member and period, 250 members", many, 0.0);
        }
        bench.put(&format!("load, {nodes} members over 10"), many / few, 0.0);
        if nodes == large {
            return;
        }
    }
}

/// Healthy members marked as failed while a tenth of all stall, without Lifeguard as a multiple of with it.
fn false_deaths(bench: &mut Bench<'_>) {
    bench.progress("false deaths", 0.8);
    let stall = Stall {
        fraction: 0.1,
        min: Duration::from_secs(5),
        max: Duration::from_secs(20),
        run: Duration::from_secs(1),
    };
    let runs = bench.runs(2, 10);
    let side = |lifeguard| {
        outcome(&Experiment { pause: Some(stall), lifeguard, runs, seed: bench.seed(20_000), ..printed() })
            .false_deaths_total as f64
    };
    let (without, with) = (side(false), side(true));
    bench.put("false deaths without Lifeguard over with it", without / with.max(1.0), 0.0);
}
