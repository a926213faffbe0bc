//! The examples run, and say what they promise.

use std::path::PathBuf;
use std::process::Command;

/// Cargo builds the examples beside the tests: `…/deps/THIS` has `…/examples/NAME` as a neighbour.
fn run(name: &str) -> String {
    let mut path: PathBuf = std::env::current_exe().expect("a test has a path");
    path.pop();
    path.pop();
    path.extend(["examples", name]);
    let output =
        Command::new(&path).output().unwrap_or_else(|e| panic!("{} cannot be run: {e}", path.display()));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name} failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn a_cluster_embedded_in_forty_lines_forms_and_one_leaves() {
    let said = run("embedded_cluster");
    assert!(said.contains("left") && said.ends_with("two remain\n"), "{said}");
    let source = include_str!("../examples/embedded_cluster.rs").lines();
    let lines = source.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//")).count();
    assert!(lines <= 40, "{lines} lines of code");
}

#[test]
fn a_protocol_of_ones_own_runs_unchanged_on_the_simulator_and_over_udp() {
    let said = run("own_protocol");
    assert!(said.contains("simulator: 200 of 200 know") && said.contains("over UDP: all 5 know"), "{said}");
}

#[test]
fn a_protocol_can_be_driven_from_a_loop_of_ones_own() {
    assert!(run("own_loop").ends_with("all three know each other\n"));
}

#[test]
fn three_protocols_of_different_rates_compose_in_thirty_lines() {
    let said = run("three_rates");
    assert!(said.starts_with("all 50 know each other"), "{said}");
    let source = include_str!("../examples/three_rates.rs").lines();
    let wiring =
        source.skip_while(|line| !line.contains("composite! {")).take_while(|line| !line.starts_with("fn "));
    let lines = wiring.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//")).count();
    assert!(lines <= 30, "{lines} lines of code");
}
