//! Anti-entropy: its rounds, and the uniform rows of Tables 4 and 5.

use super::Bench;
use crate::epidemic::{Epidemic, Strategy};
use crate::plot::{Draw, Plot};
use crate::theory::rounds;

fn anti_entropy(strategy: Strategy) -> Epidemic {
    Epidemic { strategy, ..Epidemic::default() }
}

pub(super) fn anti_entropy_rounds(bench: &mut Bench<'_>) -> Plot {
    let directions = [
        ("push", Strategy::AntiEntropyPush),
        ("pull", Strategy::AntiEntropyPull),
        ("push-pull", Strategy::AntiEntropy),
    ];
    let sizes =
        [(1_000, bench.runs(100, 2_000)), (10_000, bench.runs(20, 200)), (100_000, 20), (1_000_000, 8)];
    let mut plot = Plot::new("Anti-entropy: cycles until all sites know", "sites", "cycles").log_x();
    for (d, (name, strategy)) in directions.into_iter().enumerate() {
        let mut points = Vec::new();
        for (at, (nodes, runs)) in sizes.into_iter().enumerate() {
            let cell = |what: &str| format!("{name} n={nodes} {what}");
            if !bench.wants(&cell("t_last")) {
                continue;
            }
            let seed = bench.seed(nodes ^ (d as u64) << 32);
            // The end decides the spread of push, and the beginning that of pull: at first no node may ask the only one that knows.
            let runs = match strategy {
                Strategy::AntiEntropy => runs,
                _ if nodes == 10_000 => 2 * runs,
                _ => runs,
            };
            let epidemic = Epidemic { nodes, runs, seed, ..anti_entropy(strategy) };
            let part = (d * sizes.len() + at) as f64 / 12.0;
            let outcome = bench.epidemic(&format!("{name}, {nodes} sites"), part, &epidemic);
            bench.put(&cell("t_ave"), outcome.t_avg, outcome.standard_error.t_avg);
            bench.put(&cell("t_last"), outcome.t_last, outcome.standard_error.t_last);
            points.push((nodes as f64, outcome.t_last));
        }
        plot.add(name, Draw::Line(points.clone())).add("", Draw::Points(points));
    }
    let sizes = || (0..=30).map(|i| libm::pow(10.0, 3.0 + f64::from(i) / 10.0));
    plot.add("log2 n + ln n (push)", Draw::Dashed(sizes().map(|n| (n, rounds::pittel(n))).collect()));
    plot.add(
        "log3 n + log2 ln n (push-pull)",
        Draw::Dashed(sizes().map(|n| (n, rounds::push_pull(n))).collect()),
    );
    plot
}

/// Sites of the Clearinghouse's network that fit the printed figures.
const SITES: u64 = 300;

pub(super) fn uniform(bench: &mut Bench<'_>) -> Plot {
    let mut plot =
        Plot::new("Push-pull anti-entropy, 300 sites, uniform", "cycles", "part of the sites that knows");
    for (at, (name, connection_limit)) in [("no limit", None), ("limit 1", Some(1))].into_iter().enumerate() {
        let epidemic = Epidemic {
            nodes: SITES,
            connection_limit,
            runs: bench.runs(300, 2_000),
            seed: bench.seed(at as u64),
            ..anti_entropy(Strategy::AntiEntropy)
        };
        let outcome = bench.epidemic(name, at as f64 / 2.0, &epidemic);
        bench.put(&format!("{name} t_last"), outcome.t_last, outcome.standard_error.t_last);
        bench.put(&format!("{name} t_ave"), outcome.t_avg, outcome.standard_error.t_avg);
        if connection_limit.is_some() {
            bench.put("limit 1 accepted", outcome.accepted, outcome.standard_error.accepted);
        }
        let curve = outcome.curve.iter().enumerate().map(|(t, x)| (t as f64, *x));
        plot.add(name, Draw::Line(curve.collect()));
    }
    plot
}
