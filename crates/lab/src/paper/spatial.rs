//! Spatial distributions: the distances of contacts, and a rumor that two sites keep to themselves.

use super::Bench;
use crate::epidemic::{Epidemic, Strategy};
use crate::plot::{Draw, Plot};
use crate::stats::Samples;
use crate::theory::spatial;
use rumormill_core::identity::NodeId;
use rumormill_core::peers::Peers;
use rumormill_core::rng::{Rng, mix};
use rumormill_protocols::kit::peer_selection::PeerSelection;

/// Exponents, and their names in the cells.
const EXPONENTS: [(&str, f64); 5] = [("0", 0.0), ("1", 1.0), ("1.5", 1.5), ("2", 2.0), ("3", 3.0)];
const SITES: [u64; 2] = [1_000, 10_000];

pub(super) fn run(bench: &mut Bench<'_>) -> Plot {
    let draws = bench.runs(200_000, 5_000_000);
    let mut plot = Plot::new("Contacts on a ring", "exponent a of d^-a", "mean distance, sites").log_y();
    for sites in SITES {
        let mut points = Vec::new();
        for (at, (name, exponent)) in EXPONENTS.into_iter().enumerate() {
            bench.progress(&format!("{sites} sites, a = {name}"), at as f64 / 10.0);
            let distance = distances(sites, exponent, draws, bench.seed(sites ^ at as u64));
            let estimate = distance.estimate();
            bench.put(&format!("a={name} n={sites} mean distance"), estimate.mean, estimate.standard_error);
            points.push((exponent, estimate.mean));
        }
        for (name, at) in [("0", 0), ("3", 4)] {
            let cell = format!("growth n=1000 to 10000, a={name}");
            if sites == SITES[0] {
                continue;
            }
            let near = distances(SITES[0], EXPONENTS[at].1, draws, bench.seed(99)).estimate();
            let grown = points[at].1 / near.mean;
            bench.put(&cell, grown, grown * near.standard_error / near.mean * core::f64::consts::SQRT_2);
        }
        let law = (0..=60).map(|i| f64::from(i) / 20.0).map(|a| (a, spatial::ring_mean_distance(sites, a)));
        plot.add(format!("{sites} sites"), Draw::Points(points)).add("exactly", Draw::Dashed(law.collect()));
    }
    hub(bench);
    plot
}

/// The distances of this number of choices, made by all sites in turn.
fn distances(sites: u64, exponent: f64, draws: usize, seed: u64) -> Samples {
    let (choice, peers, mut rng) =
        (PeerSelection::ring(sites, exponent), Peers::Everyone(sites), Rng::seeded(seed));
    (0..draws as u64)
        .map(|i| NodeId(i % sites))
        .map(|me| {
            let other = choice.pick(&peers, me, &mut rng).expect("there are others");
            let apart = me.0.abs_diff(other.0);
            apart.min(sites - apart) as f64
        })
        .collect()
}

/// Two sites at a hub with 28 others behind it, under 1/Q^2: the share of rumors of one of the two that never leave them.
fn hub(bench: &mut Bench<'_>) {
    const NODES: u64 = 30;
    let choice = PeerSelection::sites(NODES as usize, 2.0, |a, b| u64::from(a.max(b) > 1));
    let (mut kept, seed) = (Samples::default(), bench.seed(30));
    for run in 0..bench.runs(2_000, 50_000) as u64 {
        let epidemic = Epidemic {
            nodes: NODES,
            strategy: Strategy::Push,
            k: 5,
            choice: choice.clone(),
            seed: mix(seed ^ run),
            ..Epidemic::default()
        };
        let reached = (1.0 - bench.epidemic("hub", 0.5, &epidemic).residue) * NODES as f64;
        kept.add(if reached < 2.5 { 1.0 } else { 0.0 });
    }
    let estimate = kept.estimate();
    bench.put("hub pair keeps the update, push k=5", estimate.mean, estimate.standard_error);
}
