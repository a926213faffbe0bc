//! Demers et al. 1987: rumor mongering's tables, minimization, connection limit and hunting.

use super::Bench;
use crate::epidemic::{Counting, Epidemic, Outcome, Removal, Strategy};
use crate::plot::{Draw, Plot};
use crate::theory::epidemic;

/// Sites in the paper's tables.
const SITES: u64 = 1_000;

pub(super) fn table_1(bench: &mut Bench<'_>) -> Plot {
    let runs = bench.runs(200, 2_000);
    let base = Epidemic { runs, ..Epidemic::default() };
    table(bench, "Table 1: push, feedback, counter", 5, &base)
}

pub(super) fn table_2(bench: &mut Bench<'_>) -> Plot {
    let runs = bench.runs(400, 4_000);
    let base = Epidemic { removal: Removal::BlindCoin, runs, ..Epidemic::default() };
    table(bench, "Table 2: push, blind, coin", 5, &base)
}

pub(super) fn table_3(bench: &mut Bench<'_>) -> Plot {
    let runs = bench.runs(150, 3_000);
    let base = Epidemic { strategy: Strategy::Pull, runs, ..Epidemic::default() };
    table(bench, "Table 3: pull, feedback, counter", 3, &base)
}

/// Measures k = 1, 2, ... and draws residue over traffic, as the paper argues.
fn table(bench: &mut Bench<'_>, title: &str, k_max: u32, base: &Epidemic) -> Plot {
    let (mut ours, mut paper) = (Vec::new(), Vec::new());
    for k in 1..=k_max {
        let epidemic = Epidemic { nodes: SITES, k, seed: bench.seed(k.into()), ..base.clone() };
        let outcome = bench.epidemic(&format!("k = {k}"), f64::from(k - 1) / f64::from(k_max), &epidemic);
        put(bench, &format!("k={k}"), &outcome);
        ours.push((outcome.traffic, outcome.residue));
        let cell = |what: &str| bench.paper(&format!("k={k} {what}"));
        paper.push((cell("traffic"), cell("residue")));
    }
    let mut plot = residue_over_traffic(title, &ours);
    plot.add("paper", Draw::Points(paper));
    plot
}

/// Puts the figures that the paper has for this row.
fn put(bench: &mut Bench<'_>, row: &str, outcome: &Outcome) {
    let errors = &outcome.standard_error;
    let figures = [
        ("residue", outcome.residue, errors.residue),
        ("traffic", outcome.traffic, errors.traffic),
        ("t_last", outcome.t_last, errors.t_last),
        ("t_ave", outcome.t_avg, errors.t_avg),
    ];
    for (what, value, standard_error) in figures {
        let cell = format!("{row} {what}");
        if bench.has(&cell) {
            bench.put(&cell, value, standard_error);
        }
    }
}

fn residue_over_traffic(title: &str, ours: &[(f64, f64)]) -> Plot {
    let mut plot =
        Plot::new(title, "traffic m, updates sent per node", "residue, part never reached").log_y();
    let most = ours.iter().map(|(m, _)| *m).fold(1.0, f64::max);
    let law = (0..=40).map(|i| most * f64::from(i) / 40.0).map(|m| (m, epidemic::residue_of_traffic(m)));
    plot.add("simulated", Draw::Points(ours.to_vec())).add("e^-m", Draw::Dashed(law.collect()));
    plot
}

pub(super) fn minimization(bench: &mut Bench<'_>) -> Plot {
    let runs = bench.runs(80, 2_000);
    let mut curves = Vec::new();
    for (at, (name, minimization)) in [("plain", false), ("minimization", true)].into_iter().enumerate() {
        let mut points = Vec::new();
        for k in 1..=3 {
            let epidemic = Epidemic {
                nodes: SITES,
                strategy: Strategy::PushPull,
                counting: Counting::Plain,
                minimization,
                k,
                runs,
                seed: bench.seed(k.into()),
                ..Epidemic::default()
            };
            let outcome = bench.epidemic(
                &format!("{name}, k = {k}"),
                (at as f64 * 3.0 + f64::from(k) - 1.0) / 6.0,
                &epidemic,
            );
            put(bench, &format!("{name} k={k}"), &outcome);
            points.push((outcome.traffic, outcome.residue));
        }
        curves.push((name, points));
    }
    let all: Vec<(f64, f64)> = curves.iter().flat_map(|(_, points)| points.clone()).collect();
    let mut plot = residue_over_traffic("Push-pull, feedback, counter: minimization", &all);
    plot.series.remove(0);
    for (name, points) in curves {
        plot.add(name, Draw::Line(points.clone())).add("", Draw::Points(points));
    }
    plot
}

pub(super) fn connection_limit(bench: &mut Bench<'_>) -> Plot {
    // Hunting without a limit tries as many sites as there are.
    let kinds = [
        ("push limit 1", Strategy::Push, 0, bench.runs(150, 4_000)),
        ("push limit 1 hunting", Strategy::Push, SITES as u32, bench.runs(150, 4_000)),
        ("pull limit 1", Strategy::Pull, 0, bench.runs(30, 600)),
    ];
    let (mut curves, mut all) = (Vec::new(), Vec::new());
    for (at, (name, strategy, hunt, runs)) in kinds.into_iter().enumerate() {
        let mut points = Vec::new();
        for k in 1..=5 {
            if !bench.wants(&format!("{name} k={k} residue")) {
                continue;
            }
            let epidemic = Epidemic {
                nodes: SITES,
                strategy,
                counting: Counting::Plain,
                connection_limit: Some(1),
                hunt,
                k,
                runs,
                seed: bench.seed(k.into()),
                ..Epidemic::default()
            };
            let outcome = bench.epidemic(
                &format!("{name}, k = {k}"),
                at as f64 / 3.0 + f64::from(k - 1) / 15.0,
                &epidemic,
            );
            put(bench, &format!("{name} k={k}"), &outcome);
            let lambda = format!("{name} k={k} lambda");
            if bench.has(&lambda) {
                let relative = outcome.standard_error.residue / outcome.residue;
                bench.put(&lambda, -libm::log(outcome.residue) / outcome.traffic, relative / outcome.traffic);
            }
            points.push((outcome.traffic, outcome.residue));
        }
        all.extend(points.clone());
        curves.push((name, points));
    }
    let mut plot = residue_over_traffic("Feedback, counter, one connection per site and cycle", &all);
    plot.series.remove(0);
    let limited: Vec<(f64, f64)> = (0..=40)
        .map(|i| f64::from(i) / 8.0)
        .map(|m| (m, epidemic::residue_of_traffic_limited(m)))
        .filter(|(_, s)| *s > 1e-4)
        .collect();
    plot.add("e^-1.58m", Draw::Dashed(limited));
    for (name, points) in curves {
        plot.add(name, Draw::Line(points.clone())).add("", Draw::Points(points));
    }
    plot
}
