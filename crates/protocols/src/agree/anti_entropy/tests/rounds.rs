//! The simple epidemic in cycles: how many it takes, held against an independent simulation of the paper's model.

use super::*;

/// Mean and standard error.
#[derive(Copy, Clone, Debug)]
struct Mean(f64, f64);

struct Rounds {
    t_ave: Mean,
    t_last: Mean,
    accepted: f64,
}

fn mean(values: &[f64]) -> Mean {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
    Mean(mean, libm::sqrt(variance / n))
}

fn rounds(n: u64, runs: u64, config: &Config) -> Rounds {
    let (mut t_ave, mut t_last, mut contacts, mut refused) = (Vec::new(), Vec::new(), 0, 0);
    for seed in 0..runs {
        let world = World { synchronous: Some(SECOND), ..World::default() };
        let mut sim = everyone(world, seed, n, config);
        put(&mut sim, seed % n, "k", "v");
        let (mut informed, mut sum, mut last) = (0, 0.0, 0.0);
        while informed < n {
            sim.run_for(SECOND, &mut |at, _, _| {
                informed += 1;
                last = at.as_secs_f64();
                sum += last;
            });
            assert!(sim.now() < Time::ZERO + 200 * SECOND, "seed {seed}: {informed} of {n}");
        }
        t_ave.push(sum / n as f64);
        t_last.push(last);
        let total = total(&sim);
        (contacts, refused) = (contacts + total.contacts, refused + total.refused);
    }
    let accepted = 1.0 - refused as f64 / contacts as f64;
    Rounds { t_ave: mean(&t_ave), t_last: mean(&t_last), accepted }
}

fn hold(what: &str, ours: Mean, golden: f64, golden_error: f64) {
    let error = libm::sqrt(ours.1 * ours.1 + golden_error * golden_error);
    assert!(
        libm::fabs(ours.0 - golden) <= 4.0 * error + 0.005,
        "{what}: {:.3} +- {:.3}, expected {golden}",
        ours.0,
        ours.1
    );
}

fn check(n: u64, runs: u64, config: &Config, (t_ave, t_last): (f64, f64)) -> Rounds {
    let ours = rounds(n, runs, config);
    // The golden figures are means of 2,000 runs themselves.
    let golden_error = |mean: Mean| mean.1 * libm::sqrt(runs as f64 / 2_000.0);
    let what = alloc::format!("{:?}, n = {n}, limit {:?}", config.direction, config.connection_limit);
    hold(&alloc::format!("{what}: t_ave"), ours.t_ave, t_ave, golden_error(ours.t_ave));
    hold(&alloc::format!("{what}: t_last"), ours.t_last, t_last, golden_error(ours.t_last));
    ours
}

#[test]
fn pushing_takes_as_long_as_in_the_paper() {
    check(300, 120, &Config::demers(Direction::Push), (8.34, 15.08));
    check(1_000, 40, &Config::demers(Direction::Push), (10.08, 18.05));
}

#[test]
fn pulling_takes_as_long_as_in_the_paper() {
    check(300, 120, &Config::demers(Direction::Pull), (8.32, 11.71));
    check(1_000, 40, &Config::demers(Direction::Pull), (10.06, 13.75));
}

#[test]
fn both_together_take_as_long_as_in_the_paper() {
    check(300, 200, &Config::demers(Direction::PushPull), (5.33, 7.83));
    check(1_000, 40, &Config::demers(Direction::PushPull), (6.43, 9.16));
}

#[test]
fn one_connection_each_takes_as_long_as_in_table_5() {
    let config = Config { connection_limit: Some(1), ..Config::demers(Direction::PushPull) };
    let ours = check(300, 120, &config, (7.03, 11.06));
    let expected = 1.0 - libm::exp(-1.0);
    assert!(libm::fabs(ours.accepted - expected) < 0.002, "{:.4} accepted", ours.accepted);
}

#[test]
fn hunting_finds_somebody_for_nearly_all_and_is_as_fast_as_without_a_limit() {
    let limited = Config { connection_limit: Some(1), ..Config::demers(Direction::PushPull) };
    let hunting = rounds(300, 40, &Config { hunt: 8, ..limited.clone() });
    let limited = rounds(300, 40, &limited);
    assert!(hunting.t_last.0 < limited.t_last.0 - 2.0, "{:?} {:?}", hunting.t_last, limited.t_last);
}

#[test]
fn every_comparison_takes_as_many_cycles_as_sending_everything() {
    for direction in DIRECTIONS {
        let full = rounds(100, 60, &Config::demers(direction)).t_last;
        for compare in COMPARISONS.into_iter().skip(1) {
            let ours = rounds(100, 40, &Config { compare, ..Config::demers(direction) }).t_last;
            let error = libm::sqrt(ours.1 * ours.1 + full.1 * full.1);
            assert!(
                libm::fabs(ours.0 - full.0) <= 4.0 * error,
                "{compare:?} {direction:?}: {ours:?} {full:?}"
            );
        }
    }
}

#[test]
fn the_nearer_the_peers_the_longer_it_takes() {
    let choosing =
        |choice| rounds(200, 20, &Config { choice, ..Config::demers(Direction::PushPull) }).t_last.0;
    let (uniform, near) = (choosing(PeerSelection::Uniform), choosing(PeerSelection::ring(200, 4.0)));
    // With d^-4 nearly all contacts are with direct neighbours, and 200 sites are 100 steps around the ring.
    assert!(near > 3.0 * uniform, "{near} cycles, {uniform} if chosen uniformly");
}
