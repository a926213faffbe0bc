//! What `rumormill lab aggregate` prints, held against theory and against itself. `paper` holds the figures of the literature.

use rumormill_core::time::Duration;
use rumormill_lab::aggregate::{Aggregate, Algorithm, Outcome, Values};
use rumormill_protocols::sum::averaging::Pairing;
use rumormill_sim::Latency;

fn run(aggregate: &Aggregate) -> Outcome {
    aggregate.run(&mut |_| {}).expect("a sound experiment")
}

fn seeded(aggregate: Aggregate) -> Aggregate {
    Aggregate { seed: 7, ..aggregate }
}

#[test]
fn every_algorithm_comes_to_the_truth() {
    for name in Algorithm::names() {
        let algorithm: Algorithm = name.parse().expect("its own name");
        assert_eq!(algorithm.to_string(), name);
        let outcome =
            run(&seeded(Aggregate { nodes: 300, algorithm, rounds: 40, runs: 3, ..Aggregate::default() }));
        let allowed = match algorithm {
            Algorithm::Extrema => 0.4,
            Algorithm::Plain => 5e-3, // exchanges that overlap move its mean
            _ => 1e-3,
        };
        assert!(outcome.max_relative_error < allowed, "seed 7, {name}: {outcome:?}");
        assert!(outcome.spread < 1e-3, "seed 7, {name}: the nodes of a run agree");
        assert_eq!((outcome.curve.len(), outcome.worst.len()), (40, 40));
        assert!(outcome.messages > 0.5 && outcome.messages < 3.0 && outcome.events > 30_000, "{outcome:?}");
    }
}

#[test]
fn the_error_falls_by_the_factor_that_theory_has() {
    for pairing in [Pairing::Cyclic, Pairing::Poisson, Pairing::Matching] {
        let aggregate =
            seeded(Aggregate { nodes: 4_000, pairing, rounds: 12, runs: 4, ..Aggregate::default() });
        let (outcome, theory) = (run(&aggregate), aggregate.theory().expect("it has a factor"));
        let factor = outcome.factor_per_round.expect("so has this");
        assert!((factor / theory - 1.0).abs() < 0.03, "seed 7, {pairing:?}: {factor}, theory has {theory}");
        let svg = aggregate.plot(&outcome).svg();
        assert!(svg.contains(">theory<") && svg.contains(">root mean square<"));
    }
}

#[test]
fn averaging_loses_no_mass_on_a_network_that_loses_much() {
    let latency =
        Some(Latency::Exponential { min: Duration::from_millis(1), mean: Duration::from_millis(40) });
    let aggregate = seeded(Aggregate {
        nodes: 300,
        values: Values::Peak,
        loss: 0.2,
        latency,
        rounds: 50,
        runs: 3,
        ..Aggregate::default()
    });
    let outcome = run(&aggregate);
    assert!(outcome.mass_error < 1e-4, "seed 7: {outcome:?}");
    let plain = run(&Aggregate { algorithm: Algorithm::Plain, ..aggregate });
    assert!(plain.mass_error > 1e-2, "seed 7: the plain exchange of the lectures does: {plain:?}");
}

#[test]
fn twenty_neighbours_are_as_good_as_all() {
    for algorithm in [Algorithm::Averaging, Algorithm::Plain] {
        let few = seeded(Aggregate {
            nodes: 2_000,
            algorithm,
            neighbours: Some(20),
            rounds: 20,
            ..Aggregate::default()
        });
        let (few, all) = (run(&few), run(&Aggregate { neighbours: None, ..few.clone() }));
        let factors = (few.factor_per_round.unwrap(), all.factor_per_round.unwrap());
        assert!((factors.0 / factors.1 - 1.0).abs() < 0.1, "seed 7, {algorithm}: {factors:?}");
    }
    let refused = Aggregate { nodes: 10, neighbours: Some(10), ..Aggregate::default() }.check().unwrap_err();
    assert!(refused.contains("--neighbours"), "{refused}");
}

#[test]
fn the_same_arguments_give_the_same_digest() {
    let digest = |seed| run(&Aggregate { nodes: 100, seed, ..Aggregate::default() }).digest;
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn an_experiment_that_makes_no_sense_is_refused_with_the_flag() {
    let refused = |aggregate: Aggregate| aggregate.run(&mut |_| {}).expect_err("it makes no sense");
    let with = Aggregate::default;
    assert!(refused(Aggregate { nodes: 0, ..with() }).contains("--nodes"));
    assert!(refused(Aggregate { rounds: 0, ..with() }).contains("--rounds"));
    assert!(refused(Aggregate { loss: -0.1, ..with() }).contains("--loss"));
    assert!(refused(Aggregate { leaders: Some(5.0), ..with() }).contains("--leaders"));
    assert!(refused(Aggregate { algorithm: Algorithm::Extrema, numbers: 2, ..with() }).contains("--numbers"));
    assert!("median".parse::<Algorithm>().expect_err("no such thing").contains("push-sum"));
    assert!(with().check_memory(1).expect_err("too little").contains("--nodes"));
}
