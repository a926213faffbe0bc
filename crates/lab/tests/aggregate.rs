//! What `rumormill lab aggregate` prints, held against theory and against itself. `paper` holds the figures of the literature.

use rumormill_core::time::Duration;
use rumormill_lab::aggregate::{Aggregate, Algorithm, Outcome, Theory, Values};
use rumormill_lab::topology::Topology;
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
        let (outcome, theory) = (run(&aggregate), aggregate.theory().factor().expect("it has a factor"));
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
    assert!(outcome.mass_error.unwrap() < 1e-4, "seed 7: {outcome:?}");
    let plain = run(&Aggregate { algorithm: Algorithm::Plain, ..aggregate });
    assert!(plain.mass_error.unwrap() > 1e-2, "seed 7: the plain exchange of the lectures does: {plain:?}");
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
    let counts = Aggregate { algorithm: Algorithm::Count, leaders: Some(50.0), ..with() };
    assert!(refused(counts).contains("--leaders"));
    assert!(refused(Aggregate { algorithm: Algorithm::Extrema, numbers: 2, ..with() }).contains("--numbers"));
    assert!("median".parse::<Algorithm>().expect_err("no such thing").contains("push-sum"));
    assert!(with().check_memory(1).expect_err("too little").contains("--nodes"));
}

#[test]
fn a_flag_without_effect_is_refused_with_what_would_give_it_one() {
    let refused = |aggregate: Aggregate, flag| aggregate.check_flags(&[flag]).expect_err("it has no effect");
    let of = |algorithm| Aggregate { algorithm, ..Aggregate::default() };
    let latency = Some(Latency::Uniform(Duration::from_millis(1), Duration::from_millis(100)));
    for (aggregate, flag, parts) in [
        (
            of(Algorithm::Averaging),
            "numbers",
            &["with --algorithm averaging", "give --algorithm extrema"][..],
        ),
        (of(Algorithm::PushSum), "pairing", &["with --algorithm push-sum", "--algorithm averaging or count"]),
        (
            of(Algorithm::Count),
            "values",
            &["with --algorithm count", "push-sum, averaging or plain-averaging"],
        ),
        (of(Algorithm::Extrema), "values", &["with --algorithm extrema"]),
        (of(Algorithm::Averaging), "leaders", &["--algorithm count"]),
        (of(Algorithm::PushSum), "synchronous", &["averaging, plain-averaging or count"]),
        (
            Aggregate { synchronous: true, latency, ..Aggregate::default() },
            "latency",
            &["leave --synchronous out"],
        ),
        (Aggregate { topology: Some(Topology::Ring), ..Aggregate::default() }, "neighbours", &["--topology"]),
    ] {
        let why = refused(aggregate, flag);
        assert!(parts.iter().all(|part| why.contains(part)), "{flag}: {why}");
    }
}

#[test]
fn where_the_formulas_are_of_another_model_none_is_drawn() {
    let latency = Some(Latency::Uniform(Duration::from_millis(1), Duration::from_millis(100)));
    let with = || Aggregate { nodes: 60, rounds: 6, ..Aggregate::default() };
    for (aggregate, why) in [
        (Aggregate { synchronous: true, ..with() }, "synchronous averaging"),
        (Aggregate { latency, ..with() }, "random latencies"),
        (Aggregate { loss: 0.1, ..with() }, "lost messages"),
        (Aggregate { topology: Some(Topology::Ring), ..with() }, "only some of the others"),
        (Aggregate { pairing: Pairing::Steady, ..with() }, "a steady phase"),
        (Aggregate { algorithm: Algorithm::Extrema, ..with() }, "extrema propagation"),
    ] {
        let outcome = run(&aggregate);
        let Theory::NoTheoryFor(said) = &outcome.theory else { panic!("{why}: {:?}", outcome.theory) };
        let svg = aggregate.plot(&outcome).svg();
        assert!(said.contains(why) && svg.contains("No theory for") && !svg.contains(">theory<"), "{said}");
    }
}

#[test]
fn on_a_graph_averages_come_to_the_truth_and_on_a_ring_slowly() {
    let on = |topology: &str| {
        let topology = topology.parse().ok();
        run(&seeded(Aggregate { nodes: 100, topology, rounds: 30, runs: 2, ..Aggregate::default() }))
    };
    let (all, regular, ring) = (on("full"), on("random-regular:degree=8"), on("ring"));
    assert!(regular.max_relative_error < 1e-3, "seed 7: {}", regular.max_relative_error);
    assert!(
        ring.max_relative_error > 100.0 * regular.max_relative_error,
        "seed 7: {}",
        ring.max_relative_error
    );
    assert!(ring.mass_error.unwrap() < 0.02, "only what is on its way is missing: {:?}", ring.mass_error);
    let everyone = run(&seeded(Aggregate { nodes: 100, rounds: 30, runs: 2, ..Aggregate::default() }));
    assert_eq!(all.digest, everyone.digest, "full is everyone");
    let matched =
        Aggregate { pairing: Pairing::Matching, topology: Some(Topology::Ring), ..Aggregate::default() };
    assert!(matched.check().unwrap_err().contains("matching pairs all nodes"));
}

#[test]
fn each_run_stands_beside_the_means() {
    let outcome = run(&seeded(Aggregate { nodes: 60, rounds: 20, runs: 5, ..Aggregate::default() }));
    let csv = outcome.csv();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines.len() == 6 && lines[0].starts_with("run,truth,estimate,"), "{csv}");
    assert!(lines.iter().all(|line| line.split(',').count() == lines[0].split(',').count()));
    let worst = outcome.percentiles.max_relative_error;
    assert!(worst.p50 <= worst.p90 && worst.p90 <= worst.p99 && worst.p99 > 0.0, "{worst:?}");
    let mean = outcome.per_run.iter().map(|run| run.estimate).sum::<f64>() / 5.0;
    assert!((mean - outcome.estimate).abs() < 1e-12);
}

#[test]
fn extrema_has_no_mass_to_lose() {
    let of = |algorithm| run(&seeded(Aggregate { nodes: 60, algorithm, runs: 2, ..Aggregate::default() }));
    let extrema = of(Algorithm::Extrema);
    assert_eq!((extrema.mass_error, extrema.mass_error_sd), (None, None));
    assert!(extrema.percentiles.mass_error.is_none() && extrema.percentiles.factor_per_round.is_none());
    let csv = extrema.csv();
    let column = |line: &str| line.split(',').nth(5).map(str::to_owned);
    let cells: Vec<_> = csv.lines().map(|line| column(line).expect("six columns")).collect();
    assert_eq!(cells, ["mass_error", "", ""], "{csv}");
    for algorithm in [Algorithm::Averaging, Algorithm::PushSum, Algorithm::Count] {
        assert!(of(algorithm).mass_error.is_some_and(|off| off < 1e-3), "seed 7: {algorithm} keeps its mass");
    }
}
