//! The figures that SWIM and Lifeguard must reach, on the simulator. `rumormill sim swim` prints the same ones.

use rumormill_core::time::Duration;
use rumormill_lab::swim::{Experiment, Outcome, Stall};

fn run(experiment: Experiment) -> Outcome {
    let outcome = experiment.run(|_| {}).expect("a sound experiment");
    println!("{outcome:?}");
    outcome
}

/// One crash, seen by SWIM alone, all periods at once.
fn crash(turns: bool, runs: usize) -> Outcome {
    run(Experiment { kill: 1, runs, turns, synchronous: true, suspicion: false, ..Experiment::default() })
}

/// Das 2002, section 3.1: the first detection takes 1/(1-1/e) = 1.58 periods on average, 2n-1 at most (section 4.3).
#[test]
fn a_crash_is_first_detected_after_1_58_periods_as_in_the_paper() {
    let outcome = crash(false, 1_000);
    let mean = outcome.first_detection_periods.expect("each crash is detected");
    let paper = 1.0 / (1.0 - (-1.0f64).exp());
    assert!((mean / paper - 1.0).abs() < 0.05, "{mean:.3} periods, the paper has {paper:.3}");
    assert!(outcome.first_detection_periods_max.expect("as above") < 2 * 100);
    assert!(outcome.converged);
    assert_eq!(outcome.false_deaths_total, 0);
}

/// Ours: where members probe by turns, somebody probes a crashed member in the very next period.
#[test]
fn a_crash_is_detected_within_a_period_where_members_probe_by_turns() {
    let outcome = crash(true, 100);
    assert_eq!(outcome.first_detection_periods, Some(1.0));
    assert_eq!(outcome.first_detection_periods_max, Some(1));
}

/// Das 2002, section 5: the load of a member does not depend on how many there are.
#[test]
fn the_load_of_a_member_is_flat_from_10_to_1000_members() {
    // With loss, one suspicion in a run of 30 periods, which all are told of, is half a datagram more for each.
    for (loss, large_runs) in [(0.0, 1), (0.05, 3)] {
        let load = |nodes, runs| {
            let outcome = run(Experiment { nodes, runs, loss, ..Experiment::default() });
            assert!(outcome.converged);
            assert_eq!(outcome.false_deaths_total, 0);
            outcome.messages_per_node_period
        };
        let loads = [load(10, 10), load(100, 2), load(1_000, large_runs)];
        assert!(
            loads.iter().all(|l| *l <= loads[0] * 1.1),
            "at {loss} loss: {loads:?} datagrams per member and period"
        );
    }
}

/// The lower 95 % bound of a ratio of two Poisson counts, `a` over `b` (Wilson's bound on a's share of the sum).
fn ratio_lower_bound(a: u64, b: u64) -> f64 {
    let (n, z) = ((a + b) as f64, 1.645);
    let p = a as f64 / n;
    let centre = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let low = (centre - spread) / (1.0 + z * z / n);
    low / (1.0 - low)
}

/// Dadgar 2018, section V: with Lifeguard's three parts far fewer healthy members are declared dead, at the same minimum
/// suspicion time.
#[test]
fn lifeguard_has_a_twentieth_of_the_false_deaths_at_most() {
    let stall = Stall {
        fraction: 0.1,
        min: Duration::from_secs(5),
        max: Duration::from_secs(20),
        run: Duration::from_secs(1),
    };
    let side =
        |lifeguard| run(Experiment { pause: Some(stall), lifeguard, runs: 5, ..Experiment::default() });
    let (without, with) = (side(false), side(true));
    assert!(without.converged && with.converged);
    assert!(without.false_deaths_total >= 100, "too mild a workload: {}", without.false_deaths_total);
    let bound = ratio_lower_bound(without.false_deaths_total, with.false_deaths_total);
    assert!(
        bound >= 20.0,
        "{} to {}: {bound:.1} times fewer",
        without.false_deaths_total,
        with.false_deaths_total
    );
}

/// One in ten stands still again and again, and a fifth of all datagrams is lost: who runs is never declared dead by who runs.
#[test]
fn nobody_who_runs_is_buried_though_others_stand_still() {
    let ms = Duration::from_millis;
    for (loss, stall) in [(0.0, (500, 1_500)), (0.2, (2_000, 5_000)), (0.0, (8_000, 16_000))] {
        let stop = Some(Stall { fraction: 0.1, min: ms(stall.0), max: ms(stall.1), run: ms(1_000) });
        let time = Some(Duration::from_secs(120));
        let outcome = run(Experiment { nodes: 30, runs: 3, loss, stop, time, ..Experiment::default() });
        assert_eq!(outcome.false_deaths_total, 0, "{stall:?} ms, loss {loss}");
    }
}

