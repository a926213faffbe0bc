//! What `rumormill lab epidemic` prints, held against theory and against itself. `paper` holds the figures of the literature.

use rumormill_core::time::Duration;
use rumormill_lab::epidemic::{Counting, Epidemic, Outcome, Removal, Strategy, Theory};
use rumormill_lab::theory::{epidemic as theory, markov};
use rumormill_lab::threads::Threads;
use rumormill_lab::topology::Topology;
use rumormill_protocols::spread::direct_mail::DirectMail;
use rumormill_protocols::spread::flood::Flood;
use rumormill_protocols::spread::infect_and_die::InfectAndDie;
use rumormill_protocols::spread::push_then_pull::PushThenPull;
use rumormill_sim::{Latency, World};

fn run(epidemic: &Epidemic) -> Outcome {
    let outcome = epidemic.run(&mut |_| {}).expect("a sound epidemic");
    assert_eq!(outcome.broken_off, 0, "{outcome:?}");
    outcome
}

fn seeded(epidemic: Epidemic) -> Epidemic {
    Epidemic { seed: 7, ..epidemic }
}

#[test]
fn push_spreads_round_by_round_as_the_exact_chain_says() {
    let epidemic = seeded(Epidemic { nodes: 200, removal: Removal::None, runs: 400, ..Epidemic::default() });
    let (outcome, chain) = (run(&epidemic), markov::Push::new(200));
    for (round, (ours, exact)) in outcome.curve.iter().zip(chain.curve()).enumerate() {
        assert!((ours - exact).abs() < 0.008, "seed 7, round {round}: {ours}, exactly {exact}");
    }
    let off = outcome.t_last - chain.expected_rounds();
    assert!(off.abs() < 4.0 * outcome.standard_error.t_last, "seed 7: {off} rounds off");
    assert_eq!((outcome.residue, outcome.all_reached), (0.0, 1.0));
}

#[test]
fn plain_rumors_leave_the_residue_of_the_equations() {
    for k in 1..=3 {
        let epidemic = seeded(Epidemic { counting: Counting::Plain, k, runs: 60, ..Epidemic::default() });
        let (outcome, theory) = (run(&epidemic), theory::residue(f64::from(k)));
        let bound = 4.0 * outcome.standard_error.residue + 0.01 * theory;
        assert!(
            (outcome.residue - theory).abs() < bound,
            "seed 7, k = {k}: {} not {theory}",
            outcome.residue
        );
        let (low, high) = theory::counter_traffic_bounds(f64::from(k), 1e3 * (1.0 - outcome.residue));
        let sent = 1e3 * outcome.traffic;
        assert!(low - 1e-6 <= sent && sent <= high + 1e-6, "{low} <= {sent} <= {high}");
    }
}

#[test]
fn every_strategy_reaches_all_or_leaves_what_it_must() {
    for name in Strategy::names() {
        let strategy: Strategy = name.parse().expect("its own name");
        assert_eq!(strategy.to_string(), name);
        let fanout = (strategy == Strategy::of::<InfectAndDie>()).then_some(14);
        let epidemic =
            seeded(Epidemic { nodes: 500, strategy, k: 4, fanout, runs: 5, ..Epidemic::default() });
        let outcome = run(&epidemic);
        assert!(outcome.residue < 0.01, "seed 7, {name}: {}", outcome.residue);
        assert!(
            outcome.traffic > 0.9 && outcome.t_last >= 1.0 && outcome.events > 2_500,
            "{name}: {outcome:?}"
        );
        // Mail needs no round of its own for the first that it goes to.
        let first = if strategy == Strategy::of::<DirectMail>() { 0.258 } else { 0.002 };
        let rises = outcome.curve.windows(2).all(|w| w[0] <= w[1]);
        assert!(rises && (outcome.curve[0] - first).abs() < 1e-12, "{name}: {:?}", outcome.curve);
        let end = outcome.curve.last().expect("it has rounds");
        assert!(
            (end + outcome.residue - 1.0).abs() < 1e-9,
            "{name}: the curve ends where the residue begins"
        );
    }
}

#[test]
fn on_a_real_network_rumors_reach_as_many_as_in_rounds() {
    let latency =
        Some(Latency::Exponential { min: Duration::from_millis(1), mean: Duration::from_millis(50) });
    for strategy in [Strategy::Push, Strategy::Pull, Strategy::PushPull, Strategy::of::<PushThenPull>()] {
        let epidemic = seeded(Epidemic {
            nodes: 400,
            strategy,
            k: 3,
            loss: 0.05,
            latency: latency.clone(),
            runs: 10,
            ..Epidemic::default()
        });
        let outcome = run(&epidemic);
        assert!(outcome.residue < 0.05, "seed 7, {strategy}: {}", outcome.residue);
    }
}

