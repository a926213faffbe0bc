//! Push then pull, and the median counter: the cost of informing all nodes.

use super::Bench;
use crate::epidemic::{Epidemic, Strategy};
use crate::plot::{Draw, Plot};
use crate::theory::rounds;
use rumormill_protocols::spread::median_counter::MedianCounter;
use rumormill_protocols::spread::push_then_pull::PushThenPull;

pub(super) fn push_then_pull(bench: &mut Bench<'_>) -> Plot {
    let sizes =
        [(1_000, bench.runs(100, 1_000)), (10_000, bench.runs(10, 100)), (100_000, 10), (1_000_000, 2)];
    let mut costs = Vec::new();
    for (at, (nodes, runs)) in sizes.into_iter().enumerate() {
        let cell = |what: &str| format!("n={nodes} {what}");
        if !bench.wants(&cell("rounds")) {
            continue;
        }
        let seed = bench.seed(nodes);
        let epidemic =
            Epidemic { nodes, strategy: Strategy::of::<PushThenPull>(), runs, seed, ..Epidemic::default() };
        let outcome = bench.epidemic(&format!("{nodes} nodes"), at as f64 / 4.0, &epidemic);
        let errors = &outcome.standard_error;
        bench.put(&cell("transmissions"), outcome.messages, errors.messages);
        bench.put(&cell("transmissions, counted as here"), outcome.messages, errors.messages);
        bench.put(&cell("rounds"), outcome.t_last, errors.t_last);
        costs.push((nodes as f64, outcome.messages));
    }
    let of = |pick: fn(f64, f64) -> f64| costs.iter().map(|(_, cost)| *cost).reduce(pick).unwrap_or(1.0);
    bench.put("largest over smallest", of(f64::max) / of(f64::min), 0.0);
    // The effect of the round in which pushing ends, at one size.
    let switch: Vec<(f64, f64)> = (6..=14)
        .map(|round| {
            let epidemic = Epidemic {
                strategy: Strategy::of::<PushThenPull>(),
                switch: Some(round),
                runs: bench.runs(20, 200),
                seed: bench.seed(u64::from(round)),
                ..Epidemic::default()
            };
            (f64::from(round), bench.epidemic("other rounds", 0.9, &epidemic).messages)
        })
        .collect();
    let mut plot =
        Plot::new("Push, then pull: 1,000 nodes", "round in which pushing ends", "messages per node");
    plot.add("pushes, requests and replies", Draw::Line(switch.clone())).add("", Draw::Points(switch));
    plot.add("the paper's 2.6", Draw::Dashed(vec![(6.0, 2.6), (14.0, 2.6)]));
    plot
}

pub(super) fn median_counter(bench: &mut Bench<'_>) -> Plot {
    let sizes = [(10_000, bench.runs(6, 50)), (100_000, 5), (1_000_000, 1)];
    let (mut informed, mut quiet) = (Vec::new(), Vec::new());
    for (at, (nodes, runs)) in sizes.into_iter().enumerate() {
        let cell = |what: &str| format!("n={nodes} {what}");
        if !bench.wants(&cell("quiet")) {
            continue;
        }
        let seed = bench.seed(nodes);
        let epidemic =
            Epidemic { nodes, strategy: Strategy::of::<MedianCounter>(), runs, seed, ..Epidemic::default() };
        let outcome = bench.epidemic(&format!("{nodes} nodes"), at as f64 / 3.0, &epidemic);
        let errors = &outcome.standard_error;
        bench.put(&cell("all informed"), outcome.t_last, errors.t_last);
        bench.put(&cell("quiet"), outcome.rounds, errors.rounds);
        bench.put(&cell("transmissions"), outcome.traffic, errors.traffic);
        bench.put(&cell("residue"), outcome.residue, errors.residue);
        informed.push((nodes as f64, outcome.t_last));
        quiet.push((nodes as f64, outcome.rounds));
    }
    let sizes = (0..=30).map(|i| libm::pow(10.0, 3.0 + f64::from(i) / 10.0));
    let mut plot = Plot::new("Median counter", "nodes", "rounds").log_x();
    plot.add("silent", Draw::Points(quiet))
        .add("all know", Draw::Points(informed))
        .add("log3 n + log2 ln n", Draw::Dashed(sizes.map(|n| (n, rounds::push_pull(n))).collect()));
    plot
}