/// Serf 0.9.4 takes 7.5 s for the first of 30 and 9.7 s for the first of 100, on one machine.
#[test]
fn all_know_of_a_death_within_six_seconds() {
    for nodes in [30, 100] {
        let outcome = run(Experiment { nodes, kill: 1, runs: 20, ..Experiment::default() });
        let periods = outcome.all_know_periods.expect("all come to know it");
        assert!(periods * outcome.period_s < 6.0, "{nodes} members: {periods} periods");
    }
}

#[test]
fn a_partition_of_a_minute_heals_into_one_cluster_within_30_seconds() {
    let partition = Some((0.5, Duration::from_secs(60)));
    let outcome = run(Experiment { partition, runs: 20, ..Experiment::default() });
    let worst = outcome.remerged_s_max.expect("it heals");
    assert!(worst < 30.0, "{worst} s");
    assert!(outcome.converged);
}

/// The short form of what `cargo xtask soak --cuts 1000` sweeps. Before each member decided for itself, 3 of 13 such cuts of ten real agents
/// failed a healthy member, and `--nodes 50 --partition 0.1,60` did in most runs.
#[test]
fn no_cut_makes_anybody_fail_a_member_from_which_nothing_separated_it() {
    let cuts =
        [(8, 0.25, 8, 0.0), (10, 0.2, 14, 0.0), (10, 0.2, 22, 0.05), (50, 0.1, 60, 0.0), (30, 0.5, 20, 0.2)];
    for (nodes, fraction, seconds, loss) in cuts {
        let partition = Some((fraction, Duration::from_secs(seconds)));
        let outcome = run(Experiment { nodes, partition, loss, runs: 3, ..Experiment::default() });
        assert_eq!(outcome.never_separated_failed, 0, "{nodes} nodes, {fraction} cut off for {seconds} s");
        assert!(outcome.converged);
        assert!(outcome.stale_failed_s_max.is_some_and(|s| s < 60.0), "stale failures last: {outcome:?}");
    }
}

/// Where nearly all crash at once, most helpers are silent because they crashed, too. With Lifeguard the last is known no later than without.
#[test]
fn when_nearly_all_crash_at_once_lifeguard_costs_nothing() {
    for (nodes, kill) in [(63, 60), (40, 37)] {
        let side = |lifeguard| run(Experiment { nodes, kill, runs: 20, lifeguard, ..Experiment::default() });
        let (with, without) = (side(true), side(false));
        let figures = |outcome: &Outcome| {
            [outcome.all_know_periods, outcome.all_know_periods_median, outcome.all_know_periods_max]
                .map(|figure| figure.expect("all come to know it"))
        };
        for (with, without) in figures(&with).into_iter().zip(figures(&without)) {
            assert!(with <= without, "{kill} of {nodes}: {with} periods with Lifeguard, {without} without");
        }
    }
}

#[test]
fn five_of_ten_that_crash_at_once_are_known_within_ten_seconds() {
    let outcome = run(Experiment { nodes: 10, kill: 5, runs: 100, ..Experiment::default() });
    let most = outcome.all_know_periods_max.expect("all come to know it") * outcome.period_s;
    assert!(most <= 10.0, "the last is known after {most} s");
}

#[test]
fn the_same_arguments_give_the_same_digest_and_others_another() {
    let digest =
        |seed, loss| run(Experiment { nodes: 20, seed, loss, kill: 1, ..Experiment::default() }).digest;
    assert_eq!(digest(1, 0.0), digest(1, 0.0));
    assert_ne!(digest(1, 0.0), digest(2, 0.0));
    assert_ne!(digest(1, 0.0), digest(1, 0.01));
}

#[test]
fn an_experiment_that_makes_no_sense_is_refused_with_a_reason() {
    let refused = |experiment: Experiment| experiment.run(|_| {}).expect_err("it makes no sense");
    assert!(refused(Experiment { nodes: 1, ..Experiment::default() }).contains("--nodes"));
    assert!(refused(Experiment { kill: 99, ..Experiment::default() }).contains("--kill"));
    assert!(refused(Experiment { loss: 1.5, ..Experiment::default() }).contains("--loss"));
    assert!(refused(Experiment { nodes: 1_000_000, ..Experiment::default() }).contains("GiB"));
}
