//! The course notes: the factor by which an epidemic grows in each phase, and its rounds over the number of nodes.

use super::Bench;
use crate::epidemic::{Epidemic, Removal};
use crate::plot::{Draw, Plot};
use crate::stats::{self, Samples};
use crate::theory::{epidemic, rounds};
use rumormill_core::rng::mix;

pub(super) fn lecture(bench: &mut Bench<'_>) -> Plot {
    let runs = bench.runs(150, 3_000);
    phases(bench, runs);
    let mut points = Vec::new();
    for (at, (nodes, runs)) in
        [(10, runs), (100, runs), (1_000, runs), (10_000, runs / 10)].into_iter().enumerate()
    {
        let epidemic = simple(nodes, runs, bench.seed(at as u64));
        let outcome = bench.epidemic(&format!("{nodes} nodes"), 0.4 + at as f64 * 0.15, &epidemic);
        points.push((libm::log(nodes as f64), outcome.rounds));
        let cell = format!("n={nodes} rounds");
        if bench.has(&cell) {
            bench.put(&cell, outcome.rounds, outcome.standard_error.rounds);
        }
    }
    let (slope, _) = stats::line(&points).expect("four sizes");
    bench.put("base of the logarithm", libm::exp(1.0 / slope), 0.0);
    let sizes = || points.iter().map(|(log, _)| libm::exp(*log));
    let mut plot = Plot::new("Push until all know", "nodes", "rounds").log_x();
    plot.add("simulated", Draw::Line(sizes().zip(&points).map(|(n, (_, r))| (n, *r)).collect()))
        .add("log2 n + ln n (Pittel)", Draw::Dashed(sizes().map(|n| (n, rounds::pittel(n))).collect()))
        .add(
            "log_1.585 n (notes)",
            Draw::Dashed(sizes().map(|n| (n, libm::log(n) / libm::log(1.585))).collect()),
        );
    plot
}

/// Push without removal, as in the notes: runs until all know.
fn simple(nodes: u64, runs: usize, seed: u64) -> Epidemic {
    Epidemic { nodes, removal: Removal::None, runs, seed, ..Epidemic::default() }
}

/// The factors by which the informed grow in a round that begins with at most 1 %, with a half, and with at least 99 % informed.
fn phases(bench: &mut Bench<'_>, runs: usize) {
    let [mut first, mut last, mut grown, mut infected] = [(); 4].map(|()| Samples::default());
    let seed = bench.seed(77);
    for run in 0..runs {
        let one = simple(1_000, 1, mix(seed ^ run as u64));
        let curve = bench.epidemic("phases", 0.4 * run as f64 / runs as f64, &one).curve;
        for (now, next) in curve.iter().zip(&curve[1..]) {
            match *now {
                x if x <= 0.01 => first.add(next / x),
                x if (0.4..=0.6).contains(&x) => {
                    // A round that begins near one half counts by its distance from theory there.
                    let (k, n) = (1e3 * x, 1e3);
                    grown.add(next / x - epidemic::growth_factor(k, n) + epidemic::growth_factor(n / 2.0, n));
                    let here = (next - x) / (1.0 - x);
                    infected.add(here - epidemic::p_infect(k, n) + epidemic::p_infect(n / 2.0, n));
                }
                x if x >= 0.99 => last.add(next / x),
                _ => {}
            }
        }
    }
    let cells = [
        ("growth at first", first),
        ("growth half way", grown),
        ("growth at the end", last),
        ("P_infect(n/2, n)", infected),
    ];
    for (cell, samples) in cells {
        let estimate = samples.estimate();
        bench.put(cell, estimate.mean, estimate.standard_error);
    }
}