#[test]
fn loss_slows_push_as_the_mean_field_says() {
    let at = |loss| {
        let simple = Epidemic { nodes: 2_000, removal: Removal::None, loss, runs: 10, ..Epidemic::default() };
        run(&seeded(simple)).t_avg
    };
    let theory = |loss| {
        let curve = theory::push_curve(2_000.0, 1.0, loss, 0.0, 1_000);
        curve.iter().map(|x| 1.0 - x).sum::<f64>()
    };
    let (simulated, expected) = (at(0.3) / at(0.0), theory(0.3) / theory(0.0));
    assert!(
        (simulated / expected - 1.0).abs() < 0.05,
        "seed 7: {simulated} times slower, theory has {expected}"
    );
}

#[test]
fn the_same_arguments_give_the_same_digest_on_any_number_of_threads() {
    let digest = |seed, count| {
        let threads = Threads { count, meter: None };
        let epidemic = Epidemic {
            nodes: 300,
            strategy: Strategy::PushPull,
            k: 2,
            seed,
            threads,
            loss: 0.1,
            ..Epidemic::default()
        };
        run(&epidemic).digest
    };
    let one = digest(1, 1);
    for count in [1, 2, 4] {
        assert_eq!(digest(1, count), one, "{count} threads");
    }
    assert_ne!(digest(2, 1), one);
}

#[test]
fn curve_and_theory_share_a_picture() {
    let epidemic = seeded(Epidemic { nodes: 300, removal: Removal::None, ..Epidemic::default() });
    let outcome = run(&epidemic);
    let svg = epidemic.plot(&outcome).svg();
    assert!(svg.contains(">simulated<") && svg.contains(">mean field<"), "{svg}");
}

#[test]
fn progress_is_told_round_by_round() {
    let mut seen = Vec::new();
    let epidemic = Epidemic { nodes: 100, removal: Removal::None, runs: 2, ..Epidemic::default() };
    epidemic.run(&mut |p| seen.push((p.run, p.round, p.reached))).expect("a sound epidemic");
    assert_eq!(seen.first(), Some(&(0, 0, 1)));
    assert_eq!(seen.last().map(|(run, _, reached)| (*run, *reached)), Some((1, 100)));
    assert!(seen.windows(2).all(|w| w[0].0 < w[1].0 || w[0].1 + 1 == w[1].1 && w[0].2 <= w[1].2), "{seen:?}");
}

#[test]
fn an_epidemic_that_makes_no_sense_is_refused_with_the_flag() {
    let refused = |epidemic: Epidemic| epidemic.run(&mut |_| {}).expect_err("it makes no sense");
    let with = Epidemic::default;
    assert!(refused(Epidemic { nodes: 1, ..with() }).contains("--nodes"));
    assert!(refused(Epidemic { runs: 0, ..with() }).contains("--runs"));
    assert!(refused(Epidemic { loss: 1.0, ..with() }).contains("--loss"));
    assert!(refused(Epidemic { k: 0, ..with() }).contains("--k"));
    assert!(refused(Epidemic { fanout: Some(0), ..with() }).contains("--fanout"));
    assert!(refused(Epidemic { rounds_max: 0, ..with() }).contains("--rounds-max 1"));
    assert!(refused(Epidemic { connection_limit: Some(0), ..with() }).contains("--connection-limit"));
    let threads = Threads { count: 0, meter: None };
    assert!(refused(Epidemic { threads, ..with() }).contains("--threads"));
    assert!("gossip".parse::<Strategy>().expect_err("no such strategy").contains("push-then-pull"));
    assert!("often".parse::<Removal>().expect_err("no such removal").contains("feedback-coin"));
}

