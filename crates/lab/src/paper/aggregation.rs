//! Aggregation: averaging, count, push-sum, extrema.

use super::Bench;
use crate::aggregate::{Aggregate, Algorithm, Outcome};
use crate::plot::{Draw, Plot};
use crate::theory::aggregate as theory;
use rumormill_protocols::sum::averaging::Pairing;

/// Measures the cells, after a share of the whole.
fn measure(bench: &mut Bench<'_>, what: &str, part: f64, aggregate: &Aggregate) -> Outcome {
    bench.progress(what, part);
    aggregate.run(&mut |_| {}).unwrap_or_else(|e| panic!("the paper's aggregate: {e}"))
}

/// A curve over the rounds, beginning with the first.
fn by_round(curve: &[f64]) -> Vec<(f64, f64)> {
    curve.iter().enumerate().map(|(at, y)| (at as f64 + 1.0, *y)).collect()
}

pub(super) fn averaging(bench: &mut Bench<'_>) -> Plot {
    let mut plot = Plot::new("Push-pull averaging", "cycles", "root mean square relative error").log_y();
    let pairings = [
        ("SEQ", Pairing::Cyclic, theory::averaging_factor_sequential()),
        ("RAND", Pairing::Poisson, theory::averaging_factor_random()),
        ("PM", Pairing::Matching, theory::averaging_factor_matching()),
    ];
    let (nodes, runs) = (bench.runs(10_000, 100_000) as u64, bench.runs(3, 10));
    for (at, (name, pairing, factor)) in pairings.into_iter().enumerate() {
        let aggregate = Aggregate {
            nodes,
            pairing,
            rounds: 12,
            runs,
            seed: bench.seed(at as u64),
            ..Aggregate::default()
        };
        let outcome = measure(bench, name, at as f64 / 4.0, &aggregate);
        let measured = outcome.factor_per_round.expect("an average has a factor");
        bench.put(&format!("{name} factor"), measured, outcome.standard_error.factor_per_round);
        let first = outcome.curve[1];
        let law = (1..=12).map(|t| (f64::from(t), first * libm::pow(factor, f64::from(t - 2) / 2.0)));
        plot.add(name, Draw::Line(by_round(&outcome.curve)))
            .add(format!("{factor:.4} a cycle"), Draw::Dashed(law.collect()));
    }
    let lossy = Aggregate {
        loss: 0.05,
        rounds: 40,
        runs: bench.runs(5, 50),
        seed: bench.seed(9),
        ..Aggregate::default()
    };
    let outcome = measure(bench, "5 % loss", 0.75, &lossy);
    bench.put("5 % loss, largest error of the mass", outcome.mass_error.expect("averaging has mass"), 0.0);
    plot
}

pub(super) fn count(bench: &mut Bench<'_>) -> Plot {
    let aggregate = Aggregate {
        nodes: 10_000,
        algorithm: Algorithm::Count,
        rounds: 30,
        runs: bench.runs(2, 20),
        seed: bench.seed(1),
        ..Aggregate::default()
    };
    let outcome = measure(bench, "count", 0.0, &aggregate);
    for cycle in [20, 25, 30] {
        let cell = format!("n=10000 cycle {cycle} largest relative error");
        bench.put(&cell, outcome.worst[cycle - 1], 0.0);
    }
    aggregate.plot(&outcome)
}

pub(super) fn push_sum(bench: &mut Bench<'_>) -> Plot {
    let base = Aggregate { algorithm: Algorithm::PushSum, ..Aggregate::default() };
    for (nodes, runs) in [(100, bench.runs(150, 2_000)), (300, bench.runs(80, 1_000))] {
        let aggregate = Aggregate { nodes, rounds: 14, runs, seed: bench.seed(nodes), ..base.clone() };
        let outcome = measure(bench, &format!("{nodes} nodes"), 0.0, &aggregate);
        let factor = outcome.potential_factor.expect("push-sum has a potential");
        bench.put(&format!("n={nodes} potential factor"), factor, outcome.standard_error.potential_factor);
    }
    let mut shown = None;
    for (nodes, runs) in
        [(1_000, bench.runs(30, 300)), (10_000, bench.runs(4, 40)), (100_000, bench.runs(0, 5))]
    {
        let cell = format!("n={nodes} rounds to 1e-3");
        if !bench.wants(&cell) {
            continue;
        }
        let aggregate = Aggregate { nodes, rounds: 40, runs, seed: bench.seed(nodes), ..base.clone() };
        let outcome = measure(bench, &cell, 0.3, &aggregate);
        let rounds = outcome.rounds_to_thousandth.expect("40 rounds are enough");
        bench.put(&cell, rounds, outcome.standard_error.rounds_to_thousandth);
        if nodes == 10_000 {
            let factor = outcome.factor_per_round.expect("it falls");
            bench.put("n=10000 squared error factor", factor, outcome.standard_error.factor_per_round);
            shown = Some(aggregate.plot(&outcome));
        }
    }
    let cell = "n=10000 20 % loss, standard deviation";
    if bench.wants(cell) {
        let aggregate =
            Aggregate { nodes: 10_000, rounds: 40, loss: 0.2, runs: 60, seed: bench.seed(5), ..base };
        let outcome = measure(bench, "20 % loss", 0.8, &aggregate);
        let (sd, runs) = (outcome.mass_error_sd.expect("push-sum has mass"), aggregate.runs as f64);
        bench.put(cell, sd, sd / libm::sqrt(2.0 * (runs - 1.0)));
    }
    shown.expect("it was measured")
}

pub(super) fn extrema(bench: &mut Bench<'_>) -> Plot {
    let runs = bench.runs(400, 3_000);
    let mut points = Vec::new();
    for (at, numbers) in [10usize, 50, 100, 300].into_iter().enumerate() {
        let cell = format!("K={numbers} relative standard deviation");
        if !bench.wants(&cell) {
            continue;
        }
        let aggregate = Aggregate {
            nodes: 100,
            algorithm: Algorithm::Extrema,
            numbers,
            rounds: 15,
            runs,
            seed: bench.seed(numbers as u64),
            ..Aggregate::default()
        };
        let outcome = measure(bench, &format!("K = {numbers}"), at as f64 / 4.0, &aggregate);
        let sd = outcome.estimate_sd / outcome.truth;
        bench.put(&cell, sd, outcome.standard_error.estimate_sd / outcome.truth);
        let mean = outcome.estimate / outcome.truth;
        bench.put(
            &format!("K={numbers} mean over truth"),
            mean,
            outcome.standard_error.estimate / outcome.truth,
        );
        points.push((numbers as f64, sd));
    }
    let law =
        (0..=60).map(|i| 5.0 * libm::pow(1.08, f64::from(i))).map(|k| (k, theory::extrema_relative_sd(k)));
    let mut plot =
        Plot::new("Extrema propagation", "K, numbers kept", "relative standard deviation of the size")
            .log_x()
            .log_y();
    plot.add("simulated", Draw::Points(points)).add("1/√(K - 2)", Draw::Dashed(law.collect()));
    plot
}
