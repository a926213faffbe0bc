//! Fixed fanout: infect and die.

use super::Bench;
use crate::epidemic::{Epidemic, Strategy, TAKEN_OFF};
use crate::plot::{Draw, Plot};
use crate::stats::Samples;
use crate::theory::epidemic;
use rumormill_core::rng::mix;
use rumormill_protocols::spread::infect_and_die::InfectAndDie;

pub(super) fn run(bench: &mut Bench<'_>) -> Plot {
    let (mut reach, mut atomic) = (Vec::new(), Vec::new());
    let fanouts = [
        (10_000, 2, bench.runs(60, 400)),
        (10_000, 3, bench.runs(10, 200)),
        (10_000, 4, bench.runs(10, 200)),
        (10_000, 5, bench.runs(10, 200)),
        (10_000, 6, bench.runs(10, 200)),
        (10_000, 8, bench.runs(0, 400)),
        (10_000, 10, bench.runs(6, 400)),
        (10_000, 12, bench.runs(0, 400)),
        (10_000, 14, bench.runs(0, 400)),
        (1_000, 6, bench.runs(400, 4_000)),
        (1_000, 8, bench.runs(400, 4_000)),
        (1_000, 10, bench.runs(400, 4_000)),
    ];
    for (at, (nodes, fanout, runs)) in fanouts.into_iter().enumerate().filter(|(_, (.., runs))| *runs > 0) {
        let part = at as f64 / fanouts.len() as f64;
        let told = measure(bench, part, nodes, fanout, runs);
        let row = format!("n={nodes} f={fanout}");
        for (what, samples) in
            [("reach", &told.reach), ("atomic", &told.atomic), ("hops to the last", &told.hops)]
        {
            let (cell, estimate) = (format!("{row} {what}"), samples.estimate());
            if bench.wants(&cell) {
                bench.put(&cell, estimate.mean, estimate.standard_error);
            }
        }
        match nodes {
            10_000 => reach.push((f64::from(fanout), told.reach.estimate().mean)),
            _ => atomic.push((f64::from(fanout), told.atomic.estimate().mean)),
        }
    }
    let fanout = || (0..=120).map(|i| 1.0 + f64::from(i) / 10.0);
    let mut plot = Plot::new("Infect and die", "fanout f", "part of the nodes, or of the runs");
    plot.add("reach, 10,000 nodes", Draw::Points(reach))
        .add(
            "1 - e^(-f π)",
            Draw::Dashed(fanout().map(|f| (f, epidemic::infect_and_die_reach(f, 0.0, 0.0))).collect()),
        )
        .add("all reached, 1,000 nodes", Draw::Points(atomic))
        .add(
            "e^(-e^(-(f - ln n)))",
            Draw::Dashed(fanout().map(|f| (f, epidemic::atomicity(1e3, f))).collect()),
        );
    plot
}

/// Reach and hops of the runs that took off, and the share of all runs that reached all nodes.
#[derive(Default)]
struct Reached {
    reach: Samples,
    hops: Samples,
    atomic: Samples,
}

fn measure(bench: &mut Bench<'_>, part: f64, nodes: u64, fanout: u32, runs: usize) -> Reached {
    let mut told = Reached::default();
    let seed = bench.seed(nodes ^ u64::from(fanout) << 32);
    for run in 0..runs {
        let epidemic = Epidemic {
            nodes,
            strategy: Strategy::of::<InfectAndDie>(),
            fanout: Some(fanout),
            seed: mix(seed ^ run as u64),
            ..Epidemic::default()
        };
        let outcome = bench.epidemic(&format!("{nodes} nodes, fanout {fanout}"), part, &epidemic);
        told.atomic.add(outcome.all_reached);
        if 1.0 - outcome.residue >= TAKEN_OFF {
            told.reach.add(1.0 - outcome.residue);
            told.hops.add(outcome.t_last);
        }
    }
    told
}