#[test]
fn a_flag_without_effect_is_refused_with_what_would_give_it_one() {
    let refused = |epidemic: Epidemic, flag| epidemic.check_flags(&[flag]).expect_err("it has no effect");
    let with = || Epidemic { removal: Removal::None, ..Epidemic::default() };
    let flood = || Epidemic { strategy: Strategy::of::<Flood>(), ..with() };
    for (epidemic, flag, parts) in [
        (
            with(),
            "k",
            &[
                "with --removal none",
                "--removal feedback-counter, feedback-coin, blind-counter or blind-coin",
            ][..],
        ),
        (with(), "counting", &["with --removal none", "--removal feedback-counter or feedback-coin"]),
        (with(), "hunt", &["without --connection-limit", "give --connection-limit"]),
        (with(), "switch", &["with --strategy push", "--strategy push-then-pull"]),
        (flood(), "removal", &["with --strategy flood", "--strategy push, pull or push-pull"]),
        (flood(), "connection-limit", &["--strategy push, pull, push-pull, anti-entropy"]),
        (
            Epidemic { strategy: Strategy::AntiEntropy, ..with() },
            "fanout",
            &["push, pull, push-pull", "infect-and-die", "tree"],
        ),
        (
            Epidemic {
                strategy: Strategy::Pull,
                removal: Removal::BlindCounter,
                k: 3,
                connection_limit: Some(1),
                ..with()
            },
            "counting",
            &["give --latency", "give another --connection-limit"],
        ),
        (
            Epidemic { topology: Some(Topology::Ring), ..flood() },
            "fanout",
            &["give another --topology", "leave --fanout out"],
        ),
        (
            Epidemic { minimization: true, k: 2, ..Epidemic::default() },
            "minimization",
            &["--strategy push-pull"],
        ),
        (
            Epidemic { minimization: true, ..with() },
            "minimization",
            &[
                "with --strategy push, with --removal none, with --k 1",
                "with --strategy push-pull --removal feedback-counter give another --k",
            ],
        ),
    ] {
        let why = refused(epidemic, flag);
        assert!(parts.iter().all(|part| why.contains(part)), "{flag}: {why}");
    }
    assert_eq!(Epidemic::default().check_flags(&["k", "removal", "counting", "fanout", "loss"]), Ok(()));
}

#[test]
fn theory_ends_with_the_run_at_the_latest() {
    for strategy in [Strategy::Push, Strategy::Pull, Strategy::PushPull, Strategy::AntiEntropy] {
        for rounds_max in [1, 5, 2_000] {
            let epidemic = Epidemic { strategy, removal: Removal::None, rounds_max, ..Epidemic::default() };
            let outcome = seeded(epidemic).run(&mut |_| {}).expect("a sound epidemic");
            let Theory::MeanField(theory) = &outcome.theory else { panic!("{:?}", outcome.theory) };
            let (theory, rounds) = (theory.len() - 1, outcome.curve.len() - 1);
            assert!(theory <= rounds, "seed 7, {strategy}: {theory} rounds of theory, and {rounds} were run");
            assert!(rounds_max > 5 || theory == rounds, "{strategy}: {theory} of {rounds}");
        }
    }
}

#[test]
fn the_mean_field_is_that_of_the_rounds_that_are_run() {
    for (removal, counting, k) in [
        (Removal::FeedbackCounter, Counting::Tables, 1),
        (Removal::FeedbackCounter, Counting::Plain, 2),
        (Removal::FeedbackCoin, Counting::Plain, 1),
        (Removal::BlindCoin, Counting::Tables, 4),
    ] {
        let epidemic =
            seeded(Epidemic { nodes: 2_000, removal, counting, k, runs: 12, ..Epidemic::default() });
        let outcome = run(&epidemic);
        let Theory::MeanField(theory) = &outcome.theory else { panic!("{:?}", outcome.theory) };
        for (round, (ours, theory)) in outcome.curve.iter().zip(theory).enumerate() {
            assert!(
                (ours - theory).abs() < 0.1,
                "seed 7, {removal} {counting}, round {round}: {ours} {theory}"
            );
        }
        let residue = 1.0 - theory.last().expect("it begins");
        assert!((outcome.residue / residue - 1.0).abs() < 0.15, "seed 7: {} {residue}", outcome.residue);
    }
}

#[test]
fn where_the_formulas_are_of_another_model_none_is_drawn() {
    let latency = Some(Latency::Uniform(Duration::from_millis(1), Duration::from_millis(100)));
    let with = || Epidemic { nodes: 100, ..Epidemic::default() };
    for (epidemic, why) in [
        (Epidemic { latency, ..with() }, "random latencies"),
        (Epidemic { connection_limit: Some(1), ..with() }, "a connection limit"),
        (Epidemic { topology: Some(Topology::Ring), ..with() }, "graphs"),
        (Epidemic { strategy: Strategy::of::<Flood>(), ..with() }, "the curve of this strategy"),
        (Epidemic { loss: 0.1, ..with() }, "lost messages"),
    ] {
        let outcome = run(&epidemic);
        let Theory::NoTheoryFor(said) = &outcome.theory else { panic!("{why}: {:?}", outcome.theory) };
        let svg = epidemic.plot(&outcome).svg();
        assert!(
            said.contains(why) && svg.contains("No theory for") && !svg.contains(">mean field<"),
            "{said}"
        );
    }
}

