//! All that an agent runs, on the simulator: faults and load drawn from the seed, checks at every instant and at the end.

use rumormill_lab::scenario::{Outcome, Scenario, Silent};
use rumormill_protocols::detect::phi;

/// Runs of the scenario, each with a seed of its own.
const RUNS: u32 = 20;

fn agent() -> Scenario {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/agent.toml");
    let text = std::fs::read_to_string(file).expect("the scenario");
    Scenario::parse(&text, |file| Err(format!("{file}: it names no files"))).expect("a sound scenario")
}

fn run(scenario: &Scenario) -> Outcome {
    let replay = |run| format!("rumormill sim run crates/lab/scenarios/agent.toml --run {run}");
    scenario.run(None, &replay, &mut Silent).expect("it runs")
}

#[test]
fn all_that_an_agent_runs_keeps_its_promises_under_faults_and_load_of_twenty_seeds() {
    let mut scenario = agent();
    scenario.runs = RUNS;
    let outcome = run(&scenario);
    println!("seed {}: {:?}", scenario.seed, outcome.figures);
    assert!(outcome.ok, "{}", outcome.failure.as_ref().map_or("", |failure| &failure.report));
    let figure = |name: &str| outcome.figures[name];
    assert!(figure("failures") > 0.0 && figure("suspicions") > 0.0, "the faults are felt: {outcome:?}");
    assert!(
        figure("deliveries") > 1_000.0 && figure("answered_share") > 0.5,
        "the load is carried: {outcome:?}"
    );
}

#[test]
fn a_fault_is_found_shrunk_and_seen_again_from_its_seed() {
    let mut scenario = agent();
    scenario.checks = vec!["always connected_not_failed".into()];
    (scenario.runs, scenario.shrink_tries) = (3, 30);
    scenario.set_nodes(24);
    // Without suspicion a lost datagram is a verdict.
    scenario
        .settings
        .insert("swim".into(), "suspicion = false\nlifeguard = false".parse().expect("settings"));
    let failure = run(&scenario).failure.expect("a member is failed for a lost datagram");
    assert!(failure.steps.1 < failure.steps.0 / 2, "{failure:?}");
    assert!(
        failure.report.contains("failed node") && failure.report.contains(&failure.replay),
        "{failure:?}"
    );
    let run = failure.run;
    let again = scenario.run_some(run..run + 1, None, &|_| String::new(), &mut Silent).expect("it runs");
    let again = again.failure.expect("it fails again");
    assert_eq!((again.at_s, again.why), (failure.at_s, failure.why));
}

/// Twenty agents with phi, whose SWIM suspects for minutes before it decides.
fn with_phi(steps: &str) -> Scenario {
    let text = format!(
        "stack = \"agent\"\nnodes = 20\ntime = \"160s\"\n[settings.phi]\n[settings.swim]\nsuspicion_alpha = 100\n{steps}"
    );
    Scenario::parse(&text, |file| Err(format!("{file}: it names no files"))).expect("a sound scenario")
}

#[test]
fn phi_of_a_live_member_stays_below_the_threshold_unless_it_is_silent() {
    let threshold = phi::Config::default().threshold;
    let calm = run(&with_phi("")).figures["live_level_max"];
    let frozen = run(&with_phi("[[step]]\nat = \"60s\"\ndo = \"freeze\"\nwho = 7\n"));
    let frozen = frozen.figures["live_level_max"];
    assert!(calm < threshold && frozen > threshold, "{calm} without a fault, {frozen} with a frozen node");
}

#[test]
fn it_comes_to_the_same_again_and_on_two_threads() {
    let mut scenario = agent();
    scenario.checks.clear();
    scenario.set_nodes(20);
    let one = run(&scenario);
    scenario.threads.count = 2;
    let two = run(&scenario);
    assert_eq!((one.digest, one.events, one.figures), (two.digest, two.events, two.figures));
}