#[test]
fn runs_that_die_out_are_told_apart_from_those_that_take_off() {
    let (strategy, fanout, loss) = (Strategy::of::<InfectAndDie>(), Some(3), 0.5);
    let epidemic = seeded(Epidemic { nodes: 500, strategy, fanout, loss, runs: 60, ..Epidemic::default() });
    let outcome = run(&epidemic);
    let few = outcome.per_run.iter().filter(|run| run.reached < 50).count();
    // Each tells three, and half of these are lost: q = (1/2 + q/2)^3 die out.
    assert!(outcome.extinct == few && (5..=25).contains(&few), "seed 7: {few} of 60, and 14 by theory");
    let others = outcome.taken_off.expect("most do");
    assert_eq!(others.runs as usize + few, 60);
    let reach = theory::infect_and_die_reach(3.0, 0.5, 0.0);
    assert!((1.0 - others.residue - reach).abs() < 0.05, "seed 7: {} of {reach}", 1.0 - others.residue);
    assert!(outcome.residue > others.residue + 0.05, "the mean over all runs is neither");
    let of = outcome.percentiles.residue;
    assert!(of.p50 < 0.6 && of.p99 > 0.9 && of.p50 <= of.p90 && of.p90 <= of.p99, "{of:?}");
    let csv = outcome.csv();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines.len() == 61 && lines[0].starts_with("run,reached,residue,"), "{}", lines[0]);
    assert!(lines.iter().all(|line| line.split(',').count() == lines[0].split(',').count()));
    let mean = outcome.per_run.iter().map(|run| run.residue).sum::<f64>() / 60.0;
    assert!((mean - outcome.residue).abs() < 1e-12);
}

#[test]
fn on_a_graph_an_update_goes_along_its_edges() {
    let flood = |topology: &str, nodes| {
        let topology = Some(topology.parse().expect("a topology"));
        seeded(Epidemic { nodes, strategy: Strategy::of::<Flood>(), topology, ..Epidemic::default() })
    };
    for (topology, nodes, hops) in
        [("line", 50, 49.0), ("ring", 51, 25.0), ("star", 100, 1.0), ("grid", 49, 12.0)]
    {
        let outcome = run(&flood(topology, nodes));
        assert_eq!((outcome.t_last, outcome.residue), (hops, 0.0), "{topology}");
    }
    let rounds = |topology: Option<Topology>| {
        let push = Epidemic { nodes: 200, removal: Removal::None, topology, ..Epidemic::default() };
        run(&seeded(push)).t_last
    };
    let (all, ring, small) = (rounds(None), rounds(Some(Topology::Ring)), rounds("small-world".parse().ok()));
    assert!(
        ring > 80.0 && small < 2.0 * all,
        "seed 7: {all} rounds, on a ring {ring}, in a small world {small}"
    );
    let tree =
        Epidemic { strategy: "tree".parse().unwrap(), topology: Some(Topology::Ring), ..Epidemic::default() };
    assert!(tree.check().unwrap_err().contains("tree draws no peers"));
}

#[test]
fn a_run_that_does_not_fit_the_memory_is_refused_with_the_figure() {
    let million = Epidemic { nodes: 1_000_000, ..Epidemic::default() };
    assert!(million.memory_bytes() < 5 << 28, "{} bytes", million.memory_bytes());
    assert!(million.check_memory(2 << 30).is_ok());
    let refused = million.check_memory(64 << 20).expect_err("too little");
    assert!(refused.contains("64 MiB are available") && refused.contains("--nodes"), "{refused}");
}

#[test]
fn the_default_world_is_not_needed_for_rounds_to_be_rounds() {
    // Protocols that pass on at once count hops, one a round, whatever the world's latencies are.
    let flood = seeded(Epidemic { nodes: 300, strategy: Strategy::of::<Flood>(), ..Epidemic::default() });
    let hops = run(&flood).t_last;
    assert!((4.0..=10.0).contains(&hops) && hops.fract() == 0.0, "{hops} hops");
    let timed = run(&Epidemic { latency: Some(World::default().latency), ..flood });
    assert!(timed.t_last < 0.02, "{} s", timed.t_last);
}
